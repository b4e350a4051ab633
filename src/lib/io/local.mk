pelinclude_HEADERS += include/pellucid/io.h
libpellucid_io_la_SOURCES +=
