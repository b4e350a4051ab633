/* resample.c - steps that change a picture's resolution: Resize, MaxPool, AveragePool.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/pool.h>

#include "operator/axis.h"
#include "plan.h"

typedef struct {
    const step *s;
    const pel_network *n;
    picture in, out;
    size_t y0;
} work;

static work work_of(const step *s, const pel_network *n, size_t y0)
{
    return (work){s, n, plan_picture(&n->plan, s->inputs[0]), plan_picture(&n->plan, s->output), y0};
}

/* ---- Resize */

typedef struct {
    nn_axis x, y;
} resize;

static void resize_free(step *s)
{
    resize *r = s->data;
    nn_axis_free(&r->x);
    nn_axis_free(&r->y);
}

static void resize_needs(const step *s, const plan *p, size_t k, int axis, size_t first, size_t end, ptrdiff_t *from,
                         ptrdiff_t *to)
{
    const resize *r = s->data;
    const nn_axis *a = axis == 0 ? &r->y : &r->x;
    (void)p;
    (void)k;
    *from = PTRDIFF_MAX;
    *to = 0;
    for (size_t i = first; i < end; i++)
        for (size_t t = 0; t < a->taps; t++) {
            ptrdiff_t at = a->index[AXIS_TAPS * i + t];
            *from = at < *from ? at : *from;
            *to = at + 1 > *to ? at + 1 : *to;
        }
}

static void resize_job(void *arg, size_t index, size_t worker)
{
    const work *w = arg;
    const resize *r = w->s->data;
    size_t y = w->y0 + index, width = w->in.buffer->w, channels = w->in.c;
    float *line = w->n->scratch[worker], *to = picture_row(&w->out, y);
    memset(line, 0, width * channels * sizeof *line);
    for (size_t t = 0; t < r->y.taps; t++) {
        const float *from = picture_row(&w->in, (size_t)r->y.index[AXIS_TAPS * y + t]);
        float weight = (float)r->y.weight[AXIS_TAPS * y + t];
        for (size_t x = 0; x < width; x++)
            for (size_t c = 0; c < channels; c++)
                line[x * channels + c] += weight * from[x * w->in.ld + c];
    }
    for (size_t x = 0; x < w->out.buffer->w; x++) {
        float *pixel = to + x * w->out.ld;
        for (size_t t = 0; t < r->x.taps; t++) {
            const float *from = line + (size_t)r->x.index[AXIS_TAPS * x + t] * channels;
            float weight = (float)r->x.weight[AXIS_TAPS * x + t];
            for (size_t c = 0; c < channels; c++)
                pixel[c] = t == 0 ? weight * from[c] : pixel[c] + weight * from[c];
        }
    }
}

static void resize_run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    work w = work_of(s, n, y0);
    pel_pool_run(ctx->pool, y1 - y0, resize_job, &w);
}

static const step_kind resize_kind = {
    .name = "resize", .needs = resize_needs, .run = resize_run, .free = resize_free};

static pel_status build_resize(builder *b, const graph_node *n, bool *made)
{
    const graph *g = &b->p->g;
    const int64_t *in = g->values[n->inputs[0]].array.dims, *out = g->values[n->outputs[0]].array.dims;
    if (!build_is_picture(b, n->inputs[0]) || in[1] != out[1])
        return PEL_OK;
    *made = true;
    nn_call call = {.node = n->node, .opset = g->model->opset, .input_count = n->input_count,
                    .error = b->ctx->error};
    for (size_t k = 0; k < n->input_count; k++)
        call.inputs[k] = n->inputs[k] == NONE ? NULL : &g->values[n->inputs[k]].array;
    step *s = build_step(b, &resize_kind, sizeof(resize), 1, n->inputs, n->outputs[0]);
    if (s == NULL)
        return build_fail(b);
    resize *r = s->data;
    s->scratch = (size_t)(in[3] * in[1]);
    pel_status status = nn_axis_make(&call, 2, in[2], out[2], &r->y);
    return status == PEL_OK ? nn_axis_make(&call, 3, in[3], out[3], &r->x) : status;
}

/* ---- Pooling */

typedef struct {
    ptrdiff_t kernel[2], stride[2], dilation[2], before[2], after[2]; /* y, x */
    bool maximum, count_pads;
    bool halves; /* the maximum of 2 x 2, which tile the picture */
} pool;

static void pool_needs(const step *s, const plan *p, size_t k, int axis, size_t first, size_t end, ptrdiff_t *from,
                       ptrdiff_t *to)
{
    const pool *o = s->data;
    (void)p;
    (void)k;
    *from = (ptrdiff_t)first * o->stride[axis] - o->before[axis];
    *to = ((ptrdiff_t)end - 1) * o->stride[axis] - o->before[axis] + (o->kernel[axis] - 1) * o->dilation[axis] + 1;
}

static inline float greater(float a, float b) { return a > b || a != a ? a : b; } /* a NaN stays */

