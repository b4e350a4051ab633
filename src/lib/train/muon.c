/* muon.c - momentum, Newton-Schulz steps, and the weights between the matrices.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/pool.h>

#include "../nn/kernels/kernels.h"
#include "muon.h"

#define LEAST_SIDE 16
#define MOMENTUM 0.95f
#define LIKE_ADAM 0.2 /* Liu et al., equation 4 */
#define LEAST_SHARE 1e-10f /* of the norm; channels that hardly learn have less, and denormal products take ten times as long */

bool pel_muon_takes(const pel_model_tensor *tensor, pel_muon_matrix *matrix)
{
    if (tensor->rank < 2)
        return false;
    matrix->rows = (size_t)tensor->dims[0];
    matrix->columns = 1;
    for (size_t i = 1; i < tensor->rank; i++)
        matrix->columns *= (size_t)tensor->dims[i];
    return matrix->rows >= LEAST_SIDE && matrix->columns >= LEAST_SIDE;
}

/* ---- Newton-Schulz: X <- p(X X') X with p(A) = a I + b A + c A^2, which is a polynomial in the singular values
 *
 * All p commute, so X X' <- p X X' p, and X is multiplied once, by the product of all: of m x n the long side comes in twice,
 * not ten times.  What that rounds off is a thousandth of a singular value; where it comes to rest varies by far more. */

#define STEPS 5
static const float a = 3.4445f, b = -4.7750f, c = 2.0315f; /* Jordan et al.: steepest at 0 for what stays bounded */

/* X (m x n, m <= n) and another like it; square ones: X X', p, the product of all, and one for what comes between. */
typedef struct {
    size_t m, n;
    float *x, *other, *gram, *factor, *product, *between;
} workspace;

static size_t room(size_t m, size_t n) { return 2 * (m * n + KERNEL_SLACK) + 4 * (m * m + KERNEL_SLACK); }

static workspace divide(size_t m, size_t n, float *floats)
{
    size_t square = m * m + KERNEL_SLACK;
    workspace w = {.m = m, .n = n, .x = floats};
    w.other = w.x + m * n + KERNEL_SLACK;
    w.gram = w.other + m * n + KERNEL_SLACK;
    w.factor = w.gram + square;
    w.product = w.factor + square;
    w.between = w.product + square;
    return w;
}

static void transpose(size_t rows, size_t columns, const float *in, float *out)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < columns; k++)
            out[k * rows + i] = in[i * columns + k];
}

/* out = s t for a symmetric s of m x m, t and out of m x n: not in place. */
static void multiply(const nn_kernels *kernels, size_t m, size_t n, const float *s, const float *t, float *out)
{
    memset(out, 0, m * n * sizeof(float));
    kernels->accumulate(m, s, m, m, t, n, n, out, n);
}

static void swap(float **s, float **t)
{
    float *kept = *s;
    *s = *t;
    *t = kept;
}

/* The factor of this step, from X X'. */
static void find_factor(const nn_kernels *kernels, workspace *w)
{
    size_t m = w->m;
    multiply(kernels, m, m, w->gram, w->gram, w->factor);
    for (size_t i = 0; i < m * m; i++)
        w->factor[i] = b * w->gram[i] + c * w->factor[i];
    for (size_t i = 0; i < m; i++)
        w->factor[i * m + i] += a;
}

/* All steps on w->x. */
static void newton_schulz(const nn_kernels *kernels, workspace *w)
{
    size_t m = w->m, n = w->n;
    transpose(m, n, w->x, w->other);
    memset(w->gram, 0, m * m * sizeof(float));
    kernels->accumulate(n, w->other, m, m, w->other, m, m, w->gram, m);
    find_factor(kernels, w);
    memcpy(w->product, w->factor, m * m * sizeof(float));
    for (int step = 1; step < STEPS; step++) {
        multiply(kernels, m, m, w->factor, w->gram, w->between);
        multiply(kernels, m, m, w->factor, w->between, w->gram);
        find_factor(kernels, w);
        multiply(kernels, m, m, w->factor, w->product, w->between);
        swap(&w->product, &w->between);
    }
    multiply(kernels, m, n, w->product, w->x, w->other);
    swap(&w->x, &w->other);
}

