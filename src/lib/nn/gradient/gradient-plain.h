/* gradient-plain.h - gradients of a model by the reference: node by node, in double.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The calls are those of gradient.h, with the same meaning: what the fast engine is held to.
 */
#ifndef PEL_NN_GRADIENT_PLAIN_H
#define PEL_NN_GRADIENT_PLAIN_H

#include <pellucid/gradient.h>

typedef struct nn_plain nn_plain;

pel_status nn_plain_new(const pel_context *ctx, const pel_model *model, const pel_size *inputs,
                        const pel_gradient_options *options, nn_plain **plain);
void nn_plain_free(nn_plain *plain);
const pel_parameter *nn_plain_parameters(const nn_plain *plain, size_t *count);
size_t nn_plain_size(const nn_plain *plain);
pel_size nn_plain_output(const nn_plain *plain, size_t output);
size_t nn_plain_memory(const nn_plain *plain);
double nn_plain_macs(const nn_plain *plain);
pel_status nn_plain_load(const pel_context *ctx, nn_plain *plain, const float *parameters);
pel_status nn_plain_run(const pel_context *ctx, nn_plain *plain, size_t samples, const float *const *const *inputs,
                        pel_gradient_loss loss, void *arg, float *parameter_gradient,
                        float *const *const *input_gradients);

#endif
