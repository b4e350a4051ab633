/* fits-write.c - frames to FITS: float samples, the header that came with them, history.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pellucid/number.h>

#include "fits-internal.h"

typedef struct {
    fitsfile *file;
    pel_size size; /* of a frame */
    long planes;   /* written */
    bool cube;     /* NAXIS3 is there */
} state;

/* Cards that describe the layout of the file that was read, not the picture. */
static bool structural(const char *card)
{
    static const char *const names[] = {
        "SIMPLE  ", "XTENSION", "BITPIX  ", "NAXIS   ", "EXTEND  ", "BSCALE  ", "BZERO   ", "BLANK   ",
        "CHECKSUM", "DATASUM ", "PCOUNT  ", "GCOUNT  ", "END     ", "EXTNAME ", "EXTVER  ", "DATAMIN ",
        "DATAMAX ",
        "INHERIT "};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strncmp(card, names[i], 8) == 0)
            return true;
    return strncmp(card, "NAXIS", 5) == 0 && card[5] >= '1' && card[5] <= '9' && card[6] == ' ';
}

/* CRPIXn moves with the corner of what was cut out: `origin` counts from the first picture's upper
 * left sample, FITS from the lower left one. */
static void shift_wcs(fitsfile *file, const pel_frame *image, double height_then, int *code)
{
    const char *origin = pel_frame_key(image, "origin");
    double x = 0, y = 0, at;
    if (origin == NULL || sscanf(origin, "%lf,%lf", &x, &y) < 2 || *code != 0)
        return;
    double below = height_then > 0 ? height_then - y - (double)image->size.h : 0;
    const double move[2] = {x, below};
    for (int i = 0; i < 2; i++) {
        char name[] = "CRPIX1";
        name[5] = (char)('1' + i);
        int missing = 0;
        fits_read_key(file, TDOUBLE, name, &at, NULL, &missing);
        if (missing != 0) {
            fits_clear_errmsg();
            continue;
        }
        at -= move[i];
        fits_update_key(file, TDOUBLE, name, &at, NULL, code);
    }
}

/* The value of an integer card, or 0. */
static double card_number(const char *cards, size_t count, const char *name)
{
    for (size_t i = 0; i + 80 <= count; i += 80)
        if (strncmp(cards + i, name, 8) == 0) {
            char value[24];
            memcpy(value, cards + i + 10, 20);
            value[20] = '\0';
            return atof(value);
        }
    return 0;
}

static void write_cards(io_sink *sink, const pel_bundle *bundle, fitsfile *file, int *code)
{
    const pel_frame *header = io_meta(sink, bundle, "fits");
    if (header == NULL)
        return;
    const char *cards = (const char *)pel_frame_bytes(header);
    for (size_t i = 0; i + 80 <= header->bytes && *code == 0; i += 80) {
        char card[81];
        memcpy(card, cards + i, 80);
        card[80] = '\0';
        if (!structural(card))
            fits_write_record(file, card, code);
    }
    shift_wcs(file, bundle->image, card_number(cards, header->bytes, "NAXIS2  "), code);
}

static void write_history(io_sink *sink, const pel_bundle *bundle, fitsfile *file, int *code)
{
    const pel_frame *history = io_meta(sink, bundle, "history");
    if (history == NULL)
        return;
    const char *text = (const char *)pel_frame_bytes(history), *end = text + history->bytes;
    while (text < end && *code == 0) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t n = newline != NULL ? (size_t)(newline - text) : (size_t)(end - text);
        char line[400];
        n = n < sizeof line - 1 ? n : sizeof line - 1;
        memcpy(line, text, n);
        line[n] = '\0';
        for (char *p = line; *p != '\0'; p++)
            if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
                *p = '?';
        fits_write_history(file, line, code);
        text = newline != NULL ? newline + 1 : end;
    }
}

