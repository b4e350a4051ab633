/* transfer.h - from the codes that pictures are stored in to linear light, and back.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PELLUCID_TRANSFER_H
#define PELLUCID_TRANSFER_H

#include <pellucid/base.h>

PEL_BEGIN_DECLS

/* sRGB's curve (IEC 61966-2-1), continued as an odd function below 0 and straight on above 1. */
float pel_srgb_to_linear(float v);
float pel_linear_to_srgb(float v);

/* A curve as tables, for whole pictures: a few nanoseconds a sample, within 1e-6 of the formula.  Codes and
 * light are 0 at black and 1 at white; the curve is odd, and goes on above 1. */
typedef struct pel_transfer pel_transfer;

#define PEL_TRANSFER_LINEAR 1.0
#define PEL_TRANSFER_SRGB 0.0

/* `gamma` is the power of a code that is light, 1 to 4, or PEL_TRANSFER_SRGB.  PEL_EINVAL, PEL_ENOMEM.  Free
 * with pel_transfer_free (takes NULL). */
pel_status pel_transfer_new(double gamma, pel_transfer **transfer, pel_error *error);
void pel_transfer_free(pel_transfer *transfer);

/* `count` samples; black and white are those of the codes, white > black.  May work in place. */
void pel_transfer_to_light(const pel_transfer *transfer, const float *codes, size_t count, double black,
                           double white, float *light);
void pel_transfer_to_codes(const pel_transfer *transfer, const float *light, size_t count, double black,
                           double white, float *codes);

PEL_END_DECLS
#endif
