/* autodiff-rules.c - the gradient of each operator by nodes: what node i's inputs contribute to the loss, from the gradient
 * dy by its output.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include "engine/match.h"

#include "autodiff-internal.h"

static bool convolution(autodiff_state *st, size_t i, size_t dy)
{
    const graph_node n = st->g->nodes[i];
    const nn_array *w = &st->g->values[n.inputs[1]].array;
    bool transposed = strcmp(n.op->name, "ConvTranspose") == 0;
    if (!is_picture(st->g, n.inputs[0]) || w->values == NULL || w->rank != 4 || w->dims[2] * w->dims[3] > 512 ||
        strcmp(pel_node_string(n.node, "auto_pad", "NOTSET"), "NOTSET") != 0 ||
        pel_node_attribute(n.node, "output_shape") != NULL)
        return false;
    const pel_attribute *strides = pel_node_attribute(n.node, "strides");
    if (strides != NULL && strides->integers[0] * strides->integers[1] > 64)
        return false;
    bool bias = n.input_count > 2 && is_active(st, n.inputs[2]);
    if (bias && !is_parameter(st->g, n.inputs[2]))
        return false;
    if (is_active(st, n.inputs[1])) /* the input of many pixels first */
        autodiff_emit_sink(st, WEIGHTS, i, 1, 2, transposed ? (size_t[]){dy, n.inputs[0]} : (size_t[]){n.inputs[0], dy});
    if (bias)
        autodiff_emit_sink(st, CHANNELS, i, 2, 1, &dy);
    if (is_active(st, n.inputs[0]))
        autodiff_contribute(st, n.inputs[0], autodiff_emit(st, transposed ? CONV : CONV_TRANSPOSE, i, n.inputs[0], 2,
                                         (size_t[]){dy, n.inputs[1]}, &n));
    return true;
}

/* ReLU and its like from the output: its sign is the input's where the slope is positive. */
static bool activation(autodiff_state *st, size_t i, size_t dy)
{
    const graph_node n = st->g->nodes[i];
    bool leaky = strcmp(n.op->name, "LeakyRelu") == 0;
    if (!is_picture(st->g, n.outputs[0]) || (leaky && !(pel_node_float(n.node, "alpha", 0.01) >= 0)))
        return false;
    autodiff_contribute(st, n.inputs[0], autodiff_emit(st, ACTIVATION, i, n.inputs[0], 2, (size_t[]){dy, n.outputs[0]}, &n));
    return true;
}

static bool exponential(autodiff_state *st, size_t i, size_t dy)
{
    const graph_node n = st->g->nodes[i];
    if (!is_picture(st->g, n.outputs[0]))
        return false;
    autodiff_contribute(st, n.inputs[0], autodiff_emit(st, MUL, i, n.inputs[0], 2, (size_t[]){dy, n.outputs[0]}, NULL));
    return true;
}

/* dy in two parts, where the input is above 0 and where it is not. */
static void part(autodiff_state *st, size_t i, size_t dy, size_t *above, size_t *below)
{
    const graph_node n = st->g->nodes[i];
    *above = autodiff_emit(st, ACTIVATION, i, n.inputs[0], 2, (size_t[]){dy, n.inputs[0]}, &n);
    *below = st->failed ? NONE : autodiff_emit(st, SUB, i, n.inputs[0], 2, (size_t[]){dy, *above}, NULL);
}

static bool absolute(autodiff_state *st, size_t i, size_t dy)
{
    const graph_node n = st->g->nodes[i];
    size_t above, below;
    if (!is_picture(st->g, n.outputs[0]))
        return false;
    part(st, i, dy, &above, &below);
    autodiff_contribute(st, n.inputs[0], st->failed ? NONE : autodiff_emit(st, SUB, i, n.inputs[0], 2, (size_t[]){above, below}, NULL));
    return true;
}

