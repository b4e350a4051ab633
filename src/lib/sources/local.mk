pelinclude_HEADERS += include/pellucid/sources.h
libpellucid_la_SOURCES += src/lib/sources/sources.c src/lib/sources/sky.c src/lib/sources/find.c \
  src/lib/sources/stack.c src/lib/sources/box.c src/lib/sources/fit.c src/lib/sources/sources-internal.h
