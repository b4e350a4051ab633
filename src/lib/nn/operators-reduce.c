/* operators-reduce.c - sums and means over axes, and the normalisations made of them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "operator-internal.h"

/* ---- Reduce... */

typedef struct {
    bool reduced[PEL_MODEL_RANK], keep;
} reduction;

static pel_status describe(const nn_call *call, reduction *r)
{
    int64_t axes[PEL_MODEL_RANK];
    size_t count, axis, rank = call->inputs[0]->rank;
    /* ReduceSum takes its axes as an input since opset 13, the others since 18. */
    pel_status status = call_integers(call, "axes", 1, PEL_MODEL_RANK, axes, &count);
    memset(r, 0, sizeof *r);
    r->keep = pel_node_int(call->node, "keepdims", 1) != 0;
    for (size_t k = 0; k < rank && count == 0; k++)
        r->reduced[k] = pel_node_int(call->node, "noop_with_empty_axes", 0) == 0;
    for (size_t i = 0; i < count && status == PEL_OK; i++) {
        status = call_axis(call, axes[i], rank, &axis);
        if (status == PEL_OK)
            r->reduced[axis] = true;
    }
    return status;
}

static pel_status infer_reduce(const nn_call *call)
{
    reduction r;
    int64_t dims[PEL_MODEL_RANK];
    size_t rank = 0;
    pel_status status = describe(call, &r);
    if (status != PEL_OK)
        return status;
    for (size_t k = 0; k < call->inputs[0]->rank; k++)
        if (!r.reduced[k])
            dims[rank++] = call->inputs[0]->dims[k];
        else if (r.keep)
            dims[rank++] = 1;
    return call_set_shape(call, 0, call->inputs[0]->type, rank, dims);
}

static pel_status evaluate_reduce(const nn_call *call)
{
    const char *op = call->node->operator + strlen("Reduce");
    const nn_array *a = call->inputs[0];
    double *out = call->outputs[0]->values;
    size_t made = nn_array_count(call->outputs[0]), count = nn_array_count(a);
    bool most = strcmp(op, "Max") == 0, least = strcmp(op, "Min") == 0, prod = strcmp(op, "Prod") == 0;
    bool square = strcmp(op, "L2") == 0 || strcmp(op, "SumSquare") == 0, absolute = strcmp(op, "L1") == 0;
    reduction r;
    pel_status status = describe(call, &r);
    for (size_t i = 0; i < made && status == PEL_OK; i++)
        out[i] = most ? -HUGE_VAL : least ? HUGE_VAL : prod;
    for (size_t i = 0; i < count && status == PEL_OK; i++) {
        size_t rest = i, at = 0, stride = 1;
        for (size_t k = a->rank; k-- > 0; rest /= (size_t)a->dims[k])
            if (!r.reduced[k]) {
                at += rest % (size_t)a->dims[k] * stride;
                stride *= (size_t)a->dims[k];
            }
        double v = a->values[i];
        if (most)
            out[at] = fmax(out[at], v);
        else if (least)
            out[at] = fmin(out[at], v);
        else if (prod)
            out[at] *= v;
        else
            out[at] += square ? v * v : absolute ? fabs(v) : v;
    }
    for (size_t i = 0; i < made && status == PEL_OK; i++)
        if (strcmp(op, "Mean") == 0)
            out[i] /= (double)count / (double)made;
        else if (strcmp(op, "L2") == 0)
            out[i] = sqrt(out[i]);
    return status;
}

/* ---- ArgMax, ArgMin */

static pel_status infer_arg(const nn_call *call)
{
    nn_array a = *call->inputs[0];
    size_t axis;
    pel_status status = call_axis(call, pel_node_int(call->node, "axis", 0), a.rank, &axis);
    if (status != PEL_OK)
        return status;
    if (a.dims[axis] < 1)
        return FAIL(call, "an empty axis");
    if (pel_node_int(call->node, "keepdims", 1) != 0) {
        a.dims[axis] = 1;
    } else {
        a.rank--;
        memmove(a.dims + axis, a.dims + axis + 1, (a.rank - axis) * sizeof *a.dims);
    }
    return call_set_shape(call, 0, PEL_MODEL_INT64, a.rank, a.dims);
}

