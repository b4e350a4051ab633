/* tv.c - deconvolution with a total-variation or hyper-Laplacian prior and unknown borders.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 *     min_x  1/2 sum m (y - Kx)^2 + strength sum |grad x|^p,   p = 1 (isotropic TV) or 4/5
 *
 * by ADMM with the splitting of M. Almeida & M. Figueiredo, "Deconvolving images with unknown
 * boundaries using the alternating direction method of multipliers" (IEEE TIP 22, 2013), section
 * III-C: u = Kx carries the mask m, v = grad x the prior, and x is a division in the Fourier domain
 * of a periodic grid that is larger than the data (eq. 24-29).  The hyper-Laplacian of D. Krishnan &
 * R. Fergus, "Fast image deconvolution using hyper-Laplacian priors" (NIPS 2009) has the same steps
 * with another shrinkage of v. */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/pool.h>

#include "tv-internal.h"

static void free_solver(tv_solver *s)
{
    pel_free(s->tables[0]);
    pel_free(s->transfer);
    pel_free(s->a);
    pel_free(s->b);
    pel_free(s->x);
    pel_free(s->blurred);
    pel_free(s->u_dual);
    pel_free(s->target);
    pel_free(s->divergence);
    pel_free(s->weight);
    pel_free(s->data);
    for (int i = 0; i < 3; i++) {
        pel_free(s->v_dual[i]);
        pel_free(s->v_target[i]);
    }
    pel_free(s->sums);
    pel_free(s->shrink.table);
}

static pel_status open_solver(const pel_context *ctx, const pel_grid *grid, tv_solver *s)
{
    s->ctx = ctx;
    s->grid = *grid;
    pel_status status = pel_grid_laplacian(ctx, &s->grid, s->tables);
    if (status != PEL_OK)
        return status;
    size_t n = s->grid.count, m = s->grid.complexes;
    s->axes = s->grid.size.d > 1 ? 3 : 2;
    s->rows = s->grid.size.h * s->grid.size.d;
    s->transfer = pel_alloc(m * sizeof *s->transfer);
    s->a = pel_alloc(m * sizeof *s->a);
    s->b = pel_alloc(m * sizeof *s->b);
    s->x = pel_alloc_floats(n);
    s->blurred = pel_alloc_floats(n);
    s->u_dual = pel_alloc_floats(n);
    s->target = pel_alloc_floats(n);
    s->divergence = pel_alloc_floats(n);
    s->weight = pel_alloc_floats(n);
    s->data = pel_alloc_floats(n);
    s->sums = pel_alloc(s->rows * sizeof *s->sums);
    bool enough = s->transfer && s->a && s->b && s->x && s->blurred && s->u_dual && s->target &&
                  s->divergence && s->weight && s->data && s->sums;
    for (int i = 0; i < s->axes; i++) {
        s->v_dual[i] = pel_alloc_floats(n);
        s->v_target[i] = pel_alloc_floats(n);
        enough = enough && s->v_dual[i] && s->v_target[i];
    }
    return enough ? PEL_OK
                  : pel_error_set(ctx->error, PEL_ENOMEM, "no memory for a picture of %zux%zux%zu",
                                  s->grid.size.w, s->grid.size.h, s->grid.size.d);
}

/* ---- The steps, by rows of the grid ------------------------------------------------------------- */

#define BAND 16

static void in_bands(const tv_solver *s, pel_job job)
{
    pel_pool_run(s->ctx->pool, (s->rows + BAND - 1) / BAND, job, (void *)(uintptr_t)s);
}

static size_t band_end(const tv_solver *s, size_t index)
{
    return (index + 1) * BAND < s->rows ? (index + 1) * BAND : s->rows;
}

