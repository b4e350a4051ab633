/* common.c - what all formats share: frames for images, sample conversion, metadata.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdarg.h>
#include <string.h>

#include <pellucid/geometry.h>
#include <pellucid/transfer.h>

#include "format.h"

pel_status io_error(const io_source *source, pel_status status, const char *format, ...)
{
    char text[400];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return pel_error_set(source->error, status, "%s", text);
}

pel_status io_image(io_source *source, pel_size size, const char *kind, pel_frame **frame)
{
    size_t bytes;
    if (!pel_size_bytes(size, sizeof(float), &bytes) || bytes > source->params->memory_cap)
        return io_error(source, PEL_ELIMIT,
                        "%zux%zux%zux%zu samples are over the memory cap (see --memory)", size.w,
                        size.h, size.d, size.c);
    if (bytes == 0)
        return io_error(source, PEL_EFORMAT, "the picture has no samples");
    /* The role is set by io_emit; a picture may become a PSF. */
    pel_status status = pel_frame_new("image", PEL_F32, size, frame, source->error);
    if (status != PEL_OK)
        return status;
    status = pel_frame_set(*frame, "name", source->path, source->error);
    if (status == PEL_OK)
        status = pel_frame_set(*frame, "source", kind, source->error);
    if (status == PEL_OK && kind[0] == 'u') {
        status = pel_frame_set(*frame, "white", "1", source->error);
        if (status == PEL_OK)
            status = pel_frame_set(*frame, "transfer", "srgb", source->error);
    }
    if (status != PEL_OK)
        pel_frame_unref(*frame);
    return status;
}

void io_from_u8(float *to, const uint8_t *from, size_t count, size_t step)
{
    for (size_t i = 0; i < count; i++)
        to[i] = (float)from[i * step] / 255.0f;
}

void io_from_u16(float *to, const uint16_t *from, size_t count, size_t step)
{
    for (size_t i = 0; i < count; i++)
        to[i] = (float)from[i * step] / 65535.0f;
}

pel_status io_add_meta(io_source *source, pel_bundle *bundle, const char *slot, const void *bytes,
                       size_t count)
{
    if (count == 0)
        return PEL_OK;
    pel_frame *meta;
    pel_status status = pel_frame_meta(slot, bytes, count, &meta, source->error);
    if (status != PEL_OK)
        return status;
    status = pel_bundle_put(bundle, meta, source->error);
    pel_frame_unref(meta);
    return status;
}

/* ---- Orientation: tag 0x0112 of the first directory of the TIFF inside (EXIF 2.3, 4.6) */

static unsigned get16(const uint8_t *p, bool big)
{
    return big ? (unsigned)p[0] << 8 | p[1] : (unsigned)p[1] << 8 | p[0];
}

static size_t get32(const uint8_t *p, bool big)
{
    return big ? (size_t)get16(p, true) << 16 | get16(p + 2, true)
               : (size_t)get16(p + 2, false) << 16 | get16(p, false);
}

/* Where the value of the orientation stands in the EXIF bytes, or 0. */
static size_t find_orientation(const uint8_t *exif, size_t size, bool *big)
{
    if (size < 14 || (memcmp(exif, "II*\0", 4) != 0 && memcmp(exif, "MM\0*", 4) != 0))
        return 0;
    *big = exif[0] == 'M';
    size_t at = get32(exif + 4, *big);
    if (at > size - 2)
        return 0;
    size_t count = get16(exif + at, *big);
    for (size_t i = 0; i < count; i++) {
        size_t entry = at + 2 + 12 * i;
        if (entry + 12 > size)
            return 0;
        if (get16(exif + entry, *big) == 0x0112)
            return entry + 8;
    }
    return 0;
}

unsigned io_take_orientation(uint8_t *exif, size_t size)
{
    bool big;
    size_t at = find_orientation(exif, size, &big);
    if (at == 0)
        return 1;
    unsigned v = get16(exif + at, big);
    exif[at] = big ? 0 : 1;
    exif[at + 1] = big ? 1 : 0;
    return v >= 1 && v <= 8 ? v : 1;
}

pel_status io_turn(io_source *source, unsigned orientation, pel_frame **frame)
{
    if (orientation < 2 || orientation > 8)
        return PEL_OK;
    pel_frame *turned;
    pel_status status = pel_geometry_turn(*frame, orientation, &turned, source->error);
    if (status != PEL_OK)
        return status;
    pel_frame_unref(*frame);
    *frame = turned;
    return PEL_OK;
}

