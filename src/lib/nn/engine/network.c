/* network.c - compiled networks: memory, and the loop over passes and bands.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include <pellucid/pool.h>

#include "plan.h"

static void set_bases(pel_network *n)
{
    for (size_t i = 0; i < n->plan.buffer_count; i++) {
        buffer *b = &n->plan.buffers[i];
        b->base = (char *)(n->arena + b->offset) + b->left * b->c * buffer_sample(b);
    }
}

static pel_status get_memory(const pel_context *ctx, pel_network *n)
{
    plan *p = &n->plan;
    n->arena = pel_calloc_floats(p->arena + KERNEL_SLACK);
    n->zeros = pel_calloc_floats(p->zero + KERNEL_SLACK);
    n->sums = pel_alloc((p->sums + 1) * sizeof *n->sums);
    n->held = pel_calloc_floats(p->held + KERNEL_SLACK);
    n->arrays = pel_alloc((p->g.value_count + 1) * sizeof *n->arrays);
    if (n->arrays != NULL)
        memset(n->arrays, 0, (p->g.value_count + 1) * sizeof *n->arrays);
    n->scratch = pel_alloc(p->threads * sizeof *n->scratch);
    if (n->scratch != NULL)
        memset(n->scratch, 0, p->threads * sizeof *n->scratch);
    bool good = n->arena != NULL && n->zeros != NULL && n->sums != NULL && n->held != NULL && n->scratch != NULL &&
                n->arrays != NULL;
    for (size_t i = 0; i < p->threads && good; i++) {
        n->scratch[i] = pel_calloc_floats(p->scratch + KERNEL_SLACK);
        good = n->scratch[i] != NULL;
    }
    if (good)
        set_bases(n);
    return good ? PEL_OK
                : pel_error_set(ctx->error, PEL_ENOMEM, "no memory for the network: it needs %.0f MB",
                                (double)pel_network_memory(n) / 1e6);
}

static pel_status set_outputs(const pel_context *ctx, pel_network *n)
{
    const graph *g = &n->plan.g;
    n->outputs = pel_alloc((g->output_count + 1) * sizeof *n->outputs);
    if (n->outputs == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    for (size_t k = 0; k < g->output_count; k++) {
        static const int64_t none[4] = {0};
        const int64_t *d = g->outputs[k] != NONE ? g->values[g->outputs[k]].array.dims : none;
        n->outputs[k] = pel_size_make((size_t)d[3], (size_t)d[2], 1, (size_t)d[1]);
    }
    n->input_count = g->input_count;
    n->output_count = g->output_count;
    return PEL_OK;
}

pel_status network_compile(const pel_context *ctx, const pel_model *model, const pel_size *inputs,
                           const plan_options *options, const nn_kernels *kernels, pel_network **network)
{
    *network = NULL;
    pel_network *n = pel_alloc(sizeof *n);
    if (n == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    memset(n, 0, sizeof *n);
    pel_status status = plan_make(ctx, model, inputs, options, kernels, &n->plan);
    if (status == PEL_OK)
        status = set_outputs(ctx, n);
    if (status == PEL_OK)
        status = get_memory(ctx, n);
    if (status == PEL_OK)
        *network = n;
    else
        pel_network_free(n);
    return status;
}

pel_status pel_network_compile(const pel_context *ctx, const pel_model *model, const pel_size *inputs,
                               pel_precision precision, pel_network **network)
{
    const nn_kernels *kernels;
    const plan_options options = {.precision = precision};
    pel_status status = nn_kernels_choose(&kernels, ctx->error);
    *network = NULL;
    return status == PEL_OK ? network_compile(ctx, model, inputs, &options, kernels, network) : status;
}

void pel_network_free(pel_network *n)
{
    if (n == NULL)
        return;
    for (size_t i = 0; n->scratch != NULL && i < n->plan.threads; i++)
        pel_free(n->scratch[i]);
    for (size_t i = 0; n->arrays != NULL && i < n->plan.g.value_count; i++)
        nn_array_free(&n->arrays[i]);
    pel_free(n->arrays);
    pel_free(n->scratch);
    pel_free(n->arena);
    pel_free(n->zeros);
    pel_free(n->sums);
    pel_free(n->held);
    if (n->borrows) {
        pel_free(n->plan.buffers);
        pel_free(n->plan.steps);
    } else {
        pel_free(n->outputs);
        plan_free(&n->plan);
    }
    pel_free(n);
}

/* What changes in a run is the network's own: memory, and how far steps and buffers are. */
pel_status network_borrow(const pel_context *ctx, const pel_network *from, pel_network **network)
{
    *network = NULL;
    pel_network *n = pel_alloc(sizeof *n);
    if (n == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    memset(n, 0, sizeof *n);
    n->plan = from->plan;
    n->borrows = true;
    n->outputs = from->outputs;
    n->input_count = from->input_count;
    n->output_count = from->output_count;
    n->plan.buffers = pel_alloc((n->plan.buffer_count + 1) * sizeof *n->plan.buffers);
    n->plan.steps = pel_alloc((n->plan.step_count + 1) * sizeof *n->plan.steps);
    pel_status status = PEL_OK;
    if (n->plan.buffers == NULL || n->plan.steps == NULL) {
        status = pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    } else {
        memcpy(n->plan.buffers, from->plan.buffers, n->plan.buffer_count * sizeof *n->plan.buffers);
        memcpy(n->plan.steps, from->plan.steps, n->plan.step_count * sizeof *n->plan.steps);
        status = get_memory(ctx, n);
    }
    if (status == PEL_OK)
        *network = n;
    else
        pel_network_free(n);
    return status;
}

pel_size pel_network_output(const pel_network *network, size_t output) { return network->outputs[output]; }

size_t pel_network_memory(const pel_network *n)
{
    return (n->plan.arena + n->plan.zero + n->plan.held + n->plan.threads * n->plan.scratch) * sizeof(float) +
           n->plan.sums * sizeof(double);
}

double pel_network_macs(const pel_network *network) { return network->plan.macs; }
bool pel_network_is_local(const pel_network *network) { return network->plan.local; }

double pel_network_node_macs(const pel_network *network, size_t node)
{
    return network->plan.g.nodes[node].macs;
}

/* ---- What a sample depends on */

static size_t side_of(const buffer *b, int axis) { return axis == 0 ? b->h : b->w; }

/* Samples of the inputs to one of the narrowest value: strips that begin at multiples of it meet the same samples. */
static size_t alignment(const plan *p, int axis, size_t side)
{
    size_t align = 1;
    for (size_t i = 0; i < p->buffer_count; i++)
        if (p->buffers[i].first != NONE && side_of(&p->buffers[i], axis) < side)
            while (side_of(&p->buffers[i], axis) * align < side)
                align *= 2;
    return align;
}

typedef struct {
    size_t before, after, align;
    bool cut; /* it comes to an edge of the picture: there may be more */
} reach;

/* Along an axis of the picture, of a sample in its middle.  Which of the samples that one of the narrowest stands for
 * makes a difference: all are tried. */
static bool find_reach(const plan *p, int axis, size_t side, reach *r)
{
    *r = (reach){.align = alignment(p, axis, side)};
    for (size_t i = 0; i < r->align && i < 256; i++) {
        size_t at = side / 2 / r->align * r->align + i, from, to;
        if (at >= side)
            break;
        if (!plan_reach(p, axis, at, &from, &to))
            return false;
        r->cut = r->cut || from == 0 || to >= side;
        r->before = at > from && at - from > r->before ? at - from : r->before;
        r->after = to > at + 1 && to - at - 1 > r->after ? to - at - 1 : r->after;
    }
    return true;
}

pel_status pel_network_reach(const pel_context *ctx, const pel_model *model, const pel_size *inputs,
                             pel_precision precision, pel_network_strips *strips)
{
    plan p = {.places = NULL};
    const nn_kernels *kernels;
    reach r;
    *strips = (pel_network_strips){0, 0, 1};
    pel_status status = nn_kernels_choose(&kernels, ctx->error);
    if (status == PEL_OK)
        status = plan_make_wide(ctx, model, inputs, precision, kernels, &p);
    if (status == PEL_OK && !p.local)
        status = pel_error_set(ctx->error, PEL_EINVAL, "the model sees the whole picture at once");
    if (status == PEL_OK && !find_reach(&p, 1, inputs[0].w, &r))
        status = pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    if (status == PEL_OK) {
        *strips = (pel_network_strips){r.before, r.after, r.align};
        if (r.cut)
            status = pel_error_set(ctx->error, PEL_ELIMIT, "the model sees too far for strips");
    }
    plan_free(&p);
    return status;
}

pel_status pel_network_receptive_field(const pel_context *ctx, const pel_model *model, const pel_size *inputs,
                                       pel_network_field *field)
{
    plan p = {.places = NULL};
    const nn_kernels *kernels;
    reach x, y;
    const plan_options options = {.precision = PEL_FP32};
    *field = (pel_network_field){.whole = true};
    pel_status status = nn_kernels_choose(&kernels, ctx->error);
    if (status == PEL_OK)
        status = plan_make(ctx, model, inputs, &options, kernels, &p);
    if (status == PEL_OK && p.local) {
        if (find_reach(&p, 1, inputs[0].w, &x) && find_reach(&p, 0, inputs[0].h, &y))
            *field = (pel_network_field){x.cut || y.cut, x.before, x.after, y.before, y.after};
        else
            status = pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    }
    plan_free(&p);
    return status;
}

/* ---- Running */

/* What convolutions read beside the rows: other passes may have used the memory. */
static void clear_margins(plan *p, size_t pass)
{
    for (size_t i = 0; i < p->buffer_count; i++) {
        buffer *b = &p->buffers[i];
        if (b->first != pass || b->left + b->right == 0)
            continue;
        for (size_t y = 0; y < b->rows; y++) {
            size_t pixel = b->c * buffer_sample(b);
            char *row = b->base + y * buffer_row(b) * buffer_sample(b);
            memset(row - b->left * pixel, 0, b->left * pixel);
            memset(row + b->w * pixel, 0, b->right * pixel);
        }
    }
}

static pel_status run_pass(const pel_context *ctx, pel_network *n, size_t pass)
{
    plan *p = &n->plan;
    size_t parts = plan_parts(p, pass);
    clear_margins(p, pass);
    for (size_t i = 0; i < p->step_count; i++)
        if (p->steps[i].pass == pass && p->steps[i].whole)
            p->steps[i].kind->run(&p->steps[i], n, ctx, 0, p->steps[i].height);
    if (*n->failed != PEL_OK)
        return *n->failed;
    for (size_t part = 0; part < parts; part++) {
        plan_band(p, pass, part, parts);
        for (size_t i = 0; i < p->step_count; i++) {
            step *s = &p->steps[i];
            if (s->pass != pass || s->whole || s->target <= s->done)
                continue;
            s->kind->run(s, n, ctx, s->done, s->target);
            s->done = s->target;
        }
        double done = ((double)pass + (double)(part + 1) / (double)parts) / (double)p->pass_count;
        if (!pel_context_tick(ctx, done))
            return pel_error_set(ctx->error, PEL_ECLOSED, "stopped");
    }
    for (size_t i = 0; i < p->step_count; i++)
        if (p->steps[i].pass == pass && p->steps[i].kind->end != NULL)
            p->steps[i].kind->end(&p->steps[i], n);
    return PEL_OK;
}

pel_status pel_network_run(const pel_context *ctx, pel_network *n, const float *const *inputs,
                           float *const *outputs)
{
    if (pel_pool_threads(ctx->pool) > n->plan.threads)
        return pel_error_set(ctx->error, PEL_EINVAL, "the network was compiled for %zu threads", n->plan.threads);
    n->given = inputs;
    n->wanted = outputs;
    n->status = PEL_OK;
    n->failed = &n->status;
    for (size_t i = 0; i < n->plan.step_count; i++)
        n->plan.steps[i].done = 0;
    for (size_t pass = 0; pass < n->plan.pass_count; pass++) {
        pel_status status = run_pass(ctx, n, pass);
        if (status == PEL_OK && n->outputs_there != NULL && pass == n->plan.last_forward)
            status = n->outputs_there(n->arg);
        if (status != PEL_OK)
            return status;
    }
    return PEL_OK;
}
