/* net.h - what the architectures are written with: values, layers.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PEL_NETS_NET_H
#define PEL_NETS_NET_H

#include <pellucid/nets.h>
#include <pellucid/rng.h>

typedef struct {
    pel_model *m;
    pel_rng *rng;
    size_t count;     /* values named so far */
    pel_net_params o; /* with the architecture's own numbers filled in */
    bool failed;      /* a parameter does not suit */
} net;

/* A value of the graph: a picture of so many channels. */
typedef struct {
    char name[24];
    int64_t channels;
} val;

typedef struct {
    int64_t kernel, stride, dilation, groups; /* 0: 1 */
    double gain; /* of the initial weights; 0: 1 */
    bool no_bias;
} layer;

/* A gain where no activation follows: half the variance keeps that of what comes in. */
#define NET_LINEAR 0.70710678

val net_input(net *n, const char *name, int64_t channels, const char *role);
void net_output(net *n, val v, const char *name);

/* Same size (or divided by the stride), zeros around. */
val net_conv(net *n, val x, int64_t channels, layer l);
val net_conv3(net *n, val x, int64_t channels);           /* 3 x 3 */
val net_conv3_relu(net *n, val x, int64_t channels);
val net_conv3_last(net *n, val x, int64_t channels);      /* with a tenth of the gain */
/* Twice the size: transposed, kernel 2 or more (even), stride 2. */
val net_up(net *n, val x, int64_t channels, layer l);
val net_pool(net *n, val x, const char *operator);        /* 2 x 2: MaxPool, AveragePool */
val net_act(net *n, val x, const char *operator);         /* Relu, Tanh, ... */
val net_prelu(net *n, val x);
val net_norm(net *n, val x, const char *operator);        /* InstanceNormalization, BatchNormalization */
val net_pair(net *n, const char *operator, val a, val b); /* Add, Sub, Mul */
val net_scale(net *n, const char *operator, val x, double v); /* by one number */
val net_weigh(net *n, val x, double initial);             /* by a number for each channel, to be trained */
val net_concat(net *n, const val *parts, size_t count);
void net_split(net *n, val x, val *a, val *b);            /* into halves of the channels */
val net_slice(net *n, val x, int64_t first, int64_t count); /* of the channels */
val net_blocks(net *n, val x, int64_t block, bool to_depth);
/* relu(conv) conv, added to x. */
val net_residual_block(net *n, val x, layer l);

typedef struct {
    pel_net_info info;
    int64_t most_width, most_depth;
    int64_t multiple;
    void (*build)(net *n);
} net_row;

void net_ffdnet(net *n), net_unet(net *n), net_resnet(net *n), net_vgg(net *n), net_multiscale(net *n), net_dbpn(net *n),
    net_nafnet(net *n), net_drunet(net *n), net_tnrd(net *n), net_dbn(net *n), net_strn(net *n), net_exemplar(net *n);

#endif
