/* rl.c - Richardson-Lucy deconvolution on the extended domain.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * W. Richardson (JOSA 62, 1972), L. Lucy (AJ 79, 1974); borders and bad samples by weights: M.
 * Bertero & P. Boccacci, "A simple method for the reduction of boundary effects in the
 * Richardson-Lucy approach to image deconvolution" (A&A 437, 2005), eq. 9-12:
 *     x <- x / a * H'( w y / (H x + b) ),   a = H' w
 * with H from the extended domain to the data.  Sum of a*x equals the sum of w*y after each
 * iteration (b = 0): flux is kept. */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/conv.h>
#include <pellucid/pool.h>

#include "rl-internal.h"

/* A pixel that nothing reaches has a model of 0; the quotient there is taken as 0. */
#define LEAST_MODEL 1e-30f

static void free_state(rl_state *s)
{
    for (size_t c = 0; c < s->p->size.c && s->channels != NULL; c++)
        pel_rl_channel_free(&s->channels[c]);
    pel_free(s->channels);
}

/* ---- One iteration ------------------------------------------------------------------------------ */

/* U of R. White (1994), eq. 7 with N = 10, for noise of known sigma: differences of less than
 * `damping` sigmas pull with a power of their own size only. */
static float damped(float model, float y, float sigma, float damping)
{
    float t = (y - model) / (damping * sigma);
    float u = fminf(t * t, 1.0f), u2 = u * u, u4 = u2 * u2;
    return 1.0f + u4 * u4 * u * (10.0f - 9.0f * u) * (y - model) / model;
}

/* After H x: the quotient w y / (H x + b), and what discrepancy needs. */
static void divide_row(void *arg, size_t segment, size_t x, size_t y, size_t z, size_t n,
                       const float *row)
{
    rl_channel *ch = arg;
    const rl_state *s = ch->state;
    size_t at = (z * s->e.data.h + y) * s->e.data.w + x;
    const float *data = ch->data + at, *mask = ch->mask != NULL ? ch->mask + at : NULL;
    float *to = ch->quotient + at, b = (float)ch->background;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        float w = mask != NULL ? mask[i] : 1.0f;
        if (!(w > 0)) {
            to[i] = 0;
            continue;
        }
        float model = row[i] + b, d = data[i] > 0 ? data[i] : 0, r = data[i] - model;
        float quotient = model > LEAST_MODEL ? d / model : 0;
        if (s->params->damping > 0 && model > LEAST_MODEL) {
            float sigma = ch->sigma_map != NULL ? ch->sigma_map[at + i] : (float)s->p->sigma;
            quotient = fmaxf(damped(model, data[i], sigma, (float)s->params->damping), 0);
        }
        to[i] = w * quotient;
        if (ch->sigma_map != NULL)
            r *= (float)s->p->sigma / ch->sigma_map[at + i];
        sum += (double)(w * r * r);
    }
    ch->sums[segment].a += sum;
}

/* The plain quotient without mask and maps: what nearly all pictures take. */
static void divide_row_fast(void *arg, size_t segment, size_t x, size_t y, size_t z, size_t n,
                            const float *restrict row)
{
    rl_channel *ch = arg;
    const rl_state *s = ch->state;
    size_t at = (z * s->e.data.h + y) * s->e.data.w + x;
    const float *restrict data = ch->data + at;
    float *restrict to = ch->quotient + at;
    const float b = (float)ch->background;
    float sum[8] = {0};
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t k = 0; k < 8; k++) {
            float r = data[i + k] - (row[i + k] + b);
            sum[k] += r * r;
        }
    double total = 0;
    for (size_t k = 0; k < 8; k++)
        total += (double)sum[k];
    for (; i < n; i++) {
        float r = data[i] - (row[i] + b);
        total += (double)(r * r);
    }
    for (i = 0; i < n; i++) {
        /* Without a branch, or the compiler divides one by one. */
        float model = row[i] + b, top = data[i] > 0 ? data[i] : 0;
        to[i] = top / (model > LEAST_MODEL ? model : HUGE_VALF);
    }
    ch->sums[segment].a += total;
}

/* After H' q: x <- x q / (a - tv div(grad x / |grad x|)) (N. Dey et al., Microsc. Res. Tech. 69,
 * 2006, eq. 7); the bracket is kept above a tenth of a. */
