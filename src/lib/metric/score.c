/* score.c - errors of an estimate against the truth, after a search for their registration.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/pool.h>

#include "ssim.h"

#define COARSE_SAMPLES ((size_t)1 << 18) /* enough to tell whole shifts apart */

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

/* Row y of a plane that is moved by (dx, dy): to(x) = from(x + dx, y + dy) for x0 <= x < x1, by the
 * product of two cubics.  Samples up to two beyond the shift are read; `work` has w samples. */
static void move_row(const float *from, size_t w, size_t y, double dx, double dy, size_t x0,
                     size_t x1, float *work, float *to)
{
    const ptrdiff_t ix = (ptrdiff_t)floor(dx), iy = (ptrdiff_t)floor(dy);
    double wx[4], wy[4];
    cubic(dx - (double)ix, wx);
    cubic(dy - (double)iy, wy);
    memset(work, 0, w * sizeof *work);
    memset(to + x0, 0, (x1 - x0) * sizeof *to);
    /* Taps of weight 0 are left out: they may lie outside, or hold a NaN. */
    for (int k = 0; k < 4; k++) {
        if (wy[k] == 0)
            continue;
        const float t = (float)wy[k];
        const float *row = from + ((ptrdiff_t)y + iy + k - 1) * (ptrdiff_t)w;
        for (size_t x = 0; x < w; x++)
            work[x] += t * row[x];
    }
    for (int k = 0; k < 4; k++) {
        if (wx[k] == 0)
            continue;
        const float t = (float)wx[k];
        const float *tap = work + ix + k - 1;
        for (size_t x = x0; x < x1; x++)
            to[x] += t * tap[x];
    }
}

typedef struct {
    const float *estimate, *truth;
    pel_size size;
    size_t margin;   /* left out on each side: the same samples for all shifts */
    size_t row_step; /* each so many rows are compared */
    double reach;    /* no shift beyond */
    double step;     /* of the grid of shifts */
    double x0, y0;
    size_t columns;
    float *work;     /* two rows a worker */
    double *errors;
} search;

static void try_shift(void *arg, size_t index, size_t worker)
{
    const search *s = arg;
    double dx = s->x0 + s->step * (double)(index % s->columns);
    double dy = s->y0 + s->step * (double)(index / s->columns);
    const size_t w = s->size.w, h = s->size.h, m = s->margin;
    float *work = s->work + worker * 2 * w, *moved = work + w;
    bool whole = floor(dx) == dx && floor(dy) == dy;
    sums total = {0, 0, 0};
    s->errors[index] = HUGE_VAL;
    if (fabs(dx) > s->reach || fabs(dy) > s->reach)
        return;
    for (size_t plane = 0; plane < s->size.c * s->size.d; plane++) {
        const float *estimate = s->estimate + plane * w * h, *truth = s->truth + plane * w * h;
        for (size_t y = m; y < h - m; y += s->row_step) {
            window v = {moved + m, truth + y * w + m, w - 2 * m, 1, w};
            if (whole)
                v.a = estimate + ((ptrdiff_t)y + (ptrdiff_t)dy) * (ptrdiff_t)w + (ptrdiff_t)m +
                      (ptrdiff_t)dx;
            else
                move_row(estimate, w, y, dx, dy, m, w - m, work, moved);
            add_errors(&v, &total);
        }
    }
    if (total.count > 0)
        s->errors[index] = total.square / (double)total.count;
}

/* The best of n x n shifts around (*dx, *dy), `step` apart; the middle one wins a tie. */
static void best_shift(const pel_context *ctx, search *s, size_t n, double step, double *dx,
                       double *dy)
{
    s->columns = n;
    s->step = step;
    s->x0 = *dx - step * (double)(n / 2);
    s->y0 = *dy - step * (double)(n / 2);
    pel_pool_run(ctx->pool, n * n, try_shift, s);
    size_t best = n * n / 2;
    for (size_t i = 0; i < n * n; i++)
        if (s->errors[i] < s->errors[best])
            best = i;
    *dx = s->x0 + step * (double)(best % n);
    *dy = s->y0 + step * (double)(best / n);
}

