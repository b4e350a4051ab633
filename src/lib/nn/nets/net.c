/* net.c - layers: nodes with their initial weights.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "net.h"

/* ---- Names.  A layer's values and tensors have its number. */

static val fresh(net *n, int64_t channels)
{
    val v = {.channels = channels};
    snprintf(v.name, sizeof v.name, "v%zu", ++n->count);
    return v;
}

/* A tensor's name: of the value that it makes. */
static void name_of(char to[40], const val *v, const char *what)
{
    snprintf(to, 40, "%s.%s", v->name, what);
}

/* Of one to three inputs; the rest are NULL. */
static pel_node *node(net *n, const char *operator, const val *out, const char *a, const char *b, const char *c)
{
    char inputs[160];
    snprintf(inputs, sizeof inputs, "%s%s%s%s%s", a, b != NULL ? " " : "", b != NULL ? b : "", c != NULL ? " " : "",
             c != NULL ? c : "");
    return pel_model_add_node(n->m, operator, inputs, out->name);
}

static void normal(net *n, float *v, size_t count, double sigma)
{
    for (size_t i = 0; v != NULL && i < count; i++)
        v[i] = (float)pel_rng_gaussian(n->rng, sigma);
}

static void constant(net *n, const char *name, int64_t count, double value)
{
    float *v = pel_model_add_floats(n->m, name, 1, &count);
    for (int64_t i = 0; v != NULL && i < count; i++)
        v[i] = (float)value;
}

/* ---- Ends */

val net_input(net *n, const char *name, int64_t channels, const char *role)
{
    val v = {.channels = channels};
    char key[80];
    snprintf(v.name, sizeof v.name, "%s", name);
    snprintf(key, sizeof key, "pellucid.input.%s", name);
    pel_model_add_input(n->m, name, channels);
    pel_model_set_metadata(n->m, key, role);
    return v;
}

void net_output(net *n, val v, const char *name)
{
    pel_model_add_output(n->m, name, v.channels);
    pel_model_add_node(n->m, "Identity", v.name, name);
}

/* ---- Convolutions */

static void four(net *n, pel_node *p, const char *name, int64_t value)
{
    pel_node_set_ints(n->m, p, name, 4, (int64_t[]){value, value, value, value});
}

static void two(net *n, pel_node *p, const char *name, int64_t value)
{
    if (value != 1)
        pel_node_set_ints(n->m, p, name, 2, (int64_t[]){value, value});
}

val net_conv(net *n, val x, int64_t channels, layer l)
{
    l.kernel = l.kernel == 0 ? 1 : l.kernel;
    l.stride = l.stride == 0 ? 1 : l.stride;
    l.dilation = l.dilation == 0 ? 1 : l.dilation;
    l.groups = l.groups == 0 ? 1 : l.groups;
    l.gain = l.gain == 0 ? 1 : l.gain;
    val v = fresh(n, channels);
    char w[40], b[40];
    name_of(w, &v, "weight");
    name_of(b, &v, "bias");
    int64_t dims[4] = {channels, x.channels / l.groups, l.kernel, l.kernel};
    double inputs = (double)(dims[1] * l.kernel * l.kernel);
    normal(n, pel_model_add_floats(n->m, w, 4, dims), (size_t)channels * (size_t)inputs, l.gain * sqrt(2 / inputs));
    if (!l.no_bias)
        constant(n, b, channels, 0);
    pel_node *p = node(n, "Conv", &v, x.name, w, l.no_bias ? NULL : b);
    if (l.kernel > 1)
        four(n, p, "pads", l.dilation * (l.kernel - 1) / 2);
    two(n, p, "strides", l.stride);
    two(n, p, "dilations", l.dilation);
    if (l.groups != 1)
        pel_node_set_int(n->m, p, "group", l.groups);
    return v;
}

val net_conv3(net *n, val x, int64_t channels) { return net_conv(n, x, channels, (layer){.kernel = 3}); }
val net_conv3_relu(net *n, val x, int64_t channels) { return net_act(n, net_conv3(n, x, channels), "Relu"); }
val net_conv3_last(net *n, val x, int64_t channels)
{
    return net_conv(n, x, channels, (layer){.kernel = 3, .gain = 0.1});
}

val net_up(net *n, val x, int64_t channels, layer l)
{
    int64_t kernel = l.kernel;
    val v = fresh(n, channels);
    char w[40], b[40];
    name_of(w, &v, "weight");
    name_of(b, &v, "bias");
    int64_t dims[4] = {x.channels, channels, kernel, kernel};
    double inputs = (double)(x.channels * kernel * kernel) / 4; /* that one output sees, with a stride of 2 */
    normal(n, pel_model_add_floats(n->m, w, 4, dims), (size_t)(x.channels * channels * kernel * kernel),
           (l.gain == 0 ? 1 : l.gain) * sqrt(2 / inputs));
    if (!l.no_bias)
        constant(n, b, channels, 0);
    pel_node *p = node(n, "ConvTranspose", &v, x.name, w, l.no_bias ? NULL : b);
    two(n, p, "strides", 2);
    if (kernel > 2)
        four(n, p, "pads", (kernel - 2) / 2);
    return v;
}

