/* sheet.c - kernel, spectrum and profile of each PSF, drawn by Cairo.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <cairo.h>

#include <pellucid/fft.h>

#include "sheet.h"

/* A row: a line of text above three cells, in pixels. */
enum { CELL = 200, GAP = 24, TEXT = 30, ROW = TEXT + CELL + 36, WIDTH = 3 * CELL + 4 * GAP };
#define DECIBEL 40.0

/* One plane of a PSF, and what is drawn of it. */
typedef struct {
    const pel_frame *frame;
    size_t w, h;
    const float *plane;
    size_t peak[2];
    float most;
} view;

static pel_status open_view(const pel_context *ctx, const pel_frame *frame, view *v)
{
    *v = (view){frame, frame->size.w, frame->size.h, NULL, {0, 0}, 0};
    v->plane = pel_frame_floats(frame) + frame->size.d / 2 * v->w * v->h;
    for (size_t i = 0; i < v->w * v->h; i++)
        if (v->plane[i] > v->most && isfinite(v->plane[i])) {
            v->most = v->plane[i];
            v->peak[0] = i % v->w;
            v->peak[1] = i / v->w;
        }
    return v->most > 0 ? PEL_OK : pel_error_set(ctx->error, PEL_EINVAL, "a PSF of %zux%zux%zu has no positive "
                                                "sample", v->w, v->h, frame->size.d);
}

/* ---- Cells */

static void put_text(cairo_t *c, double x, double y, const char *text)
{
    cairo_move_to(c, x, y);
    cairo_show_text(c, text);
}

/* Grey samples of 0..1, w x h, as a square of CELL; what is not square is centred on black. */
static bool put_grey(cairo_t *c, double x, double y, const float *grey, size_t w, size_t h)
{
    cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)w, (int)h);
    bool good = cairo_surface_status(s) == CAIRO_STATUS_SUCCESS;
    if (good) {
        unsigned char *bytes = cairo_image_surface_get_data(s);
        size_t stride = (size_t)cairo_image_surface_get_stride(s);
        for (size_t i = 0; i < w * h; i++) {
            uint32_t v = (uint32_t)lrint(255 * fmin(fmax((double)grey[i], 0), 1));
            v = v << 16 | v << 8 | v;
            memcpy(bytes + i / w * stride + i % w * 4, &v, sizeof v);
        }
        cairo_surface_mark_dirty(s);
        double scale = CELL / (double)(w > h ? w : h);
        cairo_save(c);
        cairo_rectangle(c, x, y, CELL, CELL);
        cairo_set_source_rgb(c, 0, 0, 0);
        cairo_fill(c);
        cairo_translate(c, x + (CELL - scale * (double)w) / 2, y + (CELL - scale * (double)h) / 2);
        cairo_scale(c, scale, scale);
        cairo_set_source_surface(c, s, 0, 0);
        cairo_pattern_set_filter(cairo_get_source(c), CAIRO_FILTER_NEAREST);
        cairo_paint(c);
        cairo_restore(c);
    }
    cairo_surface_destroy(s);
    return good;
}

static bool put_kernel(cairo_t *c, const view *v, double x, double y)
{
    float *grey = pel_alloc_floats(v->w * v->h);
    if (grey == NULL)
        return false;
    for (size_t i = 0; i < v->w * v->h; i++)
        grey[i] = v->plane[i] > 0 ? sqrtf(v->plane[i] / v->most) : 0;
    bool good = put_grey(c, x, y, grey, v->w, v->h);
    pel_free(grey);
    put_text(c, x, y + CELL + 16, "kernel, square root");
    return good;
}

