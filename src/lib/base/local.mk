pelinclude_HEADERS += include/pellucid/base.h include/pellucid/pool.h include/pellucid/rng.h \
  include/pellucid/crc.h include/pellucid/cpu.h include/pellucid/number.h include/pellucid/options.h
libpellucid_la_SOURCES += src/lib/base/error.c src/lib/base/memory.c src/lib/base/pool.c \
  src/lib/base/rng.c src/lib/base/crc.c src/lib/base/cpu.c src/lib/base/number.c src/lib/base/options.c
