/* consistency-internal.h - residuals and windows, for what measures them and what keeps to them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_CONSISTENCY_INTERNAL_H
#define PELLUCID_CONSISTENCY_INTERNAL_H

#include <pellucid/consistency.h>

/* (data - psf * estimate) / sigma for each sample of the problem; NaN for those that do not count. */
pel_status pel_consistency_residual(const pel_context *ctx, const pel_problem *problem, const float *estimate,
                                    float *residual);

#endif
