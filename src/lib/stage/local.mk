pelinclude_HEADERS += include/pellucid/stage.h
libpellucid_la_SOURCES += src/lib/stage/psf-option.c src/lib/stage/solver.c src/lib/stage/grey.c
