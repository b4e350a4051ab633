pelinclude_HEADERS += include/pellucid/metric.h
libpellucid_la_SOURCES += src/lib/metric/score.c src/lib/metric/ssim.c src/lib/metric/ssim.h
