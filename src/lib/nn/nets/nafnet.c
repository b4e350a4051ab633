/* nafnet.c - L. Chen et al., Simple baselines for image restoration, ECCV 2022: NAFNet, one block a level.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdio.h>

#include "net.h"

#define MOST_LEVELS 5

static val mean(net *n, val x)
{
    val m = net_act(n, x, "ReduceMean");
    if (n->m->node_count > 0)
        pel_node_set_ints(n->m, &n->m->nodes[n->m->node_count - 1], "axes", 1, (int64_t[]){1});
    m.channels = 1;
    return m;
}

/* Normalisation over the channels of each pixel: weight (x - mean) / sqrt(variance + 1e-6) + bias. */
static val norm(net *n, val x)
{
    val d = net_pair(n, "Sub", x, mean(n, x));
    val v = net_scale(n, "Add", mean(n, net_pair(n, "Mul", d, d)), 1e-6);
    val y = net_weigh(n, net_pair(n, "Div", d, net_act(n, v, "Sqrt")), 1);
    char name[40];
    snprintf(name, sizeof name, "%s.bias", y.name);
    (void)pel_model_add_floats(n->m, name, 4, (int64_t[]){1, y.channels, 1, 1});
    val b = {.channels = y.channels};
    snprintf(b.name, sizeof b.name, "%.18s.bias", y.name);
    return net_pair(n, "Add", y, b);
}

static val gate(net *n, val x)
{
    val a, b;
    net_split(n, x, &a, &b);
    return net_pair(n, "Mul", a, b);
}

static val block(net *n, val x)
{
    int64_t c = x.channels;
    val y = net_conv(n, norm(n, x), 2 * c, (layer){.kernel = 1, .gain = NET_LINEAR});
    y = gate(n, net_conv(n, y, 2 * c, (layer){.kernel = 3, .groups = 2 * c, .gain = NET_LINEAR}));
    val attention = net_conv(n, net_act(n, y, "GlobalAveragePool"), c, (layer){.kernel = 1, .gain = NET_LINEAR});
    y = net_conv(n, net_pair(n, "Mul", y, attention), c, (layer){.kernel = 1, .gain = NET_LINEAR});
    x = net_pair(n, "Add", x, net_weigh(n, y, 0.1));
    y = gate(n, net_conv(n, norm(n, x), 2 * c, (layer){.kernel = 1, .gain = NET_LINEAR}));
    return net_pair(n, "Add", x, net_weigh(n, net_conv(n, y, c, (layer){.kernel = 1, .gain = NET_LINEAR}), 0.1));
}

void net_nafnet(net *n)
{
    val image = net_input(n, "image", n->o.channels, "image"), skip[MOST_LEVELS];
    val x = net_conv(n, image, n->o.width, (layer){.kernel = 3, .gain = NET_LINEAR});
    for (int64_t level = 0; level < n->o.depth; level++) {
        skip[level] = x = block(n, x);
        x = net_conv(n, x, 2 * x.channels, (layer){.kernel = 2, .stride = 2, .gain = NET_LINEAR});
    }
    x = block(n, x);
    for (int64_t level = n->o.depth; level-- > 0;) {
        x = net_blocks(n, net_conv(n, x, 2 * x.channels, (layer){.kernel = 1, .no_bias = true, .gain = NET_LINEAR}),
                       2, false);
        x = block(n, net_pair(n, "Add", x, skip[level]));
    }
    net_output(n, net_pair(n, "Add", image, net_conv3_last(n, x, n->o.channels)), "output");
}
