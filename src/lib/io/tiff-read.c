/* tiff-read.c - TIFF pages to frames (libtiff).
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pellucid/number.h>

#include "tiff-internal.h"

bool io_tiff_sniff(const uint8_t *h, size_t size)
{
    return size >= 8 && ((h[0] == 'I' && h[1] == 'I' && h[3] == 0 && (h[2] == 42 || h[2] == 43)) ||
                         (h[0] == 'M' && h[1] == 'M' && h[2] == 0 && (h[3] == 42 || h[3] == 43)));
}

/* Warnings tell of damage as errors do; but these are about tags that say nothing of the samples, and
 * microscopes and scanners write them every day. */
static bool harmless(const char *text)
{
    static const char *const parts[] = {"nknown field with tag", "ASCII value for", "Sum of Photometric",
                                        "Ignoring ColorMap", "not sorted in ascending order"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (strstr(text, parts[i]) != NULL)
            return true;
    return false;
}

static int on_warning(TIFF *tiff, void *user, const char *module, const char *format, va_list list)
{
    char text[300];
    (void)tiff;
    (void)module;
    vsnprintf(text, sizeof text, format, list);
    if (!harmless(text))
        pel_error_set(user, PEL_EFORMAT, "%s", text);
    return 1;
}

static int on_error(TIFF *tiff, void *user, const char *module, const char *format, va_list list)
{
    char text[300];
    (void)tiff;
    (void)module;
    vsnprintf(text, sizeof text, format, list);
    pel_error_set(user, PEL_EFORMAT, "%s", text);
    return 1;
}

TIFF *io_tiff_open(const char *path, const char *mode, pel_error *cause, size_t most)
{
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (options == NULL)
        return NULL;
    *cause = (pel_error){PEL_OK, ""};
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, cause);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, cause);
    if (most > 0)
        TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)(most < PTRDIFF_MAX ? most : PTRDIFF_MAX));
    TIFF *tiff = TIFFOpenExt(path, mode, options);
    TIFFOpenOptionsFree(options);
    return tiff;
}

/* ---- Samples: one function a type, to floats; integers over their full scale. */

static void from_u8(const void *p, size_t n, size_t step, float *to) { io_from_u8(to, p, n, step); }
static void from_u16(const void *p, size_t n, size_t step, float *to) { io_from_u16(to, p, n, step); }
static void from_u32(const void *p, size_t n, size_t step, float *to)
{
    const uint32_t *v = p;
    for (size_t i = 0; i < n; i++)
        to[i] = (float)((double)v[i * step] / 4294967295.0);
}
static void from_i8(const void *p, size_t n, size_t step, float *to)
{
    const int8_t *v = p;
    for (size_t i = 0; i < n; i++)
        to[i] = (float)v[i * step];
}
static void from_i16(const void *p, size_t n, size_t step, float *to)
{
    const int16_t *v = p;
    for (size_t i = 0; i < n; i++)
        to[i] = (float)v[i * step];
}
static void from_i32(const void *p, size_t n, size_t step, float *to)
{
    const int32_t *v = p;
    for (size_t i = 0; i < n; i++)
        to[i] = (float)v[i * step];
}
/* IEEE 754 binary16. */
static void from_f16(const void *p, size_t n, size_t step, float *to)
{
    const uint16_t *v = p;
    for (size_t i = 0; i < n; i++) {
        unsigned h = v[i * step], exponent = h >> 10 & 31, fraction = h & 1023;
        float a = exponent == 0    ? ldexpf((float)fraction, -24)
                  : exponent == 31 ? (fraction == 0 ? INFINITY : NAN)
                                   : ldexpf((float)(fraction | 1024), (int)exponent - 25);
        to[i] = h & 0x8000 ? -a : a;
    }
}
static void from_f32(const void *p, size_t n, size_t step, float *to)
{
    const float *v = p;
    for (size_t i = 0; i < n; i++)
        to[i] = v[i * step];
}
static void from_f64(const void *p, size_t n, size_t step, float *to)
{
    const double *v = p;
    for (size_t i = 0; i < n; i++)
        to[i] = (float)v[i * step];
}

