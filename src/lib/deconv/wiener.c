/* wiener.c - Wiener deconvolution with a smoothness prior; unobserved samples are filled in.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The filter X = K* Y / C, C = |K|^2 + strength P with P = |L|^2 (Laplacian) or 1, is the minimum of
 * |y - Kx|^2 + strength |Lx|^2 for a picture that is observed on the whole periodic grid.  Ours is
 * not: bad samples and all that lies around the data are missing, so that the minimum is that of
 *
 *     sum m (y - Kx)^2 + strength |Lx|^2,   m = 0 where nothing was observed.
 *
 * It is found by conjugate gradients (M. Hestenes & E. Stiefel, J. Res. NBS 49, 1952) with the
 * filter, 1/C, as preconditioner: one pair of transforms an iteration.  The start is the filter on
 * data whose missing samples were filled by a smooth extension and then, while the strength is being
 * chosen, by what the estimate predicts (EM: A. Dempster, N. Laird & D. Rubin, JRSS B 39, 1977). */
#include "config.h"

#include <math.h>
#include <string.h>

#include "wiener-internal.h"

#define RULE_ROUNDS 3     /* the strength is chosen again for better filled data */
#define MOST_STEPS 50     /* of conjugate gradients; pictures need 4 to 20, small tiles more */
#define TOLERANCE 5e-3    /* size of the preconditioned gradient, in RMS residuals of the data: what
                             is left to gain is 0.03 dB or less on pictures of 500 samples */

/* X = K* Y / C from w->work (Y), and K X / n into w->work. */
static void divide(void *arg, size_t index, size_t worker)
{
    const wiener *w = arg;
    size_t columns = w->grid.size.w / 2 + 1;
    float scale = 1.0f / (float)w->grid.count;
    (void)worker;
    for (size_t r = index * WIENER_BAND; r < wiener_band_end(w, index); r++) {
        float d = wiener_row_laplace(w, r);
        for (size_t k = 0; k < columns; k++) {
            size_t i = r * columns + k;
            float kr = w->transfer[i][0], ki = w->transfer[i][1];
            float yr = w->work[i][0], yi = w->work[i][1], over = 1 / wiener_filter(w, i, k, d);
            w->x[i][0] = (kr * yr + ki * yi) * over;
            w->x[i][1] = (kr * yi - ki * yr) * over;
            float gain = wiener_power(w->transfer[i]) * over * scale;
            w->work[i][0] = gain * yr;
            w->work[i][1] = gain * yi;
        }
    }
}

/* Unobserved samples get what the estimate predicts (w->image holds Kx). */
static void fill_band(void *arg, size_t index, size_t worker)
{
    const wiener *w = arg;
    size_t width = w->grid.size.w;
    (void)worker;
    for (size_t i = index * WIENER_BAND * width; i < wiener_band_end(w, index) * width; i++) {
        float m = w->weight[i];
        w->image[i] = m * w->observed[i] + (1 - m) * w->image[i];
    }
}

/* ---- One channel -------------------------------------------------------------------------------- */

static void scale_band(void *arg, size_t index, size_t worker)
{
    const wiener *w = arg;
    size_t columns = w->grid.size.w / 2 + 1;
    const float scale = 1.0f / (float)w->grid.count;
    (void)worker;
    for (size_t i = index * WIENER_BAND * columns; i < wiener_band_end(w, index) * columns; i++) {
        w->work[i][0] = scale * w->x[i][0];
        w->work[i][1] = scale * w->x[i][1];
    }
}

static pel_status load(wiener *w, size_t c)
{
    (void)pel_problem_weigh(w->p, c, &w->grid, false, w->weight);
    return pel_problem_extend(w->ctx, w->p, c, &w->grid, w->observed);
}

