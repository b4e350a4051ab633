pelinclude_HEADERS += include/pellucid/stage.h include/pellucid/uncertainty.h
libpellucid_la_SOURCES += src/lib/stage/psf-option.c src/lib/stage/solver.c src/lib/stage/grey.c \
  src/lib/stage/uncertainty.c
