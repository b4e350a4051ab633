/* problem.c - what all restoration methods ask of a problem before they start.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "extended.h"

pel_status pel_problem_check(const pel_context *ctx, const pel_problem *p)
{
    size_t bytes;
    const pel_size s = p->size, k = p->psf_size;
    if (pel_size_count(s) == 0 || pel_size_count(k) == 0)
        return pel_error_set(ctx->error, PEL_EINVAL, "no samples to restore, or no PSF");
    if (k.c != 1 && k.c != s.c)
        return pel_error_set(ctx->error, PEL_EINVAL, "a PSF of %zu channels for a picture of %zu",
                             k.c, s.c);
    if (p->mask != NULL && p->mask_channels != 1 && p->mask_channels != s.c)
        return pel_error_set(ctx->error, PEL_EINVAL, "a mask of %zu channels for a picture of %zu",
                             p->mask_channels, s.c);
    if (k.d > 1 && s.d == 1)
        return pel_error_set(ctx->error, PEL_EINVAL, "a PSF of %zu planes for a picture of one", k.d);
    if (k.w > 2 * s.w + 1 || k.h > 2 * s.h + 1 || k.d > 2 * s.d + 1)
        return pel_error_set(ctx->error, PEL_EINVAL,
                             "a PSF of %zux%zux%zu is too large for a picture of %zux%zux%zu", k.w,
                             k.h, k.d, s.w, s.h, s.d);
    pel_size full = {s.w + k.w, s.h + k.h, s.d + k.d, s.c};
    if (!pel_size_bytes(full, 4 * sizeof(float), &bytes))
        return pel_error_set(ctx->error, PEL_ELIMIT, "the picture is too large");
    if (!isfinite(p->sigma) || p->sigma < 0)
        return pel_error_set(ctx->error, PEL_EINVAL, "the noise level is not a number >= 0");
    return PEL_OK;
}

/* One round: each unknown sample with known neighbours becomes their mean.  Returns how many are
 * left. */
static size_t grow(const pel_size s, float *to, unsigned char *known)
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

pel_status pel_problem_fill(const pel_context *ctx, const pel_problem *p, size_t c, float *to)
{
    size_t plane = pel_size_plane(p->size), bad = 0;
    const float *mask = pel_problem_mask(p, c), *data = p->data + c * plane;
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
        return pel_error_set(ctx->error, PEL_EINVAL, "not one good sample in channel %zu", c);
    }
    /* Holes wider than this get the mean: growing them round by round would take forever. */
    size_t left = bad;
    for (int round = 0; round < 200 && left > 0; round++)
        left = grow(p->size, to, known);
    for (size_t i = 0; left > 0 && i < plane; i++)
        if (!known[i])
            to[i] = (float)(sum / (double)(plane - bad));
    pel_free(known);
    return PEL_OK;
}