static const struct {
    unsigned bits, format;
    void (*convert)(const void *, size_t, size_t, float *);
    const char *kind;
} types[] = {
    {8, SAMPLEFORMAT_UINT, from_u8, "u8"},    {16, SAMPLEFORMAT_UINT, from_u16, "u16"},
    {32, SAMPLEFORMAT_UINT, from_u32, "u32"}, {8, SAMPLEFORMAT_INT, from_i8, "f32"},
    {16, SAMPLEFORMAT_INT, from_i16, "f32"},  {32, SAMPLEFORMAT_INT, from_i32, "f32"},
    {16, SAMPLEFORMAT_IEEEFP, from_f16, "f32"}, {32, SAMPLEFORMAT_IEEEFP, from_f32, "f32"},
    {64, SAMPLEFORMAT_IEEEFP, from_f64, "f64"},
};

/* ---- One page */

typedef struct {
    uint32_t w, h;
    uint16_t bits, samples, format, photometric, planar, extra;
    size_t type;
    size_t channels; /* that are colour */
} page;

static bool page_equal(const page *a, const page *b)
{
    return a->w == b->w && a->h == b->h && a->bits == b->bits && a->samples == b->samples &&
           a->format == b->format && a->photometric == b->photometric;
}

/* What the samples take in the file at least: all of it, or what a good compression leaves. */
static pel_status check_length(const io_source *source, const page *p, uint16_t compression)
{
    size_t bytes, most = compression == COMPRESSION_NONE ? 1 : 20000;
    if (!pel_size_bytes(pel_size_make(p->w, p->h, 1, p->samples), p->bits / 8, &bytes) ||
        bytes / most > source->file_size)
        return io_error(source, PEL_EFORMAT, "the file is too short for its size of %ux%u", p->w, p->h);
    return PEL_OK;
}

static pel_status describe(io_source *source, TIFF *tiff, page *p)
{
    uint16_t *extra_types = NULL, compression = COMPRESSION_NONE;
    memset(p, 0, sizeof *p);
    if (!TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &p->w) ||
        !TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &p->h) || p->w == 0 || p->h == 0)
        return io_error(source, PEL_EFORMAT, "a page has no size");
    TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &p->bits);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &p->samples);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &p->format);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &p->planar);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &p->extra, &extra_types);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &compression);
    if (!TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &p->photometric))
        p->photometric = p->samples >= 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK;
    if (p->photometric == PHOTOMETRIC_YCBCR && compression == COMPRESSION_JPEG) {
        TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
        p->photometric = PHOTOMETRIC_RGB;
    }
    if (p->format == SAMPLEFORMAT_VOID)
        p->format = SAMPLEFORMAT_UINT;
    for (p->type = 0; p->type < sizeof types / sizeof types[0]; p->type++)
        if (types[p->type].bits == p->bits && types[p->type].format == p->format)
            break;
    if (p->type == sizeof types / sizeof types[0])
        return io_error(source, PEL_EFORMAT, "TIFF samples of %u bits, format %u, are not supported",
                        p->bits, p->format);
    p->channels = p->photometric == PHOTOMETRIC_RGB ? 3 : 1;
    if (p->photometric > PHOTOMETRIC_PALETTE ||
        (p->photometric == PHOTOMETRIC_PALETTE && (p->bits > 16 || p->format != SAMPLEFORMAT_UINT)))
        return io_error(source, PEL_EFORMAT, "TIFF pictures of photometric type %u are not supported",
                        p->photometric);
    /* Many channels without a colour space (microscopes): all are channels. */
    if (p->photometric <= PHOTOMETRIC_MINISBLACK && p->samples > 1 &&
        (p->extra == 0 || extra_types == NULL || extra_types[0] == EXTRASAMPLE_UNSPECIFIED))
        p->channels = p->samples - (p->extra > 1 && extra_types != NULL &&
                                    extra_types[p->extra - 1] != EXTRASAMPLE_UNSPECIFIED);
    if (p->samples < p->channels || p->samples == 0 || p->samples > 64)
        return io_error(source, PEL_EFORMAT, "a TIFF picture of %u samples a pixel", p->samples);
    return check_length(source, p, compression);
}

