/* autodiff.c - gradients as further nodes of a graph, by the chain rule, from the outputs back.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a node's inputs contribute to the loss is computed by operators of the model where those are adjoint to it (the
 * input of Conv: ConvTranspose with the same weights; Concat: Split), by operators that only exist here (the table
 * below; gradient-*.c make steps of them), and by the plain backward of operator.h where there is neither.  So
 * gradients run on the same steps, in the same memory plan, as the network itself. */
#include "config.h"

#include <string.h>

#include "engine/match.h"
#include "operator/operator-internal.h"

#include "autodiff-internal.h"

/* ---- Operators */

static const nn_operator operators[] = {
    [CONV] = {.name = "Conv"},           [CONV_TRANSPOSE] = {.name = "ConvTranspose"},
    [ADD] = {.name = "Add"},             [MUL] = {.name = "Mul"},
    [SUB] = {.name = "Sub"},             [DIV] = {.name = "Div"},
    [NEG] = {.name = "Neg"},             [SPLIT] = {.name = "Split"},
    [CONCAT] = {.name = "Concat"},       [TO_SPACE] = {.name = "DepthToSpace"},
    [TO_DEPTH] = {.name = "SpaceToDepth"}, [MEAN] = {.name = "GlobalAveragePool"},
    [STANDARDISE] = {.name = "Standardise"}, /* over the channels of each pixel: what match_layer_norm finds */
    /* The gradient by an activation's input, from that by its output and the output (or input). */
    [ACTIVATION] = {.name = "ActivationGradient"},
    [POOL] = {.name = "MaxPoolGradient"},    /* from x, y and the gradient by y */
    [SPREAD] = {.name = "Spread"},           /* the adjoint of a map that is linear along x and along y */
    [EXPAND] = {.name = "ExpandGradient"},   /* one pixel's channels to all pixels, times `factor` */
    [STANDARDISE_BACK] = {.name = "StandardiseGradient"},
    [INSTANCE_BACK] = {.name = "InstanceGradient"},
    [WEIGHTS] = {.name = "WeightGradient"},  /* of a convolution; a sink */
    [CHANNELS] = {.name = "ChannelGradient"}, /* of a number for each channel: sums, or sums of products; a sink */
    [REFERENCE] = {.name = "ReferenceGradient"},
};

const nn_operator *autodiff_operator(autodiff_op op) { return &operators[op]; }

const pel_node autodiff_plain_node = {.name = (char *)(uintptr_t)"", .operator = (char *)(uintptr_t)"gradient",
                                      .domain = (char *)(uintptr_t)""};
/* Channels are axis 1. */
static int64_t one = 1;
static pel_attribute axis_attribute = {.name = (char *)(uintptr_t)"axis", .kind = PEL_ATTRIBUTE_INT, .count = 1,
                                       .integers = &one};
const pel_node autodiff_channel_node = {.name = (char *)(uintptr_t)"", .operator = (char *)(uintptr_t)"gradient",
                                        .domain = (char *)(uintptr_t)"", .attribute_count = 1,
                                        .attributes = &axis_attribute};

/* ---- Making nodes */

size_t autodiff_emit(autodiff_state *st, autodiff_op op, size_t of, size_t like, size_t count, const size_t *inputs,
                     const graph_node *as)
{
    graph_node n = as != NULL ? *as : (graph_node){.node = &autodiff_plain_node};
    nn_array shape = st->g->values[like].array;
    shape.values = NULL;
    n.op = autodiff_operator(op);
    n.of = of;
    n.input_count = count;
    n.output_count = 1;
    n.sink = n.gone = false;
    n.macs = 0;
    size_t out = graph_add_value(st->g, &shape);
    st->failed = st->failed || out == NONE || graph_add_node(st->g, n, inputs, &out) == NONE;
    return out;
}

void autodiff_mark(autodiff_state *st, size_t parameter)
{
    st->g->shares_parameters = st->g->shares_parameters || st->gradient[parameter] != NONE;
    st->gradient[parameter] = parameter;
}

