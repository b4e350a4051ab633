# Tests: `make check` runs all of TESTS.  unit/: a C program each, on tests/unit/check.h.

AM_TESTS_ENVIRONMENT = top_srcdir='$(abs_top_srcdir)'; top_builddir='$(abs_top_builddir)'; export top_srcdir top_builddir;
EXTRA_DIST += tests/unit/check.h
TESTS += $(check_PROGRAMS)
