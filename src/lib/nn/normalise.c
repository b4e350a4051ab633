/* normalise.c - means over the picture or over channels, and what is normalised by them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/pool.h>

#include "fuse.h"

typedef struct {
    const step *s;
    const pel_network *n;
    picture in, out, extra[2];
    size_t y0;
} work;

static work work_of(const step *s, const pel_network *n, size_t y0)
{
    work w = {.s = s, .n = n, .y0 = y0, .in = plan_picture(&n->plan, s->inputs[0])};
    w.out = plan_picture(&n->plan, s->output);
    for (size_t k = 1; k < s->input_count && k < 3; k++)
        w.extra[k - 1] = plan_picture(&n->plan, s->inputs[k]);
    return w;
}

/* ---- Means, and squares of deviations, over the picture: row by row, added in the order of rows, so that threads do
 * not matter */

typedef struct {
    double *sums;  /* [row][2][channel]: of values and of squares, about the picture's first pixel */
    bool moments;  /* InstanceNormalization: the output is scale, then shift */
    double epsilon;
    float *scale, *bias;
} gather;

static void gather_free(step *s)
{
    gather *g = s->data;
    pel_free(g->sums);
    pel_free(g->scale);
    pel_free(g->bias);
}

static void gather_job(void *arg, size_t index, size_t worker)
{
    const work *w = arg;
    const gather *g = w->s->data;
    size_t y = w->y0 + index, channels = w->in.c;
    double *sum = g->sums + 2 * channels * y, *squares = sum + channels;
    const float *from = picture_row(&w->in, y);
    (void)worker;
    memset(sum, 0, 2 * channels * sizeof *sum);
    for (size_t x = 0; x < w->in.buffer->w; x++)
        for (size_t c = 0; c < channels; c++) {
            double v = (double)from[x * w->in.ld + c];
            sum[c] += v;
            squares[c] += v * v;
        }
}

static void gather_run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    work w = work_of(s, n, y0);
    pel_pool_run(ctx->pool, y1 - y0, gather_job, &w);
}

static void gather_end(const step *s, const pel_network *n)
{
    const gather *g = s->data;
    work w = work_of(s, n, 0);
    size_t channels = w.in.c;
    double count = (double)w.in.buffer->w * (double)w.in.buffer->h;
    float *out = picture_row(&w.out, 0);
    for (size_t c = 0; c < channels; c++) {
        double sum = 0, squares = 0;
        for (size_t y = 0; y < w.in.buffer->h; y++) {
            sum += g->sums[2 * channels * y + c];
            squares += g->sums[2 * channels * y + channels + c];
        }
        double mean = sum / count;
        if (!g->moments) {
            out[c] = (float)mean;
            continue;
        }
        double variance = fmax(squares / count - mean * mean, 0);
        double scale = (double)g->scale[c] / sqrt(variance + g->epsilon);
        out[c] = (float)scale;
        out[channels + c] = (float)((double)g->bias[c] - mean * scale);
    }
}

static const step_kind gather_kind = {.name = "means", .run = gather_run, .end = gather_end, .free = gather_free};

static step *add_gather(builder *b, size_t input, size_t output)
{
    step *s = build_step(b, &gather_kind, sizeof(gather), 1, &input, output);
    const int64_t *dims = b->p->g.values[input].array.dims;
    if (s == NULL)
        return NULL;
    gather *g = s->data;
    g->sums = pel_alloc((size_t)dims[1] * 2 * (size_t)dims[2] * sizeof *g->sums);
    s->gathers = true;
    s->height = (size_t)dims[2];
    return g->sums != NULL ? s : NULL;
}

/* ---- Scale and shift by channel */

typedef struct {
    float *scale, *shift; /* NULL: the second input has them */
    float *slopes;
    bool has_residual, residual_last;
} affine;

static void affine_free(step *s)
{
    affine *a = s->data;
    pel_free(a->scale);
    pel_free(a->shift);
    pel_free(a->slopes);
}

static void affine_needs(const step *s, const plan *p, size_t k, int axis, size_t first, size_t end, ptrdiff_t *from,
                         ptrdiff_t *to)
{
    const affine *a = s->data;
    (void)p;
    (void)axis;
    bool numbers = k == 1 && a->scale == NULL;
    *from = numbers ? 0 : (ptrdiff_t)first;
    *to = numbers ? 1 : (ptrdiff_t)end;
}

