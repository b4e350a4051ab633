/* operators-matrix.c - MatMul, Gemm, Softmax.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "operator-internal.h"

/* ---- MatMul: as numpy's; a vector on the left is a row, on the right a column, and that dimension goes away */

typedef struct {
    nn_array a, b; /* with two dimensions at least */
    nn_array out;  /* the same */
    int64_t m, k, n;
} product;

static pel_status describe(const nn_call *call, product *p)
{
    p->a = *call->inputs[0];
    p->b = *call->inputs[1];
    if (p->a.rank == 0 || p->b.rank == 0)
        return FAIL(call, "a product with a number");
    if (p->a.rank == 1) {
        p->a.rank = 2;
        p->a.dims[1] = p->a.dims[0];
        p->a.dims[0] = 1;
    }
    if (p->b.rank == 1) {
        p->b.rank = 2;
        p->b.dims[1] = 1;
    }
    p->m = p->a.dims[p->a.rank - 2];
    p->k = p->a.dims[p->a.rank - 1];
    p->n = p->b.dims[p->b.rank - 1];
    if (p->b.dims[p->b.rank - 2] != p->k)
        return FAIL(call, "matrices of %lld columns and %lld rows", (long long)p->k,
                    (long long)p->b.dims[p->b.rank - 2]);
    nn_array a = p->a, b = p->b;
    a.rank -= 2;
    b.rank -= 2;
    p->out = (nn_array){0};
    if (!broadcast_shape(&a, &b, &p->out.rank, p->out.dims))
        return FAIL(call, "the batches' shapes do not go together");
    p->out.dims[p->out.rank++] = p->m;
    p->out.dims[p->out.rank++] = p->n;
    return PEL_OK;
}

static pel_status infer_matmul(const nn_call *call)
{
    product p;
    pel_status status = describe(call, &p);
    if (status != PEL_OK)
        return status;
    int64_t dims[PEL_MODEL_RANK];
    size_t rank = 0;
    for (size_t k = 0; k < p.out.rank; k++)
        if (!(k + 2 == p.out.rank && call->inputs[0]->rank == 1) &&
            !(k + 1 == p.out.rank && call->inputs[1]->rank == 1))
            dims[rank++] = p.out.dims[k];
    return call_set_shape(call, 0, call->inputs[0]->type, rank, dims);
}

static pel_status evaluate_matmul(const nn_call *call)
{
    product p;
    pel_status status = describe(call, &p);
    if (status != PEL_OK)
        return status;
    nn_array a = p.a, b = p.b, out = p.out;
    a.rank -= 2;
    b.rank -= 2;
    out.rank -= 2;
    for (size_t batch = 0, batches = nn_array_count(&out); batch < batches; batch++) {
        const double *x = call->inputs[0]->values + (int64_t)broadcast_index(&a, &out, batch) * p.m * p.k;
        const double *y = call->inputs[1]->values + (int64_t)broadcast_index(&b, &out, batch) * p.k * p.n;
        double *z = call->outputs[0]->values + (int64_t)batch * p.m * p.n;
        for (int64_t i = 0; i < p.m; i++)
            for (int64_t j = 0; j < p.n; j++) {
                double sum = 0;
                for (int64_t k = 0; k < p.k; k++)
                    sum += x[i * p.k + k] * y[k * p.n + j];
                z[i * p.n + j] = sum;
            }
    }
    return PEL_OK;
}

/* With Z = A B: the gradient of A is G B', that of B is A' G, added up over what was broadcast. */
static pel_status backward_matmul(const nn_call *call, const nn_gradients *g)
{
    product p;
    pel_status status = describe(call, &p);
    if (status != PEL_OK)
        return status;
    nn_array a = p.a, b = p.b, out = p.out;
    a.rank -= 2;
    b.rank -= 2;
    out.rank -= 2;
    for (size_t batch = 0, batches = nn_array_count(&out); batch < batches; batch++) {
        size_t x = broadcast_index(&a, &out, batch) * (size_t)(p.m * p.k);
        size_t y = broadcast_index(&b, &out, batch) * (size_t)(p.k * p.n);
        const double *z = g->outputs[0] + (int64_t)batch * p.m * p.n;
        for (int64_t i = 0; i < p.m; i++)
            for (int64_t j = 0; j < p.n; j++)
                for (int64_t k = 0; k < p.k; k++) {
                    size_t at_x = x + (size_t)(i * p.k + k), at_y = y + (size_t)(k * p.n + j);
                    gradient_add(g->inputs[0], at_x, z[i * p.n + j] * call->inputs[1]->values[at_y]);
                    gradient_add(g->inputs[1], at_y, z[i * p.n + j] * call->inputs[0]->values[at_x]);
                }
    }
    return PEL_OK;
}

static double macs_matmul(const nn_call *call)
{
    const nn_array *a = call->inputs[0];
    double count = (double)nn_array_count(call->outputs[0]);
    return count * (double)a->dims[a->rank - 1];
}

/* ---- Gemm: alpha A' B' + beta C */

static pel_status infer_gemm(const nn_call *call)
{
    const nn_array *a = call->inputs[0], *b = call->inputs[1], *c = call_input(call, 2);
    bool ta = pel_node_int(call->node, "transA", 0) != 0, tb = pel_node_int(call->node, "transB", 0) != 0;
    if (a->rank != 2 || b->rank != 2)
        return FAIL(call, "two matrices are needed");
    if (a->dims[!ta] != b->dims[tb])
        return FAIL(call, "matrices of %lld columns and %lld rows", (long long)a->dims[!ta],
                    (long long)b->dims[tb]);
    nn_array out = {.rank = 2, .dims = {a->dims[ta], b->dims[!tb]}}, all = out;
    if (c != NULL && (!broadcast_shape(&out, c, &all.rank, all.dims) || all.rank != 2 ||
                      all.dims[0] != out.dims[0] || all.dims[1] != out.dims[1]))
        return FAIL(call, "C does not have the shape of the product");
    return call_set_shape(call, 0, a->type, 2, out.dims);
}