/* Reads the page's samples into `to`, planes of w*h of p->samples channels, `stride` samples apart. */
static pel_status read_samples(io_source *source, TIFF *tiff, const page *p, float *to,
                               size_t stride, const pel_error *cause)
{
    bool tiled = TIFFIsTiled(tiff) != 0, split = p->planar == PLANARCONFIG_SEPARATE;
    uint32_t bw = p->w, bh = 0;
    if (tiled) {
        TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &bw);
        TIFFGetField(tiff, TIFFTAG_TILELENGTH, &bh);
    } else {
        TIFFGetFieldDefaulted(tiff, TIFFTAG_ROWSPERSTRIP, &bh);
    }
    if (!tiled && bh > p->h)
        bh = p->h;
    tmsize_t size = tiled ? TIFFTileSize(tiff) : TIFFStripSize(tiff);
    size_t inner = split ? 1 : p->samples, row = (size_t)bw * inner * (p->bits / 8);
    size_t bytes;
    if (bw == 0 || bh == 0 || size <= 0 ||
        !pel_size_bytes(pel_size_make(row, bh, 1, 1), 1, &bytes) || (size_t)size < bytes ||
        (size_t)size > source->params->memory_cap)
        return io_error(source, PEL_EFORMAT, "TIFF strips or tiles of a size that cannot be");
    void *buffer = pel_alloc((size_t)size);
    if (buffer == NULL)
        return io_error(source, PEL_ENOMEM, "out of memory");
    pel_status status = PEL_OK;
    for (size_t plane = 0; plane < (split ? p->samples : 1u) && status == PEL_OK; plane++)
        for (uint32_t y = 0; y < p->h && status == PEL_OK; y += bh)
            for (uint32_t x = 0; x < p->w; x += bw) {
                uint32_t rows = p->h - y < bh ? p->h - y : bh, columns = p->w - x < bw ? p->w - x : bw;
                tmsize_t got =
                    tiled ? TIFFReadEncodedTile(tiff, TIFFComputeTile(tiff, x, y, 0, (uint16_t)plane),
                                                buffer, size)
                          : TIFFReadEncodedStrip(
                                tiff, TIFFComputeStrip(tiff, y, (uint16_t)plane), buffer, size);
                if (got < 0 || (size_t)got < row * (tiled ? bh : rows) || cause->status != PEL_OK) {
                    status = io_error(source, PEL_EFORMAT, "%s", cause->text[0] != '\0'
                                          ? cause->text : "the file is cut off");
                    break;
                }
                for (uint32_t j = 0; j < rows; j++)
                    for (size_t c = 0; c < inner; c++)
                        types[p->type].convert((char *)buffer + j * row + c * (p->bits / 8), columns,
                                               inner,
                                               to + (plane + c) * stride + ((size_t)y + j) * p->w + x);
            }
    pel_free(buffer);
    return status;
}

static pel_status apply_palette(io_source *source, TIFF *tiff, const page *p, const float *index,
                                float *to, size_t stride)
{
    uint16_t *map[3];
    if (!TIFFGetField(tiff, TIFFTAG_COLORMAP, &map[0], &map[1], &map[2]))
        return io_error(source, PEL_EFORMAT, "the palette is missing");
    float full = p->bits == 8 ? 255.0f : 65535.0f;
    for (size_t i = 0; i < (size_t)p->w * p->h; i++)
        for (size_t c = 0; c < 3; c++)
            to[c * stride + i] = (float)map[c][(size_t)lrintf(index[i] * full)] / 65535.0f;
    return PEL_OK;
}

/* Reads plane z of `image`, from channel c on (and of `alpha`, if there is one), from the current
 * directory. */
