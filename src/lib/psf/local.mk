pelinclude_HEADERS += include/pellucid/psf.h
libpellucid_la_SOURCES += src/lib/psf/psf.c src/lib/psf/spec.c src/lib/psf/models.c \
  src/lib/psf/paths.c src/lib/psf/disturb.c src/lib/psf/models.h
