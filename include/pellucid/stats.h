/* stats.h - what is in an array of samples, and how much noise.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PELLUCID_STATS_H
#define PELLUCID_STATS_H

#include <pellucid/base.h>

PEL_BEGIN_DECLS

/* Samples that are NaN or infinite are counted in `bad` and left out of everything else.  With no
 * good sample, the numbers are NaN.  Sums are float64. */
typedef struct {
    size_t good, bad;
    double min, max, sum, mean, sd; /* sd: of the population */
} pel_stats;
pel_stats pel_stats_of(const float *samples, size_t count);

/* The `fraction` quantile (0 to 1; 0.5: the median) of the finite samples, linearly interpolated;
 * NaN when there is none.  PEL_ENOMEM. */
pel_status pel_stats_quantile(const pel_context *ctx, const float *samples, size_t count,
                              double fraction, double *value);

/* Standard deviation of white Gaussian noise in a picture, in sample units, from the finest
 * diagonal detail of its planes; robust against edges and texture.  Samples that are not finite or
 * (mask not NULL: one channel or as many as `size`) masked with 0 are left out.  *sigma is 0 for
 * constant pictures; PEL_EINVAL for fewer than 16 usable samples.  Source of the method: in
 * noise.c. */
pel_status pel_noise_estimate(const pel_context *ctx, const float *samples, pel_size size,
                              const float *mask, size_t mask_channels, double *sigma);

PEL_END_DECLS
#endif
