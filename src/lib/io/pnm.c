/* pnm.c - PBM, PGM, PPM, PAM and PFM: simple enough to need no library.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The netpbm formats (pbm(5), pgm(5), ppm(5), pam(5)) with 1 to 16 bits, several in a file; PFM
 * (P. Debevec): "PF"/"Pf", width height, scale whose sign tells the byte order, rows from below. */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pellucid/number.h>

#include "format.h"

static bool sniff(const uint8_t *h, size_t size)
{
    return size >= 3 && h[0] == 'P' && ((h[1] >= '1' && h[1] <= '7') || h[1] == 'F' || h[1] == 'f') &&
           (isspace(h[2]) || h[2] == '#');
}

typedef struct {
    char kind; /* '1' .. '7', 'F', 'f' */
    size_t w, h, c;
    unsigned long full;
    bool alpha;
    double scale;
} header;

/* Next word of a header; comments run to the end of a line. */
static bool next_word(FILE *file, char *word, size_t room)
{
    int c;
    while ((c = getc(file)) != EOF && (isspace(c) || c == '#'))
        if (c == '#')
            while ((c = getc(file)) != EOF && c != '\n')
                continue;
    size_t n = 0;
    for (; c != EOF && !isspace(c); c = getc(file)) {
        if (n + 1 >= room)
            return false;
        word[n++] = (char)c;
    }
    word[n] = '\0';
    return n > 0; /* the one white space behind the word is taken */
}

static bool next_number(FILE *file, unsigned long low, unsigned long high, size_t *value)
{
    char word[32];
    long long v;
    if (!next_word(file, word, sizeof word) || !pel_number_integer(word, &v) || v < (long long)low ||
        v > (long long)high)
        return false;
    *value = (size_t)v;
    return true;
}

static bool read_pam_header(FILE *file, header *h)
{
    char word[64];
    size_t full = 0;
    while (next_word(file, word, sizeof word)) {
        if (strcmp(word, "ENDHDR") == 0) {
            h->full = full;
            h->alpha = h->c == 2 || h->c == 4;
            h->c -= h->alpha;
            return h->w > 0 && h->h > 0 && h->c > 0 && full > 0;
        }
        bool good = strcmp(word, "WIDTH") == 0    ? next_number(file, 1, 0x7fffffff, &h->w)
                    : strcmp(word, "HEIGHT") == 0 ? next_number(file, 1, 0x7fffffff, &h->h)
                    : strcmp(word, "DEPTH") == 0  ? next_number(file, 1, 64, &h->c)
                    : strcmp(word, "MAXVAL") == 0 ? next_number(file, 1, 65535, &full)
                    : strcmp(word, "TUPLTYPE") == 0 && next_word(file, word, sizeof word);
        if (!good)
            return false;
    }
    return false;
}

static bool read_header(FILE *file, header *h)
{
    char word[32];
    size_t full = 1;
    memset(h, 0, sizeof *h);
    if (!next_word(file, word, sizeof word) || word[0] != 'P' || strlen(word) != 2)
        return false;
    h->kind = word[1];
    if (h->kind == '7')
        return read_pam_header(file, h);
    h->c = h->kind == '3' || h->kind == '6' || h->kind == 'F' ? 3 : 1;
    if (!next_number(file, 1, 0x7fffffff, &h->w) || !next_number(file, 1, 0x7fffffff, &h->h))
        return false;
    if (h->kind == 'F' || h->kind == 'f')
        return next_word(file, word, sizeof word) && pel_number_real(word, &h->scale) && h->scale != 0;
    if (h->kind != '1' && h->kind != '4' && !next_number(file, 1, 65535, &full))
        return false;
    h->full = full;
    return true;
}

/* ---- Samples of one row, interleaved, as numbers from 0 to full. */

static bool row_plain(FILE *file, const header *h, float *row, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t v;
        if (h->kind == '1') { /* digits need no space between them */
            int c;
            while ((c = getc(file)) != EOF && isspace(c))
                continue;
            if (c != '0' && c != '1')
                return false;
            row[i] = c == '0' ? 1 : 0; /* 1 is black */
        } else {
            if (!next_number(file, 0, h->full, &v))
                return false;
            row[i] = (float)v / (float)h->full;
        }
    }
    return true;
}

static bool row_binary(FILE *file, const header *h, uint8_t *bytes, float *row, size_t count)
{
    size_t size = h->kind == '4' ? (count + 7) / 8 : count * (h->full > 255 ? 2 : 1);
    if (fread(bytes, 1, size, file) != size)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (h->kind == '4') {
            row[i] = bytes[i / 8] >> (7 - i % 8) & 1 ? 0 : 1;
            continue;
        }
        unsigned long v = h->full > 255 ? (unsigned long)bytes[2 * i] << 8 | bytes[2 * i + 1] : bytes[i];
        if (v > h->full)
            return false;
        row[i] = (float)v / (float)h->full;
    }
    return true;
}