/* |K| in dB, frequency 0 in the middle of side x side. */
static void to_decibel(const pel_complex *spectrum, size_t side, float *grey)
{
    const size_t w = side / 2 + 1;
    double zero = hypot((double)spectrum[0][0], (double)spectrum[0][1]);
    for (size_t j = 0; j < side; j++)
        for (size_t i = 0; i < side; i++) {
            size_t fx = (i + side - side / 2) % side, fy = (j + side - side / 2) % side;
            if (fx > side / 2) { /* a real array: the other half is its mirror */
                fx = side - fx;
                fy = (side - fy) % side;
            }
            const float *k = spectrum[fy * w + fx];
            double level = 20 * log10(fmax(hypot((double)k[0], (double)k[1]) / zero, 1e-9));
            grey[j * side + i] = (float)(1 + level / DECIBEL);
        }
}

static pel_status put_spectrum(const pel_context *ctx, cairo_t *c, const view *v, double x, double y)
{
    size_t side = 128;
    while (side < v->w || side < v->h)
        side *= 2;
    float *samples = pel_calloc_floats(side * side);
    pel_complex *spectrum = pel_alloc(side * (side / 2 + 1) * sizeof *spectrum);
    pel_fft *fft = NULL;
    pel_status status = samples != NULL && spectrum != NULL
                            ? pel_fft_new(ctx, side, side, 1, &fft)
                            : pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    if (status == PEL_OK) {
        for (size_t j = 0; j < v->h; j++)
            for (size_t i = 0; i < v->w; i++)
                samples[j * side + i] = isfinite(v->plane[j * v->w + i]) ? v->plane[j * v->w + i] : 0;
        pel_fft_forward(fft, samples, spectrum);
        to_decibel(spectrum, side, samples);
        if (!put_grey(c, x, y, samples, side, side))
            status = pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    }
    pel_fft_free(fft);
    pel_free(spectrum);
    pel_free(samples);
    put_text(c, x, y + CELL + 16, "spectrum, 0 to -40 dB");
    return status;
}

/* The width at half of the maximum of `count` samples `stride` apart, the greatest at `peak`. */
static double width_of(const float *v, size_t count, size_t stride, size_t peak)
{
    double half = (double)v[peak * stride] / 2, width = 0;
    for (int side = 0; side < 2; side++) {
        size_t room = side == 0 ? peak : count - 1 - peak, n = 1;
        double last = 2 * half, here = last;
        for (; n <= room; n++) {
            here = (double)v[(side == 0 ? peak - n : peak + n) * stride];
            if (here < half)
                break;
            last = here;
        }
        here = n > room ? 0 : here; /* beyond the array there is nothing */
        width += (double)n - 1 + (last - half) / (last - here);
    }
    return width;
}

static void put_cut(cairo_t *c, const float *v, size_t count, size_t stride, float most, double x, double y)
{
    for (size_t i = 0; i < count; i++) {
        double at = x + CELL * ((double)i + 0.5) / (double)count;
        double high = y + CELL - 0.95 * CELL * fmax((double)(v[i * stride] / most), 0);
        if (i == 0)
            cairo_move_to(c, at, high);
        else
            cairo_line_to(c, at, high);
    }
    cairo_stroke(c);
}

static void put_profile(cairo_t *c, const view *v, double x, double y)
{
    char text[80];
    const float *row = v->plane + v->peak[1] * v->w, *column = v->plane + v->peak[0];
    double across = width_of(row, v->w, 1, v->peak[0]), down = width_of(column, v->h, v->w, v->peak[1]);
    cairo_set_source_rgb(c, 0.6, 0.6, 0.6);
    cairo_rectangle(c, x + 0.5, y + 0.5, CELL - 1, CELL - 1);
    cairo_move_to(c, x, y + CELL - 0.475 * CELL);
    cairo_rel_line_to(c, CELL, 0);
    cairo_stroke(c);
    cairo_set_source_rgb(c, 0.8, 0.1, 0.1);
    put_cut(c, row, v->w, 1, v->most, x, y);
    snprintf(text, sizeof text, "x: FWHM %.2f", across);
    put_text(c, x, y + CELL + 16, text);
    cairo_set_source_rgb(c, 0.1, 0.2, 0.8);
    put_cut(c, column, v->h, v->w, v->most, x, y);
    snprintf(text, sizeof text, "y: %.2f samples", down);
    put_text(c, x + CELL / 2, y + CELL + 16, text);
    cairo_set_source_rgb(c, 0, 0, 0);
}