static pel_status evaluate_arg(const nn_call *call)
{
    double sign = strcmp(call->node->operator, "ArgMin") == 0 ? -1 : 1;
    bool last = pel_node_int(call->node, "select_last_index", 0) != 0;
    size_t axis;
    call_axis(call, pel_node_int(call->node, "axis", 0), call->inputs[0]->rank, &axis);
    axis_split s = split_at(call->inputs[0], axis);
    for (size_t i = 0; i < s.before * s.after; i++) {
        const double *v = call->inputs[0]->values + i / s.after * s.length * s.after + i % s.after;
        size_t best = 0;
        for (size_t k = 1; k < s.length; k++) {
            double more = sign * (v[k * s.after] - v[best * s.after]);
            if (more > 0 || (last && more == 0))
                best = k;
        }
        call->outputs[0]->values[i] = (double)best;
    }
    return PEL_OK;
}

/* ---- GlobalAveragePool, GlobalMaxPool */

static pel_status infer_global(const nn_call *call)
{
    nn_array a = *call->inputs[0];
    if (a.rank < 3)
        return FAIL(call, "an input of %zu dimensions", a.rank);
    for (size_t k = 2; k < a.rank; k++) {
        if (a.dims[k] == 0)
            return FAIL(call, "an empty picture");
        a.dims[k] = 1;
    }
    return call_set_shape(call, 0, a.type, a.rank, a.dims);
}

static pel_status evaluate_global(const nn_call *call)
{
    bool most = strcmp(call->node->operator, "GlobalMaxPool") == 0;
    size_t made = nn_array_count(call->outputs[0]);
    size_t plane = made > 0 ? nn_array_count(call->inputs[0]) / made : 0;
    for (size_t i = 0; i < made; i++) {
        double v = most ? -HUGE_VAL : 0;
        for (size_t k = 0; k < plane; k++) {
            double x = call->inputs[0]->values[i * plane + k];
            v = most ? fmax(v, x) : v + x;
        }
        call->outputs[0]->values[i] = most ? v : v / (double)plane;
    }
    return PEL_OK;
}

/* ---- Normalisations */

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

/* (v - mean) / sqrt(variance + epsilon) of `count` numbers. */
static void standardise(const double *v, size_t count, double epsilon, double *to)
{
    double mean = 0, variance = 0;
    for (size_t i = 0; i < count; i++)
        mean += v[i] / (double)count;
    for (size_t i = 0; i < count; i++)
        variance += (v[i] - mean) * (v[i] - mean) / (double)count;
    for (size_t i = 0; i < count; i++)
        to[i] = (v[i] - mean) / sqrt(variance + epsilon);
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

static pel_status evaluate_layer(const nn_call *call)
{
    const nn_array *a = call->inputs[0], *bias = call_input(call, 2);
    double epsilon = pel_node_float(call->node, "epsilon", 1e-5);
    nn_array rest = {0};
    size_t axis;
    call_axis(call, pel_node_int(call->node, "axis", -1), a->rank, &axis);
    for (size_t k = axis; k < a->rank; k++)
        rest.dims[rest.rank++] = a->dims[k];
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

#define REDUCE(name) {name, 1, 2, 1, "axes:I keepdims:i noop_with_empty_axes:i", infer_reduce, evaluate_reduce, NULL}
const nn_operator nn_operators_reduce[] = {
    REDUCE("ReduceMean"), REDUCE("ReduceSum"), REDUCE("ReduceMax"), REDUCE("ReduceMin"), REDUCE("ReduceL1"),
    REDUCE("ReduceL2"), REDUCE("ReduceProd"), REDUCE("ReduceSumSquare"),
    {"ArgMax", 1, 1, 1, "axis:i keepdims:i select_last_index:i", infer_arg, evaluate_arg, NULL},
    {"ArgMin", 1, 1, 1, "axis:i keepdims:i select_last_index:i", infer_arg, evaluate_arg, NULL},
    {"GlobalAveragePool", 1, 1, 1, "", infer_global, evaluate_global, NULL},
    {"GlobalMaxPool", 1, 1, 1, "", infer_global, evaluate_global, NULL},
    {"BatchNormalization", 5, 5, 1, "epsilon:f momentum:f training_mode:i=0", infer_by_channel, evaluate_batch, NULL},
    {"InstanceNormalization", 3, 3, 1, "epsilon:f", infer_by_channel, evaluate_instance, NULL},
    {"LayerNormalization", 2, 3, 3, "axis:i epsilon:f stash_type:i=1", infer_layer, evaluate_layer, NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL, NULL},
};
