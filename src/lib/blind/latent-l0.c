/* latent-l0.c - the latent picture that has few gradients.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 *     min_x |Kx - y|^2 + mu |Dx|_0
 *
 * of L. Xu, S. Zheng & J. Jia, "Unnatural L0 sparse representation for natural image deblurring" (CVPR
 * 2013), with the plain L0 norm and half-quadratic splitting of J. Pan, Z. Hu, Z. Su & M.-H. Yang,
 * "Deblurring text images via L0-regularized intensity and gradient prior" (CVPR 2014), section 3.1. */
#include "config.h"

#include <string.h>

#include "blind-internal.h"

pel_status blind_latent_l0(blind_scale *s)
{
    memcpy(s->latent, s->observed, s->grid.count * sizeof *s->latent);
    for (double beta = 2 * s->mu; beta < BLIND_BETA_MOST; beta *= 2) {
        blind_gradients(s, (float)(s->mu / beta));
        blind_divide(s, beta, 0);
    }
    blind_gradients(s, 0);
    return PEL_OK;
}