/* Same samples, another role: keeps the reference count right when it fails. */
static pel_status set_role(io_source *source, pel_frame **frame, const char *role)
{
    pel_frame *other;
    pel_status status = pel_frame_copy(*frame, role, &other, source->error);
    if (status != PEL_OK)
        return status;
    pel_frame_unref(*frame);
    *frame = other;
    return PEL_OK;
}

pel_status io_emit(io_source *source, pel_bundle *bundle, pel_frame *image)
{
    const pel_read_params *p = source->params;
    const char *transfer = pel_frame_key(image, "transfer");
    pel_status status = PEL_OK;
    if (p->linear && transfer != NULL && strcmp(transfer, "srgb") == 0) {
        float *v = pel_frame_floats(image);
        for (size_t i = 0; i < pel_size_count(image->size); i++)
            v[i] = pel_srgb_to_linear(v[i]);
        status = pel_frame_set(image, "transfer", "linear", source->error);
    }
    if (status == PEL_OK && strcmp(p->role, "image") != 0) {
        status = set_role(source, &image, p->role);
        if (status == PEL_OK) {
            pel_bundle alone = {NULL, NULL, 0};
            status = pel_bundle_put(&alone, image, source->error);
            if (status == PEL_OK)
                status = p->emit(p->arg, &alone);
            pel_bundle_clear(&alone);
        }
    } else if (status == PEL_OK) {
        pel_bundle_set_image(bundle, image);
        status = p->emit(p->arg, bundle);
    }
    pel_frame_unref(image);
    pel_bundle_clear(bundle);
    return status;
}

/* ---- Writing ------------------------------------------------------------------------------------ */

pel_sample io_sample(const io_sink *sink, const pel_frame *image, int can)
{
    pel_sample wanted = sink->params->sample;
    if (wanted == PEL_SAMPLE_AS_SOURCE) {
        const char *source = pel_frame_key(image, "source");
        wanted = source == NULL                ? PEL_SAMPLE_F32
                 : strcmp(source, "u8") == 0   ? PEL_SAMPLE_U8
                 : strcmp(source, "u16") == 0  ? PEL_SAMPLE_U16
                                               : PEL_SAMPLE_F32;
        /* Without a wish of the user: the best that the format can do. */
        if (wanted == PEL_SAMPLE_F32 && !(can & IO_CAN_F32))
            wanted = PEL_SAMPLE_U16;
        if (wanted == PEL_SAMPLE_U16 && !(can & IO_CAN_U16))
            wanted = can & IO_CAN_U8 ? PEL_SAMPLE_U8 : PEL_SAMPLE_F32;
        if (wanted == PEL_SAMPLE_U8 && !(can & IO_CAN_U8))
            wanted = PEL_SAMPLE_F32;
    }
    return wanted;
}

void io_to_integers(io_sink *sink, const pel_frame *image, const float *from, size_t count,
                    size_t step, unsigned full, uint16_t *to)
{
    const char *transfer = pel_frame_key(image, "transfer");
    bool linear = transfer != NULL && strcmp(transfer, "linear") == 0;
    double white = pel_frame_real(image, "white", 1), black = pel_frame_real(image, "black", 0);
    double scale = white > black ? 1 / (white - black) : 1;
    /* Half a step beyond the range is rounding, not clipping. */
    double least = -0.5 / full, most = 1 + 0.5 / full;
    for (size_t i = 0; i < count; i++) {
        double v = ((double)from[i] - black) * scale;
        if (linear)
            v = (double)pel_linear_to_srgb((float)v);
        if (!(v >= least && v <= most)) {
            sink->report.clipped++;
            v = v > 1 ? 1 : 0; /* NaN: 0 */
        }
        v = v < 0 ? 0 : v > 1 ? 1 : v;
        to[i * step] = (uint16_t)(v * full + 0.5); /* v is not negative: the nearest */
    }
    sink->report.samples += count;
}

const pel_frame *io_meta(const io_sink *sink, const pel_bundle *bundle, const char *slot)
{
    return sink->params->bare ? NULL : pel_bundle_find(bundle, "meta", slot);
}

const pel_frame *io_alpha(const pel_bundle *bundle)
{
    const pel_frame *alpha = pel_bundle_find(bundle, "alpha", NULL);
    bool fits = alpha != NULL && bundle->image != NULL && alpha->size.c == 1 &&
                pel_size_same_plane(alpha->size, bundle->image->size);
    return fits ? alpha : NULL;
}

void io_no_alpha(const io_sink *sink, const pel_bundle *bundle, const char *format)
{
    char text[80];
    if (sink->frames > 0 || io_alpha(bundle) == NULL || sink->params->say == NULL)
        return;
    snprintf(text, sizeof text, "%s holds no alpha: it is left out", format);
    sink->params->say(sink->params->arg, text);
}
