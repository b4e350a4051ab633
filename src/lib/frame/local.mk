pelinclude_HEADERS += include/pellucid/frame.h include/pellucid/stream.h include/pellucid/driver.h \
  include/pellucid/geometry.h include/pellucid/blend.h
libpellucid_la_SOURCES += src/lib/frame/frame.c src/lib/frame/bundle.c src/lib/frame/header.c \
  src/lib/frame/reader.c src/lib/frame/writer.c src/lib/frame/history.c src/lib/frame/messages.c \
  src/lib/frame/driver.c src/lib/frame/geometry.c src/lib/frame/turn.c \
  src/lib/frame/blend.c src/lib/frame/frame-internal.h src/lib/frame/run.h
