/* plan.c - from a graph to steps, passes and memory.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <pellucid/cpu.h>
#include <pellucid/pool.h>

#include "gradient/autodiff.h"
#include "plan.h"

#define BAND 4096 /* pixels of a band for each thread */
#define MOST_FLOATS (1 << 20) /* of a value's rows in a band, for each thread */

/* ---- Values that are parts of others */

static bool is_named(const graph_node *n, const char *name)
{
    return !n->gone && strcmp(n->op->name, name) == 0 && n->node->domain[0] == '\0';
}

static bool on_channels(const graph_node *n)
{
    int64_t axis = pel_node_int(n->node, "axis", 0);
    return axis == 1 || axis == -3;
}

static void place_in(plan *p, size_t value, size_t parent, size_t channel)
{
    p->places[value].parent = parent;
    p->places[value].channel = channel;
}

/* Split along the channels: its outputs are views. */
static void view_split(builder *b, graph_node *n)
{
    size_t at = 0;
    if (!build_is_picture(b, n->inputs[0]) || !on_channels(n))
        return;
    for (size_t k = 0; k < n->output_count; k++)
        if (n->outputs[k] != NONE) {
            place_in(b->p, n->outputs[k], n->inputs[0], at);
            at += (size_t)b->p->g.values[n->outputs[k]].array.dims[1];
        }
    n->gone = true;
}

static void view_identity(builder *b, graph_node *n)
{
    if (build_is_picture(b, n->inputs[0]) && build_is_picture(b, n->outputs[0])) {
        place_in(b->p, n->outputs[0], n->inputs[0], 0);
        n->gone = true;
    }
}

/* Inputs of the graph are loaded anew in each pass: they are not written into others. */
static bool is_movable(const builder *b, size_t value)
{
    return build_is_picture(b, value) && b->p->places[value].parent == NONE &&
           b->p->g.values[value].maker != NONE;
}

/* What a Concat along the channels joins is made in its place, if it is not in another's already. */
static void view_concat(builder *b, graph_node *n)
{
    size_t at = 0;
    bool all = build_is_picture(b, n->outputs[0]) && on_channels(n);
    for (size_t k = 0; k < n->input_count; k++)
        all = all && build_is_picture(b, n->inputs[k]);
    for (size_t k = 0; k < n->input_count && all; k++) {
        size_t value = n->inputs[k];
        if (is_movable(b, value))
            place_in(b->p, value, n->outputs[0], at);
        at += (size_t)b->p->g.values[value].array.dims[1];
    }
}

static void find_views(builder *b)
{
    graph *g = &b->p->g;
    for (size_t i = 0; i < g->node_count; i++) {
        graph_node *n = &g->nodes[i];
        if (is_named(n, "Split"))
            view_split(b, n);
        else if (is_named(n, "Identity") || is_named(n, "Dropout"))
            view_identity(b, n);
        else if (is_named(n, "Concat"))
            view_concat(b, n);
    }
}

/* ---- Steps */

static pel_status build_one(builder *b, size_t i)
{
    static const build_node makers[] = {build_gradient, build_conv, build_pointwise, build_normalise, build_move,
                                        build_resample};
    bool made = false;
    pel_status status = PEL_OK;
    for (size_t m = 0; m < sizeof makers / sizeof makers[0] && status == PEL_OK && !made; m++)
        status = makers[m](b, i, &made);
    return status == PEL_OK && !made ? build_evaluate(b, i) : status;
}

/* In training the outputs are stored before what waits for the loss. */
static pel_status build_all(builder *b)
{
    graph *g = &b->p->g;
    plan *p = b->p;
    size_t forward_inputs = g->input_count - p->forward_outputs;
    pel_status status = PEL_OK;
    for (size_t k = 0; k < forward_inputs && status == PEL_OK; k++)
        status = build_load(b, k);
    for (size_t i = 0; i < g->node_count && status == PEL_OK; i++)
        if (!g->nodes[i].gone && g->nodes[i].of == NONE)
            status = build_one(b, i);
    for (size_t k = 0; k < p->forward_outputs && status == PEL_OK; k++)
        status = build_store(b, k);
    for (size_t k = forward_inputs; k < g->input_count && status == PEL_OK; k++)
        status = build_load(b, k);
    for (size_t i = 0; i < g->node_count && status == PEL_OK; i++)
        if (!g->nodes[i].gone && g->nodes[i].of != NONE)
            status = build_one(b, i);
    for (size_t k = p->forward_outputs; k < g->output_count && status == PEL_OK; k++)
        if (g->outputs[k] != NONE)
            status = build_store(b, k);
    return status;
}

/* ---- Passes */

