/* gradient.c - models compiled for training: a network for each worker, with the same weights.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include <pellucid/pool.h>

#include "gradient-internal.h"

#define MOST_ENDS 64 /* inputs or outputs of a model */

/* One worker's: it takes sample after sample. */
typedef struct {
    pel_network *network;
    float *outputs[MOST_ENDS], *gradients[MOST_ENDS]; /* of the sample: outputs, and the loss by them */
} worker_state;

struct pel_gradient {
    size_t workers, inputs, outputs, count, size; /* ends of the model; parameters, and floats of them */
    bool wants_parameters, wants_inputs;
    pel_size input_sizes[MOST_ENDS];
    pel_network *base; /* owns steps and weights; runs nothing */
    worker_state *worker;
    pel_parameter *parameters;
};

/* ---- Parameters */

static pel_status list_parameters(const pel_context *ctx, const pel_model *m, pel_gradient *g)
{
    const graph *from = &g->base->plan.g;
    g->parameters = pel_alloc((m->tensor_count + 1) * sizeof *g->parameters);
    if (g->parameters == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    for (size_t i = 0; i < m->tensor_count; i++) /* the graph's first values, in this order */
        if (from->values[i].parameter != NONE)
            g->parameters[g->count++] = (pel_parameter){&m->tensors[i], from->values[i].parameter,
                                                        pel_model_tensor_count(&m->tensors[i])};
    g->size = from->parameters;
    return PEL_OK;
}

const pel_parameter *pel_gradient_parameters(const pel_gradient *g, size_t *count)
{
    *count = g->count;
    return g->parameters;
}

size_t pel_gradient_size(const pel_gradient *g) { return g->size; }

typedef struct {
    const pel_context *ctx;
    pel_gradient *g;
    const float *parameters;
    pel_status *status;
    pel_error *errors;
} loading;

static void load_job(void *arg, size_t index, size_t worker)
{
    const loading *l = arg;
    plan *p = &l->g->base->plan;
    step *s = &p->steps[index];
    (void)worker;
    l->status[index] = s->kind->reload != NULL ? s->kind->reload(s, p, l->parameters, &l->errors[index]) : PEL_OK;
}

pel_status pel_gradient_load(const pel_context *ctx, pel_gradient *g, const float *parameters)
{
    plan *p = &g->base->plan;
    loading l = {ctx, g, parameters, pel_alloc((p->step_count + 1) * sizeof *l.status),
                 pel_alloc((p->step_count + 1) * sizeof *l.errors)};
    pel_status status = PEL_OK;
    if (l.status == NULL || l.errors == NULL)
        status = pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    else
        pel_pool_run(ctx->pool, p->step_count, load_job, &l);
    for (size_t i = 0; status == PEL_OK && i < p->step_count; i++)
        if (l.status[i] != PEL_OK)
            status = pel_error_set(ctx->error, l.status[i], "%s", l.errors[i].text);
    for (size_t i = 0; i < g->count; i++) { /* what the reference reads */
        nn_array *a = &p->g.values[(size_t)(g->parameters[i].tensor - p->g.model->tensors)].array;
        for (size_t k = 0; a->values != NULL && k < g->parameters[i].count; k++)
            a->values[k] = (double)parameters[g->parameters[i].offset + k];
    }
    pel_free(l.status);
    pel_free(l.errors);
    return status;
}

/* ---- Compiling */

static pel_status add_worker(const pel_context *ctx, pel_gradient *g, worker_state *w)
{
    pel_status status = network_borrow(ctx, g->base, &w->network);
    for (size_t k = 0; status == PEL_OK && k < g->outputs; k++) {
        size_t count = pel_size_count(pel_network_output(g->base, k));
        w->outputs[k] = pel_alloc_floats(count + 1);
        w->gradients[k] = pel_alloc_floats(count + 1);
        if (w->outputs[k] == NULL || w->gradients[k] == NULL)
            status = pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    }
    return status;
}

pel_status gradient_new(const pel_context *ctx, const pel_model *model, const pel_size *inputs,
                        const pel_gradient_options *options, const nn_kernels *kernels, pel_gradient **gradient)
{
    pel_gradient *g = pel_alloc(sizeof *g);
    pel_context alone = *ctx;
    const plan_options how = {options->precision, true, options->parameters, options->inputs};
    alone.pool = NULL; /* each network is run by one worker */
    *gradient = NULL;
    if (g == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    memset(g, 0, sizeof *g);
    g->workers = pel_pool_threads(ctx->pool);
    g->inputs = model->input_count;
    g->outputs = model->output_count;
    g->wants_parameters = options->parameters;
    g->wants_inputs = options->inputs;
    pel_status status = PEL_OK;
    if (g->inputs > MOST_ENDS || g->outputs > MOST_ENDS / 2)
        status = pel_error_set(ctx->error, PEL_EINVAL, "the model has %zu inputs and %zu outputs", g->inputs, g->outputs);
    else
        memcpy(g->input_sizes, inputs, g->inputs * sizeof *inputs);
    if (status == PEL_OK)
        status = network_compile(&alone, model, inputs, &how, kernels, &g->base);
    if (status == PEL_OK)
        status = list_parameters(ctx, model, g);
    g->worker = pel_alloc(g->workers * sizeof *g->worker);
    if (status == PEL_OK && g->worker == NULL)
        status = pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    if (g->worker != NULL)
        memset(g->worker, 0, g->workers * sizeof *g->worker);
    for (size_t i = 0; i < g->workers && status == PEL_OK; i++)
        status = add_worker(&alone, g, &g->worker[i]);
    if (status == PEL_OK && ctx->memory != 0 && pel_gradient_memory(g) > ctx->memory)
        status = pel_error_set(ctx->error, PEL_ELIMIT, "training needs %.0f MB for this size, the cap is %.0f MB",
                               (double)pel_gradient_memory(g) / 1e6, (double)ctx->memory / 1e6);
    if (status == PEL_OK)
        *gradient = g;
    else
        pel_gradient_free(g);
    return status;
}

pel_status pel_gradient_new(const pel_context *ctx, const pel_model *model, const pel_size *inputs,
                            const pel_gradient_options *options, pel_gradient **gradient)
{
    const nn_kernels *kernels;
    pel_status status = nn_kernels_choose(&kernels, ctx->error);
    *gradient = NULL;
    return status == PEL_OK ? gradient_new(ctx, model, inputs, options, kernels, gradient) : status;
}

void pel_gradient_free(pel_gradient *g)
{
    if (g == NULL)
        return;
    for (size_t i = 0; g->worker != NULL && i < g->workers; i++) {
        pel_network_free(g->worker[i].network);
        for (size_t k = 0; k < MOST_ENDS; k++) {
            pel_free(g->worker[i].outputs[k]);
            pel_free(g->worker[i].gradients[k]);
        }
    }
    pel_free(g->worker);
    pel_free(g->parameters);
    pel_network_free(g->base);
    pel_free(g);
}

pel_size pel_gradient_output(const pel_gradient *g, size_t output) { return pel_network_output(g->base, output); }

size_t pel_gradient_memory(const pel_gradient *g) { return g->workers * pel_network_memory(g->base); }

size_t gradient_plain_steps(const pel_gradient *g)
{
    size_t count = 0;
    for (size_t i = 0; i < g->base->plan.step_count; i++)
        count += g->base->plan.steps[i].whole;
    return count;
}

double pel_gradient_macs(const pel_gradient *g) { return pel_network_macs(g->base); }

/* ---- Running */

typedef struct {
    const pel_context *ctx;
    pel_gradient *g;
    size_t samples;
    const float *const *const *inputs;
    pel_gradient_loss loss;
    void *arg;
    float *const *const *input_gradients;
    pel_status *status; /* by worker */
    pel_error *errors;
} batch;

/* What a worker's network calls when the outputs of a sample are there. */
typedef struct {
    const batch *b;
    worker_state *w;
    size_t sample;
    pel_error *error;
} moment;

static pel_status outputs_there(void *arg)
{
    const moment *m = arg;
    return m->b->loss(m->b->arg, m->sample, (const float *const *)m->w->outputs, m->w->gradients, m->error);
}

/* Gradients by inputs that the loss does not depend on are 0. */
static void clear_others(const pel_gradient *g, float *const *to)
{
    const graph *from = &g->base->plan.g;
    for (size_t k = 0; k < g->inputs; k++)
        if (to[k] != NULL && from->outputs[g->outputs + k] == NONE)
            memset(to[k], 0, pel_size_count(g->input_sizes[k]) * sizeof *to[k]);
}

static pel_status run_sample(const batch *b, worker_state *w, size_t sample, pel_error *error)
{
    pel_gradient *g = b->g;
    const float *given[2 * MOST_ENDS];
    float *wanted[2 * MOST_ENDS];
    pel_context ctx = {.error = error};
    moment m = {b, w, sample, error};
    for (size_t k = 0; k < g->inputs; k++)
        given[k] = b->inputs[sample][k];
    for (size_t k = 0; k < g->outputs; k++) {
        given[g->inputs + k] = w->gradients[k];
        wanted[k] = w->outputs[k];
    }
    for (size_t k = 0; k < g->inputs && g->wants_inputs; k++)
        wanted[g->outputs + k] = b->input_gradients[sample][k];
    if (g->wants_inputs)
        clear_others(g, b->input_gradients[sample]);
    w->network->outputs_there = outputs_there;
    w->network->arg = &m;
    return pel_network_run(&ctx, w->network, given, wanted);
}

static void batch_job(void *arg, size_t index, size_t worker)
{
    const batch *b = arg;
    worker_state *w = &b->g->worker[index];
    (void)worker;
    memset(w->network->sums, 0, w->network->plan.sums * sizeof *w->network->sums);
    for (size_t i = index; i < b->samples && b->status[index] == PEL_OK; i += b->g->workers)
        b->status[index] = run_sample(b, w, i, &b->errors[index]);
}

typedef struct {
    const pel_gradient *g;
    const pel_network **networks;
    float *gradient;
} collection;

static void collect_job(void *arg, size_t index, size_t worker)
{
    const collection *c = arg;
    const step *s = &c->g->base->plan.steps[index];
    (void)worker;
    if (s->kind->collect != NULL)
        s->kind->collect(s, c->networks, c->g->workers, c->gradient);
}

/* Steps of one parameter one after the other: a parameter that is used twice adds up. */
static pel_status collect(const pel_context *ctx, const pel_gradient *g, float *gradient)
{
    collection c = {g, pel_alloc((g->workers + 1) * sizeof *c.networks), gradient};
    if (c.networks == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    for (size_t i = 0; i < g->workers; i++)
        c.networks[i] = g->worker[i].network;
    memset(gradient, 0, g->size * sizeof *gradient);
    if (g->base->plan.g.shares_parameters)
        for (size_t i = 0; i < g->base->plan.step_count; i++)
            collect_job(&c, i, 0);
    else
        pel_pool_run(ctx->pool, g->base->plan.step_count, collect_job, &c);
    pel_free(c.networks);
    return PEL_OK;
}

pel_status pel_gradient_run(const pel_context *ctx, pel_gradient *g, size_t samples, const float *const *const *inputs,
                            pel_gradient_loss loss, void *arg, float *parameter_gradient,
                            float *const *const *input_gradients)
{
    batch b = {ctx, g, samples, inputs, loss, arg, input_gradients,
               pel_alloc((g->workers + 1) * sizeof *b.status), pel_alloc((g->workers + 1) * sizeof *b.errors)};
    pel_status status = PEL_OK;
    if ((g->wants_parameters && parameter_gradient == NULL) || (g->wants_inputs && input_gradients == NULL))
        status = pel_error_set(ctx->error, PEL_EINVAL, "there is no room for a gradient that is wanted");
    if (status == PEL_OK && (b.status == NULL || b.errors == NULL))
        status = pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    if (status == PEL_OK) {
        for (size_t i = 0; i < g->workers; i++) {
            b.status[i] = PEL_OK;
            b.errors[i].text[0] = '\0';
        }
        pel_pool_run(ctx->pool, g->workers, batch_job, &b);
        for (size_t i = 0; i < g->workers && status == PEL_OK; i++)
            if (b.status[i] != PEL_OK)
                status = pel_error_set(ctx->error, b.status[i], "%s", b.errors[i].text);
    }
    if (status == PEL_OK && g->wants_parameters)
        status = collect(ctx, g, parameter_gradient);
    pel_free(b.status);
    pel_free(b.errors);
    return status;
}
