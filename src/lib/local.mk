# The libraries.  Layers only look down: base, then frame and num, then psf, motion, sources, deconv, blind, metric, nn, io, then
# stage, then the programs.

noinst_LTLIBRARIES =
lib_LTLIBRARIES += libpellucid.la libpellucid-io.la libpellucid-nn.la

libpellucid_la_SOURCES =
libpellucid_la_CFLAGS = $(AM_CFLAGS) $(CORE_CFLAGS)
libpellucid_la_LIBADD = $(FFTW_THREADS_LIBS) $(CORE_LIBS) -lpthread -lm
libpellucid_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 -no-undefined -export-symbols-regex '^pel_'

libpellucid_io_la_SOURCES =
libpellucid_io_la_CFLAGS = $(AM_CFLAGS) $(IO_CFLAGS)
libpellucid_io_la_LIBADD = libpellucid.la $(IO_LIBS) -lm
libpellucid_io_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 -no-undefined -export-symbols-regex '^pel_'

libpellucid_nn_la_SOURCES =
libpellucid_nn_la_LIBADD = libpel-nn.la libpellucid.la $(NN_LIBS) -lm
libpellucid_nn_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 -no-undefined -export-symbols-regex '^pel_'

include src/lib/base/local.mk
include src/lib/frame/local.mk
include src/lib/num/local.mk
include src/lib/psf/local.mk
include src/lib/motion/local.mk
include src/lib/sources/local.mk
include src/lib/deconv/local.mk
include src/lib/blind/local.mk
include src/lib/metric/local.mk
include src/lib/nn/local.mk
include src/lib/train/local.mk
include src/lib/stage/local.mk
include src/lib/io/local.mk
include src/lib/plot/local.mk
