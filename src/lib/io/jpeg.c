/* jpeg.c - JPEG (libjpeg): EXIF orientation applied, ICC and EXIF kept.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "format.h"

#define EXIF_MARKER (JPEG_APP0 + 1)
#define ICC_MARKER (JPEG_APP0 + 2)
#define MOST_SCANS 500
#define MOST_PIECE 65519 /* of an ICC profile in one marker */

/* libjpeg's error manager with our way out. */
typedef struct {
    struct jpeg_error_mgr base;
    jmp_buf out;
    pel_error *error;
} manager;

static void on_exit_error(j_common_ptr info)
{
    manager *m = (manager *)info->err;
    char text[JMSG_LENGTH_MAX];
    info->err->format_message(info, text);
    pel_error_set(m->error, PEL_EFORMAT, "%s", text);
    longjmp(m->out, 1);
}

/* A warning is corrupt data that libjpeg papers over. */
static void on_message(j_common_ptr info, int level)
{
    if (level < 0)
        on_exit_error(info);
}

static bool sniff(const uint8_t *head, size_t size)
{
    return size >= 3 && head[0] == 0xff && head[1] == 0xd8 && head[2] == 0xff;
}

/* ---- Reading */

typedef struct {
    FILE *file;
    struct jpeg_decompress_struct info;
    manager manager;
    bool made;
    uint8_t *pixels; /* interleaved, as stored */
    unsigned orientation;
    struct jpeg_progress_mgr progress;
    pel_frame *image;
    pel_bundle bundle;
} state;

/* The profile's pieces, which come numbered from 1 (ICC.1:2010, B.4). */
static pel_status add_icc(io_source *source, state *s)
{
    uint8_t *profile = NULL;
    size_t size = 0;
    for (unsigned number = 1; number < 256; number++)
        for (jpeg_saved_marker_ptr m = s->info.marker_list; m != NULL; m = m->next)
            if (m->marker == ICC_MARKER && m->data_length > 14 &&
                memcmp(m->data, "ICC_PROFILE", 12) == 0 && m->data[12] == number) {
                uint8_t *more = realloc(profile, size + m->data_length - 14);
                if (more == NULL) {
                    free(profile);
                    return io_error(source, PEL_ENOMEM, "out of memory");
                }
                profile = more;
                memcpy(profile + size, m->data + 14, m->data_length - 14);
                size += m->data_length - 14;
                break;
            }
    pel_status status = io_add_meta(source, &s->bundle, "icc", profile, size);
    free(profile);
    return status;
}

/* Keeps the EXIF with its orientation set to 1; s->orientation is what it was. */
static pel_status add_exif(io_source *source, state *s)
{
    s->orientation = 1;
    for (jpeg_saved_marker_ptr m = s->info.marker_list; m != NULL; m = m->next) {
        if (m->marker != EXIF_MARKER || m->data_length < 20 || memcmp(m->data, "Exif\0\0", 6) != 0)
            continue;
        uint8_t *exif = m->data + 6;
        size_t size = m->data_length - 6;
        s->orientation = io_take_orientation(exif, size);
        return io_add_meta(source, &s->bundle, "exif", exif, size);
    }
    return PEL_OK;
}

/* A small file may ask for thousands of passes over a large picture. */
static void on_progress(j_common_ptr info)
{
    if (info->is_decompressor && ((j_decompress_ptr)info)->input_scan_number > MOST_SCANS) {
        pel_error_set(((manager *)info->err)->error, PEL_EFORMAT, "more than %d scans", MOST_SCANS);
        longjmp(((manager *)info->err)->out, 1);
    }
}

/* Huffman codes take a bit a block of 8x8 samples or more. */
static bool long_enough(const io_source *source, const state *s)
{
    uint64_t blocks = (uint64_t)((s->info.image_width + 7) / 8) * ((s->info.image_height + 7) / 8);
    return s->info.arith_code || blocks / 8 <= source->file_size;
}

