/* exposure.c - the mean over the exposure of the picture and what moves before it.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Planes of the picture's stack: the light of each channel; what highlights add to it, if anything; the mask.  A
 * layer's stack holds the same, each times the layer's solidity, and that solidity after the light and at the end:
 * once interpolated by cubics and once by lines, as what it goes with is, so that weights always add up to 1. */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/pool.h>

#include "motion-internal.h"

#define FRAME 4 /* samples around a stack: what taps reach, and a little rounding */

typedef struct {
    const pel_exposure *exposure;
    const pel_still *still;
    const pel_light *light;
    size_t instants, channels, added, masks; /* planes: `added` 0 or as many as channels */
    pel_region region;
    motion_stack picture, layers[PEL_LAYERS];
    motion_map *maps; /* for each instant that of the camera, then those of the layers */
    float *low, *high; /* the range of each channel's light */
    struct row_scratch {
        float *now, *part, *sum; /* planes of the region's width */
        motion_scratch *warp;
    } *scratch; /* one a thread */
    pel_cpu level;
    float *to, *mask_to;
} job;

static size_t planes_of(const job *j)
{
    return j->channels + j->added + j->masks;
}

/* ---- Before: maps and stacks */

/* Maps take samples of the region to samples of the stack's picture. */
static pel_status make_maps(const pel_context *ctx, job *j)
{
    const pel_exposure *e = j->exposure;
    size_t each = 1 + e->layer_count;
    double rx = (double)j->region.x, ry = (double)j->region.y;
    j->maps = pel_alloc(j->instants * each * sizeof *j->maps);
    if (j->maps == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    for (size_t i = 0; i < j->instants * each; i++) {
        const pel_layer *layer = i % each > 0 ? &e->layers[i % each - 1] : NULL;
        double t = motion_time(i / each, j->instants);
        motion_map m = motion_map_at(layer != NULL ? &layer->motion : &e->camera, t);
        m.x0 += m.xx * rx + m.xy * ry - (layer != NULL ? (double)layer->x : 0);
        m.y0 += m.yx * rx + m.yy * ry - (layer != NULL ? (double)layer->y : 0);
        j->maps[i] = m;
    }
    return PEL_OK;
}

/* How far outside of the picture the camera looks, in whole samples. */
static ptrdiff_t reach(const job *j)
{
    double most = 0, w = (double)j->region.size.w - 1, h = (double)j->region.size.h - 1;
    for (size_t i = 0; i < j->instants; i++) {
        const motion_map *m = &j->maps[i * (1 + j->exposure->layer_count)];
        for (int k = 0; k < 4; k++) {
            double qx = k % 2 * w, qy = (double)(k / 2) * h;
            double x = m->xx * qx + m->xy * qy + m->x0, y = m->yx * qx + m->yy * qy + m->y0;
            most = fmax(most, fmax(fmax(-x, x - (double)j->still->size.w + 1),
                                   fmax(-y, y - (double)j->still->size.h + 1)));
        }
    }
    return (ptrdiff_t)ceil(most);
}

/* The frame of a plane: the picture mirrored. */
static void reflect_frame(const motion_stack *s, size_t plane, pel_size size)
{
    float *inside = motion_stack_plane(s, plane);
    ptrdiff_t pad = s->pad, w = (ptrdiff_t)size.w, h = (ptrdiff_t)size.h, stride = (ptrdiff_t)s->w;
    for (ptrdiff_t y = 0; y < h; y++) {
        float *row = inside + y * stride;
        for (ptrdiff_t x = -pad; x < w + pad; x += x == -1 ? w + 1 : 1)
            row[x] = row[pel_border_index(x, size.w, PEL_BORDER_REFLECT)];
    }
    for (ptrdiff_t y = -pad; y < h + pad; y += y == -1 ? h + 1 : 1)
        memcpy(inside + y * stride - pad,
               inside + pel_border_index(y, size.h, PEL_BORDER_REFLECT) * stride - pad, s->w * sizeof *inside);
}

/* Channel c as light, with its range. */
static void fill_light(job *j, size_t c)
{
    const pel_size size = j->still->size;
    float *to = motion_stack_plane(&j->picture, c), low = INFINITY, high = -INFINITY;
    for (size_t y = 0; y < size.h; y++, to += j->picture.w) {
        pel_transfer_to_light(j->light->transfer, j->still->samples + (c * size.h + y) * size.w, size.w,
                              j->light->black, j->light->white, to);
        for (size_t x = 0; x < size.w; x++) {
            low = to[x] < low ? to[x] : low;
            high = to[x] > high ? to[x] : high;
        }
    }
    j->low[c] = low;
    j->high[c] = high;
}

static void fill_added(job *j, size_t c)
{
    const float *from = motion_stack_plane(&j->picture, c);
    float *to = motion_stack_plane(&j->picture, j->channels + c);
    for (size_t y = 0; y < j->still->size.h; y++, from += j->picture.w, to += j->picture.w)
        for (size_t x = 0; x < j->still->size.w; x++)
            to[x] = motion_excess(from[x], j->light->highlights);
}

static pel_status fill_picture(const pel_context *ctx, job *j)
{
    const pel_size size = j->still->size;
    pel_status status = motion_stack_new(ctx, size, FRAME + reach(j), planes_of(j), j->channels, &j->picture);
    if (status != PEL_OK)
        return status;
    for (size_t c = 0; c < j->channels; c++)
        fill_light(j, c);
    for (size_t c = 0; c < j->added; c++)
        fill_added(j, c);
    for (size_t m = 0; m < j->masks; m++)
        for (size_t y = 0; y < size.h; y++)
            memcpy(motion_stack_plane(&j->picture, j->channels + j->added + m) + y * j->picture.w,
                   j->still->mask + (m * size.h + y) * size.w, size.w * sizeof(float));
    for (size_t p = 0; p < planes_of(j); p++)
        reflect_frame(&j->picture, p, size);
    return PEL_OK;
}

/* Plane p of the picture in a layer's stack, and how solid the layer is there. */
static size_t layer_plane(const job *j, size_t p)
{
    return p < j->channels ? p : p + 1;
}

static size_t layer_alpha(const job *j, size_t p)
{
    return p < j->channels ? j->channels : planes_of(j) + 1;
}

static pel_status fill_layer(const pel_context *ctx, job *j, size_t i)
{
    const pel_layer *layer = &j->exposure->layers[i];
    motion_stack *s = &j->layers[i];
    size_t planes = planes_of(j), side = layer->side;
    size_t all = planes + (planes > j->channels ? 2 : 1);
    pel_status status = motion_stack_new(ctx, pel_size_make(side, side, 1, 1), FRAME, all, j->channels + 1, s);
    float *alpha = pel_alloc_floats(side * side);
    if (status == PEL_OK && alpha == NULL)
        status = pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    if (status == PEL_OK) {
        memset(s->samples, 0, all * s->h * s->w * sizeof(float));
        motion_blob(layer, alpha);
    }
    for (size_t at = 0; at < side * side && status == PEL_OK; at++) {
        size_t x = at % side, y = at / side, fx, fy;
        if (alpha[at] == 0)
            continue;
        motion_layer_source(layer, x, y, &fx, &fy);
        for (size_t p = 0; p < planes; p++) {
            motion_stack_plane(s, layer_plane(j, p))[y * s->w + x] =
                alpha[at] * motion_stack_plane(&j->picture, p)[fy * j->picture.w + fx];
            motion_stack_plane(s, layer_alpha(j, p))[y * s->w + x] = alpha[at];
        }
    }
    pel_free(alpha);
    return status;
}

static pel_status new_scratch(const pel_context *ctx, job *j)
{
    size_t threads = pel_pool_threads(ctx->pool), width = j->picture.w, row = planes_of(j) * j->region.size.w;
    for (size_t i = 0; i < j->exposure->layer_count; i++)
        width = j->layers[i].w > width ? j->layers[i].w : width;
    j->scratch = pel_alloc(threads * sizeof *j->scratch);
    if (j->scratch == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    memset(j->scratch, 0, threads * sizeof *j->scratch);
    for (size_t i = 0; i < threads; i++) {
        struct row_scratch *s = &j->scratch[i];
        s->now = pel_alloc_floats(row);
        s->sum = pel_alloc_floats(row);
        s->part = pel_alloc_floats(row + 2 * j->region.size.w);
        s->warp = motion_scratch_new(width);
        if (s->now == NULL || s->sum == NULL || s->part == NULL || s->warp == NULL)
            return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    }
    return PEL_OK;
}

/* ---- Row by row */

static void lay_over(const job *j, const struct row_scratch *s, const ptrdiff_t x[2])
{
    size_t w = j->region.size.w;
    for (size_t p = 0; p < planes_of(j); p++) {
        float *restrict now = s->now + p * w;
        const float *restrict part = s->part + layer_plane(j, p) * w;
        const float *restrict alpha = s->part + layer_alpha(j, p) * w;
        for (ptrdiff_t i = x[0]; i < x[1]; i++)
            now[i] += part[i] - alpha[i] * now[i];
    }
}

/* Light adds up; of a mask the least remains. */
static void add(const job *j, const struct row_scratch *s)
{
    size_t w = j->region.size.w, light = (j->channels + j->added) * w, all = planes_of(j) * w;
    float *restrict sum = s->sum;
    const float *restrict now = s->now;
    for (size_t i = 0; i < light; i++)
        sum[i] += now[i];
    for (size_t i = light; i < all; i++)
        sum[i] = now[i] < sum[i] ? now[i] : sum[i];
}

/* Interpolation by cubics may go beyond the range of what it is made from; light does not. */
static void finish(const job *j, const struct row_scratch *s, size_t y)
{
    size_t w = j->region.size.w, h = j->region.size.h;
    float scale = 1 / (float)j->instants;
    for (size_t c = 0; c < j->channels; c++) {
        float *sum = s->sum + c * w, low = j->low[c], high = j->high[c];
        const float *added = sum + j->channels * w;
        for (size_t x = 0; x < w; x++) {
            float v = sum[x] * scale;
            v = v < low ? low : v > high ? high : v;
            if (j->added > 0)
                v = fminf(v + added[x] * scale, 1);
            sum[x] = v;
        }
        pel_transfer_to_codes(j->light->transfer, sum, w, j->light->black, j->light->white,
                              j->to + (c * h + y) * w);
    }
    for (size_t m = 0; m < j->masks; m++)
        memcpy(j->mask_to + (m * h + y) * w, s->sum + (j->channels + j->added + m) * w, w * sizeof(float));
}

static void blur_row(void *arg, size_t y, size_t worker)
{
    const job *j = arg;
    const struct row_scratch *s = &j->scratch[worker];
    size_t w = j->region.size.w, light = (j->channels + j->added) * w, all = planes_of(j) * w;
    const motion_map *map = j->maps;
    for (size_t i = 0; i < all; i++)
        s->sum[i] = i < light ? 0 : INFINITY;
    for (size_t n = 0; n < j->instants; n++) {
        ptrdiff_t x[2] = {0, (ptrdiff_t)w};
        motion_row(&j->picture, map++, (ptrdiff_t)y, x, w, s->warp, j->level, s->now);
        for (size_t i = 0; i < j->exposure->layer_count; i++, map++) {
            ptrdiff_t span[2] = {0, (ptrdiff_t)w};
            if (motion_row(&j->layers[i], map, (ptrdiff_t)y, span, w, s->warp, j->level, s->part))
                lay_over(j, s, span);
        }
        add(j, s);
    }
    finish(j, s, y);
}

static void free_job(job *j, size_t threads)
{
    for (size_t i = 0; i < threads && j->scratch != NULL; i++) {
        pel_free(j->scratch[i].now);
        pel_free(j->scratch[i].sum);
        pel_free(j->scratch[i].part);
        motion_scratch_free(j->scratch[i].warp);
    }
    pel_free(j->scratch);
    for (size_t i = 0; i < j->exposure->layer_count; i++)
        pel_free(j->layers[i].samples);
    pel_free(j->picture.samples);
    pel_free(j->maps);
    pel_free(j->low);
    pel_free(j->high);
}

/* Is there anything that highlights raise? */
static bool has_highlights(const pel_still *still, const pel_light *light)
{
    float from = MOTION_BRIGHT;
    if (!(light->highlights > 1))
        return false;
    pel_transfer_to_codes(light->transfer, &from, 1, light->black, light->white, &from);
    for (size_t i = 0; i < pel_size_count(still->size); i++)
        if (still->samples[i] > from)
            return true;
    return false;
}

pel_status pel_exposure_blur(const pel_context *ctx, const pel_exposure *e, size_t instants, const pel_still *still,
                             const pel_light *light, pel_region region, float *to, float *mask_to)
{
    if (still->size.d != 1 || pel_size_count(still->size) == 0 || instants == 0)
        return pel_error_set(ctx->error, PEL_EINVAL, "only a picture can be exposed, at one instant or more");
    size_t channels = still->size.c, threads = pel_pool_threads(ctx->pool);
    job j = {.exposure = e, .still = still, .light = light, .instants = instants, .channels = channels,
             .added = has_highlights(still, light) ? channels : 0,
             .masks = still->mask != NULL ? still->mask_channels : 0, .region = region,
             .low = pel_alloc_floats(channels), .high = pel_alloc_floats(channels), .to = to, .mask_to = mask_to};
    pel_status status = j.low != NULL && j.high != NULL
                            ? pel_cpu_level(&j.level, ctx->error)
                            : pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    if (status == PEL_OK)
        status = make_maps(ctx, &j);
    if (status == PEL_OK)
        status = fill_picture(ctx, &j);
    for (size_t i = 0; i < e->layer_count && status == PEL_OK; i++)
        status = fill_layer(ctx, &j, i);
    if (status == PEL_OK)
        status = new_scratch(ctx, &j);
    pel_pool *pool = pel_size_count(region.size) > PEL_POOL_SMALL ? ctx->pool : NULL;
    if (status == PEL_OK)
        pel_pool_run(pool, region.size.h, blur_row, &j);
    free_job(&j, threads);
    return status;
}

/* ---- The middle */

/* A layer of one channel on `light`, filled from `before`, where it is not seen through. */
static void lay_on(const pel_layer *layer, const float *alpha, pel_size size, const float *before, float *light)
{
    for (size_t at = 0; at < layer->side * layer->side; at++) {
        ptrdiff_t x = layer->x + (ptrdiff_t)(at % layer->side), y = layer->y + (ptrdiff_t)(at / layer->side);
        if (alpha[at] == 0 || x < 0 || y < 0 || x >= (ptrdiff_t)size.w || y >= (ptrdiff_t)size.h)
            continue;
        size_t fx, fy;
        motion_layer_source(layer, at % layer->side, at / layer->side, &fx, &fy);
        float *v = light + (size_t)y * size.w + (size_t)x;
        *v += alpha[at] * (before[fy * size.w + fx] - *v);
    }
}

/* One channel; room[0], [1] and [2] hold a plane each, alpha all layers. */
static void expose_middle(const pel_exposure *e, const pel_light *light, const float *alpha, pel_size size,
                          float *samples, float *const room[3])
{
    size_t count = size.w * size.h;
    float *before = room[0], *raised = room[1], *after = room[2];
    pel_transfer_to_light(light->transfer, samples, count, light->black, light->white, before);
    for (size_t i = 0; i < count; i++)
        after[i] = raised[i] = before[i] + motion_excess(before[i], light->highlights);
    for (size_t i = 0; i < e->layer_count; i++) {
        lay_on(&e->layers[i], alpha, size, raised, after);
        alpha += e->layers[i].side * e->layers[i].side;
    }
    for (size_t i = 0; i < count; i++) {
        if (light->highlights > 1)
            after[i] = fminf(after[i], 1);
        if (after[i] != before[i])
            pel_transfer_to_codes(light->transfer, after + i, 1, light->black, light->white, samples + i);
    }
}

pel_status pel_exposure_middle(const pel_context *ctx, const pel_exposure *e, const pel_light *light, float *samples,
                               pel_size size)
{
    size_t count = size.w * size.h, all = 1;
    for (size_t i = 0; i < e->layer_count; i++)
        all += e->layers[i].side * e->layers[i].side;
    float *planes = pel_alloc_floats(3 * count), *alpha = pel_alloc_floats(all);
    bool got = planes != NULL && alpha != NULL;
    for (size_t i = 0, at = 0; i < e->layer_count && got; i++) {
        motion_blob(&e->layers[i], alpha + at);
        at += e->layers[i].side * e->layers[i].side;
    }
    for (size_t c = 0; c < size.c && got; c++)
        expose_middle(e, light, alpha, size, samples + c * count,
                      (float *[]){planes, planes + count, planes + 2 * count});
    pel_free(planes);
    pel_free(alpha);
    return got ? PEL_OK : pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
}
