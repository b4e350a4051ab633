/* noise.c - the standard deviation of white noise, from detail that pictures have little of.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The finest diagonal detail of D. Donoho & I. Johnstone, "Ideal spatial adaptation by wavelet
 * shrinkage" (Biometrika 81, 1994): median(|d|) / 0.6745 with d the HH band.  The band is taken by
 * the mask of J. Immerkaer, "Fast noise variance estimation" (CVIU 64, 1996), [1 -2 1]' [1 -2 1],
 * norm 6, which is 0 on planes and on straight edges along either axis; a blurred picture has
 * next to nothing in it. */
#include "config.h"

#include <math.h>

#include <pellucid/stats.h>

#define MASK_NORM 6.0
#define MEDIAN_TO_SIGMA 0.6744897501960817 /* median of |N(0,1)| */

typedef struct {
    const float *samples;
    const float *mask;
    pel_size size;
    size_t mask_channels;
} field;

/* |response| at an inner sample, or NaN where one of its nine is not to be used. */
static float response(const field *f, size_t x, size_t y, size_t z, size_t c)
{
    static const float weight[3] = {1, -2, 1};
    size_t plane = pel_size_plane(f->size);
    size_t at = (z * f->size.h + y) * f->size.w + x;
    float sum = 0;
    for (int j = 0; j < 3; j++)
        for (int i = 0; i < 3; i++) {
            size_t k = at + (size_t)j * f->size.w + (size_t)i - f->size.w - 1;
            if (f->mask != NULL &&
                !(f->mask[(f->mask_channels > 1 ? c : 0) * plane + k] > 0))
                return NAN;
            sum += weight[i] * weight[j] * f->samples[c * plane + k];
        }
    return fabsf(sum);
}

pel_status pel_noise_estimate(const pel_context *ctx, const float *samples, pel_size size,
                              const float *mask, size_t mask_channels, double *sigma)
{
    *sigma = (double)NAN;
    if (size.w < 3 || size.h < 3)
        return pel_error_set(ctx->error, PEL_EINVAL,
                             "a picture of %zux%zu is too small to estimate its noise from (give "
                             "--sigma)", size.w, size.h);
    /* A million places tell the median to 0.1 %; larger pictures are sampled in whole rows. */
    size_t rows = (size.h - 2) * size.d * size.c, stride = rows * (size.w - 2) / 1000000 + 1;
    float *found = pel_alloc_floats((rows / stride + 1) * (size.w - 2));
    if (found == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    field f = {samples, mask, size, mask_channels};
    size_t n = 0;
    for (size_t row = 0; row < rows; row += stride) {
        size_t y = 1 + row % (size.h - 2), z = row / (size.h - 2) % size.d;
        size_t c = row / (size.h - 2) / size.d;
        for (size_t x = 1; x + 1 < size.w; x++) {
            float r = response(&f, x, y, z, c);
            if (isfinite(r))
                found[n++] = r;
        }
    }
    pel_status status = PEL_OK;
    double median = 0;
    if (n < 16)
        status = pel_error_set(ctx->error, PEL_EINVAL,
                               "too few good samples to estimate the noise from (give --sigma)");
    else
        status = pel_stats_quantile(ctx, found, n, 0.5, &median);
    pel_free(found);
    if (status == PEL_OK)
        *sigma = median / (MEDIAN_TO_SIGMA * MASK_NORM);
    return status;
}
