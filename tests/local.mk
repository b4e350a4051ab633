# Tests: `make check` runs all of TESTS.  unit/: a C program each, on tests/unit/check.h.

AM_TESTS_ENVIRONMENT = top_srcdir='$(abs_top_srcdir)'; top_builddir='$(abs_top_builddir)'; export top_srcdir top_builddir;
EXTRA_DIST += tests/unit/check.h
TESTS += $(check_PROGRAMS)
LDADD += -lm

check_PROGRAMS += tests/unit/base
tests_unit_base_SOURCES = tests/unit/base.c
check_PROGRAMS += tests/unit/stream
tests_unit_stream_SOURCES = tests/unit/stream.c
tests_unit_stream_LDADD = $(LDADD) -lz