val net_pool(net *n, val x, const char *operator)
{
    val v = fresh(n, x.channels);
    pel_node *p = node(n, operator, &v, x.name, NULL, NULL);
    two(n, p, "kernel_shape", 2);
    two(n, p, "strides", 2);
    return v;
}

/* ---- Sample by sample */

val net_act(net *n, val x, const char *operator)
{
    val v = fresh(n, x.channels);
    node(n, operator, &v, x.name, NULL, NULL);
    return v;
}

val net_prelu(net *n, val x)
{
    val v = fresh(n, x.channels);
    char s[40];
    name_of(s, &v, "slope");
    float *slopes = pel_model_add_floats(n->m, s, 3, (int64_t[]){x.channels, 1, 1});
    for (int64_t i = 0; slopes != NULL && i < x.channels; i++)
        slopes[i] = 0.25f;
    node(n, "PRelu", &v, x.name, s, NULL);
    return v;
}

val net_norm(net *n, val x, const char *operator)
{
    static const char *const names[] = {"scale", "bias", "mean", "variance"};
    val v = fresh(n, x.channels);
    bool batch = strcmp(operator, "BatchNormalization") == 0;
    char t[4][40], inputs[240];
    for (int k = 0; k < (batch ? 4 : 2); k++) {
        name_of(t[k], &v, names[k]);
        constant(n, t[k], x.channels, k % 3 == 0);
    }
    snprintf(inputs, sizeof inputs, "%s %s %s", x.name, t[0], t[1]);
    if (batch)
        snprintf(inputs, sizeof inputs, "%s %s %s %s %s", x.name, t[0], t[1], t[2], t[3]);
    pel_model_add_node(n->m, operator, inputs, v.name);
    return v;
}

val net_pair(net *n, const char *operator, val a, val b)
{
    val v = fresh(n, a.channels > b.channels ? a.channels : b.channels);
    node(n, operator, &v, a.name, b.name, NULL);
    return v;
}

val net_scale(net *n, const char *operator, val x, double value)
{
    val v = fresh(n, x.channels);
    char s[40];
    name_of(s, &v, "value");
    constant(n, s, 1, value);
    node(n, operator, &v, x.name, s, NULL);
    return v;
}

val net_weigh(net *n, val x, double initial)
{
    val v = fresh(n, x.channels);
    char s[40];
    name_of(s, &v, "weight");
    float *w = pel_model_add_floats(n->m, s, 4, (int64_t[]){1, x.channels, 1, 1});
    for (int64_t i = 0; w != NULL && i < x.channels; i++)
        w[i] = (float)initial;
    node(n, "Mul", &v, x.name, s, NULL);
    return v;
}

/* ---- Channels */

val net_concat(net *n, const val *parts, size_t count)
{
    char inputs[1024] = "";
    val v = fresh(n, 0);
    for (size_t i = 0; i < count; i++) {
        size_t at = strlen(inputs);
        snprintf(inputs + at, sizeof inputs - at, "%s%s", i > 0 ? " " : "", parts[i].name);
        v.channels += parts[i].channels;
    }
    pel_node_set_int(n->m, pel_model_add_node(n->m, "Concat", inputs, v.name), "axis", 1);
    return v;
}

void net_split(net *n, val x, val *a, val *b)
{
    char outputs[64];
    *a = fresh(n, x.channels / 2);
    *b = fresh(n, x.channels / 2);
    snprintf(outputs, sizeof outputs, "%s %s", a->name, b->name);
    pel_node_set_int(n->m, pel_model_add_node(n->m, "Split", x.name, outputs), "axis", 1);
}

val net_slice(net *n, val x, int64_t first, int64_t count)
{
    val v = fresh(n, count);
    char s[40], e[40], a[40], inputs[160];
    name_of(s, &v, "start");
    name_of(e, &v, "end");
    name_of(a, &v, "axis");
    pel_model_add_integers(n->m, s, 1, (int64_t[]){first});
    pel_model_add_integers(n->m, e, 1, (int64_t[]){first + count});
    pel_model_add_integers(n->m, a, 1, (int64_t[]){1});
    snprintf(inputs, sizeof inputs, "%s %s %s %s", x.name, s, e, a);
    pel_model_add_node(n->m, "Slice", inputs, v.name);
    return v;
}

val net_blocks(net *n, val x, int64_t block, bool to_depth)
{
    val v = fresh(n, to_depth ? x.channels * block * block : x.channels / (block * block));
    pel_node *p = node(n, to_depth ? "SpaceToDepth" : "DepthToSpace", &v, x.name, NULL, NULL);
    pel_node_set_int(n->m, p, "blocksize", block);
    return v;
}

val net_residual_block(net *n, val x, layer l)
{
    val y = net_act(n, net_conv(n, x, x.channels, l), "Relu");
    l.gain = 0.1;
    return net_pair(n, "Add", x, net_conv(n, y, x.channels, l));
}
