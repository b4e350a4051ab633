/* grid.h - a Fourier grid that holds the extended domain: where the methods that divide in the
 * Fourier domain (Wiener, TV) work.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_GRID_H
#define PELLUCID_GRID_H

#include <pellucid/fft.h>

#include "extended.h"

/* The extended domain, enlarged to sizes that transform fast; what is added is unobserved too. */
typedef struct {
    pel_extended e;
    pel_size size;    /* of the grid, one channel */
    size_t count;     /* samples */
    size_t complexes; /* of a spectrum */
    pel_fft *fft;
} pel_grid;

pel_status pel_grid_open(const pel_context *ctx, const pel_problem *p, pel_grid *grid);
void pel_grid_close(pel_grid *grid);

static inline size_t pel_grid_row(const pel_grid *g, size_t y, size_t z)
{
    return ((z + g->e.offset[2]) * g->size.h + y + g->e.offset[1]) * g->size.w + g->e.offset[0];
}

/* One channel of data onto the grid, `to` of grid->count: continued outside so that the periodic
 * grid has no edge, by a raised cosine from the last sample to the first along x, then y, then z. */
void pel_grid_extend(const pel_grid *grid, const float *data, float *to);

/* The part under the data, back into an array of the data's size. */
void pel_grid_cut(const pel_grid *grid, const float *from, float *to);

/* |D|^2 of the forward differences summed over the axes, for frequency number kx, (ky, kz) of the
 * grid: 4 sin^2(pi k/n) each.  Tables of n/2+1 or n values an axis; free with pel_free. */
pel_status pel_grid_laplacian(const pel_context *ctx, const pel_grid *grid, float *tables[3]);

#endif
