/* conv.c - plans a convolution: the map and its adjoint, the method, borders.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/fft.h>

#include "conv-internal.h"

#define MOST_JOINED ((size_t)1 << 20) /* samples of channels convolved together: 4 MiB of work */

static const conv_ops *const methods[] = {
    [PEL_CONV_DIRECT] = &pel_conv_direct,
    [PEL_CONV_SEPARABLE] = &pel_conv_separable,
    [PEL_CONV_TILED] = &pel_conv_tiled,
    [PEL_CONV_WHOLE] = &pel_conv_whole,
};

/* Cost of a sample of a transform pair of the whole picture, in the unit of conv_tile_side (one
 * nanosecond or so): 7 to 10 where the picture does not stay in the cache, 3 where it does. */
static double whole_cost(const pel_conv *conv)
{
    double samples = 1, done = 1;
    for (int i = 0; i < 3; i++) {
        samples *= (double)pel_fft_good_size(conv->forward.in[i] + conv->n[i] - 1);
        done *= (double)conv->forward.out[i];
    }
    return (samples < 2e5 ? 4 : 9) * samples / done;
}

static pel_conv_method choose(const pel_conv *conv)
{
    const size_t *n = conv->n;
    size_t taps = n[0] * n[1] * n[2];
    double best = 1.0 * (double)taps; /* direct */
    pel_conv_method method = PEL_CONV_DIRECT;
    float *factors = pel_alloc_floats(n[0] + n[1] + n[2]);
    if (factors != NULL && n[2] == 1 && conv_factor(conv->kernel, n, factors)) {
        double cost = 0.2 + (conv->cpu >= PEL_CPU_AVX2 ? 0.035 : 0.27) * (double)(n[0] + n[1]);
        if (cost < best) {
            best = cost;
            method = PEL_CONV_SEPARABLE;
        }
    }
    pel_free(factors);
    double cost;
    if (n[2] == 1 && conv_tile_side(n[0], n[1], conv->forward.out, &cost) > 0 && cost < best) {
        best = cost;
        method = PEL_CONV_TILED;
    }
    return whole_cost(conv) < best ? PEL_CONV_WHOLE : method;
}

static void plan_maps(pel_conv *conv, const pel_conv_spec *spec)
{
    const size_t in[3] = {spec->in.w, spec->in.h, spec->in.d};
    const size_t out[3] = {spec->out.w, spec->out.h, spec->out.d};
    for (int i = 0; i < 3; i++) {
        ptrdiff_t n = (ptrdiff_t)conv->n[i], centre = n / 2;
        conv->forward.in[i] = conv->backward.out[i] = in[i];
        conv->forward.out[i] = conv->backward.in[i] = out[i];
        conv->forward.shift[i] = spec->offset[i] + centre;
        /* With k' = n-1-k: s(j) = sum_k' turned(k') y(j - offset - centre + n-1 - k'). */
        conv->backward.shift[i] = n - 1 - conv->forward.shift[i];
    }
    conv->forward.kernel = conv->kernel;
    conv->backward.kernel = conv->turned;
}

pel_status pel_conv_new(const pel_context *ctx, const pel_conv_spec *spec, pel_conv **out)
{
    size_t taps = pel_size_plane(spec->psf_size);
    if (taps == 0 || pel_size_plane(spec->in) == 0 || pel_size_plane(spec->out) == 0)
        return pel_error_set(ctx->error, PEL_EINVAL, "a convolution of nothing");
    pel_conv *conv = pel_alloc(sizeof *conv);
    float *kernels = pel_alloc_floats(2 * taps);
    if (conv == NULL || kernels == NULL) {
        pel_free(conv);
        pel_free(kernels);
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    }
    memset(conv, 0, sizeof *conv);
    conv->pool = ctx->pool;
    conv->n[0] = spec->psf_size.w;
    conv->n[1] = spec->psf_size.h;
    conv->n[2] = spec->psf_size.d;
    conv->kernel = kernels;
    conv->turned = kernels + taps;
    for (size_t i = 0; i < taps; i++) {
        conv->kernel[i] = spec->psf[i];
        conv->turned[taps - 1 - i] = spec->psf[i];
    }
    plan_maps(conv, spec);
    conv->ops = methods[PEL_CONV_DIRECT];
    pel_status status = pel_cpu_level(&conv->cpu, ctx->error);
    if (status == PEL_OK) {
        conv->method = spec->method == PEL_CONV_AUTO ? choose(conv) : spec->method;
        conv->ops = methods[conv->method];
        status = conv->ops->open(ctx, conv);
    }
    if (status != PEL_OK) {
        pel_conv_free(conv);
        return status;
    }
    *out = conv;
    return PEL_OK;
}

void pel_conv_free(pel_conv *conv)
{
    if (conv == NULL)
        return;
    conv->ops->close(conv);
    pel_free(conv->kernel);
    pel_free(conv);
}

pel_conv_method pel_conv_method_used(const pel_conv *conv)
{
    return conv->method;
}

size_t pel_conv_segments(const pel_conv *conv, bool adjoint)
{
    return conv->ops->segments(conv, adjoint ? &conv->backward : &conv->forward);
}

void pel_conv_apply(pel_conv *conv, const float *from, float *to, pel_conv_row row, void *arg)
{
    conv_call call = {conv, &conv->forward, false, from, to, row, arg};
    conv->ops->run(&call);
}

void pel_conv_adjoint(pel_conv *conv, const float *from, float *to, pel_conv_row row, void *arg)
{
    conv_call call = {conv, &conv->backward, true, from, to, row, arg};
    conv->ops->run(&call);
}

