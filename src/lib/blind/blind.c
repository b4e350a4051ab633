/* blind.c - the kernel from coarse to fine.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The frame of S. Cho & S. Lee, "Fast motion deblurring" (ToG 28, 2009) and what followed: at each scale
 * a latent picture and the kernel in turn, the priors' weights falling from one to the next (Pan et
 * al. 2014).  At the finest scale the kernel is then refined with latent pictures of least total
 * variation, which are closer to the true one than those that find the kernel. */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/resize.h>

#include <pellucid/fill.h>
#include "blind-internal.h"

#define RATIO M_SQRT1_2   /* from scale to scale */
#define COARSEST 5.0      /* side of the kernel there */
#define ITERATIONS 6
#define FALL 1.1          /* of the weights, each iteration */

/* Measured on 32 pictures, see kernel.c. */
#define REFINEMENTS 6
#define TV_WEIGHT 3e-4

typedef struct {
    const pel_context *ctx;
    const pel_blind_params *params;
    const blind_method *method;
    const float *picture, *mask;
    pel_size size;
    long iterations;
    double lambda, mu;
    double done, whole;   /* samples worked on, for progress */
    float *kernel;        /* of the last scale */
    size_t side;
} search;

static pel_status tick(search *b, const blind_scale *s)
{
    b->done += (double)s->grid.count;
    return pel_context_tick(b->ctx, fmin(b->done / b->whole, 1))
               ? PEL_OK
               : pel_error_set(b->ctx->error, PEL_ECLOSED, "stopped");
}

/* The picture and mask at `scale`, opened as *s. */
static pel_status open_scale(const search *b, double scale, size_t side, blind_scale *s)
{
    pel_size at = b->size;
    at.w = (size_t)fmax(lround((double)b->size.w * scale), 1);
    at.h = (size_t)fmax(lround((double)b->size.h * scale), 1);
    if (at.w == b->size.w && at.h == b->size.h)
        return blind_scale_open(b->ctx, b->picture, b->mask, at, side, s);
    size_t count = at.w * at.h;
    float *memory = pel_alloc_floats(2 * count), *mask = b->mask != NULL ? memory + count : NULL;
    if (memory == NULL)
        return pel_error_set(b->ctx->error, PEL_ENOMEM, "out of memory");
    pel_status status = pel_resize(b->ctx, b->picture, b->size, memory, at);
    if (status == PEL_OK && mask != NULL)
        status = pel_resize(b->ctx, b->mask, b->size, mask, at);
    if (status == PEL_OK)
        status = blind_scale_open(b->ctx, memory, mask, at, side, s);
    pel_free(memory);
    return status;
}

static pel_status step(search *b, blind_scale *s, pel_status (*latent)(blind_scale *s),
                       pel_status (*kernel)(blind_scale *s), bool centred)
{
    pel_status status = blind_scale_transfer(s);
    if (centred)
        blind_scale_centre_transfer(s);
    if (status == PEL_OK)
        status = latent(s);
    if (status == PEL_OK)
        status = kernel(s);
    return status == PEL_OK ? tick(b, s) : status;
}

/* Works at one scale, from b->kernel (NULL: from two samples beside each other) to b->kernel. */
static pel_status work_at(search *b, blind_scale *s, double enlarge)
{
    size_t count = s->side * s->side;
    pel_status status = PEL_OK;
    if (b->kernel != NULL)
        status = blind_kernel_enlarge(b->ctx, b->kernel, b->side, enlarge, s->kernel, s->side);
    else
        s->kernel[count / 2] = s->kernel[count / 2 + 1] = 0.5f;
    for (long i = 0; i < b->iterations && status == PEL_OK; i++) {
        s->lambda = b->lambda;
        s->mu = b->mu;
        status = step(b, s, b->method->latent, b->method->kernel, false);
        b->lambda = fmax(b->lambda / FALL, b->method->lambda_least);
        b->mu = fmax(b->mu / FALL, b->method->mu_least);
    }
    float *kernel = pel_alloc_floats(count);
    if (kernel == NULL)
        return pel_error_set(b->ctx->error, PEL_ENOMEM, "out of memory");
    memcpy(kernel, s->kernel, count * sizeof *kernel);
    pel_free(b->kernel);
    b->kernel = kernel;
    b->side = s->side;
    return status;
}

/* At the finest scale.  Kernels of neighbouring tiles are to agree on where the picture is: their centres of
 * mass come to the middle by parts of a sample here.  *s stays open for what is asked of it afterwards. */
