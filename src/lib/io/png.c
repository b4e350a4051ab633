/* png.c - PNG of 8 and 16 bits (libpng).
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "format.h"

#define LEVEL 3 /* of zlib: a third of the time of 6 for files some percent larger */

static bool sniff(const uint8_t *head, size_t size)
{
    return size >= 8 && png_sig_cmp(head, 0, 8) == 0;
}

static void on_error(png_structp png, png_const_charp text)
{
    pel_error_set(png_get_error_ptr(png), PEL_EFORMAT, "%s", text);
    longjmp(png_jmpbuf(png), 1);
}

/* What libpng only warns of is damage all the same; but colour chunks that disagree are common and
 * harmless to samples. */
static void on_warning(png_structp png, png_const_charp text)
{
    if (strstr(text, "iCCP") == NULL && strstr(text, "sRGB") == NULL && strstr(text, "gAMA") == NULL &&
        strstr(text, "cHRM") == NULL)
        on_error(png, text);
}

/* All that must survive a longjmp lives here. */
typedef struct {
    FILE *file;
    png_structp png;
    png_infop info;
    uint8_t *rows;
    png_bytep *pointers;
    pel_frame *image, *alpha;
    unsigned orientation;
} state;

static void release(state *s)
{
    if (s->png != NULL)
        png_destroy_read_struct(&s->png, &s->info, NULL);
    if (s->file != NULL)
        fclose(s->file);
    pel_free(s->rows);
    free(s->pointers);
    pel_frame_unref(s->image);
    pel_frame_unref(s->alpha);
}

/* Expands palettes and small depths, and says what comes out. */
static pel_status describe(io_source *source, state *s, pel_size *size, bool *alpha, unsigned *bits)
{
    size_t packed = png_get_rowbytes(s->png, s->info);
    png_set_expand(s->png);
    if (png_get_bit_depth(s->png, s->info) == 16)
        png_set_swap(s->png);
    png_set_interlace_handling(s->png);
    png_read_update_info(s->png, s->info);
    unsigned channels = png_get_channels(s->png, s->info);
    *bits = png_get_bit_depth(s->png, s->info);
    *alpha = channels == 2 || channels == 4;
    *size = pel_size_make(png_get_image_width(s->png, s->info),
                          png_get_image_height(s->png, s->info), 1, channels - *alpha);
    /* Deflate packs at most 1032 to 1: a larger claim is a lie. */
    size_t bytes;
    if (!pel_size_bytes(pel_size_make(packed, size->h, 1, 1), 1, &bytes) ||
        bytes / 1100 > source->file_size)
        return io_error(source, PEL_EFORMAT, "the file is too short for its size of %zux%zu", size->w,
                        size->h);
    return PEL_OK;
}

static pel_status prepare(io_source *source, state *s, pel_size *size, bool *alpha, unsigned *bits)
{
    pel_status status = describe(source, s, size, alpha, bits);
    if (status == PEL_OK)
        status = io_image(source, *size, *bits == 16 ? "u16" : "u8", &s->image);
    if (status == PEL_OK && *alpha)
        status = pel_frame_new("alpha", PEL_F32, pel_size_make(size->w, size->h, 1, 1), &s->alpha,
                               source->error);
    if (status != PEL_OK)
        return status;
    size_t row = png_get_rowbytes(s->png, s->info);
    s->rows = pel_alloc(row * size->h);
    s->pointers = malloc(size->h * sizeof *s->pointers);
    if (s->rows == NULL || s->pointers == NULL)
        return io_error(source, PEL_ENOMEM, "out of memory");
    for (size_t y = 0; y < size->h; y++)
        s->pointers[y] = s->rows + y * row;
    return PEL_OK;
}

