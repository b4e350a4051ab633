/* score.c - errors of an estimate against the truth, after a search for their registration.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/pool.h>

#include "ssim.h"

typedef struct {
    double square, absolute;
    size_t count;
} sums;

/* A part of a plane, with the row lengths of the arrays that it is in. */
typedef struct {
    const float *a, *b;
    size_t w, h;       /* of the part */
    size_t stride;     /* of both arrays */
} window;

static void add_errors(const window *v, sums *s)
{
    for (size_t y = 0; y < v->h; y++)
        for (size_t x = 0; x < v->w; x++) {
            double d = (double)v->a[y * v->stride + x] - (double)v->b[y * v->stride + x];
            if (!isfinite(d))
                continue;
            s->square += d * d;
            s->absolute += fabs(d);
            s->count++;
        }
}

/* ---- Registration */

/* Catmull-Rom weights (Keys' cubic with a = -1/2) for a sample at fraction f behind tap 1. */
static void cubic(double f, double weight[4])
{
    weight[0] = f * (-0.5 + f * (1 - 0.5 * f));
    weight[1] = 1 + f * f * (-2.5 + 1.5 * f);
    weight[2] = f * (0.5 + f * (2 - 1.5 * f));
    weight[3] = f * f * (-0.5 + 0.5 * f);
}

/* One plane moved by (dx, dy): to(x, y) = from(x + dx, y + dy), edges repeated. */
static void move_plane(const float *from, size_t w, size_t h, double dx, double dy, float *work,
                       float *to)
{
    ptrdiff_t ix = (ptrdiff_t)floor(dx), iy = (ptrdiff_t)floor(dy);
    double wx[4], wy[4];
    cubic(dx - (double)ix, wx);
    cubic(dy - (double)iy, wy);
    for (size_t y = 0; y < h; y++)
        for (size_t x = 0; x < w; x++) {
            double v = 0;
            for (int k = 0; k < 4; k++) {
                ptrdiff_t u = (ptrdiff_t)x + ix + k - 1;
                u = u < 0 ? 0 : u >= (ptrdiff_t)w ? (ptrdiff_t)w - 1 : u;
                if (wx[k] != 0)
                    v += wx[k] * (double)from[y * w + (size_t)u];
            }
            work[y * w + x] = (float)v;
        }
    for (size_t y = 0; y < h; y++)
        for (size_t x = 0; x < w; x++) {
            double v = 0;
            for (int k = 0; k < 4; k++) {
                ptrdiff_t u = (ptrdiff_t)y + iy + k - 1;
                u = u < 0 ? 0 : u >= (ptrdiff_t)h ? (ptrdiff_t)h - 1 : u;
                if (wy[k] != 0)
                    v += wy[k] * (double)work[(size_t)u * w + x];
            }
            to[y * w + x] = (float)v;
        }
}

typedef struct {
    const float *estimate, *truth;
    pel_size size;
    size_t margin; /* left out on each side: the same samples for all shifts */
    double step;   /* of the grid of shifts */
    double x0, y0;
    size_t columns;
    float *work;   /* two planes a worker */
    double *errors;
} search;

static void try_shift(void *arg, size_t index, size_t worker)
{
    const search *s = arg;
    double dx = s->x0 + s->step * (double)(index % s->columns);
    double dy = s->y0 + s->step * (double)(index / s->columns);
    size_t w = s->size.w, h = s->size.h, m = s->margin;
    float *work = s->work + worker * 2 * w * h, *moved = work + w * h;
    bool whole = floor(dx) == dx && floor(dy) == dy;
    sums total = {0, 0, 0};
    for (size_t plane = 0; plane < s->size.c * s->size.d; plane++) {
        const float *estimate = s->estimate + plane * w * h, *truth = s->truth + plane * w * h;
        window v = {NULL, truth + m * w + m, w - 2 * m, h - 2 * m, w};
        if (whole) {
            v.a = estimate + ((ptrdiff_t)m + (ptrdiff_t)dy) * (ptrdiff_t)w + (ptrdiff_t)m +
                  (ptrdiff_t)dx;
        } else {
            move_plane(estimate, w, h, dx, dy, work, moved);
            v.a = moved + m * w + m;
        }
        add_errors(&v, &total);
    }
    s->errors[index] = total.count > 0 ? total.square / (double)total.count : HUGE_VAL;
}

/* The best of n x n shifts around (*dx, *dy), `step` apart. */
static void best_shift(const pel_context *ctx, search *s, size_t n, double step, double *dx,
                       double *dy)
{
    s->columns = n;
    s->step = step;
    s->x0 = *dx - step * (double)(n / 2);
    s->y0 = *dy - step * (double)(n / 2);
    pel_pool_run(ctx->pool, n * n, try_shift, s);
    size_t best = 0;
    for (size_t i = 1; i < n * n; i++)
        if (s->errors[i] < s->errors[best])
            best = i;
    *dx = s->x0 + step * (double)(best % n);
    *dy = s->y0 + step * (double)(best / n);
}