static void affine_job(void *arg, size_t index, size_t worker)
{
    const work *w = arg;
    const affine *a = w->s->data;
    size_t y = w->y0 + index, channels = w->out.c;
    const picture *moments = a->scale == NULL ? &w->extra[0] : NULL;
    const picture *residual = a->has_residual ? &w->extra[moments != NULL] : NULL;
    const float *scale = moments != NULL ? picture_row(moments, 0) : a->scale;
    const float *shift = moments != NULL ? scale + channels : a->shift;
    const float *from = picture_row(&w->in, y), *add = residual != NULL ? picture_row(residual, y) : NULL;
    void *to = picture_samples(&w->out, y);
    (void)worker;
    kernel_epilogue e = {.slopes = a->slopes, .residual = add, .residual_last = a->residual_last,
                         .half = w->out.buffer->half};
    e.residual_stride = residual != NULL ? residual->ld : 0;
    w->n->plan.kernels->affine(w->out.buffer->w, channels, from, w->in.ld, scale, shift, &e, to, w->out.ld);
}

static void affine_run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    work w = work_of(s, n, y0);
    pel_pool_run(ctx->pool, y1 - y0, affine_job, &w);
}

static bool affine_in_place(const step *s, size_t k)
{
    return k != 1 || ((const affine *)s->data)->scale != NULL; /* not the moments */
}

static const step_kind affine_kind = {
    .name = "scale and shift", .needs = affine_needs, .run = affine_run, .free = affine_free, .in_place = affine_in_place};

/* ---- InstanceNormalization: the moments, then scale and shift with what follows */

static float *floats_of(const double *v, size_t count)
{
    float *f = pel_calloc_floats(count + KERNEL_SLACK);
    for (size_t i = 0; f != NULL && i < count; i++)
        f[i] = (float)v[i];
    return f;
}

/* The step that ends with what `after` took in; scale and shift of `after` are to be in `a` or in the moments. */
static step *add_affine(builder *b, size_t input, size_t moments, const fused_after *after)
{
    size_t inputs[3] = {input}, count = 1;
    if (moments != NONE)
        inputs[count++] = moments;
    if (after->residual != NONE)
        inputs[count++] = after->residual;
    step *s = build_step(b, &affine_kind, sizeof(affine), count, inputs, after->output);
    if (s == NULL)
        return NULL;
    affine *a = s->data;
    if (build_is_rounded(b, after->output))
        build_halve(b, after->output);
    a->has_residual = after->residual != NONE;
    a->residual_last = after->residual_last;
    if (after->has_slopes) {
        a->slopes = floats_of(after->scale + 2 * after->channels, after->channels);
        if (a->slopes == NULL)
            return NULL;
    }
    return s;
}

static pel_status instance_norm(builder *b, size_t i, bool *made)
{
    graph *g = &b->p->g;
    graph_node *n = &g->nodes[i];
    const nn_array *scale = &g->values[n->inputs[1]].array, *bias = &g->values[n->inputs[2]].array;
    if (!build_is_picture(b, n->inputs[0]) || scale->values == NULL || bias->values == NULL)
        return PEL_OK;
    *made = true;
    size_t channels = nn_array_count(scale);
    nn_array shape = {.type = PEL_MODEL_FLOAT, .rank = 4, .dims = {1, 2 * (int64_t)channels, 1, 1}};
    size_t moments = graph_add_value(g, &shape);
    n = &g->nodes[i];
    step *s = moments != NONE ? add_gather(b, n->inputs[0], moments) : NULL;
    if (s == NULL)
        return build_fail(b);
    gather *ga = s->data;
    ga->moments = true;
    ga->epsilon = pel_node_float(n->node, "epsilon", 1e-5);
    fused_after after;
    pel_status status = fuse_after(b, i, i, &after);
    /* Scales and shifts that followed are part of the normalisation's own. */
    for (size_t c = 0; c < channels && status == PEL_OK; c++) {
        after.scale[channels + c] += g->values[n->inputs[2]].array.values[c] * after.scale[c];
        after.scale[c] *= g->values[n->inputs[1]].array.values[c];
    }
    if (status == PEL_OK) {
        ga->scale = floats_of(after.scale, channels);
        ga->bias = floats_of(after.scale + channels, channels);
        if (ga->scale == NULL || ga->bias == NULL || add_affine(b, n->inputs[0], moments, &after) == NULL)
            status = build_fail(b);
    }
    fused_free(&after);
    return status;
}

static pel_status batch_norm(builder *b, size_t i, bool *made)
{
    graph *g = &b->p->g;
    const graph_node *n = &g->nodes[i];
    const nn_array *a[4];
    for (size_t k = 0; k < 4; k++) {
        a[k] = &g->values[n->inputs[k + 1]].array;
        if (a[k]->values == NULL || !build_is_picture(b, n->inputs[0]) || n->output_count != 1)
            return PEL_OK;
    }
    *made = true;
    fused_after after;
    pel_status status = fuse_after(b, i, i, &after);
    double epsilon = pel_node_float(n->node, "epsilon", 1e-5);
    for (size_t c = 0; c < after.channels && status == PEL_OK; c++) {
        double f = a[0]->values[c] / sqrt(a[3]->values[c] + epsilon);
        after.scale[after.channels + c] += (a[1]->values[c] - a[2]->values[c] * f) * after.scale[c];
        after.scale[c] *= f;
    }
    if (status == PEL_OK) {
        step *s = add_affine(b, n->inputs[0], NONE, &after);
        affine *af = s != NULL ? s->data : NULL;
        if (af != NULL) {
            af->scale = floats_of(after.scale, after.channels);
            af->shift = floats_of(after.scale + after.channels, after.channels);
        }
        if (af == NULL || af->scale == NULL || af->shift == NULL)
            status = build_fail(b);
    }
    fused_free(&after);
    return status;
}

