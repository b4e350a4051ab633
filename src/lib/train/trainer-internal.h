/* trainer-internal.h - a trainer, and what all ranks do together.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PEL_TRAIN_TRAINER_INTERNAL_H
#define PEL_TRAIN_TRAINER_INTERNAL_H

#include <pellucid/gradient.h>

#include "trainer.h"

/* A sample's pictures. */
typedef struct {
    float *inputs[PEL_CNN_INPUTS];
    float *target;
    float *estimate; /* for a critic to learn from; else NULL */
} sample;

struct pel_trainer {
    pel_model *model;
    pel_loss *loss;
    pel_trainer_params params;
    pel_cnn *cnn;
    pel_gradient *gradient;
    pel_train_state state; /* where a rank serves: sizes and weights alone */
    size_t sample_count;   /* of the batch */
    size_t here;           /* that this rank has, in its arrays: rank 0 all of them, others their share */
    size_t share;          /* the first so many of them are run here */
    size_t pair_floats;    /* of a sample's inputs and target */
    sample *samples;
    double (*values)[PEL_TRAIN_SUMS]; /* the loss of each, its terms */
    float *pictures;             /* of all samples */
    float *made;                 /* their estimates, behind; NULL: nobody learns from them */
    const float *const **inputs; /* as pel_gradient_run wants them: pointers into samples */
    const float **estimates, **truths; /* as pel_loss_learn does */
    float *along;                /* the gradient */
    pel_muon_matrix *matrices;   /* NULL: all weights are Adam's */
    size_t matrix_count;
};

/* trainer.c.  Everything for pairs of state.pair. */
pel_status trainer_compile(const pel_context *ctx, pel_trainer *trainer);
/* The sum of the gradients of this rank's share, in `along`, and their values. */
pel_status trainer_run_share(const pel_context *ctx, pel_trainer *trainer);

/* trainer-ranks.c: what rank 0 has all do, itself included.  Others compile for its state.pair. */
pel_status trainer_begin_all(const pel_context *ctx, pel_trainer *trainer);
/* The weights, and what the critic has learned, go to all, into their models. */
pel_status trainer_load_all(const pel_context *ctx, pel_trainer *trainer);
/* The gradient of the batch, in rank 0's `along`; its values and estimates. */
pel_status trainer_gradient_all(const pel_context *ctx, pel_trainer *trainer);

#endif
