/* latent-pmp.c - the latent picture whose patches have minima of 0, and that has few gradients.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * F. Wen, R. Ying, Y. Liu, P. Liu & T.-K. Truong, "A simple local minimal intensity prior and an
 * improved algorithm for blind image deblurring" (IEEE TCSVT 31, 2021), algorithm 1: in each round of
 * the half-quadratic splitting the patch-wise minimal pixels below lambda become 0. */
#include "config.h"

#include <string.h>

#include "blind-internal.h"

#define PATCH 10 /* samples a side: radius 5 */

static void shrink_minima(blind_scale *s)
{
    const size_t w = s->grid.size.w, h = s->grid.size.h;
    for (size_t top = 0; top < h; top += PATCH)
        for (size_t left = 0; left < w; left += PATCH) {
            size_t bottom = top + PATCH < h ? top + PATCH : h;
            size_t right = left + PATCH < w ? left + PATCH : w, least = top * w + left;
            for (size_t y = top; y < bottom; y++)
                for (size_t i = y * w + left; i < y * w + right; i++)
                    least = s->latent[i] < s->latent[least] ? i : least;
            if (s->latent[least] < (float)s->lambda)
                s->latent[least] = 0;
        }
}

pel_status blind_latent_pmp(blind_scale *s)
{
    memcpy(s->latent, s->observed, s->grid.count * sizeof *s->latent);
    for (double beta = 2 * s->mu; beta < BLIND_BETA_MOST; beta *= 2) {
        shrink_minima(s);
        blind_gradients(s, (float)(s->mu / beta));
        blind_divide(s, beta, 0);
    }
    blind_gradients(s, 0);
    return PEL_OK;
}
