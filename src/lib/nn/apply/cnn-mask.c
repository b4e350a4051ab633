/* cnn-mask.c - samples of the measurement that the stream's mask says are bad.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "cnn-internal.h"

static bool is_flagged(const pel_frame *mask, pel_size size)
{
    size_t plane = pel_size_plane(size);
    for (size_t c = 0; c < mask->size.c && c < size.c; c++)
        for (size_t i = 0; i < plane; i++)
            if (!(pel_frame_floats(mask)[c * plane + i] > 0))
                return true;
    return false;
}

/* A copy of the frame in which those samples are NaN. */
static pel_status flag(const pel_frame *from, const pel_frame *mask, pel_frame **to, pel_error *error)
{
    size_t plane = pel_size_plane(from->size);
    pel_status status = pel_frame_like(from, NULL, from->size, to, error);
    for (size_t i = 0; status == PEL_OK && i < pel_size_count(from->size); i++) {
        size_t at = mask->size.c == 1 ? i % plane : i;
        pel_frame_floats(*to)[i] = pel_frame_floats(mask)[at] > 0 ? pel_frame_floats(from)[i] : NAN;
    }
    return status;
}

pel_status cnn_apply_mask(const pel_bundle *bundle, const pel_frame *const *frames, size_t window, cnn_masked *m,
                          pel_error *error)
{
    const pel_frame *mask = pel_bundle_find(bundle, "mask", NULL), *data = pel_bundle_find(bundle, "data", NULL);
    const pel_frame *measured = data != NULL ? data : bundle->image;
    memset(m, 0, sizeof *m);
    if (mask == NULL || pel_size_count(mask->size) == 0)
        return PEL_OK;
    if (!pel_size_same_plane(mask->size, measured->size) || (mask->size.c != 1 && mask->size.c != measured->size.c))
        return pel_error_set(error, PEL_EINVAL, "the mask of %zux%zu does not fit the image", mask->size.w, mask->size.h);
    if (!is_flagged(mask, measured->size))
        return PEL_OK;
    pel_status status = pel_bundle_copy(&m->bundle, bundle, error);
    if (status == PEL_OK)
        status = flag(measured, mask, &m->flagged, error);
    if (status == PEL_OK && data != NULL)
        status = pel_bundle_put(&m->bundle, m->flagged, error);
    else if (status == PEL_OK)
        pel_bundle_set_image(&m->bundle, m->flagged);
    for (size_t k = 0; frames != NULL && k <= 2 * window; k++)
        m->frames[k] = frames[k] == bundle->image && data == NULL ? m->flagged : frames[k];
    m->applies = status == PEL_OK;
    return status;
}

void cnn_masked_clear(cnn_masked *m)
{
    pel_frame_unref(m->flagged);
    pel_bundle_clear(&m->bundle);
}
