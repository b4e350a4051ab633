# Benchmarks: `make bench` builds and runs them.

EXTRA_PROGRAMS += bench/iterate
bench_iterate_SOURCES = bench/iterate.c
bench_iterate_LDADD = libpellucid.la $(FFTW_THREADS_LIBS) $(CORE_LIBS) -lm
EXTRA_PROGRAMS += bench/network
bench_network_SOURCES = bench/network.c
bench_network_LDADD = libpellucid-nn.la libpellucid.la
EXTRA_PROGRAMS += bench/gradient
bench_gradient_SOURCES = bench/gradient.c
bench_gradient_LDADD = libpellucid-nn.la libpellucid.la -lm
CLEANFILES += bench/gradient$(EXEEXT) bench/iterate$(EXEEXT) bench/network$(EXEEXT)
EXTRA_DIST += bench/run.sh bench/skimage_rl.py bench/patches.sh bench/cnn.sh bench/onnxruntime.js bench/torch_model.py

.PHONY: bench
bench: bench/iterate$(EXEEXT)
	bash $(srcdir)/bench/run.sh
	bash $(srcdir)/bench/patches.sh
