/* round.c - values in bf16: which may be stored so, and the step that rounds others.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/pool.h>

#include "plan.h"

typedef struct {
    const step *s;
    const pel_network *n;
    size_t y0;
} work;

static void round_job(void *arg, size_t index, size_t worker)
{
    const work *w = arg;
    picture in = plan_picture(&w->n->plan, w->s->inputs[0]), out = plan_picture(&w->n->plan, w->s->output);
    const nn_kernels *kernels = w->n->plan.kernels;
    size_t y = w->y0 + index, width = in.buffer->w;
    const float *from = picture_row(&in, y);
    bf16 *to = picture_samples(&out, y);
    (void)worker;
    if (in.ld == in.c)
        kernels->to_bf16(from, width * in.c, to);
    else
        for (size_t x = 0; x < width; x++)
            kernels->to_bf16(from + x * in.ld, in.c, to + x * out.ld);
}

static void round_run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    work w = {s, n, y0};
    pel_pool_run(ctx->pool, y1 - y0, round_job, &w);
}

static const step_kind round_kind = {.name = "round", .run = round_run};

static bool is_part(const plan *p, size_t value)
{
    bool part = p->places[value].parent != NONE;
    for (size_t i = 0; i < p->g.value_count && !part; i++)
        part = p->places[i].parent == value;
    return part;
}

bool build_is_rounded(const builder *b, size_t value)
{
    const graph *g = &b->p->g;
    size_t uses = 0;
    if (b->p->precision != PEL_BF16 || is_part(b->p, value))
        return false;
    for (size_t i = 0; i < g->node_count; i++)
        if (!g->nodes[i].gone && g->nodes[i].inputs[0] == value)
            uses += build_conv_rounds(b, i);
    return uses > 0 && uses == g->values[value].uses; /* outputs of the graph are uses */
}

void build_halve(builder *b, size_t value)
{
    b->p->buffers[plan_picture(b->p, value).buffer - b->p->buffers].half = true;
}

size_t build_rounded(builder *b, size_t value)
{
    plan *p = b->p;
    if (plan_picture(p, value).buffer->half)
        return value;
    if (p->places[value].rounded == NONE) {
        nn_array shape = p->g.values[value].array;
        size_t rounded = graph_add_value(&p->g, &shape);
        if (rounded == NONE || build_step(b, &round_kind, 0, 1, &value, rounded) == NULL)
            return NONE;
        build_halve(b, rounded);
        p->places[value].rounded = rounded;
    }
    return p->places[value].rounded;
}