/* Does node i make an array (not a picture) that node k uses? */
static bool feeds(const graph *g, size_t i, size_t k)
{
    for (size_t o = 0; o < g->nodes[i].output_count; o++)
        for (size_t m = 0; m < g->nodes[k].input_count; m++)
            if (g->nodes[i].outputs[o] != NONE && g->nodes[i].outputs[o] == g->nodes[k].inputs[m])
                return true;
    return false;
}

/* Does step s write what a reader of `value` reads? */
static bool writes_to(const plan *p, const step *s, size_t value)
{
    if (s->output == NONE)
        return false;
    picture a = plan_picture(p, s->output), v = plan_picture(p, value);
    return a.buffer == v.buffer && a.channel < v.channel + v.c && v.channel < a.channel + a.c;
}

static void number_passes(plan *p)
{
    p->pass_count = 1;
    p->local = true;
    for (size_t i = 0; i < p->step_count; i++) {
        step *s = &p->steps[i];
        for (size_t k = 0; k < s->input_count; k++)
            for (size_t m = 0; m < i; m++)
                if (writes_to(p, &p->steps[m], s->inputs[k])) {
                    size_t pass = p->steps[m].pass + (p->steps[m].gathers || s->whole);
                    s->pass = pass > s->pass ? pass : s->pass;
                }
        for (size_t m = 0; m < i && s->waits; m++)
            if (!p->steps[m].waits && p->steps[m].pass >= s->pass)
                s->pass = p->steps[m].pass + 1;
        if (s->waits)
            p->last_forward = s->pass - 1;
        for (size_t m = 0; m < i && s->whole; m++)
            if (p->steps[m].whole && feeds(&p->g, p->steps[m].node, s->node) && p->steps[m].pass >= s->pass)
                s->pass = p->steps[m].pass + 1;
        p->local = p->local && !s->gathers && !s->whole;
        p->pass_count = s->pass >= p->pass_count ? s->pass + 1 : p->pass_count;
    }
}

/* Which passes use a buffer; kept whole where that is more than one, or a step takes it at once. */
static void note_uses(plan *p)
{
    for (size_t i = 0; i < p->step_count; i++) {
        const step *s = &p->steps[i];
        for (size_t k = 0; k <= s->input_count; k++) {
            size_t value = k < s->input_count ? s->inputs[k] : s->output;
            if (value == NONE)
                continue;
            buffer *b = plan_buffer(p, value);
            if (b->first == NONE) {
                b->first = b->last = s->pass;
            } else {
                b->first = s->pass < b->first ? s->pass : b->first;
                b->last = s->pass > b->last ? s->pass : b->last;
            }
            if (s->whole || (k == s->input_count && s->gathers))
                b->rows = b->h;
        }
    }
    for (size_t i = 0; i < p->buffer_count; i++)
        if (p->buffers[i].first != p->buffers[i].last)
            p->buffers[i].rows = p->buffers[i].h;
}

/* ---- Bands */

static void rows_needed(const step *s, const plan *p, size_t k, size_t y0, size_t y1, ptrdiff_t *from,
                        ptrdiff_t *to)
{
    *from = (ptrdiff_t)y0;
    *to = (ptrdiff_t)y1;
    if (s->kind->needs != NULL)
        s->kind->needs(s, p, k, 0, y0, y1, from, to);
}

static size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

/* Do rows of the step's output go to other passes, or out? */
static bool is_sink(const plan *p, const step *s)
{
    if (s->output == NONE || s->gathers)
        return true;
    return plan_picture(p, s->output).buffer->last > s->pass;
}

void plan_band(plan *p, size_t pass, size_t part, size_t parts)
{
    for (size_t i = 0; i < p->buffer_count; i++)
        p->buffers[i].target = 0;
    for (size_t i = p->step_count; i-- > 0;) {
        step *s = &p->steps[i];
        if (s->pass != pass || s->whole)
            continue;
        size_t target = s->output == NONE || s->gathers ? 0 : plan_buffer(p, s->output)->target;
        if (is_sink(p, s)) {
            size_t share = (s->height * (part + 1) + parts - 1) / parts;
            target = share > target ? share : target;
        }
        target = round_up(target, s->granule);
        target = target < s->height ? target : s->height;
        s->target = target > s->done ? target : s->done;
        for (size_t k = 0; k < s->input_count && s->target > s->done; k++) {
            ptrdiff_t from, to;
            buffer *b = plan_buffer(p, s->inputs[k]);
            rows_needed(s, p, k, s->done, s->target, &from, &to);
            size_t need = to < 0 ? 0 : (size_t)to < b->h ? (size_t)to : b->h;
            b->target = need > b->target ? need : b->target;
        }
    }
}

