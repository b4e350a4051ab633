/* gradient-steps.c - steps of nodes that autodiff.c makes: on pictures, in space.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include "operator/axis.h"
#include "engine/plan.h"

/* ---- The maximum of windows that tile the picture: its gradient goes to the first sample that has it */

typedef struct {
    size_t kh, kw;
} pool;

static void pool_needs(const step *s, const plan *p, size_t k, int axis, size_t first, size_t end, ptrdiff_t *from,
                       ptrdiff_t *to)
{
    const pool *o = s->data;
    size_t side = k == 1 ? 1 : axis == 0 ? o->kh : o->kw;
    (void)p;
    *from = (ptrdiff_t)(first / side);
    *to = (ptrdiff_t)((end - 1) / side + 1);
}

/* Rows of a window's row, or the rest below the last: zeros. */
static void pool_rows(const step *s, const pel_network *n, size_t y)
{
    const pool *o = s->data;
    picture dy = plan_picture(&n->plan, s->inputs[0]), x = plan_picture(&n->plan, s->inputs[1]);
    picture top = plan_picture(&n->plan, s->inputs[2]), out = plan_picture(&n->plan, s->output);
    size_t row = y / o->kh, width = out.buffer->w;
    bool inside = row < dy.buffer->h;
    float *left = n->scratch[0]; /* what is not given away yet, by channel */
    for (size_t i = 0; i < o->kh && y + i < out.buffer->h; i++)
        for (size_t at = inside ? dy.buffer->w * o->kw : 0; at < width; at++)
            memset(picture_row(&out, y + i) + at * out.ld, 0, out.c * sizeof(float));
    for (size_t w = 0; inside && w < dy.buffer->w; w++) {
        const float *most = picture_row(&top, row) + w * top.ld;
        memcpy(left, picture_row(&dy, row) + w * dy.ld, out.c * sizeof *left);
        for (size_t i = 0; i < o->kh * o->kw; i++) {
            size_t at_y = y + i / o->kw, at_x = w * o->kw + i % o->kw;
            const float *v = picture_row(&x, at_y) + at_x * x.ld;
            float *to = picture_row(&out, at_y) + at_x * out.ld;
            for (size_t c = 0; c < out.c; c++) {
                bool here = v[c] == most[c];
                to[c] = here ? left[c] : 0;
                left[c] = here ? 0 : left[c];
            }
        }
    }
}

static void pool_run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    (void)ctx;
    for (size_t y = y0; y < y1; y += ((const pool *)s->data)->kh)
        pool_rows(s, n, y);
}

static const step_kind pool_kind = {.name = "max pool gradient", .needs = pool_needs, .run = pool_run};

static pel_status build_pool(builder *b, const graph_node *n)
{
    const pel_attribute *kernel = pel_node_attribute(n->node, "kernel_shape");
    step *s = build_step(b, &pool_kind, sizeof(pool), 3, n->inputs, n->outputs[0]);
    if (s == NULL)
        return build_fail(b);
    *(pool *)s->data = (pool){(size_t)kernel->integers[0], (size_t)kernel->integers[1]};
    s->granule = (size_t)kernel->integers[0];
    s->scratch = plan_picture(b->p, n->outputs[0]).c;
    return PEL_OK;
}

/* ---- One pixel to all */

static void expand_needs(const step *s, const plan *p, size_t k, int axis, size_t first, size_t end, ptrdiff_t *from,
                         ptrdiff_t *to)
{
    (void)s, (void)p, (void)k, (void)axis, (void)first, (void)end;
    *from = 0;
    *to = 1;
}

static void expand_run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    picture in = plan_picture(&n->plan, s->inputs[0]), out = plan_picture(&n->plan, s->output);
    const float *from = picture_row(&in, 0), factor = *(const float *)s->data;
    (void)ctx;
    for (size_t y = y0; y < y1; y++)
        for (size_t x = 0; x < out.buffer->w; x++)
            for (size_t c = 0; c < out.c; c++)
                picture_row(&out, y)[x * out.ld + c] = factor * from[c];
}

static const step_kind expand_kind = {.name = "expand", .needs = expand_needs, .run = expand_run};

static pel_status build_expand(builder *b, const graph_node *n)
{
    step *s = build_step(b, &expand_kind, sizeof(float), 1, n->inputs, n->outputs[0]);
    if (s == NULL)
        return build_fail(b);
    *(float *)s->data = (float)n->factor;
    return PEL_OK;
}

/* ---- The adjoint of Resize, Pad, Slice, AveragePool: sample i gets what it gave, weighted, to samples index[first[i]] ... */

