/* gradient.c - gradients of a model, by the plain evaluation.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include "gradient-plain.h"

struct pel_gradient {
    nn_plain *plain;
};

pel_status pel_gradient_new(const pel_context *ctx, const pel_model *model, const pel_size *inputs,
                            const pel_gradient_options *options, pel_gradient **gradient)
{
    pel_gradient *g = pel_alloc(sizeof *g);
    *gradient = NULL;
    if (g == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    pel_status status = nn_plain_new(ctx, model, inputs, options, &g->plain);
    if (status == PEL_OK)
        *gradient = g;
    else
        pel_free(g);
    return status;
}

void pel_gradient_free(pel_gradient *g)
{
    if (g != NULL)
        nn_plain_free(g->plain);
    pel_free(g);
}

const pel_parameter *pel_gradient_parameters(const pel_gradient *g, size_t *count)
{
    return nn_plain_parameters(g->plain, count);
}

size_t pel_gradient_size(const pel_gradient *g) { return nn_plain_size(g->plain); }
pel_size pel_gradient_output(const pel_gradient *g, size_t output) { return nn_plain_output(g->plain, output); }
size_t pel_gradient_memory(const pel_gradient *g) { return nn_plain_memory(g->plain); }
double pel_gradient_macs(const pel_gradient *g) { return nn_plain_macs(g->plain); }

pel_status pel_gradient_load(const pel_context *ctx, pel_gradient *g, const float *parameters)
{
    return nn_plain_load(ctx, g->plain, parameters);
}

pel_status pel_gradient_run(const pel_context *ctx, pel_gradient *g, size_t samples,
                            const float *const *const *inputs, pel_gradient_loss loss, void *arg,
                            float *parameter_gradient, float *const *const *input_gradients)
{
    return nn_plain_run(ctx, g->plain, samples, inputs, loss, arg, parameter_gradient, input_gradients);
}
