/* normalise.c - means over the picture or over channels, and what is normalised by them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/pool.h>

#include "fuse.h"
#include "match.h"

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
    size_t sums;   /* [row][2][channel]: of values and of squares */
    bool moments;  /* for a normalisation: the output is scale, then shift */
    double epsilon;
    size_t group;  /* channels that are taken together */
    float *scale, *bias;
    double *after;             /* what is fused: scale, then shift of each channel, in training */
    size_t scale_at, bias_at;  /* among the parameters, or NONE */
} gather;

static void gather_free(step *s)
{
    gather *g = s->data;
    pel_free(g->scale);
    pel_free(g->bias);
    pel_free(g->after);
}

static void gather_job(void *arg, size_t index, size_t worker)
{
    const work *w = arg;
    const gather *g = w->s->data;
    size_t y = w->y0 + index, channels = w->in.c;
    double *sum = w->n->sums + g->sums + 2 * channels * y, *squares = sum + channels;
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

/* Of channels [first, first + group): what the rows' sums come to. */
static void add_rows(const work *w, const gather *g, size_t first, double *mean, double *variance)
{
    size_t channels = w->in.c;
    const double *sums = w->n->sums + g->sums;
    double sum = 0, squares = 0;
    double count = (double)w->in.buffer->w * (double)w->in.buffer->h * (double)g->group;
    for (size_t y = 0; y < w->in.buffer->h; y++)
        for (size_t c = first; c < first + g->group; c++) {
            sum += sums[2 * channels * y + c];
            squares += sums[2 * channels * y + channels + c];
        }
    *mean = sum / count;
    *variance = fmax(squares / count - *mean * *mean, 0);
}

static void gather_end(const step *s, const pel_network *n)
{
    const gather *g = s->data;
    work w = work_of(s, n, 0);
    size_t channels = w.in.c;
    float *out = picture_row(&w.out, 0);
    for (size_t first = 0; first < channels; first += g->group) {
        double mean, variance;
        add_rows(&w, g, first, &mean, &variance);
        for (size_t c = first; c < first + g->group; c++) {
            double scale = g->moments ? (double)g->scale[c] / sqrt(variance + g->epsilon) : 0;
            out[c] = (float)(g->moments ? scale : mean);
            if (g->moments)
                out[channels + c] = (float)((double)g->bias[c] - mean * scale);
        }
    }
}

static pel_status gather_reload(step *s, const plan *p, const float *parameters, pel_error *error)
{
    gather *g = s->data;
    (void)error;
    size_t channels = plan_picture(p, s->inputs[0]).c;
    for (size_t c = 0; g->scale_at != NONE && c < channels; c++)
        g->scale[c] = (float)((double)parameters[g->scale_at + c] * g->after[c]);
    for (size_t c = 0; g->bias_at != NONE && c < channels; c++)
        g->bias[c] = (float)((double)parameters[g->bias_at + c] * g->after[c] + g->after[channels + c]);
    return PEL_OK;
}

static const step_kind gather_kind = {
    .name = "means", .run = gather_run, .end = gather_end, .free = gather_free, .reload = gather_reload};

static step *add_gather(builder *b, size_t input, size_t output)
{
    step *s = build_step(b, &gather_kind, sizeof(gather), 1, &input, output);
    const int64_t *dims = b->p->g.values[input].array.dims;
    if (s == NULL)
        return NULL;
    gather *g = s->data;
    g->sums = plan_add_sums(b->p, (size_t)dims[1] * 2 * (size_t)dims[2]);
    g->group = 1;
    g->scale_at = g->bias_at = NONE;
    s->gathers = true;
    s->height = (size_t)dims[2];
    return s;
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

/* Of InstanceNormalization: what will be loaded, and what is done to it. */
static pel_status keep_parameters(const builder *b, size_t i, const fused_after *after, gather *g)
{
    const graph_node *n = &b->p->g.nodes[i];
    g->after = pel_alloc(2 * after->channels * sizeof *g->after);
    if (g->after == NULL)
        return build_fail(b);
    memcpy(g->after, after->scale, 2 * after->channels * sizeof *g->after);
    g->scale_at = b->p->g.values[n->inputs[1]].parameter;
    g->bias_at = b->p->g.values[n->inputs[2]].parameter;
    return PEL_OK;
}

/* Each of so many groups of channels by its moments; the nodes of `m` are in it. */
static pel_status group_norm(builder *b, size_t i, const match *m, size_t groups)
{
    graph *g = &b->p->g;
    size_t input = g->nodes[i].inputs[0], channels = (size_t)g->values[input].array.dims[1];
    nn_array shape = {.type = PEL_MODEL_FLOAT, .rank = 4, .dims = {1, 2 * (int64_t)channels, 1, 1}};
    const double *scale = m->scale->values, *shift = m->shift->values; /* they stay where they are */
    size_t moments = graph_add_value(g, &shape);
    step *s = moments != NONE ? add_gather(b, input, moments) : NULL;
    if (s == NULL)
        return build_fail(b);
    gather *ga = s->data;
    ga->moments = true;
    ga->epsilon = m->epsilon;
    ga->group = channels / groups;
    for (size_t k = 0; k < m->count; k++)
        g->nodes[m->nodes[k]].gone = true;
    fused_after after;
    pel_status status = fuse_after(b, m->last, i, &after);
    if (status == PEL_OK && g->trains)
        status = keep_parameters(b, i, &after, ga);
    /* Scales and shifts that followed are part of the normalisation's own. */
    for (size_t c = 0; c < channels && status == PEL_OK; c++) {
        after.scale[channels + c] += shift[c / ga->group] * after.scale[c];
        after.scale[c] *= scale[c / ga->group];
    }
    if (status == PEL_OK) {
        ga->scale = floats_of(after.scale, channels);
        ga->bias = floats_of(after.scale + channels, channels);
        if (ga->scale == NULL || ga->bias == NULL || add_affine(b, input, moments, &after) == NULL)
            status = build_fail(b);
    }
    fused_free(&after);
    return status;
}

static pel_status instance_norm(builder *b, size_t i, bool *made)
{
    const graph *g = &b->p->g;
    const graph_node *n = &g->nodes[i];
    match m = {.last = i, .epsilon = pel_node_float(n->node, "epsilon", 1e-5),
               .scale = &g->values[n->inputs[1]].array, .shift = &g->values[n->inputs[2]].array};
    if (!build_is_picture(b, n->inputs[0]) || m.scale->values == NULL || m.shift->values == NULL)
        return PEL_OK;
    *made = true;
    return group_norm(b, i, &m, nn_array_count(m.scale));
}

static pel_status batch_norm(builder *b, size_t i, bool *made)
{
    graph *g = &b->p->g;
    const graph_node *n = &g->nodes[i];
    const nn_array *a[4];
    for (size_t k = 0; k < 4; k++) {
        a[k] = &g->values[n->inputs[k + 1]].array;
        if (a[k]->values == NULL || !build_is_picture(b, n->inputs[0]) || n->output_count != 1 ||
            g->values[n->inputs[k + 1]].parameter != NONE)
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

/* What autodiff.c makes of a normalisation over channels, without a scale and a shift. */
pel_status build_standardise(builder *b, size_t i)
{
    const graph_node *n = &b->p->g.nodes[i];
    size_t channels = (size_t)b->p->g.values[n->outputs[0]].array.dims[1];
    step *s = build_step(b, &by_pixel_kind, sizeof(by_pixel), 1, n->inputs, n->outputs[0]);
    if (s == NULL)
        return build_fail(b);
    by_pixel *p = s->data;
    *p = (by_pixel){.normalise = true, .epsilon = n->factor};
    p->scale = pel_calloc_floats(channels + KERNEL_SLACK);
    p->shift = pel_calloc_floats(channels + KERNEL_SLACK);
    for (size_t c = 0; p->scale != NULL && c < channels; c++)
        p->scale[c] = 1;
    return p->scale != NULL && p->shift != NULL ? PEL_OK : build_fail(b);
}

static pel_status layer_norm(builder *b, size_t i, const match *m)
{
    graph *g = &b->p->g;
    for (size_t k = 0; k < m->count; k++)
        g->nodes[m->nodes[k]].gone = true;
    fused_after after;
    pel_status status = fuse_after(b, m->last, i, &after);
    for (size_t c = 0; c < after.channels && status == PEL_OK; c++) {
        after.scale[after.channels + c] += m->shift != NULL ? fuse_channel(m->shift, c) * after.scale[c] : 0;
        after.scale[c] *= m->scale != NULL ? fuse_channel(m->scale, c) : 1;
    }
    size_t output = after.output;
    /* An activation or residual was taken in: a scale and shift of its own does it. */
    bool more = after.has_slopes || after.residual != NONE;
    if (more)
        output = g->nodes[m->last].outputs[0];
    step *s = status == PEL_OK ? build_step(b, &by_pixel_kind, sizeof(by_pixel), 1, g->nodes[i].inputs, output)
                               : NULL;
    if (s != NULL) {
        by_pixel *p = s->data;
        *p = (by_pixel){.normalise = true, .epsilon = m->epsilon};
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
    const graph_node *n = &b->p->g.nodes[i];
    if (!build_is_picture(b, n->inputs[0]) || !build_is_picture(b, n->outputs[0]))
        return PEL_OK;
    *made = true;
    if (match_mean(&b->p->g, n, space, 2))
        return add_gather(b, n->inputs[0], n->outputs[0]) != NULL ? PEL_OK : build_fail(b);
    *made = match_mean(&b->p->g, n, channels, 1);
    return !*made || build_step(b, &by_pixel_kind, sizeof(by_pixel), 1, n->inputs, n->outputs[0]) != NULL
               ? PEL_OK
               : build_fail(b);
}

/* Normalisations that are several nodes begin with these. */
static pel_status build_matched(builder *b, size_t i, bool *made)
{
    match m;
    size_t groups;
    if (!build_is_picture(b, b->p->g.nodes[i].inputs[0]))
        return PEL_OK;
    *made = true;
    if (!b->p->g.trains && match_layer_norm(&b->p->g, i, &m)) /* autodiff.c has found those that can be trained */
        return layer_norm(b, i, &m);
    if (!b->p->g.trains && match_group_norm(&b->p->g, i, &m, &groups)) /* its numbers change */
        return group_norm(b, i, &m, groups);
    *made = false;
    return PEL_OK;
}

static pel_status global_mean(builder *b, size_t i, bool *made)
{
    const graph_node *n = &b->p->g.nodes[i];
    *made = build_is_picture(b, n->inputs[0]);
    return !*made || add_gather(b, n->inputs[0], n->outputs[0]) != NULL ? PEL_OK : build_fail(b);
}

pel_status build_normalise(builder *b, size_t i, bool *made)
{
    static const struct {
        const char *op;
        build_node make;
    } table[] = {
        {"ReduceMean", build_matched},    {"ReduceMean", reduce_mean},  {"Transpose", build_matched},
        {"Reshape", build_matched},       {"InstanceNormalization", instance_norm},
        {"BatchNormalization", batch_norm}, {"GlobalAveragePool", global_mean},
    };
    pel_status status = PEL_OK;
    for (size_t row = 0; row < sizeof table / sizeof table[0] && status == PEL_OK && !*made; row++)
        if (strcmp(b->p->g.nodes[i].op->name, table[row].op) == 0)
            status = table[row].make(b, i, made);
    return status;
}
