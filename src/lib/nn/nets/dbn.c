/* dbn.c - S. Su et al., Deep video deblurring for hand-held cameras, CVPR 2017: DBN, five frames stacked, three levels
 * with added skips; the correction is to the middle frame.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include "net.h"

static val relus(net *n, val x, int64_t channels, int count)
{
    for (int i = 0; i < count; i++)
        x = net_conv3_relu(n, x, channels);
    return x;
}

static val halve(net *n, val x, int64_t channels)
{
    return net_act(n, net_conv(n, x, channels, (layer){.kernel = 3, .stride = 2}), "Relu");
}

static val twice(net *n, val x, val skip)
{
    return net_act(n, net_pair(n, "Add", net_up(n, x, skip.channels, (layer){.kernel = 4}), skip), "Relu");
}

void net_dbn(net *n)
{
    int64_t c = n->o.channels, w = n->o.width;
    val frames = net_input(n, "image", 5 * c, "image");
    n->failed = n->o.depth != 3;
    pel_model_set_metadata(n->m, "pellucid.window", "2");
    val full = net_act(n, net_conv(n, frames, w, (layer){.kernel = 5}), "Relu");
    val half = relus(n, halve(n, full, w), 2 * w, 2);
    val quarter = relus(n, halve(n, half, 4 * w), 4 * w, 3);
    val x = relus(n, halve(n, quarter, 8 * w), 8 * w, 3);
    x = relus(n, twice(n, x, quarter), 4 * w, 3);
    x = relus(n, twice(n, x, half), 2 * w, 1);
    x = relus(n, twice(n, relus(n, x, w, 1), full), w / 2, 1);
    net_output(n, net_pair(n, "Add", net_slice(n, frames, 2 * c, c), net_conv3_last(n, x, c)), "output");
}
