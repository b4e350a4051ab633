/* resize.c - pictures at another size: one pass along y, one along x.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/pool.h>
#include <pellucid/resize.h>

/* For each sample of the result: `taps` weights that sum to 1, of the samples from `first` on. */
typedef struct {
    size_t taps;
    size_t *first;
    float *weights;
} axis;

static void free_axis(axis *a)
{
    pel_free(a->first);
    pel_free(a->weights);
}

static pel_status plan_axis(const pel_context *ctx, size_t from, size_t to, axis *a)
{
    double step = (double)from / (double)to, reach = fmax(step, 1);
    size_t taps = (size_t)ceil(2 * reach) + 1;
    a->taps = taps < from ? taps : from;
    a->first = pel_alloc(to * sizeof *a->first);
    a->weights = pel_alloc_floats(to * a->taps);
    if (a->first == NULL || a->weights == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    for (size_t i = 0; i < to; i++) {
        double at = ((double)i + 0.5) * step - 0.5, sum = 0;
        double lowest = fmin(fmax(ceil(at - reach), 0), (double)(from - a->taps));
        float *w = a->weights + i * a->taps;
        a->first[i] = (size_t)lowest;
        for (size_t k = 0; k < a->taps; k++) {
            double t = 1 - fabs((double)(a->first[i] + k) - at) / reach;
            w[k] = t > 0 ? (float)t : 0;
            sum += (double)w[k];
        }
        for (size_t k = 0; k < a->taps; k++)
            w[k] = (float)((double)w[k] / sum);
    }
    return PEL_OK;
}

typedef struct {
    const float *from;
    float *between, *to;
    pel_size size, to_size;
    axis x, y;
} resizing;

/* Row `index` (of all channels) of the result. */
static void resize_row(void *arg, size_t index, size_t worker)
{
    const resizing *r = arg;
    size_t w = r->size.w, row = index % r->to_size.h, channel = index / r->to_size.h;
    const float *from = r->from + (channel * r->size.h + r->y.first[row]) * w;
    const float *weights = r->y.weights + row * r->y.taps;
    float *between = r->between + worker * w, *to = r->to + index * r->to_size.w;
    memset(between, 0, w * sizeof *between);
    for (size_t k = 0; k < r->y.taps; k++)
        for (size_t i = 0; i < w; i++)
            between[i] += weights[k] * from[k * w + i];
    for (size_t i = 0; i < r->to_size.w; i++) {
        const float *at = between + r->x.first[i], *v = r->x.weights + i * r->x.taps;
        float sum = 0;
        for (size_t k = 0; k < r->x.taps; k++)
            sum += v[k] * at[k];
        to[i] = sum;
    }
}

pel_status pel_resize(const pel_context *ctx, const float *from, pel_size size, float *to,
                      pel_size to_size)
{
    if (pel_size_count(size) == 0 || pel_size_count(to_size) == 0 || size.d != 1 ||
        to_size.d != 1 || size.c != to_size.c)
        return pel_error_set(ctx->error, PEL_EINVAL, "a picture of %zux%zu cannot become %zux%zu",
                             size.w, size.h, to_size.w, to_size.h);
    resizing r = {from, NULL, to, size, to_size, {0, NULL, NULL}, {0, NULL, NULL}};
    r.between = pel_alloc_floats(size.w * pel_pool_threads(ctx->pool));
    pel_status status = r.between != NULL
                            ? plan_axis(ctx, size.w, to_size.w, &r.x)
                            : pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    if (status == PEL_OK)
        status = plan_axis(ctx, size.h, to_size.h, &r.y);
    if (status == PEL_OK)
        pel_pool_run(ctx->pool, to_size.h * size.c, resize_row, &r);
    free_axis(&r.x);
    free_axis(&r.y);
    pel_free(r.between);
    return status;
}
