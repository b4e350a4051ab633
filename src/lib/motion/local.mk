pelinclude_HEADERS += include/pellucid/motion.h
libpellucid_la_SOURCES += src/lib/motion/path.c src/lib/motion/draw.c src/lib/motion/warp.c src/lib/motion/layer.c \
  src/lib/motion/exposure.c src/lib/motion/motion-internal.h
