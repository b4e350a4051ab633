/* optimizer.h - what a step of training does to the weights: rate, clipping, Adam, average.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * All weights of a model are one array of floats.  Loops run in pieces whose number depends on the array alone, and
 * sums are added in order: results do not depend on the threads.
 */
#ifndef PELLUCID_OPTIMIZER_H
#define PELLUCID_OPTIMIZER_H

#include <pellucid/base.h>

/* ---- The learning rate */

typedef enum { PEL_RATE_CONSTANT, PEL_RATE_COSINE, PEL_RATE_STEP } pel_rate_kind;

typedef struct {
    pel_rate_kind kind;
    double rate;     /* the greatest */
    uint64_t warmup; /* steps over which it rises from 0, on top of the rest */
    uint64_t every;  /* PEL_RATE_STEP: after so many steps it is multiplied... */
    double factor;   /* ...by this */
} pel_schedule;

/* `text` is constant, cosine, or step:EVERY[,FACTOR] (0.5); the rate and warm-up are the caller's.  PEL_EUSAGE. */
pel_status pel_schedule_parse(const char *text, pel_schedule *schedule, pel_error *error);
/* For step `step`, counted from 1, when the part `done` (0 to 1) of the training lies behind.  The cosine falls from the
 * rate to 0 (I. Loshchilov & F. Hutter, SGDR, ICLR 2017, equation 5 without restarts). */
double pel_schedule_rate(const pel_schedule *schedule, uint64_t step, double done);

/* ---- Gradients */

/* The Euclidean norm, summed in double. */
double pel_norm(const pel_context *ctx, size_t count, const float *values);

/* ---- Weights */

/* D. P. Kingma & J. Ba, Adam, ICLR 2015, algorithm 1; with `decay` the weights shrink by rate * decay a step, apart from
 * the gradient (I. Loshchilov & F. Hutter, Decoupled weight decay regularization, ICLR 2019, algorithm 2). */
typedef struct {
    double beta1, beta2, epsilon, decay;
} pel_adam;
#define PEL_ADAM_USUAL {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .decay = 0}

/* Step `step`, counted from 1, along `gradient` times `scale`.  `first` and `second` are the moments, 0 before the first
 * step. */
void pel_adam_step(const pel_context *ctx, const pel_adam *adam, uint64_t step, double rate, size_t count,
                   const float *gradient, double scale, float *weights, float *first, float *second);

/* The running average of the weights over steps (B. T. Polyak & A. B. Juditsky, SIAM J. Control Optim. 30, 1992; here
 * exponential): average += (1 - d) (weights - average), d the lesser of `decay` and (1 + step) / (10 + step), so that
 * the first steps are forgotten soon. */
void pel_average_step(const pel_context *ctx, double decay, uint64_t step, size_t count, const float *weights,
                      float *average);

#endif
