/* move.c - steps that only move samples: Concat, Slice, Pad, DepthToSpace, SpaceToDepth.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include <pellucid/pool.h>

#include "plan.h"

/* Output pixel (x, y), channel n is input pixel (x_of[x], y_of[y]), channel first + n; an index of -1 is
 * `fill`.  Concat: into the channels from `first_out` on. */
typedef struct {
    size_t first, first_out, channels;
    ptrdiff_t *x_of, *y_of;
    float fill;
    /* DepthToSpace (block > 0) and SpaceToDepth (block < 0). */
    ptrdiff_t block;
    bool columns_first; /* CRD */
} move;

typedef struct {
    const step *s;
    const pel_network *n;
    picture in, out;
    size_t y0;
} work;

static void move_free(step *s)
{
    move *m = s->data;
    pel_free(m->x_of);
    pel_free(m->y_of);
}

static void move_needs(const step *s, const plan *p, size_t k, int axis, size_t first, size_t end, ptrdiff_t *from,
                       ptrdiff_t *to)
{
    const move *m = s->data;
    const ptrdiff_t *of = axis == 0 ? m->y_of : m->x_of;
    (void)p;
    (void)k;
    if (of == NULL)
        return;
    *from = PTRDIFF_MAX;
    *to = 0;
    for (size_t i = first; i < end; i++)
        if (of[i] >= 0) {
            *from = of[i] < *from ? of[i] : *from;
            *to = of[i] + 1 > *to ? of[i] + 1 : *to;
        }
    *from = *from < *to ? *from : *to;
}

static void move_job(void *arg, size_t index, size_t worker)
{
    const work *w = arg;
    const move *m = w->s->data;
    size_t y = w->y0 + index;
    float *to = picture_row(&w->out, y) + m->first_out;
    ptrdiff_t from_y = m->y_of != NULL ? m->y_of[y] : (ptrdiff_t)y;
    const float *from = from_y >= 0 ? picture_row(&w->in, (size_t)from_y) + m->first : NULL;
    (void)worker;
    for (size_t x = 0; x < w->out.buffer->w; x++) {
        ptrdiff_t from_x = m->x_of != NULL ? m->x_of[x] : (ptrdiff_t)x;
        if (from != NULL && from_x >= 0)
            memcpy(to + x * w->out.ld, from + from_x * (ptrdiff_t)w->in.ld, m->channels * sizeof *to);
        else
            for (size_t c = 0; c < m->channels; c++)
                to[x * w->out.ld + c] = m->fill;
    }
}

static work work_of(const step *s, const pel_network *n, size_t y0)
{
    return (work){s, n, plan_picture(&n->plan, s->inputs[0]), plan_picture(&n->plan, s->output), y0};
}

static void move_run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    work w = work_of(s, n, y0);
    pel_pool_run(ctx->pool, y1 - y0, move_job, &w);
}

static const step_kind move_kind = {.name = "move", .needs = move_needs, .run = move_run, .free = move_free};

/* ---- Concat: of what is not made in its place */

static pel_status build_concat(builder *b, graph_node *n, bool *made)
{
    size_t at = 0;
    int64_t axis = pel_node_int(n->node, "axis", 0);
    bool all = build_is_picture(b, n->outputs[0]) && (axis == 1 || axis == -3);
    for (size_t k = 0; k < n->input_count; k++)
        all = all && build_is_picture(b, n->inputs[k]);
    *made = all;
    for (size_t k = 0; k < n->input_count && all; k++) {
        size_t value = n->inputs[k], channels = (size_t)b->p->g.values[value].array.dims[1];
        const place *pl = &b->p->places[value];
        if (pl->parent != n->outputs[0] || pl->channel != at) {
            step *s = build_step(b, &move_kind, sizeof(move), 1, &value, n->outputs[0]);
            if (s == NULL)
                return build_fail(b);
            move *m = s->data;
            m->first_out = at;
            m->channels = channels;
        }
        at += channels;
    }
    return PEL_OK;
}

/* ---- Slice and Pad */

/* The constant input k as numbers, or NULL. */
static const nn_array *numbers(const builder *b, const graph_node *n, size_t k)
{
    if (k >= n->input_count || n->inputs[k] == NONE)
        return NULL;
    const nn_array *a = &b->p->g.values[n->inputs[k]].array;
    return a->values != NULL ? a : NULL;
}

