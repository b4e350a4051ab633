pelinclude_HEADERS += include/pellucid/stage.h
libpellucid_la_SOURCES +=
