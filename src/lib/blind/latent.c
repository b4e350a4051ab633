/* latent.c - what the latent steps share: gradients on the periodic grid, the division.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "blind-internal.h"

static void gradients(void *arg, size_t index, size_t worker)
{
    const blind_task *t = arg;
    blind_scale *s = t->s;
    const size_t w = s->grid.size.w, h = s->grid.size.h;
    const float least = t->value;
    size_t from, to;
    (void)worker;
    blind_band(s, index, &from, &to);
    for (size_t y = from; y < to; y++) {
        const float *row = s->latent + y * w, *below = s->latent + (y + 1 < h ? y + 1 : 0) * w;
        float *restrict gx = s->gx + y * w, *restrict gy = s->gy + y * w;
        for (size_t x = 0; x + 1 < w; x++) {
            float dx = row[x + 1] - row[x], dy = below[x] - row[x];
            float keep = dx * dx + dy * dy < least ? 0.0f : 1.0f;
            gx[x] = keep * dx;
            gy[x] = keep * dy;
        }
        float dx = row[0] - row[w - 1], dy = below[w - 1] - row[w - 1];
        float keep = dx * dx + dy * dy < least ? 0.0f : 1.0f;
        gx[w - 1] = keep * dx;
        gy[w - 1] = keep * dy;
    }
}

void blind_gradients(blind_scale *s, float least)
{
    blind_in_bands(s, least, gradients);
}

/* D* g: the transpose of the forward differences. */
static void divergence(void *arg, size_t index, size_t worker)
{
    const blind_task *t = arg;
    blind_scale *s = t->s;
    const size_t w = s->grid.size.w, h = s->grid.size.h;
    size_t from, to;
    (void)worker;
    blind_band(s, index, &from, &to);
    for (size_t y = from; y < to; y++) {
        const float *gx = s->gx + y * w, *gy = s->gy + y * w;
        const float *above = s->gy + (y > 0 ? y - 1 : h - 1) * w;
        float *restrict out = s->work + y * w;
        out[0] = gx[w - 1] - gx[0] + above[0] - gy[0];
        for (size_t x = 1; x < w; x++)
            out[x] = gx[x - 1] - gx[x] + above[x] - gy[x];
    }
}

/* Carries the 1/n of the transform back. */
static void divide(void *arg, size_t index, size_t worker)
{
    const blind_task *t = arg;
    blind_scale *s = t->s;
    const size_t w = s->grid.size.w / 2 + 1;
    const float beta = t->value, gamma = t->other, scale = 1.0f / (float)s->grid.count;
    size_t from, to;
    (void)worker;
    blind_band(s, index, &from, &to);
    for (size_t y = from; y < to; y++) {
        const pel_complex *k = s->transfer + y * w, *data = s->spectrum + y * w;
        const float *d = s->laplace[0], down = s->laplace[1][y];
        pel_complex *restrict a = s->a + y * w;
        for (size_t i = 0; i < w; i++) {
            float power = k[i][0] * k[i][0] + k[i][1] * k[i][1] + beta * (d[i] + down) + gamma;
            float over = scale / (power > 1e-12f ? power : 1e-12f);
            a[i][0] = (k[i][0] * data[i][0] + k[i][1] * data[i][1] + beta * a[i][0]) * over;
            a[i][1] = (k[i][0] * data[i][1] - k[i][1] * data[i][0] + beta * a[i][1]) * over;
        }
    }
}

void blind_divide(blind_scale *s, double beta, double gamma)
{
    blind_in_bands(s, 0, divergence);
    pel_fft_forward(s->grid.fft, s->work, s->a);
    if (gamma > 0) { /* beta A + gamma B, as beta times what `divide` multiplies by beta */
        const float ratio = (float)(gamma / beta);
        for (size_t i = 0; i < s->grid.complexes; i++) {
            s->a[i][0] += ratio * s->b[i][0];
            s->a[i][1] += ratio * s->b[i][1];
        }
    }
    blind_task task = {s, (float)beta, (float)gamma};
    blind_run(s, &task, divide);
    pel_fft_backward(s->grid.fft, s->a, s->latent);
}

const blind_method *blind_method_of(pel_blind_method method)
{
    /* Weights as published, where the method has them: Wen et al. 2021, section V; Pan et al. 2016,
     * section 5; Cho & Lee 2009, section 4.  The weight of edge and sparse does not fall. */
    static const blind_method methods[] = {
        [PEL_BLIND_L0] = {blind_latent_l0, blind_kernel_step, 0, 5e-3, 0, 1e-4},
        [PEL_BLIND_PMP] = {blind_latent_pmp, blind_kernel_step, 0.1, 5e-3, 1e-2, 1e-4},
        [PEL_BLIND_DARK] = {blind_latent_dark, blind_kernel_step, 4e-3, 4e-3, 1e-4, 1e-4},
        [PEL_BLIND_EDGE] = {blind_latent_edge, blind_kernel_step, 0, 5e-3, 0, 5e-3},
        [PEL_BLIND_SPARSE] = {blind_latent_sparse, blind_kernel_step, 0, 0, 0, 0},
        [PEL_BLIND_RL] = {blind_latent_rl, blind_kernel_rl, 0, 0, 0, 0},
    };
    return &methods[method];
}