/* The place of `axis` in the list of axes, or NONE; no list: all axes in order. */
static size_t place_of(const nn_array *axes, size_t axis, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double a = axes != NULL ? axes->values[i] : (double)i;
        if (a == (double)axis || a == (double)axis - 4)
            return i;
    }
    return NONE;
}

static ptrdiff_t *slice_axis(const builder *b, const graph_node *n, size_t axis)
{
    const nn_array *starts = numbers(b, n, 1), *axes = numbers(b, n, 3), *steps = numbers(b, n, 4);
    double in = (double)b->p->g.values[n->inputs[0]].array.dims[axis], start = 0, by = 1;
    size_t out = (size_t)b->p->g.values[n->outputs[0]].array.dims[axis];
    size_t at = place_of(axes, axis, nn_array_count(starts));
    if (at != NONE) {
        start = starts->values[at];
        by = steps != NULL ? steps->values[at] : 1;
        start += start < 0 ? in : 0;
        double last = by < 0 ? in - 1 : in;
        start = start < 0 ? 0 : start > last ? last : start;
    }
    ptrdiff_t *from = pel_alloc((out + 1) * sizeof *from);
    for (size_t i = 0; from != NULL && i < out; i++)
        from[i] = (ptrdiff_t)(start + by * (double)i);
    return from;
}

/* Reflection is about the outermost samples; pads that are longer than the picture go to and fro. */
static ptrdiff_t reflect(ptrdiff_t i, ptrdiff_t size)
{
    if (size == 1)
        return 0;
    ptrdiff_t period = 2 * (size - 1);
    i = (i % period + period) % period;
    return i < size ? i : period - i;
}

static ptrdiff_t *pad_axis(const builder *b, const graph_node *n, size_t axis)
{
    const nn_array *pads = numbers(b, n, 1), *axes = numbers(b, n, 3);
    const char *mode = pel_node_string(n->node, "mode", "constant");
    ptrdiff_t in = (ptrdiff_t)b->p->g.values[n->inputs[0]].array.dims[axis];
    size_t out = (size_t)b->p->g.values[n->outputs[0]].array.dims[axis];
    size_t at = place_of(axes, axis, nn_array_count(pads) / 2);
    ptrdiff_t before = at != NONE ? (ptrdiff_t)pads->values[at] : 0;
    ptrdiff_t *from = pel_alloc((out + 1) * sizeof *from);
    for (size_t i = 0; from != NULL && i < out; i++) {
        ptrdiff_t k = (ptrdiff_t)i - before;
        if (strcmp(mode, "reflect") == 0)
            from[i] = reflect(k, in);
        else if (strcmp(mode, "edge") == 0)
            from[i] = k < 0 ? 0 : k >= in ? in - 1 : k;
        else
            from[i] = k < 0 || k >= in ? -1 : k;
    }
    return from;
}

ptrdiff_t *build_move_axis(const builder *b, const graph_node *n, size_t axis)
{
    return strcmp(n->op->name, "Pad") == 0 ? pad_axis(b, n, axis) : slice_axis(b, n, axis);
}

static bool is_plain_channels(const ptrdiff_t *of, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (of[i] != of[0] + (ptrdiff_t)i)
            return false;
    return of[0] >= 0;
}

static pel_status build_select(builder *b, graph_node *n, bool *made)
{
    bool pad = strcmp(n->op->name, "Pad") == 0;
    const nn_array *fill = pad ? numbers(b, n, 2) : NULL;
    if (!build_is_picture(b, n->inputs[0]) || !build_is_picture(b, n->outputs[0]) || numbers(b, n, 1) == NULL)
        return PEL_OK;
    size_t channels = (size_t)b->p->g.values[n->outputs[0]].array.dims[1];
    ptrdiff_t *c_of = build_move_axis(b, n, 1);
    ptrdiff_t *y_of = build_move_axis(b, n, 2), *x_of = build_move_axis(b, n, 3);
    step *s = NULL;
    *made = c_of != NULL && is_plain_channels(c_of, channels);
    if (*made)
        s = build_step(b, &move_kind, sizeof(move), 1, n->inputs, n->outputs[0]);
    bool failed = c_of == NULL || x_of == NULL || y_of == NULL || (*made && s == NULL);
    if (s != NULL && !failed) {
        *(move *)s->data = (move){.first = (size_t)c_of[0], .channels = channels, .x_of = x_of, .y_of = y_of,
                                  .fill = fill != NULL ? (float)fill->values[0] : 0};
    } else {
        pel_free(x_of);
        pel_free(y_of);
    }
    pel_free(c_of);
    return failed ? build_fail(b) : PEL_OK;
}

