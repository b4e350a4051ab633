pelinclude_HEADERS += include/pellucid/loss.h

# Training: losses, and optimizers: critics have Adam too, and Muon runs on the engine's kernels.
libpel_nn_la_SOURCES += src/lib/train/loss.c src/lib/train/loss-parse.c src/lib/train/loss-internal.h \
  src/lib/train/loss-pixel.c src/lib/train/loss-ssim.c src/lib/train/loss-fourier.c \
  src/lib/train/perceptual.c src/lib/train/adversarial.c src/lib/train/adversarial.h src/lib/train/adversarial-learn.c \
  src/lib/train/optimizer.c src/lib/train/optimizer.h src/lib/train/muon.c src/lib/train/muon.h

# Data, checkpoints: linked into pel-train alone.
noinst_LTLIBRARIES += libpel-train.la
libpel_train_la_SOURCES = src/lib/train/checkpoint.c src/lib/train/checkpoint.h \
  src/lib/train/feed.c src/lib/train/feed.h src/lib/train/trainer.c src/lib/train/trainer.h \
  src/lib/train/trainer-ranks.c src/lib/train/trainer-internal.h \
  src/lib/train/validate.c src/lib/train/validate.h src/lib/train/log.c src/lib/train/log.h \
  src/lib/train/card.c src/lib/train/card.h \
  src/lib/train/course.c src/lib/train/course-open.c src/lib/train/course-files.c src/lib/train/course.h \
  src/lib/train/course-internal.h
libpel_train_la_LIBADD = libpel-ranks.la libpellucid-nn.la libpellucid.la -lm

# Several processes: all that knows of MPI.
noinst_LTLIBRARIES += libpel-ranks.la
libpel_ranks_la_SOURCES = src/lib/train/ranks.c src/lib/train/ranks.h
libpel_ranks_la_CFLAGS = $(AM_CFLAGS) $(MPI_CFLAGS)
libpel_ranks_la_LIBADD = libpellucid.la $(MPI_LIBS)