static bool row_float(FILE *file, const header *h, uint8_t *bytes, float *row, size_t count)
{
    if (fread(bytes, 4, count, file) != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        uint8_t *p = bytes + 4 * i;
        if (h->scale > 0) { /* big-endian */
            uint8_t swapped[4] = {p[3], p[2], p[1], p[0]};
            memcpy(p, swapped, 4);
        }
    }
    memcpy(row, bytes, count * 4);
    return true;
}

static bool read_rows(FILE *file, const header *h, pel_frame *image, pel_frame *alpha, float *row,
                      uint8_t *bytes)
{
    size_t channels = h->c + h->alpha, count = h->w * channels;
    bool floats = h->kind == 'F' || h->kind == 'f';
    for (size_t j = 0; j < h->h; j++) {
        size_t y = floats ? h->h - 1 - j : j;
        bool good = floats                           ? row_float(file, h, bytes, row, count)
                    : h->kind >= '1' && h->kind <= '3' ? row_plain(file, h, row, count)
                                                       : row_binary(file, h, bytes, row, count);
        if (!good)
            return false;
        for (size_t c = 0; c < channels; c++) {
            float *to = (c < h->c ? pel_frame_floats(image) + c * h->w * h->h
                                  : pel_frame_floats(alpha)) + y * h->w;
            for (size_t x = 0; x < h->w; x++)
                to[x] = row[x * channels + c];
        }
    }
    return true;
}

static pel_status read_one(io_source *source, FILE *file, const header *h)
{
    size_t channels = h->c + h->alpha, least, count;
    bool plain = h->kind >= '1' && h->kind <= '3', floats = h->kind == 'F' || h->kind == 'f';
    /* A file of that many bytes cannot hold the picture that it claims. */
    if (!pel_size_bytes(pel_size_make(h->w, h->h, 1, channels), floats ? 4 : 1, &least) ||
        (h->kind == '4' ? least / 8 : plain ? least / 2 : least) > source->file_size)
        return io_error(source, PEL_EFORMAT, "the file is too short for its size of %zux%zu", h->w,
                        h->h);
    pel_bundle bundle = {NULL, NULL, 0};
    pel_frame *image, *alpha = NULL;
    const char *kind = floats ? "f32" : h->full > 255 ? "u16" : "u8";
    pel_status status = io_image(source, pel_size_make(h->w, h->h, 1, h->c), kind, &image);
    if (status != PEL_OK)
        return status;
    if (h->alpha)
        status = pel_frame_new("alpha", PEL_F32, pel_size_make(h->w, h->h, 1, 1), &alpha,
                               source->error);
    count = h->w * channels;
    float *row = pel_alloc_floats(count);
    uint8_t *bytes = pel_alloc(count * 4);
    if (status == PEL_OK && (row == NULL || bytes == NULL))
        status = io_error(source, PEL_ENOMEM, "out of memory");
    if (status == PEL_OK && !read_rows(file, h, image, alpha, row, bytes))
        status = io_error(source, PEL_EFORMAT, "the file is cut off, or a sample is over its maximum");
    pel_free(row);
    pel_free(bytes);
    if (status == PEL_OK && alpha != NULL)
        status = pel_bundle_put(&bundle, alpha, source->error);
    pel_frame_unref(alpha);
    if (status == PEL_OK)
        return io_emit(source, &bundle, image);
    pel_frame_unref(image);
    pel_bundle_clear(&bundle);
    return status;
}

static pel_status read_pnm(io_source *source)
{
    FILE *file = fopen(source->path, "rbe");
    if (file == NULL)
        return io_error(source, PEL_EIO, "%s", strerror(errno));
    pel_status status;
    int c;
    do {
        header h;
        status = read_header(file, &h) ? read_one(source, file, &h)
                                       : io_error(source, PEL_EFORMAT, "the header is no PNM, PAM or PFM");
        /* A plain picture may end in white space. */
        while ((c = getc(file)) != EOF && isspace(c))
            continue;
        if (c != EOF)
            ungetc(c, file);
    } while (status == PEL_OK && c != EOF);
    fclose(file);
    return status;
}

/* ---- Writing: PFM for floats; PGM and PPM, or PAM where there is alpha or another number of
 * channels. */

typedef struct {
    FILE *file;
    const char *path;
} state;

static void write_floats(FILE *file, const pel_frame *image)
{
    const pel_size s = image->size;
    fprintf(file, "P%c\n%zu %zu\n-1.0\n", s.c == 3 ? 'F' : 'f', s.w, s.h);
    for (size_t y = s.h; y-- > 0;)
        for (size_t x = 0; x < s.w; x++)
            for (size_t c = 0; c < s.c; c++)
                fwrite(pel_frame_floats(image) + (c * s.h + y) * s.w + x, 4, 1, file);
}

