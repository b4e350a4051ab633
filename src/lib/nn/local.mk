pelinclude_HEADERS += include/pellucid/model.h include/pellucid/network.h include/pellucid/cnn.h

# The engine is a convenience library: the shared one exports pel_* only, and tests see the rest.
noinst_LTLIBRARIES += libpel-nn.la
libpel_nn_la_SOURCES =
libpel_nn_la_LIBADD =
libpel_nn_la_CFLAGS = $(AM_CFLAGS) $(NN_CFLAGS)

# Models: graphs, ONNX files.
libpel_nn_la_SOURCES += src/lib/nn/model/lookup.c src/lib/nn/model/model.c src/lib/nn/model/model-check.c \
  src/lib/nn/model/model-outputs.c src/lib/nn/model/model-internal.h src/lib/nn/model/names.c \
  src/lib/nn/model/names.h src/lib/nn/model/onnx-read.c src/lib/nn/model/onnx-write.c

# Operators: shapes, and the plain reference.
libpel_nn_la_SOURCES += src/lib/nn/operator/operator.c src/lib/nn/operator/operator.h \
  src/lib/nn/operator/operator-internal.h src/lib/nn/operator/operators-conv.c \
  src/lib/nn/operator/operators-pointwise.c src/lib/nn/operator/operators-shape.c \
  src/lib/nn/operator/operators-select.c src/lib/nn/operator/operators-matrix.c \
  src/lib/nn/operator/operators-reduce.c src/lib/nn/operator/operators-resample.c \
  src/lib/nn/operator/operators-normalise.c src/lib/nn/operator/operators-fourier.c src/lib/nn/operator/axis.c \
  src/lib/nn/operator/axis.h src/lib/nn/operator/index-map.c src/lib/nn/operator/index-map.h

# The compiler, the steps it makes, and the loop that runs them.
libpel_nn_la_SOURCES += src/lib/nn/engine/graph.c src/lib/nn/engine/graph.h src/lib/nn/engine/plan.c \
  src/lib/nn/engine/plan-memory.c src/lib/nn/engine/plan.h src/lib/nn/engine/build.c src/lib/nn/engine/network.c \
  src/lib/nn/engine/fuse.c src/lib/nn/engine/fuse.h src/lib/nn/engine/match.c src/lib/nn/engine/match.h \
  src/lib/nn/engine/conv.c src/lib/nn/engine/conv.h src/lib/nn/engine/conv-node.c src/lib/nn/engine/conv-pack.c \
  src/lib/nn/engine/round.c src/lib/nn/engine/conv-winograd.c src/lib/nn/engine/pointwise.c \
  src/lib/nn/engine/normalise.c src/lib/nn/engine/move.c src/lib/nn/engine/resample.c src/lib/nn/engine/ends.c \
  src/lib/nn/engine/evaluate.c

# Gradients.
pelinclude_HEADERS += include/pellucid/gradient.h
libpel_nn_la_SOURCES += src/lib/nn/gradient/autodiff.c src/lib/nn/gradient/autodiff-rules.c src/lib/nn/gradient/autodiff-internal.h src/lib/nn/gradient/autodiff.h src/lib/nn/gradient/gradient.c \
  src/lib/nn/gradient/gradient-internal.h src/lib/nn/gradient/gradient-steps.c \
  src/lib/nn/gradient/gradient-weights.c src/lib/nn/gradient/gradient-norm.c src/lib/nn/gradient/parameters.c \
  src/lib/nn/gradient/parameters.h

# Architectures.
pelinclude_HEADERS += include/pellucid/nets.h
libpel_nn_la_SOURCES += src/lib/nn/nets/net.h src/lib/nn/nets/net.c src/lib/nn/nets/nets.c src/lib/nn/nets/ffdnet.c \
  src/lib/nn/nets/unet.c src/lib/nn/nets/resnet.c src/lib/nn/nets/vgg.c src/lib/nn/nets/multiscale.c \
  src/lib/nn/nets/dbpn.c src/lib/nn/nets/nafnet.c src/lib/nn/nets/drunet.c src/lib/nn/nets/tnrd.c src/lib/nn/nets/dbn.c \
  src/lib/nn/nets/strn.c src/lib/nn/nets/exemplar.c

# Models by name, and in words.
pelinclude_HEADERS += include/pellucid/models.h
libpel_nn_la_SOURCES += src/lib/nn/apply/models.c src/lib/nn/apply/models-describe.c src/lib/nn/apply/text.c \
  src/lib/nn/apply/text.h
