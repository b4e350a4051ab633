/* blend.c - sums of weighted tiles.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pellucid/blend.h>
#include <pellucid/geometry.h>

#include "frame-internal.h"

enum { MOST_LAYERS = 16 }; /* the image, and companions that follow it */

typedef struct {
    pel_frame *sum; /* of the whole size; role and keys of the first tile's frame */
    size_t tiles;
} layer;

struct pel_blend {
    pel_size whole;
    size_t memory_cap, tiles;
    float *weights;
    layer layers[MOST_LAYERS];
    size_t layer_count;
    pel_bundle constant; /* companions that are not blended, as long as all tiles agree on them */
};

pel_status pel_blend_new(pel_size whole, size_t memory_cap, pel_blend **out, pel_error *error)
{
    size_t bytes;
    if (!pel_size_bytes(whole, sizeof(float), &bytes) || bytes > memory_cap)
        return pel_error_set(error, PEL_ELIMIT,
                             "an image of %zux%zux%zux%zu is over the memory cap (see --memory)",
                             whole.w, whole.h, whole.d, whole.c);
    pel_blend *b = calloc(1, sizeof *b);
    float *weights = pel_calloc_floats(pel_size_plane(whole));
    if (b == NULL || weights == NULL) {
        free(b);
        pel_free(weights);
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    }
    b->whole = whole;
    b->memory_cap = memory_cap;
    b->weights = weights;
    *out = b;
    return PEL_OK;
}

void pel_blend_free(pel_blend *b)
{
    if (b == NULL)
        return;
    for (size_t i = 0; i < b->layer_count; i++)
        pel_frame_unref(b->layers[i].sum);
    pel_bundle_clear(&b->constant);
    pel_free(b->weights);
    free(b);
}

/* Distance to the nearer end of a tile, from 1, for the sides that have a neighbour; a tent. */
static float tent(size_t i, size_t n, size_t start, size_t total)
{
    size_t left = start > 0 ? i + 1 : n, right = start + n < total ? n - i : n;
    return (float)(left < right ? left : right) / (float)n;
}

/* The tents of a tile along its three sides, in one block. */
typedef struct {
    float *x, *y, *z;
} tents;

static pel_status make_tents(pel_size tile, pel_size whole, const size_t corner[3], tents *t,
                             pel_error *error)
{
    t->x = pel_alloc_floats(tile.w + tile.h + tile.d);
    if (t->x == NULL)
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    t->y = t->x + tile.w;
    t->z = t->y + tile.h;
    for (size_t i = 0; i < tile.w; i++)
        t->x[i] = tent(i, tile.w, corner[0], whole.w);
    for (size_t i = 0; i < tile.h; i++)
        t->y[i] = tent(i, tile.h, corner[1], whole.h);
    for (size_t i = 0; i < tile.d; i++)
        t->z[i] = tent(i, tile.d, corner[2], whole.d);
    return PEL_OK;
}

static layer *find_layer(pel_blend *b, const pel_frame *frame)
{
    for (size_t i = 0; i < b->layer_count; i++)
        if (strcmp(b->layers[i].sum->role, frame->role) == 0 &&
            strcmp(pel_frame_slot(b->layers[i].sum), pel_frame_slot(frame)) == 0)
            return &b->layers[i];
    return NULL;
}

static pel_status open_layer(pel_blend *b, const pel_frame *frame, layer **out, pel_error *error)
{
    if (b->layer_count == MOST_LAYERS || b->tiles > 0)
        return pel_error_set(error, PEL_EFORMAT, "a tile has %s, the first has not", frame->role);
    pel_size size = b->whole;
    size.c = frame->size.c;
    size_t bytes;
    if (!pel_size_bytes(size, sizeof(float), &bytes) || bytes > b->memory_cap)
        return pel_error_set(error, PEL_ELIMIT, "%s is over the memory cap (see --memory)",
                             frame->role);
    layer *l = &b->layers[b->layer_count];
    pel_status status = pel_frame_like(frame, NULL, size, &l->sum, error);
    if (status != PEL_OK)
        return status;
    memset(pel_frame_floats(l->sum), 0, l->sum->bytes);
    l->tiles = 0;
    b->layer_count++;
    *out = l;
    return PEL_OK;
}

static pel_status add_frame(pel_blend *b, const pel_frame *tile, const size_t corner[3],
                            const tents *weight, pel_error *error)
{
    layer *l = find_layer(b, tile);
    if (l == NULL) {
        pel_status status = open_layer(b, tile, &l, error);
        if (status != PEL_OK)
            return status;
    }
    if (l->sum->size.c != tile->size.c)
        return pel_error_set(error, PEL_EFORMAT, "the tiles' %s differ in channels", tile->role);
    const pel_size s = tile->size, t = b->whole;
    const float *from = pel_frame_floats(tile);
    for (size_t c = 0; c < s.c; c++)
        for (size_t z = 0; z < s.d; z++)
            for (size_t y = 0; y < s.h; y++) {
                float *to = pel_frame_floats(l->sum) +
                            ((c * t.d + z + corner[2]) * t.h + y + corner[1]) * t.w + corner[0];
                const float yz = weight->y[y] * weight->z[z];
                for (size_t x = 0; x < s.w; x++)
                    to[x] += weight->x[x] * yz * from[x];
                from += s.w;
            }
    l->tiles++;
    return PEL_OK;
}

