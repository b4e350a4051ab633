/* gradient.h - a model compiled for training: its outputs for some samples, and the gradient of a loss.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reverse mode (R. E. Wengert, A simple automatic derivative evaluation program, CACM 1964; D. E. Rumelhart, G. E. Hinton
 * & R. J. Williams, Learning representations by back-propagating errors, Nature 1986): values of a sample's forward pass
 * that the way back needs are kept, and gradients flow through the graph's nodes in reverse.  Samples of a batch are
 * independent of each other: each worker takes some, one after the other, forward and back.
 */
#ifndef PELLUCID_GRADIENT_H
#define PELLUCID_GRADIENT_H

#include <pellucid/base.h>
#include <pellucid/model.h>
#include <pellucid/network.h>

PEL_BEGIN_DECLS

typedef struct pel_gradient pel_gradient;

typedef struct {
    pel_precision precision;
    bool parameters; /* the gradient by the model's parameters is wanted */
    bool inputs;     /* the gradients by its inputs are wanted */
} pel_gradient_options;

/* A tensor of the model that training changes: of floats, used by its values (not as a size, a scale of Resize, bounds of
 * Clip, or the statistics of BatchNormalization), and of more than one number where it is an operand of arithmetic.  All
 * parameters together are one array of floats, in the order of the model's tensors. */
typedef struct {
    const pel_model_tensor *tensor;
    size_t offset, count; /* floats, in that array */
} pel_parameter;

/* Compiles a model for samples whose inputs have these sizes (in the order of model->inputs; d is 1).  The model must
 * outlive it; the values of its tensors are the parameters until others are loaded.  PEL_EINVAL: sizes that do not
 * suit, an operator that is not known, or (named) one on the way to a parameter that cannot be differentiated;
 * PEL_ELIMIT: more than ctx->memory is needed.  It works for ctx->pool's number of threads. */
pel_status pel_gradient_new(const pel_context *ctx, const pel_model *model, const pel_size *inputs,
                            const pel_gradient_options *options, pel_gradient **gradient);
void pel_gradient_free(pel_gradient *gradient);

/* The parameters, *count of them; they belong to `gradient`.  And how many floats they are together. */
const pel_parameter *pel_gradient_parameters(const pel_gradient *gradient, size_t *count);
size_t pel_gradient_size(const pel_gradient *gradient);
/* What its outputs come to, in the order of model->outputs; bytes of working memory of all workers; and
 * multiply-accumulates of a sample, forward and back. */
pel_size pel_gradient_output(const pel_gradient *gradient, size_t output);
size_t pel_gradient_memory(const pel_gradient *gradient);
double pel_gradient_macs(const pel_gradient *gradient);

/* The parameters' values for the runs to come: pel_gradient_size floats. */
pel_status pel_gradient_load(const pel_context *ctx, pel_gradient *gradient, const float *parameters);

/* The loss of one sample: sets the gradients with respect to the outputs (planar pictures, as the outputs).  Called once
 * a sample by the worker that runs it, at the same time as for other samples. */
typedef pel_status (*pel_gradient_loss)(void *arg, size_t sample, const float *const *outputs,
                                        float *const *output_gradients, pel_error *error);

/* Runs `samples` samples: inputs[sample][input] are planar pictures.  `parameter_gradient` (pel_gradient_size floats) is
 * set to the sum over all samples, input_gradients[sample][input] to those of each; NULL where options did not ask for
 * them (or, an input, where it is not wanted).  The same threads, CPU level and input give the same bits.  A failure of
 * `loss` is returned. */
pel_status pel_gradient_run(const pel_context *ctx, pel_gradient *gradient, size_t samples,
                            const float *const *const *inputs, pel_gradient_loss loss, void *arg,
                            float *parameter_gradient, float *const *const *input_gradients);

PEL_END_DECLS
#endif