static pel_status find_shift(const pel_context *ctx, const float *estimate, const float *truth,
                             pel_size size, const pel_score_params *params, double *dx, double *dy)
{
    size_t reach = params->max_shift, side = 2 * reach + 1, most = side > 9 ? side : 9;
    size_t margin = params->border > reach + 1 ? params->border : reach + 1;
    if (size.w <= 2 * margin || size.h <= 2 * margin)
        return pel_error_set(ctx->error, PEL_EINVAL,
                             "a picture of %zux%zu is too small for shifts of up to %zu samples",
                             size.w, size.h, reach);
    search s = {estimate, truth, size, margin, 1, 0, 0, 0, NULL, NULL};
    s.work = pel_alloc_floats(2 * size.w * size.h * pel_pool_threads(ctx->pool));
    s.errors = pel_alloc(most * most * sizeof *s.errors);
    pel_status status = PEL_OK;
    if (s.work == NULL || s.errors == NULL)
        status = pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    *dx = *dy = 0;
    if (status == PEL_OK)
        best_shift(ctx, &s, side, 1, dx, dy);
    if (status == PEL_OK && params->shift == PEL_SHIFT_QUARTER)
        best_shift(ctx, &s, 7, 0.25, dx, dy);
    pel_free(s.work);
    pel_free(s.errors);
    return status;
}

/* ---- The score */

static void score_parts(const float *a, const float *b, pel_size size, size_t border,
                        const pel_score_params *params, pel_score *score)
{
    sums total = {0, 0, 0};
    size_t z0 = size.d > 2 * border ? border : 0;
    for (size_t c = 0; c < size.c; c++)
        for (size_t z = z0; z < size.d - z0; z++) {
            size_t at = ((c * size.d + z) * size.h + border) * size.w + border;
            window v = {a + at, b + at, size.w - 2 * border, size.h - 2 * border, size.w};
            add_errors(&v, &total);
        }
    score->samples = total.count;
    score->mse = total.count > 0 ? total.square / (double)total.count : (double)NAN;
    score->mae = total.count > 0 ? total.absolute / (double)total.count : (double)NAN;
    score->psnr = 10 * log10(params->range * params->range / score->mse);
}

static pel_status score_ssim(const pel_context *ctx, const float *a, const float *b, pel_size size,
                             size_t border, const pel_score_params *params, pel_score *score)
{
    size_t w = size.w - 2 * border, h = size.h - 2 * border;
    size_t z0 = size.d > 2 * border ? border : 0;
    double sum = 0, multi = 0;
    size_t planes = 0;
    for (size_t c = 0; c < size.c; c++)
        for (size_t z = z0; z < size.d - z0; z++, planes++) {
            size_t at = ((c * size.d + z) * size.h + border) * size.w + border;
            double one, many;
            pel_status status = pel_ssim_plane(ctx, a + at, b + at, w, h, size.w, params->range,
                                               &one, &many);
            if (status != PEL_OK)
                return status;
            sum += one;
            multi += many;
        }
    score->ssim = sum / (double)planes;
    score->ms_ssim = multi / (double)planes;
    return PEL_OK;
}

pel_status pel_score_pair(const pel_context *ctx, const float *estimate, const float *truth,
                          pel_size size, const pel_score_params *params, pel_score *score)
{
    size_t plane = size.w * size.h, border = params->border;
    memset(score, 0, sizeof *score);
    if (!(params->range > 0))
        return pel_error_set(ctx->error, PEL_EINVAL, "the range of the samples is not above 0");
    if (size.w <= 2 * border || size.h <= 2 * border)
        return pel_error_set(ctx->error, PEL_EINVAL, "nothing is left of %zux%zu inside a border of %zu",
                             size.w, size.h, border);
    float *moved = NULL;
    pel_status status = PEL_OK;
    if (params->shift != PEL_SHIFT_NONE) {
        status = find_shift(ctx, estimate, truth, size, params, &score->dx, &score->dy);
        size_t edge = (size_t)ceil(fmax(fabs(score->dx), fabs(score->dy)));
        border = border > edge ? border : edge; /* no repeated edges in the score */
    }
    if (status == PEL_OK && (score->dx != 0 || score->dy != 0)) {
        moved = pel_alloc_floats(pel_size_count(size) + plane);
        if (moved == NULL)
            return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
        for (size_t p = 0; p < size.c * size.d; p++)
            move_plane(estimate + p * plane, size.w, size.h, score->dx, score->dy,
                       moved + pel_size_count(size), moved + p * plane);
        estimate = moved;
    }
    if (status == PEL_OK) {
        score_parts(estimate, truth, size, border, params, score);
        status = score_ssim(ctx, estimate, truth, size, border, params, score);
    }
    pel_free(moved);
    return status;
}
