/* keep.c - blends an estimate back to where it came from, as far as the measurement demands.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "../num/box.h"
#include "consistency-internal.h"

enum {
    GENTLE = 6, /* rounds that go by the quadratic equation; those behind take all back where it is too much */
    ROUNDS = 16,
    SMOOTH = 4, /* reach of each of two passes that smooth the weights */
};
#define SLACK 0.005 /* part of a bound that rounding may be over it */

/* All arrays are of the problem's planes; those of `samples` are of all channels. */
typedef struct {
    const pel_context *ctx;
    const pel_problem *p;
    const float *from;
    const float *net;
    float *blend; /* samples: from + weight * (net - from) */
    float *weight, *bound;
    float *before, *after; /* samples: residuals of `from` and of the blend */
    float *sums[4];        /* over windows: of r0^2, of r0 (r1 - r0), of (r1 - r0)^2, and how many */
    double limit;
    size_t left;
} keeping;

static void mix(keeping *k)
{
    size_t plane = pel_size_plane(k->p->size);
    for (size_t i = 0; i < pel_size_count(k->p->size); i++) {
        float d = k->net[i] - k->from[i], w = k->weight[i % plane];
        k->blend[i] = isfinite(d) && w < 1 ? k->from[i] + w * d : k->net[i];
    }
}

/* The largest weight up to 1 with a + 2 w b + w^2 c <= max(a, limit); `over` tells that it is below 1. */
static double largest(double a, double b, double c, double limit, bool *over)
{
    limit = fmax(limit, a);
    *over = a + 2 * b + c > limit * (1 + SLACK);
    if (!*over || !(c > 0))
        return 1;
    double w = (sqrt(fmax(b * b + c * (limit - a), 0)) - b) / c;
    return fmin(fmax(w, 0), 1);
}

/* Takes one channel's windows into the bound. */
static bool bound_channel(keeping *k, size_t c, size_t window, bool gentle)
{
    pel_size one = k->p->size;
    size_t plane = pel_size_plane(one);
    const float *r0 = k->before + c * plane, *r1 = k->after + c * plane;
    one.c = 1;
    for (size_t i = 0; i < plane; i++) {
        bool both = isfinite(r0[i]) && isfinite(r1[i]);
        float a = both ? r0[i] : 0, d = both ? r1[i] - r0[i] : 0;
        k->sums[0][i] = a * a;
        k->sums[1][i] = a * d;
        k->sums[2][i] = d * d;
        k->sums[3][i] = both;
    }
    for (int s = 0; s < 4; s++)
        if (!pel_box_sum(k->sums[s], one, pel_box_side(window, window, 0)))
            return false;
    for (size_t i = 0; i < plane; i++) {
        double n = (double)k->sums[3][i], limit = 1 + k->limit * sqrt(2 / n);
        bool over;
        if (8 * n < (double)(window * window)) /* too few to tell: larger windows, or the neighbours, do */
            continue;
        double w = largest((double)k->sums[0][i] / n, (double)k->sums[1][i] / n, (double)k->sums[2][i] / n, limit, &over);
        k->left += over;
        k->bound[i] = fminf(k->bound[i], gentle || !over ? (float)w : 0);
    }
    return true;
}

/* Smooth, and nowhere above the bound of a window that it is in: minima reach further than what smooths them.  A window's
 * residual depends on the PSF's reach around it; in planes the rounds see to that, along z the planes beside are few. */
static bool settle_bound(keeping *k, size_t window)
{
    pel_size one = k->p->size;
    size_t reach = window / 2 + 2 * SMOOTH, deep = k->p->psf != NULL ? k->p->psf_size.d / 2 : 0;
    const pel_box around = {{reach, reach, deep}, {reach, reach, deep}}, smooth = {{SMOOTH, SMOOTH, 0}, {SMOOTH, SMOOTH, 0}};
    one.c = 1;
    if (!pel_box_min(k->bound, one, around))
        return false;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < pel_size_plane(one); i++)
            k->sums[0][i] = 1;
        if (!pel_box_sum(k->bound, one, smooth) || !pel_box_sum(k->sums[0], one, smooth))
            return false;
        for (size_t i = 0; i < pel_size_plane(one); i++)
            k->bound[i] /= k->sums[0][i];
    }
    return true;
}

/* Draws the weights back until all windows of that side are within the bound. */
static pel_status keep_windows(keeping *k, size_t window, pel_keep_report *report)
{
    size_t plane = pel_size_plane(k->p->size);
    for (int round = 0;; round++) {
        mix(k);
        pel_status status = pel_consistency_residual(k->ctx, k->p, k->blend, k->after);
        if (status != PEL_OK)
            return status;
        k->left = 0;
        for (size_t i = 0; i < plane; i++)
            k->bound[i] = 1;
        bool good = true;
        for (size_t c = 0; c < k->p->size.c && good; c++)
            good = bound_channel(k, c, window, round < GENTLE);
        if (good && (k->left == 0 || round == ROUNDS))
            return PEL_OK;
        if (!good || !settle_bound(k, window))
            return pel_error_set(k->ctx->error, PEL_ENOMEM, "out of memory");
        for (size_t i = 0; i < plane; i++)
            k->weight[i] *= k->bound[i];
        report->rounds++;
    }
}

static pel_status keep(keeping *k, const pel_keep_params *params, float *estimate, pel_keep_report *report)
{
    size_t plane = pel_size_plane(k->p->size), count = pel_size_count(k->p->size);
    for (size_t i = 0; i < plane; i++)
        k->weight[i] = 1;
    pel_status status = pel_consistency_residual(k->ctx, k->p, k->from, k->before);
    /* Small windows find small things, and those that are larger what is weak and everywhere. */
    size_t left = 0;
    for (size_t scale = 1; scale <= 4 && status == PEL_OK; scale *= 4) {
        status = keep_windows(k, scale * params->window, report);
        left += k->left;
    }
    double sum = 0;
    for (size_t i = 0; i < plane; i++)
        sum += (double)k->weight[i];
    report->kept = sum / (double)plane;
    report->left = left;
    if (status == PEL_OK)
        memcpy(estimate, k->blend, count * sizeof *estimate);
    return status;
}

pel_status pel_consistency_keep(const pel_context *ctx, const pel_problem *p, const float *from,
                                const pel_keep_params *params, float *estimate, pel_keep_report *report)
{
    size_t plane = pel_size_plane(p->size), count = pel_size_count(p->size);
    memset(report, 0, sizeof *report);
    if (params->window < 2 || !(params->limit >= 0))
        return pel_error_set(ctx->error, PEL_EINVAL, "windows of %zu samples and a limit of %g", params->window,
                             params->limit);
    float *work = pel_alloc_floats(3 * count + 6 * plane), *planes = work + 3 * count;
    if (work == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    keeping k = {.ctx = ctx, .p = p, .from = from, .limit = params->limit, .net = estimate, .blend = work,
                 .before = work + count, .after = work + 2 * count, .weight = planes, .bound = planes + plane};
    for (size_t s = 0; s < 4; s++)
        k.sums[s] = planes + (2 + s) * plane;
    pel_status status = keep(&k, params, estimate, report);
    pel_free(work);
    return status;
}
