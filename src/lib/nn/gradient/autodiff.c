/* autodiff.c - gradients as further nodes of a graph, by the chain rule, from the outputs back.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a node's inputs contribute to the loss is computed by operators of the model where those are adjoint to it (the
 * input of Conv: ConvTranspose with the same weights; Concat: Split), by operators that only exist here (the table
 * below; gradient-*.c make steps of them), and by the plain backward of operator.h where there is neither.  So
 * gradients run on the same steps, in the same memory plan, as the network itself. */
#include "config.h"

#include <string.h>

#include "autodiff.h"
#include "engine/match.h"
#include "operator/operator-internal.h"

enum {
    CONV, CONV_TRANSPOSE, ADD, SUB, MUL, DIV, NEG, SPLIT, CONCAT, TO_SPACE, TO_DEPTH, MEAN, STANDARDISE,
    ACTIVATION, POOL, SPREAD, EXPAND, STANDARDISE_BACK, INSTANCE_BACK, WEIGHTS, CHANNELS, REFERENCE,
};

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

/* The attributes of a node that has none. */
static const pel_node plain_node = {.name = (char *)(uintptr_t)"", .operator = (char *)(uintptr_t)"gradient",
                                    .domain = (char *)(uintptr_t)""};
/* Channels are axis 1. */
static int64_t one = 1;
static pel_attribute axis_attribute = {.name = (char *)(uintptr_t)"axis", .kind = PEL_ATTRIBUTE_INT, .count = 1,
                                       .integers = &one};
static const pel_node channel_node = {.name = (char *)(uintptr_t)"", .operator = (char *)(uintptr_t)"gradient",
                                      .domain = (char *)(uintptr_t)"", .attribute_count = 1,
                                      .attributes = &axis_attribute};

typedef struct {
    const pel_context *ctx;
    graph *g;
    size_t *gradient; /* by value, or NONE; of a parameter itself: a sink is there */
    bool *active;     /* by value: is its gradient wanted? */
    size_t count;     /* of values of the model's own */
    bool failed;
} state;

/* ---- Making nodes */

/* A node of one output with the shape of value `like`; the output. */
static size_t emit(state *st, size_t op, size_t of, size_t like, size_t count, const size_t *inputs,
                   const graph_node *as)
{
    graph_node n = as != NULL ? *as : (graph_node){.node = &plain_node};
    nn_array shape = st->g->values[like].array;
    shape.values = NULL;
    n.op = &operators[op];
    n.of = of;
    n.input_count = count;
    n.output_count = 1;
    n.sink = n.gone = false;
    n.macs = 0;
    size_t out = graph_add_value(st->g, &shape);
    st->failed = st->failed || out == NONE || graph_add_node(st->g, n, inputs, &out) == NONE;
    return out;
}

/* A node adds to the gradient of a parameter. */
static void mark(state *st, size_t parameter)
{
    st->g->shares_parameters = st->g->shares_parameters || st->gradient[parameter] != NONE;
    st->gradient[parameter] = parameter;
}

static void emit_sink(state *st, size_t op, size_t of, size_t input, size_t count, const size_t *inputs)
{
    mark(st, st->g->nodes[of].inputs[input]);
    graph_node n = {.op = &operators[op], .node = st->g->nodes[of].node, .number = st->g->nodes[of].number, .of = of,
                    .input = input, .input_count = count, .sink = true};
    st->failed = st->failed || graph_add_node(st->g, n, inputs, NULL) == NONE;
}

static bool same_shape(const graph *g, size_t a, size_t b)
{
    const nn_array *x = &g->values[a].array, *y = &g->values[b].array;
    return x->rank == y->rank && memcmp(x->dims, y->dims, x->rank * sizeof x->dims[0]) == 0;
}

/* One more contribution to the gradient of a value. */
static void contribute(state *st, size_t value, size_t contribution)
{
    if (contribution == NONE || st->failed)
        return;
    if (st->gradient[value] == NONE)
        st->gradient[value] = contribution;
    else
        st->gradient[value] = emit(st, ADD, 0, value, 2, (size_t[]){st->gradient[value], contribution}, NULL);
}

/* ---- What can be asked of values */

static bool is_picture(const graph *g, size_t value)
{
    const nn_array *a = &g->values[value].array;
    return a->values == NULL && a->type == PEL_MODEL_FLOAT && a->rank == 4 && a->dims[0] == 1;
}

static bool is_active(const state *st, size_t value) { return value != NONE && st->active[value]; }

static bool is_parameter(const graph *g, size_t value)
{
    return value != NONE && g->values[value].parameter != NONE && g->values[value].array.values != NULL;
}

