/* judge.c - how far the kernel can be trusted, and what it leaves unexplained.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * confidence = agreement x sharpness x detail, each 0 to 1.
 *
 * Agreement: the kernel is estimated from the left and from the right half of the picture, each alone
 * and at half the scale; the normalised cross-correlation of the two.  Camera shake that turns, moving
 * objects, and kernels that follow the content or the noise make them differ.
 *
 * Sharpness of the likelihood: least squares with G = sum g^2 of gradients against an error of
 * variance v a sample leave a kernel of n samples with an error of about n v / G in its sum of
 * squares (its covariance is v (sum G'G)^-1); the part of |k|^2 that is not this error.  Where gradients
 * hardly change from sample to sample their differences are what counts: every blur of a ramp is the same
 * ramp.
 *
 * Detail: how far the energy of the data's gradients is above what noise alone gives.
 */
#include "config.h"

#include <math.h>

#include <pellucid/stats.h>

#include "blind-internal.h"

/* RMS of data - kernel * latent where both neighbours were observed; s->work holds the model. */
static double residual_of(blind_scale *s)
{
    const size_t dw = s->grid.e.data.w, dh = s->grid.e.data.h;
    const float scale = 1.0f / (float)s->grid.count;
    pel_fft_forward(s->grid.fft, s->latent, s->a);
    for (size_t i = 0; i < s->grid.complexes; i++) {
        float re = s->a[i][0] * s->transfer[i][0] - s->a[i][1] * s->transfer[i][1];
        s->a[i][1] = s->a[i][0] * s->transfer[i][1] + s->a[i][1] * s->transfer[i][0];
        s->a[i][0] = re;
    }
    pel_fft_backward(s->grid.fft, s->a, s->work);
    double sum = 0, weights = 0;
    for (size_t y = 0; y + 1 < dh; y++)
        for (size_t i = pel_grid_row(&s->grid, y, 0), end = i + dw - 1; i < end; i++) {
            double r = (double)(scale * s->work[i] - s->observed[i]), w = (double)s->weight[i];
            sum += w * r * r;
            weights += w;
        }
    return weights > 0 ? sqrt(sum / weights) : 0;
}

double blind_agreement(const float *a, const float *b, size_t side)
{
    double best = 0, aa = 0, bb = 0;
    long n = (long)side;
    for (long i = 0; i < n * n; i++) {
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    for (long dy = -2; dy <= 2; dy++)
        for (long dx = -2; dx <= 2; dx++) {
            double sum = 0;
            for (long y = dy > 0 ? dy : 0; y < n + (dy < 0 ? dy : 0); y++)
                for (long x = dx > 0 ? dx : 0; x < n + (dx < 0 ? dx : 0); x++)
                    sum += (double)a[y * n + x] * (double)b[(y - dy) * n + x - dx];
            best = fmax(best, sum);
        }
    return best / sqrt(aa * bb);
}

/* Sums of squares over the picture: of the latent gradients, and of their differences. */
static double gradient_energy(const blind_scale *s)
{
    const size_t w = s->grid.size.w, dw = s->grid.e.data.w, dh = s->grid.e.data.h;
    double first = 0, second = 0;
    for (size_t y = 1; y + 1 < dh; y++)
        for (size_t i = pel_grid_row(&s->grid, y, 0) + 1, end = i + dw - 2; i < end; i++) {
            float a = s->gx[i], b = s->gy[i], c = a - s->gx[i - 1], d = b - s->gy[i - w];
            first += (double)(s->weight[i] * (a * a + b * b));
            second += (double)(s->weight[i] * (c * c + d * d));
        }
    return fmin(first, second);
}

/* Noise of variance v gives differences of 2 v; a tenth of that is what its estimate is good for. */
static pel_status find_detail(blind_scale *s, double *detail)
{
    const pel_size size = s->grid.e.data;
    const size_t w = s->grid.size.w;
    double sigma, sum = 0, weights = 0;
    pel_grid_cut(&s->grid, s->observed, s->work);
    pel_status status = pel_noise_estimate(s->ctx, s->work, size, NULL, 1, &sigma);
    if (status != PEL_OK)
        return status;
    for (size_t y = 0; y + 1 < size.h; y++)
        for (size_t i = pel_grid_row(&s->grid, y, 0), end = i + size.w - 1; i < end; i++) {
            double a = (double)(s->observed[i + 1] - s->observed[i]);
            double b = (double)(s->observed[i + w] - s->observed[i]);
            sum += (double)s->weight[i] * (a * a + b * b);
            weights += (double)s->weight[i];
        }
    double noise = 4 * sigma * sigma, excess = weights > 0 ? fmax(sum / weights - noise, 0) : 0;
    *detail = excess > 0 ? excess / (excess + 0.1 * noise) : 0;
    return PEL_OK;
}

pel_status blind_judge(blind_scale *s, double *residual, double *trust)
{
    size_t count = s->side * s->side;
    double square = 0, detail = 0;
    pel_status status = blind_scale_transfer(s);
    if (status == PEL_OK)
        status = blind_latent_tv(s);
    if (status != PEL_OK)
        return status;
    *residual = residual_of(s);
    for (size_t i = 0; i < count; i++)
        square += (double)s->kernel[i] * (double)s->kernel[i];
    /* The difference of two samples has twice the variance of one. */
    double energy = gradient_energy(s), error = (double)count * 2 * *residual * *residual;
    status = find_detail(s, &detail);
    *trust = energy > 0 ? detail * square / (square + error / energy) : 0;
    return status;
}