static bool prelu(autodiff_state *st, size_t i, size_t dy)
{
    const graph_node n = st->g->nodes[i];
    size_t above, below;
    if (!is_picture(st->g, n.outputs[0]) || !is_picture(st->g, n.inputs[0]) ||
        st->g->values[n.inputs[1]].array.values == NULL || !is_by_channel(st->g, n.inputs[1], n.outputs[0]))
        return false;
    part(st, i, dy, &above, &below);
    if (is_active(st, n.inputs[1]) && !st->failed)
        autodiff_emit_sink(st, CHANNELS, i, 1, 2, (size_t[]){below, n.inputs[0]});
    if (!is_active(st, n.inputs[0]) || st->failed)
        return true;
    size_t weighed = autodiff_emit(st, MUL, i, n.inputs[0], 2, (size_t[]){below, n.inputs[1]}, NULL);
    autodiff_contribute(st, n.inputs[0], st->failed ? NONE : autodiff_emit(st, ADD, i, n.inputs[0], 2, (size_t[]){above, weighed}, NULL));
    return true;
}

/* The sum of a picture's gradient over what operand k is broadcast along. */
static bool reduce_to(autodiff_state *st, size_t i, size_t k, size_t dy, size_t factor)
{
    graph *g = st->g;
    size_t value = g->nodes[i].inputs[k];
    size_t inputs[2] = {dy, factor}, count = factor == NONE ? 1 : 2;
    if (is_parameter(g, value)) {
        autodiff_emit_sink(st, CHANNELS, i, k, count, inputs);
        return true;
    }
    /* One pixel of all channels: the mean, times the pixels. */
    size_t product = factor == NONE ? dy : autodiff_emit(st, MUL, i, g->nodes[i].outputs[0], 2, inputs, NULL);
    const int64_t *dims = g->values[g->nodes[i].outputs[0]].array.dims;
    graph_node as = {.node = &autodiff_plain_node, .factor = (double)(dims[2] * dims[3])};
    size_t mean = autodiff_emit(st, MEAN, i, value, 1, &product, NULL);
    autodiff_contribute(st, value, st->failed ? NONE : autodiff_emit(st, EXPAND, i, value, 1, &mean, &as));
    return true;
}

/* Can the gradient by operand k of a node of two be had from pictures? */
static bool is_simple_operand(const autodiff_state *st, size_t i, size_t k)
{
    const graph *g = st->g;
    size_t value = g->nodes[i].inputs[k], out = g->nodes[i].outputs[0];
    if (!is_active(st, value))
        return true;
    if (is_parameter(g, value))
        return is_by_channel(g, value, out);
    const int64_t *dims = g->values[value].array.dims;
    return is_picture(g, value) && (same_shape(g, value, out) || (dims[1] == g->values[out].array.dims[1] &&
                                                                  dims[2] == 1 && dims[3] == 1));
}

static bool add(autodiff_state *st, size_t i, size_t dy)
{
    const graph_node n = st->g->nodes[i];
    bool sub = strcmp(n.op->name, "Sub") == 0;
    if (!is_picture(st->g, n.outputs[0]) || !is_simple_operand(st, i, 0) || !is_simple_operand(st, i, 1))
        return false;
    size_t negative = sub && is_active(st, n.inputs[1]) ? autodiff_emit(st, NEG, i, n.outputs[0], 1, &dy, NULL) : NONE;
    for (size_t k = 0; k < 2 && !st->failed; k++) {
        size_t d = k == 1 && sub ? negative : dy;
        if (!is_active(st, n.inputs[k]))
            continue;
        if (!is_parameter(st->g, n.inputs[k]) && same_shape(st->g, n.inputs[k], n.outputs[0]))
            autodiff_contribute(st, n.inputs[k], d);
        else
            reduce_to(st, i, k, d, NONE);
    }
    return true;
}