/* work = K work / n */
static void blur_band(void *arg, size_t index, size_t worker)
{
    const wiener *w = arg;
    size_t columns = w->grid.size.w / 2 + 1;
    const float scale = 1.0f / (float)w->grid.count;
    (void)worker;
    for (size_t i = index * WIENER_BAND * columns; i < wiener_band_end(w, index) * columns; i++) {
        float kr = w->transfer[i][0], ki = w->transfer[i][1], zr = w->work[i][0], zi = w->work[i][1];
        w->work[i][0] = scale * (kr * zr - ki * zi);
        w->work[i][1] = scale * (kr * zi + ki * zr);
    }
}

/* observed -= image, which holds K of the mean; 0 where nothing was observed. */
static void deviate_band(void *arg, size_t index, size_t worker)
{
    const wiener *w = arg;
    size_t width = w->grid.size.w;
    (void)worker;
    for (size_t i = index * WIENER_BAND * width; i < wiener_band_end(w, index) * width; i++)
        w->observed[i] = w->weight[i] > 0 ? w->observed[i] - w->image[i] : 0;
}

void wiener_blur(wiener *w)
{
    wiener_in_bands(w, blur_band);
    pel_fft_backward(w->grid.fft, w->work, w->image);
}

static void deviate(wiener *w, const float *mean)
{
    pel_fft_forward(w->grid.fft, mean, w->work);
    wiener_blur(w);
    wiener_in_bands(w, deviate_band);
}

/* The estimate, in w->image; `mean`: of the prior, on the grid, or NULL. */
static pel_status solve_channel(wiener *w, size_t c, const float *mean, double *strength)
{
    bool automatic = !(*strength > 0);
    double share = 1 / (double)w->p->size.c;
    pel_status status = load(w, c);
    if (status == PEL_OK)
        status = pel_fft_psf(w->ctx, w->grid.fft, pel_problem_psf(w->p, c), w->grid.e.psf,
                             w->transfer);
    if (status != PEL_OK)
        return status;
    if (mean != NULL)
        deviate(w, mean);
    w->strength = (float)*strength;
    memcpy(w->image, w->observed, w->grid.count * sizeof *w->image);
    for (int round = 0; round < (automatic ? RULE_ROUNDS : 1); round++) {
        if (round > 0)
            wiener_in_bands(w, fill_band);
        pel_fft_forward(w->grid.fft, w->image, w->work);
        if (automatic)
            wiener_choose_strength(w, round == 0);
        wiener_in_bands(w, divide);
        pel_fft_backward(w->grid.fft, w->work, w->image);
    }
    status = wiener_minimise(w, MOST_STEPS, TOLERANCE, (double)c * share, share);
    wiener_in_bands(w, scale_band);
    pel_fft_backward(w->grid.fft, w->work, w->image);
    for (size_t i = 0; mean != NULL && i < w->grid.count; i++)
        w->image[i] += mean[i];
    *strength = (double)w->strength;
    return status;
}

pel_status wiener_open(wiener *w)
{
    pel_status status = pel_grid_laplacian(w->ctx, &w->grid, w->tables);
    if (status != PEL_OK)
        return status;
    size_t bytes = w->grid.complexes * sizeof(pel_complex);
    w->work = pel_alloc(bytes);
    w->x = pel_alloc(bytes);
    w->residual = pel_alloc(bytes);
    w->direction = pel_alloc(bytes);
    w->image = pel_alloc_floats(w->grid.count);
    bool enough = w->work && w->x && w->residual && w->direction && w->image;
    for (int k = 0; k < 3; k++) {
        w->sums[k] = pel_alloc(wiener_rows(w) * sizeof **w->sums);
        enough = enough && w->sums[k];
    }
    return enough ? PEL_OK : wiener_no_memory(w);
}

void wiener_close(wiener *w)
{
    pel_free(w->tables[0]);
    pel_free(w->work);
    pel_free(w->x);
    pel_free(w->residual);
    pel_free(w->direction);
    pel_free(w->image);
    for (int k = 0; k < 3; k++)
        pel_free(w->sums[k]);
}