/* ---- Over the channels of each pixel */

typedef struct {
    bool normalise;       /* else: the mean */
    double epsilon;
    float *scale, *shift; /* or NULL */
} by_pixel;

static void by_pixel_free(step *s)
{
    by_pixel *p = s->data;
    pel_free(p->scale);
    pel_free(p->shift);
}

static void by_pixel_job(void *arg, size_t index, size_t worker)
{
    const work *w = arg;
    const by_pixel *p = w->s->data;
    size_t y = w->y0 + index, channels = w->in.c;
    const float *from = picture_row(&w->in, y);
    float *to = picture_row(&w->out, y);
    (void)worker;
    if (p->normalise)
        w->n->plan.kernels->standardise(w->in.buffer->w, channels, from, w->in.ld, (float)p->epsilon, p->scale,
                                        p->shift, to, w->out.ld);
    else
        for (size_t x = 0; x < w->in.buffer->w; x++)
            to[x * w->out.ld] = w->n->plan.kernels->sum(from + x * w->in.ld, channels) / (float)channels;
}

static void by_pixel_run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    work w = work_of(s, n, y0);
    pel_pool_run(ctx->pool, y1 - y0, by_pixel_job, &w);
}

static const step_kind by_pixel_kind = {.name = "by pixel", .run = by_pixel_run, .free = by_pixel_free};

/* The node that uses the value as its input 0 with this operator, other than `but`. */
static size_t user_of(const graph *g, size_t value, const char *op)
{
    for (size_t i = 0; i < g->node_count; i++)
        for (size_t k = 0; k < g->nodes[i].input_count && !g->nodes[i].gone; k++)
            if (g->nodes[i].inputs[k] == value && strcmp(g->nodes[i].op->name, op) == 0)
                return i;
    return NONE;
}

static bool is_number(const graph *g, size_t value, double *number)
{
    const nn_array *a = value != NONE ? &g->values[value].array : NULL;
    if (a == NULL || a->values == NULL || nn_array_count(a) != 1)
        return false;
    *number = a->values[0];
    return true;
}

/* Is node i the square of a value: by Mul with itself, or Pow with 2? */
static size_t square_of(const graph *g, size_t value)
{
    double two = 0;
    size_t i = user_of(g, value, "Mul");
    if (i != NONE && g->nodes[i].inputs[0] == value && g->nodes[i].inputs[1] == value)
        return i;
    i = user_of(g, value, "Pow");
    return i != NONE && is_number(g, g->nodes[i].inputs[1], &two) && two == 2 ? i : NONE;
}

/* A normalisation over channels, as exporters leave it:
 *     m = mean(x), d = x - m, v = mean(d d), y = d / sqrt(v + e) [* scale] [+ shift]
 * from the node of m.  Returns how many nodes were found, in order, or 0. */
static size_t match_layer_norm(const graph *g, size_t first, size_t nodes[6], double *epsilon)
{
    size_t mean = g->nodes[first].outputs[0], x = g->nodes[first].inputs[0];
    if (g->values[mean].uses != 1 || (nodes[0] = user_of(g, mean, "Sub")) == NONE)
        return 0;
    const graph_node *sub = &g->nodes[nodes[0]];
    size_t d = sub->outputs[0];
    if (sub->inputs[0] != x || (nodes[1] = square_of(g, d)) == NONE ||
        g->values[d].uses != (strcmp(g->nodes[nodes[1]].op->name, "Mul") == 0 ? 3 : 2))
        return 0;
    static const char *const chain[] = {"ReduceMean", "Add", "Sqrt"};
    for (size_t k = 0; k < 3; k++) {
        size_t value = g->nodes[nodes[1 + k]].outputs[0];
        nodes[2 + k] = fuse_sole_user(g, value);
        if (nodes[2 + k] == NONE || strcmp(g->nodes[nodes[2 + k]].op->name, chain[k]) != 0)
            return 0;
    }
    const graph_node *add = &g->nodes[nodes[3]];
    size_t variance = g->nodes[nodes[2]].outputs[0];
    nodes[5] = fuse_sole_user(g, g->nodes[nodes[4]].outputs[0]);
    if (!is_number(g, add->inputs[add->inputs[0] == variance], epsilon) || nodes[5] == NONE)
        return 0;
    const graph_node *div = &g->nodes[nodes[5]];
    return strcmp(div->op->name, "Div") == 0 && div->inputs[0] == d ? 6 : 0;
}

