/* turn.c - frames turned by quarters and mirrored: the eight ways to lay a rectangle.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include <pellucid/geometry.h>

/* By value of the tag Orientation (EXIF 2.3, 4.6.4): are columns and rows exchanged, and do the
 * stored columns and rows run backwards? */
static const struct {
    bool exchanged, columns_back, rows_back;
} lies[9] = {{0, 0, 0}, {0, 0, 0}, {0, 1, 0}, {0, 1, 1}, {0, 0, 1},
             {1, 0, 0}, {1, 0, 1}, {1, 1, 1}, {1, 1, 0}};

pel_status pel_geometry_turn(const pel_frame *frame, unsigned orientation, pel_frame **out,
                             pel_error *error)
{
    if (orientation < 1 || orientation > 8)
        return pel_error_set(error, PEL_EINVAL, "orientation %u: 1 to 8 are possible", orientation);
    const pel_size s = frame->size;
    bool exchanged = lies[orientation].exchanged;
    pel_size upright = exchanged ? pel_size_make(s.h, s.w, s.d, s.c) : s;
    pel_status status = pel_frame_like(frame, NULL, upright, out, error);
    if (status != PEL_OK)
        return status;
    /* Sample (x, y) of the result comes from first + x * right + y * down. */
    ptrdiff_t column = lies[orientation].columns_back ? -1 : 1;
    ptrdiff_t row = (lies[orientation].rows_back ? -1 : 1) * (ptrdiff_t)s.w;
    size_t first = (lies[orientation].columns_back ? s.w - 1 : 0) +
                   (lies[orientation].rows_back ? (s.h - 1) * s.w : 0);
    ptrdiff_t right = exchanged ? row : column, down = exchanged ? column : row;
    const float *from = pel_frame_floats(frame) + first;
    float *to = pel_frame_floats(*out);
    for (size_t plane = 0; plane < s.d * s.c; plane++, from += s.w * s.h)
        for (size_t y = 0; y < upright.h; y++) {
            const float *source = from + (ptrdiff_t)y * down;
            for (size_t x = 0; x < upright.w; x++)
                *to++ = source[(ptrdiff_t)x * right];
        }
    return PEL_OK;
}

/* A PSF of even sides has its centre, floor(n/2), off the middle, where turning would move it: a
 * column or row of zeros behind makes the side odd and leaves the centre in its place. */
static pel_status make_odd(const pel_frame *psf, pel_frame **out, pel_error *error)
{
    const pel_size s = psf->size, odd = {s.w / 2 * 2 + 1, s.h / 2 * 2 + 1, s.d, s.c};
    pel_status status = pel_frame_like(psf, NULL, odd, out, error);
    if (status != PEL_OK)
        return status;
    const float *from = pel_frame_floats(psf);
    float *to = pel_frame_floats(*out);
    memset(to, 0, (*out)->bytes);
    for (size_t plane = 0; plane < s.d * s.c; plane++, to += odd.w * odd.h)
        for (size_t y = 0; y < s.h; y++, from += s.w)
            memcpy(to + y * odd.w, from, s.w * sizeof *to);
    return PEL_OK;
}

static pel_status turn_psf(const pel_frame *psf, unsigned orientation, pel_frame **out,
                           pel_error *error)
{
    pel_frame *odd;
    pel_status status = make_odd(psf, &odd, error);
    if (status != PEL_OK)
        return status;
    status = pel_geometry_turn(odd, orientation, out, error);
    pel_frame_unref(odd);
    if (status != PEL_OK)
        return status;
    status = pel_frame_set(*out, "spec", NULL, error); /* it told of the PSF as it lay before */
    if (status != PEL_OK)
        pel_frame_unref(*out);
    return status;
}

/* Where it lay in a larger picture means nothing any more. */
static pel_status forget_place(pel_frame *frame, pel_error *error)
{
    pel_status status = pel_frame_set(frame, "origin", NULL, error);
    return status == PEL_OK ? pel_frame_set(frame, "tile", NULL, error) : status;
}

static pel_status turn_followers(const pel_bundle *bundle, unsigned orientation, pel_bundle *turned,
                                 pel_error *error)
{
    pel_status status = PEL_OK;
    for (size_t i = 0; i < bundle->count && status == PEL_OK; i++) {
        pel_frame *companion = bundle->companions[i], *other = NULL;
        if (pel_geometry_follows(companion, bundle->image)) {
            status = pel_geometry_turn(companion, orientation, &other, error);
            if (status == PEL_OK)
                status = forget_place(other, error);
        } else if (strcmp(companion->role, "psf") == 0) {
            status = turn_psf(companion, orientation, &other, error);
        } else {
            other = pel_frame_ref(companion);
        }
        if (status == PEL_OK)
            status = pel_bundle_put(turned, other, error);
        pel_frame_unref(other);
    }
    return status;
}

pel_status pel_geometry_turn_bundle(const pel_bundle *bundle, unsigned orientation,
                                    pel_bundle *turned, pel_error *error)
{
    pel_frame *image;
    pel_status status = pel_geometry_turn(bundle->image, orientation, &image, error);
    if (status != PEL_OK)
        return status;
    status = forget_place(image, error);
    pel_bundle_set_image(turned, image);
    pel_frame_unref(image);
    if (status == PEL_OK)
        status = turn_followers(bundle, orientation, turned, error);
    pel_bundle_remove(turned, "meta", "fits"); /* its sky coordinates hold no longer */
    return status;
}