bool pel_convolved_size(pel_size size, pel_size psf_size, pel_border border, pel_size *result)
{
    *result = size;
    if (border != PEL_BORDER_VALID)
        return true;
    if (psf_size.w > size.w || psf_size.h > size.h || psf_size.d > size.d)
        return false;
    result->w = size.w - psf_size.w + 1;
    result->h = size.h - psf_size.h + 1;
    result->d = size.d - psf_size.d + 1;
    return true;
}

/* ---- A picture under a border: extended by what the border says, then convolved "valid". -------- */

/* One row: the inside is copied, the `front` samples before it and those behind it are looked up. */
static void extend_row(const float *from, size_t count, size_t front, pel_border border,
                       size_t extended, float *to)
{
    memcpy(to + front, from, count * sizeof *to);
    for (size_t i = 0; i < extended - count; i++) {
        size_t x = i < front ? i : i + count;
        ptrdiff_t fx = pel_border_index((ptrdiff_t)x - (ptrdiff_t)front, count, border);
        to[x] = fx < 0 ? 0 : from[fx];
    }
}

static void extend(const float *from, pel_size size, pel_size psf_size, pel_border border,
                   pel_size extended, float *to)
{
    size_t front[3] = {psf_size.w - 1 - psf_size.w / 2, psf_size.h - 1 - psf_size.h / 2,
                       psf_size.d - 1 - psf_size.d / 2};
    for (size_t z = 0; z < extended.d; z++) {
        ptrdiff_t fz = pel_border_index((ptrdiff_t)(z - front[2]), size.d, border);
        for (size_t y = 0; y < extended.h; y++, to += extended.w) {
            ptrdiff_t fy = pel_border_index((ptrdiff_t)(y - front[1]), size.h, border);
            if (fy < 0 || fz < 0)
                memset(to, 0, extended.w * sizeof *to);
            else
                extend_row(from + ((size_t)fz * size.h + (size_t)fy) * size.w, size.w, front[0],
                           border, extended.w, to);
        }
    }
}

/* True where the channels of a small picture are better convolved together, as planes of a volume under a
 * 2-D PSF: in tiles two of them share a transform. */
static bool joins_channels(pel_size extended, pel_size result, pel_size psf_size, const float *psf)
{
    if (psf_size.c != 1 || psf_size.d != 1 || result.c == 1 || pel_size_count(result) > MOST_JOINED)
        return false;
    pel_conv conv = {.n = {psf_size.w, psf_size.h, 1}, .kernel = (float *)(uintptr_t)psf};
    const pel_conv_spec spec = {.in = extended, .out = result, .psf = psf, .psf_size = psf_size};
    plan_maps(&conv, &spec);
    return pel_cpu_level(&conv.cpu, NULL) == PEL_OK && choose(&conv) == PEL_CONV_TILED;
}

static pel_status convolve(const pel_context *ctx, const float *from, pel_size size,
                           const float *psf, pel_size psf_size, pel_border border, float *to)
{
    pel_size result;
    if (!pel_convolved_size(size, psf_size, border, &result))
        return pel_error_set(ctx->error, PEL_EINVAL,
                             "nothing is left of a picture of %zux%zux%zu under a PSF of "
                             "%zux%zux%zu", size.w, size.h, size.d, psf_size.w, psf_size.h,
                             psf_size.d);
    bool valid = border == PEL_BORDER_VALID;
    pel_size extended = valid ? size
                              : pel_size_make(size.w + psf_size.w - 1, size.h + psf_size.h - 1,
                                              size.d + psf_size.d - 1, 1);
    if (joins_channels(extended, result, psf_size, psf))
        return convolve(ctx, from, pel_size_make(size.w, size.h, size.d * size.c, 1), psf, psf_size,
                        border, to);
    float *work = valid ? NULL : pel_alloc_floats(pel_size_plane(extended));
    if (!valid && work == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    pel_status status = PEL_OK;
    pel_conv *conv = NULL;
    for (size_t c = 0; c < size.c && status == PEL_OK; c++) {
        const float *plane = from + c * pel_size_plane(size);
        if (conv == NULL || psf_size.c > 1) {
            pel_conv_free(conv);
            conv = NULL;
            pel_conv_spec spec = {
                .in = extended,
                .out = result,
                .offset = {(ptrdiff_t)(psf_size.w - 1 - psf_size.w / 2),
                           (ptrdiff_t)(psf_size.h - 1 - psf_size.h / 2),
                           (ptrdiff_t)(psf_size.d - 1 - psf_size.d / 2)},
                .psf = psf + (psf_size.c > 1 ? c * pel_size_plane(psf_size) : 0),
                .psf_size = psf_size,
            };
            status = pel_conv_new(ctx, &spec, &conv);
            if (status != PEL_OK)
                break;
        }
        if (!valid) {
            extend(plane, size, psf_size, border, extended, work);
            plane = work;
        }
        pel_conv_apply(conv, plane, to + c * pel_size_plane(result), NULL, NULL);
    }
    pel_conv_free(conv);
    pel_free(work);
    return status;
}

pel_status pel_convolve(const pel_context *ctx, const float *from, pel_size size, const float *psf,
                        pel_size psf_size, pel_border border, float *to)
{
    /* Waking the pool takes as long as a small picture: the programs of a pipe have better use of the
     * cores. */
    pel_context own = *ctx;
    if (pel_size_count(size) <= PEL_POOL_SMALL)
        own.pool = NULL;
    return convolve(&own, from, size, psf, psf_size, border, to);
}
