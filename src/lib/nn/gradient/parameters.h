/* parameters.h - which tensors of a model training changes.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PEL_NN_PARAMETERS_H
#define PEL_NN_PARAMETERS_H

#include <pellucid/gradient.h>

#include "engine/graph.h"

/* What of a graph takes part.  A graph folds what is constant; here, what depends on parameters is none. */
typedef struct {
    bool *runs;            /* nodes that depend on an input or a parameter, and that an output needs */
    bool *wants;           /* values through which the gradient flows */
    size_t *parameter_of;  /* values: the parameter that it is, or NONE */
    pel_parameter *parameters;
    size_t count, floats;  /* of the parameters, and of all together */
} nn_parameters;

/* Parameters are float tensors that a node uses by their values (not as a size, a scale of Resize, bounds of Clip, or the
 * statistics of BatchNormalization), and of more than one number where they are an operand of pointwise arithmetic: a
 * single one there is a constant of the formula. */
bool nn_is_parameter(const pel_model *model, const pel_model_tensor *tensor);

/* For a graph that trains.  PEL_EINVAL: an operator on the way has no gradient. */
pel_status nn_parameters_find(const pel_context *ctx, const graph *g, const pel_gradient_options *options,
                              nn_parameters *p);
void nn_parameters_free(nn_parameters *p);

#endif
