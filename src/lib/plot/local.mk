# Drawings: linked into the programs that draw, so that Cairo is loaded by these only.
noinst_LTLIBRARIES += libpel-plot.la
libpel_plot_la_SOURCES = src/lib/plot/sheet.c src/lib/plot/sheet.h
libpel_plot_la_CFLAGS = $(AM_CFLAGS) $(PLOT_CFLAGS)
libpel_plot_la_LIBADD = libpellucid.la $(PLOT_LIBS) -lm
