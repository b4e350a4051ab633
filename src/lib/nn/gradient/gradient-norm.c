/* gradient-norm.c - gradients of normalisations: over the channels of each pixel, and over the picture.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "engine/plan.h"

/* ---- Over channels */

static void standardise_run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    picture dy = plan_picture(&n->plan, s->inputs[0]), x = plan_picture(&n->plan, s->inputs[1]);
    picture out = plan_picture(&n->plan, s->output);
    (void)ctx;
    for (size_t y = y0; y < y1; y++)
        n->plan.kernels->standardise_back(out.buffer->w, out.c, picture_row(&x, y), x.ld, picture_row(&dy, y), dy.ld,
                                          *(const float *)s->data, picture_row(&out, y), out.ld);
}

static const step_kind standardise_kind = {.name = "standardise gradient", .run = standardise_run};

static pel_status build_standardise_gradient(builder *b, const graph_node *n)
{
    step *s = build_step(b, &standardise_kind, sizeof(float), 2, n->inputs, n->outputs[0]);
    if (s == NULL)
        return build_fail(b);
    *(float *)s->data = (float)n->factor;
    return PEL_OK;
}

/* ---- Over the picture (InstanceNormalization).  With z = (x - mean) f, f = 1 / sqrt(variance + epsilon), N pixels:
 *     dscale = sum(z dy), dbias = sum(dy), dx = scale f (dy - sum(dy) / N - z sum(z dy) / N) */

typedef struct {
    size_t rows;        /* among the sums: [row][4][channel] of x, x x, dy, x dy */
    size_t scale_total, bias_total; /* among the sums: over samples */
    size_t scale_at, bias_at;       /* among the parameters, or NONE */
    double epsilon;
    float *scale;
} moments;

static void moments_free(step *s) { pel_free(((moments *)s->data)->scale); }

static void moments_run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    const moments *m = s->data;
    picture dy = plan_picture(&n->plan, s->inputs[0]), x = plan_picture(&n->plan, s->inputs[1]);
    (void)ctx;
    for (size_t y = y0; y < y1; y++) {
        double *sum = n->sums + m->rows + 4 * x.c * y;
        const float *v = picture_row(&x, y), *d = picture_row(&dy, y);
        memset(sum, 0, 4 * x.c * sizeof *sum);
        for (size_t p = 0; p < x.buffer->w; p++, v += x.ld, d += dy.ld)
            for (size_t c = 0; c < x.c; c++) {
                sum[c] += (double)v[c];
                sum[x.c + c] += (double)v[c] * (double)v[c];
                sum[2 * x.c + c] += (double)d[c];
                sum[3 * x.c + c] += (double)v[c] * (double)d[c];
            }
    }
}

/* The coefficients of dy and x, and what is added. */
static void moments_end(const step *s, const pel_network *n)
{
    const moments *m = s->data;
    picture x = plan_picture(&n->plan, s->inputs[1]), out = plan_picture(&n->plan, s->output);
    double count = (double)x.buffer->w * (double)x.buffer->h;
    float *to = picture_row(&out, 0);
    for (size_t c = 0; c < x.c; c++) {
        double sum[4] = {0};
        for (size_t y = 0; y < x.buffer->h; y++)
            for (size_t k = 0; k < 4; k++)
                sum[k] += n->sums[m->rows + (4 * y + k) * x.c + c];
        double mean = sum[0] / count, variance = fmax(sum[1] / count - mean * mean, 0);
        double f = 1 / sqrt(variance + m->epsilon), product = (sum[3] - mean * sum[2]) * f;
        double scale = (double)m->scale[c] * f, slope = -scale * f * product / count;
        n->sums[m->scale_total + c] += product;
        n->sums[m->bias_total + c] += sum[2];
        to[c] = (float)scale;
        to[x.c + c] = (float)slope;
        to[2 * x.c + c] = (float)(-scale * sum[2] / count - slope * mean);
    }
}

