/* latent-edge.c - steps predicted where the edges are.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * S. Cho & S. Lee, "Fast motion deblurring" (ToG 28, 2009), section 4, after N. Joshi, R. Szeliski & D.
 * Kriegman, "PSF estimation using sharp edge prediction" (CVPR 2008): a fast deconvolution with a
 * Gaussian prior (eq. 8), then a bilateral filter (C. Tomasi & R. Manduchi, ICCV 1998) and a shock
 * filter (S. Osher & L. Rudin, SIAM J. Numer. Anal. 27, 1990) that makes steps of blurred edges. */
#include "config.h"

#include <math.h>
#include <string.h>

#include "blind-internal.h"

#define REACH 2        /* a window of 5 x 5 */
#define SPREAD 2.0f    /* its standard deviation, in samples */
#define RANGE 0.2f     /* and about that of the values */
#define SHOCKS 3

static void bilateral(void *arg, size_t index, size_t worker)
{
    const blind_task *t = arg;
    blind_scale *s = t->s;
    const size_t w = s->grid.size.w, h = s->grid.size.h;
    size_t from, to;
    float near[(2 * REACH + 1) * (2 * REACH + 1)];
    (void)worker;
    for (int k = 0; k < (2 * REACH + 1) * (2 * REACH + 1); k++) {
        int dx = k % (2 * REACH + 1) - REACH, dy = k / (2 * REACH + 1) - REACH;
        near[k] = expf((float)(-dx * dx - dy * dy) / (2 * SPREAD * SPREAD));
    }
    blind_band(s, index, &from, &to);
    for (size_t y = from; y < to; y++)
        for (size_t x = 0; x < w; x++) {
            float here = s->latent[y * w + x], sum = 0, weights = 0;
            for (size_t j = 0, k = 0; j <= 2 * REACH; j++) {
                const float *row = s->latent + (y + h + j - REACH) % h * w;
                for (size_t i = 0; i <= 2 * REACH; i++, k++) {
                    float v = row[(x + w + i - REACH) % w], d = (v - here) / RANGE;
                    /* 1 / (1 + d^2)^2 in place of the Gaussian: as narrow, without exp */
                    float r = 1 / (1 + 0.25f * d * d), weight = near[k] * r * r;
                    sum += weight * v;
                    weights += weight;
                }
            }
            s->work[y * w + x] = sum / weights;
        }
}

static float minmod(float a, float b)
{
    return a * b <= 0 ? 0 : fabsf(a) < fabsf(b) ? a : b;
}

/* s->latent = one step from s->work: against the sign of the second derivative along the gradient, by
 * the length of the (minmod) gradient. */
static void shock(void *arg, size_t index, size_t worker)
{
    const blind_task *t = arg;
    blind_scale *s = t->s;
    const size_t w = s->grid.size.w, h = s->grid.size.h;
    size_t from, to;
    (void)worker;
    blind_band(s, index, &from, &to);
    for (size_t y = from; y < to; y++) {
        const float *row = s->work + y * w, *up = s->work + (y + h - 1) % h * w;
        const float *down = s->work + (y + 1) % h * w;
        for (size_t x = 0; x < w; x++) {
            size_t l = (x + w - 1) % w, r = (x + 1) % w;
            float gx = (row[r] - row[l]) / 2, gy = (down[x] - up[x]) / 2;
            float xx = row[r] - 2 * row[x] + row[l], yy = down[x] - 2 * row[x] + up[x];
            float xy = (down[r] - down[l] - up[r] + up[l]) / 4;
            float along = gx * gx * xx + 2 * gx * gy * xy + gy * gy * yy;
            float mx = minmod(row[r] - row[x], row[x] - row[l]);
            float my = minmod(down[x] - row[x], row[x] - up[x]);
            float norm = sqrtf(mx * mx + my * my), sign = along > 0 ? 1 : along < 0 ? -1 : 0;
            s->latent[y * w + x] = row[x] - 0.5f * sign * norm;
        }
    }
}

pel_status blind_latent_edge(blind_scale *s)
{
    memset(s->gx, 0, s->grid.count * sizeof *s->gx);
    memset(s->gy, 0, s->grid.count * sizeof *s->gy);
    blind_divide(s, s->mu, 0);
    blind_in_bands(s, 0, bilateral);
    for (int i = 0; i < SHOCKS; i++) {
        if (i > 0)
            memcpy(s->work, s->latent, s->grid.count * sizeof *s->work);
        blind_in_bands(s, 0, shock);
    }
    blind_gradients(s, 0);
    return PEL_OK;
}
