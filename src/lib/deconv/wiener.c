/* wiener.c - Wiener deconvolution with a smoothness prior; unobserved samples are filled in.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The filter X = K* Y / (|K|^2 + strength P) with P = |L|^2 (Laplacian) or 1 is the minimum of
 * |y - Kx|^2 + strength |Lx|^2 for a picture that is observed on the whole periodic grid.  Ours is
 * not: bad samples and all that lies around the data are missing.  They are filled by what the
 * estimate predicts, y <- Kx there, and the filter is applied again (the EM algorithm for missing
 * data: A. Dempster, N. Laird & D. Rubin, JRSS B 39, 1977); a smooth extension is the start.
 *
 * Rules for the strength: likelihood of y under x ~ N(0, sigma^2/(strength P)) (N. Galatsanos & A.
 * Katsaggelos, "Methods for choosing the regularization parameter and estimating the noise variance
 * in image restoration and their relation", IEEE TIP 1, 1992), generalised cross-validation (G.
 * Golub, M. Heath & G. Wahba, Technometrics 21, 1979), discrepancy (V. Morozov 1966). */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/pool.h>

#include "grid.h"

#define FILLS 8        /* rounds of filling in: more gain less than 0.02 dB */
#define RULE_ROUNDS 3  /* of which the first ones choose the strength again */
#define BAND 16
#define RULE_SAMPLES 200000 /* of the spectrum that a rule looks at: whole rows, evenly spread */
#define LOW_LOG10 -9.0 /* strengths tried: 1e-9 to 1e3 */
#define HIGH_LOG10 3.0

typedef struct {
    const pel_context *ctx;
    const pel_problem *p;
    const pel_wiener_params *params;
    pel_grid grid;
    float *tables[3];
    pel_complex *transfer, *spectrum;
    float *observed; /* the data on the grid, filled */
    float *image;
    float *weight;   /* NULL: 1 under the data */
    float strength;
    bool keep;       /* divide: leaves K X instead of X */
    double *sums[3]; /* of a rule, by row of the spectrum */
    size_t row_step; /* a rule takes every row_step-th row */
} wiener;

static size_t rows_of(const wiener *w)
{
    return w->grid.size.h * w->grid.size.d;
}

static void in_bands(const wiener *w, pel_job job)
{
    pel_pool_run(w->ctx->pool, (rows_of(w) + BAND - 1) / BAND, job, (void *)(uintptr_t)w);
}

static size_t band_end(const wiener *w, size_t index)
{
    size_t rows = rows_of(w), end = (index + 1) * BAND;
    return end < rows ? end : rows;
}

/* P at column kx of a row of the spectrum whose other axes add up to `d`. */
static float prior_power(const wiener *w, size_t kx, float d)
{
    if (w->params->prior == PEL_WIENER_TIKHONOV)
        return 1;
    float laplace = w->tables[0][kx] + d;
    return laplace * laplace;
}

static float row_laplace(const wiener *w, size_t row)
{
    return w->tables[1][row % w->grid.size.h] + w->tables[2][row / w->grid.size.h];
}

static void divide(void *arg, size_t index, size_t worker)
{
    const wiener *w = arg;
    size_t columns = w->grid.size.w / 2 + 1;
    float scale = 1.0f / (float)w->grid.count;
    (void)worker;
    for (size_t r = index * BAND; r < band_end(w, index); r++) {
        float d = row_laplace(w, r);
        for (size_t k = 0; k < columns; k++) {
            size_t i = r * columns + k;
            float kr = w->transfer[i][0], ki = w->transfer[i][1];
            float yr = w->spectrum[i][0], yi = w->spectrum[i][1];
            float power = kr * kr + ki * ki;
            float over = scale / fmaxf(power + w->strength * prior_power(w, k, d), 1e-20f);
            if (w->keep) {
                w->spectrum[i][0] = power * yr * over;
                w->spectrum[i][1] = power * yi * over;
            } else {
                w->spectrum[i][0] = (kr * yr + ki * yi) * over;
                w->spectrum[i][1] = (kr * yi - ki * yr) * over;
            }
        }
    }
}

/* Sums of a rule over a band of the spectrum at w->strength: [0] of the residual's power, [1] of
 * the residual's share of degrees of freedom, [2] of -2 log likelihood. */