/* From coarse to fine: all whole shifts over some of the rows, then the neighbours of the best over
 * all, at whole, half and quarter samples. */
static pel_status find_shift(const pel_context *ctx, const float *estimate, const float *truth,
                             pel_size size, const pel_score_params *params, double *dx, double *dy)
{
    static const double steps[] = {1, 0.5, 0.25};
    const size_t reach = params->max_shift, side = 2 * reach + 1, most = side > 3 ? side : 3;
    const size_t margin = params->border > reach + 1 ? params->border : reach + 1;
    if (size.w <= 2 * margin || size.h <= 2 * margin)
        return pel_error_set(ctx->error, PEL_EINVAL,
                             "a picture of %zux%zu is too small for shifts of up to %zu samples",
                             size.w, size.h, reach);
    search s = {.estimate = estimate, .truth = truth, .size = size, .margin = margin};
    s.reach = (double)reach;
    s.work = pel_alloc_floats(2 * size.w * pel_pool_threads(ctx->pool));
    s.errors = pel_alloc(most * most * sizeof *s.errors);
    pel_status status = PEL_OK;
    *dx = *dy = 0;
    if (s.work == NULL || s.errors == NULL) {
        status = pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    } else {
        s.row_step = 1 + pel_size_count(size) / COARSE_SAMPLES;
        best_shift(ctx, &s, side, 1, dx, dy);
        s.row_step = 1;
        for (int i = 0; i < (params->shift == PEL_SHIFT_QUARTER ? 3 : 1); i++)
            best_shift(ctx, &s, 3, steps[i], dx, dy);
    }
    pel_free(s.work);
    pel_free(s.errors);
    return status;
}

/* Samples at each side that a shift brings in from outside. */
static size_t edge_of(double shift)
{
    double a = fabs(shift);
    return (size_t)floor(a) + (floor(a) == a ? 0 : 2);
}

/* The estimate moved by the shift, inside the border; the rest is 0. */
static pel_status move_all(const pel_context *ctx, const float *estimate, pel_size size,
                           size_t border, const pel_score *score, float **out)
{
    size_t planes = size.c * size.d, w = size.w, h = size.h;
    float *moved = pel_calloc_floats(planes * w * h + w);
    if (moved == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    float *work = moved + planes * w * h;
    for (size_t p = 0; p < planes; p++)
        for (size_t y = border; y < h - border; y++)
            move_row(estimate + p * w * h, w, y, score->dx, score->dy, border, w - border, work,
                     moved + (p * h + y) * w);
    *out = moved;
    return PEL_OK;
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
    size_t border = params->border;
    memset(score, 0, sizeof *score);
    if (!(params->range > 0))
        return pel_error_set(ctx->error, PEL_EINVAL, "the range of the samples is not above 0");
    if (border >= (size.w + 1) / 2 || border >= (size.h + 1) / 2)
        return pel_error_set(ctx->error, PEL_EINVAL,
                             "nothing is left of %zux%zu inside a border of %zu", size.w, size.h, border);
    float *moved = NULL;
    pel_status status = PEL_OK;
    if (params->shift != PEL_SHIFT_NONE)
        status = find_shift(ctx, estimate, truth, size, params, &score->dx, &score->dy);
    if (status == PEL_OK && (score->dx != 0 || score->dy != 0)) {
        size_t ex = edge_of(score->dx), ey = edge_of(score->dy), edge = ex > ey ? ex : ey;
        border = border > edge ? border : edge; /* nothing from outside in the score */
        status = move_all(ctx, estimate, size, border, score, &moved);
        estimate = moved;
    }
    if (status == PEL_OK) {
        score_parts(estimate, truth, size, border, params, score);
        status = score_ssim(ctx, estimate, truth, size, border, params, score);
    }
    pel_free(moved);
    return status;
}
