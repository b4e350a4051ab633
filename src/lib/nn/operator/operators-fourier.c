/* operators-fourier.c - DFT: of any length in n log n steps, in double.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "operator-internal.h"

typedef double number[2]; /* real, imaginary */

/* A length that is no power of two is a convolution of one that is, by Bluestein's chirp (IEEE Trans. Audio
 * Electroacoust. 18, 1970, 451): with 2jk = j^2 + k^2 - (k - j)^2, X_k = w_k sum_j x_j w_j / w_(k - j),
 * w_k = exp(-pi i k^2 / n). */
typedef struct {
    size_t n, m;   /* the length, and the power of two */
    number *turns; /* exp(-2 pi i k / m), k < m / 2 */
    number *chirp, *filter; /* w; the transform of 1 / w, over m; NULL where n is m */
    number *work;  /* m */
} transform;

static void multiply(number a, const number b)
{
    double re = a[0] * b[0] - a[1] * b[1];
    a[1] = a[0] * b[1] + a[1] * b[0];
    a[0] = re;
}

/* The transform of m numbers in place. */
static void transform_power(const transform *t, number *v)
{
    for (size_t i = 1, k = 0; i < t->m; i++) { /* k: the bits of i, reversed */
        size_t bit = t->m / 2;
        for (; k & bit; bit /= 2)
            k ^= bit;
        k ^= bit;
        for (int part = 0; part < 2 && i < k; part++) {
            double kept = v[i][part];
            v[i][part] = v[k][part];
            v[k][part] = kept;
        }
    }
    for (size_t half = 1; half < t->m; half *= 2)
        for (size_t first = 0; first < t->m; first += 2 * half)
            for (size_t k = 0; k < half; k++) {
                double *a = v[first + k], *b = v[first + half + k];
                multiply(b, t->turns[k * (t->m / 2 / half)]);
                for (int part = 0; part < 2; part++) {
                    double kept = a[part];
                    a[part] = kept + b[part];
                    b[part] = kept - b[part];
                }
            }
}

static void transform_free(transform *t)
{
    pel_free(t->turns);
    pel_free(t->chirp);
    pel_free(t->filter);
    pel_free(t->work);
}

/* w, and the filter made of it. */
static void make_chirp(transform *t)
{
    memset(t->filter, 0, t->m * sizeof *t->filter);
    for (size_t k = 0, square = 0; k < t->n; square = (square + 2 * k + 1) % (2 * t->n), k++) {
        double angle = M_PI * (double)square / (double)t->n;
        t->chirp[k][0] = cos(angle);
        t->chirp[k][1] = -sin(angle);
        for (int side = 0; side < 2; side++) { /* k and -k */
            double *to = t->filter[side == 0 || k == 0 ? k : t->m - k];
            to[0] = cos(angle) / (double)t->m;
            to[1] = sin(angle) / (double)t->m;
        }
    }
    transform_power(t, t->filter);
}

/* false: out of memory. */
static bool transform_make(size_t n, transform *t)
{
    bool power = (n & (n - 1)) == 0;
    *t = (transform){.n = n, .m = 1};
    while (t->m < (power ? n : 2 * n - 1))
        t->m *= 2;
    t->turns = pel_alloc((t->m / 2 + 1) * sizeof *t->turns);
    t->work = pel_alloc(t->m * sizeof *t->work);
    t->chirp = power ? NULL : pel_alloc(n * sizeof *t->chirp);
    t->filter = power ? NULL : pel_alloc(t->m * sizeof *t->filter);
    if (t->turns == NULL || t->work == NULL || (!power && (t->chirp == NULL || t->filter == NULL)))
        return false;
    for (size_t k = 0; k < t->m / 2; k++) {
        t->turns[k][0] = cos(2 * M_PI * (double)k / (double)t->m);
        t->turns[k][1] = -sin(2 * M_PI * (double)k / (double)t->m);
    }
    if (!power)
        make_chirp(t);
    return true;
}

/* The first n of `work`. */
static void transform_run(const transform *t)
{
    number *v = t->work;
    if (t->chirp == NULL) {
        transform_power(t, v);
        return;
    }
    for (size_t k = 0; k < t->n; k++)
        multiply(v[k], t->chirp[k]);
    memset(v + t->n, 0, (t->m - t->n) * sizeof *v);
    transform_power(t, v);
    for (size_t k = 0; k < t->m; k++) { /* back: the conjugate of the transform of the conjugate */
        multiply(v[k], t->filter[k]);
        v[k][1] = -v[k][1];
    }
    transform_power(t, v);
    for (size_t k = 0; k < t->n; k++) {
        v[k][1] = -v[k][1];
        multiply(v[k], t->chirp[k]);
    }
}

