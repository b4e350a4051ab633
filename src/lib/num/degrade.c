/* degrade.c - noise with reproducible numbers, and blur that bad samples do not spread in.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <stdatomic.h>

#include <pellucid/conv.h>
#include <pellucid/degrade.h>
#include <pellucid/pool.h>
#include <pellucid/rng.h>

#define BLOCK 8192 /* samples that share a stream of random numbers */

typedef struct {
    const pel_noise_params *p;
    float *samples, *deviation;
    size_t count;
    atomic_bool failed;
} work;

static void noise_block(void *arg, size_t index, size_t worker)
{
    work *w = arg;
    const pel_noise_params *p = w->p;
    size_t end = (index + 1) * BLOCK < w->count ? (index + 1) * BLOCK : w->count;
    (void)worker;
    pel_rng *rng = pel_rng_new(p->seed, p->stream << 32 ^ index);
    if (rng == NULL) {
        w->failed = true;
        return;
    }
    double electronic = p->readnoise > 0 ? p->readnoise / p->gain : 0;
    double gaussian = sqrt(p->sigma * p->sigma + electronic * electronic);
    for (size_t i = index * BLOCK; i < end; i++) {
        double v = (double)w->samples[i], photons = 0;
        if (p->poisson && v > 0 && isfinite(v)) {
            photons = v / p->gain;
            v = pel_rng_poisson(rng, v * p->gain) / p->gain;
        }
        if (w->deviation != NULL)
            w->deviation[i] = (float)sqrt(gaussian * gaussian + photons);
        if (gaussian > 0)
            v += pel_rng_gaussian(rng, gaussian);
        if (isfinite(w->samples[i]))
            w->samples[i] = (float)v;
    }
    pel_rng_free(rng);
}

pel_status pel_noise_add(const pel_context *ctx, const pel_noise_params *p, float *samples,
                         size_t count, float *deviation)
{
    if (!(p->sigma >= 0) || !(p->readnoise >= 0) ||
        ((p->poisson || p->readnoise > 0) && !(p->gain > 0)))
        return pel_error_set(ctx->error, PEL_EINVAL, "noise of a negative size, or without a gain");
    work w = {p, samples, deviation, count, false};
    pel_pool *pool = count > PEL_POOL_SMALL ? ctx->pool : NULL; /* waking it would take as long */
    pel_pool_run(pool, (count + BLOCK - 1) / BLOCK, noise_block, &w);
    return w.failed ? pel_error_set(ctx->error, PEL_ENOMEM, "out of memory") : PEL_OK;
}

pel_status pel_blur_picture(const pel_context *ctx, const float *from, pel_size size, const float *psf,
                            pel_size psf_size, pel_border border, float *to)
{
    size_t count = pel_size_count(size), bad = 0;
    for (size_t i = 0; i < count; i++)
        bad += !isfinite(from[i]);
    if (bad == 0)
        return pel_convolve(ctx, from, size, psf, psf_size, border, to);
    pel_size result;
    if (!pel_convolved_size(size, psf_size, border, &result))
        return pel_error_set(ctx->error, PEL_EINVAL, "nothing is left of the picture under the PSF");
    size_t out = pel_size_count(result);
    float *clean = pel_alloc_floats(count), *weight = pel_alloc_floats(out);
    pel_status status = clean != NULL && weight != NULL
                            ? PEL_OK
                            : pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    for (size_t i = 0; i < count && status == PEL_OK; i++)
        clean[i] = isfinite(from[i]) ? from[i] : 0;
    if (status == PEL_OK)
        status = pel_convolve(ctx, clean, size, psf, psf_size, border, to);
    for (size_t i = 0; i < count && status == PEL_OK; i++)
        clean[i] = isfinite(from[i]) ? 1 : 0;
    if (status == PEL_OK)
        status = pel_convolve(ctx, clean, size, psf, psf_size, border, weight);
    /* At a zero border the weight is below 1 without any bad sample: only what is missing counts. */
    if (status == PEL_OK && border == PEL_BORDER_ZERO) {
        float *full = pel_alloc_floats(out);
        for (size_t i = 0; i < count; i++)
            clean[i] = 1;
        status = full == NULL ? pel_error_set(ctx->error, PEL_ENOMEM, "out of memory")
                              : pel_convolve(ctx, clean, size, psf, psf_size, border, full);
        for (size_t i = 0; i < out && status == PEL_OK; i++)
            weight[i] = full[i] > 1e-6f ? weight[i] / full[i] : 0;
        pel_free(full);
    }
    for (size_t i = 0; i < out && status == PEL_OK; i++)
        to[i] = weight[i] > 1e-3f ? to[i] / weight[i] : NAN;
    pel_free(clean);
    pel_free(weight);
    return status;
}