static pel_status decode(io_source *source, state *s)
{
    if (setjmp(s->manager.out) != 0)
        return PEL_EFORMAT;
    jpeg_create_decompress(&s->info);
    s->made = true;
    s->progress.progress_monitor = on_progress;
    s->info.progress = &s->progress;
    jpeg_stdio_src(&s->info, s->file);
    jpeg_save_markers(&s->info, EXIF_MARKER, 0xffff);
    jpeg_save_markers(&s->info, ICC_MARKER, 0xffff);
    (void)jpeg_read_header(&s->info, TRUE);
    if (s->info.jpeg_color_space == JCS_CMYK || s->info.jpeg_color_space == JCS_YCCK)
        return io_error(source, PEL_EFORMAT, "CMYK pictures are not supported");
    size_t row = (size_t)s->info.image_width * (s->info.num_components == 1 ? 1 : 3), bytes;
    if (!pel_size_bytes(pel_size_make(row, s->info.image_height, 1, 1), 4, &bytes) ||
        bytes > source->params->memory_cap)
        return io_error(source, PEL_ELIMIT, "%ux%u samples are over the memory cap (see --memory)",
                        s->info.image_width, s->info.image_height);
    if (!long_enough(source, s))
        return io_error(source, PEL_EFORMAT, "the file is too short for its size of %ux%u",
                        s->info.image_width, s->info.image_height);
    s->info.out_color_space = s->info.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    s->info.dct_method = JDCT_ISLOW;
    (void)jpeg_start_decompress(&s->info);
    s->pixels = pel_alloc(bytes / 4);
    if (s->pixels == NULL)
        return io_error(source, PEL_ENOMEM, "out of memory");
    while (s->info.output_scanline < s->info.output_height) {
        JSAMPROW line = s->pixels + row * s->info.output_scanline;
        (void)jpeg_read_scanlines(&s->info, &line, 1);
    }
    /* The saved markers do not outlive the picture. */
    pel_status status = add_exif(source, s);
    if (status == PEL_OK)
        status = add_icc(source, s);
    if (status == PEL_OK)
        (void)jpeg_finish_decompress(&s->info);
    return status;
}

static void spread(state *s)
{
    size_t w = s->info.output_width, h = s->info.output_height;
    size_t channels = (size_t)s->info.output_components;
    float *to = pel_frame_floats(s->image);
    for (size_t c = 0; c < channels; c++)
        for (size_t y = 0; y < h; y++, to += w)
            io_from_u8(to, s->pixels + y * w * channels + c, w, channels);
}

static pel_status read_jpeg(io_source *source)
{
    state *s = calloc(1, sizeof *s);
    if (s == NULL)
        return io_error(source, PEL_ENOMEM, "out of memory");
    s->file = fopen(source->path, "rbe");
    s->info.err = jpeg_std_error(&s->manager.base);
    s->manager.base.error_exit = on_exit_error;
    s->manager.base.emit_message = on_message;
    s->manager.error = source->error;
    pel_status status = s->file != NULL ? decode(source, s)
                                        : io_error(source, PEL_EIO, "%s", strerror(errno));
    if (status == PEL_OK)
        status = io_image(source,
                          pel_size_make(s->info.output_width, s->info.output_height, 1,
                                        (size_t)s->info.output_components), "u8", &s->image);
    if (status == PEL_OK) {
        spread(s);
        status = io_turn(source, s->orientation, &s->image);
        if (status == PEL_OK)
            status = io_emit(source, &s->bundle, s->image);
        else
            pel_frame_unref(s->image);
    }
    pel_bundle_clear(&s->bundle);
    if (s->made)
        jpeg_destroy_decompress(&s->info);
    if (s->file != NULL)
        fclose(s->file);
    pel_free(s->pixels);
    free(s);
    return status;
}

/* ---- Writing */

typedef struct {
    FILE *file;
    struct jpeg_compress_struct info;
    manager manager;
    bool made;
    uint16_t *integers;
    uint8_t *row, *marker;
} out_state;

static void discard(io_sink *sink)
{
    out_state *s = sink->state;
    if (s == NULL)
        return;
    if (s->made)
        jpeg_destroy_compress(&s->info);
    if (s->file != NULL)
        fclose(s->file);
    pel_free(s->integers);
    pel_free(s->row);
    pel_free(s->marker);
    free(s);
}