static bool mul(autodiff_state *st, size_t i, size_t dy)
{
    const graph_node n = st->g->nodes[i];
    if (!is_picture(st->g, n.outputs[0]) || !is_simple_operand(st, i, 0) || !is_simple_operand(st, i, 1))
        return false;
    bool direct[2];
    for (size_t k = 0; k < 2; k++) {
        direct[k] = !is_parameter(st->g, n.inputs[k]) && same_shape(st->g, n.inputs[k], n.outputs[0]);
        if (is_active(st, n.inputs[k]) && !direct[k] && !same_shape(st->g, n.inputs[1 - k], n.outputs[0]))
            return false;
    }
    for (size_t k = 0; k < 2 && !st->failed; k++) {
        size_t other = n.inputs[1 - k];
        if (!is_active(st, n.inputs[k]))
            continue;
        if (direct[k])
            autodiff_contribute(st, n.inputs[k], autodiff_emit(st, MUL, i, n.inputs[k], 2, (size_t[]){dy, other}, NULL));
        else
            reduce_to(st, i, k, dy, other);
    }
    return true;
}

/* q = a / b: dy / b, and -dy / b * q. */
static bool divide(autodiff_state *st, size_t i, size_t dy)
{
    const graph_node n = st->g->nodes[i];
    for (size_t k = 0; k < 2; k++)
        if (is_active(st, n.inputs[k]) && !same_shape(st->g, n.inputs[k], n.outputs[0]))
            return false;
    if (!is_picture(st->g, n.outputs[0]))
        return false;
    size_t quotient = autodiff_emit(st, DIV, i, n.outputs[0], 2, (size_t[]){dy, n.inputs[1]}, NULL);
    if (is_active(st, n.inputs[0]))
        autodiff_contribute(st, n.inputs[0], quotient);
    if (!is_active(st, n.inputs[1]) || st->failed)
        return true;
    size_t slope = autodiff_emit(st, MUL, i, n.outputs[0], 2, (size_t[]){quotient, n.outputs[0]}, NULL);
    autodiff_contribute(st, n.inputs[1], st->failed ? NONE : autodiff_emit(st, NEG, i, n.outputs[0], 1, &slope, NULL));
    return true;
}

static bool identity(autodiff_state *st, size_t i, size_t dy)
{
    autodiff_contribute(st, st->g->nodes[i].inputs[0], dy);
    return true;
}

static bool on_channels(const graph_node *n)
{
    int64_t axis = pel_node_int(n->node, "axis", 0);
    return axis == 1 || axis == -3;
}

static bool concat(autodiff_state *st, size_t i, size_t dy)
{
    const graph_node n = st->g->nodes[i];
    size_t outputs[OPERATOR_INPUTS];
    if (!on_channels(&n) || !is_picture(st->g, n.outputs[0]))
        return false;
    for (size_t k = 0; k < n.input_count; k++)
        if (!is_picture(st->g, n.inputs[k]))
            return false;
    for (size_t k = 0; k < n.input_count; k++) {
        nn_array shape = st->g->values[n.inputs[k]].array;
        outputs[k] = graph_add_value(st->g, &shape);
        st->failed = st->failed || outputs[k] == NONE;
    }
    graph_node split = {.op = autodiff_operator(SPLIT), .node = &autodiff_channel_node, .of = i, .input_count = 1,
                        .output_count = n.input_count};
    st->failed = st->failed || graph_add_node(st->g, split, &dy, outputs) == NONE;
    for (size_t k = 0; k < n.input_count && !st->failed; k++)
        if (is_active(st, n.inputs[k]))
            autodiff_contribute(st, n.inputs[k], outputs[k]);
    return true;
}

