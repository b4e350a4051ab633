/* network.h - a model compiled for pictures of one size, and run.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PELLUCID_NETWORK_H
#define PELLUCID_NETWORK_H

#include <pellucid/base.h>
#include <pellucid/model.h>

PEL_BEGIN_DECLS

typedef struct pel_network pel_network;

typedef enum {
    PEL_FP32,
    /* Weights and inputs of convolutions are rounded to bfloat16 (8 bits of mantissa) where that can be fast, their
     * products summed in float: from 16 channels in to 8 out on, ungrouped.  Processors with AMX or AVX512-BF16 have
     * instructions for that; others compute the same, may be slower than with
     * PEL_FP32, and gain memory alone. */
    PEL_BF16,
} pel_precision;

/* Compiles a model for inputs of these sizes (in the order of model->inputs; d is 1, pictures of c channels): folds
 * constants, fuses, chooses an algorithm for each layer, plans memory.  The model must outlive the network.
 * PEL_EINVAL: the sizes do not suit the model, or it has an operator that is not known (named);
 * PEL_ELIMIT: more than ctx->memory is needed, or an intermediate result is absurdly large.  The environment's
 * PELLUCID_CPU is heeded.  The network keeps ctx->pool's number of threads in mind; it may be run with
 * any pool of no more threads. */
pel_status pel_network_compile(const pel_context *ctx, const pel_model *model, const pel_size *inputs,
                               pel_precision precision, pel_network **network);
void pel_network_free(pel_network *network);

/* What its outputs come to, in the order of model->outputs. */
pel_size pel_network_output(const pel_network *network, size_t output);
/* Bytes of working memory, and multiply-accumulates of one run. */
size_t pel_network_memory(const pel_network *network);
double pel_network_macs(const pel_network *network);
/* Multiply-accumulates of node `node` of the model; 0 for one that is constant, or that no output needs. */
double pel_network_node_macs(const pel_network *network, size_t node);
/* Do all outputs depend on a neighbourhood only (no operator sees the whole picture)? */
bool pel_network_is_local(const pel_network *network);

/* For pictures that are too wide for the memory, and models that are local (PEL_EINVAL for others): how many columns
 * to the left and right of a sample it depends on, and what strips of columns must begin at multiples of. */
typedef struct {
    size_t left, right, align;
} pel_network_strips;
pel_status pel_network_reach(const pel_context *ctx, const pel_model *model, const pel_size *inputs,
                             pel_precision precision, pel_network_strips *strips);

/* The receptive field: how far from a sample in the middle of a picture, in samples, the inputs that it depends on lie,
 * at the most (where resolution changes, that differs from sample to sample).  `whole`: it sees the whole picture, by
 * an operator that does or because it reaches an edge of pictures of this size; in the second case
 * pel_network_is_local holds. */
typedef struct {
    bool whole;
    size_t left, right, up, down;
} pel_network_field;
pel_status pel_network_receptive_field(const pel_context *ctx, const pel_model *model, const pel_size *inputs,
                                       pel_network_field *field);

/* Runs it: planar pictures in and out (sample index ((c*H) + y)*W + x), outputs in the caller's memory.  Results do
 * not depend on the number of threads. */
pel_status pel_network_run(const pel_context *ctx, pel_network *network, const float *const *inputs,
                           float *const *outputs);

PEL_END_DECLS
#endif
