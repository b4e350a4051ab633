# Drawings: linked into the programs that draw, so that Cairo is loaded by these only.
noinst_LTLIBRARIES += libpel-plot.la
libpel_plot_la_SOURCES = src/lib/plot/sheet.c src/lib/plot/sheet.h src/lib/plot/curve.c src/lib/plot/curve.h \
  src/lib/plot/table.c src/lib/plot/table.h
libpel_plot_la_CFLAGS = $(AM_CFLAGS) $(PLOT_CFLAGS)
libpel_plot_la_LIBADD = libpellucid.la $(PLOT_LIBS) -lm