size_t plan_lowest_needed(const plan *p, const buffer *b, size_t pass, const step *but)
{
    size_t low = b->h;
    for (size_t i = 0; i < p->step_count; i++) {
        const step *s = &p->steps[i];
        if (s == but || s->pass != pass || s->whole || s->done >= s->height)
            continue;
        for (size_t k = 0; k < s->input_count; k++)
            if (plan_picture(p, s->inputs[k]).buffer == b) {
                ptrdiff_t from, to;
                size_t end = s->done + s->granule < s->height ? s->done + s->granule : s->height;
                rows_needed(s, p, k, s->done, end, &from, &to);
                size_t first = from < 0 ? 0 : (size_t)from;
                low = first < low ? first : low;
            }
    }
    return low;
}

/* Bands are high enough that a layer's work on one is worth sharing among threads, and low enough that the widest
 * values stay small. */
size_t plan_parts(const plan *p, size_t pass)
{
    size_t tallest = 1, widest = 1, longest = 1;
    for (size_t i = 0; i < p->step_count; i++) {
        const step *s = &p->steps[i];
        if (s->pass != pass || s->whole)
            continue;
        tallest = s->height > tallest ? s->height : tallest;
        for (size_t k = 0; k < s->input_count; k++) {
            const buffer *b = plan_picture(p, s->inputs[k]).buffer;
            widest = b->w > widest ? b->w : widest;
            longest = b->w * b->c > longest ? b->w * b->c : longest;
        }
    }
    size_t rows = (BAND * p->threads + widest - 1) / widest, most = MOST_FLOATS * p->threads / longest;
    size_t band = round_up(rows < most + 1 ? rows : most + 1, 8);
    return (tallest + band - 1) / band;
}

/* Plays a pass through, and gives each ring of it the rows that it needs at its fullest. */
static void size_rings(plan *p, size_t pass, size_t parts)
{
    for (size_t i = 0; i < p->step_count; i++)
        p->steps[i].done = 0;
    for (size_t part = 0; part < parts; part++) {
        plan_band(p, pass, part, parts);
        for (size_t i = 0; i < p->step_count; i++) {
            step *s = &p->steps[i];
            if (s->pass != pass || s->whole || s->target <= s->done)
                continue;
            if (s->output != NONE && !s->gathers) {
                buffer *b = plan_buffer(p, s->output);
                size_t low = plan_lowest_needed(p, b, pass, NULL), rows = s->target - (low < s->done ? low : s->done);
                b->rows = rows > b->rows ? rows : b->rows;
            }
            s->done = s->target;
        }
    }
    for (size_t i = 0; i < p->step_count; i++)
        p->steps[i].done = 0;
}

/* ---- What rows and columns see */

typedef struct {
    ptrdiff_t from, to; /* empty: from >= to */
} interval;

static void widen(interval *i, ptrdiff_t from, ptrdiff_t to, size_t width)
{
    from = from < 0 ? 0 : from;
    to = to > (ptrdiff_t)width ? (ptrdiff_t)width : to;
    i->from = from < i->from ? from : i->from;
    i->to = to > i->to ? to : i->to;
}

bool plan_reach(const plan *p, int axis, size_t at, size_t *from, size_t *to)
{
    interval *seen = pel_alloc((p->buffer_count + 1) * sizeof *seen), all = {PTRDIFF_MAX, 0};
    for (size_t i = 0; seen != NULL && i < p->buffer_count; i++)
        seen[i] = (interval){PTRDIFF_MAX, 0};
    for (size_t i = p->step_count; seen != NULL && i-- > 0;) {
        const step *s = &p->steps[i];
        step single = *s; /* what a granule reads besides does not change the sample */
        single.granule = 1;
        interval out = {(ptrdiff_t)at, (ptrdiff_t)at + 1};
        if (s->output != NONE)
            out = seen[plan_picture(p, s->output).buffer - p->buffers];
        for (size_t k = 0; k < s->input_count && out.from < out.to; k++) {
            const buffer *b = plan_picture(p, s->inputs[k]).buffer;
            ptrdiff_t low = out.from, high = out.to;
            if (s->kind->needs != NULL)
                s->kind->needs(&single, p, k, axis, (size_t)out.from, (size_t)out.to, &low, &high);
            widen(&seen[b - p->buffers], low, high, axis == 0 ? b->h : b->w);
        }
        if (s->input_count == 0 && out.from < out.to) /* a load */
            all = (interval){out.from < all.from ? out.from : all.from, out.to > all.to ? out.to : all.to};
    }
    pel_free(seen);
    *from = all.from < all.to ? (size_t)all.from : 0;
    *to = all.from < all.to ? (size_t)all.to : 0;
    return seen != NULL;
}

/* ---- All of it */