/* A constant of one number a channel (C x 1 x 1), or one number. */
static bool is_by_channel(const graph *g, size_t value, size_t of)
{
    const nn_array *a = &g->values[value].array;
    size_t count = a->values != NULL ? nn_array_count(a) : 0;
    return a->rank <= 4 && (count == 1 || (a->rank >= 3 && (int64_t)count == a->dims[a->rank - 3] &&
                                           a->dims[a->rank - 3] == g->values[of].array.dims[1]));
}

/* ---- Rules.  Each is asked about node i, whose output 0 has the gradient dy, and returns false where the plain
 * backward must do. */

typedef bool (*rule)(state *st, size_t i, size_t dy);

static bool convolution(state *st, size_t i, size_t dy)
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
        emit_sink(st, WEIGHTS, i, 1, 2, transposed ? (size_t[]){dy, n.inputs[0]} : (size_t[]){n.inputs[0], dy});
    if (bias)
        emit_sink(st, CHANNELS, i, 2, 1, &dy);
    if (is_active(st, n.inputs[0]))
        contribute(st, n.inputs[0], emit(st, transposed ? CONV : CONV_TRANSPOSE, i, n.inputs[0], 2,
                                         (size_t[]){dy, n.inputs[1]}, &n));
    return true;
}

/* ReLU and its like from the output: its sign is the input's where the slope is positive. */
static bool activation(state *st, size_t i, size_t dy)
{
    const graph_node n = st->g->nodes[i];
    bool leaky = strcmp(n.op->name, "LeakyRelu") == 0;
    if (!is_picture(st->g, n.outputs[0]) || (leaky && !(pel_node_float(n.node, "alpha", 0.01) >= 0)))
        return false;
    contribute(st, n.inputs[0], emit(st, ACTIVATION, i, n.inputs[0], 2, (size_t[]){dy, n.outputs[0]}, &n));
    return true;
}

static bool exponential(state *st, size_t i, size_t dy)
{
    const graph_node n = st->g->nodes[i];
    if (!is_picture(st->g, n.outputs[0]))
        return false;
    contribute(st, n.inputs[0], emit(st, MUL, i, n.inputs[0], 2, (size_t[]){dy, n.outputs[0]}, NULL));
    return true;
}

/* dy in two parts, where the input is above 0 and where it is not. */
static void part(state *st, size_t i, size_t dy, size_t *above, size_t *below)
{
    const graph_node n = st->g->nodes[i];
    *above = emit(st, ACTIVATION, i, n.inputs[0], 2, (size_t[]){dy, n.inputs[0]}, &n);
    *below = st->failed ? NONE : emit(st, SUB, i, n.inputs[0], 2, (size_t[]){dy, *above}, NULL);
}

static bool absolute(state *st, size_t i, size_t dy)
{
    const graph_node n = st->g->nodes[i];
    size_t above, below;
    if (!is_picture(st->g, n.outputs[0]))
        return false;
    part(st, i, dy, &above, &below);
    contribute(st, n.inputs[0], st->failed ? NONE : emit(st, SUB, i, n.inputs[0], 2, (size_t[]){above, below}, NULL));
    return true;
}

static bool prelu(state *st, size_t i, size_t dy)
{
    const graph_node n = st->g->nodes[i];
    size_t above, below;
    if (!is_picture(st->g, n.outputs[0]) || !is_picture(st->g, n.inputs[0]) ||
        st->g->values[n.inputs[1]].array.values == NULL || !is_by_channel(st->g, n.inputs[1], n.outputs[0]))
        return false;
    part(st, i, dy, &above, &below);
    if (is_active(st, n.inputs[1]) && !st->failed)
        emit_sink(st, CHANNELS, i, 1, 2, (size_t[]){below, n.inputs[0]});
    if (!is_active(st, n.inputs[0]) || st->failed)
        return true;
    size_t weighed = emit(st, MUL, i, n.inputs[0], 2, (size_t[]){below, n.inputs[1]}, NULL);
    contribute(st, n.inputs[0], st->failed ? NONE : emit(st, ADD, i, n.inputs[0], 2, (size_t[]){above, weighed}, NULL));
    return true;
}

