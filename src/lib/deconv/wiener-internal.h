/* wiener-internal.h - the state of a Wiener deconvolution: the solver and the rules share it.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_WIENER_INTERNAL_H
#define PELLUCID_WIENER_INTERNAL_H

#include <pellucid/pool.h>

#include "problem.h"

#define WIENER_BAND 16 /* rows of the grid, or of the spectrum, a piece of work */

typedef struct {
    const pel_context *ctx;
    const pel_problem *p;
    const pel_wiener_params *params;
    pel_grid grid;
    float *tables[3];
    pel_complex *transfer, *work;
    pel_complex *x, *residual, *direction; /* of conjugate gradients, as spectra without 1/n */
    float *observed; /* the data on the grid, extended */
    float *image;
    float *weight;   /* of each sample of the grid */
    float strength;
    float factor;    /* alpha or beta of the step at hand */
    double *sums[3]; /* by row */
} wiener;

static inline size_t wiener_rows(const wiener *w)
{
    return w->grid.size.h * w->grid.size.d;
}

static inline void wiener_in_bands(const wiener *w, pel_job job)
{
    pel_pool_run(w->ctx->pool, (wiener_rows(w) + WIENER_BAND - 1) / WIENER_BAND, job,
                 (void *)(uintptr_t)w);
}

static inline size_t wiener_band_end(const wiener *w, size_t index)
{
    size_t rows = wiener_rows(w), end = (index + 1) * WIENER_BAND;
    return end < rows ? end : rows;
}

static inline float wiener_row_laplace(const wiener *w, size_t row)
{
    return w->tables[1][row % w->grid.size.h] + w->tables[2][row / w->grid.size.h];
}

/* P at column k of a row of the spectrum whose other axes add up to `d`. */
static inline float wiener_prior_power(const wiener *w, size_t k, float d)
{
    if (w->params->prior == PEL_WIENER_TIKHONOV)
        return 1;
    float laplace = w->tables[0][k] + d;
    return laplace * laplace;
}

/* The half spectrum stands for the other half too, but for its edge columns. */
static inline double wiener_twice(const wiener *w, size_t k)
{
    return k == 0 || (w->grid.size.w % 2 == 0 && k == w->grid.size.w / 2) ? 1 : 2;
}

/* Chooses w->strength by the rule of the parameters for w->work, the spectrum of the data: among all
 * at first, then near the one there is. */
void wiener_choose_strength(wiener *w, bool first);

#endif