/* Of all parts at once; each must have a gradient. */
static bool split(autodiff_state *st, size_t i, size_t dy)
{
    const graph_node n = st->g->nodes[i];
    size_t parts[OPERATOR_INPUTS];
    (void)dy;
    if (!on_channels(&n) || !is_picture(st->g, n.inputs[0]))
        return false;
    for (size_t k = 0; k < n.output_count; k++) {
        parts[k] = n.outputs[k] != NONE ? st->gradient[n.outputs[k]] : NONE;
        if (parts[k] == NONE)
            return false;
        for (size_t m = 0; m < k; m++)
            if (parts[m] == parts[k])
                return false;
    }
    graph_node as = {.node = &autodiff_channel_node};
    autodiff_contribute(st, n.inputs[0], autodiff_emit(st, CONCAT, i, n.inputs[0], n.output_count, parts, &as));
    return true;
}

static bool depth(autodiff_state *st, size_t i, size_t dy)
{
    const graph_node n = st->g->nodes[i];
    bool to_space = strcmp(n.op->name, "DepthToSpace") == 0;
    if (!is_picture(st->g, n.inputs[0]))
        return false;
    autodiff_contribute(st, n.inputs[0], autodiff_emit(st, to_space ? TO_DEPTH : TO_SPACE, i, n.inputs[0], 1, &dy, &n));
    return true;
}

/* Windows that tile the picture: each sample belongs to one. */
static bool max_pool(autodiff_state *st, size_t i, size_t dy)
{
    const graph_node n = st->g->nodes[i];
    const pel_attribute *kernel = pel_node_attribute(n.node, "kernel_shape");
    const pel_attribute *strides = pel_node_attribute(n.node, "strides");
    const pel_attribute *dilations = pel_node_attribute(n.node, "dilations");
    const pel_attribute *pads = pel_node_attribute(n.node, "pads");
    bool tiles = is_picture(st->g, n.inputs[0]) && n.output_count == 1 && kernel != NULL && kernel->count == 2 &&
                 strides != NULL && strcmp(pel_node_string(n.node, "auto_pad", "NOTSET"), "NOTSET") == 0;
    const int64_t *in = st->g->values[n.inputs[0]].array.dims, *out = st->g->values[n.outputs[0]].array.dims;
    for (size_t k = 0; tiles && k < 2; k++)
        tiles = strides->integers[k] == kernel->integers[k] && (dilations == NULL || dilations->integers[k] == 1) &&
                out[2 + k] * kernel->integers[k] <= in[2 + k];
    for (size_t k = 0; tiles && pads != NULL && k < 4; k++)
        tiles = pads->integers[k] == 0;
    if (tiles)
        autodiff_contribute(st, n.inputs[0], autodiff_emit(st, POOL, i, n.inputs[0], 3, (size_t[]){dy, n.inputs[0], n.outputs[0]}, &n));
    return tiles;
}

/* Means of windows within the picture: each sample counts the same. */
static bool is_plain_mean(const graph *g, const graph_node *n)
{
    const pel_attribute *kernel = pel_node_attribute(n->node, "kernel_shape");
    const pel_attribute *strides = pel_node_attribute(n->node, "strides");
    const pel_attribute *pads = pel_node_attribute(n->node, "pads");
    bool plain = kernel != NULL && kernel->count == 2 && pel_node_attribute(n->node, "dilations") == NULL &&
                 strcmp(pel_node_string(n->node, "auto_pad", "NOTSET"), "NOTSET") == 0;
    for (size_t k = 0; plain && pads != NULL && k < pads->count; k++)
        plain = pads->integers[k] == 0;
    for (size_t k = 0; plain && k < 2; k++) {
        int64_t stride = strides != NULL ? strides->integers[k] : 1;
        plain = (g->values[n->outputs[0]].array.dims[2 + k] - 1) * stride + kernel->integers[k] <=
                g->values[n->inputs[0]].array.dims[2 + k];
    }
    return plain;
}

