/* gradient-plain.c - a model's gradients: evaluates every node in double, and goes back through them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include <pellucid/pool.h>

#include "gradient-plain.h"
#include "parameters.h"

struct nn_plain {
    graph g;
    nn_parameters p;
    pel_gradient_options options;
    size_t slots;      /* threads: each has samples of its own, so that sums are added in one order */
    size_t memory;
    double macs;
    pel_size *outputs;
    double **sums;     /* of each slot: the gradient of the parameters */
};

/* ---- Compiling */

static pel_status set_outputs(const pel_context *ctx, nn_plain *n)
{
    n->outputs = pel_alloc((n->g.output_count + 1) * sizeof *n->outputs);
    if (n->outputs == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    for (size_t k = 0; k < n->g.output_count; k++) {
        const nn_array *a = &n->g.values[n->g.outputs[k]].array;
        if (a->rank != 4 || a->dims[0] != 1 || a->type != PEL_MODEL_FLOAT)
            return pel_error_set(ctx->error, PEL_EINVAL, "the output '%s' is not a picture",
                                 n->g.model->outputs[k].name);
        n->outputs[k] = pel_size_make((size_t)a->dims[3], (size_t)a->dims[2], 1, (size_t)a->dims[1]);
    }
    return PEL_OK;
}

/* Values and gradients of all that is made on the way, and what a sample costs: back takes each product twice. */
static void add_up(nn_plain *n)
{
    size_t count = 0;
    for (size_t i = 0; i < n->g.node_count; i++) {
        const graph_node *node = &n->g.nodes[i];
        for (size_t k = 0; k < node->output_count && n->p.runs[i]; k++)
            if (node->outputs[k] != NONE)
                count += 2 * nn_array_count(&n->g.values[node->outputs[k]].array);
        n->macs += n->p.runs[i] ? 3 * node->macs : 0;
    }
    n->memory = n->slots * (count + n->p.floats) * sizeof(double);
}

static pel_status get_sums(const pel_context *ctx, nn_plain *n)
{
    n->sums = pel_alloc(n->slots * sizeof *n->sums);
    if (n->sums != NULL)
        memset(n->sums, 0, n->slots * sizeof *n->sums);
    for (size_t i = 0; n->sums != NULL && i < n->slots; i++) {
        n->sums[i] = pel_alloc((n->p.floats + 1) * sizeof(double));
        if (n->sums[i] == NULL)
            return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    }
    return n->sums != NULL ? PEL_OK : pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
}

pel_status nn_plain_new(const pel_context *ctx, const pel_model *model, const pel_size *inputs,
                        const pel_gradient_options *options, nn_plain **plain)
{
    *plain = NULL;
    nn_plain *n = pel_alloc(sizeof *n);
    if (n == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    memset(n, 0, sizeof *n);
    n->options = *options;
    n->slots = pel_pool_threads(ctx->pool);
    pel_status status = options->precision == PEL_FP32
                            ? graph_make(ctx, model, inputs, true, &n->g)
                            : pel_error_set(ctx->error, PEL_EINVAL, "gradients are computed in float only");
    if (status == PEL_OK)
        status = nn_parameters_find(ctx, &n->g, options, &n->p);
    if (status == PEL_OK)
        status = set_outputs(ctx, n);
    if (status == PEL_OK)
        add_up(n);
    if (status == PEL_OK && ctx->memory != 0 && n->memory > ctx->memory)
        status = pel_error_set(ctx->error, PEL_ELIMIT, "gradients need %.0f MB, more than the memory cap",
                               (double)n->memory / 1e6);
    if (status == PEL_OK)
        status = get_sums(ctx, n);
    if (status == PEL_OK)
        *plain = n;
    else
        nn_plain_free(n);
    return status;
}

void nn_plain_free(nn_plain *n)
{
    if (n == NULL)
        return;
    for (size_t i = 0; n->sums != NULL && i < n->slots; i++)
        pel_free(n->sums[i]);
    pel_free(n->sums);
    pel_free(n->outputs);
    nn_parameters_free(&n->p);
    graph_free(&n->g);
    pel_free(n);
}

const pel_parameter *nn_plain_parameters(const nn_plain *n, size_t *count)
{
    *count = n->p.count;
    return n->p.parameters;
}

size_t nn_plain_size(const nn_plain *n) { return n->p.floats; }
pel_size nn_plain_output(const nn_plain *n, size_t output) { return n->outputs[output]; }
size_t nn_plain_memory(const nn_plain *n) { return n->memory; }
double nn_plain_macs(const nn_plain *n) { return n->macs; }

pel_status nn_plain_load(const pel_context *ctx, nn_plain *n, const float *parameters)
{
    (void)ctx;
    for (size_t v = 0; v < n->g.value_count; v++) {
        if (n->p.parameter_of[v] == NONE)
            continue;
        const pel_parameter *p = &n->p.parameters[n->p.parameter_of[v]];
        for (size_t i = 0; i < p->count; i++)
            n->g.values[v].array.values[i] = (double)parameters[p->offset + i];
    }
    return PEL_OK;
}

/* ---- One sample */

typedef struct {
    const nn_plain *n;
    nn_array *made;     /* by value: what this sample makes of it */
    double **gradients; /* by value; of parameters, places in the slot's sum */
    pel_error *error;
} pass;

static pel_status no_memory(const pass *s) { return pel_error_set(s->error, PEL_ENOMEM, "out of memory"); }

static nn_call call_of(const pass *s, const graph_node *node)
{
    const graph *g = &s->n->g;
    nn_call call = {.node = node->node, .opset = g->model->opset, .input_count = node->input_count,
                    .output_count = node->output_count, .limit = (size_t)1 << 33, .error = s->error};
    for (size_t k = 0; k < node->input_count; k++) {
        size_t v = node->inputs[k];
        call.inputs[k] = v == NONE ? NULL : s->made[v].values != NULL ? &s->made[v] : &g->values[v].array;
    }
    while (call.input_count > 0 && call.inputs[call.input_count - 1] == NULL)
        call.input_count--;
    for (size_t k = 0; k < node->output_count; k++)
        call.outputs[k] = node->outputs[k] == NONE ? NULL : &s->made[node->outputs[k]];
    return call;
}

static pel_status forward(pass *s, const float *const *inputs)
{
    const graph *g = &s->n->g;
    for (size_t k = 0; k < g->input_count; k++) {
        nn_array *a = &s->made[g->inputs[k]];
        *a = g->values[g->inputs[k]].array;
        if (!nn_array_alloc(a))
            return no_memory(s);
        for (size_t i = 0; i < nn_array_count(a); i++)
            a->values[i] = (double)inputs[k][i];
    }
    for (size_t i = 0; i < g->node_count; i++) {
        if (!s->n->p.runs[i])
            continue;
        nn_call call = call_of(s, &g->nodes[i]);
        pel_status status = nn_operator_evaluate(g->nodes[i].op, &call, g->nodes[i].number);
        if (status != PEL_OK)
            return status;
    }
    return PEL_OK;
}

/* Room for the gradient of a value, 0. */
static bool open_gradient(pass *s, size_t v)
{
    size_t count = nn_array_count(&s->n->g.values[v].array);
    if (s->gradients[v] != NULL)
        return true;
    s->gradients[v] = pel_alloc((count + 1) * sizeof(double));
    if (s->gradients[v] != NULL)
        memset(s->gradients[v], 0, count * sizeof(double));
    return s->gradients[v] != NULL;
}

static pel_status backward(pass *s)
{
    const graph *g = &s->n->g;
    for (size_t i = g->node_count; i-- > 0;) {
        const graph_node *node = &g->nodes[i];
        nn_gradients flow = {{NULL}, {NULL}};
        bool any = false, wanted = false;
        for (size_t k = 0; k < node->output_count && s->n->p.runs[i]; k++) {
            flow.outputs[k] = node->outputs[k] == NONE ? NULL : s->gradients[node->outputs[k]];
            any = any || flow.outputs[k] != NULL;
        }
        for (size_t k = 0; k < node->input_count && any; k++) {
            size_t v = node->inputs[k];
            if (v == NONE || !s->n->p.wants[v])
                continue;
            if (!open_gradient(s, v))
                return no_memory(s);
            flow.inputs[k] = s->gradients[v];
            wanted = true;
        }
        if (!wanted)
            continue;
        nn_call call = call_of(s, node);
        pel_status status = nn_operator_backward(node->op, &call, &flow, node->number);
        if (status != PEL_OK)
            return status;
    }
    return PEL_OK;
}

/* ---- The loss: float pictures for it, and its gradients back */

/* `outputs` and `gradients` are freed by the caller, also after a failure. */
static pel_status get_pictures(const pass *s, float **outputs, float **gradients)
{
    const graph *g = &s->n->g;
    for (size_t k = 0; k < g->output_count; k++) {
        size_t v = g->outputs[k];
        const nn_array *a = s->made[v].values != NULL ? &s->made[v] : &g->values[v].array;
        size_t count = nn_array_count(a);
        outputs[k] = pel_alloc_floats(count);
        gradients[k] = pel_alloc_floats(count);
        if (outputs[k] == NULL || gradients[k] == NULL)
            return no_memory(s);
        for (size_t i = 0; i < count; i++)
            outputs[k][i] = (float)a->values[i];
    }
    return PEL_OK;
}

static pel_status apply_loss(pass *s, size_t sample, pel_gradient_loss loss, void *arg)
{
    const graph *g = &s->n->g;
    size_t room = (g->output_count + 1) * sizeof(float *);
    float **outputs = pel_alloc(room), **gradients = pel_alloc(room);
    pel_status status = outputs == NULL || gradients == NULL ? no_memory(s) : PEL_OK;
    if (status == PEL_OK) {
        memset(outputs, 0, room);
        memset(gradients, 0, room);
        status = get_pictures(s, outputs, gradients);
    }
    if (status == PEL_OK)
        status = loss(arg, sample, (const float *const *)outputs, gradients, s->error);
    for (size_t k = 0; k < g->output_count && status == PEL_OK; k++) {
        size_t v = g->outputs[k];
        if (!s->n->p.wants[v])
            continue;
        if (!open_gradient(s, v))
            status = no_memory(s);
        for (size_t i = 0; status == PEL_OK && i < nn_array_count(&g->values[v].array); i++)
            s->gradients[v][i] += (double)gradients[k][i];
    }
    for (size_t k = 0; outputs != NULL && gradients != NULL && k < g->output_count; k++) {
        pel_free(outputs[k]);
        pel_free(gradients[k]);
    }
    pel_free(outputs);
    pel_free(gradients);
    return status;
}

/* ---- All samples */

typedef struct {
    nn_plain *n;
    size_t samples;
    const float *const *const *inputs;
    pel_gradient_loss loss;
    void *arg;
    float *const *const *input_gradients;
    pel_status *statuses; /* of each slot */
    pel_error *errors;
} batch;

static void give_inputs(const pass *s, float *const *to)
{
    const graph *g = &s->n->g;
    for (size_t k = 0; k < g->input_count; k++) {
        const double *from = s->gradients[g->inputs[k]];
        for (size_t i = 0; to[k] != NULL && i < nn_array_count(&g->values[g->inputs[k]].array); i++)
            to[k][i] = from != NULL ? (float)from[i] : 0;
    }
}

static pel_status run_sample(const batch *b, pass *s, size_t sample, size_t slot)
{
    const nn_plain *n = b->n;
    for (size_t v = 0; v < n->g.value_count; v++)
        if (n->p.parameter_of[v] != NONE)
            s->gradients[v] = n->sums[slot] + n->p.parameters[n->p.parameter_of[v]].offset;
    pel_status status = forward(s, b->inputs[sample]);
    if (status == PEL_OK)
        status = apply_loss(s, sample, b->loss, b->arg);
    if (status == PEL_OK)
        status = backward(s);
    if (status == PEL_OK && n->options.inputs && b->input_gradients != NULL)
        give_inputs(s, b->input_gradients[sample]);
    for (size_t v = 0; v < n->g.value_count; v++) {
        nn_array_free(&s->made[v]);
        if (n->p.parameter_of[v] == NONE)
            pel_free(s->gradients[v]);
        s->gradients[v] = NULL;
    }
    return status;
}

static void run_slot(void *arg, size_t slot, size_t worker)
{
    const batch *b = arg;
    size_t values = b->n->g.value_count + 1;
    pass s = {.n = b->n, .made = pel_alloc(values * sizeof *s.made), .gradients = pel_alloc(values * sizeof *s.gradients),
              .error = &b->errors[slot]};
    pel_status status = s.made == NULL || s.gradients == NULL ? no_memory(&s) : PEL_OK;
    (void)worker;
    if (status == PEL_OK) {
        memset(s.made, 0, values * sizeof *s.made);
        memset(s.gradients, 0, values * sizeof *s.gradients);
    }
    memset(b->n->sums[slot], 0, b->n->p.floats * sizeof(double));
    for (size_t i = slot; i < b->samples && status == PEL_OK; i += b->n->slots)
        status = run_sample(b, &s, i, slot);
    pel_free(s.made);
    pel_free(s.gradients);
    b->statuses[slot] = status;
}

pel_status nn_plain_run(const pel_context *ctx, nn_plain *n, size_t samples, const float *const *const *inputs,
                        pel_gradient_loss loss, void *arg, float *parameter_gradient,
                        float *const *const *input_gradients)
{
    batch b = {n, samples, inputs, loss, arg, input_gradients, pel_alloc(n->slots * sizeof(pel_status)),
               pel_alloc(n->slots * sizeof(pel_error))};
    pel_status status = b.statuses == NULL || b.errors == NULL
                            ? pel_error_set(ctx->error, PEL_ENOMEM, "out of memory")
                            : PEL_OK;
    if (status == PEL_OK)
        pel_pool_run(ctx->pool, n->slots, run_slot, &b);
    for (size_t i = 0; i < n->slots && status == PEL_OK; i++) {
        status = b.statuses[i];
        if (status != PEL_OK)
            pel_error_set(ctx->error, status, "%s", b.errors[i].text);
    }
    for (size_t i = 0; status == PEL_OK && n->options.parameters && parameter_gradient != NULL && i < n->p.floats; i++) {
        double sum = 0;
        for (size_t slot = 0; slot < n->slots; slot++)
            sum += n->sums[slot][i];
        parameter_gradient[i] = (float)sum;
    }
    pel_free(b.statuses);
    pel_free(b.errors);
    return status;
}
