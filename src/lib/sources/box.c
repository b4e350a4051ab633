/* box.c - boxes around sources, moved by parts of a sample.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "sources-internal.h"

#define LOBES 5 /* Lanczos: of a PSF of FWHM 2 samples, 0.2 % of the maximum are lost */

source_box source_box_make(const ptrdiff_t reach[3], const double fwhm[3])
{
    source_box box = {.count = 1};
    for (int a = 0; a < 3; a++) {
        box.reach[a] = reach[a];
        box.side[a] = (size_t)(2 * reach[a] + 1);
        box.count *= box.side[a];
        box.fwhm[a] = fwhm[a];
    }
    return box;
}

double source_box_radius(const source_box *box, size_t i)
{
    double sum = 0;
    for (int a = 0; a < 3; a++) {
        double d = ((double)(i % box->side[a]) - (double)box->reach[a]) / box->fwhm[a];
        sum += d * d;
        i /= box->side[a];
    }
    return sqrt(sum);
}

/* C. Duchon, "Lanczos filtering in one and two dimensions" (J. Appl. Meteor. 18, 1979): taps for a move by
 * `offset` (|offset| < 1), that sum to 1. */
static void lanczos(double offset, float taps[2 * LOBES + 1])
{
    double sum = 0, exact[2 * LOBES + 1];
    for (int k = -LOBES; k <= LOBES; k++) {
        double x = M_PI * ((double)k - offset), value = 1;
        if (fabs(x) >= LOBES * M_PI)
            value = 0;
        else if (fabs(x) > 1e-9)
            value = sin(x) / x * sin(x / LOBES) / (x / LOBES);
        exact[k + LOBES] = value;
        sum += value;
    }
    for (int k = 0; k <= 2 * LOBES; k++)
        taps[k] = (float)(exact[k] / sum);
}

static void move_axis(const source_box *box, int axis, const float *from, double offset, float *to)
{
    float taps[2 * LOBES + 1];
    size_t stride = axis == 0 ? 1 : axis == 1 ? box->side[0] : box->side[0] * box->side[1];
    ptrdiff_t side = (ptrdiff_t)box->side[axis];
    lanczos(offset, taps);
    for (size_t i = 0; i < box->count; i++) {
        ptrdiff_t at = (ptrdiff_t)(i / stride) % side;
        float sum = 0;
        for (ptrdiff_t k = -LOBES; k <= LOBES; k++)
            if (at - k >= 0 && at - k < side)
                sum += taps[k + LOBES] * from[(ptrdiff_t)i - k * (ptrdiff_t)stride];
        to[i] = sum;
    }
}

void source_box_move(const source_box *box, const float *from, const double offset[3], float *to,
                     float *scratch)
{
    move_axis(box, 0, from, offset[0], box->side[2] > 1 ? to : scratch);
    if (box->side[2] > 1) {
        move_axis(box, 1, to, offset[1], scratch);
        move_axis(box, 2, scratch, offset[2], to);
    } else
        move_axis(box, 1, scratch, offset[1], to);
}