void autodiff_emit_sink(autodiff_state *st, autodiff_op op, size_t of, size_t input, size_t count, const size_t *inputs)
{
    autodiff_mark(st, st->g->nodes[of].inputs[input]);
    graph_node n = {.op = autodiff_operator(op), .node = st->g->nodes[of].node, .number = st->g->nodes[of].number,
                    .of = of, .input = input, .input_count = count, .sink = true};
    st->failed = st->failed || graph_add_node(st->g, n, inputs, NULL) == NONE;
}

void autodiff_contribute(autodiff_state *st, size_t value, size_t contribution)
{
    if (contribution == NONE || st->failed)
        return;
    if (st->gradient[value] == NONE)
        st->gradient[value] = contribution;
    else
        st->gradient[value] = autodiff_emit(st, ADD, 0, value, 2, (size_t[]){st->gradient[value], contribution}, NULL);
}

static bool has_parameter(const graph *g, const graph_node *n)
{
    for (size_t k = 0; k < n->input_count; k++)
        if (is_parameter(g, n->inputs[k]))
            return true;
    return false;
}

/* ---- The plain backward: inputs, outputs and their gradients of the node, for one of its inputs */

static pel_status refuse(const autodiff_state *st, size_t i)
{
    const graph_node *n = &st->g->nodes[i];
    return pel_error_set(st->ctx->error, PEL_EINVAL, "node %zu (%s): the operator cannot be differentiated", n->number,
                         n->op->name);
}

static pel_status by_reference(autodiff_state *st, size_t i)
{
    const graph_node n = st->g->nodes[i];
    size_t all[2 * OPERATOR_INPUTS], count = 0;
    if (n.op->backward == NULL)
        return refuse(st, i);
    if (n.op->backward == nn_backward_zero)
        return PEL_OK;
    if (n.input_count + 2 * n.output_count > OPERATOR_INPUTS)
        return pel_error_set(st->ctx->error, PEL_ELIMIT, "node %zu (%s) has too many inputs to be differentiated",
                             n.number, n.op->name);
    for (size_t k = 0; k < n.input_count; k++)
        all[count++] = n.inputs[k];
    for (size_t k = 0; k < n.output_count; k++)
        all[count++] = n.outputs[k];
    for (size_t k = 0; k < n.output_count; k++)
        all[count++] = n.outputs[k] != NONE ? st->gradient[n.outputs[k]] : NONE;
    for (size_t k = 0; k < n.input_count && !st->failed; k++) {
        graph_node as = n;
        as.input = k;
        if (!is_active(st, n.inputs[k]))
            continue;
        if (is_parameter(st->g, n.inputs[k]))
            autodiff_emit_sink(st, REFERENCE, i, k, count, all);
        else
            autodiff_contribute(st, n.inputs[k], autodiff_emit(st, REFERENCE, i, n.inputs[k], count, all, &as));
    }
    return PEL_OK;
}

/* ---- From the outputs back */

static pel_status differentiate(autodiff_state *st, size_t i)
{
    const graph_node *n = &st->g->nodes[i];
    bool wanted = false, given = false;
    for (size_t k = 0; k < n->input_count; k++)
        wanted = wanted || is_active(st, n->inputs[k]);
    for (size_t k = 0; k < n->output_count; k++)
        given = given || (n->outputs[k] != NONE && st->gradient[n->outputs[k]] != NONE);
    if (n->gone || !wanted || !given)
        return PEL_OK;
    bool parameters;
    autodiff_rule apply = autodiff_find_rule(n->op->name, &parameters);
    if (apply != NULL && n->node->domain[0] == '\0' && n->outputs[0] != NONE &&
        (parameters || !has_parameter(st->g, n)) && apply(st, i, st->gradient[n->outputs[0]]))
        return PEL_OK;
    return by_reference(st, i);
}

