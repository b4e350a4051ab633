/* scale.c - one scale of the pyramid: memory, the data on the grid.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>

#include <string.h>

#include "blind-internal.h"

#define BAND 32

void blind_run(const blind_scale *s, void *task, pel_job job)
{
    pel_pool_run(s->ctx->pool, (s->grid.size.h + BAND - 1) / BAND, job, task);
}

void blind_in_bands(blind_scale *s, float value, pel_job job)
{
    blind_task task = {s, value, 0};
    blind_run(s, &task, job);
}

void blind_band(const blind_scale *s, size_t index, size_t *from, size_t *to)
{
    size_t end = (index + 1) * BAND;
    *from = index * BAND;
    *to = end < s->grid.size.h ? end : s->grid.size.h;
}

static pel_status take_memory(blind_scale *s)
{
    size_t n = s->grid.count, m = s->grid.complexes;
    float **samples[] = {&s->observed, &s->weight, &s->latent, &s->gx, &s->gy, &s->work};
    pel_complex **spectra[] = {&s->transfer, &s->spectrum, &s->data_gx, &s->data_gy,
                               &s->a,        &s->b,        &s->c,       &s->d};
    bool enough = true;
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++)
        enough = (*samples[i] = pel_calloc_floats(n)) != NULL && enough;
    for (size_t i = 0; i < sizeof spectra / sizeof spectra[0]; i++)
        enough = (*spectra[i] = pel_alloc(m * sizeof **spectra[i])) != NULL && enough;
    s->kernel = pel_calloc_floats(s->side * s->side);
    return enough && s->kernel != NULL
               ? PEL_OK
               : pel_error_set(s->ctx->error, PEL_ENOMEM, "no memory for a picture of %zux%zu",
                               s->grid.size.w, s->grid.size.h);
}

/* The data's gradients and their weights: a difference counts as its worse sample does. */
static void load_gradients(blind_scale *s, const float *mask)
{
    const size_t w = s->grid.size.w, dw = s->grid.e.data.w, dh = s->grid.e.data.h;
    for (int axis = 0; axis < 2; axis++) {
        memset(s->work, 0, s->grid.count * sizeof *s->work);
        for (size_t y = 0; y + 1 < dh; y++)
            for (size_t x = 0; x + 1 < dw; x++) {
                size_t i = pel_grid_row(&s->grid, y, 0) + x, m = y * dw + x;
                float least = 1;
                if (mask != NULL) {
                    least = mask[m] < mask[m + 1] ? mask[m] : mask[m + 1];
                    least = mask[m + dw] < least ? mask[m + dw] : least;
                }
                s->weight[i] = least;
                s->work[i] = least * (s->observed[i + (axis == 0 ? 1 : w)] - s->observed[i]);
            }
        pel_fft_forward(s->grid.fft, s->work, axis == 0 ? s->data_gx : s->data_gy);
    }
}

pel_status blind_scale_open(const pel_context *ctx, const float *data, const float *mask,
                            pel_size size, size_t side, blind_scale *s)
{
    memset(s, 0, sizeof *s);
    s->ctx = ctx;
    s->side = side;
    pel_status status = pel_grid_open(ctx, size, pel_size_make(side, side, 1, 1), &s->grid);
    if (status == PEL_OK)
        status = pel_grid_laplacian(ctx, &s->grid, s->laplace);
    if (status == PEL_OK)
        status = take_memory(s);
    if (status != PEL_OK)
        return status;
    pel_grid_extend(&s->grid, data, s->observed);
    pel_fft_forward(s->grid.fft, s->observed, s->spectrum);
    load_gradients(s, mask);
    return PEL_OK;
}

void blind_scale_close(blind_scale *s)
{
    pel_grid_close(&s->grid);
    pel_free(s->laplace[0]);
    float *samples[] = {s->observed, s->weight, s->latent, s->gx, s->gy, s->work, s->kernel};
    pel_complex *spectra[] = {s->transfer, s->spectrum, s->data_gx, s->data_gy,
                              s->a,        s->b,        s->c,       s->d};
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++)
        pel_free(samples[i]);
    for (size_t i = 0; i < sizeof spectra / sizeof spectra[0]; i++)
        pel_free(spectra[i]);
}

/* The kernel's centre of mass against its middle sample. */
static void find_offset(const blind_scale *s, double offset[2])
{
    double sum = 0, x = 0, y = 0;
    for (size_t i = 0; i < s->side * s->side; i++) {
        double v = (double)s->kernel[i];
        sum += v;
        x += v * (double)(i % s->side);
        y += v * (double)(i / s->side);
    }
    offset[0] = sum > 0 ? x / sum - (double)(s->side / 2) : 0;
    offset[1] = sum > 0 ? y / sum - (double)(s->side / 2) : 0;
}

/* exp(2 pi i f offset): for the frequency between positive and negative, its real part. */
static void ramp(size_t i, size_t n, double offset, double to[2])
{
    double f = (double)i > (double)n / 2 ? (double)i - (double)n : (double)i;
    double phase = 2 * M_PI * f * offset / (double)n;
    to[0] = cos(phase);
    to[1] = 2 * i == n ? 0 : sin(phase);
}

void blind_scale_centre_transfer(blind_scale *s)
{
    const size_t w = s->grid.size.w / 2 + 1, h = s->grid.size.h;
    double offset[2], across[2], down[2];
    find_offset(s, offset);
    for (size_t y = 0; y < h; y++) {
        ramp(y, h, offset[1], down);
        for (size_t x = 0; x < w; x++) {
            ramp(x, s->grid.size.w, offset[0], across);
            float re = (float)(across[0] * down[0] - across[1] * down[1]);
            float im = (float)(across[0] * down[1] + across[1] * down[0]);
            float *k = s->transfer[y * w + x], old = k[0];
            k[0] = old * re - k[1] * im;
            k[1] = old * im + k[1] * re;
        }
    }
}

pel_status blind_scale_transfer(blind_scale *s)
{
    return pel_fft_psf(s->ctx, s->grid.fft, s->kernel, pel_size_make(s->side, s->side, 1, 1),
                       s->transfer);
}