static pel_status open_file(io_sink *sink, const pel_bundle *bundle)
{
    const pel_frame *image = bundle->image;
    state *s = sink->state = calloc(1, sizeof *s);
    if (s == NULL)
        return pel_error_set(sink->error, PEL_ENOMEM, "out of memory");
    s->size = image->size;
    s->cube = image->size.d * image->size.c > 1;
    io_no_alpha(sink, bundle, "FITS");
    if (image->size.c > 1 && sink->params->say != NULL)
        sink->params->say(sink->params->arg, "FITS knows no colour: the channels are planes of a cube");
    int code = 0;
    long n[3] = {(long)image->size.w, (long)image->size.h, (long)(image->size.d * image->size.c)};
    (void)unlink(sink->temporary); /* cfitsio makes new files only */
    fits_create_diskfile(&s->file, sink->temporary, &code);
    fits_create_img(s->file, FLOAT_IMG, s->cube ? 3 : 2, n, &code);
    write_cards(sink, bundle, s->file, &code);
    const char *unit = pel_frame_key(image, "unit");
    if (unit != NULL && code == 0) {
        char text[FLEN_VALUE];
        snprintf(text, sizeof text, "%.60s", unit);
        fits_update_key(s->file, TSTRING, "BUNIT", text, NULL, &code);
    }
    write_history(sink, bundle, s->file, &code);
    return code == 0 ? PEL_OK : io_fits_error(sink->error, code, "cannot write");
}

/* A further frame makes the picture a cube with one plane more. */
static pel_status grow(io_sink *sink, state *s, long more)
{
    int code = 0;
    long n[3] = {(long)s->size.w, (long)s->size.h, s->planes + more};
    fits_resize_img(s->file, FLOAT_IMG, 3, n, &code);
    s->cube = true;
    return code == 0 ? PEL_OK : io_fits_error(sink->error, code, "cannot write");
}

pel_status io_fits_append(io_sink *sink, const pel_bundle *bundle)
{
    const pel_frame *image = bundle->image;
    if (sink->params->sample == PEL_SAMPLE_U8 || sink->params->sample == PEL_SAMPLE_U16)
        return pel_error_set(sink->error, PEL_EUSAGE, "FITS is written as float samples only");
    pel_status status = PEL_OK;
    long more = (long)(image->size.d * image->size.c);
    if (sink->state == NULL)
        status = open_file(sink, bundle);
    else if (!pel_size_equal(((state *)sink->state)->size, image->size))
        return pel_error_set(sink->error, PEL_EINVAL, "the planes of a FITS cube have one size");
    else
        status = grow(sink, sink->state, more);
    state *s = sink->state;
    size_t w = image->size.w, h = image->size.h;
    float *plane = status == PEL_OK ? pel_alloc_floats(w * h) : NULL;
    if (status == PEL_OK && plane == NULL)
        status = pel_error_set(sink->error, PEL_ENOMEM, "out of memory");
    for (long z = 0; z < more && status == PEL_OK; z++) {
        const float *from = pel_frame_floats(image) + (size_t)z * w * h;
        int code = 0;
        for (size_t y = 0; y < h; y++)
            memcpy(plane + (h - 1 - y) * w, from + y * w, w * sizeof *plane);
        fits_write_img(s->file, TFLOAT, (LONGLONG)s->planes * (LONGLONG)(w * h) + 1,
                       (LONGLONG)(w * h), plane, &code);
        s->planes++;
        if (code != 0)
            status = io_fits_error(sink->error, code, "cannot write");
    }
    pel_free(plane);
    sink->report.samples += pel_size_count(image->size);
    return status;
}

pel_status io_fits_finish(io_sink *sink)
{
    state *s = sink->state;
    int code = 0;
    fits_write_chksum(s->file, &code);
    fits_close_file(s->file, &code);
    s->file = NULL;
    return code == 0 ? PEL_OK : io_fits_error(sink->error, code, "cannot write");
}

void io_fits_discard(io_sink *sink)
{
    state *s = sink->state;
    int code = 0;
    if (s != NULL && s->file != NULL)
        fits_close_file(s->file, &code);
    fits_clear_errmsg();
    free(s);
}