/* What depends on parameters (inputs) that are wanted. */
static void find_active(autodiff_state *st, bool parameters, bool inputs)
{
    const graph *g = st->g;
    for (size_t v = 0; v < g->value_count; v++)
        st->active[v] = parameters && g->values[v].parameter != NONE;
    for (size_t k = 0; k < g->input_count; k++)
        st->active[g->inputs[k]] = inputs;
    for (size_t i = 0; i < g->node_count; i++) {
        const graph_node *n = &g->nodes[i];
        bool any = false;
        for (size_t k = 0; k < n->input_count && !n->gone; k++)
            any = any || is_active(st, n->inputs[k]);
        for (size_t k = 0; k < n->output_count; k++)
            if (n->outputs[k] != NONE)
                st->active[n->outputs[k]] = any && g->values[n->outputs[k]].array.type == PEL_MODEL_FLOAT;
    }
}

/* Normalisations over channels that are several nodes become one, whose gradient is known. */
static void join_standardise(graph *g)
{
    for (size_t i = 0; i < g->node_count; i++) {
        graph_node *n = &g->nodes[i];
        match m;
        if (n->gone || strcmp(n->op->name, "ReduceMean") != 0 || !is_picture(g, n->inputs[0]) ||
            !match_layer_norm(g, i, &m))
            continue;
        graph_node *last = &g->nodes[m.last];
        for (size_t k = 0; k < m.count; k++)
            g->nodes[m.nodes[k]].gone = true;
        last->gone = false;
        n->gone = true;
        last->op = autodiff_operator(STANDARDISE);
        last->node = &autodiff_plain_node;
        last->input_count = 1;
        last->inputs[0] = n->inputs[0];
        last->factor = m.epsilon;
    }
}

static pel_status add_ends(autodiff_state *st, size_t *inputs)
{
    graph *g = st->g;
    size_t *more = pel_alloc((g->input_count + g->output_count + 1) * sizeof *more);
    if (more == NULL)
        return pel_error_set(st->ctx->error, PEL_ENOMEM, "out of memory");
    memcpy(more, g->inputs, g->input_count * sizeof *more);
    *inputs = g->input_count;
    for (size_t k = 0; k < g->output_count; k++) {
        nn_array shape = g->values[g->outputs[k]].array;
        shape.values = NULL;
        more[g->input_count + k] = graph_add_value(g, &shape);
        if (more[g->input_count + k] == NONE)
            st->failed = true;
        else
            autodiff_contribute(st, g->outputs[k], more[g->input_count + k]);
    }
    pel_free(g->inputs);
    g->inputs = more;
    g->input_count += g->output_count;
    return PEL_OK;
}

/* The gradients by the inputs are outputs. */
static pel_status add_outputs(autodiff_state *st, size_t inputs)
{
    graph *g = st->g;
    size_t *more = pel_alloc((g->output_count + inputs + 1) * sizeof *more);
    if (more == NULL)
        return pel_error_set(st->ctx->error, PEL_ENOMEM, "out of memory");
    memcpy(more, g->outputs, g->output_count * sizeof *more);
    for (size_t k = 0; k < inputs; k++)
        more[g->output_count + k] = st->gradient[g->inputs[k]];
    pel_free(g->outputs);
    g->outputs = more;
    g->output_count += inputs;
    return PEL_OK;
}

pel_status autodiff(const pel_context *ctx, graph *g, bool parameters, bool inputs)
{
    graph_drop_unneeded(g);
    join_standardise(g);
    autodiff_state st = {.ctx = ctx, .g = g, .count = g->value_count};
    size_t own_inputs = 0, nodes = g->node_count;
    st.gradient = pel_alloc((st.count + 1) * sizeof *st.gradient);
    st.active = pel_alloc((st.count + 1) * sizeof *st.active);
    pel_status status = PEL_OK;
    if (st.gradient == NULL || st.active == NULL) {
        status = pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    } else {
        for (size_t v = 0; v < st.count; v++)
            st.gradient[v] = NONE;
        find_active(&st, parameters, inputs);
        status = add_ends(&st, &own_inputs);
    }
    for (size_t i = nodes; i-- > 0 && status == PEL_OK && !st.failed;)
        status = differentiate(&st, i);
    if (status == PEL_OK && inputs)
        status = add_outputs(&st, own_inputs);
    if (status == PEL_OK && st.failed)
        status = pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    pel_free(st.gradient);
    pel_free(st.active);
    return status;
}