static void multiply_row(void *arg, size_t segment, size_t x, size_t y, size_t z, size_t n,
                         const float *restrict row)
{
    rl_channel *ch = arg;
    const rl_state *s = ch->state;
    size_t at = (z * s->e.full.h + y) * s->e.full.w + x;
    const float *restrict over = ch->over_weight + at;
    float *restrict to = ch->x + at;
    (void)segment;
    if (ch->curvature == NULL) {
        for (size_t i = 0; i < n; i++)
            to[i] *= row[i] * over[i];
        return;
    }
    const float *curvature = ch->curvature + at;
    for (size_t i = 0; i < n; i++) {
        float bracket = 1.0f - (float)s->params->tv * curvature[i] * over[i];
        to[i] *= row[i] * over[i] / fmaxf(bracket, 0.1f);
    }
}

/* The same from the predicted estimate, keeping what the next prediction needs. */
static void multiply_row_predicted(void *arg, size_t segment, size_t x, size_t y, size_t z,
                                   size_t n, const float *row)
{
    rl_channel *ch = arg;
    const rl_state *s = ch->state;
    size_t at = (z * s->e.full.h + y) * s->e.full.w + x;
    double product = 0, square = 0;
    for (size_t i = at; i < at + n; i++) {
        float bracket = 1.0f;
        if (ch->curvature != NULL)
            bracket = fmaxf(1.0f - (float)s->params->tv * ch->curvature[i] * ch->over_weight[i],
                            0.1f);
        float v = ch->predicted[i] * row[i - at] * ch->over_weight[i] / bracket;
        float g = v - ch->predicted[i];
        product += (double)g * (double)ch->step[i];
        square += (double)ch->step[i] * (double)ch->step[i];
        ch->step[i] = g;
        ch->previous[i] = ch->x[i];
        ch->x[i] = v;
    }
    ch->sums[segment].a += product;
    ch->sums[segment].b += square;
}

#define PIECE 16384

static void predict_piece(void *arg, size_t index, size_t worker)
{
    rl_channel *ch = arg;
    size_t full = pel_size_plane(ch->state->e.full), end = (index + 1) * PIECE;
    const float alpha = ch->alpha;
    (void)worker;
    for (size_t i = index * PIECE; i < (end < full ? end : full); i++)
        ch->predicted[i] = fmaxf(ch->x[i] + alpha * (ch->x[i] - ch->previous[i]), 0);
}

/* D. Biggs & M. Andrews, "Acceleration of iterative image restoration algorithms" (Applied Optics
 * 36, 1997), eq. 5-10. */
static void predict(const pel_context *ctx, rl_channel *ch, long iteration)
{
    size_t full = pel_size_plane(ch->state->e.full);
    if (iteration == 0) {
        memcpy(ch->predicted, ch->x, full * sizeof *ch->x);
        memcpy(ch->previous, ch->x, full * sizeof *ch->x);
        return;
    }
    double alpha = ch->square > 0 ? ch->product / ch->square : 0;
    ch->alpha = (float)fmin(fmax(alpha, 0), 0.999);
    pel_pool_run(ctx->pool, (full + PIECE - 1) / PIECE, predict_piece, ch);
}

static rl_sums add_sums(const rl_channel *ch)
{
    rl_sums total = {0, 0};
    for (size_t i = 0; i < ch->segments; i++) {
        total.a += ch->sums[i].a;
        total.b += ch->sums[i].b;
    }
    return total;
}

/* Returns the weighted sum of squared residuals of the estimate that went in. */
static double iterate(const pel_context *ctx, rl_channel *ch, long iteration)
{
    const rl_state *s = ch->state;
    if (s->accelerate)
        predict(ctx, ch, iteration);
    const float *from = s->accelerate ? ch->predicted : ch->x;
    bool fast = ch->mask == NULL && ch->sigma_map == NULL && !(s->params->damping > 0);
    memset(ch->sums, 0, ch->segments * sizeof *ch->sums);
    pel_conv_apply(ch->conv, from, NULL, fast ? divide_row_fast : divide_row, ch);
    double residual = add_sums(ch).a;
    if (ch->curvature != NULL)
        pel_rl_curvature(ctx, &s->e.full, from, ch->curvature);
    memset(ch->sums, 0, ch->segments * sizeof *ch->sums);
    pel_conv_adjoint(ch->conv, ch->quotient, NULL,
                     s->accelerate ? multiply_row_predicted : multiply_row, ch);
    rl_sums sums = add_sums(ch);
    ch->product = sums.a;
    ch->square = sums.b;
    return residual;
}

/* ---- The whole ---------------------------------------------------------------------------------- */

static void copy_out(const rl_state *s, float *estimate)
{
    const pel_extended *e = &s->e;
    for (size_t c = 0; c < s->p->size.c; c++)
        for (size_t z = 0; z < e->data.d; z++)
            for (size_t y = 0; y < e->data.h; y++, estimate += e->data.w)
                memcpy(estimate, s->channels[c].x + pel_extended_row(e, y, z),
                       e->data.w * sizeof *estimate);
}