static void moments_collect(const step *s, const pel_network *const *networks, size_t count, float *gradient)
{
    const moments *m = s->data;
    const size_t at[2] = {m->scale_at, m->bias_at}, from[2] = {m->scale_total, m->bias_total};
    size_t channels = plan_picture(&networks[0]->plan, s->inputs[1]).c;
    for (size_t k = 0; k < 2; k++)
        for (size_t c = 0; at[k] != NONE && c < channels; c++) {
            double sum = 0;
            for (size_t i = 0; i < count; i++)
                sum += networks[i]->sums[from[k] + c];
            gradient[at[k] + c] += (float)sum;
        }
}

static pel_status moments_reload(step *s, const plan *p, const float *parameters, pel_error *error)
{
    moments *m = s->data;
    (void)error;
    for (size_t c = 0; m->scale_at != NONE && c < plan_picture(p, s->inputs[1]).c; c++)
        m->scale[c] = parameters[m->scale_at + c];
    return PEL_OK;
}

static const step_kind moments_kind = {.name = "instance norm gradient, means", .run = moments_run, .end = moments_end,
                                       .free = moments_free, .collect = moments_collect, .reload = moments_reload};

static void combine_needs(const step *s, const plan *p, size_t k, int axis, size_t first, size_t end, ptrdiff_t *from,
                          ptrdiff_t *to)
{
    (void)s, (void)p, (void)axis;
    *from = k == 2 ? 0 : (ptrdiff_t)first;
    *to = k == 2 ? 1 : (ptrdiff_t)end;
}

static void combine_run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    picture dy = plan_picture(&n->plan, s->inputs[0]), x = plan_picture(&n->plan, s->inputs[1]);
    picture by = plan_picture(&n->plan, s->inputs[2]), out = plan_picture(&n->plan, s->output);
    const float *a = picture_row(&by, 0);
    (void)ctx;
    for (size_t y = y0; y < y1; y++)
        n->plan.kernels->combine(out.buffer->w, out.c, picture_row(&dy, y), dy.ld, picture_row(&x, y), x.ld, a,
                                 a + out.c, a + 2 * out.c, picture_row(&out, y), out.ld);
}

static const step_kind combine_kind = {.name = "instance norm gradient", .needs = combine_needs, .run = combine_run};

static pel_status build_instance_gradient(builder *b, size_t i)
{
    graph *g = &b->p->g;
    size_t channels = (size_t)g->values[g->nodes[i].inputs[1]].array.dims[1];
    nn_array shape = {.type = PEL_MODEL_FLOAT, .rank = 4, .dims = {1, 3 * (int64_t)channels, 1, 1}};
    size_t by = graph_add_value(g, &shape);
    const graph_node *n = &g->nodes[i], *of = &g->nodes[n->of];
    step *s = by != NONE ? build_step(b, &moments_kind, sizeof(moments), 2, n->inputs, by) : NULL;
    if (s == NULL)
        return build_fail(b);
    moments *m = s->data;
    size_t height = (size_t)g->values[n->inputs[1]].array.dims[2];
    *m = (moments){.rows = plan_add_sums(b->p, 4 * channels * height), .scale_total = plan_add_sums(b->p, channels),
                   .bias_total = plan_add_sums(b->p, channels), .scale_at = g->values[of->inputs[1]].parameter,
                   .bias_at = g->values[of->inputs[2]].parameter,
                   .epsilon = pel_node_float(of->node, "epsilon", 1e-5)};
    m->scale = build_floats(b, &g->values[of->inputs[1]].array, channels, channels);
    s->gathers = true;
    s->height = height;
    size_t inputs[3] = {n->inputs[0], n->inputs[1], by};
    return m->scale != NULL && build_step(b, &combine_kind, 0, 3, inputs, n->outputs[0]) != NULL ? PEL_OK
                                                                                                  : build_fail(b);
}

pel_status build_norm_gradient(builder *b, size_t i, bool *made)
{
    const graph_node *n = &b->p->g.nodes[i];
    *made = true;
    if (strcmp(n->op->name, "StandardiseGradient") == 0)
        return build_standardise_gradient(b, n);
    if (strcmp(n->op->name, "InstanceGradient") == 0)
        return build_instance_gradient(b, i);
    *made = false;
    return PEL_OK;
}
