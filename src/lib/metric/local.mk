pelinclude_HEADERS += include/pellucid/metric.h include/pellucid/consistency.h include/pellucid/ensemble.h \
  include/pellucid/calibration.h
libpellucid_la_SOURCES += src/lib/metric/score.c src/lib/metric/ssim.c src/lib/metric/ssim.h src/lib/metric/consistency.c \
  src/lib/metric/consistency-internal.h src/lib/metric/keep.c src/lib/metric/ensemble.c src/lib/metric/calibration.c
