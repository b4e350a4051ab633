# Training: optimizer, data, checkpoints.  Linked into pel-train alone.
noinst_LTLIBRARIES += libpel-train.la
libpel_train_la_SOURCES = src/lib/train/optimizer.c src/lib/train/optimizer.h \
  src/lib/train/checkpoint.c src/lib/train/checkpoint.h \
  src/lib/train/feed.c src/lib/train/feed.h src/lib/train/trainer.c src/lib/train/trainer.h \
  src/lib/train/validate.c src/lib/train/validate.h
libpel_train_la_LIBADD = libpellucid-nn.la libpellucid.la -lm