static pel_status refine(search *b, blind_scale *s)
{
    pel_status status = PEL_OK;
    s->mu = TV_WEIGHT;
    for (int i = 0; i < REFINEMENTS && status == PEL_OK; i++)
        status = step(b, s, blind_latent_tv, blind_kernel_step, true);
    if (status == PEL_OK && !blind_kernel_is_blur(s->kernel, s->side)) {
        memset(s->kernel, 0, s->side * s->side * sizeof *s->kernel);
        s->kernel[s->side * s->side / 2] = 1;
    }
    memcpy(b->kernel, s->kernel, s->side * s->side * sizeof *b->kernel);
    return status;
}

/* From the coarsest scale to `finest` of the picture, with kernels of `side` there. */
static pel_status descend(search *b, double finest, size_t side, blind_scale *s)
{
    int scales = 1 + (int)fmax(floor(log(COARSEST / (double)side) / log(RATIO)), 0);
    b->lambda = b->method->lambda;
    b->mu = b->method->mu;
    pel_status status = PEL_OK;
    if (b->params->start != NULL) {
        for (long i = 0; i < (scales - 1) * b->iterations; i++) {
            b->lambda = fmax(b->lambda / FALL, b->method->lambda_least);
            b->mu = fmax(b->mu / FALL, b->method->mu_least);
        }
        scales = 1;
    }
    for (int i = scales - 1; i >= 0 && status == PEL_OK; i--) {
        double scale = pow(RATIO, i);
        size_t n = (size_t)ceil((double)side * scale) | 1;
        blind_scale_close(s);
        status = open_scale(b, finest * scale, n, s);
        if (status == PEL_OK)
            status = work_at(b, s, b->params->start != NULL ? 1 : RATIO);
    }
    return status;
}

/* ---- The side of the kernel */

#define PROBE 13      /* side of the kernels that look for the extent */
#define GROWTH 1.5
#define FILLED 0.75   /* of that side: a kernel that reaches farther is looked for with a larger one */

size_t pel_blind_most_side(pel_size size)
{
    size_t least = size.w < size.h ? size.w : size.h, side = least / 4 | 1;
    return side < 7 ? 7 : side > 127 ? 127 : side;
}

/* How far the kernel reaches, in samples from side to side. */
static size_t extent(const float *kernel, size_t side)
{
    size_t low[2] = {side, side}, high[2] = {0, 0};
    for (size_t i = 0; i < side * side; i++) {
        const size_t at[2] = {i % side, i / side};
        for (int axis = 0; axis < 2 && kernel[i] > 0; axis++) {
            low[axis] = at[axis] < low[axis] ? at[axis] : low[axis];
            high[axis] = at[axis] > high[axis] ? at[axis] : high[axis];
        }
    }
    size_t w = high[0] + 1 - low[0], h = high[1] + 1 - low[1];
    return w > h ? w : h;
}

/* Looks with kernels that grow, at pictures that shrink as they do: the first that does not fill its
 * square is large enough.  Too large a kernel is filled with noise, and tells nothing: where all fill their
 * squares the least filled one decides. */
static pel_status find_side(search *b, size_t *side)
{
    double most = (double)pel_blind_most_side(b->size), reached = fmin(9, most);
    double least = HUGE_VAL; /* filled */
    b->whole = HUGE_VAL;
    for (;;) {
        double scale = reached > PROBE ? PROBE / reached : 1;
        size_t n = reached > PROBE ? PROBE : (size_t)reached | 1;
        blind_scale s;
        memset(&s, 0, sizeof s);
        pel_status status = descend(b, scale, n, &s);
        blind_scale_close(&s);
        size_t reach = status == PEL_OK ? extent(b->kernel, b->side) : 0;
        pel_free(b->kernel);
        b->kernel = NULL;
        if (status != PEL_OK)
            return status;
        double filled = (double)reach / (double)n;
        if (filled < least) {
            *side = (size_t)fmin(ceil((double)(reach + 2) / scale), most) | 1;
            least = filled;
        }
        if (reached >= most || filled <= FILLED)
            return PEL_OK;
        reached = fmin(GROWTH * reached, most);
    }
}

/* ---- Agreement of the halves */

#define HALF_ITERATIONS 4
#define HALF_LEAST 5 /* side of the smallest kernels that are compared */

