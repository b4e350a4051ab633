/* trainer.h - a model that learns: batches in, steps, and the weights that come of it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PELLUCID_TRAINER_H
#define PELLUCID_TRAINER_H

#include <pellucid/cnn.h>
#include <pellucid/loss.h>

#include "checkpoint.h"
#include "muon.h"
#include "optimizer.h"
#include "ranks.h"

typedef struct {
    size_t batch;          /* pairs of a step */
    pel_schedule schedule;
    pel_adam adam;
    bool muon;             /* for the matrices */
    double clip;           /* greatest norm of the gradient; 0: any */
    double average;        /* decay of the average of weights; 0: it is the weights */
    pel_precision precision;
    uint64_t seed;         /* of a critic */
    pel_ranks *ranks;      /* that train together; not owned; NULL: alone */
    uint32_t checksum;     /* of model and settings, which must be the same on all of them */
} pel_trainer_params;

typedef struct pel_trainer pel_trainer;

/* Model and loss must outlive it; the weights of the model change.  Not usable before pel_trainer_begin. */
pel_status pel_trainer_new(pel_model *model, pel_loss *loss, const pel_trainer_params *params, pel_trainer **trainer,
                           pel_error *error);
void pel_trainer_free(pel_trainer *trainer);

/* Rank 0, before anything else: waits for the others.  PEL_EINVAL: one has another checksum; or one failed before. */
pel_status pel_trainer_gather(const pel_context *ctx, pel_trainer *trainer);
/* On the other ranks, all there is to do, in place of what follows: until rank 0 ends (PEL_OK) or any fails. */
pel_status pel_trainer_serve(const pel_context *ctx, pel_trainer *trainer);

/* Compiles the model for pairs like this bundle, at its present weights, for `sources` sources of pairs. */
pel_status pel_trainer_begin(const pel_context *ctx, pel_trainer *trainer, const pel_bundle *bundle, size_t sources);
/* Or goes on with a run: `state` (of pel_checkpoint_read) is the trainer's then, also after a failure. */
pel_status pel_trainer_resume(const pel_context *ctx, pel_trainer *trainer, pel_train_state *state);
/* The state, for checkpoints and for what the caller keeps in it. */
pel_train_state *pel_trainer_state(pel_trainer *trainer);
/* Brings what belongs to the loss into it: before a checkpoint is written. */
void pel_trainer_keep(pel_trainer *trainer);
/* Samples of a batch, and bytes of working memory. */
size_t pel_trainer_samples(const pel_trainer *trainer);
size_t pel_trainer_memory(const pel_trainer *trainer);

/* Pair number `place` (0 to batch - 1) of the next step.  PEL_EINVAL: it has other sizes than the first. */
pel_status pel_trainer_put(const pel_context *ctx, pel_trainer *trainer, const pel_bundle *bundle, size_t place);

typedef struct {
    double rate, norm; /* of the gradient, before it was clipped */
    double values[PEL_TRAIN_SUMS]; /* means over the batch: the loss, its terms, not weighted, and a critic's loss */
} pel_trainer_report;

/* One step on a full batch, of the model, and then of a critic, when the part `done` of the training lies behind.
 * PEL_ENUMERIC: loss or gradient are not finite; of the model's, the weights are as before. */
pel_status pel_trainer_step(const pel_context *ctx, pel_trainer *trainer, double done, pel_trainer_report *report);

/* The gradient of that step: the sum over all samples, pel_train_state.count floats. */
const float *pel_trainer_gradient(const pel_trainer *trainer);

/* Copies weights (of the state: weights, average or best) to the tensors of a model of the same graph. */
void pel_trainer_store(const pel_trainer *trainer, const float *weights, pel_model *model);

#endif
