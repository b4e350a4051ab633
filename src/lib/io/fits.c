/* fits.c - FITS (cfitsio): picture, error and quality extensions, headers kept as they are.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Files are opened as plain disk files: none of cfitsio's extended file names, no network.  Rows are
 * turned over, so that row 0 is on top; samples stay in physical units (BSCALE, BZERO applied). */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fits-internal.h"

static bool sniff(const uint8_t *head, size_t size)
{
    return size >= 30 && memcmp(head, "SIMPLE  =", 9) == 0;
}

/* cfitsio's own message: the oldest on its stack says what began it. */
pel_status io_fits_error(pel_error *error, int code, const char *what)
{
    char text[FLEN_ERRMSG] = "", status[FLEN_STATUS] = "";
    fits_get_errstatus(code, status);
    while (fits_read_errmsg(text) != 0)
        continue;
    return pel_error_set(error, PEL_EFORMAT, "%s: %s", what, status);
}

typedef struct {
    io_source *source;
    fitsfile *file;
    int bitpix;
    long n[3]; /* w, h, planes */
} hdu;

/* Shape of the current HDU's picture; false in *has when it is a table or empty. */
static pel_status describe(hdu *u, bool *has)
{
    int code = 0, type, axes;
    long n[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    *has = false;
    fits_get_hdu_type(u->file, &type, &code);
    if (code == 0 && type != IMAGE_HDU && !fits_is_compressed_image(u->file, &code))
        return PEL_OK;
    fits_get_img_equivtype(u->file, &u->bitpix, &code);
    fits_get_img_dim(u->file, &axes, &code);
    if (code == 0 && axes > 9)
        return io_error(u->source, PEL_EFORMAT, "a picture of %d axes", axes);
    fits_get_img_size(u->file, 9, n, &code);
    if (code != 0)
        return io_fits_error(u->source->error, code, "the header cannot be read");
    if (axes < 1)
        return PEL_OK;
    double planes = 1;
    for (int i = 0; i < 9; i++) {
        if (n[i] < 0 || n[i] > 0x7fffffff)
            return io_error(u->source, PEL_EFORMAT, "axis %d of length %ld", i + 1, n[i]);
        if (i >= 2)
            planes *= (double)n[i];
    }
    if (n[0] == 0 || n[1] == 0 || !(planes > 0))
        return PEL_OK;
    if (planes > 1e9)
        return io_error(u->source, PEL_ELIMIT, "a cube of %g planes", planes);
    u->n[0] = n[0];
    u->n[1] = n[1];
    u->n[2] = (long)planes;
    *has = true;
    return PEL_OK;
}

static pel_status check_sums(hdu *u)
{
    int code = 0, data_good = 0, hdu_good = 0;
    if (u->source->params->no_checks)
        return PEL_OK;
    fits_verify_chksum(u->file, &data_good, &hdu_good, &code);
    if (code != 0)
        return io_fits_error(u->source->error, code, "the checksum cannot be computed");
    if (data_good < 0 || hdu_good < 0)
        return io_error(u->source, PEL_EFORMAT,
                        "the %s does not fit its checksum: the file was damaged or changed "
                        "(--no-checks takes it all the same)", data_good < 0 ? "data" : "header");
    return PEL_OK;
}

/* Planes first .. first+count-1 into `to`, rows turned over. */
static pel_status read_planes(hdu *u, long first, long count, float *to)
{
    int code = 0, any, number;
    float nul = NAN;
    size_t w = (size_t)u->n[0], h = (size_t)u->n[1];
    LONGLONG start = (LONGLONG)first * (LONGLONG)(w * h) + 1;
    LONGLONG samples = (LONGLONG)((size_t)count * w * h);
    if (fits_is_compressed_image(u->file, &code)) {
        fits_get_hdu_num(u->file, &number);
        pel_status status = io_fits_unpack(u->source, number, start, samples, to);
        if (status != PEL_OK)
            return status;
    } else {
        fits_read_img(u->file, TFLOAT, start, samples, &nul, to, &any, &code);
    }
    if (code != 0)
        return io_fits_error(u->source->error, code, "the samples cannot be read");
    float *row = malloc(w * sizeof *row);
    if (row == NULL)
        return io_error(u->source, PEL_ENOMEM, "out of memory");
    for (long z = 0; z < count; z++, to += w * h)
        for (size_t y = 0; y < h / 2; y++) {
            float *top = to + y * w, *low = to + (h - 1 - y) * w;
            memcpy(row, top, w * sizeof *row);
            memcpy(top, low, w * sizeof *row);
            memcpy(low, row, w * sizeof *row);
        }
    free(row);
    return PEL_OK;
}

static void say_loss(const hdu *u)
{
    const pel_read_params *p = u->source->params;
    if (p->say == NULL)
        return;
    if (u->bitpix == DOUBLE_IMG)
        p->say(p->arg, "float64 samples: digits after the 7th are lost");
    if (u->bitpix == LONG_IMG || u->bitpix == LONGLONG_IMG || u->bitpix == ULONG_IMG)
        p->say(p->arg, "integers of 32 bits or more: digits after the 7th are lost");
}

/* ---- Keys and header */

static bool read_real(fitsfile *file, const char *const *names, double *value)
{
    for (; *names != NULL; names++) {
        int code = 0;
        char name[FLEN_KEYWORD];
        snprintf(name, sizeof name, "%s", *names);
        fits_read_key(file, TDOUBLE, name, value, NULL, &code);
        if (code == 0 && isfinite(*value))
            return true;
        fits_clear_errmsg();
    }
    return false;
}

/* Degrees a pixel, from CD or CDELT; 0 when there is none. */
static double pixel_scale(fitsfile *file, int axis)
{
    static const char *const cd[2][2] = {{"CD1_1", "CD2_1"}, {"CD1_2", "CD2_2"}};
    const char *const first[] = {cd[axis][0], NULL}, *const second[] = {cd[axis][1], NULL};
    const char *const delta[] = {axis == 0 ? "CDELT1" : "CDELT2", NULL};
    double a = 0, b = 0;
    bool has = read_real(file, first, &a);
    has = read_real(file, second, &b) || has;
    if (has)
        return hypot(a, b);
    return read_real(file, delta, &a) ? fabs(a) : 0;
}

static pel_status set_keys(hdu *u, pel_frame *image)
{
    static const char *const gain[] = {"GAIN", "EGAIN", "CCDGAIN", NULL};
    static const char *const noise[] = {"RDNOISE", "READNOIS", "READNOISE", NULL};
    static const char *const exposure[] = {"EXPTIME", "EXPOSURE", NULL};
    const struct {
        const char *key;
        const char *const *names;
    } reals[] = {{"gain", gain}, {"readnoise", noise}, {"exptime", exposure}};
    pel_error *error = u->source->error;
    pel_status status = PEL_OK;
    double v;
    for (size_t i = 0; i < sizeof reals / sizeof reals[0] && status == PEL_OK; i++)
        if (read_real(u->file, reals[i].names, &v))
            status = pel_frame_set_real(image, reals[i].key, v, error);
    char unit[FLEN_VALUE];
    int code = 0;
    fits_read_key(u->file, TSTRING, "BUNIT", unit, NULL, &code);
    if (code == 0 && status == PEL_OK)
        status = pel_frame_set(image, "unit", unit, error);
    fits_clear_errmsg();
    /* A pixel of more than a degree is no sky. */
    double x = pixel_scale(u->file, 0) * 3600, y = pixel_scale(u->file, 1) * 3600;
    if (status == PEL_OK && x > 0 && x < 3600 && y > 0) {
        char text[80];
        snprintf(text, sizeof text, "%.6garcsec,%.6garcsec", x, y);
        status = pel_frame_set(image, "px", text, error);
    }
    fits_clear_errmsg();
    return status;
}

/* The current HDU's header, 80 characters a card, END last; to be freed by fits_free_memory. */
static pel_status header_text(hdu *u, char **header)
{
    int code = 0, cards = 0;
    *header = NULL;
    if (fits_is_compressed_image(u->file, &code))
        fits_convert_hdr2str(u->file, 0, NULL, 0, header, &cards, &code);
    else
        fits_hdr2str(u->file, 0, NULL, 0, header, &cards, &code);
    return code == 0 ? PEL_OK : io_fits_error(u->source->error, code, "the header cannot be read");
}

static bool has_card(const char *header, size_t length, const char *name)
{
    for (size_t i = 0; i + 80 <= length; i += 80)
        if (memcmp(header + i, name, 8) == 0)
            return true;
    return false;
}

/* An extension with INHERIT = T shares the primary header's cards (FITS standard 4.0, appendix K):
 * those that it has not itself are appended to `own`, in `joined` (free). */
static pel_status inherit(hdu *u, const char *own, char **joined)
{
    int code = 0, home;
    char *primary;
    *joined = NULL;
    fits_get_hdu_num(u->file, &home);
    fits_movabs_hdu(u->file, 1, NULL, &code);
    pel_status status = header_text(u, &primary);
    code = 0;
    fits_movabs_hdu(u->file, home, NULL, &code);
    size_t length = strlen(own), more = status == PEL_OK ? strlen(primary) : 0;
    char *text = malloc(length + more + 1);
    if (status == PEL_OK && text == NULL)
        status = io_error(u->source, PEL_ENOMEM, "out of memory");
    if (status == PEL_OK && code != 0)
        status = io_fits_error(u->source->error, code, "the header cannot be read");
    if (status == PEL_OK) {
        size_t n = length >= 80 ? length - 80 : 0; /* END comes last */
        memcpy(text, own, n);
        for (size_t i = 0; i + 80 <= more; i += 80) {
            const char *card = primary + i;
            bool text_card = memcmp(card, "COMMENT ", 8) == 0 || memcmp(card, "HISTORY ", 8) == 0;
            if (memcmp(card, "NEXTEND ", 8) == 0 || memcmp(card, "END     ", 8) == 0 ||
                (!text_card && has_card(own, length, card)))
                continue;
            memcpy(text + n, card, 80);
            n += 80;
        }
        memcpy(text + n, own + (length >= 80 ? length - 80 : 0), length >= 80 ? 80 : 0);
        n += length >= 80 ? 80 : 0;
        text[n] = '\0';
        *joined = text;
    } else {
        free(text);
    }
    code = 0;
    if (primary != NULL)
        fits_free_memory(primary, &code);
    return status;
}

/* The header as it stands, with what it inherits. */
static pel_status keep_header(hdu *u, pel_bundle *bundle)
{
    int code = 0, number = 1, inherits = 0;
    char *header, *joined = NULL;
    char name[] = "INHERIT";
    pel_status status = header_text(u, &header);
    fits_get_hdu_num(u->file, &number);
    if (status == PEL_OK && number > 1 &&
        fits_read_key(u->file, TLOGICAL, name, &inherits, NULL, &code) == 0 && inherits)
        status = inherit(u, header, &joined);
    fits_clear_errmsg();
    const char *kept = joined != NULL ? joined : header;
    if (status == PEL_OK)
        status = io_add_meta(u->source, bundle, "fits", kept, strlen(kept));
    free(joined);
    code = 0;
    if (header != NULL)
        fits_free_memory(header, &code);
    return status;
}

/* ---- Error and quality extensions (the SCI/ERR/DQ convention of HST and JWST) */

/* The HDU of that EXTNAME and of the picture's size, as floats in a frame of `role`. */
static pel_status read_extension(hdu *u, const char *name, const char *role, pel_frame **frame)
{
    hdu other = {u->source, u->file, 0, {0, 0, 0}};
    int code = 0, home;
    bool has;
    char copy[8];
    *frame = NULL;
    fits_get_hdu_num(u->file, &home);
    snprintf(copy, sizeof copy, "%s", name);
    if (fits_movnam_hdu(u->file, ANY_HDU, copy, 0, &code) != 0) {
        fits_clear_errmsg();
        code = 0;
        fits_movabs_hdu(u->file, home, NULL, &code);
        return PEL_OK;
    }
    pel_status status = describe(&other, &has);
    if (status == PEL_OK && has && other.n[0] == u->n[0] && other.n[1] == u->n[1] &&
        other.n[2] == u->n[2] && u->n[2] == 1) {
        pel_size size = pel_size_make((size_t)u->n[0], (size_t)u->n[1], 1, 1);
        status = pel_frame_new(role, PEL_F32, size, frame, u->source->error);
        if (status == PEL_OK)
            status = read_planes(&other, 0, 1, pel_frame_floats(*frame));
        if (status != PEL_OK) {
            pel_frame_unref(*frame);
            *frame = NULL;
        }
    }
    fits_movabs_hdu(u->file, home, NULL, &code);
    return status;
}

/* A mask of what DQ flags and of what is saturated; none when all is good. */
static pel_status add_mask(hdu *u, const pel_frame *image, pel_bundle *bundle)
{
    static const char *const saturate[] = {"SATURATE", "SATLEVEL", NULL};
    pel_frame *flags, *mask = NULL;
    double level = HUGE_VAL;
    pel_status status = read_extension(u, "DQ", "mask", &flags);
    if (status != PEL_OK)
        return status;
    if (!read_real(u->file, saturate, &level) && flags == NULL)
        return PEL_OK;
    status = pel_frame_new("mask", PEL_F32, image->size, &mask, u->source->error);
    size_t bad = 0;
    for (size_t i = 0; status == PEL_OK && i < pel_size_count(image->size); i++) {
        bool flagged = flags != NULL && pel_frame_floats(flags)[i] != 0;
        bool good = !flagged && !((double)pel_frame_floats(image)[i] >= level);
        pel_frame_floats(mask)[i] = good ? 1 : 0;
        bad += !good;
    }
    if (status == PEL_OK && bad > 0)
        status = pel_bundle_put(bundle, mask, u->source->error);
    pel_frame_unref(flags);
    pel_frame_unref(mask);
    return status;
}

static pel_status add_sigma(hdu *u, pel_bundle *bundle)
{
    pel_frame *sigma;
    pel_status status = read_extension(u, "ERR", "sigma", &sigma);
    if (status != PEL_OK || sigma == NULL)
        return status;
    /* An error that is not above 0 says nothing; solvers need one everywhere. */
    float *s = pel_frame_floats(sigma), least = HUGE_VALF;
    size_t count = pel_size_count(sigma->size);
    for (size_t i = 0; i < count; i++)
        if (s[i] > 0 && s[i] < least)
            least = s[i];
    bool good = isfinite(least);
    for (size_t i = 0; i < count && good; i++)
        if (!(s[i] > 0) || !isfinite(s[i]))
            s[i] = least;
    if (good)
        status = pel_bundle_put(bundle, sigma, u->source->error);
    pel_frame_unref(sigma);
    return status;
}

/* ---- The file */

static pel_status emit_planes(hdu *u, long first, long count)
{
    pel_bundle bundle = {NULL, NULL, 0};
    pel_frame *image;
    pel_size size = pel_size_make((size_t)u->n[0], (size_t)u->n[1], (size_t)count, 1);
    pel_status status = io_image(u->source, size, u->bitpix == DOUBLE_IMG ? "f64" : "f32", &image);
    if (status != PEL_OK)
        return status;
    status = read_planes(u, first, count, pel_frame_floats(image));
    if (status == PEL_OK)
        status = set_keys(u, image);
    if (status == PEL_OK)
        status = keep_header(u, &bundle);
    if (status == PEL_OK && u->n[2] == 1)
        status = add_mask(u, image, &bundle);
    if (status == PEL_OK && u->n[2] == 1)
        status = add_sigma(u, &bundle);
    if (status == PEL_OK)
        return io_emit(u->source, &bundle, image);
    pel_frame_unref(image);
    pel_bundle_clear(&bundle);
    return status;
}

/* The first HDU with a picture, or the one called SCI. */
static pel_status find_picture(hdu *u)
{
    int code = 0, hdus = 0;
    char sci[] = "SCI";
    bool has = false;
    fits_get_num_hdus(u->file, &hdus, &code);
    if (code != 0)
        return io_fits_error(u->source->error, code, "the file cannot be read");
    if (fits_movnam_hdu(u->file, ANY_HDU, sci, 0, &code) == 0) {
        pel_status status = describe(u, &has);
        if (status != PEL_OK || has)
            return status;
    }
    fits_clear_errmsg();
    for (int i = 1; i <= hdus; i++) {
        code = 0;
        fits_movabs_hdu(u->file, i, NULL, &code);
        if (code != 0)
            return io_fits_error(u->source->error, code, "an extension cannot be read");
        pel_status status = describe(u, &has);
        if (status != PEL_OK || has)
            return status;
    }
    return io_error(u->source, PEL_EFORMAT, "there is no picture in the file");
}

static pel_status read_hdu(hdu *u)
{
    pel_status status = find_picture(u);
    int code = 0;
    if (status != PEL_OK)
        return status;
    size_t bytes;
    pel_size all = pel_size_make((size_t)u->n[0], (size_t)u->n[1], (size_t)u->n[2], 1);
    int bits = u->bitpix < 0 ? -u->bitpix : u->bitpix;
    if (!pel_size_bytes(all, sizeof(float), &bytes))
        return io_error(u->source, PEL_ELIMIT, "a cube that no memory holds");
    if (!fits_is_compressed_image(u->file, &code) &&
        bytes / 4 * (size_t)(bits > 64 ? 8 : bits) / 8 / 2 > u->source->file_size)
        return io_error(u->source, PEL_EFORMAT, "the file is cut off: %ldx%ldx%ld samples are not in it",
                        u->n[0], u->n[1], u->n[2]);
    status = check_sums(u);
    if (status != PEL_OK)
        return status;
    say_loss(u);
    if (u->source->params->volume)
        return emit_planes(u, 0, u->n[2]);
    for (long z = 0; z < u->n[2] && status == PEL_OK; z++)
        status = emit_planes(u, z, 1);
    return status;
}

static pel_status read_fits(io_source *source)
{
    hdu u = {source, NULL, 0, {0, 0, 0}};
    int code = 0;
    fits_open_diskfile(&u.file, source->path, READONLY, &code);
    if (code != 0)
        return io_fits_error(source->error, code, "no FITS that can be read");
    pel_status status = read_hdu(&u);
    code = 0;
    fits_close_file(u.file, &code);
    fits_clear_errmsg();
    return status;
}

const pel_format io_fits = {"fits", "fits fit fts fz", true, sniff, read_fits,
                            io_fits_append, io_fits_finish, io_fits_discard};