typedef struct {
    size_t *first, *index;
    float *weight;
} spread_axis;

typedef struct {
    spread_axis axis[2]; /* y, x */
    size_t channel;      /* the first of those that have a gradient; others get 0 */
} spread;

static void spread_free(step *s)
{
    spread *o = s->data;
    for (size_t k = 0; k < 2; k++) {
        pel_free(o->axis[k].first);
        pel_free(o->axis[k].index);
        pel_free(o->axis[k].weight);
    }
}

static void spread_needs(const step *s, const plan *p, size_t k, int axis, size_t first, size_t end, ptrdiff_t *from,
                         ptrdiff_t *to)
{
    const spread_axis *a = &((const spread *)s->data)->axis[axis];
    (void)p, (void)k;
    *from = PTRDIFF_MAX;
    *to = 0;
    for (size_t i = a->first[first]; i < a->first[end]; i++) {
        ptrdiff_t at = (ptrdiff_t)a->index[i];
        *from = at < *from ? at : *from;
        *to = at + 1 > *to ? at + 1 : *to;
    }
    *from = *from < *to ? *from : *to;
}

static void spread_run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    const spread *o = s->data;
    const spread_axis *ay = &o->axis[0], *ax = &o->axis[1];
    picture in = plan_picture(&n->plan, s->inputs[0]), out = plan_picture(&n->plan, s->output);
    size_t width = in.buffer->w, channels = in.c;
    float *line = n->scratch[0];
    (void)ctx;
    for (size_t y = y0; y < y1; y++) {
        memset(line, 0, width * channels * sizeof *line);
        for (size_t i = ay->first[y]; i < ay->first[y + 1]; i++) {
            const float *from = picture_row(&in, ay->index[i]);
            for (size_t x = 0; x < width; x++)
                for (size_t c = 0; c < channels; c++)
                    line[x * channels + c] += ay->weight[i] * from[x * in.ld + c];
        }
        for (size_t x = 0; x < out.buffer->w; x++) {
            float *to = picture_row(&out, y) + x * out.ld;
            memset(to, 0, out.c * sizeof *to);
            to += o->channel;
            for (size_t i = ax->first[x]; i < ax->first[x + 1]; i++)
                for (size_t c = 0; c < channels; c++)
                    to[c] += ax->weight[i] * line[ax->index[i] * channels + c];
        }
    }
}

static const step_kind spread_kind = {
    .name = "spread", .needs = spread_needs, .run = spread_run, .free = spread_free};

/* From `taps` entries for each of `count` results; an index of -1 is none. */
static bool turn_around(spread_axis *a, size_t samples, size_t count, size_t taps, const ptrdiff_t *index,
                        const double *weight)
{
    a->first = pel_alloc((samples + 2) * sizeof *a->first);
    a->index = pel_alloc((count * taps + 1) * sizeof *a->index);
    a->weight = pel_alloc_floats(count * taps + 1);
    if (a->first == NULL || a->index == NULL || a->weight == NULL)
        return false;
    memset(a->first, 0, (samples + 2) * sizeof *a->first);
    for (size_t i = 0; i < count * taps; i++)
        if (index[i] >= 0)
            a->first[index[i] + 2]++;
    for (size_t i = 2; i < samples + 2; i++)
        a->first[i] += a->first[i - 1];
    for (size_t i = 0; i < count * taps; i++)
        if (index[i] >= 0) {
            size_t at = a->first[index[i] + 1]++;
            a->index[at] = i / taps;
            a->weight[at] = weight != NULL ? (float)weight[i] : 1;
        }
    return true;
}

static pel_status spread_resize(builder *b, const graph_node *of, size_t axis, size_t samples, size_t count,
                                spread_axis *to)
{
    const graph *g = &b->p->g;
    nn_axis a;
    nn_call call = {.node = of->node, .opset = g->model->opset, .input_count = of->input_count, .error = b->ctx->error};
    for (size_t k = 0; k < of->input_count; k++)
        call.inputs[k] = of->inputs[k] == NONE ? NULL : &g->values[of->inputs[k]].array;
    pel_status status = nn_axis_make(&call, axis, (int64_t)samples, (int64_t)count, &a);
    if (status != PEL_OK)
        return status;
    ptrdiff_t *index = pel_alloc((count * a.taps + 1) * sizeof *index);
    double *weight = pel_alloc((count * a.taps + 1) * sizeof *weight);
    bool good = index != NULL && weight != NULL;
    for (size_t i = 0; good && i < count; i++)
        for (size_t t = 0; t < a.taps; t++) {
            index[i * a.taps + t] = (ptrdiff_t)a.index[AXIS_TAPS * i + t];
            weight[i * a.taps + t] = a.weight[AXIS_TAPS * i + t];
        }
    good = good && turn_around(to, samples, count, a.taps, index, weight);
    pel_free(index);
    pel_free(weight);
    nn_axis_free(&a);
    return good ? PEL_OK : build_fail(b);
}