static void rule_sums(void *arg, size_t index, size_t worker)
{
    const wiener *w = arg;
    size_t columns = w->grid.size.w / 2 + 1;
    double variance = w->p->sigma * w->p->sigma * (double)w->grid.count, s = (double)w->strength;
    (void)worker;
    for (size_t r = index * BAND; r < band_end(w, index); r++) {
        w->sums[0][r] = w->sums[1][r] = w->sums[2][r] = 0;
        if (r % w->row_step != 0)
            continue;
        float d = row_laplace(w, r);
        double residual = 0, freedom = 0, likelihood = 0;
        for (size_t k = 0; k < columns; k++) {
            size_t i = r * columns + k;
            /* The half spectrum stands for the other half too, but for its edge columns. */
            double twice = k == 0 || (w->grid.size.w % 2 == 0 && k == columns - 1) ? 1 : 2;
            double y = (double)w->spectrum[i][0] * (double)w->spectrum[i][0] +
                       (double)w->spectrum[i][1] * (double)w->spectrum[i][1];
            double power = (double)w->transfer[i][0] * (double)w->transfer[i][0] +
                           (double)w->transfer[i][1] * (double)w->transfer[i][1];
            double prior = s * (double)prior_power(w, k, d);
            double share = prior / (power + prior + 1e-30);
            residual += twice * y * share * share;
            freedom += twice * share;
            if (prior > 0) /* the mean of the picture has no prior */
                likelihood += twice * (y * share / variance - log(share));
        }
        w->sums[0][r] = residual;
        w->sums[1][r] = freedom;
        w->sums[2][r] = likelihood;
    }
}

/* What the rule minimises, at 10^x. */
static double rule_value(wiener *w, pel_strength_rule rule, double x)
{
    w->strength = (float)pow(10, x);
    in_bands(w, rule_sums);
    double total[3] = {0, 0, 0}, n = (double)w->grid.count;
    double part = (double)((rows_of(w) + w->row_step - 1) / w->row_step) / (double)rows_of(w);
    for (int k = 0; k < 3; k++)
        for (size_t r = 0; r < rows_of(w); r++)
            total[k] += w->sums[k][r];
    double residual = total[0] / n / n / part, freedom = total[1] / n / part;
    switch (rule) {
    case PEL_RULE_GCV:
        return residual / (freedom * freedom);
    case PEL_RULE_DISCREPANCY:
        return fabs(log(residual / (w->p->sigma * w->p->sigma)));
    case PEL_RULE_LIKELIHOOD:
        break;
    }
    return total[2];
}

/* log10 of the strength that the rule likes best: a coarse scan, then golden-section search around
 * the best; the curves may have a local minimum but are smooth.  The spectrum must hold Y. */
static double search(wiener *w, pel_strength_rule rule, double from, double to)
{
    double best = from, least = HUGE_VAL, step = (to - from) / 24;
    for (int i = 0; i <= 24; i++) {
        double v = rule_value(w, rule, from + i * step);
        if (v < least) {
            least = v;
            best = from + i * step;
        }
    }
    double a = best - step, b = best + step;
    const double golden = 0.6180339887498949;
    for (int i = 0; i < 8; i++) {
        double p = b - golden * (b - a), q = a + golden * (b - a);
        if (rule_value(w, rule, p) < rule_value(w, rule, q))
            b = q;
        else
            a = p;
    }
    return (a + b) / 2;
}

/* A field of stars has a flat spectrum, which no smooth prior explains: there likelihood would have
 * next to no prior at all.  Cross-validation sees the noise that this lets through, so that it bounds
 * likelihood from below; on photographs the bound is not reached. */
static void choose_strength(wiener *w, double from, double to)
{
    double best = search(w, w->params->rule, from, to);
    if (w->params->rule == PEL_RULE_LIKELIHOOD)
        best = fmax(best, search(w, PEL_RULE_GCV, from, to));
    w->strength = (float)pow(10, best);
}

/* Unobserved samples get what the estimate predicts (w->image holds Kx). */
static void fill_band(void *arg, size_t index, size_t worker)
{
    const wiener *w = arg;
    size_t width = w->grid.size.w;
    (void)worker;
    for (size_t i = index * BAND * width; i < band_end(w, index) * width; i++) {
        float m = w->weight[i];
        w->observed[i] = m * w->observed[i] + (1 - m) * w->image[i];
    }
}

static pel_status load(wiener *w, size_t c)
{
    const pel_size d = w->grid.e.data;
    float *filled = pel_alloc_floats(pel_size_plane(d));
    if (filled == NULL)
        return pel_error_set(w->ctx->error, PEL_ENOMEM, "out of memory");
    pel_status status = pel_problem_fill(w->ctx, w->p, c, filled);
    if (status == PEL_OK)
        pel_grid_extend(&w->grid, filled, w->observed);
    pel_free(filled);
    if (status != PEL_OK)
        return status;
    const float *mask = pel_problem_mask(w->p, c);
    memset(w->weight, 0, w->grid.count * sizeof *w->weight);
    for (size_t z = 0; z < d.d; z++)
        for (size_t y = 0; y < d.h; y++)
            for (size_t x = 0; x < d.w; x++)
                w->weight[pel_grid_row(&w->grid, y, z) + x] =
                    mask != NULL ? mask[(z * d.h + y) * d.w + x] : 1;
    return PEL_OK;
}

