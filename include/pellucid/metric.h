/* metric.h - how far an estimate is from the truth.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PELLUCID_METRIC_H
#define PELLUCID_METRIC_H

#include <pellucid/base.h>

PEL_BEGIN_DECLS

typedef enum { PEL_SHIFT_NONE, PEL_SHIFT_INTEGER, PEL_SHIFT_QUARTER } pel_shift;

typedef struct {
    double range;     /* full scale of the samples (1, 255, ...), > 0 */
    size_t border;    /* samples left out on each side (x, y; z too when d > 2*border) */
    pel_shift shift;  /* registration searched over shifts of up to max_shift samples in x and y */
    size_t max_shift;
} pel_score_params;

typedef struct {
    double psnr, mse, mae, ssim, ms_ssim; /* ms_ssim: NaN when the picture is too small for 5 scales */
    double dx, dy;                        /* the shift of the estimate that fitted best */
    size_t samples;                       /* compared: finite in both */
} pel_score;

/* Scores `estimate` against `truth`, both of `size`; SSIM (Wang et al. 2004: Gaussian window sigma
 * 1.5, 11x11, population covariances) and MS-SSIM (Wang et al. 2003) are means over channels and
 * slices.  Samples that are not finite in either are left out of psnr, mse and mae, and windows that
 * hold one are left out of ssim. */
pel_status pel_score_pair(const pel_context *ctx, const float *estimate, const float *truth,
                          pel_size size, const pel_score_params *params, pel_score *score);

PEL_END_DECLS
#endif