/* u: closest to the data and to Kx - d; then its dual and the target u + d of the x step. */
static void data_step(void *arg, size_t index, size_t worker)
{
    const tv_solver *s = arg;
    const float mu = s->mu_data;
    size_t w = s->grid.size.w, end = band_end(s, index) * w;
    (void)worker;
    for (size_t i = index * BAND * w; i < end; i++) {
        float z = s->blurred[i] - s->u_dual[i], m = s->weight[i];
        float u = (m * s->data[i] + mu * z) / (m + mu);
        s->u_dual[i] = u - z;
        s->target[i] = 2 * u - z;
    }
}

/* Shrinks the gradient t of one sample to v: by its magnitude, so that no direction is preferred. */
static void shrink(const tv_solver *s, const float t[3], float v[3])
{
    float norm = sqrtf(t[0] * t[0] + t[1] * t[1] + t[2] * t[2]), keep;
    if (s->shrink.table != NULL)
        keep = norm > 0 ? tv_shrink_power(&s->shrink, norm) / norm : 0;
    else
        keep = norm > s->threshold ? 1 - s->threshold / norm : 0;
    for (int i = 0; i < 3; i++)
        v[i] = keep * t[i];
}

/* v: the gradient, shrunk; its dual and target; the sum of |grad x| for the rule. */
static void gradient_step(void *arg, size_t index, size_t worker)
{
    const tv_solver *s = arg;
    const pel_size n = s->grid.size;
    (void)worker;
    for (size_t r = index * BAND; r < band_end(s, index); r++) {
        size_t y = r % n.h, z = r / n.h, at = r * n.w;
        size_t below = ((z * n.h) + (y + 1 < n.h ? y + 1 : 0)) * n.w;
        size_t behind = ((z + 1 < n.d ? z + 1 : 0) * n.h + y) * n.w;
        double sum = 0;
        for (size_t x = 0; x < n.w; x++) {
            float here = s->x[at + x], g[3], t[3] = {0, 0, 0}, v[3] = {0, 0, 0};
            g[0] = s->x[at + (x + 1 < n.w ? x + 1 : 0)] - here;
            g[1] = s->x[below + x] - here;
            g[2] = s->axes > 2 ? s->x[behind + x] - here : 0;
            for (int i = 0; i < s->axes; i++)
                t[i] = g[i] - s->v_dual[i][at + x];
            shrink(s, t, v);
            for (int i = 0; i < s->axes; i++) {
                float d = v[i] - t[i];
                s->v_dual[i][at + x] = d;
                s->v_target[i][at + x] = v[i] + d;
            }
            sum += (double)s->weight[at + x] * sqrt((double)(v[0] * v[0] + v[1] * v[1] +
                                                              (s->axes > 2 ? v[2] * v[2] : 0)));
        }
        s->sums[r] = sum;
    }
}

/* D' of the v targets: the transpose of forward differences on the periodic grid. */
static void divergence_step(void *arg, size_t index, size_t worker)
{
    const tv_solver *s = arg;
    const pel_size n = s->grid.size;
    (void)worker;
    for (size_t r = index * BAND; r < band_end(s, index); r++) {
        size_t y = r % n.h, z = r / n.h, at = r * n.w;
        size_t above = ((z * n.h) + (y > 0 ? y - 1 : n.h - 1)) * n.w;
        size_t before = ((z > 0 ? z - 1 : n.d - 1) * n.h + y) * n.w;
        const float *p = s->v_target[0] + at, *q = s->v_target[1];
        for (size_t x = 0; x < n.w; x++)
            s->divergence[at + x] =
                p[x > 0 ? x - 1 : n.w - 1] - p[x] + q[above + x] - q[at + x];
        if (s->axes > 2)
            for (size_t x = 0; x < n.w; x++)
                s->divergence[at + x] += s->v_target[2][before + x] - s->v_target[2][at + x];
    }
}

/* x = (mu_data K* u + mu_prior D* v) / (mu_data |K|^2 + mu_prior |D|^2) into b, and K x into a.
 * Both carry the 1/n of the transform back. */