/* And what is there for one channel. */
static pel_status open_channel(wiener *w)
{
    pel_status status = wiener_open(w);
    if (status != PEL_OK)
        return status;
    w->transfer = pel_alloc(w->grid.complexes * sizeof *w->transfer);
    w->observed = pel_alloc_floats(w->grid.count);
    w->weight = pel_alloc_floats(w->grid.count);
    return w->transfer && w->observed && w->weight ? PEL_OK : wiener_no_memory(w);
}

static void close_channel(wiener *w)
{
    pel_free(w->transfer);
    pel_free(w->observed);
    pel_free(w->weight);
    wiener_close(w);
}

static pel_status check(const pel_context *ctx, const pel_problem *problem, const pel_wiener_params *params)
{
    pel_status status = pel_problem_check(ctx, problem);
    if (status != PEL_OK)
        return status;
    if (!(params->strength > 0) && params->rule != PEL_RULE_GCV && !(problem->sigma > 0))
        return pel_error_set(ctx->error, PEL_EINVAL,
                             "without a noise level there is no rule for the strength: give "
                             "--strength, sigma, or --rule gcv");
    if (params->around_start && problem->start == NULL)
        return pel_error_set(ctx->error, PEL_EINVAL, "there is no estimate to go around: the stream holds no data beside "
                                                     "the image");
    if (params->rule == PEL_RULE_ERROR && !(params->around_start && params->range > 0))
        return pel_error_set(ctx->error, PEL_EINVAL, "the rule 'error' is for what goes around an estimate");
    return PEL_OK;
}

pel_status wiener_solve(const pel_context *ctx, const pel_problem *problem, const pel_wiener_params *params,
                        const pel_grid *grid, const float *mean, pel_grid_take take, float *to,
                        pel_wiener_report *report)
{
    wiener w;
    memset(&w, 0, sizeof w);
    w.ctx = ctx;
    w.p = problem;
    w.params = params;
    w.grid = *grid;
    pel_status status = open_channel(&w);
    double strengths = 0;
    for (size_t c = 0; c < problem->size.c && status == PEL_OK; c++) {
        double strength = params->strength > 0              ? params->strength
                          : params->rule == PEL_RULE_ERROR ? wiener_error_strength(problem->sigma, params->range)
                                                            : (double)NAN;
        status = solve_channel(&w, c, mean != NULL ? mean + c * grid->count : NULL, &strength);
        if (status == PEL_OK)
            take(grid, w.image, c, to);
        strengths += strength;
    }
    report->strength = strengths / (double)problem->size.c;
    close_channel(&w);
    return status;
}

pel_status wiener_put_start(const pel_context *ctx, const pel_problem *problem, const pel_grid *grid, float *to)
{
    const pel_wiener_params usual = {PEL_WIENER_LAPLACE, (double)NAN,
                                     problem->sigma > 0 ? PEL_RULE_LIKELIHOOD : PEL_RULE_GCV, false, 0};
    pel_wiener_report report;
    pel_status status = wiener_solve(ctx, problem, &usual, grid, NULL, pel_grid_take_all, to, &report);
    for (size_t c = 0; c < problem->size.c && status == PEL_OK; c++)
        pel_grid_put(grid, problem->start + c * pel_size_plane(problem->size), to + c * grid->count);
    return status;
}

pel_status pel_wiener(const pel_context *ctx, const pel_problem *problem,
                      const pel_wiener_params *params, float *estimate, pel_wiener_report *report)
{
    pel_grid grid;
    pel_status status = check(ctx, problem, params);
    if (status == PEL_OK)
        status = pel_grid_open(ctx, problem->size, problem->psf_size, &grid);
    if (status != PEL_OK)
        return status;
    float *mean = params->around_start ? pel_alloc_floats(grid.count * problem->size.c) : NULL;
    if (params->around_start)
        status = mean != NULL ? wiener_put_start(ctx, problem, &grid, mean)
                              : pel_error_set(ctx->error, PEL_ENOMEM, "no memory for the mean");
    if (status == PEL_OK)
        status = wiener_solve(ctx, problem, params, &grid, mean, pel_grid_take_data, estimate, report);
    pel_free(mean);
    pel_grid_close(&grid);
    return status;
}