static pel_status check_size(const pel_context *ctx, const plan *p)
{
    size_t bytes = (p->arena + p->zero + p->held + p->threads * p->scratch) * sizeof(float) + p->sums * sizeof(double);
    if (ctx->memory != 0 && bytes > ctx->memory)
        return pel_error_set(ctx->error, PEL_ELIMIT, "the network needs %.0f MB for this size, the cap is %.0f MB",
                             (double)bytes / 1e6, (double)ctx->memory / 1e6);
    return PEL_OK;
}

static pel_status make_steps(const pel_context *ctx, plan *p)
{
    /* Steps may add values (moments, or the input in bf16: a node one). */
    size_t count = p->g.value_count + p->g.node_count;
    builder b = {ctx, p};
    p->places = pel_alloc((count + 1) * sizeof *p->places);
    p->buffers = pel_alloc((count + 1) * sizeof *p->buffers);
    if (p->places == NULL || p->buffers == NULL)
        return build_fail(&b);
    for (size_t i = 0; i < count; i++)
        p->places[i] = (place){NONE, 0, NONE, NONE};
    find_views(&b);
    return build_all(&b);
}

/* Constants are in the steps now; only what the reference runs reads them still. */
static void drop_constants(plan *p)
{
    graph *g = &p->g;
    for (size_t i = 0; i < g->value_count; i++)
        g->values[i].uses = 0;
    for (size_t i = 0; i < p->step_count; i++) {
        const graph_node *n = p->steps[i].whole ? &g->nodes[p->steps[i].node] : NULL;
        for (size_t k = 0; n != NULL && k < n->input_count; k++)
            if (n->inputs[k] != NONE)
                g->values[n->inputs[k]].uses = 1;
    }
    for (size_t i = 0; i < g->value_count; i++)
        if (g->values[i].uses == 0)
            nn_array_free(&g->values[i].array);
}

size_t plan_add_sums(plan *p, size_t doubles)
{
    size_t at = p->sums;
    p->sums += round_up(doubles, 8); /* a cache line */
    return at;
}

size_t plan_add_held(plan *p, size_t floats)
{
    size_t at = p->held;
    p->held += round_up(floats, 16);
    return at;
}

static pel_status make(const pel_context *ctx, const pel_model *model, const pel_size *inputs,
                       const plan_options *options, bool wide, const nn_kernels *kernels, plan *p)
{
    memset(p, 0, sizeof *p);
    p->threads = pel_pool_threads(ctx->pool);
    p->opset = model->opset;
    p->precision = options->precision;
    p->kernels = kernels;
    pel_status status = wide ? graph_make_wide(ctx, model, inputs, &p->g)
                             : graph_make(ctx, model, inputs, options->trains, &p->g);
    if (status == PEL_OK && options->trains) {
        p->forward_outputs = p->g.output_count;
        status = autodiff(ctx, &p->g, options->parameters, options->inputs);
    }
    if (status == PEL_OK)
        graph_drop_unneeded(&p->g);
    for (size_t i = 0; i < p->g.node_count && status == PEL_OK; i++) {
        p->g.nodes[i].macs = p->g.nodes[i].gone ? 0 : p->g.nodes[i].macs;
        p->macs += p->g.nodes[i].macs;
    }
    if (status == PEL_OK)
        status = make_steps(ctx, p);
    if (status != PEL_OK)
        return status;
    drop_constants(p);
    number_passes(p);
    note_uses(p);
    for (size_t pass = 0; pass < p->pass_count; pass++)
        size_rings(p, pass, plan_parts(p, pass));
    for (size_t i = 0; i < p->step_count; i++)
        p->scratch = p->steps[i].scratch > p->scratch ? p->steps[i].scratch : p->scratch;
    return plan_place(ctx, p);
}

pel_status plan_make(const pel_context *ctx, const pel_model *model, const pel_size *inputs,
                     const plan_options *options, const nn_kernels *kernels, plan *p)
{
    pel_status status = make(ctx, model, inputs, options, false, kernels, p);
    return status == PEL_OK ? check_size(ctx, p) : status;
}

pel_status plan_make_wide(const pel_context *ctx, const pel_model *model, const pel_size *inputs,
                          pel_precision precision, const nn_kernels *kernels, plan *p)
{
    const plan_options options = {.precision = precision};
    return make(ctx, model, inputs, &options, true, kernels, p);
}

void plan_free(plan *p)
{
    for (size_t i = 0; i < p->step_count; i++) {
        if (p->steps[i].kind->free != NULL)
            p->steps[i].kind->free(&p->steps[i]);
        pel_free(p->steps[i].data);
    }
    pel_free(p->steps);
    pel_free(p->buffers);
    pel_free(p->places);
    graph_free(&p->g);
    memset(p, 0, sizeof *p);
}
