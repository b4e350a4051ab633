/* grid.h - the extended domain: the data, and around them what their blur reached from outside; and a
 * Fourier grid that holds it, where the methods that divide in the Fourier domain work.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_GRID_H
#define PELLUCID_GRID_H

#include <pellucid/fft.h>

/* Sizes and positions of one channel's planes; d = 1 kernels leave the depth as it is. */
typedef struct {
    pel_size data, psf, full; /* one channel each; full = data + psf - 1 */
    size_t offset[3];         /* of data sample 0 in `full` */
} pel_extended;

static inline pel_extended pel_extended_of(pel_size data, pel_size psf)
{
    pel_extended e = {data, psf, data, {0, 0, 0}};
    e.data.c = e.psf.c = e.full.c = 1;
    e.full.w += psf.w - 1;
    e.full.h += psf.h - 1;
    e.full.d += psf.d - 1;
    /* y(i) = sum_k psf(k) x(i + offset + centre - k) must begin at sample 0. */
    e.offset[0] = psf.w - 1 - psf.w / 2;
    e.offset[1] = psf.h - 1 - psf.h / 2;
    e.offset[2] = psf.d - 1 - psf.d / 2;
    return e;
}

/* Where row (y, z) of the data begins in an array of `full`. */
static inline size_t pel_extended_row(const pel_extended *e, size_t y, size_t z)
{
    return ((z + e->offset[2]) * e->full.h + y + e->offset[1]) * e->full.w + e->offset[0];
}

/* The extended domain, enlarged to sizes that transform fast; what is added is unobserved too. */
typedef struct {
    pel_extended e;
    pel_size size;    /* of the grid, one channel */
    size_t count;     /* samples */
    size_t complexes; /* of a spectrum */
    pel_fft *fft;
} pel_grid;

/* A grid for one channel of `data` and kernels of up to `psf`. */
pel_status pel_grid_open(const pel_context *ctx, pel_size data, pel_size psf, pel_grid *grid);
/* The same with sides (not the depth) that are multiples of `multiple`, where numbers of small factors are; a kernel
 * of one plane leaves the depth as it is. */
pel_status pel_grid_open_multiple(const pel_context *ctx, pel_size data, pel_size psf, size_t multiple,
                                  pel_grid *grid);
/* The data's own size: they are one period of a picture that has no border. */
pel_status pel_grid_open_periodic(const pel_context *ctx, pel_size data, pel_size psf, pel_grid *grid);
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

/* Data over the grid's samples under them; the others stay. */
void pel_grid_put(const pel_grid *grid, const float *data, float *to);

/* What becomes of a channel's estimate on the grid: its part under the data, or all of it, goes to that channel
 * of `to`. */
typedef void (*pel_grid_take)(const pel_grid *grid, const float *estimate, size_t channel, float *to);
void pel_grid_take_data(const pel_grid *grid, const float *estimate, size_t channel, float *to);
void pel_grid_take_all(const pel_grid *grid, const float *estimate, size_t channel, float *to);

/* |D|^2 of the forward differences summed over the axes, for frequency number kx, (ky, kz) of the
 * grid: 4 sin^2(pi k/n) each.  Tables of n/2+1 or n values an axis; free with pel_free. */
pel_status pel_grid_laplacian(const pel_context *ctx, const pel_grid *grid, float *tables[3]);

#endif
