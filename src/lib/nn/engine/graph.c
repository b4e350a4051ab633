/* graph.c - numbers the values of a model, infers shapes, folds constants, drops what is not needed.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include "graph.h"
#include "model/names.h"
#include "gradient/parameters.h"

/* ---- Storage */

size_t graph_add_value(graph *g, const nn_array *shape)
{
    if ((g->value_count & (g->value_count - 1)) == 0) { /* full at each power of two */
        size_t room = g->value_count == 0 ? 1 : 2 * g->value_count;
        graph_value *values = pel_alloc(room * sizeof *values);
        if (values == NULL)
            return NONE;
        if (g->value_count > 0)
            memcpy(values, g->values, g->value_count * sizeof *values);
        pel_free(g->values);
        g->values = values;
    }
    graph_value *v = &g->values[g->value_count];
    *v = (graph_value){.name = "", .maker = NONE, .parameter = NONE};
    if (shape != NULL)
        v->array = *shape;
    return g->value_count++;
}

size_t graph_add_node(graph *g, graph_node node, const size_t *inputs, const size_t *outputs)
{
    if (g->node_count == g->node_room) {
        graph_node *nodes = pel_alloc((2 * g->node_room + 1) * sizeof *nodes);
        if (nodes == NULL)
            return NONE;
        memcpy(nodes, g->nodes, g->node_count * sizeof *nodes);
        pel_free(g->nodes);
        g->nodes = nodes;
        g->node_room = 2 * g->node_room + 1;
    }
    node.inputs = pel_alloc((node.input_count + node.output_count + 1) * sizeof *node.inputs);
    if (node.inputs == NULL)
        return NONE;
    node.outputs = node.inputs + node.input_count;
    for (size_t k = 0; k < node.input_count; k++)
        node.inputs[k] = inputs[k];
    for (size_t k = 0; k < node.output_count; k++) {
        node.outputs[k] = outputs[k];
        if (outputs[k] != NONE)
            g->values[outputs[k]].maker = g->node_count;
    }
    g->nodes[g->node_count] = node;
    return g->node_count++;
}

void graph_free(graph *g)
{
    for (size_t i = 0; i < g->value_count; i++)
        nn_array_free(&g->values[i].array);
    for (size_t i = 0; i < g->node_count; i++)
        pel_free(g->nodes[i].inputs);
    pel_free(g->values);
    pel_free(g->nodes);
    pel_free(g->inputs);
    pel_free(g->outputs);
    memset(g, 0, sizeof *g);
}

static pel_status no_memory(const pel_context *ctx)
{
    return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
}

/* ---- Values by name */

static pel_status add_named(const pel_context *ctx, graph *g, nn_names *names, const char *name,
                            const nn_array *shape, size_t *value)
{
    *value = graph_add_value(g, shape);
    if (*value == NONE || !nn_names_put(names, name, *value))
        return no_memory(ctx);
    g->values[*value].name = name;
    return PEL_OK;
}

static pel_status add_constant(const pel_context *ctx, graph *g, nn_names *names,
                               const pel_model_tensor *t)
{
    nn_array a = {.type = t->type, .rank = t->rank};
    memcpy(a.dims, t->dims, sizeof a.dims);
    if (!nn_array_alloc(&a))
        return no_memory(ctx);
    size_t count = nn_array_count(&a), value;
    for (size_t i = 0; i < count; i++)
        a.values[i] = t->type == PEL_MODEL_FLOAT ? (double)t->floats[i] : (double)t->integers[i];
    pel_status status = add_named(ctx, g, names, t->name, &a, &value);
    if (status != PEL_OK && value == NONE)
        nn_array_free(&a);
    if (status == PEL_OK && g->trains && nn_is_parameter(g->model, t)) {
        g->values[value].parameter = g->parameters;
        g->parameters += count;
    }
    return status;
}

/* A picture of w x h with c channels is 1 x c x h x w; the model's own dimensions must agree. */
static pel_status add_input(const pel_context *ctx, graph *g, nn_names *names, const pel_model_value *in,
                            pel_size size, size_t *value)
{
    nn_array a = {.type = PEL_MODEL_FLOAT,
                  .rank = 4,
                  .dims = {1, (int64_t)size.c, (int64_t)size.h, (int64_t)size.w}};
    *value = NONE;
    if (in->type != PEL_MODEL_FLOAT || (in->has_shape && in->rank != 4) || size.d != 1)
        return pel_error_set(ctx->error, PEL_EINVAL, "input '%s' is not a picture (float, 1 x C x H x W)",
                             in->name);
    for (size_t k = 0; in->has_shape && k < 4; k++)
        if (in->dims[k] >= 0 && in->dims[k] != a.dims[k])
            return pel_error_set(ctx->error, PEL_EINVAL,
                                 "input '%s' has %lld %s, and the model takes %lld", in->name,
                                 (long long)a.dims[k],
                                 k == 0 ? "pictures" : k == 1 ? "channels" : k == 2 ? "rows" : "columns",
                                 (long long)in->dims[k]);
    return add_named(ctx, g, names, in->name, &a, value);
}

