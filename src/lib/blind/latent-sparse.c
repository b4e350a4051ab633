/* latent-sparse.c - gradients of a small l1 norm over their l2 norm.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 *     min_g LAMBDA |Kg - Dy|^2 + |g|_1 / |g|_2
 *
 * D. Krishnan, T. Tay & R. Fergus, "Blind deconvolution using a normalized sparsity measure" (CVPR
 * 2011), section 3.2: with the l2 norm held at that of the last round, iterative shrinkage
 * (ISTA).  It works on gradients alone; there is no latent picture. */
#include "config.h"

#include <math.h>
#include <string.h>

#include "blind-internal.h"

#define LAMBDA 10.0 /* measured on 32 pictures; section 4 has 100, at another scale of the data */
#define ROUNDS 10
#define STEPS 2

/* One step of ISTA for the gradients g of one direction, whose data have the spectrum `data`: step length 1,
 * which |K| <= 1 allows; then what is below `least` is 0. */
static void shrink_step(blind_scale *s, float *g, const pel_complex *data, float least)
{
    const float scale = 1.0f / (float)s->grid.count;
    pel_fft_forward(s->grid.fft, g, s->a);
    blind_multiply((blind_product){s, s->b, s->transfer, s->a, false, false});
    for (size_t i = 0; i < s->grid.complexes; i++) {
        s->b[i][0] = data[i][0] - s->b[i][0];
        s->b[i][1] = data[i][1] - s->b[i][1];
    }
    blind_multiply((blind_product){s, s->a, s->transfer, s->b, true, true});
    pel_fft_backward(s->grid.fft, s->a, g);
    for (size_t i = 0; i < s->grid.count; i++) {
        float v = scale * g[i], m = fabsf(v) - least;
        g[i] = m > 0 ? copysignf(m, v) : 0;
    }
}

static double norm_of(const float *g, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)g[i] * (double)g[i];
    return sqrt(sum);
}

pel_status blind_latent_sparse(blind_scale *s)
{
    memcpy(s->latent, s->observed, s->grid.count * sizeof *s->latent);
    blind_gradients(s, 0);
    pel_fft_forward(s->grid.fft, s->gx, s->c);
    pel_fft_forward(s->grid.fft, s->gy, s->d);
    for (int round = 0; round < ROUNDS; round++) {
        double norm = hypot(norm_of(s->gx, s->grid.count), norm_of(s->gy, s->grid.count));
        if (!(norm > 0))
            return PEL_OK;
        float least = (float)(1 / (2 * LAMBDA * norm));
        for (int step = 0; step < STEPS; step++) {
            shrink_step(s, s->gx, s->c, least);
            shrink_step(s, s->gy, s->d, least);
        }
    }
    return PEL_OK;
}
