/* format.h - what a file format is to this library, and what the formats share.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A format is one file with one pel_format: how to know it, read it, write it.  Adding one adds a
 * line to the table in formats.c. */
#ifndef PELLUCID_FORMAT_H
#define PELLUCID_FORMAT_H

#include <stdio.h>

#include <pellucid/io.h>

/* A file that is being read. */
typedef struct {
    const char *path;
    const pel_read_params *params;
    pel_error *error;
    uint64_t file_size;
    uint8_t head[4096]; /* its first bytes, for sniffing */
    size_t head_size;
} io_source;

/* A file that is being written. */
typedef struct {
    const char *temporary; /* the name to write to */
    char extension[8];     /* of the name that was asked for, lower case; "" when there is none */
    const pel_write_params *params;
    pel_error *error;
    pel_write_report report;
    size_t frames;         /* appended before this one */
    void *state;           /* of the format */
} io_sink;

typedef struct {
    const char *name;
    const char *extensions; /* "tif tiff", lower case */
    bool sequence;          /* a file can hold several frames */
    bool (*sniff)(const uint8_t *head, size_t size);
    pel_status (*read)(io_source *source);
    pel_status (*append)(io_sink *sink, const pel_bundle *bundle);
    pel_status (*finish)(io_sink *sink);
    void (*discard)(io_sink *sink); /* frees sink->state, whole or not */
} pel_format;

extern const pel_format io_tiff, io_png, io_jpeg, io_pnm, io_fits, io_y4m, io_pel, io_text;

/* ---- Reading */

/* A frame for an image of that size with the keys that all formats set: name, and for `source` "u8"
 * or "u16" white=1 and transfer=srgb.  Checks the memory cap. */
pel_status io_image(io_source *source, pel_size size, const char *kind, pel_frame **frame);

/* `count` samples from interleaved integers or floats: to[i] = from[i * step] / full. */
void io_from_u8(float *to, const uint8_t *from, size_t count, size_t step);
void io_from_u16(float *to, const uint16_t *from, size_t count, size_t step);

/* Adds a text or bytes as `meta` of a slot.  Nothing for count 0. */
pel_status io_add_meta(io_source *source, pel_bundle *bundle, const char *slot, const void *bytes,
                       size_t count);

/* Finishes an image (--linear, the role) and hands the bundle on; takes over the reference to
 * `image`, and clears the bundle. */
pel_status io_emit(io_source *source, pel_bundle *bundle, pel_frame *image);

/* Turns *frame upright, as orientation 1 to 8 of EXIF 2.3 (4.6.4) and TIFF 6.0 says that it lies; puts
 * the upright frame in its place. */
pel_status io_turn(io_source *source, unsigned orientation, pel_frame **frame);
/* The orientation that an EXIF block tells, which becomes 1 in it; 1 when it tells none. */
unsigned io_take_orientation(uint8_t *exif, size_t size);

pel_status io_error(const io_source *source, pel_status status, const char *format, ...)
    PEL_PRINTF(3, 4);

/* ---- Writing */

/* The sample type that a frame is written with when the format can do `u8`, `u16`, `f32` (flags). */
enum { IO_CAN_U8 = 1, IO_CAN_U16 = 2, IO_CAN_F32 = 4 };
pel_sample io_sample(const io_sink *sink, const pel_frame *image, int can);

/* Samples of a row of channel c to integers 0..full (255 or 65535): v / white * full, rounded;
 * what is outside or not finite is clipped and counted.  Linear pictures get the sRGB curve. */
void io_to_integers(io_sink *sink, const pel_frame *image, const float *from, size_t count,
                    size_t step, unsigned full, uint16_t *to);

/* A `meta` companion's bytes, or NULL; also NULL with --bare. */
const pel_frame *io_meta(const io_sink *sink, const pel_bundle *bundle, const char *slot);

/* Says so, once a file, when the bundle has an alpha that the format cannot hold. */
void io_no_alpha(const io_sink *sink, const pel_bundle *bundle, const char *format);

/* The companion `alpha` when it fits the image, or NULL. */
const pel_frame *io_alpha(const pel_bundle *bundle);

#endif
