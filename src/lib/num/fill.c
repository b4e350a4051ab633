/* fill.c - holes filled from what is around them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include <pellucid/fill.h>

/* One round: each unknown sample with known neighbours becomes their mean.  Returns how many are
 * left. */
static size_t grow(pel_size s, float *to, unsigned char *known)
{
    size_t left = 0;
    for (size_t z = 0; z < s.d; z++)
        for (size_t y = 0; y < s.h; y++)
            for (size_t x = 0; x < s.w; x++) {
                size_t i = (z * s.h + y) * s.w + x;
                if (known[i] != 0)
                    continue;
                double sum = 0;
                int n = 0;
                for (size_t v = y > 0 ? y - 1 : 0; v <= y + 1 && v < s.h; v++)
                    for (size_t u = x > 0 ? x - 1 : 0; u <= x + 1 && u < s.w; u++) {
                        size_t j = (z * s.h + v) * s.w + u;
                        if (known[j] == 1) {
                            sum += (double)to[j];
                            n++;
                        }
                    }
                if (n > 0) {
                    to[i] = (float)(sum / n);
                    known[i] = 2; /* not a neighbour before the next round */
                } else {
                    left++;
                }
            }
    for (size_t i = 0; i < pel_size_plane(s); i++)
        known[i] = known[i] != 0;
    return left;
}

pel_status pel_fill_holes(const pel_context *ctx, const float *data, const float *mask, pel_size size,
                          float *to)
{
    size_t plane = pel_size_plane(size), bad = 0;
    if (mask == NULL) {
        memcpy(to, data, plane * sizeof *to);
        return PEL_OK;
    }
    unsigned char *known = pel_alloc(plane);
    if (known == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    double sum = 0;
    for (size_t i = 0; i < plane; i++) {
        known[i] = mask[i] > 0;
        to[i] = known[i] ? data[i] : 0;
        sum += (double)to[i];
        bad += !known[i];
    }
    if (bad == plane) {
        pel_free(known);
        return pel_error_set(ctx->error, PEL_EINVAL, "not one good sample: all are masked, not finite, or saturated");
    }
    /* Holes wider than this get the mean: growing them round by round would take forever. */
    size_t left = bad;
    for (int round = 0; round < 200 && left > 0; round++)
        left = grow(size, to, known);
    for (size_t i = 0; left > 0 && i < plane; i++)
        if (!known[i])
            to[i] = (float)(sum / (double)(plane - bad));
    pel_free(known);
    return PEL_OK;
}
