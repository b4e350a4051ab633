# Training: optimizer, data, checkpoints.  Linked into pel-train alone.
noinst_LTLIBRARIES += libpel-train.la
libpel_train_la_SOURCES = src/lib/train/optimizer.c src/lib/train/optimizer.h \
  src/lib/train/checkpoint.c src/lib/train/checkpoint.h \
  src/lib/train/feed.c src/lib/train/feed.h
libpel_train_la_LIBADD = libpellucid-nn.la libpellucid.la -lm

# Losses.
libpel_train_la_SOURCES += src/lib/train/loss.c src/lib/train/loss.h src/lib/train/loss-internal.h \
  src/lib/train/loss-parse.c src/lib/train/loss-pixel.c src/lib/train/loss-ssim.c src/lib/train/loss-fourier.c