/* ---- The sheet */

/* Cairo wants UTF-8; a key may hold any bytes. */
static void make_plain(char *text)
{
    for (; *text != '\0'; text++)
        if (*text < 0x20 || *text > 0x7e)
            *text = '?';
}

static pel_status put_row(const pel_context *ctx, cairo_t *c, const pel_frame *frame, size_t number)
{
    view v;
    char text[160];
    const char *confidence = pel_frame_key(frame, "confidence"), *model = pel_frame_key(frame, "model");
    double y = (double)(number * ROW);
    pel_status status = open_view(ctx, frame, &v);
    if (status != PEL_OK)
        return status;
    snprintf(text, sizeof text, "%zu:  %zu x %zu x %zu%s%.20s%s%.90s", number, v.w, v.h, frame->size.d,
             confidence != NULL ? "   confidence " : "", confidence != NULL ? confidence : "",
             model != NULL ? "   " : "", model != NULL ? model : "");
    make_plain(text);
    put_text(c, GAP, y + TEXT - 8, text);
    if (!put_kernel(c, &v, GAP, y + TEXT))
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    status = put_spectrum(ctx, c, &v, 2 * GAP + CELL, y + TEXT);
    put_profile(c, &v, 3 * GAP + 2 * CELL, y + TEXT);
    return status;
}

/* Cairo's pixels as an image. */
static pel_status take(const pel_context *ctx, cairo_surface_t *s, pel_frame **image)
{
    cairo_surface_flush(s);
    size_t h = (size_t)cairo_image_surface_get_height(s), plane = WIDTH * h;
    size_t stride = (size_t)cairo_image_surface_get_stride(s);
    const unsigned char *bytes = cairo_image_surface_get_data(s);
    pel_status status = pel_frame_new("image", PEL_F32, pel_size_make(WIDTH, h, 1, 3), image, ctx->error);
    if (status != PEL_OK)
        return status;
    float *to = pel_frame_floats(*image);
    for (size_t i = 0; i < plane; i++) {
        uint32_t v;
        memcpy(&v, bytes + i / WIDTH * stride + i % WIDTH * 4, sizeof v);
        for (size_t k = 0; k < 3; k++)
            to[k * plane + i] = (float)(v >> (16 - 8 * k) & 255) / 255;
    }
    status = pel_frame_set(*image, "white", "1", ctx->error);
    if (status == PEL_OK)
        status = pel_frame_set(*image, "source", "u8", ctx->error);
    if (status != PEL_OK)
        pel_frame_unref(*image);
    return status;
}

pel_status pel_draw_sheet(const pel_context *ctx, pel_frame *const *psfs, size_t count, pel_frame **image)
{
    cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, WIDTH, (int)(count * ROW));
    cairo_t *c = cairo_create(s);
    pel_status status = PEL_OK;
    cairo_set_source_rgb(c, 1, 1, 1);
    cairo_paint(c);
    cairo_set_source_rgb(c, 0, 0, 0);
    cairo_select_font_face(c, "monospace", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(c, 12);
    cairo_set_line_width(c, 1);
    for (size_t i = 0; i < count && status == PEL_OK; i++)
        status = put_row(ctx, c, psfs[i], i);
    if (status == PEL_OK && cairo_status(c) != CAIRO_STATUS_SUCCESS)
        status = pel_error_set(ctx->error, PEL_ENOMEM, "the sheet cannot be drawn: %s",
                               cairo_status_to_string(cairo_status(c)));
    if (status == PEL_OK)
        status = take(ctx, s, image);
    cairo_destroy(c);
    cairo_surface_destroy(s);
    return status;
}
