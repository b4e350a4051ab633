/* operators-conv.c - Conv and ConvTranspose of one to three dimensions, by their definitions.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include "operator-internal.h"

#define SPACE 3

typedef struct {
    size_t axes;
    int64_t groups, in_channels, out_channels; /* of all groups */
    int64_t in[SPACE], out[SPACE], kernel[SPACE], stride[SPACE], dilation[SPACE], before[SPACE], after[SPACE];
    /* Set by read_node: */
    bool transposed;
    int64_t inside, outside, taps; /* pixels of an input and an output, and of the kernel */
    int64_t cin, cout, step_w;     /* channels of a group; from one of its weights' input channels to the next */
} geometry;

/* `count` numbers of an attribute, or `fallback`, each from `least` up to a million. */
static pel_status read_list(const nn_call *call, const char *name, size_t count, int64_t fallback,
                            int64_t least, int64_t *to)
{
    int64_t v[2 * SPACE];
    size_t given;
    pel_status status = call_integers(call, name, NONE_INPUT, 2 * SPACE, v, &given);
    if (status == PEL_OK && given != 0 && given != count)
        return FAIL(call, "attribute %s has %zu numbers, %zu are needed", name, given, count);
    for (size_t k = 0; k < count && status == PEL_OK; k++) {
        to[k] = given != 0 ? v[k] : fallback;
        if (to[k] < least || to[k] > 1000000)
            status = FAIL(call, "attribute %s has a value of %lld", name, (long long)to[k]);
    }
    return status;
}

static pel_status read_geometry(const nn_call *call, bool transposed, geometry *g)
{
    const nn_array *x = call->inputs[0], *w = call->inputs[1], *bias = call_input(call, 2);
    int64_t pads[2 * SPACE];
    if (x->rank < 3 || x->rank > 2 + SPACE || w->rank != x->rank)
        return FAIL(call, "an input of %zu and weights of %zu dimensions", x->rank, w->rank);
    g->axes = x->rank - 2;
    g->groups = pel_node_int(call->node, "group", 1);
    g->in_channels = x->dims[1];
    if (g->groups < 1 || g->groups > 1000000)
        return FAIL(call, "%lld groups", (long long)g->groups);
    g->out_channels = transposed ? checked_multiply(w->dims[1], g->groups) : w->dims[0];
    int64_t seen = transposed ? w->dims[0] : checked_multiply(w->dims[1], g->groups);
    if (seen != g->in_channels || g->out_channels < 1 || g->in_channels % g->groups != 0 ||
        g->out_channels % g->groups != 0)
        return FAIL(call, "weights for %lld channels in %lld groups, and an input of %lld channels",
                    (long long)seen, (long long)g->groups, (long long)g->in_channels);
    if (bias != NULL && (bias->rank != 1 || bias->dims[0] != g->out_channels))
        return FAIL(call, "the bias does not have %lld numbers", (long long)g->out_channels);
    pel_status status = read_list(call, "strides", g->axes, 1, 1, g->stride);
    if (status == PEL_OK)
        status = read_list(call, "dilations", g->axes, 1, 1, g->dilation);
    if (status == PEL_OK)
        status = read_list(call, "pads", 2 * g->axes, 0, 0, pads);
    for (size_t k = 0; k < g->axes && status == PEL_OK; k++) {
        g->in[k] = x->dims[2 + k];
        g->kernel[k] = w->dims[2 + k];
        g->before[k] = pads[k];
        g->after[k] = pads[g->axes + k];
        if (g->kernel[k] < 1 || g->kernel[k] > 1000000 || g->in[k] > INT64_C(1) << 40)
            status = FAIL(call, "a kernel of %lld", (long long)g->kernel[k]);
    }
    int64_t shape[SPACE];
    if (status == PEL_OK)
        status = read_list(call, "kernel_shape", g->axes, 1, 1, shape);
    for (size_t k = 0; k < g->axes && status == PEL_OK; k++)
        if (pel_node_attribute(call->node, "kernel_shape") != NULL && shape[k] != g->kernel[k])
            status = FAIL(call, "kernel_shape is not that of the weights");
    return status;
}

static pel_status infer_output(const nn_call *call, const geometry *g)
{
    int64_t dims[2 + SPACE] = {call->inputs[0]->dims[0], g->out_channels};
    for (size_t k = 0; k < g->axes; k++) {
        if (g->out[k] < 1)
            return FAIL(call, "the input is too small: %lld", (long long)g->in[k]);
        dims[2 + k] = g->out[k];
    }
    return call_set_shape(call, 0, PEL_MODEL_FLOAT, 2 + g->axes, dims);
}

