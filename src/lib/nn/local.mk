pelinclude_HEADERS += include/pellucid/model.h include/pellucid/network.h include/pellucid/cnn.h

# The engine is a convenience library: the shared one exports pel_* only, and tests see the rest.
noinst_LTLIBRARIES += libpel-nn.la
libpel_nn_la_SOURCES =
libpel_nn_la_LIBADD =
libpel_nn_la_CFLAGS = $(AM_CFLAGS) $(NN_CFLAGS)

# Models: graphs, ONNX files.
libpel_nn_la_SOURCES += src/lib/nn/lookup.c src/lib/nn/model.c src/lib/nn/model-check.c src/lib/nn/model-outputs.c src/lib/nn/model-internal.h \
  src/lib/nn/names.c src/lib/nn/names.h src/lib/nn/onnx-read.c src/lib/nn/onnx-write.c

# Operators: shapes, and the plain reference.
libpel_nn_la_SOURCES += src/lib/nn/operator.c src/lib/nn/operator.h src/lib/nn/operator-internal.h \
  src/lib/nn/operators-conv.c src/lib/nn/operators-pointwise.c src/lib/nn/operators-shape.c \
  src/lib/nn/operators-select.c src/lib/nn/operators-matrix.c src/lib/nn/operators-reduce.c src/lib/nn/operators-resample.c \
  src/lib/nn/operators-normalise.c src/lib/nn/operators-fourier.c \
  src/lib/nn/axis.c src/lib/nn/axis.h src/lib/nn/index-map.c src/lib/nn/index-map.h

# The compiler, the steps it makes, and the loop that runs them.
libpel_nn_la_SOURCES += src/lib/nn/graph.c src/lib/nn/graph.h src/lib/nn/plan.c src/lib/nn/plan-memory.c src/lib/nn/plan.h \
  src/lib/nn/build.c src/lib/nn/network.c src/lib/nn/fuse.c src/lib/nn/fuse.h \
  src/lib/nn/match.c src/lib/nn/match.h src/lib/nn/conv.c src/lib/nn/conv.h src/lib/nn/conv-node.c src/lib/nn/conv-pack.c src/lib/nn/round.c \
  src/lib/nn/conv-winograd.c src/lib/nn/pointwise.c src/lib/nn/normalise.c \
  src/lib/nn/move.c src/lib/nn/resample.c src/lib/nn/ends.c src/lib/nn/evaluate.c

# Gradients.
pelinclude_HEADERS += include/pellucid/gradient.h
libpel_nn_la_SOURCES += src/lib/nn/autodiff.c src/lib/nn/autodiff.h src/lib/nn/gradient.c src/lib/nn/gradient-internal.h \
  src/lib/nn/gradient-steps.c src/lib/nn/gradient-weights.c src/lib/nn/gradient-norm.c src/lib/nn/parameters.c \
  src/lib/nn/parameters.h

# Architectures.
pelinclude_HEADERS += include/pellucid/nets.h
libpel_nn_la_SOURCES += src/lib/nn/nets/net.h src/lib/nn/nets/net.c src/lib/nn/nets/nets.c src/lib/nn/nets/ffdnet.c \
  src/lib/nn/nets/unet.c src/lib/nn/nets/resnet.c src/lib/nn/nets/vgg.c src/lib/nn/nets/multiscale.c \
  src/lib/nn/nets/dbpn.c src/lib/nn/nets/nafnet.c src/lib/nn/nets/tnrd.c src/lib/nn/nets/dbn.c \
  src/lib/nn/nets/strn.c src/lib/nn/nets/exemplar.c

# Models by name, and in words.
pelinclude_HEADERS += include/pellucid/models.h
libpel_nn_la_SOURCES += src/lib/nn/models.c src/lib/nn/models-describe.c src/lib/nn/text.c src/lib/nn/text.h
libpel_nn_la_CPPFLAGS = $(AM_CPPFLAGS) -DMODELS_FOLDER='"$(pkgdatadir)/models"'

