/* consistency.c - how far an estimate, blurred again, is from the measurement, in standard deviations of its noise.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/conv.h>

#include "../num/box.h"
#include "consistency-internal.h"

#define MOST_BAD 1e-4f /* part of a blur that may come from bad samples of the estimate */

static pel_status no_memory(const pel_context *ctx) { return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory"); }

/* ---- The residual */

/* Where samples count: the part of each plane that the valid blur gives. */
typedef struct {
    pel_size size; /* of it */
    size_t first[3];
} inner;

static bool find_inner(const pel_problem *p, inner *in)
{
    *in = (inner){p->size, {0, 0, 0}};
    if (p->psf == NULL)
        return true;
    const size_t n[3] = {p->psf_size.w, p->psf_size.h, p->psf_size.d};
    for (int k = 0; k < 3; k++)
        in->first[k] = n[k] - 1 - n[k] / 2;
    return pel_convolved_size(p->size, p->psf_size, PEL_BORDER_VALID, &in->size);
}

/* The estimate blurred, of in->size; NaN where bad samples come in. */
static pel_status blur(const pel_context *ctx, const pel_problem *p, const float *estimate, const inner *in, float *to)
{
    size_t count = pel_size_count(p->size), out = pel_size_count(in->size), bad = 0;
    for (size_t i = 0; i < count; i++)
        bad += !isfinite(estimate[i]);
    if (p->psf == NULL) {
        memcpy(to, estimate, count * sizeof *to);
        return PEL_OK;
    }
    if (bad == 0)
        return pel_convolve(ctx, estimate, p->size, p->psf, p->psf_size, PEL_BORDER_VALID, to);
    float *work = pel_alloc_floats(count), *part = pel_alloc_floats(out);
    pel_status status = work != NULL && part != NULL ? PEL_OK : no_memory(ctx);
    for (size_t i = 0; i < count && status == PEL_OK; i++)
        work[i] = isfinite(estimate[i]) ? 0 : 1;
    if (status == PEL_OK)
        status = pel_convolve(ctx, work, p->size, p->psf, p->psf_size, PEL_BORDER_VALID, part);
    for (size_t i = 0; i < count && status == PEL_OK; i++)
        work[i] = isfinite(estimate[i]) ? estimate[i] : 0;
    if (status == PEL_OK)
        status = pel_convolve(ctx, work, p->size, p->psf, p->psf_size, PEL_BORDER_VALID, to);
    for (size_t i = 0; i < out && status == PEL_OK; i++)
        if (fabsf(part[i]) > MOST_BAD)
            to[i] = NAN;
    pel_free(work);
    pel_free(part);
    return status;
}

/* The standard deviation of sample `at` of channel c, or NaN for one that was not measured. */
static double deviation(const pel_problem *p, size_t c, size_t at)
{
    size_t plane = pel_size_plane(p->size);
    double sigma = p->sigma, weight = 1;
    if (p->sigma_map != NULL)
        sigma = (double)p->sigma_map[(p->sigma_channels > 1 ? c : 0) * plane + at];
    if (p->mask != NULL)
        weight = (double)p->mask[(p->mask_channels > 1 ? c : 0) * plane + at];
    return weight > 0 ? sigma / sqrt(weight) : (double)NAN;
}

static void subtract(const pel_problem *p, const inner *in, const float *blurred, float *residual)
{
    const pel_size s = p->size, v = in->size;
    for (size_t i = 0; i < pel_size_count(s); i++)
        residual[i] = NAN;
    for (size_t c = 0; c < v.c; c++)
        for (size_t z = 0; z < v.d; z++)
            for (size_t y = 0; y < v.h; y++) {
                size_t at = ((z + in->first[2]) * s.h + y + in->first[1]) * s.w + in->first[0];
                const float *data = p->data + c * pel_size_plane(s), *row = blurred + ((c * v.d + z) * v.h + y) * v.w;
                float *to = residual + c * pel_size_plane(s);
                for (size_t x = 0; x < v.w; x++, at++) {
                    double r = ((double)data[at] - (double)row[x]) / deviation(p, c, at);
                    to[at] = isfinite(r) ? (float)r : NAN;
                }
            }
}

pel_status pel_consistency_residual(const pel_context *ctx, const pel_problem *p, const float *estimate, float *residual)
{
    inner in;
    if (p->sigma_map == NULL && !(p->sigma > 0))
        return pel_error_set(ctx->error, PEL_EINVAL, "the noise level is 0: nothing can be told in units of it (give "
                             "--sigma)");
    if (p->psf != NULL && p->psf_size.c != 1 && p->psf_size.c != p->size.c)
        return pel_error_set(ctx->error, PEL_EINVAL, "a PSF of %zu channels for a picture of %zu", p->psf_size.c,
                             p->size.c);
    if (!find_inner(p, &in))
        return pel_error_set(ctx->error, PEL_EINVAL, "a PSF of %zux%zux%zu leaves nothing of a picture of %zux%zux%zu to "
                             "compare", p->psf_size.w, p->psf_size.h, p->psf_size.d, p->size.w, p->size.h, p->size.d);
    float *blurred = pel_alloc_floats(pel_size_count(in.size));
    pel_status status = blurred != NULL ? blur(ctx, p, estimate, &in, blurred) : no_memory(ctx);
    if (status == PEL_OK)
        subtract(p, &in, blurred, residual);
    pel_free(blurred);
    return status;
}

/* ---- Its size */

/* The greatest mean square of a window in one channel. */
static bool find_worst(const float *residual, pel_size size, size_t c, size_t window, pel_consistency *result)
{
    size_t plane = pel_size_plane(size);
    size.c = 1;
    float *square = pel_alloc_floats(plane), *count = pel_alloc_floats(plane);
    const pel_box box = pel_box_side(window, window, 0);
    bool good = square != NULL && count != NULL;
    for (size_t i = 0; good && i < plane; i++) {
        count[i] = isfinite(residual[i]);
        square[i] = isfinite(residual[i]) ? residual[i] * residual[i] : 0;
    }
    good = good && pel_box_sum(square, size, box) && pel_box_sum(count, size, box);
    for (size_t i = 0; good && i < plane; i++) {
        double rms = sqrt(fmax((double)square[i], 0) / (double)count[i]);
        if (2 * count[i] < (float)(window * window) || rms <= result->worst)
            continue;
        result->worst = rms;
        result->at[0] = i % size.w;
        result->at[1] = i / size.w % size.h;
        result->at[2] = i / size.w / size.h;
        result->at[3] = c;
    }
    pel_free(square);
    pel_free(count);
    return good;
}

pel_status pel_consistency_measure(const pel_context *ctx, const pel_problem *p, const float *estimate, size_t window,
                                   pel_consistency *result)
{
    size_t plane = pel_size_plane(p->size);
    double sum = 0;
    *result = (pel_consistency){0, (double)NAN, -1, {0, 0, 0, 0}};
    if (window < 2)
        return pel_error_set(ctx->error, PEL_EINVAL, "a window of %zu samples is too small", window);
    float *residual = pel_alloc_floats(pel_size_count(p->size));
    pel_status status = residual != NULL ? pel_consistency_residual(ctx, p, estimate, residual) : no_memory(ctx);
    for (size_t i = 0; i < pel_size_count(p->size) && status == PEL_OK; i++)
        if (isfinite(residual[i])) {
            sum += (double)residual[i] * (double)residual[i];
            result->samples++;
        }
    for (size_t c = 0; c < p->size.c && status == PEL_OK; c++)
        if (!find_worst(residual + c * plane, p->size, c, window, result))
            status = no_memory(ctx);
    if (result->samples > 0)
        result->rms = sqrt(sum / (double)result->samples);
    if (result->worst < 0)
        result->worst = (double)NAN;
    pel_free(residual);
    return status;
}