/* ---- One node after the other */

static pel_status resolve(const pel_context *ctx, graph *g, nn_names *names, size_t number)
{
    const pel_node *node = &g->model->nodes[number];
    graph_node *n = &g->nodes[number];
    *n = (graph_node){.node = node, .number = number, .input_count = node->input_count,
                      .output_count = node->output_count, .of = NONE};
    n->op = nn_operator_find(node->domain, node->operator);
    if (n->op == NULL)
        return pel_error_set(ctx->error, PEL_EINVAL, "node %zu (%s%s%s): this operator is not known", number,
                             node->domain, node->domain[0] != '\0' ? "." : "", node->operator);
    if (n->input_count > OPERATOR_INPUTS || n->output_count > OPERATOR_INPUTS)
        return pel_error_set(ctx->error, PEL_ELIMIT, "node %zu (%s) has more than %d inputs or outputs",
                             number, node->operator, OPERATOR_INPUTS);
    n->inputs = pel_alloc((n->input_count + n->output_count + 1) * sizeof *n->inputs);
    if (n->inputs == NULL)
        return no_memory(ctx);
    n->outputs = n->inputs + n->input_count;
    for (size_t k = 0; k < n->input_count; k++) {
        n->inputs[k] = NONE;
        if (node->inputs[k][0] != '\0' && !nn_names_get(names, node->inputs[k], &n->inputs[k]))
            return pel_error_set(ctx->error, PEL_EFORMAT, "node %zu (%s) uses '%s', which nothing makes",
                                 number, node->operator, node->inputs[k]);
    }
    return PEL_OK;
}

/* The node's call, with arrays in `outputs` for those that are wanted. */
static nn_call call_of(const pel_context *ctx, const graph *g, const graph_node *n, nn_array *outputs)
{
    nn_call call = {.node = n->node, .opset = g->model->opset, .input_count = n->input_count,
                    .output_count = n->output_count, .limit = (size_t)1 << 33, .error = ctx->error};
    for (size_t k = 0; k < n->input_count; k++)
        call.inputs[k] = n->inputs[k] == NONE ? NULL : &g->values[n->inputs[k]].array;
    while (call.input_count > 0 && call.inputs[call.input_count - 1] == NULL)
        call.input_count--;
    for (size_t k = 0; k < n->output_count; k++) {
        outputs[k] = (nn_array){0};
        call.outputs[k] = n->node->outputs[k][0] == '\0' ? NULL : &outputs[k];
    }
    return call;
}

/* Shape and Size ask for no values: they are constant once the sizes are known. */
static bool is_constant(const graph *g, const graph_node *n)
{
    if (strcmp(n->op->name, "Shape") == 0 || strcmp(n->op->name, "Size") == 0)
        return true;
    for (size_t k = 0; k < n->input_count; k++)
        if (n->inputs[k] != NONE && (g->values[n->inputs[k]].array.values == NULL ||
                                     g->values[n->inputs[k]].parameter != NONE))
            return false;
    return true;
}

/* Steps keep tables as long as a side of a picture, of some 64 bytes for a sample: a side must be far below the cap on
 * memory. */
#define SIDE_BYTES 256
#define WIDE_SIDE_BYTES 64

static size_t most_side(const pel_context *ctx, size_t bytes)
{
    return ctx->memory != 0 && ctx->memory / bytes < INT32_MAX ? ctx->memory / bytes : INT32_MAX;
}

static pel_status check_sides(const pel_context *ctx, const graph *g, const nn_call *call, size_t number)
{
    for (size_t k = 0; k < call->output_count; k++)
        for (size_t d = 0; call->outputs[k] != NULL && d < call->outputs[k]->rank; d++)
            if (call->outputs[k]->dims[d] > (int64_t)g->most_side)
                return pel_error_set(ctx->error, PEL_ELIMIT, "node %zu (%s): a size of %lld is over the memory cap",
                                     number, call->node->operator, (long long)call->outputs[k]->dims[d]);
    return PEL_OK;
}

