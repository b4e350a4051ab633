/* operators-normalise.c - normalisations by mean and variance: of a batch (in inference), an instance, a layer.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "operator-internal.h"

static pel_status infer_by_channel(const nn_call *call)
{
    const nn_array *a = call->inputs[0];
    if (a->rank < 2)
        return FAIL(call, "an input of %zu dimensions", a->rank);
    for (size_t k = 1; k < call->input_count; k++)
        if (call->inputs[k] == NULL || call->inputs[k]->rank != 1 || call->inputs[k]->dims[0] != a->dims[1])
            return FAIL(call, "input %zu does not have a number for each of %lld channels", k,
                        (long long)a->dims[1]);
    return infer_same(call);
}

static pel_status evaluate_batch(const nn_call *call)
{
    double epsilon = pel_node_float(call->node, "epsilon", 1e-5);
    axis_split s = split_at(call->inputs[0], 1);
    for (size_t i = 0, n = nn_array_count(call->outputs[0]); i < n; i++) {
        size_t c = i / s.after % s.length;
        double v = (call->inputs[0]->values[i] - call->inputs[3]->values[c]) /
                   sqrt(call->inputs[4]->values[c] + epsilon);
        call->outputs[0]->values[i] = v * call->inputs[1]->values[c] + call->inputs[2]->values[c];
    }
    return PEL_OK;
}

/* The statistics are inputs here, so this is plain differentiation of scale (x - mean) / sqrt(variance + epsilon)
 * + bias; with statistics of the batch (training_mode) it would not be. */
static pel_status backward_batch(const nn_call *call, const nn_gradients *g)
{
    double epsilon = pel_node_float(call->node, "epsilon", 1e-5);
    axis_split s = split_at(call->inputs[0], 1);
    for (size_t i = 0, n = nn_array_count(call->outputs[0]); i < n; i++) {
        size_t c = i / s.after % s.length;
        double here = g->outputs[0][i], scale = call->inputs[1]->values[c];
        double deviation = sqrt(call->inputs[4]->values[c] + epsilon);
        double v = (call->inputs[0]->values[i] - call->inputs[3]->values[c]) / deviation;
        gradient_add(g->inputs[0], i, here * scale / deviation);
        gradient_add(g->inputs[1], c, here * v);
        gradient_add(g->inputs[2], c, here);
        gradient_add(g->inputs[3], c, -here * scale / deviation);
        gradient_add(g->inputs[4], c, -here * scale * v / (2 * deviation * deviation));
    }
    return PEL_OK;
}

/* (v - mean) / sqrt(variance + epsilon) of `count` numbers; returns that root. */
static double standardise(const double *v, size_t count, double epsilon, double *to)
{
    double mean = 0, variance = 0;
    for (size_t i = 0; i < count; i++)
        mean += v[i] / (double)count;
    for (size_t i = 0; i < count; i++)
        variance += (v[i] - mean) * (v[i] - mean) / (double)count;
    for (size_t i = 0; i < count; i++)
        to[i] = (v[i] - mean) / sqrt(variance + epsilon);
    return sqrt(variance + epsilon);
}

/* From u, the standardised numbers, and h, the gradient of the loss with respect to them: (h - mean of h - u * mean
 * of h u) / deviation (S. Ioffe, C. Szegedy, Batch Normalization, ICML 2015, section 3, simplified). */
static void backward_standardise(const double *u, const double *h, size_t count, double deviation, double *to)
{
    double mean = 0, along = 0;
    for (size_t i = 0; i < count; i++) {
        mean += h[i] / (double)count;
        along += h[i] * u[i] / (double)count;
    }
    for (size_t i = 0; i < count && to != NULL; i++)
        to[i] += (h[i] - mean - u[i] * along) / deviation;
}

/* Room for the u and h of `count` numbers. */
static pel_status standardise_room(const nn_call *call, size_t count, double **u, double **h)
{
    *u = pel_alloc((2 * count + 1) * sizeof **u);
    if (*u == NULL)
        return pel_error_set(call->error, PEL_ENOMEM, "out of memory");
    *h = *u + count;
    return PEL_OK;
}

static pel_status evaluate_instance(const nn_call *call)
{
    double epsilon = pel_node_float(call->node, "epsilon", 1e-5);
    axis_split s = split_at(call->inputs[0], 1);
    for (size_t i = 0; i < s.before * s.length; i++) {
        double *to = call->outputs[0]->values + i * s.after;
        standardise(call->inputs[0]->values + i * s.after, s.after, epsilon, to);
        for (size_t k = 0; k < s.after; k++)
            to[k] = to[k] * call->inputs[1]->values[i % s.length] + call->inputs[2]->values[i % s.length];
    }
    return PEL_OK;
}

