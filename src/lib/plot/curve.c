/* curve.c - panels of curves over the steps of a training run, drawn by Cairo.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cairo-svg.h>
#include <cairo.h>

#include "curve.h"
#include "table.h"

/* In points. */
enum { LEFT = 70, RIGHT = 20, ABOVE = 30, BELOW = 34, PLOT_W = 600, PLOT_H = 180, MOST_MARKS = 40 };

/* Columns that share a panel. */
typedef struct {
    const char *title;
    bool logarithmic;
    size_t columns[PEL_TABLE_COLUMNS], count;
    double low, high; /* of y, as drawn: logarithms to base 10 where logarithmic */
} panel;

typedef struct {
    const pel_table *table;
    size_t step;
    double first, last; /* steps */
    panel panels[3];
    size_t count;
} sheet;

static const double colours[][3] = {{0.10, 0.20, 0.80}, {0.80, 0.10, 0.10}, {0.10, 0.55, 0.20}, {0.75, 0.50, 0.00},
                                    {0.50, 0.15, 0.60}, {0.00, 0.55, 0.60}};

static double value(const sheet *s, size_t row, size_t column)
{
    return s->table->values[row * s->table->columns + column];
}

/* NaN where there is nothing to draw. */
static double height(const sheet *s, const panel *p, size_t row, size_t column)
{
    double v = value(s, row, column);
    return !p->logarithmic ? v : v > 0 ? log10(v) : (double)NAN;
}

/* ---- What there is to draw */

static void add_column(const sheet *s, panel *p, size_t column)
{
    bool any = false;
    for (size_t i = 0; i < s->table->rows; i++) {
        double v = height(s, p, i, column);
        if (isnan(v))
            continue;
        p->low = fmin(p->low, v);
        p->high = fmax(p->high, v);
        any = true;
    }
    if (any)
        p->columns[p->count++] = column;
}

/* A panel of the columns `from` to before `to`. */
static void add_panel(sheet *s, const char *title, bool logarithmic, size_t from, size_t to)
{
    panel *p = &s->panels[s->count];
    *p = (panel){.title = title, .logarithmic = logarithmic, .low = HUGE_VAL, .high = -HUGE_VAL};
    for (size_t k = from; k < to; k++)
        add_column(s, p, k);
    if (p->count == 0)
        return;
    double margin = fmax(0.04 * (p->high - p->low), 1e-3 * fmax(fabs(p->high), 1e-6));
    p->low -= margin;
    p->high += margin;
    s->count++;
}

/* Losses that may be negative, as minus the PSNR is, have no logarithm. */
static bool all_positive(const sheet *s, size_t from, size_t to)
{
    for (size_t i = 0; i < s->table->rows; i++)
        for (size_t k = from; k < to; k++)
            if (value(s, i, k) <= 0)
                return false;
    return true;
}

static pel_status survey(const char *path, const pel_table *t, sheet *s, pel_error *error)
{
    size_t loss = pel_table_find(t, "loss"), rate = pel_table_find(t, "rate"), psnr = pel_table_find(t, "psnr");
    *s = (sheet){.table = t, .step = pel_table_find(t, "step"), .first = HUGE_VAL, .last = -HUGE_VAL};
    if (s->step == t->columns || loss == t->columns || rate < loss || rate == t->columns || psnr == t->columns)
        return pel_error_set(error, PEL_EFORMAT, "%s is no log of pel-train: step, loss, rate and psnr are its columns",
                             path);
    for (size_t i = 0; i < t->rows; i++) {
        if (isnan(value(s, i, s->step)))
            return pel_error_set(error, PEL_EFORMAT, "%s, line %zu: no step", path, i + 2);
        s->first = fmin(s->first, value(s, i, s->step));
        s->last = fmax(s->last, value(s, i, s->step));
    }
    if (!(s->last > s->first))
        s->last = s->first + 1;
    size_t behind = rate - loss > 2 ? rate : loss + 1; /* one term is the loss itself */
    add_panel(s, "loss", all_positive(s, loss, behind), loss, behind);
    add_panel(s, "PSNR of the validation, dB", false, psnr, psnr + 1);
    add_panel(s, "learning rate", false, rate, rate + 1);
    return s->count > 0 ? PEL_OK : pel_error_set(error, PEL_EFORMAT, "%s has nothing to draw", path);
}

/* ---- Drawing */

/* 1, 2 or 5 times a power of ten: some five in the range. */
static double tick_of(double range)
{
    double ten = pow(10, floor(log10(range / 5))), m = range / 5 / ten;
    return ten * (m > 5 ? 10 : m > 2 ? 5 : m > 1 ? 2 : 1);
}

/* The marks of the y axis, and their values: even ones; of logarithms powers of ten, and in less than three decades
 * twice and five times these. */
static size_t marks_of(const panel *p, double *at, double *values, size_t most)
{
    size_t n = 0;
    double tick = tick_of(p->high - p->low);
    if (!p->logarithmic || p->high - p->low < 0.3) {
        for (double v = ceil(p->low / tick) * tick; v <= p->high && n < most; v += tick, n++) {
            at[n] = v;
            values[n] = p->logarithmic ? pow(10, v) : fabs(v) < 1e-9 * tick ? 0 : v;
        }
        return n;
    }
    static const double times[] = {1, 2, 5};
    size_t of_decade = p->high - p->low < 3 ? 3 : 1;
    for (double decade = floor(p->low); decade <= p->high; decade++)
        for (size_t k = 0; k < of_decade; k++) {
            double v = times[k] * pow(10, decade);
            if (log10(v) >= p->low && log10(v) <= p->high && n < most) {
                at[n] = log10(v);
                values[n++] = v;
            }
        }
    return n;
}