/* The greatest of a window of 2 x 2 within the picture: what most networks have. */
static void pool_two(const float *restrict upper, const float *restrict lower, size_t ld, size_t channels,
                     float *restrict to)
{
    for (size_t c = 0; c < channels; c++)
        to[c] = greater(greater(upper[c], upper[ld + c]), greater(lower[c], lower[ld + c]));
}

/* One pixel: the greatest, or the mean, of what lies inside the picture. */
static void pool_pixel(const work *w, const pool *o, ptrdiff_t y, ptrdiff_t x, float *to)
{
    size_t channels = w->out.c;
    ptrdiff_t height = (ptrdiff_t)w->in.buffer->h, width = (ptrdiff_t)w->in.buffer->w, count = 0;
    for (size_t c = 0; c < channels; c++)
        to[c] = o->maximum ? -HUGE_VALF : 0;
    for (ptrdiff_t i = 0; i < o->kernel[0]; i++)
        for (ptrdiff_t k = 0; k < o->kernel[1]; k++) {
            ptrdiff_t at_y = y + i * o->dilation[0], at_x = x + k * o->dilation[1];
            /* Windows that ceil_mode makes may reach beyond the pads: that is never counted. */
            count += o->count_pads ? at_y < height + o->after[0] && at_x < width + o->after[1]
                                   : at_y >= 0 && at_y < height && at_x >= 0 && at_x < width;
            if (at_y < 0 || at_y >= height || at_x < 0 || at_x >= width)
                continue;
            const float *from = picture_row(&w->in, (size_t)at_y) + at_x * (ptrdiff_t)w->in.ld;
            if (o->maximum)
                for (size_t c = 0; c < channels; c++)
                    to[c] = from[c] > to[c] || from[c] != from[c] ? from[c] : to[c];
            else
                for (size_t c = 0; c < channels; c++)
                    to[c] += from[c];
        }
    for (size_t c = 0; c < channels && !o->maximum; c++)
        to[c] /= (float)count;
}

static void pool_job(void *arg, size_t index, size_t worker)
{
    const work *w = arg;
    const pool *o = w->s->data;
    size_t y = w->y0 + index;
    float *to = picture_row(&w->out, y);
    size_t x = 0;
    (void)worker;
    if (o->halves)
        for (; x < w->out.buffer->w; x++)
            pool_two(picture_row(&w->in, 2 * y) + 2 * x * w->in.ld, picture_row(&w->in, 2 * y + 1) + 2 * x * w->in.ld,
                     w->in.ld, w->out.c, to + x * w->out.ld);
    for (; x < w->out.buffer->w; x++)
        pool_pixel(w, o, (ptrdiff_t)y * o->stride[0] - o->before[0],
                   (ptrdiff_t)x * o->stride[1] - o->before[1], to + x * w->out.ld);
}

static void pool_run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    work w = work_of(s, n, y0);
    pel_pool_run(ctx->pool, y1 - y0, pool_job, &w);
}

static const step_kind pool_kind = {.name = "pool", .needs = pool_needs, .run = pool_run};

static pel_status build_pool(builder *b, const graph_node *n, bool *made)
{
    static const char *const names[4] = {"kernel_shape", "strides", "dilations", "pads"};
    pool o = {.maximum = strcmp(n->op->name, "MaxPool") == 0,
              .count_pads = pel_node_int(n->node, "count_include_pad", 0) != 0};
    ptrdiff_t *to[4] = {o.kernel, o.stride, o.dilation, o.before};
    if (!build_is_picture(b, n->inputs[0]) || n->output_count > 1 ||
        strcmp(pel_node_string(n->node, "auto_pad", "NOTSET"), "NOTSET") != 0)
        return PEL_OK;
    for (size_t k = 0; k < 4; k++) {
        const pel_attribute *a = pel_node_attribute(n->node, names[k]);
        for (size_t i = 0; i < 2; i++) {
            to[k][i] = a != NULL ? (ptrdiff_t)a->integers[i] : k < 3;
            if (k == 3)
                o.after[i] = a != NULL ? (ptrdiff_t)a->integers[2 + i] : 0;
        }
    }
    *made = true;
    step *s = build_step(b, &pool_kind, sizeof o, 1, n->inputs, n->outputs[0]);
    if (s == NULL)
        return build_fail(b);
    const int64_t *in = b->p->g.values[n->inputs[0]].array.dims, *out = b->p->g.values[n->outputs[0]].array.dims;
    o.halves = o.maximum;
    for (size_t i = 0; i < 2; i++)
        o.halves = o.halves && o.kernel[i] == 2 && o.stride[i] == 2 && o.dilation[i] == 1 && o.before[i] == 0 &&
                   2 * out[2 + i] <= in[2 + i];
    *(pool *)s->data = o;
    return PEL_OK;
}

pel_status build_resample(builder *b, size_t i, bool *made)
{
    const graph_node *n = &b->p->g.nodes[i];
    const char *op = n->op->name;
    if (strcmp(op, "Resize") == 0)
        return build_resize(b, n, made);
    if (strcmp(op, "MaxPool") == 0 || strcmp(op, "AveragePool") == 0)
        return build_pool(b, n, made);
    return PEL_OK;
}
