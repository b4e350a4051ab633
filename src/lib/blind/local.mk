pelinclude_HEADERS += include/pellucid/blind.h include/pellucid/parametric.h
libpellucid_la_SOURCES += src/lib/blind/blind.c src/lib/blind/blind-internal.h src/lib/blind/scale.c \
  src/lib/blind/kernel.c src/lib/blind/kernel-clean.c src/lib/blind/latent.c src/lib/blind/latent-l0.c \
  src/lib/blind/latent-pmp.c src/lib/blind/latent-tv.c src/lib/blind/latent-dark.c \
  src/lib/blind/latent-edge.c src/lib/blind/latent-sparse.c src/lib/blind/latent-rl.c \
  src/lib/blind/judge.c src/lib/blind/window.c src/lib/blind/parametric.c src/lib/blind/periodogram.c \
  src/lib/blind/parametric-internal.h