static pel_status evaluate_gemm(const nn_call *call)
{
    const nn_array *a = call->inputs[0], *b = call->inputs[1], *c = call_input(call, 2);
    nn_array *out = call->outputs[0];
    bool ta = pel_node_int(call->node, "transA", 0) != 0, tb = pel_node_int(call->node, "transB", 0) != 0;
    double alpha = pel_node_float(call->node, "alpha", 1), beta = pel_node_float(call->node, "beta", 1);
    int64_t m = out->dims[0], n = out->dims[1], depth = a->dims[!ta];
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t k = 0; k < depth; k++)
                sum += a->values[ta ? k * m + i : i * depth + k] * b->values[tb ? j * depth + k : k * n + j];
            size_t at = (size_t)(i * n + j);
            out->values[at] = alpha * sum + (c != NULL ? beta * c->values[broadcast_index(c, out, at)] : 0);
        }
    return PEL_OK;
}

static pel_status backward_gemm(const nn_call *call, const nn_gradients *g)
{
    const nn_array *a = call->inputs[0], *b = call->inputs[1], *c = call_input(call, 2), *out = call->outputs[0];
    bool ta = pel_node_int(call->node, "transA", 0) != 0, tb = pel_node_int(call->node, "transB", 0) != 0;
    double alpha = pel_node_float(call->node, "alpha", 1), beta = pel_node_float(call->node, "beta", 1);
    int64_t m = out->dims[0], n = out->dims[1], depth = a->dims[!ta];
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double here = g->outputs[0][i * n + j];
            for (int64_t k = 0; k < depth; k++) {
                size_t at_a = (size_t)(ta ? k * m + i : i * depth + k), at_b = (size_t)(tb ? j * depth + k : k * n + j);
                gradient_add(g->inputs[0], at_a, alpha * here * b->values[at_b]);
                gradient_add(g->inputs[1], at_b, alpha * here * a->values[at_a]);
            }
            if (c != NULL)
                gradient_add(g->inputs[2], broadcast_index(c, out, (size_t)(i * n + j)), beta * here);
        }
    return PEL_OK;
}

static double macs_gemm(const nn_call *call)
{
    const nn_array *a = call->inputs[0];
    bool ta = pel_node_int(call->node, "transA", 0) != 0;
    return (double)nn_array_count(call->outputs[0]) * (double)a->dims[!ta];
}

/* ---- Softmax, LogSoftmax */

static pel_status infer_softmax(const nn_call *call)
{
    size_t axis;
    pel_status status = call_axis(call, pel_node_int(call->node, "axis", -1), call->inputs[0]->rank, &axis);
    return status == PEL_OK ? infer_same(call) : status;
}

static pel_status evaluate_softmax(const nn_call *call)
{
    size_t axis;
    call_axis(call, pel_node_int(call->node, "axis", -1), call->inputs[0]->rank, &axis);
    bool logarithm = strcmp(call->node->operator, "LogSoftmax") == 0;
    axis_split s = split_at(call->inputs[0], axis);
    for (size_t i = 0; i < s.before * s.after; i++) {
        const double *x = call->inputs[0]->values + i / s.after * s.length * s.after + i % s.after;
        double *y = call->outputs[0]->values + (x - call->inputs[0]->values), most = -HUGE_VAL, sum = 0;
        for (size_t k = 0; k < s.length; k++)
            most = fmax(most, x[k * s.after]);
        for (size_t k = 0; k < s.length; k++)
            sum += exp(x[k * s.after] - most);
        for (size_t k = 0; k < s.length; k++) {
            double v = x[k * s.after] - most;
            y[k * s.after] = logarithm ? v - log(sum) : exp(v) / sum;
        }
    }
    return PEL_OK;
}

/* With y the softmax and s the sum of its gradients times y: y (g - s); of its logarithm: g - y * (sum of g). */
static pel_status backward_softmax(const nn_call *call, const nn_gradients *g)
{
    size_t axis;
    call_axis(call, pel_node_int(call->node, "axis", -1), call->inputs[0]->rank, &axis);
    bool logarithm = strcmp(call->node->operator, "LogSoftmax") == 0;
    axis_split s = split_at(call->inputs[0], axis);
    for (size_t i = 0; i < s.before * s.after; i++) {
        size_t first = i / s.after * s.length * s.after + i % s.after;
        const double *y = call->outputs[0]->values + first, *gy = g->outputs[0] + first;
        double sum = 0;
        for (size_t k = 0; k < s.length; k++)
            sum += gy[k * s.after] * (logarithm ? 1 : y[k * s.after]);
        for (size_t k = 0; k < s.length; k++) {
            double here = gy[k * s.after], v = y[k * s.after];
            gradient_add(g->inputs[0], first + k * s.after, logarithm ? here - exp(v) * sum : v * (here - sum));
        }
    }
    return PEL_OK;
}

const nn_operator nn_operators_matrix[] = {
    {"MatMul", 2, 2, 1, "", infer_matmul, evaluate_matmul, backward_matmul, macs_matmul},
    {"Gemm", 2, 3, 1, "alpha:f beta:f transA:i transB:i", infer_gemm, evaluate_gemm, backward_gemm, macs_gemm},
    {"Softmax", 1, 1, 1, "axis:i", infer_softmax, evaluate_softmax, backward_softmax, NULL},
    {"LogSoftmax", 1, 1, 1, "axis:i", infer_softmax, evaluate_softmax, backward_softmax, NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL},
};
