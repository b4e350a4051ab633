pelinclude_HEADERS += include/pellucid/metric.h
libpellucid_la_SOURCES +=
