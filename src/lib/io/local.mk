pelinclude_HEADERS += include/pellucid/io.h include/pellucid/operands.h
libpellucid_io_la_SOURCES += src/lib/io/format.h src/lib/io/formats.c src/lib/io/common.c src/lib/io/names.c src/lib/io/operands.c \
  src/lib/io/tiff-read.c src/lib/io/tiff-write.c src/lib/io/tiff-internal.h src/lib/io/ome.c src/lib/io/png.c \
  src/lib/io/jpeg.c src/lib/io/fits.c src/lib/io/fits-guard.c \
  src/lib/io/fits-write.c src/lib/io/fits-internal.h src/lib/io/pnm.c src/lib/io/y4m.c src/lib/io/pel-file.c src/lib/io/text.c