/* Everything that can longjmp. */
static pel_status decode(io_source *source, state *s, pel_size *size, bool *alpha, unsigned *bits)
{
    if (setjmp(png_jmpbuf(s->png)) != 0)
        return PEL_EFORMAT; /* on_error has set the text */
    png_init_io(s->png, s->file);
    png_set_user_limits(s->png, 0x7fffffff, 0x7fffffff);
    png_set_crc_action(s->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_read_info(s->png, s->info);
    pel_status status = prepare(source, s, size, alpha, bits);
    if (status != PEL_OK)
        return status;
    png_read_image(s->png, s->pointers);
    png_read_end(s->png, s->info);
    return PEL_OK;
}

static void spread(const state *s, pel_size size, bool alpha, unsigned bits)
{
    size_t channels = size.c + alpha, plane = size.w * size.h;
    for (size_t y = 0; y < size.h; y++)
        for (size_t c = 0; c < channels; c++) {
            float *to = c < size.c ? pel_frame_floats(s->image) + c * plane
                                   : pel_frame_floats(s->alpha);
            if (bits == 16)
                io_from_u16(to + y * size.w, (const uint16_t *)(const void *)s->pointers[y] + c,
                            size.w, channels);
            else
                io_from_u8(to + y * size.w, s->pointers[y] + c, size.w, channels);
        }
}

static pel_status add_metadata(io_source *source, state *s, pel_bundle *bundle)
{
    png_charp name;
    png_bytep profile, exif;
    png_uint_32 length;
    int compression;
    pel_status status = PEL_OK;
    if (png_get_iCCP(s->png, s->info, &name, &compression, &profile, &length))
        status = io_add_meta(source, bundle, "icc", profile, length);
    if (status == PEL_OK && png_get_eXIf_1(s->png, s->info, &length, &exif)) {
        s->orientation = io_take_orientation(exif, length);
        status = io_add_meta(source, bundle, "exif", exif, length);
    }
    return status;
}

static pel_status read_png(io_source *source)
{
    state s = {.orientation = 1};
    pel_error none;
    pel_bundle bundle = {NULL, NULL, 0};
    s.file = fopen(source->path, "rbe");
    if (s.file == NULL)
        return io_error(source, PEL_EIO, "%s", strerror(errno));
    s.png = png_create_read_struct(PNG_LIBPNG_VER_STRING,
                                   source->error != NULL ? source->error : &none, on_error,
                                   on_warning);
    s.info = s.png != NULL ? png_create_info_struct(s.png) : NULL;
    pel_size size = {0, 0, 0, 0};
    bool alpha = false;
    unsigned bits = 8;
    pel_status status = s.info != NULL ? decode(source, &s, &size, &alpha, &bits)
                                       : io_error(source, PEL_ENOMEM, "out of memory");
    if (status == PEL_OK) {
        spread(&s, size, alpha, bits);
        status = add_metadata(source, &s, &bundle);
    }
    if (status == PEL_OK)
        status = io_turn(source, s.orientation, &s.image);
    if (status == PEL_OK && s.alpha != NULL)
        status = io_turn(source, s.orientation, &s.alpha);
    if (status == PEL_OK && s.alpha != NULL)
        status = pel_bundle_put(&bundle, s.alpha, source->error);
    if (status == PEL_OK) {
        pel_frame *image = s.image;
        s.image = NULL;
        status = io_emit(source, &bundle, image);
    }
    pel_bundle_clear(&bundle);
    release(&s);
    return status;
}

/* ---- Writing */

typedef struct {
    FILE *file;
    png_structp png;
    png_infop info;
    uint16_t *integers;
    uint8_t *row;
} out_state;

static void discard(io_sink *sink)
{
    out_state *s = sink->state;
    if (s == NULL)
        return;
    if (s->png != NULL)
        png_destroy_write_struct(&s->png, &s->info);
    if (s->file != NULL)
        fclose(s->file);
    pel_free(s->integers);
    pel_free(s->row);
    free(s);
}

/* Metadata that libpng finds fault with (a colour profile of another kind of picture) is left out. */
static void on_write_warning(png_structp png, png_const_charp text)
{
    const io_sink *sink = png_get_error_ptr(png);
    if (sink->params->say != NULL)
        sink->params->say(sink->params->arg, text);
}

static void on_write_error(png_structp png, png_const_charp text)
{
    const io_sink *sink = png_get_error_ptr(png);
    pel_error_set(sink->error, PEL_EIO, "%s", text);
    longjmp(png_jmpbuf(png), 1);
}

static void set_metadata(io_sink *sink, out_state *s, const pel_bundle *bundle)
{
    const pel_frame *icc = io_meta(sink, bundle, "icc"), *exif = io_meta(sink, bundle, "exif");
    if (icc != NULL)
        png_set_iCCP(s->png, s->info, "ICC profile", PNG_COMPRESSION_TYPE_BASE,
                     pel_frame_bytes(icc), (png_uint_32)icc->bytes);
    if (exif != NULL)
        png_set_eXIf_1(s->png, s->info, (png_uint_32)exif->bytes, pel_frame_bytes(exif));
}

static pel_status encode(io_sink *sink, out_state *s, const pel_bundle *bundle, unsigned bits)
{
    static const int types[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB,
                                PNG_COLOR_TYPE_RGB_ALPHA};
    const pel_frame *image = bundle->image, *alpha = io_alpha(bundle);
    const pel_size size = image->size;
    size_t channels = size.c + (alpha != NULL);
    if (setjmp(png_jmpbuf(s->png)) != 0)
        return PEL_EIO; /* on_write_error has set the text */
    png_init_io(s->png, s->file);
    png_set_benign_errors(s->png, 1);
    png_set_IHDR(s->png, s->info, (png_uint_32)size.w, (png_uint_32)size.h, (int)bits,
                 types[channels - 1], PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_set_compression_level(s->png, LEVEL);
    set_metadata(sink, s, bundle);
    png_write_info(s->png, s->info);
    png_set_invalid(s->png, s->info, PNG_INFO_eXIf); /* png_write_end would write it once more */
    if (bits == 16)
        png_set_swap(s->png);
    for (size_t y = 0; y < size.h; y++) {
        for (size_t c = 0; c < channels; c++) {
            const pel_frame *f = c < size.c ? image : alpha;
            const float *from = pel_frame_floats(f) + ((c < size.c ? c : 0) * size.h + y) * size.w;
            io_to_integers(sink, f, from, size.w, channels, bits == 8 ? 255 : 65535,
                           s->integers + c);
        }
        if (bits == 16)
            memcpy(s->row, s->integers, size.w * channels * 2);
        else
            for (size_t i = 0; i < size.w * channels; i++)
                s->row[i] = (uint8_t)s->integers[i];
        png_write_row(s->png, s->row);
    }
    png_write_end(s->png, s->info);
    return PEL_OK;
}

static pel_status append(io_sink *sink, const pel_bundle *bundle)
{
    const pel_size size = bundle->image->size;
    if (size.d != 1 || (size.c != 1 && size.c != 3) || size.w > 0x7fffffff || size.h > 0x7fffffff)
        return pel_error_set(sink->error, PEL_EINVAL,
                             "PNG holds one plane of 1 or 3 channels, not %zux%zux%zux%zu", size.w,
                             size.h, size.d, size.c);
    pel_sample sample = io_sample(sink, bundle->image, IO_CAN_U8 | IO_CAN_U16);
    if (sample == PEL_SAMPLE_F32)
        return pel_error_set(sink->error, PEL_EUSAGE, "PNG has no float samples: use TIFF, PFM or FITS");
    out_state *s = sink->state = calloc(1, sizeof *s);
    if (s == NULL)
        return pel_error_set(sink->error, PEL_ENOMEM, "out of memory");
    s->file = fopen(sink->temporary, "wbe");
    if (s->file == NULL)
        return pel_error_set(sink->error, PEL_EIO, "cannot write: %s", strerror(errno));
    s->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, sink, on_write_error,
                                     on_write_warning);
    s->info = s->png != NULL ? png_create_info_struct(s->png) : NULL;
    s->integers = pel_alloc(size.w * (size.c + 1) * sizeof *s->integers);
    s->row = pel_alloc(size.w * (size.c + 1) * 2);
    if (s->info == NULL || s->integers == NULL || s->row == NULL)
        return pel_error_set(sink->error, PEL_ENOMEM, "out of memory");
    return encode(sink, s, bundle, sample == PEL_SAMPLE_U8 ? 8 : 16);
}

static pel_status finish(io_sink *sink)
{
    out_state *s = sink->state;
    return fflush(s->file) == 0 && !ferror(s->file)
               ? PEL_OK
               : pel_error_set(sink->error, PEL_EIO, "cannot write: %s", strerror(errno));
}

const pel_format io_png = {"png", "png", false, sniff, read_png, append, finish, discard};
