pelinclude_HEADERS += include/pellucid/border.h include/pellucid/fft.h include/pellucid/conv.h include/pellucid/stats.h
libpellucid_la_SOURCES +=
