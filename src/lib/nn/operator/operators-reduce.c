/* operators-reduce.c - sums, means, products and extremes over axes.
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

/* Which number of the result number i goes into. */
static size_t reduced_index(const nn_array *a, const reduction *r, size_t i)
{
    size_t at = 0, stride = 1;
    for (size_t k = a->rank; k-- > 0; i /= (size_t)a->dims[k])
        if (!r->reduced[k]) {
            at += i % (size_t)a->dims[k] * stride;
            stride *= (size_t)a->dims[k];
        }
    return at;
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
        size_t at = reduced_index(a, &r, i);
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

/* Of sums: the slope at x of a result y of n numbers. */
static double slope_of_sum(const char *op, double x, double y, double n)
{
    if (strcmp(op, "Mean") == 0)
        return 1 / n;
    if (strcmp(op, "L1") == 0)
        return (x > 0) - (x < 0);
    if (strcmp(op, "L2") == 0)
        return y > 0 ? x / y : 0;
    return strcmp(op, "SumSquare") == 0 ? 2 * x : 1;
}

static pel_status backward_sum(const nn_call *call, const nn_gradients *g)
{
    const char *op = call->node->operator + strlen("Reduce");
    const nn_array *a = call->inputs[0], *out = call->outputs[0];
    size_t count = nn_array_count(a);
    double n = (double)count / (double)nn_array_count(out);
    reduction r;
    pel_status status = describe(call, &r);
    for (size_t i = 0; i < count && status == PEL_OK; i++) {
        size_t at = reduced_index(a, &r, i);
        gradient_add(g->inputs[0], i, g->outputs[0][at] * slope_of_sum(op, a->values[i], out->values[at], n));
    }
    return status;
}

/* The product of the others, which only the numbers themselves tell where one is 0. */
static pel_status backward_product(const nn_call *call, const nn_gradients *g)
{
    const nn_array *a = call->inputs[0];
    size_t count = nn_array_count(a);
    reduction r;
    pel_status status = describe(call, &r);
    for (size_t i = 0; i < count && status == PEL_OK; i++) {
        size_t at = reduced_index(a, &r, i);
        double others = a->values[i] != 0 ? call->outputs[0]->values[at] / a->values[i] : 1;
        for (size_t k = 0; k < count && a->values[i] == 0; k++)
            if (k != i && reduced_index(a, &r, k) == at)
                others *= a->values[k];
        gradient_add(g->inputs[0], i, g->outputs[0][at] * others);
    }
    return status;
}

/* The greatest or least: the first that is it has the whole gradient. */
static pel_status backward_extreme(const nn_call *call, const nn_gradients *g)
{
    const nn_array *a = call->inputs[0], *out = call->outputs[0];
    nn_array left = *out; /* of the gradient: 0 once it is given */
    reduction r;
    pel_status status = describe(call, &r);
    if (status != PEL_OK)
        return status;
    if (!nn_array_alloc(&left))
        return pel_error_set(call->error, PEL_ENOMEM, "out of memory");
    memcpy(left.values, g->outputs[0], nn_array_count(out) * sizeof *left.values);
    for (size_t i = 0, n = nn_array_count(a); i < n; i++) {
        size_t at = reduced_index(a, &r, i);
        if (a->values[i] == out->values[at]) {
            gradient_add(g->inputs[0], i, left.values[at]);
            left.values[at] = 0;
        }
    }
    nn_array_free(&left);
    return PEL_OK;
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

static pel_status backward_global(const nn_call *call, const nn_gradients *g)
{
    bool most = strcmp(call->node->operator, "GlobalMaxPool") == 0;
    size_t made = nn_array_count(call->outputs[0]);
    size_t plane = made > 0 ? nn_array_count(call->inputs[0]) / made : 0;
    for (size_t i = 0; i < made; i++) {
        const double *x = call->inputs[0]->values + i * plane;
        double y = call->outputs[0]->values[i], here = g->outputs[0][i] / (most ? 1 : (double)plane);
        bool found = false;
        for (size_t k = 0; k < plane && !found; k++) {
            found = most && x[k] == y; /* the first that is the greatest has the whole gradient */
            if (!most || found)
                gradient_add(g->inputs[0], i * plane + k, here);
        }
    }
    return PEL_OK;
}

#define REDUCE(name, backward)                                                                                        \
    {name, 1, 2, 1, "axes:I keepdims:i noop_with_empty_axes:i", infer_reduce, evaluate_reduce, backward, NULL}
#define ARG(name) {name, 1, 1, 1, "axis:i keepdims:i select_last_index:i", infer_arg, evaluate_arg, NULL, NULL}
const nn_operator nn_operators_reduce[] = {
    REDUCE("ReduceMean", backward_sum), REDUCE("ReduceSum", backward_sum), REDUCE("ReduceL1", backward_sum),
    REDUCE("ReduceL2", backward_sum), REDUCE("ReduceSumSquare", backward_sum),
    REDUCE("ReduceProd", backward_product), REDUCE("ReduceMax", backward_extreme),
    REDUCE("ReduceMin", backward_extreme),
    ARG("ArgMax"), ARG("ArgMin"),
    {"GlobalAveragePool", 1, 1, 1, "", infer_global, evaluate_global, backward_global, NULL},
    {"GlobalMaxPool", 1, 1, 1, "", infer_global, evaluate_global, backward_global, NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL},
};
