/* wiener-minimise.c - conjugate gradients on the masked problem of wiener-internal.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "wiener-internal.h"

/* Spectra: x, residual, direction; K direction / n goes into work. */

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
            sum += wiener_twice(w, k) * (double)(wiener_power(w->residual[i]) / wiener_filter(w, i, k, d));
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
            float kr = w->transfer[i][0], ki = w->transfer[i][1], over = 1 / wiener_filter(w, i, k, d);
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
            sum += wiener_twice(w, k) * (double)(wiener_power(w->residual[i]) / wiener_filter(w, i, k, d));
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

pel_status wiener_minimise(wiener *w, int most_steps, double tolerance, double done, double share)
{
    double n = (double)w->grid.count;
    wiener_in_bands(w, residual_band);
    double noise = sqrt(add_sums(w) / n);
    pel_fft_forward(w->grid.fft, w->image, w->work);
    wiener_in_bands(w, first_residual);
    double size = add_sums(w), last = size;
    memset(w->direction, 0, w->grid.complexes * sizeof *w->direction);
    for (int k = 0; k < most_steps && sqrt(size) / n > tolerance * noise; k++) {
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
        if (!pel_context_tick(w->ctx, done + share * (double)(k + 1) / (double)most_steps))
            return pel_error_set(w->ctx->error, PEL_ECLOSED, "stopped");
    }
    return PEL_OK;
}
