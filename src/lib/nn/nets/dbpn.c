/* dbpn.c - M. Haris et al., Deep back-projection networks for super-resolution, CVPR 2018: units go up and down between
 * half and full resolution, each corrected by what going back leaves.  Features at half resolution make
 * room for restoration at the picture's own size.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include "net.h"

#define MOST_UNITS 16

static val up(net *n, val x) { return net_prelu(n, net_up(n, x, n->o.width, (layer){.kernel = 6})); }

/* 4 x 4, stride 2: pads of 1 keep it half. */
static val down(net *n, val x)
{
    return net_prelu(n, net_conv(n, x, n->o.width, (layer){.kernel = 4, .stride = 2}));
}

static val up_unit(net *n, val low)
{
    val high = up(n, low);
    val rest = net_pair(n, "Sub", down(n, high), low);
    return net_pair(n, "Add", high, up(n, rest));
}

static val down_unit(net *n, val high)
{
    val low = down(n, high);
    val rest = net_pair(n, "Sub", up(n, low), high);
    return net_pair(n, "Add", low, down(n, rest));
}

void net_dbpn(net *n)
{
    val image = net_input(n, "image", n->o.channels, "image"), high[MOST_UNITS];
    val x = net_prelu(n, net_conv3(n, image, n->o.width));
    x = down(n, x);
    for (int64_t i = 0; i < n->o.depth; i++) {
        high[i] = up_unit(n, x);
        if (i + 1 < n->o.depth)
            x = down_unit(n, high[i]);
    }
    x = net_conv3_last(n, net_concat(n, high, (size_t)n->o.depth), n->o.channels);
    net_output(n, net_pair(n, "Add", image, x), "output");
}