static void divide(void *arg, size_t index, size_t worker)
{
    const tv_solver *s = arg;
    size_t w = s->grid.size.w / 2 + 1;
    (void)worker;
    const float ratio = s->mu_prior / s->mu_data, scale = 1.0f / (float)s->grid.count;
    for (size_t r = index * BAND; r < band_end(s, index); r++) {
        float d = s->tables[1][r % s->grid.size.h] + s->tables[2][r / s->grid.size.h];
        for (size_t i = r * w; i < (r + 1) * w; i++) {
            float kr = s->transfer[i][0], ki = s->transfer[i][1];
            float ur = s->a[i][0], ui = s->a[i][1];
            float power = kr * kr + ki * ki + ratio * (d + s->tables[0][i - r * w]);
            float over = scale / fmaxf(power, 1e-12f);
            float xr = (kr * ur + ki * ui + ratio * s->b[i][0]) * over;
            float xi = (kr * ui - ki * ur + ratio * s->b[i][1]) * over;
            s->b[i][0] = xr;
            s->b[i][1] = xi;
            s->a[i][0] = kr * xr - ki * xi;
            s->a[i][1] = kr * xi + ki * xr;
        }
    }
}

static double total_variation(const tv_solver *s)
{
    double sum = 0;
    for (size_t i = 0; i < s->rows; i++)
        sum += s->sums[i];
    return sum;
}

static void iterate(tv_solver *s)
{
    in_bands(s, data_step);
    in_bands(s, gradient_step);
    in_bands(s, divergence_step);
    pel_fft_forward(s->grid.fft, s->target, s->a);
    pel_fft_forward(s->grid.fft, s->divergence, s->b);
    in_bands(s, divide);
    pel_fft_backward(s->grid.fft, s->b, s->x);
    pel_fft_backward(s->grid.fft, s->a, s->blurred);
}

/* ---- One channel -------------------------------------------------------------------------------- */

/* Data, mask and first estimate onto the grid. */
static pel_status load(tv_solver *s, const pel_problem *p, size_t c)
{
    pel_status status = pel_problem_extend(s->ctx, p, c, &s->grid, s->data);
    if (status != PEL_OK)
        return status;
    s->good = pel_problem_weigh(p, c, &s->grid, true, s->weight);
    if (p->start != NULL) {
        pel_grid_extend(&s->grid, p->start + c * pel_size_plane(p->size), s->x);
        pel_fft_forward(s->grid.fft, s->x, s->a);
        for (size_t i = 0; i < s->grid.complexes; i++) {
            float re = s->a[i][0], im = s->a[i][1], scale = 1.0f / (float)s->grid.count;
            s->a[i][0] = scale * (re * s->transfer[i][0] - im * s->transfer[i][1]);
            s->a[i][1] = scale * (re * s->transfer[i][1] + im * s->transfer[i][0]);
        }
        pel_fft_backward(s->grid.fft, s->a, s->blurred);
    } else {
        memcpy(s->x, s->data, s->grid.count * sizeof *s->x);
        memcpy(s->blurred, s->data, s->grid.count * sizeof *s->x);
    }
    memset(s->u_dual, 0, s->grid.count * sizeof *s->u_dual);
    for (int i = 0; i < s->axes; i++)
        memset(s->v_dual[i], 0, s->grid.count * sizeof *s->v_dual[i]);
    return PEL_OK;
}

/* The rule's constants, as the steps', are for white at 1: a strength is a power 2 - p of sample units. */
static double rule(const tv_solver *s, double sigma, double mean)
{
    return s->unit * tv_rule(s->constants, sigma / s->range, mean / s->range);
}

static pel_status set_strength(tv_solver *s, double strength)
{
    const tv_constants *k = s->constants;
    s->strength = strength;
    s->mu_prior = (float)(k->prior_ratio * strength / s->unit);
    s->mu_data = (float)(k->data_ratio);
    s->threshold = (float)(strength / (double)s->mu_prior);
    if (s->constants->power >= 1)
        return PEL_OK;
    return tv_shrink_plan(s->ctx, &s->shrink, k->power, strength / (double)s->mu_prior);
}

