pelinclude_HEADERS += include/pellucid/deconv.h
libpellucid_la_SOURCES += src/lib/deconv/problem.c src/lib/deconv/problem.h src/lib/deconv/rl.c \
  src/lib/deconv/rl-channel.c src/lib/deconv/rl-tv.c src/lib/deconv/rl-internal.h \
  src/lib/deconv/wiener.c src/lib/deconv/wiener-minimise.c src/lib/deconv/wiener-rule.c src/lib/deconv/wiener-internal.h \
  src/lib/deconv/hqs.c src/lib/deconv/tv.c src/lib/deconv/tv-prior.c \
  src/lib/deconv/tv-internal.h
