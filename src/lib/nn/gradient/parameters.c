/* parameters.c - finds the tensors that training changes, and the nodes between them and the outputs.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include "parameters.h"

/* How operators use their inputs: of those in the table the first `data` count as numbers that the output depends on
 * smoothly; of others all do.  `weights`: they have weights, which may be single numbers. */
static const struct {
    const char *name;
    size_t data;
    bool weights;
} uses[] = {
    {"Conv", 3, true},
    {"ConvTranspose", 3, true},
    {"Gemm", 3, true},
    {"MatMul", 2, true},
    {"PRelu", 2, true},
    {"BatchNormalization", 3, true},
    {"InstanceNormalization", 3, true},
    {"LayerNormalization", 3, true},
    {"GroupNormalization", 3, true},
    {"Clip", 1, false},
    {"Pad", 1, false},
    {"Resize", 1, false},
    {"Reshape", 1, false},
    {"Slice", 1, false},
    {"Expand", 1, false},
    {"Tile", 1, false},
    {"Gather", 1, false},
    {"Split", 1, false},
    {"Squeeze", 1, false},
    {"Unsqueeze", 1, false},
    {"Dropout", 1, false},
    {"DFT", 1, false},
    {"Range", 0, false},
    {"ConstantOfShape", 0, false},
    {"Shape", 0, false},
    {"Size", 0, false},
};

static size_t data_inputs(const char *op, bool *weights)
{
    for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++)
        if (strcmp(uses[i].name, op) == 0) {
            *weights = uses[i].weights;
            return uses[i].data;
        }
    *weights = false;
    return OPERATOR_INPUTS;
}

bool nn_is_parameter(const pel_model *m, const pel_model_tensor *t)
{
    size_t count = pel_model_tensor_count(t);
    if (t->type != PEL_MODEL_FLOAT || count == 0)
        return false;
    for (size_t i = 0; i < m->node_count; i++) {
        const pel_node *n = &m->nodes[i];
        bool weights;
        size_t data = data_inputs(n->operator, &weights);
        for (size_t k = 0; k < n->input_count && k < data; k++)
            if (strcmp(n->inputs[k], t->name) == 0 && (weights || count > 1))
                return true;
    }
    return false;
}

/* From the outputs back: values that they depend on smoothly. */
static void look_back(const graph *g, bool *smooth)
{
    for (size_t k = 0; k < g->output_count; k++)
        smooth[g->outputs[k]] = true;
    for (size_t i = g->node_count; i-- > 0;) {
        const graph_node *n = &g->nodes[i];
        bool weights, needed = false;
        size_t data = data_inputs(n->op->name, &weights);
        for (size_t k = 0; k < n->output_count; k++)
            needed = needed || (n->outputs[k] != NONE && smooth[n->outputs[k]]);
        for (size_t k = 0; needed && k < n->input_count && k < data; k++)
            if (n->inputs[k] != NONE)
                smooth[n->inputs[k]] = true;
    }
}

static pel_status add_parameters(const pel_context *ctx, const graph *g, nn_parameters *p)
{
    const pel_model *m = g->model;
    p->parameters = pel_alloc((m->tensor_count + 1) * sizeof *p->parameters);
    if (p->parameters == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    /* The graph's first values are the model's tensors, in order. */
    for (size_t i = 0; i < m->tensor_count; i++) {
        size_t count = pel_model_tensor_count(&m->tensors[i]);
        if (g->values[i].parameter == NONE)
            continue;
        p->parameter_of[i] = p->count;
        p->parameters[p->count++] = (pel_parameter){&m->tensors[i], p->floats, count};
        p->floats += count;
    }
    return PEL_OK;
}

/* From inputs and parameters on: nodes that run, and values that have a gradient. */
static pel_status look_ahead(const pel_context *ctx, const graph *g, const bool *smooth, const bool *needed,
                             const pel_gradient_options *options, bool *active, nn_parameters *p)
{
    for (size_t k = 0; k < g->input_count; k++) {
        active[g->inputs[k]] = true;
        p->wants[g->inputs[k]] = options->inputs;
    }
    for (size_t v = 0; v < g->value_count; v++)
        if (p->parameter_of[v] != NONE) {
            active[v] = true;
            p->wants[v] = options->parameters;
        }
    for (size_t i = 0; i < g->node_count; i++) {
        const graph_node *n = &g->nodes[i];
        bool weights, wants = false, shape = strcmp(n->op->name, "Shape") == 0 || strcmp(n->op->name, "Size") == 0;
        size_t data = data_inputs(n->op->name, &weights);
        for (size_t k = 0; k < n->input_count; k++)
            if (n->inputs[k] != NONE) {
                p->runs[i] = p->runs[i] || active[n->inputs[k]];
                wants = wants || (k < data && p->wants[n->inputs[k]]);
            }
        p->runs[i] = p->runs[i] && needed[i] && !shape;
        for (size_t k = 0; k < n->output_count && p->runs[i]; k++) {
            size_t v = n->outputs[k];
            if (v == NONE)
                continue;
            active[v] = true;
            p->wants[v] = wants && smooth[v] && g->values[v].array.type == PEL_MODEL_FLOAT;
            if (p->wants[v] && n->op->backward == NULL)
                return pel_error_set(ctx->error, PEL_EINVAL, "node %zu (%s) has no gradient", n->number, n->op->name);
        }
    }
    return PEL_OK;
}

/* Nodes that an output needs, those that were folded among them. */
static void find_needed(const graph *g, bool *value_needed, bool *needed)
{
    for (size_t k = 0; k < g->output_count; k++)
        value_needed[g->outputs[k]] = true;
    for (size_t i = g->node_count; i-- > 0;) {
        const graph_node *n = &g->nodes[i];
        for (size_t k = 0; k < n->output_count; k++)
            needed[i] = needed[i] || (n->outputs[k] != NONE && value_needed[n->outputs[k]]);
        for (size_t k = 0; k < n->input_count && needed[i]; k++)
            if (n->inputs[k] != NONE)
                value_needed[n->inputs[k]] = true;
    }
}

pel_status nn_parameters_find(const pel_context *ctx, const graph *g, const pel_gradient_options *options,
                              nn_parameters *p)
{
    size_t values = g->value_count + 1, nodes = g->node_count + 1;
    *p = (nn_parameters){.runs = pel_alloc(nodes), .wants = pel_alloc(values),
                         .parameter_of = pel_alloc(values * sizeof *p->parameter_of)};
    bool *flags = pel_alloc(3 * values + nodes);
    pel_status status = PEL_OK;
    if (p->runs == NULL || p->wants == NULL || p->parameter_of == NULL || flags == NULL) {
        status = pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    } else {
        bool *smooth = flags, *active = smooth + values, *value_needed = active + values;
        memset(flags, 0, 3 * values + nodes);
        memset(p->runs, 0, nodes);
        memset(p->wants, 0, values);
        for (size_t v = 0; v < values; v++)
            p->parameter_of[v] = NONE;
        find_needed(g, value_needed, value_needed + values);
        look_back(g, smooth);
        status = add_parameters(ctx, g, p);
        if (status == PEL_OK)
            status = look_ahead(ctx, g, smooth, value_needed + values, options, active, p);
    }
    pel_free(flags);
    if (status != PEL_OK)
        nn_parameters_free(p);
    return status;
}

void nn_parameters_free(nn_parameters *p)
{
    pel_free(p->runs);
    pel_free(p->wants);
    pel_free(p->parameter_of);
    pel_free(p->parameters);
    memset(p, 0, sizeof *p);
}