/* Resize, Pad, Slice, AveragePool: gradient-steps.c finds the map from the node. */
static bool spread(autodiff_state *st, size_t i, size_t dy)
{
    const graph_node n = st->g->nodes[i];
    const graph *g = st->g;
    if (!is_picture(g, n.inputs[0]) || !is_picture(g, n.outputs[0]))
        return false;
    bool slice = strcmp(n.op->name, "Slice") == 0, pool = strcmp(n.op->name, "AveragePool") == 0;
    const int64_t *in = g->values[n.inputs[0]].array.dims, *out = g->values[n.outputs[0]].array.dims;
    if ((in[1] != out[1] && !slice) || (pool && !is_plain_mean(g, &n)))
        return false;
    for (size_t k = 1; k < n.input_count; k++)
        if (n.inputs[k] != NONE && (is_active(st, n.inputs[k]) || g->values[n.inputs[k]].array.values == NULL))
            return false;
    autodiff_contribute(st, n.inputs[0], autodiff_emit(st, SPREAD, i, n.inputs[0], 1, &dy, &n));
    return true;
}

static bool mean(autodiff_state *st, size_t i, size_t dy)
{
    static const int64_t space[2] = {2, 3};
    const graph_node n = st->g->nodes[i];
    const int64_t *dims = st->g->values[n.inputs[0]].array.dims;
    if (!is_picture(st->g, n.inputs[0]) ||
        (strcmp(n.op->name, "ReduceMean") == 0 && !match_mean(st->g, &n, space, 2)))
        return false;
    graph_node as = {.node = &autodiff_plain_node, .factor = 1 / ((double)dims[2] * (double)dims[3])};
    autodiff_contribute(st, n.inputs[0], autodiff_emit(st, EXPAND, i, n.inputs[0], 1, &dy, &as));
    return true;
}

static bool standardise(autodiff_state *st, size_t i, size_t dy)
{
    const graph_node n = st->g->nodes[i];
    autodiff_contribute(st, n.inputs[0], autodiff_emit(st, STANDARDISE_BACK, i, n.inputs[0], 2, (size_t[]){dy, n.inputs[0]}, &n));
    return true;
}

static bool instance_norm(autodiff_state *st, size_t i, size_t dy)
{
    const graph_node n = st->g->nodes[i];
    if (!is_picture(st->g, n.inputs[0]) || st->g->values[n.inputs[1]].array.values == NULL ||
        st->g->values[n.inputs[2]].array.values == NULL)
        return false;
    autodiff_mark(st, n.inputs[1]);
    autodiff_mark(st, n.inputs[2]);
    autodiff_contribute(st, n.inputs[0], autodiff_emit(st, INSTANCE_BACK, i, n.inputs[0], 2, (size_t[]){dy, n.inputs[0]}, &n));
    return true;
}

static const struct {
    const char *op;
    autodiff_rule apply;
    bool parameters; /* operands may be some */
} rules[] = {
    {"Conv", convolution, true},   {"ConvTranspose", convolution, true}, {"InstanceNormalization", instance_norm, true},
    {"Add", add, true},            {"Sub", add, true},                   {"Mul", mul, true},
    {"PRelu", prelu, true},        {"Div", divide, false},               {"Exp", exponential, false},
    {"Abs", absolute, false},
    {"Relu", activation, false},   {"LeakyRelu", activation, false},     {"Sigmoid", activation, false},
    {"Tanh", activation, false},   {"Identity", identity, false},        {"Dropout", identity, false},
    {"Concat", concat, false},     {"Split", split, false},              {"DepthToSpace", depth, false},
    {"SpaceToDepth", depth, false}, {"MaxPool", max_pool, false},        {"Resize", spread, false},
    {"AveragePool", spread, false},
    {"Pad", spread, false},        {"Slice", spread, false},             {"GlobalAveragePool", mean, false},
    {"ReduceMean", mean, false},   {"Standardise", standardise, false},
};

autodiff_rule autodiff_find_rule(const char *op, bool *parameters)
{
    for (size_t r = 0; r < sizeof rules / sizeof rules[0]; r++)
        if (strcmp(rules[r].op, op) == 0) {
            *parameters = rules[r].parameters;
            return rules[r].apply;
        }
    return NULL;
}