/* Penalties are in proportion to the strength, and ADMM with small ones takes hundreds of iterations.  So where the noise
 * is little the strength falls to its value, by equal factors, from that for noise which needs none of this. */
static double strength_at(const tv_solver *s, double strength, double part)
{
    const double calm = rule(s, TV_CALM * s->range, TV_FIRST_MEAN * s->range);
    return strength < calm && part < TV_FALL ? calm * pow(strength / calm, part / TV_FALL) : strength;
}

static pel_status solve_channel(tv_solver *s, const pel_problem *p, const pel_tv_params *params,
                                size_t c, double *strength, double done, double share)
{
    bool automatic = !(*strength > 0);
    long iterations = params->iterations > 0 ? params->iterations : s->constants->iterations;
    pel_status status = pel_fft_psf(s->ctx, s->grid.fft, pel_problem_psf(p, c), s->grid.e.psf,
                                    s->transfer);
    if (status == PEL_OK)
        status = load(s, p, c);
    if (automatic)
        *strength = rule(s, p->sigma, TV_FIRST_MEAN * s->range);
    for (long k = 0; k < iterations && status == PEL_OK; k++) {
        status = set_strength(s, strength_at(s, *strength, (double)k / (double)iterations));
        if (status != PEL_OK)
            break;
        iterate(s);
        /* The rule: sum |grad x| of the estimate tells the prior's scale; see tv-internal.h. */
        if (automatic && k >= TV_RULE_FROM && k <= iterations / 2 && k % TV_RULE_EVERY == 0)
            *strength = rule(s, p->sigma, total_variation(s) / (double)s->good);
        if (!pel_context_tick(s->ctx, done + share * (double)(k + 1) / (double)iterations))
            status = pel_error_set(s->ctx->error, PEL_ECLOSED, "stopped");
    }
    return status;
}

pel_status tv_solve(const pel_context *ctx, const pel_problem *problem, const pel_tv_params *params,
                    const pel_grid *grid, pel_grid_take take, float *to, pel_tv_report *report)
{
    tv_solver s;
    memset(&s, 0, sizeof s);
    s.constants = tv_constants_of(params->prior);
    s.range = params->range > 0 ? params->range : 1;
    s.unit = pow(s.range, 2 - s.constants->power);
    pel_status status = open_solver(ctx, grid, &s);
    size_t channels = problem->size.c;
    double strengths = 0;
    for (size_t c = 0; c < channels && status == PEL_OK; c++) {
        double strength = params->strength > 0 ? params->strength : (double)NAN;
        status = solve_channel(&s, problem, params, c, &strength, (double)c / (double)channels,
                               1 / (double)channels);
        if (status == PEL_OK)
            take(&s.grid, s.x, c, to);
        strengths += strength;
    }
    report->strength = strengths / (double)channels;
    report->iterations = params->iterations > 0 ? params->iterations : s.constants->iterations;
    free_solver(&s);
    return status;
}

pel_status pel_tv(const pel_context *ctx, const pel_problem *problem, const pel_tv_params *params,
                  float *estimate, pel_tv_report *report)
{
    pel_grid grid;
    pel_status status = pel_problem_check(ctx, problem);
    if (status != PEL_OK)
        return status;
    if (!(params->strength > 0) && !(problem->sigma > 0))
        return pel_error_set(ctx->error, PEL_EINVAL,
                             "without a noise level there is no rule for the strength: give "
                             "--strength, or sigma");
    status = pel_grid_open(ctx, problem->size, problem->psf_size, &grid);
    if (status != PEL_OK)
        return status;
    status = tv_solve(ctx, problem, params, &grid, pel_grid_take_data, estimate, report);
    pel_grid_close(&grid);
    return status;
}