libpel_nn_la_CPPFLAGS = $(AM_CPPFLAGS) -DMODELS_FOLDER='"$(pkgdatadir)/models"'

# Models on frames.
libpel_nn_la_SOURCES += src/lib/nn/apply/cnn.c src/lib/nn/apply/cnn-inputs.c src/lib/nn/apply/cnn-pairs.c \
  src/lib/nn/apply/cnn-mask.c src/lib/nn/apply/cnn-luma.c src/lib/nn/apply/cnn-strips.c src/lib/nn/apply/denoise.c src/lib/nn/apply/cnn-internal.h

# The inner loops, once for each level of processor, with its flags.  They contract a*b+c: each is held to the
# reference within a bound, not to the others' last bits.
KERNEL_CFLAGS = $(AM_CFLAGS) -ffp-contract=fast
noinst_LTLIBRARIES += libpel-kernels.la
libpel_kernels_la_SOURCES = src/lib/nn/kernels/kernels-portable.c src/lib/nn/kernels/kernels-body.h \
  src/lib/nn/kernels/kernels-bf16.h src/lib/nn/kernels/kernels-gradient.h src/lib/nn/kernels/kernels.c \
  src/lib/nn/kernels/kernels.h
libpel_kernels_la_CFLAGS = $(KERNEL_CFLAGS)
libpel_nn_la_LIBADD += libpel-kernels.la
if X86
noinst_LTLIBRARIES += libpel-kernels-avx2.la libpel-kernels-avx512.la
libpel_kernels_avx2_la_SOURCES = src/lib/nn/kernels/kernels-avx2.c
libpel_kernels_avx2_la_CFLAGS = $(KERNEL_CFLAGS) -mavx2 -mfma
libpel_kernels_avx512_la_SOURCES = src/lib/nn/kernels/kernels-avx512.c
libpel_kernels_avx512_la_CFLAGS = $(KERNEL_CFLAGS) -mavx512f -mprefer-vector-width=512
libpel_nn_la_LIBADD += libpel-kernels-avx2.la libpel-kernels-avx512.la
if AVX512_BF16
noinst_LTLIBRARIES += libpel-kernels-avx512bf16.la
libpel_kernels_avx512bf16_la_SOURCES = src/lib/nn/kernels/kernels-avx512bf16.c
libpel_kernels_avx512bf16_la_CFLAGS = $(KERNEL_CFLAGS) -mavx512f -mavx512bf16 -mprefer-vector-width=512
libpel_nn_la_LIBADD += libpel-kernels-avx512bf16.la
endif
if AMX
noinst_LTLIBRARIES += libpel-kernels-amx.la
libpel_kernels_amx_la_SOURCES = src/lib/nn/kernels/kernels-amx.c
libpel_kernels_amx_la_CFLAGS = $(KERNEL_CFLAGS) -mavx512f -mamx-tile -mamx-bf16 -mprefer-vector-width=512
libpel_nn_la_LIBADD += libpel-kernels-amx.la
endif
endif

# What protoc-c makes of onnx.proto.
EXTRA_DIST += src/lib/nn/model/onnx.proto
noinst_LTLIBRARIES += libpel-onnx.la
nodist_libpel_onnx_la_SOURCES = src/lib/nn/model/onnx.pb-c.c src/lib/nn/model/onnx.pb-c.h
libpel_onnx_la_SOURCES =
libpel_onnx_la_CFLAGS = -std=gnu11 $(SAN_CFLAGS) $(NN_CFLAGS)
libpel_nn_la_LIBADD += libpel-onnx.la
AM_CPPFLAGS += -I$(top_srcdir)/src/lib/nn -I$(top_builddir)/src/lib/nn/model
BUILT_SOURCES += src/lib/nn/model/onnx.pb-c.h
CLEANFILES += src/lib/nn/model/onnx.pb-c.c src/lib/nn/model/onnx.pb-c.h
src/lib/nn/model/onnx.pb-c.c: src/lib/nn/model/onnx.pb-c.h
src/lib/nn/model/onnx.pb-c.h: $(srcdir)/src/lib/nn/model/onnx.proto
	$(AM_V_GEN)$(MKDIR_P) src/lib/nn/model && $(PROTOC_C) -I$(srcdir)/src/lib/nn/model --c_out=src/lib/nn/model $(srcdir)/src/lib/nn/model/onnx.proto
