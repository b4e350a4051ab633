/* grey.c - what a PSF is estimated from: one channel, and which samples of it count.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/blind.h>
#include <pellucid/stage.h>

void pel_grey_free(pel_grey *grey)
{
    pel_free(grey->samples);
    pel_free(grey->mask);
}

/* Luma of Rec. 601 for three channels, else the mean. */
static void make_luma(const pel_frame *picture, float *to)
{
    static const float luma[3] = {0.299f, 0.587f, 0.114f};
    size_t plane = pel_size_plane(picture->size), channels = picture->size.c;
    const float *v = pel_frame_floats(picture);
    memset(to, 0, plane * sizeof *to);
    for (size_t c = 0; c < channels; c++) {
        float weight = channels == 3 ? luma[c] : 1.0f / (float)channels;
        for (size_t i = 0; i < plane; i++)
            to[i] += weight * v[c * plane + i];
    }
}

/* Samples that are not finite, masked, or saturated in any channel tell nothing of the blur. */
static pel_status make_mask(pel_run *run, const pel_frame *picture, const pel_frame *mask,
                            double saturation, float *to)
{
    size_t plane = pel_size_plane(picture->size), bad = 0;
    const float *v = pel_frame_floats(picture);
    if (mask != NULL && !pel_size_same_plane(mask->size, picture->size))
        return pel_error_set(pel_run_error(run), PEL_EFORMAT, "a mask of %zux%zu for a picture of %zux%zu",
                             mask->size.w, mask->size.h, picture->size.w, picture->size.h);
    for (size_t i = 0; i < plane; i++)
        to[i] = 1;
    for (size_t c = 0; mask != NULL && c < mask->size.c; c++)
        for (size_t i = 0; i < plane; i++)
            to[i] = fminf(to[i], pel_frame_floats(mask)[c * plane + i]);
    for (size_t c = 0; c < picture->size.c; c++)
        for (size_t i = 0; i < plane; i++)
            if (!isfinite(v[c * plane + i]) || (double)v[c * plane + i] >= saturation)
                to[i] = 0;
    for (size_t i = 0; i < plane; i++)
        bad += !(to[i] > 0);
    if (bad > 0)
        pel_note(run, "%zu of %zu samples are bad or saturated, and left out", bad, plane);
    return PEL_OK;
}

pel_status pel_grey_open(pel_run *run, const pel_bundle *bundle, double saturation, pel_grey *grey)
{
    const pel_frame *data = pel_bundle_find(bundle, "data", NULL);
    const pel_frame *picture = data != NULL ? data : bundle->image;
    *grey = (pel_grey){.size = picture->size};
    grey->size.c = 1;
    grey->samples = pel_alloc_floats(pel_size_plane(grey->size));
    grey->mask = pel_alloc_floats(pel_size_plane(grey->size));
    if (grey->samples == NULL || grey->mask == NULL)
        return pel_error_set(pel_run_error(run), PEL_ENOMEM, "out of memory");
    if (isnan(saturation))
        saturation = 0.999 * pel_frame_real(picture, "white", HUGE_VAL);
    make_luma(picture, grey->samples);
    return make_mask(run, picture, pel_bundle_find(bundle, "mask", NULL), saturation, grey->mask);
}

static void cut(float *samples, size_t width, pel_blind_window window)
{
    for (size_t y = 0; y < window.h; y++)
        memmove(samples + y * window.w, samples + (y + window.y) * width + window.x,
                window.w * sizeof *samples);
}

pel_status pel_grey_cut(pel_run *run, size_t side, pel_grey *grey)
{
    pel_blind_window window;
    pel_status status = pel_blind_find_window(pel_run_context(run), grey->samples, grey->mask, grey->size,
                                              side, &window);
    if (status != PEL_OK || (window.w == grey->size.w && window.h == grey->size.h))
        return status;
    pel_note(run, "estimated from %zux%zu samples at %zu,%zu", window.w, window.h, window.x, window.y);
    cut(grey->samples, grey->size.w, window);
    cut(grey->mask, grey->size.w, window);
    grey->size = pel_size_make(window.w, window.h, 1, 1);
    return PEL_OK;
}

double pel_grey_scale(const pel_bundle *bundle, pel_grey *grey)
{
    const pel_frame *data = pel_bundle_find(bundle, "data", NULL);
    const pel_frame *picture = data != NULL ? data : bundle->image;
    double low = pel_frame_real(picture, "black", 0), high = pel_frame_real(picture, "white", (double)NAN);
    size_t count = pel_size_plane(grey->size);
    if (!isfinite(high)) {
        low = HUGE_VAL;
        high = -HUGE_VAL;
        for (size_t i = 0; i < count; i++)
            if (grey->mask[i] > 0) {
                low = fmin(low, (double)grey->samples[i]);
                high = fmax(high, (double)grey->samples[i]);
            }
    }
    double scale = high > low ? high - low : 1;
    for (size_t i = 0; i < count; i++)
        grey->samples[i] = (float)(((double)grey->samples[i] - low) / scale);
    return scale;
}