static bool reduces(const builder *b, const graph_node *n, const int64_t *axes, size_t count)
{
    const pel_attribute *a = pel_node_attribute(n->node, "axes");
    const nn_array *in = n->input_count > 1 && n->inputs[1] != NONE ? &b->p->g.values[n->inputs[1]].array : NULL;
    size_t given = a != NULL ? a->count : in != NULL && in->values != NULL ? nn_array_count(in) : 0;
    if (strcmp(n->op->name, "ReduceMean") != 0 || given != count || pel_node_int(n->node, "keepdims", 1) != 1)
        return false;
    for (size_t k = 0; k < count; k++) {
        int64_t axis = a != NULL ? a->integers[k] : (int64_t)in->values[k];
        if ((axis < 0 ? axis + 4 : axis) != axes[k])
            return false;
    }
    return true;
}

static pel_status layer_norm(builder *b, size_t i, const size_t nodes[6], double epsilon)
{
    graph *g = &b->p->g;
    for (size_t k = 0; k < 6; k++)
        g->nodes[nodes[k]].gone = true;
    fused_after after;
    pel_status status = fuse_after(b, nodes[5], i, &after);
    size_t output = after.output;
    /* An activation or residual was taken in: a scale and shift of its own does it. */
    bool more = after.has_slopes || after.residual != NONE;
    if (more)
        output = g->nodes[nodes[5]].outputs[0];
    step *s = status == PEL_OK ? build_step(b, &by_pixel_kind, sizeof(by_pixel), 1, g->nodes[i].inputs, output)
                               : NULL;
    if (s != NULL) {
        by_pixel *p = s->data;
        *p = (by_pixel){.normalise = true, .epsilon = epsilon};
        p->scale = floats_of(after.scale, after.channels);
        p->shift = floats_of(after.scale + after.channels, after.channels);
        if (p->scale == NULL || p->shift == NULL)
            s = NULL;
    }
    if (s != NULL && more) {
        step *t = add_affine(b, output, NONE, &after);
        affine *a = t != NULL ? t->data : NULL;
        if (a != NULL) {
            a->scale = pel_calloc_floats(after.channels + KERNEL_SLACK);
            a->shift = pel_calloc_floats(after.channels + KERNEL_SLACK);
        }
        for (size_t c = 0; a != NULL && a->scale != NULL && c < after.channels; c++)
            a->scale[c] = 1;
        s = a != NULL && a->scale != NULL && a->shift != NULL ? t : NULL;
    }
    fused_free(&after);
    return s != NULL || status != PEL_OK ? status : build_fail(b);
}

static pel_status reduce_mean(builder *b, size_t i, bool *made)
{
    static const int64_t space[2] = {2, 3}, channels[1] = {1};
    graph *g = &b->p->g;
    graph_node *n = &g->nodes[i];
    size_t nodes[6];
    double epsilon = 0;
    if (!build_is_picture(b, n->inputs[0]) || !build_is_picture(b, n->outputs[0]))
        return PEL_OK;
    if (reduces(b, n, space, 2)) {
        *made = true;
        return add_gather(b, n->inputs[0], n->outputs[0]) != NULL ? PEL_OK : build_fail(b);
    }
    if (!reduces(b, n, channels, 1))
        return PEL_OK;
    *made = true;
    if (match_layer_norm(g, i, nodes, &epsilon) == 6 && reduces(b, &g->nodes[nodes[2]], channels, 1))
        return layer_norm(b, i, nodes, epsilon);
    return build_step(b, &by_pixel_kind, sizeof(by_pixel), 1, n->inputs, n->outputs[0]) != NULL ? PEL_OK
                                                                                                : build_fail(b);
}

pel_status build_normalise(builder *b, size_t i, bool *made)
{
    const graph_node *n = &b->p->g.nodes[i];
    const char *op = n->op->name;
    if (strcmp(op, "ReduceMean") == 0)
        return reduce_mean(b, i, made);
    if (strcmp(op, "InstanceNormalization") == 0)
        return instance_norm(b, i, made);
    if (strcmp(op, "BatchNormalization") == 0)
        return batch_norm(b, i, made);
    if (strcmp(op, "GlobalAveragePool") == 0 && build_is_picture(b, n->inputs[0])) {
        *made = true;
        return add_gather(b, n->inputs[0], n->outputs[0]) != NULL ? PEL_OK : build_fail(b);
    }
    return PEL_OK;
}
