pelinclude_HEADERS += include/pellucid/frame.h include/pellucid/stream.h include/pellucid/driver.h
libpellucid_la_SOURCES +=
