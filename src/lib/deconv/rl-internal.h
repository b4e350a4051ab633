/* rl-internal.h - state of a Richardson-Lucy run.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_RL_INTERNAL_H
#define PELLUCID_RL_INTERNAL_H

#include <pellucid/conv.h>

#include "problem.h"

/* `-n auto`: the residual reaches the noise (1 sigma: Morozov's discrepancy) while the estimate still
 * gains, since part of the noise is fitted too.  On 23 picture, PSF and noise combinations the best
 * count was 1.2 to 2.3 times that of the discrepancy; at 1.6 times the median loss is 0.08 dB.
 * Accelerated iterations count about as their square, so the root of the factor serves there. */
#define PEL_RL_DISCREPANCY 1.0
#define PEL_RL_BEYOND 1.6
#define PEL_RL_BEYOND_ACCELERATED 1.26
/* With a total variation in it the residual may never come down to the noise: then enough is when it
 * falls by less than this while the count of iterations grows by a quarter. */
#define PEL_RL_SETTLED 0.01
#define PEL_RL_SETTLED_FROM 20

typedef struct {
    double a, b;
} rl_sums;

struct rl_state;

/* One channel; `full` arrays are on the extended domain. */
typedef struct {
    const struct rl_state *state;
    pel_conv *conv;
    const float *data, *mask, *sigma_map;
    double background, weights;
    float *x;           /* full: the estimate */
    float *quotient;    /* data: w y / model */
    float *over_weight; /* full: 1 / (H' w), 0 where nothing is known */
    rl_sums *sums;      /* by segment of the convolution */
    size_t segments;
    float *previous, *predicted, *step; /* full: acceleration */
    double product, square;             /* of this step and the last */
    float alpha;
    float *curvature;   /* full: div(grad x / |grad x|) */
} rl_channel;

typedef struct rl_state {
    const pel_problem *p;
    const pel_rl_params *params;
    pel_extended e;
    bool accelerate;
    rl_channel *channels;
} rl_state;

/* Takes the memory of channel `c` and makes its weights and first estimate; free it in any case
 * (rl-channel.c). */
pel_status pel_rl_channel_open(const pel_context *ctx, const rl_state *s, rl_channel *ch, size_t c);
void pel_rl_channel_free(rl_channel *ch);

/* div(grad x / |grad x|) by forward and backward differences, 2-D or 3-D (rl-tv.c). */
void pel_rl_curvature(const pel_context *ctx, const pel_size *size, const float *x,
                      float *curvature);

#endif
