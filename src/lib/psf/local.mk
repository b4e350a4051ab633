pelinclude_HEADERS += include/pellucid/psf.h
libpellucid_la_SOURCES +=
