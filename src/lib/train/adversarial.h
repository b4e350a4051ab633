/* adversarial.h - a critic: a network that tells estimates from truths, and learns to.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PEL_TRAIN_ADVERSARIAL_H
#define PEL_TRAIN_ADVERSARIAL_H

#include <pellucid/gradient.h>

#include "loss-internal.h"

/* What is made small, of a critic's outputs o (a mean over them all). */
typedef enum {
    VERDICT_LINEAR, /* o */
    VERDICT_TRUE,   /* log(1 + exp(-o)): it should say "truth" */
    VERDICT_FALSE,  /* log(1 + exp(o)) */
} verdict;

/* What all callers share. */
typedef struct {
    pel_model *model;
    pel_gradient *batch;  /* by the weights, on all threads; NULL: not prepared */
    size_t count, output; /* weights; numbers that it puts out */
    float *state;         /* STATE_NUMBERS(count); NULL before it was prepared once */
} critic;

/* Steps done, in two floats; weights; Adam's moments. */
#define STATE_HEAD 2
#define STATE_NUMBERS(count) (STATE_HEAD + 3 * (count))

/* A caller's: by the input, in its own thread. */
typedef struct {
    pel_gradient *net;
    float *slope;
    size_t output;
    verdict verdict;
    double factor, value;
} opinion;

enum { KEY_RATE, KEY_BETA1, KEY_STEPS, KEY_PENALTY };
bool adversarial_is_wasserstein(const loss_term *term);

/* The verdict on outputs, and `factor` times its gradient by them. */
double adversarial_judge(verdict v, size_t count, const float *output, double factor, float *slope);
/* The verdict on a picture, and factor times its gradient by the picture, in o->slope. */
pel_status adversarial_look(opinion *o, const float *picture, verdict v, double factor, pel_error *error);

/* See loss_kind. */
pel_status adversarial_learn(const pel_context *ctx, loss_term *term, void *const *scratch, size_t callers,
                             const loss_batch *batch, pel_loss_lesson *lesson);
pel_status adversarial_restore(const pel_context *ctx, loss_term *term, void *const *scratch, size_t callers);

#endif
