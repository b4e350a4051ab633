# The programs: one file each.

LDADD = libpellucid.la

bin_PROGRAMS += pel
pel_SOURCES = src/pel.c

bin_PROGRAMS += pel-rl
pel_rl_SOURCES = src/pel-rl.c

bin_PROGRAMS += pel-wiener pel-tv
pel_wiener_SOURCES = src/pel-wiener.c
pel_tv_SOURCES = src/pel-tv.c

bin_PROGRAMS += pel-read pel-write
pel_read_SOURCES = src/pel-read.c
pel_read_LDADD = libpellucid-io.la libpellucid.la
pel_write_SOURCES = src/pel-write.c
pel_write_LDADD = libpellucid-io.la libpellucid.la
