# Benchmarks: `make bench` builds and runs them.

EXTRA_PROGRAMS += bench/iterate
bench_iterate_SOURCES = bench/iterate.c
bench_iterate_LDADD = libpellucid.la $(FFTW_THREADS_LIBS) $(CORE_LIBS) -lm
CLEANFILES += bench/iterate$(EXEEXT)
EXTRA_DIST += bench/run.sh bench/skimage_rl.py

.PHONY: bench
bench: bench/iterate$(EXEEXT)
	bash $(srcdir)/bench/run.sh
