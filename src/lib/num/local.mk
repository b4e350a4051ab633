pelinclude_HEADERS += include/pellucid/border.h include/pellucid/fft.h include/pellucid/conv.h \
  include/pellucid/stats.h include/pellucid/degrade.h \
  include/pellucid/resize.h include/pellucid/fill.h include/pellucid/transfer.h
libpellucid_la_SOURCES += src/lib/num/border.c src/lib/num/stats.c src/lib/num/noise.c src/lib/num/degrade.c \
  src/lib/num/fft.c src/lib/num/wisdom.c src/lib/num/wisdom.h src/lib/num/conv.c \
  src/lib/num/conv-direct.c src/lib/num/conv-separable.c src/lib/num/conv-weigh.c src/lib/num/conv-tiled.c \
  src/lib/num/conv-whole.c src/lib/num/conv-internal.h src/lib/num/grid.c src/lib/num/grid.h \
  src/lib/num/box.c src/lib/num/box.h src/lib/num/resize.c src/lib/num/fill.c src/lib/num/transfer.c