static pel_status read_page(io_source *source, TIFF *tiff, const page *p, pel_frame *image,
                            pel_frame *alpha, size_t z, size_t c0, const pel_error *cause)
{
    size_t plane = (size_t)p->w * p->h, stride = plane * image->size.d;
    float *to = pel_frame_floats(image) + c0 * stride + z * plane;
    bool palette = p->photometric == PHOTOMETRIC_PALETTE;
    if (!palette && p->samples == p->channels && image->size.d == 1)
        return read_samples(source, tiff, p, to, stride, cause);
    float *all = pel_alloc_floats(plane * p->samples);
    if (all == NULL)
        return io_error(source, PEL_ENOMEM, "out of memory");
    pel_status status = read_samples(source, tiff, p, all, plane, cause);
    if (status == PEL_OK && palette)
        status = apply_palette(source, tiff, p, all, to, stride);
    for (size_t c = 0; status == PEL_OK && !palette && c < p->channels; c++)
        memcpy(to + c * stride, all + c * plane, plane * sizeof *to);
    if (status == PEL_OK && alpha != NULL)
        memcpy(pel_frame_floats(alpha) + z * plane, all + p->channels * plane, plane * sizeof *to);
    pel_free(all);
    return status;
}

/* ---- Metadata */

/* The open file.  ImageJ and OME write their description once, on the first page, and mean all. */
typedef struct {
    TIFF *tiff;
    pel_error cause;
    char *description, *px;
} tiff_file;

/* To 6 digits: the inverse of a resolution that was rounded to float. */
static double tidy(double v)
{
    double scale = pow(10, 5 - floor(log10(v)));
    return floor(v * scale + 0.5) / scale;
}

/* Spacing as OME has it, or as ImageJ writes it: samples a unit as resolution, unit= and spacing= in
 * the description. */
static pel_status set_spacing(io_source *source, TIFF *tiff, const char *description,
                              pel_frame *image)
{
    char ome[120];
    if (description != NULL && io_ome_spacing(description, ome))
        return pel_frame_set(image, "px", ome, source->error);
    float xres = 0, yres = 0;
    const char *unit = description != NULL ? strstr(description, "\nunit=") : NULL;
    if (unit == NULL || strncmp(description, "ImageJ=", 7) != 0 ||
        !TIFFGetField(tiff, TIFFTAG_XRESOLUTION, &xres) ||
        !TIFFGetField(tiff, TIFFTAG_YRESOLUTION, &yres) || !(xres > 0) || !(yres > 0))
        return PEL_OK;
    char name[16] = "", number[3][32], text[160];
    sscanf(unit + 6, "%15[^\n]", name);
    if (strcmp(name, "micron") == 0 || strcmp(name, "\\u00B5m") == 0 || strcmp(name, "\xc2\xb5m") == 0)
        strcpy(name, "um");
    double z = 0;
    const char *spacing = strstr(description, "\nspacing=");
    char digits[32] = "";
    if (spacing != NULL && sscanf(spacing + 9, "%31[^\n]", digits) == 1)
        (void)pel_number_real(digits, &z);
    pel_number_format(tidy(1 / (double)xres), number[0]);
    pel_number_format(tidy(1 / (double)yres), number[1]);
    pel_number_format(z, number[2]);
    snprintf(text, sizeof text, "%s%s,%s%s%s%s%s", number[0], name, number[1], name,
             z > 0 ? "," : "", z > 0 ? number[2] : "", z > 0 ? name : "");
    return pel_frame_set(image, "px", text, source->error);
}

static pel_status keep_for_all(io_source *source, tiff_file *f, const char *description,
                               const pel_frame *image)
{
    const char *px = pel_frame_key(image, "px");
    if (strncmp(description, "ImageJ=", 7) != 0 && strncmp(description, "<?xml", 5) != 0 &&
        strncmp(description, "<OME", 4) != 0)
        return PEL_OK;
    f->description = strdup(description);
    f->px = px != NULL ? strdup(px) : NULL;
    return f->description != NULL && (px == NULL || f->px != NULL)
               ? PEL_OK
               : io_error(source, PEL_ENOMEM, "out of memory");
}