/* Output i is the mean of inputs from i * stride on. */
static pel_status spread_mean(const builder *b, const graph_node *of, size_t axis, size_t samples, size_t count,
                              spread_axis *to)
{
    const pel_attribute *strides = pel_node_attribute(of->node, "strides");
    size_t taps = (size_t)pel_node_attribute(of->node, "kernel_shape")->integers[axis];
    size_t stride = strides != NULL ? (size_t)strides->integers[axis] : 1;
    ptrdiff_t *index = pel_alloc((count * taps + 1) * sizeof *index);
    double *weight = pel_alloc((count * taps + 1) * sizeof *weight);
    bool good = index != NULL && weight != NULL;
    for (size_t i = 0; good && i < count * taps; i++) {
        index[i] = (ptrdiff_t)(i / taps * stride + i % taps);
        weight[i] = 1 / (double)taps;
    }
    good = good && turn_around(to, samples, count, taps, index, weight);
    pel_free(index);
    pel_free(weight);
    return good ? PEL_OK : build_fail(b);
}

/* Which channels Slice takes: one after the other. */
static pel_status find_channel(const builder *b, const graph_node *of, size_t count, size_t *first)
{
    ptrdiff_t *index = build_move_axis(b, of, 1);
    bool good = index != NULL, run = true;
    for (size_t c = 1; good && c < count; c++)
        run = run && index[c] == index[0] + (ptrdiff_t)c;
    *first = good ? (size_t)index[0] : 0;
    pel_free(index);
    return !good ? build_fail(b)
           : run ? PEL_OK
                 : pel_error_set(b->ctx->error, PEL_EINVAL, "node %zu (%s): channels in another order cannot be "
                                 "differentiated", of->number, of->op->name);
}

static pel_status build_spread(builder *b, const graph_node *n)
{
    const graph_node *of = &b->p->g.nodes[n->of];
    step *s = build_step(b, &spread_kind, sizeof(spread), 1, n->inputs, n->outputs[0]);
    if (s == NULL)
        return build_fail(b);
    spread *o = s->data;
    picture in = plan_picture(b->p, n->inputs[0]), out = plan_picture(b->p, n->outputs[0]);
    size_t samples[2] = {out.buffer->h, out.buffer->w}, counts[2] = {in.buffer->h, in.buffer->w};
    s->scratch = in.buffer->w * in.c;
    pel_status status = strcmp(of->op->name, "Slice") == 0 ? find_channel(b, of, in.c, &o->channel) : PEL_OK;
    for (size_t k = 0; k < 2 && status == PEL_OK; k++) {
        if (strcmp(of->op->name, "Resize") == 0) {
            status = spread_resize(b, of, 2 + k, samples[k], counts[k], &o->axis[k]);
            continue;
        }
        if (strcmp(of->op->name, "AveragePool") == 0) {
            status = spread_mean(b, of, k, samples[k], counts[k], &o->axis[k]);
            continue;
        }
        ptrdiff_t *index = build_move_axis(b, of, 2 + k);
        if (index == NULL || !turn_around(&o->axis[k], samples[k], counts[k], 1, index, NULL))
            status = build_fail(b);
        pel_free(index);
    }
    return status;
}

pel_status build_gradient(builder *b, size_t i, bool *made)
{
    const graph_node *n = &b->p->g.nodes[i];
    const char *op = n->op->name;
    pel_status status = PEL_OK;
    if (strcmp(op, "Standardise") == 0) { /* of the model's own nodes, but made by autodiff.c */
        *made = true;
        return build_standardise(b, i);
    }
    if (n->of == NONE)
        return PEL_OK;
    status = build_weights(b, i, made);
    if (status == PEL_OK && !*made)
        status = build_norm_gradient(b, i, made);
    if (status != PEL_OK || *made)
        return status;
    *made = true;
    if (strcmp(op, "ActivationGradient") == 0)
        return build_activation_gradient(b, i);
    if (strcmp(op, "MaxPoolGradient") == 0)
        return build_pool(b, n);
    if (strcmp(op, "ExpandGradient") == 0)
        return build_expand(b, n);
    if (strcmp(op, "Spread") == 0)
        return build_spread(b, n);
    *made = false; /* an operator of the model's, or the reference */
    return PEL_OK;
}