/* ---- The operator: the last dimension is 1 (real) or 2 (real and imaginary part) */

static pel_status find_length(const nn_call *call, size_t *axis, int64_t *length)
{
    const nn_array *a = call->inputs[0];
    size_t count;
    pel_status status = call_axis(call, pel_node_int(call->node, "axis", 1), a->rank, axis);
    if (status == PEL_OK)
        status = call_integers(call, NULL, 1, 1, length, &count);
    if (status != PEL_OK)
        return status;
    if (a->rank < 2 || *axis == a->rank - 1 || (a->dims[a->rank - 1] != 1 && a->dims[a->rank - 1] != 2))
        return FAIL(call, "the last dimension must be 1 or 2, real and imaginary part, and is not transformed");
    if (pel_node_int(call->node, "onesided", 0) != 0 &&
        (a->dims[a->rank - 1] == 2 || pel_node_int(call->node, "inverse", 0) != 0))
        return FAIL(call, "onesided is for real numbers and forward only");
    *length = count == 1 ? *length : a->dims[*axis];
    if (*length < 1)
        return FAIL(call, "a length of %lld", (long long)*length);
    if ((uint64_t)*length > call->limit / 16) /* the tables are as long as several results */
        return pel_error_set(call->error, PEL_ELIMIT, "a length of %lld is too large", (long long)*length);
    return PEL_OK;
}

static pel_status infer_dft(const nn_call *call)
{
    nn_array out = *call->inputs[0];
    size_t axis;
    int64_t length;
    pel_status status = find_length(call, &axis, &length);
    if (status != PEL_OK)
        return status;
    out.dims[axis] = pel_node_int(call->node, "onesided", 0) != 0 ? length / 2 + 1 : length;
    out.dims[out.rank - 1] = 2;
    return call_set_shape(call, 0, PEL_MODEL_FLOAT, out.rank, out.dims);
}

/* Adds the transform of `v`, shaped as the input, to `sums`, shaped as the output.  The adjoint goes from the output's
 * shape to the input's: the transform the other way round with the same scale.  What one side does not have (what is
 * beyond the length, the frequencies that onesided leaves out, the imaginary part) is 0 there. */
static pel_status add_transform(const nn_call *call, bool adjoint, const double *v, double *sums)
{
    const nn_array *ends[] = {call->inputs[0], call->outputs[0]}, *a = ends[adjoint], *b = ends[!adjoint];
    size_t axis, parts = (size_t)a->dims[a->rank - 1], parts_to = (size_t)b->dims[b->rank - 1];
    int64_t length;
    transform t;
    pel_status status = find_length(call, &axis, &length);
    if (status != PEL_OK)
        return status;
    bool inverse = pel_node_int(call->node, "inverse", 0) != 0;
    double sign = inverse != adjoint ? -1 : 1, scale = inverse ? 1 / (double)length : 1;
    axis_split from = split_at(a, axis), to = split_at(b, axis);
    size_t n = (size_t)length, inner = from.after / parts;
    if (!transform_make(n, &t))
        status = pel_error_set(call->error, PEL_ENOMEM, "out of memory");
    for (size_t line = 0; line < from.before * inner && status == PEL_OK; line++) {
        const double *in = v + line / inner * from.length * from.after + line % inner * parts;
        double *made = sums + line / inner * to.length * to.after + line % inner * parts_to;
        memset(t.work, 0, n * sizeof *t.work); /* what is missing is 0 */
        for (size_t k = 0; k < from.length && k < n; k++) {
            t.work[k][0] = in[k * from.after];
            t.work[k][1] = parts == 2 ? sign * in[k * from.after + 1] : 0;
        }
        transform_run(&t);
        for (size_t k = 0; k < to.length && k < n; k++) {
            made[k * to.after] += scale * t.work[k][0];
            if (parts_to == 2)
                made[k * to.after + 1] += scale * sign * t.work[k][1];
        }
    }
    transform_free(&t);
    return status;
}

static pel_status evaluate_dft(const nn_call *call)
{
    nn_array *out = call->outputs[0];
    memset(out->values, 0, nn_array_count(out) * sizeof *out->values);
    return add_transform(call, false, call->inputs[0]->values, out->values);
}

static pel_status backward_dft(const nn_call *call, const nn_gradients *g)
{
    pel_status status = backward_refuse(call, g, 1);
    if (status != PEL_OK || g->inputs[0] == NULL)
        return status;
    return add_transform(call, true, g->outputs[0], g->inputs[0]);
}

const nn_operator nn_operators_fourier[] = {
    {"DFT", 1, 2, 1, "axis:i inverse:i onesided:i", infer_dft, evaluate_dft, backward_dft, NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL},
};