static pel_status add_metadata(io_source *source, tiff_file *f, pel_bundle *bundle,
                               pel_frame *image)
{
    TIFF *tiff = f->tiff;
    char *description = NULL;
    void *profile;
    uint32_t size;
    pel_status status = PEL_OK;
    bool own = TIFFGetField(tiff, TIFFTAG_IMAGEDESCRIPTION, &description) && description != NULL;
    if (!own)
        description = f->description;
    if (description != NULL)
        status = io_add_meta(source, bundle, "description", description, strlen(description));
    if (status == PEL_OK && own)
        status = set_spacing(source, tiff, description, image);
    if (status == PEL_OK && own && TIFFCurrentDirectory(tiff) == 0)
        status = keep_for_all(source, f, description, image);
    if (status == PEL_OK && !own && f->px != NULL)
        status = pel_frame_set(image, "px", f->px, source->error);
    if (status == PEL_OK && TIFFGetField(tiff, TIFFTAG_ICCPROFILE, &size, &profile))
        status = io_add_meta(source, bundle, "icc", profile, size);
    return status;
}

/* ---- The file */

/* How pages make volumes: ImageJ stacks channels first, then slices, then times. */
typedef struct {
    size_t channels, slices, times;
} stack;

static void describe_stack(TIFF *tiff, const page *p, size_t pages, stack *k)
{
    static const char *const names[] = {"\nchannels=", "\nslices=", "\nframes="};
    const char *description = NULL;
    size_t n[3] = {1, 1, 1}, all = 1;
    *k = (stack){1, pages, 1};
    if (!TIFFGetField(tiff, TIFFTAG_IMAGEDESCRIPTION, &description) || description == NULL ||
        strncmp(description, "ImageJ=", 7) != 0)
        return;
    for (int i = 0; i < 3; i++) {
        const char *at = strstr(description, names[i]);
        if (at != NULL)
            n[i] = (size_t)strtoul(at + strlen(names[i]), NULL, 10);
        if (n[i] == 0 || n[i] > pages)
            return;
        all *= n[i];
    }
    /* A volume was asked for: a stack along one axis is one, whatever its writer called the axis. */
    if (n[0] == pages || n[2] == pages)
        return;
    if (all == pages && (n[0] == 1 || (p->channels == 1 && p->samples == 1 && n[0] <= 64 &&
                                       p->photometric <= PHOTOMETRIC_MINISBLACK)))
        *k = (stack){n[0], n[1], n[2]};
}

/* The next page must be like the first. */
static pel_status next_page(io_source *source, TIFF *tiff, const page *p, size_t number,
                            const pel_error *cause)
{
    page other;
    if (!TIFFReadDirectory(tiff))
        return io_error(source, PEL_EFORMAT, "page %zu cannot be read: %s", number, cause->text);
    pel_status status = describe(source, tiff, &other);
    if (status == PEL_OK && !page_equal(p, &other))
        status = io_error(source, PEL_EFORMAT, "page %zu differs from the first: no volume", number);
    return status;
}

