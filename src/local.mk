# The programs: one file each.

LDADD = libpellucid.la

bin_PROGRAMS += pel
pel_SOURCES = src/pel.c

bin_PROGRAMS += pel-rl
pel_rl_SOURCES = src/pel-rl.c

bin_PROGRAMS += pel-wiener pel-tv
pel_wiener_SOURCES = src/pel-wiener.c
pel_tv_SOURCES = src/pel-tv.c