/* The kernel of columns [from, from + w) alone, at half the scale. */
static pel_status estimate_half(const search *whole, size_t from, size_t w, size_t side, float *kernel)
{
    pel_blind_params params = *whole->params;
    params.start = NULL;
    search b = *whole;
    blind_scale s;
    memset(&s, 0, sizeof s);
    b.params = &params;
    b.kernel = NULL;
    b.size.w = w;
    b.iterations = HALF_ITERATIONS;
    float *memory = pel_alloc_floats(2 * w * b.size.h), *mask = memory + w * b.size.h;
    if (memory == NULL)
        return pel_error_set(b.ctx->error, PEL_ENOMEM, "out of memory");
    for (size_t y = 0; y < b.size.h; y++) {
        memcpy(memory + y * w, whole->picture + y * whole->size.w + from, w * sizeof *memory);
        if (whole->mask != NULL)
            memcpy(mask + y * w, whole->mask + y * whole->size.w + from, w * sizeof *mask);
    }
    b.picture = memory;
    b.mask = whole->mask != NULL ? mask : NULL;
    pel_status status = descend(&b, 0.5, side, &s);
    if (status == PEL_OK)
        memcpy(kernel, b.kernel, side * side * sizeof *kernel);
    blind_scale_close(&s);
    pel_free(b.kernel);
    pel_free(memory);
    return status;
}

static pel_status compare_halves(const search *b, double *agreement)
{
    size_t half = b->size.w / 2, side = (b->side + 1) / 2 | 1;
    side = side > HALF_LEAST ? side : HALF_LEAST;
    float *kernels = pel_alloc_floats(2 * side * side);
    if (kernels == NULL)
        return pel_error_set(b->ctx->error, PEL_ENOMEM, "out of memory");
    pel_status status = estimate_half(b, 0, half, side, kernels);
    if (status == PEL_OK)
        status = estimate_half(b, b->size.w - half, half, side, kernels + side * side);
    *agreement = blind_agreement(kernels, kernels + side * side, side);
    pel_free(kernels);
    return status;
}

/* ---- The whole */

static pel_status take_start(search *b, size_t side)
{
    const pel_blind_params *p = b->params;
    b->side = side;
    b->kernel = pel_alloc_floats(side * side);
    if (b->kernel == NULL)
        return pel_error_set(b->ctx->error, PEL_ENOMEM, "out of memory");
    return blind_kernel_enlarge(b->ctx, p->start, p->start_side, 1, b->kernel, side);
}

static pel_status run(search *b, float **psf, pel_blind_report *report)
{
    blind_scale s;
    size_t side = b->params->side;
    memset(&s, 0, sizeof s);
    double trust = 0, agreement = 0;
    pel_status status = PEL_OK;
    if (side == 0 && b->params->start != NULL)
        side = b->params->start_side | 1;
    else if (side == 0)
        status = find_side(b, &side);
    if (status == PEL_OK && b->params->start != NULL)
        status = take_start(b, side);
    double finest = (double)(b->size.w + side) * (double)(b->size.h + side);
    b->done = 0;
    b->whole = finest * (2 * (double)b->iterations + REFINEMENTS);
    if (status == PEL_OK)
        status = descend(b, 1, side, &s);
    if (status == PEL_OK)
        status = refine(b, &s);
    if (status == PEL_OK) {
        report->side = side;
        status = blind_judge(&s, &report->residual, &trust);
    }
    blind_scale_close(&s);
    if (status == PEL_OK)
        status = compare_halves(b, &agreement);
    report->confidence = trust * agreement;
    if (status == PEL_OK) {
        *psf = b->kernel;
        b->kernel = NULL;
    }
    pel_free(b->kernel);
    return status;
}

pel_status pel_blind(const pel_context *ctx, const float *picture, const float *mask, pel_size size,
                     const pel_blind_params *params, float **psf, pel_blind_report *report)
{
    size_t least = size.w < size.h ? size.w : size.h;
    if (size.d != 1 || size.c != 1 || least < 8)
        return pel_error_set(ctx->error, PEL_EINVAL,
                             "a picture of %zux%zux%zu is too small to estimate a PSF from", size.w,
                             size.h, size.d);
    if (params->side != 0 && (params->side % 2 == 0 || params->side < 3 || params->side > least))
        return pel_error_set(ctx->error, PEL_EINVAL,
                             "a kernel of %zu samples a side for a picture of %zux%zu: an odd number "
                             "from 3 to the picture's size is needed", params->side, size.w, size.h);
    float *filled = pel_alloc_floats(size.w * size.h);
    if (filled == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "no memory for a picture of %zux%zu", size.w,
                             size.h);
    pel_status status = pel_fill_holes(ctx, picture, mask, size, filled);
    search b = {.ctx = ctx, .params = params, .method = blind_method_of(params->method),
                .picture = filled, .mask = mask, .size = size,
                .iterations = params->iterations > 0 ? params->iterations : ITERATIONS};
    if (status == PEL_OK)
        status = run(&b, psf, report);
    pel_free(filled);
    return status;
}
