pelinclude_HEADERS += include/pellucid/loss.h

# Training: losses.
libpel_nn_la_SOURCES += src/lib/train/loss.c src/lib/train/loss-parse.c src/lib/train/loss-internal.h \
  src/lib/train/loss-pixel.c src/lib/train/loss-ssim.c src/lib/train/loss-fourier.c
