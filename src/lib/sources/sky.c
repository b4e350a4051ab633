/* sky.c - the level and noise of what lies between the sources.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>

#include <pellucid/stats.h>

#include "sources-internal.h"

#define TILE 64
#define CLIP 3.0

pel_status sources_level_of(const pel_context *ctx, float *values, size_t count, sources_level *level)
{
    float *deviation = pel_alloc_floats(count);
    if (deviation == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    pel_status status = PEL_OK;
    *level = (sources_level){0, 0};
    for (int round = 0; round < 3 && count > 0 && status == PEL_OK; round++) {
        double deviant = 0;
        status = pel_stats_quantile(ctx, values, count, 0.5, &level->level);
        for (size_t i = 0; i < count; i++)
            deviation[i] = fabsf(values[i] - (float)level->level);
        if (status == PEL_OK)
            status = pel_stats_quantile(ctx, deviation, count, 0.5, &deviant);
        level->noise = SOURCES_MAD_TO_SIGMA * deviant;
        size_t kept = 0;
        for (size_t i = 0; i < count; i++)
            if (fabs((double)values[i] - level->level) <= CLIP * level->noise)
                values[kept++] = values[i];
        count = kept;
    }
    pel_free(deviation);
    return status;
}

typedef struct {
    size_t across, down;
    float *level, *noise;
} tiling;

static pel_status measure_tiles(const pel_context *ctx, const float *plane, pel_size size, tiling *t,
                                float *values)
{
    pel_status status = PEL_OK;
    for (size_t n = 0; n < t->across * t->down && status == PEL_OK; n++) {
        size_t tx = n % t->across, ty = n / t->across, count = 0;
        sources_level level;
        for (size_t y = ty * size.h / t->down; y < (ty + 1) * size.h / t->down; y++)
            for (size_t x = tx * size.w / t->across; x < (tx + 1) * size.w / t->across; x++)
                if (isfinite(plane[y * size.w + x]))
                    values[count++] = plane[y * size.w + x];
        status = sources_level_of(ctx, values, count, &level);
        t->level[n] = count > 0 ? (float)level.level : NAN;
        t->noise[n] = count > 0 ? (float)level.noise : NAN;
    }
    return status;
}

/* Which two tiles' centres lie around sample x of `size`, and how far x is from the first to the
 * second. */
static float between(size_t x, size_t size, size_t tiles, size_t *first, size_t *second)
{
    double at = ((double)x + 0.5) / (double)size * (double)tiles - 0.5;
    at = fmin(fmax(at, 0), (double)tiles - 1);
    *first = (size_t)at;
    *second = *first + 1 < tiles ? *first + 1 : *first;
    return (float)(at - (double)*first);
}

static float mix(float a, float b, float part)
{
    return isnan(a) ? b : isnan(b) ? a : a + part * (b - a);
}

static void subtract(const float *plane, pel_size size, const tiling *t, float *detail)
{
    for (size_t y = 0; y < size.h; y++) {
        size_t top, below, left, right;
        float down = between(y, size.h, t->down, &top, &below);
        for (size_t x = 0; x < size.w; x++) {
            float along = between(x, size.w, t->across, &left, &right);
            const float *a = t->level + top * t->across, *b = t->level + below * t->across;
            float sky = mix(mix(a[left], a[right], along), mix(b[left], b[right], along), down);
            float v = plane[y * size.w + x];
            detail[y * size.w + x] = isfinite(v) && isfinite(sky) ? v - sky : 0;
        }
    }
}

pel_status sources_remove_sky(const pel_context *ctx, const float *picture, pel_size size,
                              float *detail, double *noise)
{
    tiling t = {(size.w + TILE / 2) / TILE, (size.h + TILE / 2) / TILE, NULL, NULL};
    t.across += t.across == 0;
    t.down += t.down == 0;
    size_t tiles = t.across * t.down, plane = size.w * size.h;
    float *noises = pel_alloc_floats(size.d * tiles), *values = pel_alloc_floats(plane);
    t.level = pel_alloc_floats(tiles);
    pel_status status = PEL_OK;
    if (noises == NULL || values == NULL || t.level == NULL)
        status = pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    for (size_t z = 0; z < size.d && status == PEL_OK; z++) {
        t.noise = noises + z * tiles;
        status = measure_tiles(ctx, picture + z * plane, size, &t, values);
        if (status == PEL_OK)
            subtract(picture + z * plane, size, &t, detail + z * plane);
    }
    if (status == PEL_OK)
        status = pel_stats_quantile(ctx, noises, size.d * tiles, 0.5, noise);
    pel_free(noises);
    pel_free(values);
    pel_free(t.level);
    return status;
}