static void report_flux(const rl_state *s, pel_rl_report *report)
{
    size_t data = pel_size_plane(s->e.data), full = pel_size_plane(s->e.full);
    report->flux_data = report->flux_estimate = 0;
    for (size_t c = 0; c < s->p->size.c; c++) {
        const rl_channel *ch = &s->channels[c];
        for (size_t i = 0; i < data; i++)
            if (ch->mask == NULL)
                report->flux_data += fmax((double)ch->data[i], 0) - ch->background;
            else if (ch->mask[i] > 0)
                report->flux_data +=
                    (double)ch->mask[i] * (fmax((double)ch->data[i], 0) - ch->background);
        for (size_t i = 0; i < full; i++)
            if (ch->over_weight[i] > 0)
                report->flux_estimate += (double)ch->x[i] / (double)ch->over_weight[i];
    }
}

typedef struct {
    long iteration; /* of the last look */
    double residual;
} settling;

/* True when the residual falls no longer, see PEL_RL_SETTLED. */
static bool settled(settling *last, long iteration, double residual)
{
    if (iteration < PEL_RL_SETTLED_FROM || 4 * iteration < 5 * last->iteration)
        return false;
    bool yes = last->iteration > 0 && residual > (1 - PEL_RL_SETTLED) * last->residual;
    last->iteration = iteration;
    last->residual = residual;
    return yes;
}

static pel_status run(const pel_context *ctx, rl_state *s, float *estimate, pel_rl_report *report)
{
    const pel_rl_params *params = s->params;
    bool automatic = params->iterations < 0;
    long most = automatic ? params->max_iterations : params->iterations;
    const double beyond = s->accelerate ? PEL_RL_BEYOND_ACCELERATED : PEL_RL_BEYOND;
    bool reached = false;
    settling last = {0, 0};
    double weights = 0;
    for (size_t c = 0; c < s->p->size.c; c++)
        weights += s->channels[c].weights;
    report->iterations = 0;
    for (long k = 0; k < most; k++) {
        double residual = 0;
        for (size_t c = 0; c < s->p->size.c; c++)
            residual += iterate(ctx, &s->channels[c], k);
        if (!isfinite(residual))
            return pel_error_set(ctx->error, PEL_ENUMERIC,
                                 "the iteration left the finite numbers (are data or PSF sound?)");
        report->iterations = k + 1;
        report->residual = s->p->sigma > 0 ? sqrt(residual / weights) / s->p->sigma : (double)NAN;
        if (params->every > 0 && (k + 1) % params->every == 0 && k + 1 < most) {
            copy_out(s, estimate);
            pel_status status =
                params->intermediate(params->intermediate_arg, k + 1, estimate);
            if (status != PEL_OK)
                return status;
        }
        if (automatic && !reached && report->residual <= PEL_RL_DISCREPANCY) {
            long end = (long)ceil(beyond * (double)(k + 1));
            reached = true;
            most = end < most ? end : most;
        }
        if (automatic && !reached && params->tv > 0 && settled(&last, k + 1, report->residual))
            most = k + 1;
        if (!pel_context_tick(ctx, (double)(k + 1) / (double)most))
            return pel_error_set(ctx->error, PEL_ECLOSED, "stopped");
    }
    copy_out(s, estimate);
    report_flux(s, report);
    return PEL_OK;
}

pel_status pel_rl(const pel_context *ctx, const pel_problem *problem, const pel_rl_params *params,
                  float *estimate, pel_rl_report *report)
{
    pel_status status = pel_problem_check(ctx, problem);
    if (status != PEL_OK)
        return status;
    if ((params->iterations < 0 || params->damping > 0) && !(problem->sigma > 0))
        return pel_error_set(ctx->error, PEL_EINVAL,
                             "without a noise level there is no rule to stop by: give the number of "
                             "iterations, or sigma");
    rl_state s = {problem, params, pel_extended_of(problem->size, problem->psf_size),
                  params->accelerate, NULL};
    s.channels = pel_alloc(problem->size.c * sizeof *s.channels);
    if (s.channels == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    memset(s.channels, 0, problem->size.c * sizeof *s.channels);
    for (size_t c = 0; c < problem->size.c && status == PEL_OK; c++)
        status = pel_rl_channel_open(ctx, &s, &s.channels[c], c);
    if (status == PEL_OK)
        status = run(ctx, &s, estimate, report);
    free_state(&s);
    return status;
}