static pel_status add_node(const pel_context *ctx, graph *g, nn_names *names, size_t number)
{
    graph_node *n = &g->nodes[number];
    nn_array outputs[OPERATOR_INPUTS];
    pel_status status = resolve(ctx, g, names, number);
    if (status != PEL_OK)
        return status;
    nn_call call = call_of(ctx, g, n, outputs);
    n->gone = is_constant(g, n);
    size_t most = ctx->memory / sizeof(double);
    if (n->gone && ctx->memory != 0) /* its numbers are kept, as are those before */
        call.limit = most > g->folded ? most - g->folded : 0;
    status = n->gone ? nn_operator_evaluate(n->op, &call, number) : nn_operator_infer(n->op, &call, number);
    if (status == PEL_OK && !n->gone)
        status = check_sides(ctx, g, &call, number);
    if (status == PEL_OK && n->op->macs != NULL && !n->gone)
        n->macs = n->op->macs(&call);
    for (size_t k = 0; k < n->output_count; k++) {
        n->outputs[k] = NONE;
        if (call.outputs[k] != NULL && status == PEL_OK) {
            status = add_named(ctx, g, names, n->node->outputs[k], &outputs[k], &n->outputs[k]);
            g->folded += n->gone ? nn_array_count(&outputs[k]) : 0;
            if (n->outputs[k] != NONE)
                outputs[k].values = NULL; /* the graph's now */
        }
        nn_array_free(&outputs[k]);
        if (n->outputs[k] != NONE && !n->gone)
            g->values[n->outputs[k]].maker = number;
    }
    return status;
}

/* ---- What outputs need */

void graph_drop_unneeded(graph *g)
{
    for (size_t i = 0; i < g->value_count; i++)
        g->values[i].uses = 0;
    for (size_t k = 0; k < g->output_count; k++)
        if (g->outputs[k] != NONE)
            g->values[g->outputs[k]].uses++;
    for (size_t i = g->node_count; i-- > 0;) {
        graph_node *n = &g->nodes[i];
        bool needed = n->sink;
        for (size_t k = 0; k < n->output_count; k++)
            needed = needed || (n->outputs[k] != NONE && g->values[n->outputs[k]].uses > 0);
        n->gone = n->gone || !needed;
        for (size_t k = 0; k < n->input_count && !n->gone; k++)
            if (n->inputs[k] != NONE)
                g->values[n->inputs[k]].uses++;
    }
}

static pel_status fill(const pel_context *ctx, const pel_size *inputs, graph *g, nn_names *names)
{
    const pel_model *m = g->model;
    pel_status status = PEL_OK;
    g->inputs = pel_alloc((m->input_count + 1) * sizeof *g->inputs);
    g->outputs = pel_alloc((m->output_count + 1) * sizeof *g->outputs);
    g->node_room = m->node_count + 1;
    g->nodes = pel_alloc(g->node_room * sizeof *g->nodes);
    if (g->inputs == NULL || g->outputs == NULL || g->nodes == NULL)
        return no_memory(ctx);
    for (size_t i = 0; i < m->tensor_count && status == PEL_OK; i++)
        status = add_constant(ctx, g, names, &m->tensors[i]);
    for (; g->input_count < m->input_count && status == PEL_OK; g->input_count++)
        status = add_input(ctx, g, names, &m->inputs[g->input_count], inputs[g->input_count],
                           &g->inputs[g->input_count]);
    while (g->node_count < m->node_count && status == PEL_OK) {
        g->nodes[g->node_count].inputs = NULL;
        status = add_node(ctx, g, names, g->node_count++);
    }
    for (; g->output_count < m->output_count && status == PEL_OK; g->output_count++)
        if (!nn_names_get(names, m->outputs[g->output_count].name, &g->outputs[g->output_count]))
            status = pel_error_set(ctx->error, PEL_EFORMAT, "nothing makes the output '%s'",
                                   m->outputs[g->output_count].name);
    return status;
}

static pel_status make(const pel_context *ctx, const pel_size *inputs, graph from, graph *g)
{
    *g = from;
    nn_names *names = nn_names_new();
    pel_status status = names == NULL ? no_memory(ctx) : fill(ctx, inputs, g, names);
    nn_names_free(names);
    return status;
}

pel_status graph_make(const pel_context *ctx, const pel_model *model, const pel_size *inputs, bool trains, graph *g)
{
    return make(ctx, inputs, (graph){.model = model, .trains = trains, .most_side = most_side(ctx, SIDE_BYTES)}, g);
}

#define WIDER 16 /* than the input: more than networks for restoration enlarge */

pel_status graph_make_wide(const pel_context *ctx, const pel_model *model, const pel_size *inputs, graph *g)
{
    size_t most = most_side(ctx, WIDE_SIDE_BYTES);
    for (size_t k = 0; k < model->input_count; k++) {
        size_t side = inputs[k].w > inputs[k].h ? inputs[k].w : inputs[k].h;
        most = side > most / WIDER ? WIDER * side : most;
    }
    return make(ctx, inputs, (graph){.model = model, .most_side = most}, g);
}