static pel_status backward_instance(const nn_call *call, const nn_gradients *g)
{
    double epsilon = pel_node_float(call->node, "epsilon", 1e-5), *u, *h = NULL;
    axis_split s = split_at(call->inputs[0], 1);
    pel_status status = standardise_room(call, s.after, &u, &h);
    if (status != PEL_OK)
        return status;
    for (size_t i = 0; i < s.before * s.length; i++) {
        size_t c = i % s.length, first = i * s.after;
        double deviation = standardise(call->inputs[0]->values + first, s.after, epsilon, u);
        for (size_t k = 0; k < s.after; k++) {
            double here = g->outputs[0][first + k];
            h[k] = here * call->inputs[1]->values[c];
            gradient_add(g->inputs[1], c, here * u[k]);
            gradient_add(g->inputs[2], c, here);
        }
        backward_standardise(u, h, s.after, deviation, g->inputs[0] != NULL ? g->inputs[0] + first : NULL);
    }
    pel_free(u);
    return PEL_OK;
}

static pel_status infer_layer(const nn_call *call)
{
    const nn_array *a = call->inputs[0];
    nn_array rest = {0}, all;
    size_t axis;
    pel_status status = call_axis(call, pel_node_int(call->node, "axis", -1), a->rank, &axis);
    if (status != PEL_OK)
        return status;
    for (size_t k = axis; k < a->rank; k++)
        rest.dims[rest.rank++] = a->dims[k];
    for (size_t k = 1; k < call->input_count; k++)
        if (call->inputs[k] != NULL && (!broadcast_shape(&rest, call->inputs[k], &all.rank, all.dims) ||
                                        all.rank != rest.rank || memcmp(all.dims, rest.dims, rest.rank * 8) != 0))
            return FAIL(call, "input %zu does not have the normalised shape", k);
    if (call->output_count > 1)
        return FAIL(call, "mean and deviation as outputs are not supported");
    return infer_same(call);
}

/* What is normalised together: the axes from the one named. */
static nn_array layer_shape(const nn_call *call)
{
    const nn_array *a = call->inputs[0];
    nn_array rest = {0};
    size_t axis;
    call_axis(call, pel_node_int(call->node, "axis", -1), a->rank, &axis);
    for (size_t k = axis; k < a->rank; k++)
        rest.dims[rest.rank++] = a->dims[k];
    return rest;
}

static pel_status evaluate_layer(const nn_call *call)
{
    const nn_array *a = call->inputs[0], *bias = call_input(call, 2);
    double epsilon = pel_node_float(call->node, "epsilon", 1e-5);
    nn_array rest = layer_shape(call);
    size_t count = nn_array_count(&rest), all = nn_array_count(a);
    for (size_t i = 0; count > 0 && i < all; i += count) {
        double *to = call->outputs[0]->values + i;
        standardise(a->values + i, count, epsilon, to);
        for (size_t k = 0; k < count; k++) {
            to[k] *= call->inputs[1]->values[broadcast_index(call->inputs[1], &rest, k)];
            to[k] += bias != NULL ? bias->values[broadcast_index(bias, &rest, k)] : 0;
        }
    }
    return PEL_OK;
}

static pel_status backward_layer(const nn_call *call, const nn_gradients *g)
{
    const nn_array *a = call->inputs[0], *scale = call->inputs[1], *bias = call_input(call, 2);
    double epsilon = pel_node_float(call->node, "epsilon", 1e-5), *u, *h = NULL;
    nn_array rest = layer_shape(call);
    size_t count = nn_array_count(&rest), all = nn_array_count(a);
    pel_status status = standardise_room(call, count, &u, &h);
    if (status != PEL_OK)
        return status;
    for (size_t i = 0; count > 0 && i < all; i += count) {
        double deviation = standardise(a->values + i, count, epsilon, u);
        for (size_t k = 0; k < count; k++) {
            size_t at = broadcast_index(scale, &rest, k);
            double here = g->outputs[0][i + k];
            h[k] = here * scale->values[at];
            gradient_add(g->inputs[1], at, here * u[k]);
            if (bias != NULL)
                gradient_add(g->inputs[2], broadcast_index(bias, &rest, k), here);
        }
        backward_standardise(u, h, count, deviation, g->inputs[0] != NULL ? g->inputs[0] + i : NULL);
    }
    pel_free(u);
    return PEL_OK;
}

#define BATCH "epsilon:f momentum:f training_mode:i=0"
#define LAYER "axis:i epsilon:f stash_type:i=1"
const nn_operator nn_operators_normalise[] = {
    {"BatchNormalization", 5, 5, 1, BATCH, infer_by_channel, evaluate_batch, backward_batch, NULL},
    {"InstanceNormalization", 3, 3, 1, "epsilon:f", infer_by_channel, evaluate_instance, backward_instance, NULL},
    {"LayerNormalization", 2, 3, 3, LAYER, infer_layer, evaluate_layer, backward_layer, NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL},
};
