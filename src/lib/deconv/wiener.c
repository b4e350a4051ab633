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

static float power_of(const pel_complex k)
{
    return k[0] * k[0] + k[1] * k[1];
}

/* C of sample i, column k, of a row of the spectrum. */
static float filter(const wiener *w, size_t i, size_t k, float d)
{
    return fmaxf(power_of(w->transfer[i]) + w->strength * wiener_prior_power(w, k, d), 1e-20f);
}

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
            float yr = w->work[i][0], yi = w->work[i][1], over = 1 / filter(w, i, k, d);
            w->x[i][0] = (kr * yr + ki * yi) * over;
            w->x[i][1] = (kr * yi - ki * yr) * over;
            float gain = power_of(w->transfer[i]) * over * scale;
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

/* ---- Conjugate gradients: spectra x, residual, direction; K direction / n goes into work --------- */

/* m (y - Kx) from Kx; sums[0] gets its weighted square. */
static void residual_band(void *arg, size_t index, size_t worker)
{
    const wiener *w = arg;
    size_t width = w->grid.size.w;
    (void)worker;
    for (size_t r = index * WIENER_BAND; r < wiener_band_end(w, index); r++) {
        double sum = 0;
        for (size_t i = r * width; i < (r + 1) * width; i++) {
            float e = w->observed[i] - w->image[i], m = w->weight[i];
            sum += (double)(m * e * e);
            w->image[i] = m * e;
        }
        w->sums[0][r] = sum;
    }
}

static void weigh_band(void *arg, size_t index, size_t worker)
{
    const wiener *w = arg;
    size_t width = w->grid.size.w;
    (void)worker;
    for (size_t i = index * WIENER_BAND * width; i < wiener_band_end(w, index) * width; i++)
        w->image[i] *= w->weight[i];
}

/* residual = K* work - strength P x; sums[0] gets residual' C^-1 residual. */
static void first_residual(void *arg, size_t index, size_t worker)
{
    const wiener *w = arg;
    size_t columns = w->grid.size.w / 2 + 1;
    (void)worker;
    for (size_t r = index * WIENER_BAND; r < wiener_band_end(w, index); r++) {
        float d = wiener_row_laplace(w, r);
        double sum = 0;
        for (size_t k = 0; k < columns; k++) {
            size_t i = r * columns + k;
            float kr = w->transfer[i][0], ki = w->transfer[i][1];
            float er = w->work[i][0], ei = w->work[i][1];
            float prior = w->strength * wiener_prior_power(w, k, d);
            w->residual[i][0] = kr * er + ki * ei - prior * w->x[i][0];
            w->residual[i][1] = kr * ei - ki * er - prior * w->x[i][1];
            sum += wiener_twice(w, k) * (double)(power_of(w->residual[i]) / filter(w, i, k, d));
        }
        w->sums[0][r] = sum;
    }
}

/* direction = C^-1 residual + beta direction; work = K direction / n. */
static void new_direction(void *arg, size_t index, size_t worker)
{
    const wiener *w = arg;
    size_t columns = w->grid.size.w / 2 + 1;
    const float beta = w->factor, scale = 1.0f / (float)w->grid.count;
    (void)worker;
    for (size_t r = index * WIENER_BAND; r < wiener_band_end(w, index); r++) {
        float d = wiener_row_laplace(w, r);
        for (size_t k = 0; k < columns; k++) {
            size_t i = r * columns + k;
            float kr = w->transfer[i][0], ki = w->transfer[i][1], over = 1 / filter(w, i, k, d);
            float pr = w->residual[i][0] * over + beta * w->direction[i][0];
            float pi = w->residual[i][1] * over + beta * w->direction[i][1];
            w->direction[i][0] = pr;
            w->direction[i][1] = pi;
            w->work[i][0] = scale * (kr * pr - ki * pi);
            w->work[i][1] = scale * (kr * pi + ki * pr);
        }
    }
}

/* work = K* work + strength P direction, what the normal equations make of the direction; sums[0]
 * gets the product of both. */
