/* ssim.h - structural similarity of one plane.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_SSIM_H
#define PELLUCID_SSIM_H

#include <pellucid/metric.h>

/* SSIM and MS-SSIM (NaN below 176 samples a side: five scales need 11 at the last) of two planes of
 * w x h whose rows are `stride` apart. */
pel_status pel_ssim_plane(const pel_context *ctx, const float *a, const float *b, size_t w, size_t h,
                          size_t stride, double range, double *ssim, double *ms_ssim);

#endif
