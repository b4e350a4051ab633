/* parametric-internal.h - the mean periodogram of a picture.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_PARAMETRIC_INTERNAL_H
#define PELLUCID_PARAMETRIC_INTERNAL_H

#include <pellucid/parametric.h>

/* Power at the frequencies (i, j)/side, 0 <= i <= side/2, j from 0 to side-1 (beyond side/2: j - side):
 * power[j * (side / 2 + 1) + i], of white noise its variance. */
typedef struct {
    size_t side;
    double *power;
    bool any; /* false: the picture is flat, or every window has bad samples */
} blind_periodogram;

/* Of columns [from, from + w) of a picture without holes; windows of which more than a twentieth is masked
 * are left out. */
pel_status blind_periodogram_make(const pel_context *ctx, const float *picture, const float *mask,
                                  pel_size size, size_t from, size_t w, size_t side,
                                  blind_periodogram *p);
void blind_periodogram_clear(blind_periodogram *p);

#endif