static int64_t extent(const geometry *g, size_t k) { return (g->kernel[k] - 1) * g->dilation[k] + 1; }

/* ---- Conv */

static pel_status conv_geometry(const nn_call *call, geometry *g)
{
    const char *mode = pel_node_string(call->node, "auto_pad", "NOTSET");
    pel_status status = read_geometry(call, false, g);
    bool same = strcmp(mode, "SAME_UPPER") == 0 || strcmp(mode, "SAME_LOWER") == 0;
    if (status == PEL_OK && !same && strcmp(mode, "NOTSET") != 0 && strcmp(mode, "VALID") != 0)
        return FAIL(call, "auto_pad '%.20s' is not known", mode);
    for (size_t k = 0; k < g->axes && status == PEL_OK; k++) {
        if (same) {
            int64_t out = (g->in[k] + g->stride[k] - 1) / g->stride[k];
            int64_t total = (out - 1) * g->stride[k] + extent(g, k) - g->in[k];
            total = total > 0 ? total : 0;
            g->before[k] = strcmp(mode, "SAME_UPPER") == 0 ? total / 2 : total - total / 2;
            g->after[k] = total - g->before[k];
        } else if (strcmp(mode, "VALID") == 0) {
            g->before[k] = g->after[k] = 0;
        }
        int64_t room = g->in[k] + g->before[k] + g->after[k] - extent(g, k);
        g->out[k] = room < 0 ? 0 : room / g->stride[k] + 1;
    }
    return status;
}

static pel_status infer_conv(const nn_call *call)
{
    geometry g;
    pel_status status = conv_geometry(call, &g);
    return status == PEL_OK ? infer_output(call, &g) : status;
}

/* The input of output `out` at tap `tap`, or -1: outside. */
static int64_t conv_source(const geometry *g, const int64_t *out, const int64_t *tap)
{
    int64_t index = 0;
    for (size_t k = 0; k < g->axes; k++) {
        int64_t at = out[k] * g->stride[k] - g->before[k] + tap[k] * g->dilation[k];
        if (at < 0 || at >= g->in[k])
            return -1;
        index = index * g->in[k] + at;
    }
    return index;
}

static double macs_conv(const nn_call *call)
{
    const nn_array *w = call->inputs[1], *out = call->outputs[0];
    return (double)nn_array_count(out) * (double)nn_array_count(w) / (double)w->dims[0];
}

/* ---- ConvTranspose */

static pel_status transpose_geometry(const nn_call *call, geometry *g)
{
    int64_t more[SPACE], shape[SPACE];
    size_t given;
    pel_status status = read_geometry(call, true, g);
    if (status == PEL_OK)
        status = read_list(call, "output_padding", g->axes, 0, 0, more);
    if (status == PEL_OK)
        status = call_integers(call, "output_shape", NONE_INPUT, SPACE, shape, &given);
    if (status == PEL_OK && given != 0 && given != g->axes)
        return FAIL(call, "output_shape has %zu numbers", given);
    for (size_t k = 0; k < g->axes && status == PEL_OK; k++) {
        int64_t whole = checked_multiply(g->stride[k], g->in[k] - 1);
        if (whole < 0)
            return FAIL(call, "an input of %lld", (long long)g->in[k]);
        whole += more[k] + extent(g, k);
        if (given != 0) { /* the surplus is cut: half of it in front (opset 11 and later, NOTSET) */
            int64_t total = whole - shape[k];
            if (total < 0)
                return FAIL(call, "output_shape is larger than the output");
            g->before[k] = total / 2;
            g->after[k] = total - total / 2;
        }
        g->out[k] = whole - g->before[k] - g->after[k];
    }
    return status;
}

static pel_status infer_transpose(const nn_call *call)
{
    geometry g;
    pel_status status = transpose_geometry(call, &g);
    return status == PEL_OK ? infer_output(call, &g) : status;
}

/* The input that reaches output `out` through tap `tap`, or -1. */
static int64_t transpose_source(const geometry *g, const int64_t *out, const int64_t *tap)
{
    int64_t index = 0;
    for (size_t k = 0; k < g->axes; k++) {
        int64_t at = out[k] + g->before[k] - tap[k] * g->dilation[k];
        if (at < 0 || at % g->stride[k] != 0 || at / g->stride[k] >= g->in[k])
            return -1;
        index = index * g->in[k] + at / g->stride[k];
    }
    return index;
}

static double macs_transpose(const nn_call *call)
{
    const nn_array *w = call->inputs[1], *in = call->inputs[0];
    return (double)nn_array_count(in) * (double)nn_array_count(w) / (double)w->dims[0];
}

/* ---- Both: out[i] is the bias and, over taps and channels, the sum of w * x */

