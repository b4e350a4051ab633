/* tiff-write.c - frames to TIFF pages; a volume is one page a plane, as ImageJ has it.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <pellucid/number.h>

#include "tiff-internal.h"

#define CLASSIC_LIMIT ((size_t)4000 << 20) /* offsets of classic TIFF are 32 bits */

typedef struct {
    TIFF *tiff;
    pel_error cause;
} state;

static pel_status failed(io_sink *sink, const state *s)
{
    return pel_error_set(sink->error, PEL_EIO, "cannot write: %s",
                         s != NULL && s->cause.text[0] != '\0' ? s->cause.text : "TIFF failed");
}

/* BigTIFF when the samples would not fit into a classic file, as far as that is known. */
static pel_status open_file(io_sink *sink, const pel_frame *image)
{
    state *s = sink->state = calloc(1, sizeof *s);
    if (s == NULL)
        return pel_error_set(sink->error, PEL_ENOMEM, "out of memory");
    double of = pel_frame_real(image, "of", 1);
    bool big = (double)image->bytes * (of > 1 ? of : 1) > (double)CLASSIC_LIMIT;
    s->tiff = io_tiff_open(sink->temporary, big ? "w8" : "w", &s->cause, 0);
    return s->tiff != NULL ? PEL_OK : failed(sink, s);
}

/* Channels of a volume that are no colours are pages, as ImageJ has them. */
static size_t page_channels(pel_size size)
{
    return size.d > 1 && size.c != 3 ? size.c : 1;
}

/* px=0.1um[,y[,z]] as ImageJ reads it; `stack` is what it must know of the pages. */
static void set_spacing(TIFF *tiff, const pel_frame *image, const char *stack, char *description,
                        size_t room)
{
    const char *px = pel_frame_key(image, "px");
    double size[3] = {0, 0, 0};
    char unit[16] = "";
    if (px == NULL)
        return;
    for (int i = 0; i < 3; i++) {
        char number[32];
        size_t n = strspn(px, "0123456789.eE+-");
        /* The e of a unit is no exponent. */
        while (n > 0 && strchr("eE+-", px[n - 1]) != NULL)
            n--;
        if (n == 0 || n >= sizeof number)
            break;
        memcpy(number, px, n);
        number[n] = '\0';
        if (!pel_number_real(number, &size[i]))
            break;
        px += n;
        size_t u = strcspn(px, ",");
        if (u < sizeof unit) {
            memcpy(unit, px, u);
            unit[u] = '\0';
        }
        px += u;
        if (*px++ != ',')
            break;
    }
    if (!(size[0] > 0))
        return;
    if (!(size[1] > 0))
        size[1] = size[0];
    TIFFSetField(tiff, TIFFTAG_XRESOLUTION, 1 / size[0]);
    TIFFSetField(tiff, TIFFTAG_YRESOLUTION, 1 / size[1]);
    TIFFSetField(tiff, TIFFTAG_RESOLUTIONUNIT, RESUNIT_NONE);
    char spacing[48] = "", z[32];
    if (size[2] > 0) {
        pel_number_format(size[2], z);
        snprintf(spacing, sizeof spacing, "spacing=%s\n", z);
    }
    snprintf(description, room, "ImageJ=1.53t\n%sunit=%s\n%s", stack,
             strcmp(unit, "um") == 0 ? "micron" : unit, spacing);
}

/* ImageJ, tifffile and OME describe pages and sample type here: true of the file that was read only. */
static bool tells_layout(const pel_frame *description)
{
    static const char *const starts[] = {"ImageJ=", "{\"shape\"", "<?xml", "<OME"};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        size_t n = strlen(starts[i]);
        if (description->bytes >= n && memcmp(pel_frame_bytes(description), starts[i], n) == 0)
            return true;
    }
    return false;
}

static void set_metadata(io_sink *sink, const pel_bundle *bundle, TIFF *tiff)
{
    char own[300] = "", stack[150] = "";
    const pel_size size = bundle->image->size;
    size_t planes = page_channels(size);
    if (planes > 1)
        snprintf(stack, sizeof stack, "images=%zu\nchannels=%zu\nslices=%zu\nhyperstack=true\n",
                 size.d * planes, planes, size.d);
    else if (size.d > 1)
        snprintf(stack, sizeof stack, "images=%zu\nslices=%zu\n", size.d, size.d);
    if (planes > 1)
        snprintf(own, sizeof own, "ImageJ=1.53t\n%s", stack);
    const pel_frame *description = io_meta(sink, bundle, "description");
    const pel_frame *icc = io_meta(sink, bundle, "icc");
    set_spacing(tiff, bundle->image, stack, own, sizeof own);
    if (planes > 1)
        description = NULL;
    if (description != NULL && tells_layout(description))
        description = NULL;
    char *text = description != NULL ? malloc(description->bytes + 1) : NULL;
    if (text != NULL) {
        memcpy(text, pel_frame_bytes(description), description->bytes);
        text[description->bytes] = '\0';
    }
    if (text != NULL || own[0] != '\0')
        TIFFSetField(tiff, TIFFTAG_IMAGEDESCRIPTION, text != NULL ? text : own);
    free(text);
    if (icc != NULL)
        TIFFSetField(tiff, TIFFTAG_ICCPROFILE, (uint32_t)icc->bytes, pel_frame_bytes(icc));
    TIFFSetField(tiff, TIFFTAG_SOFTWARE, "Pellucid " PACKAGE_VERSION);
}