/* The sum of a picture's gradient over what operand k is broadcast along. */
static bool reduce_to(state *st, size_t i, size_t k, size_t dy, size_t factor)
{
    graph *g = st->g;
    size_t value = g->nodes[i].inputs[k];
    size_t inputs[2] = {dy, factor}, count = factor == NONE ? 1 : 2;
    if (is_parameter(g, value)) {
        emit_sink(st, CHANNELS, i, k, count, inputs);
        return true;
    }
    /* One pixel of all channels: the mean, times the pixels. */
    size_t product = factor == NONE ? dy : emit(st, MUL, i, g->nodes[i].outputs[0], 2, inputs, NULL);
    const int64_t *dims = g->values[g->nodes[i].outputs[0]].array.dims;
    graph_node as = {.node = &plain_node, .factor = (double)(dims[2] * dims[3])};
    size_t mean = emit(st, MEAN, i, value, 1, &product, NULL);
    contribute(st, value, st->failed ? NONE : emit(st, EXPAND, i, value, 1, &mean, &as));
    return true;
}

/* Can the gradient by operand k of a node of two be had from pictures? */
static bool is_simple_operand(const state *st, size_t i, size_t k)
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

static bool add(state *st, size_t i, size_t dy)
{
    const graph_node n = st->g->nodes[i];
    bool sub = strcmp(n.op->name, "Sub") == 0;
    if (!is_picture(st->g, n.outputs[0]) || !is_simple_operand(st, i, 0) || !is_simple_operand(st, i, 1))
        return false;
    size_t negative = sub && is_active(st, n.inputs[1]) ? emit(st, NEG, i, n.outputs[0], 1, &dy, NULL) : NONE;
    for (size_t k = 0; k < 2 && !st->failed; k++) {
        size_t d = k == 1 && sub ? negative : dy;
        if (!is_active(st, n.inputs[k]))
            continue;
        if (!is_parameter(st->g, n.inputs[k]) && same_shape(st->g, n.inputs[k], n.outputs[0]))
            contribute(st, n.inputs[k], d);
        else
            reduce_to(st, i, k, d, NONE);
    }
    return true;
}

static bool mul(state *st, size_t i, size_t dy)
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
            contribute(st, n.inputs[k], emit(st, MUL, i, n.inputs[k], 2, (size_t[]){dy, other}, NULL));
        else
            reduce_to(st, i, k, dy, other);
    }
    return true;
}

/* q = a / b: dy / b, and -dy / b * q. */
static bool divide(state *st, size_t i, size_t dy)
{
    const graph_node n = st->g->nodes[i];
    for (size_t k = 0; k < 2; k++)
        if (is_active(st, n.inputs[k]) && !same_shape(st->g, n.inputs[k], n.outputs[0]))
            return false;
    if (!is_picture(st->g, n.outputs[0]))
        return false;
    size_t quotient = emit(st, DIV, i, n.outputs[0], 2, (size_t[]){dy, n.inputs[1]}, NULL);
    if (is_active(st, n.inputs[0]))
        contribute(st, n.inputs[0], quotient);
    if (!is_active(st, n.inputs[1]) || st->failed)
        return true;
    size_t slope = emit(st, MUL, i, n.outputs[0], 2, (size_t[]){quotient, n.outputs[0]}, NULL);
    contribute(st, n.inputs[1], st->failed ? NONE : emit(st, NEG, i, n.outputs[0], 1, &slope, NULL));
    return true;
}

static bool identity(state *st, size_t i, size_t dy)
{
    contribute(st, st->g->nodes[i].inputs[0], dy);
    return true;
}

static bool on_channels(const graph_node *n)
{
    int64_t axis = pel_node_int(n->node, "axis", 0);
    return axis == 1 || axis == -3;
}

static bool concat(state *st, size_t i, size_t dy)
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
    graph_node split = {.op = &operators[SPLIT], .node = &channel_node, .of = i, .input_count = 1,
                        .output_count = n.input_count};
    st->failed = st->failed || graph_add_node(st->g, split, &dy, outputs) == NONE;
    for (size_t k = 0; k < n.input_count && !st->failed; k++)
        if (is_active(st, n.inputs[k]))
            contribute(st, n.inputs[k], outputs[k]);
    return true;
}

/* Of all parts at once; each must have a gradient. */
static bool split(state *st, size_t i, size_t dy)
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
    graph_node as = {.node = &channel_node};
    contribute(st, n.inputs[0], emit(st, CONCAT, i, n.inputs[0], n.output_count, parts, &as));
    return true;
}

static bool depth(state *st, size_t i, size_t dy)
{
    const graph_node n = st->g->nodes[i];
    bool to_space = strcmp(n.op->name, "DepthToSpace") == 0;
    if (!is_picture(st->g, n.inputs[0]))
        return false;
    contribute(st, n.inputs[0], emit(st, to_space ? TO_DEPTH : TO_SPACE, i, n.inputs[0], 1, &dy, &n));
    return true;
}

