/* box.h - sums and minima over boxes around each sample, an axis at a time.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_BOX_H
#define PELLUCID_BOX_H

#include <pellucid/base.h>

/* From `before` samples before a sample to `after` behind it, in x, y and z; what lies outside the picture is left out. */
typedef struct {
    size_t before[3], after[3];
} pel_box;

static inline pel_box pel_box_side(size_t x, size_t y, size_t z)
{
    return (pel_box){{x / 2, y / 2, z / 2}, {(x + 1) / 2 - (x > 0), (y + 1) / 2 - (y > 0), (z + 1) / 2 - (z > 0)}};
}

/* Sums (in double, of each axis) and minima of one channel of `size`, in place.  False: out of memory. */
bool pel_box_sum(float *samples, pel_size size, pel_box box);
bool pel_box_min(float *samples, pel_size size, pel_box box);

#endif