/* A frame of `slices` pages by `planes` (pages that are channels), from the current one on. */
static pel_status emit_pages(io_source *source, tiff_file *f, const page *p, size_t planes,
                             size_t slices)
{
    TIFF *tiff = f->tiff;
    const pel_error *cause = &f->cause;
    uint16_t orientation = ORIENTATION_TOPLEFT;
    size_t channels = p->photometric == PHOTOMETRIC_PALETTE ? 3 : p->channels * planes;
    bool has_alpha = p->samples > p->channels;
    pel_bundle bundle = {NULL, NULL, 0};
    pel_frame *image, *alpha = NULL;
    const char *kind = types[p->type].kind;
    pel_status status = io_image(source, pel_size_make(p->w, p->h, slices, channels), kind, &image);
    if (status != PEL_OK)
        return status;
    if (strcmp(kind, "f64") == 0 && source->params->say != NULL)
        source->params->say(source->params->arg, "float64 samples: digits after the 7th are lost");
    if (p->samples > p->channels + 1 && source->params->say != NULL)
        source->params->say(source->params->arg, "samples behind colour and alpha are left out");
    if (has_alpha)
        status = pel_frame_new("alpha", PEL_F32, pel_size_make(p->w, p->h, slices, 1), &alpha,
                               source->error);
    if (status == PEL_OK)
        status = add_metadata(source, f, &bundle, image);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_ORIENTATION, &orientation);
    for (size_t i = 0; i < slices * planes && status == PEL_OK; i++) {
        if (i > 0)
            status = next_page(source, tiff, p, i, cause);
        if (status == PEL_OK)
            status = read_page(source, tiff, p, image, alpha, i / planes, i % planes, cause);
    }
    if (status == PEL_OK && p->photometric == PHOTOMETRIC_MINISWHITE && kind[0] == 'u') {
        float *v = pel_frame_floats(image);
        for (size_t i = 0; i < pel_size_count(image->size); i++)
            v[i] = 1 - v[i];
    }
    if (status == PEL_OK)
        status = io_turn(source, orientation, &image);
    if (status == PEL_OK && alpha != NULL)
        status = io_turn(source, orientation, &alpha);
    if (status == PEL_OK && alpha != NULL)
        status = pel_bundle_put(&bundle, alpha, source->error);
    pel_frame_unref(alpha);
    if (status == PEL_OK)
        return io_emit(source, &bundle, image);
    pel_frame_unref(image);
    pel_bundle_clear(&bundle);
    return status;
}

static size_t count_pages(TIFF *tiff)
{
    size_t n = (size_t)TIFFNumberOfDirectories(tiff);
    TIFFSetDirectory(tiff, 0);
    return n;
}

static pel_status read_volumes(io_source *source, tiff_file *f)
{
    page p;
    stack k = {1, 1, 1};
    size_t pages = count_pages(f->tiff);
    pel_status status = f->cause.status != PEL_OK
                            ? io_error(source, PEL_EFORMAT, "%s", f->cause.text)
                            : describe(source, f->tiff, &p);
    if (status == PEL_OK)
        describe_stack(f->tiff, &p, pages, &k);
    for (size_t t = 0; t < k.times && status == PEL_OK; t++) {
        if (t > 0)
            status = next_page(source, f->tiff, &p, t * k.slices * k.channels, &f->cause);
        if (status == PEL_OK)
            status = emit_pages(source, f, &p, k.channels, k.slices);
    }
    return status;
}

static pel_status read_sequence(io_source *source, tiff_file *f)
{
    page p;
    pel_status status;
    do {
        status = describe(source, f->tiff, &p);
        if (status == PEL_OK)
            status = emit_pages(source, f, &p, 1, 1);
    } while (status == PEL_OK && !TIFFLastDirectory(f->tiff) && TIFFReadDirectory(f->tiff));
    if (status == PEL_OK && f->cause.status != PEL_OK)
        status = io_error(source, PEL_EFORMAT, "%s", f->cause.text);
    if (status == PEL_OK && !TIFFLastDirectory(f->tiff))
        status = io_error(source, PEL_EFORMAT, "a page cannot be read");
    return status;
}

pel_status io_tiff_read(io_source *source)
{
    tiff_file f = {NULL, {PEL_OK, ""}, NULL, NULL};
    size_t cap = source->params->memory_cap, least = (size_t)1 << 20; /* for directories */
    f.tiff = io_tiff_open(source->path, "rm", &f.cause, cap > least ? cap : least);
    pel_status status;
    if (f.tiff == NULL || f.cause.status != PEL_OK)
        status = io_error(source, PEL_EFORMAT, "%s",
                          f.cause.text[0] != '\0' ? f.cause.text : "no TIFF");
    else
        status = source->params->volume ? read_volumes(source, &f) : read_sequence(source, &f);
    if (f.tiff != NULL)
        TIFFClose(f.tiff);
    free(f.description);
    free(f.px);
    return status;
}