# Models on frames.
libpel_nn_la_SOURCES += src/lib/nn/cnn.c src/lib/nn/cnn-inputs.c src/lib/nn/cnn-pairs.c \
  src/lib/nn/cnn-luma.c src/lib/nn/cnn-strips.c src/lib/nn/cnn-internal.h

# The inner loops, once for each level of processor, with its flags.  They contract a*b+c: each is held to the
# reference within a bound, not to the others' last bits.
KERNEL_CFLAGS = $(AM_CFLAGS) -ffp-contract=fast
noinst_LTLIBRARIES += libpel-kernels.la
libpel_kernels_la_SOURCES = src/lib/nn/kernels-portable.c src/lib/nn/kernels-body.h src/lib/nn/kernels-bf16.h src/lib/nn/kernels-gradient.h src/lib/nn/kernels.c \
  src/lib/nn/kernels.h
libpel_kernels_la_CFLAGS = $(KERNEL_CFLAGS)
libpel_nn_la_LIBADD += libpel-kernels.la
if X86
noinst_LTLIBRARIES += libpel-kernels-avx2.la libpel-kernels-avx512.la
libpel_kernels_avx2_la_SOURCES = src/lib/nn/kernels-avx2.c
libpel_kernels_avx2_la_CFLAGS = $(KERNEL_CFLAGS) -mavx2 -mfma
libpel_kernels_avx512_la_SOURCES = src/lib/nn/kernels-avx512.c
libpel_kernels_avx512_la_CFLAGS = $(KERNEL_CFLAGS) -mavx512f -mprefer-vector-width=512
libpel_nn_la_LIBADD += libpel-kernels-avx2.la libpel-kernels-avx512.la
if AVX512_BF16
noinst_LTLIBRARIES += libpel-kernels-avx512bf16.la
libpel_kernels_avx512bf16_la_SOURCES = src/lib/nn/kernels-avx512bf16.c
libpel_kernels_avx512bf16_la_CFLAGS = $(KERNEL_CFLAGS) -mavx512f -mavx512bf16 -mprefer-vector-width=512
libpel_nn_la_LIBADD += libpel-kernels-avx512bf16.la
endif
if AMX
noinst_LTLIBRARIES += libpel-kernels-amx.la
libpel_kernels_amx_la_SOURCES = src/lib/nn/kernels-amx.c
libpel_kernels_amx_la_CFLAGS = $(KERNEL_CFLAGS) -mavx512f -mamx-tile -mamx-bf16 -mprefer-vector-width=512
libpel_nn_la_LIBADD += libpel-kernels-amx.la
endif
endif

# What protoc-c makes of onnx.proto.
EXTRA_DIST += src/lib/nn/onnx.proto
noinst_LTLIBRARIES += libpel-onnx.la
nodist_libpel_onnx_la_SOURCES = src/lib/nn/onnx.pb-c.c src/lib/nn/onnx.pb-c.h
libpel_onnx_la_SOURCES =
libpel_onnx_la_CFLAGS = -std=gnu11 $(SAN_CFLAGS) $(NN_CFLAGS)
libpel_nn_la_LIBADD += libpel-onnx.la
AM_CPPFLAGS += -I$(top_builddir)/src/lib/nn
BUILT_SOURCES += src/lib/nn/onnx.pb-c.h
CLEANFILES += src/lib/nn/onnx.pb-c.c src/lib/nn/onnx.pb-c.h
src/lib/nn/onnx.pb-c.c: src/lib/nn/onnx.pb-c.h
src/lib/nn/onnx.pb-c.h: $(srcdir)/src/lib/nn/onnx.proto
	$(AM_V_GEN)$(MKDIR_P) src/lib/nn && $(PROTOC_C) -I$(srcdir)/src/lib/nn --c_out=src/lib/nn $(srcdir)/src/lib/nn/onnx.proto