/* ---- DepthToSpace, SpaceToDepth */

static void depth_needs(const step *s, const plan *p, size_t k, int axis, size_t first, size_t end, ptrdiff_t *from,
                        ptrdiff_t *to)
{
    ptrdiff_t block = ((const move *)s->data)->block;
    (void)p;
    (void)k;
    (void)axis;
    *from = block > 0 ? (ptrdiff_t)first / block : (ptrdiff_t)first * -block;
    *to = block > 0 ? ((ptrdiff_t)end - 1) / block + 1 : (ptrdiff_t)end * -block;
}

/* The channel of (by, bx, c) in the deep picture: DCR has c last, CRD first. */
static size_t deep_channel(const move *m, size_t block, size_t channels, size_t by, size_t bx, size_t c)
{
    return m->columns_first ? (c * block + by) * block + bx : (by * block + bx) * channels + c;
}

static void to_space_job(void *arg, size_t index, size_t worker)
{
    const work *w = arg;
    const move *m = w->s->data;
    size_t y = w->y0 + index, block = (size_t)m->block;
    const float *from = picture_row(&w->in, y / block);
    float *to = picture_row(&w->out, y);
    (void)worker;
    for (size_t x = 0; x < w->out.buffer->w; x++)
        for (size_t c = 0; c < w->out.c; c++)
            to[x * w->out.ld + c] = from[x / block * w->in.ld +
                                         deep_channel(m, block, w->out.c, y % block, x % block, c)];
}

static void to_depth_job(void *arg, size_t index, size_t worker)
{
    const work *w = arg;
    const move *m = w->s->data;
    size_t y = w->y0 + index, block = (size_t)-m->block;
    float *to = picture_row(&w->out, y);
    (void)worker;
    for (size_t by = 0; by < block; by++) {
        const float *from = picture_row(&w->in, y * block + by);
        for (size_t x = 0; x < w->in.buffer->w; x++)
            for (size_t c = 0; c < w->in.c; c++)
                to[x / block * w->out.ld + deep_channel(m, block, w->in.c, by, x % block, c)] =
                    from[x * w->in.ld + c];
    }
}

static void depth_run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    work w = work_of(s, n, y0);
    pel_pool_run(ctx->pool, y1 - y0, ((const move *)s->data)->block > 0 ? to_space_job : to_depth_job, &w);
}

static const step_kind depth_kind = {.name = "depth and space", .needs = depth_needs, .run = depth_run};

static pel_status build_depth(builder *b, graph_node *n, bool *made)
{
    bool to_space = strcmp(n->op->name, "DepthToSpace") == 0;
    if (!build_is_picture(b, n->inputs[0]))
        return PEL_OK;
    *made = true;
    step *s = build_step(b, &depth_kind, sizeof(move), 1, n->inputs, n->outputs[0]);
    if (s == NULL)
        return build_fail(b);
    ptrdiff_t block = (ptrdiff_t)pel_node_int(n->node, "blocksize", 1);
    *(move *)s->data = (move){.block = to_space ? block : -block,
                              .columns_first = strcmp(pel_node_string(n->node, "mode", "DCR"), "CRD") == 0};
    return PEL_OK;
}

pel_status build_move(builder *b, size_t i, bool *made)
{
    graph_node *n = &b->p->g.nodes[i];
    const char *op = n->op->name;
    if (strcmp(op, "Concat") == 0)
        return build_concat(b, n, made);
    if (strcmp(op, "Slice") == 0 || strcmp(op, "Pad") == 0)
        return build_select(b, n, made);
    if (strcmp(op, "DepthToSpace") == 0 || strcmp(op, "SpaceToDepth") == 0)
        return build_depth(b, n, made);
    return PEL_OK;
}
