pelinclude_HEADERS += include/pellucid/deconv.h
libpellucid_la_SOURCES +=