static pel_status solve_channel(wiener *w, size_t c, double *strength)
{
    bool automatic = !(*strength > 0);
    pel_status status = load(w, c);
    if (status == PEL_OK)
        status = pel_fft_psf(w->ctx, w->grid.fft, pel_problem_psf(w->p, c), w->grid.e.psf,
                             w->transfer);
    if (status != PEL_OK)
        return status;
    w->strength = (float)*strength;
    for (int round = 0; round <= FILLS; round++) {
        pel_fft_forward(w->grid.fft, w->observed, w->spectrum);
        if (automatic && round < RULE_ROUNDS) {
            double at = log10((double)w->strength);
            if (round == 0)
                choose_strength(w, LOW_LOG10, HIGH_LOG10);
            else
                choose_strength(w, at - 0.6, at + 0.6);
        }
        w->keep = round < FILLS;
        in_bands(w, divide);
        pel_fft_backward(w->grid.fft, w->spectrum, w->image);
        if (round < FILLS)
            in_bands(w, fill_band);
        double part = (double)(round + 1) / (FILLS + 1);
        if (!pel_context_tick(w->ctx, ((double)c + part) / (double)w->p->size.c))
            return pel_error_set(w->ctx->error, PEL_ECLOSED, "stopped");
    }
    *strength = (double)w->strength;
    return PEL_OK;
}

static pel_status open_wiener(wiener *w)
{
    pel_status status = pel_grid_open(w->ctx, w->p, &w->grid);
    if (status == PEL_OK)
        status = pel_grid_laplacian(w->ctx, &w->grid, w->tables);
    if (status != PEL_OK)
        return status;
    w->row_step = w->grid.complexes / RULE_SAMPLES + 1;
    w->transfer = pel_alloc(w->grid.complexes * sizeof *w->transfer);
    w->spectrum = pel_alloc(w->grid.complexes * sizeof *w->spectrum);
    w->observed = pel_alloc_floats(w->grid.count);
    w->image = pel_alloc_floats(w->grid.count);
    w->weight = pel_alloc_floats(w->grid.count);
    bool enough = w->transfer && w->spectrum && w->observed && w->image && w->weight;
    for (int k = 0; k < 3; k++) {
        w->sums[k] = pel_alloc(rows_of(w) * sizeof **w->sums);
        enough = enough && w->sums[k];
    }
    return enough ? PEL_OK
                  : pel_error_set(w->ctx->error, PEL_ENOMEM, "no memory for a picture of %zux%zux%zu",
                                  w->grid.size.w, w->grid.size.h, w->grid.size.d);
}

static void close_wiener(wiener *w)
{
    pel_grid_close(&w->grid);
    pel_free(w->tables[0]);
    pel_free(w->transfer);
    pel_free(w->spectrum);
    pel_free(w->observed);
    pel_free(w->image);
    pel_free(w->weight);
    for (int k = 0; k < 3; k++)
        pel_free(w->sums[k]);
}

pel_status pel_wiener(const pel_context *ctx, const pel_problem *problem,
                      const pel_wiener_params *params, float *estimate, pel_wiener_report *report)
{
    pel_status status = pel_problem_check(ctx, problem);
    if (status != PEL_OK)
        return status;
    if (!(params->strength > 0) && params->rule != PEL_RULE_GCV && !(problem->sigma > 0))
        return pel_error_set(ctx->error, PEL_EINVAL,
                             "without a noise level there is no rule for the strength: give "
                             "--strength, sigma, or --rule gcv");
    wiener w;
    memset(&w, 0, sizeof w);
    w.ctx = ctx;
    w.p = problem;
    w.params = params;
    status = open_wiener(&w);
    double strengths = 0;
    for (size_t c = 0; c < problem->size.c && status == PEL_OK; c++) {
        double strength = params->strength > 0 ? params->strength : (double)NAN;
        status = solve_channel(&w, c, &strength);
        if (status == PEL_OK)
            pel_grid_cut(&w.grid, w.image, estimate + c * pel_size_plane(problem->size));
        strengths += strength;
    }
    report->strength = strengths / (double)problem->size.c;
    close_wiener(&w);
    return status;
}
