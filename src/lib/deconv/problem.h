/* problem.h - a restoration problem, channel by channel.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_PROBLEM_H
#define PELLUCID_PROBLEM_H

#include <pellucid/deconv.h>

#include <pellucid/fill.h>
#include "../num/grid.h"

/* The PSF of channel c, and its mask (NULL: none). */
static inline const float *pel_problem_psf(const pel_problem *p, size_t c)
{
    return p->psf + (p->psf_size.c > 1 ? c * pel_size_plane(p->psf_size) : 0);
}
static inline const float *pel_problem_mask(const pel_problem *p, size_t c)
{
    return p->mask == NULL ? NULL
                           : p->mask + (p->mask_channels > 1 ? c * pel_size_plane(p->size) : 0);
}

/* Sizes that fit together, counts that are not 0, sigma that is finite. */
pel_status pel_problem_check(const pel_context *ctx, const pel_problem *p);

/* One channel of the data without holes: see pel_fill_holes. */
static inline pel_status pel_problem_fill(const pel_context *ctx, const pel_problem *p, size_t c,
                                          float *to)
{
    return pel_fill_holes(ctx, p->data + c * pel_size_plane(p->size), pel_problem_mask(p, c), p->size,
                          to);
}

/* The same, continued over a grid: see pel_grid_extend. */
pel_status pel_problem_extend(const pel_context *ctx, const pel_problem *p, size_t c, const pel_grid *grid,
                              float *to);
/* Weights of the grid's samples for channel c: the mask under the data, 0 around them.  `by_sigma`: also
 * by the map of sigma, 1 where that is at its mean.  Returns how many are above 0. */
size_t pel_problem_weigh(const pel_problem *p, size_t c, const pel_grid *grid, bool by_sigma,
                         float *weight);

#endif
