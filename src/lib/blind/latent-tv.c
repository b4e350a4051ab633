/* latent-tv.c - the latent picture of least total variation.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 *     min_x |Kx - y|^2 + 2 mu sum |Dx|
 *
 * by half-quadratic splitting: Y. Wang, J. Yang, W. Yin & Y. Zhang, "A new alternating minimization
 * algorithm for total variation image reconstruction" (SIAM J. Imaging Sciences 1, 2008), algorithm
 * 1. */
#include "config.h"

#include <math.h>
#include <string.h>

#include "blind-internal.h"

static void shrink(void *arg, size_t index, size_t worker)
{
    const blind_task *t = arg;
    blind_scale *s = t->s;
    size_t w = s->grid.size.w, from, to;
    (void)worker;
    blind_band(s, index, &from, &to);
    for (size_t i = from * w; i < to * w; i++) {
        float norm = sqrtf(s->gx[i] * s->gx[i] + s->gy[i] * s->gy[i]);
        float keep = norm > t->value ? 1 - t->value / norm : 0;
        s->gx[i] *= keep;
        s->gy[i] *= keep;
    }
}

pel_status blind_latent_tv(blind_scale *s)
{
    memcpy(s->latent, s->observed, s->grid.count * sizeof *s->latent);
    for (double beta = 4 * s->mu; beta < 2.5e4 * s->mu; beta *= 2) {
        blind_gradients(s, 0);
        blind_in_bands(s, (float)(s->mu / beta), shrink);
        blind_divide(s, beta, 0);
    }
    blind_gradients(s, 0);
    return PEL_OK;
}
