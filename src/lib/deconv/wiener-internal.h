/* wiener-internal.h - the state of a Wiener deconvolution: the solver, the rules, and the data step of
 * hqs.c share it.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_WIENER_INTERNAL_H
#define PELLUCID_WIENER_INTERNAL_H

#include <math.h>

#include <pellucid/pool.h>

#include "problem.h"

#define WIENER_BAND 16 /* rows of the grid, or of the spectrum, a piece of work */

typedef struct {
    const pel_context *ctx;
    const pel_problem *p;
    const pel_wiener_params *params;
    pel_grid grid;
    pel_complex *transfer;
    float *observed; /* the data on the grid, extended */
    float *weight;   /* of each sample of the grid */
    /* Of wiener_open: */
    float *tables[3];
    pel_complex *work;
    pel_complex *x, *residual, *direction; /* of conjugate gradients, as spectra without 1/n */
    float *image;
    float strength;
    double variance; /* of the noise, as the rule has it */
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

static inline float wiener_power(const pel_complex k)
{
    return k[0] * k[0] + k[1] * k[1];
}

/* C = |K|^2 + strength P of sample i, column k, of a row of the spectrum. */
static inline float wiener_filter(const wiener *w, size_t i, size_t k, float d)
{
    return fmaxf(wiener_power(w->transfer[i]) + w->strength * wiener_prior_power(w, k, d), 1e-20f);
}

static inline pel_status wiener_no_memory(const wiener *w)
{
    return pel_error_set(w->ctx->error, PEL_ENOMEM, "no memory for a picture of %zux%zux%zu",
                         w->grid.size.w, w->grid.size.h, w->grid.size.d);
}

/* Memory to work in, for w->grid; wiener_close it in any case.  Grid, transfer, observed and weight
 * are the caller's. */
pel_status wiener_open(wiener *w);
void wiener_close(wiener *w);

/* From w->work, the spectrum of a picture, to w->image, the picture blurred. */
void wiener_blur(wiener *w);

/* From w->x and w->image = Kx to the minimum of sum weight (observed - Kx)^2 + strength |Lx|^2, in w->x:
 * until the preconditioned gradient is `tolerance` RMS residuals, or most_steps are done; each takes a pair of
 * transforms.  Progress is told as done + share * the part of the steps. */
pel_status wiener_minimise(wiener *w, int most_steps, double tolerance, double done, double share);

/* Solves a checked problem on a grid of the caller's; `take` gets the estimate of each channel on all of the
 * grid.  `mean`: of the prior, all channels on the grid, or NULL: 0. */
pel_status wiener_solve(const pel_context *ctx, const pel_problem *problem, const pel_wiener_params *params,
                        const pel_grid *grid, const float *mean, pel_grid_take take, float *to,
                        pel_wiener_report *report);

/* The start that the problem has, all channels on the grid; outside of the data Wiener's estimate, since a smooth
 * continuation loses 0.6 dB at the border where there is little noise. */
pel_status wiener_put_start(const pel_context *ctx, const pel_problem *problem, const pel_grid *grid, float *to);

/* Chooses w->strength by the rule of the parameters for w->work, the spectrum of the data: among all
 * at first, then near the one there is. */
void wiener_choose_strength(wiener *w, bool first);
/* That of PEL_RULE_ERROR. */
double wiener_error_strength(double sigma, double range);

#endif