/* `floats` are room() of the shorter and the longer side. */
static void orthogonalise(const nn_kernels *kernels, size_t rows, size_t columns, const float *in, float *out,
                          float *floats)
{
    bool wide = rows <= columns;
    size_t count = rows * columns;
    workspace w = wide ? divide(rows, columns, floats) : divide(columns, rows, floats);
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)in[i] * (double)in[i];
    float scale = (float)(1 / (sqrt(sum) + 1e-30)); /* the Frobenius norm is no less than the greatest singular value */
    if (wide)
        memcpy(w.x, in, count * sizeof(float));
    else
        transpose(rows, columns, in, w.x);
    for (size_t i = 0; i < count; i++)
        w.x[i] = fabsf(w.x[i]) * scale < LEAST_SHARE ? 0 : w.x[i] * scale;
    newton_schulz(kernels, &w);
    if (wide)
        memcpy(out, w.x, count * sizeof(float));
    else
        transpose(columns, rows, w.x, out);
}

pel_status pel_muon_orthogonalise(size_t rows, size_t columns, const float *in, float *out, pel_error *error)
{
    const nn_kernels *kernels;
    pel_status status = nn_kernels_choose(&kernels, error);
    if (status != PEL_OK)
        return status;
    float *floats = pel_calloc_floats(rows <= columns ? room(rows, columns) : room(columns, rows));
    if (floats == NULL)
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    orthogonalise(kernels, rows, columns, in, out, floats);
    pel_free(floats);
    return PEL_OK;
}

/* ---- A step */

typedef struct {
    const nn_kernels *kernels;
    const pel_muon_matrix *matrices;
    const float *gradient;
    float *weights, *momentum;
    float scale, keep;
    double rate;
    size_t room, along; /* of a worker: floats of the workspace, and of the step behind it */
    float *floats;
} muon;

static void matrix_step(void *arg, size_t index, size_t worker)
{
    const muon *u = arg;
    pel_muon_matrix m = u->matrices[index];
    size_t count = m.rows * m.columns;
    const float *g = u->gradient + m.offset;
    float *restrict momentum = u->momentum + m.offset, *restrict w = u->weights + m.offset;
    float *floats = u->floats + worker * (u->room + u->along), *restrict along = floats + u->room;
    for (size_t i = 0; i < count; i++) {
        momentum[i] = MOMENTUM * momentum[i] + u->scale * g[i];
        along[i] = u->scale * g[i] + MOMENTUM * momentum[i];
    }
    orthogonalise(u->kernels, m.rows, m.columns, along, along, floats);
    float pace = (float)(u->rate * LIKE_ADAM * sqrt((double)(m.rows > m.columns ? m.rows : m.columns)));
    for (size_t i = 0; i < count; i++)
        w[i] = u->keep * w[i] - pace * along[i];
}

pel_status pel_muon_step(const pel_context *ctx, const pel_adam *adam, uint64_t step, double rate, size_t count,
                         const pel_muon_matrix *matrices, size_t matrix_count, const float *gradient, double scale,
                         float *weights, float *first, float *second)
{
    muon u = {.matrices = matrices, .gradient = gradient, .weights = weights, .momentum = first, .scale = (float)scale,
              .keep = (float)(1 - rate * adam->decay), .rate = rate};
    pel_status status = nn_kernels_choose(&u.kernels, ctx->error);
    if (status != PEL_OK)
        return status;
    for (size_t i = 0; i < matrix_count; i++) {
        size_t rows = matrices[i].rows, columns = matrices[i].columns;
        size_t needs = rows <= columns ? room(rows, columns) : room(columns, rows);
        u.room = needs > u.room ? needs : u.room;
        u.along = rows * columns > u.along ? rows * columns : u.along;
    }
    u.floats = pel_calloc_floats(pel_pool_threads(ctx->pool) * (u.room + u.along) + 1);
    if (u.floats == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory for a step of training");
    pel_pool_run(ctx->pool, matrix_count, matrix_step, &u);
    pel_free(u.floats);
    size_t from = 0;
    for (size_t i = 0; i <= matrix_count; i++) {
        size_t to = i < matrix_count ? matrices[i].offset : count;
        pel_adam_step(ctx, adam, step, rate, to - from, gradient + from, scale, weights + from, first + from,
                      second + from);
        from = i < matrix_count ? to + matrices[i].rows * matrices[i].columns : count;
    }
    return PEL_OK;
}