static pel_status write_integers(io_sink *sink, FILE *file, const pel_frame *image,
                                 const pel_frame *alpha, unsigned full)
{
    const pel_size s = image->size;
    size_t channels = s.c + (alpha != NULL), count = s.w * channels;
    if (channels == 1 || channels == 3)
        fprintf(file, "P%c\n%zu %zu\n%u\n", channels == 3 ? '6' : '5', s.w, s.h, full);
    else
        fprintf(file, "P7\nWIDTH %zu\nHEIGHT %zu\nDEPTH %zu\nMAXVAL %u\n%s%sENDHDR\n", s.w, s.h,
                channels, full, s.c == 3 ? "TUPLTYPE RGB" : s.c == 1 ? "TUPLTYPE GRAYSCALE" : "",
                s.c == 3 || s.c == 1 ? "_ALPHA\n" : "");
    uint16_t *row = pel_alloc(count * sizeof *row);
    uint8_t *bytes = pel_alloc(count * 2);
    if (row == NULL || bytes == NULL) {
        pel_free(row);
        pel_free(bytes);
        return pel_error_set(sink->error, PEL_ENOMEM, "out of memory");
    }
    for (size_t y = 0; y < s.h; y++) {
        for (size_t c = 0; c < channels; c++) {
            const pel_frame *f = c < s.c ? image : alpha;
            io_to_integers(sink, f, pel_frame_floats(f) + ((c < s.c ? c : 0) * s.h + y) * s.w, s.w,
                           channels, full, row + c);
        }
        size_t n = 0;
        for (size_t i = 0; i < count; i++) {
            if (full > 255)
                bytes[n++] = (uint8_t)(row[i] >> 8);
            bytes[n++] = (uint8_t)row[i];
        }
        fwrite(bytes, 1, n, file);
    }
    pel_free(row);
    pel_free(bytes);
    return PEL_OK;
}

/* A name that promises floats, or integers, is kept to; others get what suits the samples. */
static int possible(const io_sink *sink, size_t channels)
{
    static const char *const integers[] = {"pbm", "pgm", "ppm", "pnm", "pam"};
    if (strcmp(sink->extension, "pfm") == 0)
        return IO_CAN_F32;
    for (size_t i = 0; i < sizeof integers / sizeof integers[0]; i++)
        if (strcmp(sink->extension, integers[i]) == 0)
            return IO_CAN_U8 | IO_CAN_U16;
    return IO_CAN_U8 | IO_CAN_U16 | (channels == 1 || channels == 3 ? IO_CAN_F32 : 0);
}

static pel_status append(io_sink *sink, const pel_bundle *bundle)
{
    const pel_frame *image = bundle->image;
    FILE *file = sink->state;
    if (file == NULL) {
        file = sink->state = fopen(sink->temporary, "wbe");
        if (file == NULL)
            return pel_error_set(sink->error, PEL_EIO, "cannot write: %s", strerror(errno));
    }
    if (image->size.d != 1)
        return pel_error_set(sink->error, PEL_EINVAL, "PNM and PFM hold planes, not volumes");
    int can = possible(sink, image->size.c);
    pel_sample sample = io_sample(sink, image, can);
    bool floats = sample == PEL_SAMPLE_F32;
    if (floats && image->size.c != 1 && image->size.c != 3)
        return pel_error_set(sink->error, PEL_EUSAGE, "PFM has 1 or 3 channels, not %zu",
                             image->size.c);
    if (!(can & (floats ? IO_CAN_F32 : IO_CAN_U8)))
        return pel_error_set(sink->error, PEL_EUSAGE,
                             floats ? "a .%s file has no float samples: use .pfm, TIFF or FITS"
                                    : "a .%s file has float samples only: use .pnm or .pam",
                             sink->extension);
    pel_status status = PEL_OK;
    if (floats) {
        io_no_alpha(sink, bundle, "PFM");
        write_floats(file, image);
    } else {
        status = write_integers(sink, file, image, io_alpha(bundle),
                                sample == PEL_SAMPLE_U8 ? 255 : 65535);
    }
    if (status == PEL_OK && ferror(file))
        status = pel_error_set(sink->error, PEL_EIO, "cannot write: %s", strerror(errno));
    return status;
}

static pel_status finish(io_sink *sink)
{
    FILE *file = sink->state;
    return fflush(file) == 0 && !ferror(file)
               ? PEL_OK
               : pel_error_set(sink->error, PEL_EIO, "cannot write: %s", strerror(errno));
}

static void discard(io_sink *sink)
{
    if (sink->state != NULL)
        fclose(sink->state);
}

const pel_format io_pnm = {"pnm", "pgm ppm pnm pbm pam pfm", true, sniff,
                           read_pnm, append, finish, discard};