static void set_layout(io_sink *sink, const pel_frame *image, pel_sample sample, bool alpha, TIFF *tiff)
{
    unsigned bits = sample == PEL_SAMPLE_U8 ? 8 : sample == PEL_SAMPLE_U16 ? 16 : 32;
    size_t channels = image->size.c / page_channels(image->size) + alpha;
    bool rgb = image->size.c == 3;
    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, (uint32_t)image->size.w);
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, (uint32_t)image->size.h);
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, bits);
    TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, (unsigned)channels);
    TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT,
                 bits == 32 ? SAMPLEFORMAT_IEEEFP : SAMPLEFORMAT_UINT);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, rgb ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK);
    TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
    /* Channels behind the first (grey) or third (RGB), then alpha. */
    uint16_t types[64] = {EXTRASAMPLE_UNSPECIFIED};
    size_t extra = channels - (rgb ? 3 : 1);
    if (alpha)
        types[extra - 1] = EXTRASAMPLE_UNASSALPHA;
    if (extra > 0)
        TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, (int)extra, types);
    if (sink->params->compress) {
        TIFFSetField(tiff, TIFFTAG_COMPRESSION, COMPRESSION_ADOBE_DEFLATE);
        TIFFSetField(tiff, TIFFTAG_PREDICTOR,
                     bits == 32 ? PREDICTOR_FLOATINGPOINT : PREDICTOR_HORIZONTAL);
    }
    TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, TIFFDefaultStripSize(tiff, 0));
}

/* Row y of plane z, its channels from c0 on interleaved, into `row`. */
static void gather(io_sink *sink, const pel_frame *image, const pel_frame *alpha, pel_sample sample,
                   size_t z, size_t c0, size_t y, uint16_t *integers, void *row)
{
    const pel_size s = image->size;
    size_t colours = s.c / page_channels(s), channels = colours + (alpha != NULL);
    for (size_t c = 0; c < channels; c++) {
        const pel_frame *f = c < colours ? image : alpha;
        const float *from =
            pel_frame_floats(f) + (((c < colours ? c0 + c : 0) * s.d + z) * s.h + y) * s.w;
        if (sample == PEL_SAMPLE_F32) {
            for (size_t x = 0; x < s.w; x++)
                ((float *)row)[x * channels + c] = from[x];
        } else {
            io_to_integers(sink, f, from, s.w, channels, sample == PEL_SAMPLE_U8 ? 255 : 65535,
                           integers + c);
        }
    }
    size_t count = s.w * channels;
    if (sample == PEL_SAMPLE_U16)
        memcpy(row, integers, count * sizeof *integers);
    if (sample == PEL_SAMPLE_U8)
        for (size_t i = 0; i < count; i++)
            ((uint8_t *)row)[i] = (uint8_t)integers[i];
}

static pel_status append(io_sink *sink, const pel_bundle *bundle)
{
    const pel_frame *image = bundle->image;
    const pel_frame *alpha = page_channels(image->size) > 1 ? NULL : io_alpha(bundle);
    if (sink->state == NULL) {
        pel_status status = open_file(sink, image);
        if (status != PEL_OK)
            return status;
    }
    state *s = sink->state;
    pel_sample sample = io_sample(sink, image, IO_CAN_U8 | IO_CAN_U16 | IO_CAN_F32);
    if (image->size.w > UINT32_MAX || image->size.h > UINT32_MAX || image->size.c > 60)
        return pel_error_set(sink->error, PEL_EINVAL, "too large for TIFF");
    size_t count = image->size.w * (image->size.c + 1);
    void *row = pel_alloc(count * sizeof(float));
    uint16_t *integers = pel_alloc(count * sizeof *integers);
    pel_status status = row != NULL && integers != NULL
                            ? PEL_OK
                            : pel_error_set(sink->error, PEL_ENOMEM, "out of memory");
    size_t planes = page_channels(image->size);
    for (size_t i = 0; i < image->size.d * planes && status == PEL_OK; i++) {
        set_layout(sink, image, sample, alpha != NULL, s->tiff);
        if (i == 0)
            set_metadata(sink, bundle, s->tiff);
        for (size_t y = 0; y < image->size.h && status == PEL_OK; y++) {
            gather(sink, image, alpha, sample, i / planes, i % planes, y, integers, row);
            if (TIFFWriteScanline(s->tiff, row, (uint32_t)y, 0) < 0)
                status = failed(sink, s);
        }
        if (status == PEL_OK && !TIFFWriteDirectory(s->tiff))
            status = failed(sink, s);
    }
    pel_free(row);
    pel_free(integers);
    return status;
}

static pel_status finish(io_sink *sink)
{
    state *s = sink->state;
    if (!TIFFFlush(s->tiff) || s->cause.status != PEL_OK)
        return failed(sink, s);
    TIFFClose(s->tiff);
    s->tiff = NULL;
    return s->cause.status == PEL_OK ? PEL_OK : failed(sink, s);
}

static void discard(io_sink *sink)
{
    state *s = sink->state;
    if (s != NULL && s->tiff != NULL)
        TIFFClose(s->tiff);
    free(s);
}

const pel_format io_tiff = {"tiff", "tif tiff", true,   io_tiff_sniff,
                            io_tiff_read, append, finish, discard};
