/* tv-internal.h - state and constants of the TV and hyper-Laplacian solver.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_TV_INTERNAL_H
#define PELLUCID_TV_INTERNAL_H

#include "problem.h"

/* What differs between the priors.  The penalties: mu_data = data_ratio, mu_prior = prior_ratio *
 * strength, so that the shrinkage of gradients has the fixed size 1 / prior_ratio.  Where the prior is
 * not convex only a small step keeps ADMM from sticking to its first estimate. */
typedef struct {
    double power;       /* p of |grad x|^p */
    double data_ratio, prior_ratio;
    long iterations;    /* the default */
    double scale, low, high; /* the rule of tv-prior.c; low and high bound strength / sigma^2 */
} tv_constants;
const tv_constants *tv_constants_of(pel_tv_prior prior);

/* The strength for noise of `sigma` when the mean gradient magnitude of the estimate is `mean`. */
double tv_rule(const tv_constants *k, double sigma, double mean);
#define TV_FIRST_MEAN 0.008 /* small: too strong a prior is where the rule starts from */
#define TV_RULE_FROM 10
#define TV_RULE_EVERY 10
/* Where the strength begins to fall, as noise of white at 1, and the part of the iterations in which it does.  From the three
 * photographs of data/samples with four PSFs and noise of 1e-5 to 1e-2: from 2e-3 wide PSFs settle less (1.8 dB behind
 * shake:25,5 at 1e-5), from 2e-2 more, but disc:3 loses up to 0.3 dB, as with a fall over 0.85 of the iterations. */
#define TV_CALM 6e-3
#define TV_FALL 0.5

/* argmin_v  w |v|^p + 1/2 (v - t)^2 by a table over |t|. */
typedef struct {
    float *table;
    float reach, per_unit; /* table covers 0 .. reach */
    double weight, power;
} tv_shrink;
pel_status tv_shrink_plan(const pel_context *ctx, tv_shrink *shrink, double power, double weight);
float tv_shrink_power(const tv_shrink *shrink, float t);

typedef struct {
    const pel_context *ctx;
    const tv_constants *constants;
    pel_grid grid;
    int axes;
    size_t rows, good;
    float *tables[3];
    pel_complex *transfer, *a, *b;
    float *x, *blurred;            /* the estimate, and K x */
    float *data, *weight;
    float *u_dual, *target, *divergence;
    float *v_dual[3], *v_target[3];
    double *sums;                  /* of |v|, by row */
    double range, unit;            /* of the samples, and of a strength */
    double strength;
    float mu_data, mu_prior, threshold;
    tv_shrink shrink;
} tv_solver;

/* Solves a checked problem on a grid of the caller's; `take` gets the estimate of each channel on all of the
 * grid. */
pel_status tv_solve(const pel_context *ctx, const pel_problem *problem, const pel_tv_params *params,
                    const pel_grid *grid, pel_grid_take take, float *to, pel_tv_report *report);

#endif