static void write_markers(io_sink *sink, out_state *s, const pel_bundle *bundle)
{
    const pel_frame *exif = io_meta(sink, bundle, "exif"), *icc = io_meta(sink, bundle, "icc");
    if (exif != NULL && exif->bytes <= 65500) {
        memcpy(s->marker, "Exif\0\0", 6);
        memcpy(s->marker + 6, pel_frame_bytes(exif), exif->bytes);
        jpeg_write_marker(&s->info, EXIF_MARKER, s->marker, (unsigned)exif->bytes + 6);
    }
    size_t pieces = icc != NULL ? (icc->bytes + MOST_PIECE - 1) / MOST_PIECE : 0;
    for (size_t i = 0; i < pieces && pieces < 256; i++) {
        size_t n = icc->bytes - i * MOST_PIECE < MOST_PIECE ? icc->bytes - i * MOST_PIECE : MOST_PIECE;
        memcpy(s->marker, "ICC_PROFILE", 12);
        s->marker[12] = (uint8_t)(i + 1);
        s->marker[13] = (uint8_t)pieces;
        memcpy(s->marker + 14, pel_frame_bytes(icc) + i * MOST_PIECE, n);
        jpeg_write_marker(&s->info, ICC_MARKER, s->marker, (unsigned)n + 14);
    }
}

static pel_status encode(io_sink *sink, out_state *s, const pel_bundle *bundle)
{
    const pel_frame *image = bundle->image;
    const pel_size size = image->size;
    if (setjmp(s->manager.out) != 0)
        return PEL_EIO;
    jpeg_create_compress(&s->info);
    s->made = true;
    jpeg_stdio_dest(&s->info, s->file);
    s->info.image_width = (JDIMENSION)size.w;
    s->info.image_height = (JDIMENSION)size.h;
    s->info.input_components = (int)size.c;
    s->info.in_color_space = size.c == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&s->info);
    jpeg_set_quality(&s->info, sink->params->quality, TRUE);
    if (sink->params->quality >= 90 && size.c == 3) /* fine detail is what we restored */
        s->info.comp_info[0].h_samp_factor = s->info.comp_info[0].v_samp_factor = 1;
    jpeg_start_compress(&s->info, TRUE);
    write_markers(sink, s, bundle);
    for (size_t y = 0; y < size.h; y++) {
        for (size_t c = 0; c < size.c; c++)
            io_to_integers(sink, image, pel_frame_floats(image) + (c * size.h + y) * size.w, size.w,
                           size.c, 255, s->integers + c);
        for (size_t i = 0; i < size.w * size.c; i++)
            s->row[i] = (uint8_t)s->integers[i];
        (void)jpeg_write_scanlines(&s->info, &s->row, 1);
    }
    jpeg_finish_compress(&s->info);
    return PEL_OK;
}

static pel_status append(io_sink *sink, const pel_bundle *bundle)
{
    const pel_size size = bundle->image->size;
    if (size.d != 1 || (size.c != 1 && size.c != 3) || size.w > 65500 || size.h > 65500)
        return pel_error_set(sink->error, PEL_EINVAL,
                             "JPEG holds one plane of 1 or 3 channels up to 65500 samples wide, not "
                             "%zux%zux%zux%zu", size.w, size.h, size.d, size.c);
    if (sink->params->sample > PEL_SAMPLE_U8)
        return pel_error_set(sink->error, PEL_EUSAGE, "JPEG has 8-bit samples only");
    io_no_alpha(sink, bundle, "JPEG");
    out_state *s = sink->state = calloc(1, sizeof *s);
    if (s == NULL)
        return pel_error_set(sink->error, PEL_ENOMEM, "out of memory");
    s->file = fopen(sink->temporary, "wbe");
    if (s->file == NULL)
        return pel_error_set(sink->error, PEL_EIO, "cannot write: %s", strerror(errno));
    s->info.err = jpeg_std_error(&s->manager.base);
    s->manager.base.error_exit = on_exit_error;
    s->manager.base.emit_message = on_message;
    s->manager.error = sink->error;
    s->integers = pel_alloc(size.w * size.c * sizeof *s->integers);
    s->row = pel_alloc(size.w * size.c);
    s->marker = pel_alloc(65536);
    if (s->integers == NULL || s->row == NULL || s->marker == NULL)
        return pel_error_set(sink->error, PEL_ENOMEM, "out of memory");
    return encode(sink, s, bundle);
}

static pel_status finish(io_sink *sink)
{
    out_state *s = sink->state;
    return fflush(s->file) == 0 && !ferror(s->file)
               ? PEL_OK
               : pel_error_set(sink->error, PEL_EIO, "cannot write: %s", strerror(errno));
}

const pel_format io_jpeg = {"jpeg", "jpg jpeg", false, sniff, read_jpeg, append, finish, discard};