static void normal_equations(void *arg, size_t index, size_t worker)
{
    const wiener *w = arg;
    size_t columns = w->grid.size.w / 2 + 1;
    (void)worker;
    for (size_t r = index * WIENER_BAND; r < wiener_band_end(w, index); r++) {
        float d = wiener_row_laplace(w, r);
        double sum = 0;
        for (size_t k = 0; k < columns; k++) {
            size_t i = r * columns + k;
            float kr = w->transfer[i][0], ki = w->transfer[i][1];
            float ur = w->work[i][0], ui = w->work[i][1];
            float pr = w->direction[i][0], pi = w->direction[i][1];
            float prior = w->strength * wiener_prior_power(w, k, d);
            float qr = kr * ur + ki * ui + prior * pr, qi = kr * ui - ki * ur + prior * pi;
            w->work[i][0] = qr;
            w->work[i][1] = qi;
            sum += wiener_twice(w, k) * (double)(pr * qr + pi * qi);
        }
        w->sums[0][r] = sum;
    }
}

static void take_step(void *arg, size_t index, size_t worker)
{
    const wiener *w = arg;
    size_t columns = w->grid.size.w / 2 + 1;
    const float alpha = w->factor;
    (void)worker;
    for (size_t r = index * WIENER_BAND; r < wiener_band_end(w, index); r++) {
        float d = wiener_row_laplace(w, r);
        double sum = 0;
        for (size_t k = 0; k < columns; k++) {
            size_t i = r * columns + k;
            for (int part = 0; part < 2; part++) {
                w->x[i][part] += alpha * w->direction[i][part];
                w->residual[i][part] -= alpha * w->work[i][part];
            }
            sum += wiener_twice(w, k) * (double)(power_of(w->residual[i]) / filter(w, i, k, d));
        }
        w->sums[0][r] = sum;
    }
}

static double add_sums(const wiener *w)
{
    double sum = 0;
    for (size_t r = 0; r < wiener_rows(w); r++)
        sum += w->sums[0][r];
    return sum;
}

/* From w->x and w->image = Kx to the minimum. */
static pel_status minimise(wiener *w, size_t c)
{
    double n = (double)w->grid.count;
    wiener_in_bands(w, residual_band);
    double noise = sqrt(add_sums(w) / n);
    pel_fft_forward(w->grid.fft, w->image, w->work);
    wiener_in_bands(w, first_residual);
    double size = add_sums(w), last = size;
    memset(w->direction, 0, w->grid.complexes * sizeof *w->direction);
    for (int k = 0; k < MOST_STEPS && sqrt(size) / n > TOLERANCE * noise; k++) {
        w->factor = k == 0 ? 0 : (float)(size / last);
        wiener_in_bands(w, new_direction);
        pel_fft_backward(w->grid.fft, w->work, w->image);
        wiener_in_bands(w, weigh_band);
        pel_fft_forward(w->grid.fft, w->image, w->work);
        wiener_in_bands(w, normal_equations);
        double curvature = add_sums(w);
        if (!(curvature > 0)) /* rounding has eaten the direction */
            break;
        w->factor = (float)(size / curvature);
        wiener_in_bands(w, take_step);
        last = size;
        size = add_sums(w);
        double part = (double)(k + 1) / MOST_STEPS;
        if (!pel_context_tick(w->ctx, ((double)c + part) / (double)w->p->size.c))
            return pel_error_set(w->ctx->error, PEL_ECLOSED, "stopped");
    }
    return PEL_OK;
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
    status = minimise(w, c);
    wiener_in_bands(w, scale_band);
    pel_fft_backward(w->grid.fft, w->work, w->image);
    *strength = (double)w->strength;
    return status;
}

static pel_status open_wiener(wiener *w)
{
    pel_status status = pel_grid_open(w->ctx, w->p->size, w->p->psf_size, &w->grid);
    if (status == PEL_OK)
        status = pel_grid_laplacian(w->ctx, &w->grid, w->tables);
    if (status != PEL_OK)
        return status;
    size_t bytes = w->grid.complexes * sizeof(pel_complex);
    w->transfer = pel_alloc(bytes);
    w->work = pel_alloc(bytes);
    w->x = pel_alloc(bytes);
    w->residual = pel_alloc(bytes);
    w->direction = pel_alloc(bytes);
    w->observed = pel_alloc_floats(w->grid.count);
    w->image = pel_alloc_floats(w->grid.count);
    w->weight = pel_alloc_floats(w->grid.count);
    bool enough = w->transfer && w->work && w->x && w->residual && w->direction && w->observed &&
                  w->image && w->weight;
    for (int k = 0; k < 3; k++) {
        w->sums[k] = pel_alloc(wiener_rows(w) * sizeof **w->sums);
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
    pel_free(w->work);
    pel_free(w->x);
    pel_free(w->residual);
    pel_free(w->direction);
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
