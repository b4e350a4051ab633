/* latent-rl.c - blind Richardson-Lucy: picture and kernel in turn, both positive.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * D. Fish, A. Brinicombe, E. Pike & J. Walker, "Blind deconvolution by means of the Richardson-Lucy
 * algorithm" (JOSA A 12, 1995), with what was not observed left out as in Bertero & Boccacci (2005). */
#include "config.h"

#include <math.h>
#include <string.h>

#include "blind-internal.h"

#define LEAST_PART 0.02 /* of the kernel's maximum */
#define STEPS 10      /* of each, in turn */
#define UNIFORM 0.1f /* part that each turn adds to the kernel: products never bring back what is 0 */
#define LEAST 1e-2f   /* a smaller part of the kernel on observed samples tells nothing */

/* s->work = observed / model where there are data, else 0; the model comes as spectrum in s->a. */
static void divide_data(blind_scale *s)
{
    const float scale = 1.0f / (float)s->grid.count;
    pel_fft_backward(s->grid.fft, s->a, s->work);
    for (size_t i = 0; i < s->grid.count; i++) {
        float model = scale * s->work[i], data = s->observed[i] > 0 ? s->observed[i] : 0;
        s->work[i] = s->weight[i] > 0 && model > 1e-6f ? s->weight[i] * data / model : 0;
    }
}

/* s->gx = correlation of the kernel with s->work. */
static void correlate(blind_scale *s)
{
    pel_fft_forward(s->grid.fft, s->work, s->a);
    blind_multiply((blind_product){s, s->b, s->transfer, s->a, true, false});
    pel_fft_backward(s->grid.fft, s->b, s->gx);
}

pel_status blind_latent_rl(blind_scale *s)
{
    const float scale = 1.0f / (float)s->grid.count;
    memcpy(s->work, s->weight, s->grid.count * sizeof *s->work);
    correlate(s);
    memcpy(s->gy, s->gx, s->grid.count * sizeof *s->gy); /* H'w */
    if (!s->started)
        for (size_t i = 0; i < s->grid.count; i++)
            s->latent[i] = s->observed[i] > 1e-4f ? s->observed[i] : 1e-4f;
    s->started = true;
    for (int step = 0; step < STEPS; step++) {
        pel_fft_forward(s->grid.fft, s->latent, s->b);
        blind_multiply((blind_product){s, s->a, s->transfer, s->b, false, false});
        divide_data(s);
        correlate(s);
        for (size_t i = 0; i < s->grid.count; i++)
            s->latent[i] *= scale * s->gy[i] > LEAST ? s->gx[i] / s->gy[i] : 1;
    }
    return PEL_OK;
}

pel_status blind_kernel_rl(blind_scale *s)
{
    size_t n = s->side * s->side;
    float *sum = pel_alloc_floats(2 * n), *step = sum + n;
    if (sum == NULL)
        return pel_error_set(s->ctx->error, PEL_ENOMEM, "out of memory");
    pel_fft_forward(s->grid.fft, s->latent, s->c);
    pel_fft_forward(s->grid.fft, s->weight, s->a);
    blind_multiply((blind_product){s, s->b, s->c, s->a, true, false});
    pel_fft_backward(s->grid.fft, s->b, s->work);
    blind_kernel_take(s, sum); /* X'w */
    for (size_t k = 0; k < n; k++)
        s->kernel[k] = (1 - UNIFORM) * s->kernel[k] + UNIFORM / (float)n;
    for (int i = 0; i < STEPS; i++) {
        blind_kernel_put(s, s->kernel);
        pel_fft_forward(s->grid.fft, s->work, s->b);
        blind_multiply((blind_product){s, s->a, s->c, s->b, false, false});
        divide_data(s);
        pel_fft_forward(s->grid.fft, s->work, s->a);
        blind_multiply((blind_product){s, s->b, s->c, s->a, true, false});
        pel_fft_backward(s->grid.fft, s->b, s->work);
        blind_kernel_take(s, step);
        for (size_t k = 0; k < n; k++)
            s->kernel[k] *= sum[k] > 0 ? step[k] / sum[k] : 0;
    }
    pel_free(sum);
    return blind_kernel_clean(s->ctx, s->kernel, s->side, LEAST_PART, 0);
}