static void put_text(cairo_t *c, double x, double y, double align, const char *text)
{
    cairo_text_extents_t e;
    cairo_text_extents(c, text, &e);
    cairo_move_to(c, x - align * e.x_advance, y);
    cairo_show_text(c, text);
}

static void put_line(cairo_t *c, double x0, double y0, double x1, double y1)
{
    cairo_move_to(c, x0, y0);
    cairo_line_to(c, x1, y1);
    cairo_stroke(c);
}

static void put_axes(cairo_t *c, const sheet *s, const panel *p, double top)
{
    char text[40];
    double tick = tick_of(s->last - s->first), at[MOST_MARKS], values[MOST_MARKS];
    size_t marks = marks_of(p, at, values, MOST_MARKS);
    cairo_set_source_rgb(c, 0.85, 0.85, 0.85);
    size_t steps = 0;
    double from = ceil(s->first / tick) * tick;
    while (steps < MOST_MARKS && from + (double)steps * tick <= s->last)
        steps++;
    for (size_t i = 0; i < steps; i++) {
        double v = from + (double)i * tick, x = LEFT + PLOT_W * (v - s->first) / (s->last - s->first);
        put_line(c, x, top, x, top + PLOT_H);
    }
    for (size_t i = 0; i < marks; i++) {
        double y = top + PLOT_H * (p->high - at[i]) / (p->high - p->low);
        put_line(c, LEFT, y, LEFT + PLOT_W, y);
    }
    cairo_set_source_rgb(c, 0, 0, 0);
    cairo_rectangle(c, LEFT, top, PLOT_W, PLOT_H);
    cairo_stroke(c);
    for (size_t i = 0; i < steps; i++) {
        double v = from + (double)i * tick;
        snprintf(text, sizeof text, "%.6g", v);
        put_text(c, LEFT + PLOT_W * (v - s->first) / (s->last - s->first), top + PLOT_H + 14, 0.5, text);
    }
    for (size_t i = 0; i < marks; i++) {
        snprintf(text, sizeof text, "%.4g", values[i]);
        put_text(c, LEFT - 6, top + PLOT_H * (p->high - at[i]) / (p->high - p->low) + 4, 1, text);
    }
    put_text(c, LEFT, top - 8, 0, p->title);
}

static void put_curves(cairo_t *c, const sheet *s, const panel *p, double top)
{
    double name_x = LEFT + PLOT_W;
    for (size_t k = p->count; k-- > 0;) { /* the loss last, above its terms */
        const double *rgb = colours[k % (sizeof colours / sizeof colours[0])];
        cairo_set_source_rgb(c, rgb[0], rgb[1], rgb[2]);
        cairo_new_path(c);
        for (size_t i = 0; i < s->table->rows; i++) {
            double v = height(s, p, i, p->columns[k]);
            if (!isnan(v))
                cairo_line_to(c, LEFT + PLOT_W * (value(s, i, s->step) - s->first) / (s->last - s->first),
                              top + PLOT_H * (p->high - v) / (p->high - p->low));
        }
        cairo_stroke(c);
        if (p->count > 1) {
            cairo_text_extents_t e;
            cairo_text_extents(c, s->table->names[p->columns[k]], &e);
            put_text(c, name_x, top - 8, 1, s->table->names[p->columns[k]]);
            name_x -= e.x_advance + 14;
        }
    }
}

static void put_sheet(cairo_t *c, const sheet *s)
{
    cairo_set_source_rgb(c, 1, 1, 1);
    cairo_paint(c);
    cairo_select_font_face(c, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(c, 11);
    cairo_set_line_width(c, 1);
    for (size_t k = 0; k < s->count; k++) {
        double top = ABOVE + (double)k * (ABOVE + PLOT_H + BELOW);
        put_axes(c, s, &s->panels[k], top);
        put_curves(c, s, &s->panels[k], top);
    }
}

/* ---- The file */

static cairo_status_t take_bytes(void *file, const unsigned char *bytes, unsigned count)
{
    return fwrite(bytes, 1, count, file) == count ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

static bool write_svg(const sheet *s, FILE *to)
{
    cairo_surface_t *surface = cairo_svg_surface_create_for_stream(
        take_bytes, to, LEFT + PLOT_W + RIGHT, (double)s->count * (ABOVE + PLOT_H + BELOW) + ABOVE);
    cairo_t *c = cairo_create(surface);
    put_sheet(c, s);
    cairo_surface_finish(surface);
    bool good = cairo_status(c) == CAIRO_STATUS_SUCCESS && cairo_surface_status(surface) == CAIRO_STATUS_SUCCESS;
    cairo_destroy(c);
    cairo_surface_destroy(surface);
    return fflush(to) == 0 && good;
}

static pel_status write_file(const sheet *s, const char *path, pel_error *error)
{
    size_t room = strlen(path) + 8;
    char *temporary = malloc(room);
    if (temporary == NULL)
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    snprintf(temporary, room, "%s.new", path);
    FILE *to = fopen(temporary, "we");
    bool good = to != NULL && write_svg(s, to);
    good = to != NULL && fclose(to) == 0 && good && rename(temporary, path) == 0;
    if (!good && to != NULL)
        (void)unlink(temporary);
    free(temporary);
    return good ? PEL_OK : pel_error_set(error, PEL_EIO, "cannot write %s: %s", path, strerror(errno));
}

pel_status pel_draw_curves(const char *table, const char *svg, pel_error *error)
{
    pel_table t;
    sheet s;
    pel_status status = pel_table_read(table, &t, error);
    if (status == PEL_OK)
        status = survey(table, &t, &s, error);
    if (status == PEL_OK)
        status = write_file(&s, svg, error);
    pel_table_clear(&t);
    return status;
}
