# The programs: one file each.

LDADD = libpellucid.la

bin_PROGRAMS += pel
pel_SOURCES = src/pel.c