/* Splits an index into `axes` coordinates, the last fastest. */
static void coordinates(int64_t index, size_t axes, const int64_t *size, int64_t *to)
{
    for (size_t k = axes; k-- > 0;) {
        to[k] = index % size[k];
        index /= size[k];
    }
}

static int64_t product(const int64_t *v, size_t count)
{
    int64_t p = 1;
    for (size_t k = 0; k < count; k++)
        p *= v[k];
    return p;
}

/* Output i: its channel and coordinates, and where the input and the weights that it sees begin. */
typedef struct {
    int64_t channel, at[SPACE], first_x, first_w;
} place;

static place find_place(const geometry *g, int64_t i)
{
    int64_t image = i / g->outside / g->out_channels, channel = i / g->outside % g->out_channels;
    int64_t group = channel / g->cout;
    place p = {.channel = channel, .first_x = (image * g->in_channels + group * g->cin) * g->inside};
    p.first_w = (g->transposed ? group * g->cin * g->cout + channel % g->cout : channel * g->cin) * g->taps;
    coordinates(i % g->outside, g->axes, g->out, p.at);
    return p;
}

/* The pixel of the input that tap t sees there, or -1: outside. */
static int64_t find_source(const geometry *g, const place *p, int64_t t)
{
    int64_t tap[SPACE];
    coordinates(t, g->axes, g->kernel, tap);
    return g->transposed ? transpose_source(g, p->at, tap) : conv_source(g, p->at, tap);
}

static pel_status read_node(const nn_call *call, geometry *g)
{
    bool transposed = strcmp(call->node->operator, "ConvTranspose") == 0;
    pel_status status = transposed ? transpose_geometry(call, g) : conv_geometry(call, g);
    if (status != PEL_OK)
        return status;
    g->transposed = transposed;
    g->inside = product(g->in, g->axes);
    g->outside = product(g->out, g->axes);
    g->taps = product(g->kernel, g->axes);
    g->cin = g->in_channels / g->groups;
    g->cout = g->out_channels / g->groups;
    g->step_w = (transposed ? g->cout : 1) * g->taps;
    return PEL_OK;
}

static pel_status evaluate(const nn_call *call)
{
    geometry g;
    pel_status status = read_node(call, &g);
    if (status != PEL_OK)
        return status;
    const double *x = call->inputs[0]->values, *w = call->inputs[1]->values;
    const nn_array *bias = call_input(call, 2);
    for (int64_t i = 0; i < (int64_t)nn_array_count(call->outputs[0]); i++) {
        place p = find_place(&g, i);
        double sum = bias != NULL ? bias->values[p.channel] : 0;
        for (int64_t t = 0; t < g.taps; t++) {
            int64_t from = find_source(&g, &p, t);
            for (int64_t c = 0; c < g.cin && from >= 0; c++)
                sum += w[p.first_w + t + c * g.step_w] * x[p.first_x + from + c * g.inside];
        }
        call->outputs[0]->values[i] = sum;
    }
    return PEL_OK;
}

/* Each product w * x gives w to the gradient of x, and x to that of w. */
static pel_status backward(const nn_call *call, const nn_gradients *g)
{
    geometry s;
    pel_status status = read_node(call, &s);
    if (status != PEL_OK)
        return status;
    const double *x = call->inputs[0]->values, *w = call->inputs[1]->values;
    for (int64_t i = 0; i < (int64_t)nn_array_count(call->outputs[0]); i++) {
        place p = find_place(&s, i);
        double here = g->outputs[0][i];
        gradient_add(g->inputs[2], (size_t)p.channel, here);
        for (int64_t t = 0; t < s.taps; t++) {
            int64_t from = find_source(&s, &p, t);
            for (int64_t c = 0; c < s.cin && from >= 0; c++) {
                int64_t at_w = p.first_w + t + c * s.step_w, at_x = p.first_x + from + c * s.inside;
                gradient_add(g->inputs[0], (size_t)at_x, here * w[at_w]);
                gradient_add(g->inputs[1], (size_t)at_w, here * x[at_x]);
            }
        }
    }
    return PEL_OK;
}

#define BOTH " dilations:I group:i kernel_shape:I pads:I strides:I"
#define TRANSPOSED "auto_pad:s=NOTSET output_padding:I output_shape:I" BOTH
const nn_operator nn_operators_conv[] = {
    {"Conv", 2, 3, 1, "auto_pad:s" BOTH, infer_conv, evaluate, backward, macs_conv},
    {"ConvTranspose", 2, 3, 1, TRANSPOSED, infer_transpose, evaluate, backward, macs_transpose},
    {NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL},
};