/* Windows that tile the picture: each sample belongs to one. */
static bool max_pool(state *st, size_t i, size_t dy)
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
        contribute(st, n.inputs[0], emit(st, POOL, i, n.inputs[0], 3, (size_t[]){dy, n.inputs[0], n.outputs[0]}, &n));
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
static bool spread(state *st, size_t i, size_t dy)
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
    contribute(st, n.inputs[0], emit(st, SPREAD, i, n.inputs[0], 1, &dy, &n));
    return true;
}

static bool mean(state *st, size_t i, size_t dy)
{
    static const int64_t space[2] = {2, 3};
    const graph_node n = st->g->nodes[i];
    const int64_t *dims = st->g->values[n.inputs[0]].array.dims;
    if (!is_picture(st->g, n.inputs[0]) ||
        (strcmp(n.op->name, "ReduceMean") == 0 && !match_mean(st->g, &n, space, 2)))
        return false;
    graph_node as = {.node = &plain_node, .factor = 1 / ((double)dims[2] * (double)dims[3])};
    contribute(st, n.inputs[0], emit(st, EXPAND, i, n.inputs[0], 1, &dy, &as));
    return true;
}

static bool standardise(state *st, size_t i, size_t dy)
{
    const graph_node n = st->g->nodes[i];
    contribute(st, n.inputs[0], emit(st, STANDARDISE_BACK, i, n.inputs[0], 2, (size_t[]){dy, n.inputs[0]}, &n));
    return true;
}

static bool instance_norm(state *st, size_t i, size_t dy)
{
    const graph_node n = st->g->nodes[i];
    if (!is_picture(st->g, n.inputs[0]) || st->g->values[n.inputs[1]].array.values == NULL ||
        st->g->values[n.inputs[2]].array.values == NULL)
        return false;
    mark(st, n.inputs[1]);
    mark(st, n.inputs[2]);
    contribute(st, n.inputs[0], emit(st, INSTANCE_BACK, i, n.inputs[0], 2, (size_t[]){dy, n.inputs[0]}, &n));
    return true;
}

static const struct {
    const char *op;
    rule apply;
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

static bool has_parameter(const graph *g, const graph_node *n)
{
    for (size_t k = 0; k < n->input_count; k++)
        if (is_parameter(g, n->inputs[k]))
            return true;
    return false;
}

/* ---- The plain backward: inputs, outputs and their gradients of the node, for one of its inputs */

static pel_status refuse(const state *st, size_t i)
{
    const graph_node *n = &st->g->nodes[i];
    return pel_error_set(st->ctx->error, PEL_EINVAL, "node %zu (%s): the operator cannot be differentiated", n->number,
                         n->op->name);
}

static pel_status by_reference(state *st, size_t i)
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
            emit_sink(st, REFERENCE, i, k, count, all);
        else
            contribute(st, n.inputs[k], emit(st, REFERENCE, i, n.inputs[k], count, all, &as));
    }
    return PEL_OK;
}

/* ---- From the outputs back */

static pel_status differentiate(state *st, size_t i)
{
    const graph_node *n = &st->g->nodes[i];
    bool wanted = false, given = false;
    for (size_t k = 0; k < n->input_count; k++)
        wanted = wanted || is_active(st, n->inputs[k]);
    for (size_t k = 0; k < n->output_count; k++)
        given = given || (n->outputs[k] != NONE && st->gradient[n->outputs[k]] != NONE);
    if (n->gone || !wanted || !given)
        return PEL_OK;
    for (size_t r = 0; r < sizeof rules / sizeof rules[0]; r++)
        if (strcmp(rules[r].op, n->op->name) == 0 && n->node->domain[0] == '\0' && n->outputs[0] != NONE &&
            (rules[r].parameters || !has_parameter(st->g, n)) && rules[r].apply(st, i, st->gradient[n->outputs[0]]))
            return PEL_OK;
    return by_reference(st, i);
}

/* What depends on parameters (inputs) that are wanted. */
static void find_active(state *st, bool parameters, bool inputs)
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
        last->op = &operators[STANDARDISE];
        last->node = &plain_node;
        last->input_count = 1;
        last->inputs[0] = n->inputs[0];
        last->factor = m.epsilon;
    }
}

static pel_status add_ends(state *st, size_t *inputs)
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
            contribute(st, g->outputs[k], more[g->input_count + k]);
    }
    pel_free(g->inputs);
    g->inputs = more;
    g->input_count += g->output_count;
    return PEL_OK;
}

/* The gradients by the inputs are outputs. */
static pel_status add_outputs(state *st, size_t inputs)
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
    state st = {.ctx = ctx, .g = g, .count = g->value_count};
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
