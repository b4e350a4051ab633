/* ends.c - pictures into the network and out of it, and operators that only the reference knows.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include <pellucid/pool.h>

#include "plan.h"

typedef struct {
    size_t number; /* of the input or output */
} end;

typedef struct {
    const step *s;
    const pel_network *n;
    size_t y0;
} work;

/* A planar row becomes one of pixels; back in store_job. */
static void load_job(void *arg, size_t index, size_t worker)
{
    const work *w = arg;
    const end *e = w->s->data;
    picture out = plan_picture(&w->n->plan, w->s->output);
    size_t y = w->y0 + index, width = out.buffer->w, plane = width * out.buffer->h;
    const float *from = w->n->given[e->number] + y * width;
    float *to = picture_row(&out, y);
    (void)worker;
    for (size_t c = 0; c < out.c; c++)
        for (size_t x = 0; x < width; x++)
            to[x * out.ld + c] = from[c * plane + x];
}

static void load_run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    work w = {s, n, y0};
    pel_pool_run(ctx->pool, y1 - y0, load_job, &w);
}

static const step_kind load = {.name = "load", .run = load_run};

pel_status build_load(builder *b, size_t input)
{
    size_t value = b->p->g.inputs[input];
    if (b->p->g.values[value].uses == 0)
        return PEL_OK;
    step *s = build_step(b, &load, sizeof(end), 0, NULL, value);
    if (s == NULL)
        return build_fail(b);
    ((end *)s->data)->number = input;
    s->waits = b->p->forward_outputs > 0 && input + b->p->forward_outputs >= b->p->g.input_count;
    return PEL_OK;
}

static void store_job(void *arg, size_t index, size_t worker)
{
    const work *w = arg;
    const end *e = w->s->data;
    picture in = plan_picture(&w->n->plan, w->s->inputs[0]);
    size_t y = w->y0 + index, width = in.buffer->w, plane = width * in.buffer->h;
    const float *from = picture_row(&in, y);
    float *to = w->n->wanted[e->number] + y * width;
    (void)worker;
    for (size_t c = 0; c < in.c; c++)
        for (size_t x = 0; x < width; x++)
            to[c * plane + x] = from[x * in.ld + c];
}

static void store_run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    work w = {s, n, y0};
    pel_pool_run(ctx->pool, y1 - y0, store_job, &w);
}

static const step_kind store = {.name = "store", .run = store_run};

pel_status build_store(builder *b, size_t output)
{
    size_t value = b->p->g.outputs[output];
    if (!build_is_picture(b, value))
        return pel_error_set(b->ctx->error, PEL_EINVAL, "output '%s' is not a picture made from the input",
                             b->p->g.model->outputs[output].name);
    step *s = build_step(b, &store, sizeof(end), 1, &value, NONE);
    if (s == NULL)
        return build_fail(b);
    ((end *)s->data)->number = output;
    s->height = (size_t)b->p->g.values[value].array.dims[2];
    return PEL_OK;
}