/* A companion that is not blended stays only while all tiles have the same. */
static pel_status keep_constant(pel_blend *b, const pel_bundle *tile, pel_error *error)
{
    pel_status status = PEL_OK;
    for (size_t i = 0; i < tile->count && status == PEL_OK && b->tiles == 0; i++)
        if (!pel_geometry_follows(tile->companions[i], tile->image))
            status = pel_bundle_put(&b->constant, tile->companions[i], error);
    for (size_t i = b->constant.count; i-- > 0 && status == PEL_OK;) {
        pel_frame *kept = b->constant.companions[i];
        const pel_frame *now = pel_bundle_find(tile, kept->role, pel_frame_slot(kept));
        if (now == NULL || !pel_frame_same(kept, now)) {
            char role[32], slot[64];
            snprintf(role, sizeof role, "%s", kept->role);
            snprintf(slot, sizeof slot, "%s", pel_frame_slot(kept));
            pel_bundle_remove(&b->constant, role, slot);
        }
    }
    return status;
}

pel_status pel_blend_add(pel_blend *b, const pel_bundle *tile, size_t x, size_t y, size_t z,
                         pel_error *error)
{
    const size_t corner[3] = {x, y, z};
    const pel_size s = tile->image->size;
    if (s.w > b->whole.w || x > b->whole.w - s.w || s.h > b->whole.h || y > b->whole.h - s.h ||
        s.d > b->whole.d || z > b->whole.d - s.d)
        return pel_error_set(error, PEL_EINVAL, "a tile lies outside the image");
    tents weight;
    pel_status status = make_tents(s, b->whole, corner, &weight, error);
    if (status != PEL_OK)
        return status;
    status = add_frame(b, tile->image, corner, &weight, error);
    for (size_t i = 0; i < tile->count && status == PEL_OK; i++)
        if (pel_geometry_follows(tile->companions[i], tile->image))
            status = add_frame(b, tile->companions[i], corner, &weight, error);
    if (status == PEL_OK)
        status = keep_constant(b, tile, error);
    for (size_t k = 0; k < s.d && status == PEL_OK; k++)
        for (size_t j = 0; j < s.h; j++) {
            float *to = b->weights + ((k + z) * b->whole.h + j + y) * b->whole.w + x;
            for (size_t i = 0; i < s.w; i++)
                to[i] += weight.x[i] * (weight.y[j] * weight.z[k]);
        }
    pel_free(weight.x);
    b->tiles += status == PEL_OK;
    return status;
}

/* The first tile begins at the image's own corner: its origin is the image's. */
static pel_status finish_layer(pel_blend *b, layer *l, pel_error *error)
{
    size_t plane = pel_size_plane(b->whole);
    float *v = pel_frame_floats(l->sum);
    if (l->tiles != b->tiles)
        return pel_error_set(error, PEL_EFORMAT, "only %zu of %zu tiles have %s", l->tiles, b->tiles,
                             l->sum->role);
    for (size_t c = 0; c < l->sum->size.c; c++, v += plane)
        for (size_t i = 0; i < plane; i++)
            v[i] /= b->weights[i];
    const char *origin = pel_frame_key(l->sum, "origin");
    if (origin != NULL && strcmp(origin, "0,0,0") == 0)
        (void)pel_frame_set(l->sum, "origin", NULL, error);
    return pel_frame_set(l->sum, "tile", NULL, error);
}

pel_status pel_blend_finish(pel_blend *b, pel_bundle *out, pel_error *error)
{
    for (size_t i = 0; i < pel_size_plane(b->whole); i++)
        if (!(b->weights[i] > 0))
            return pel_error_set(error, PEL_EFORMAT, "the tiles do not cover the image");
    pel_status status = PEL_OK;
    for (size_t i = 0; i < b->constant.count && status == PEL_OK; i++)
        status = pel_bundle_put(out, b->constant.companions[i], error);
    for (size_t i = 0; i < b->layer_count && status == PEL_OK; i++) {
        layer *l = &b->layers[i];
        status = finish_layer(b, l, error);
        if (status != PEL_OK)
            break;
        if (strcmp(l->sum->role, "image") == 0)
            pel_bundle_set_image(out, l->sum);
        else
            status = pel_bundle_put(out, l->sum, error);
    }
    return status;
}
