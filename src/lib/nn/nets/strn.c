/* strn.c - T. Kim et al., Online video deblurring via dynamic temporal blending network, ICCV 2017: features of the last
 * frame come back as a state, and are blended in by weights that the net finds for each of them.  The state is
 * kept at the picture's size. SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include "net.h"

/* w now + (1 - w) last, w = |tanh| of a convolution of both (section 3.3): last + w (now - last). */
static val blend(net *n, val now, val last)
{
    val both[2] = {now, last};
    val w = net_act(n, net_act(n, net_conv3(n, net_concat(n, both, 2), now.channels), "Tanh"), "Abs");
    return net_pair(n, "Add", last, net_pair(n, "Mul", w, net_pair(n, "Sub", now, last)));
}

void net_strn(net *n)
{
    int64_t c = n->o.channels, w = n->o.width;
    val image = net_input(n, "image", c, "image"), state = net_input(n, "state", w / 4 > 0 ? w / 4 : 1, "state:next");
    n->failed = w % 4 != 0;
    val last = net_blocks(n, state, 2, true);
    val x = net_act(n, net_conv(n, image, w, (layer){.kernel = 5, .stride = 2}), "Relu");
    x = net_residual_block(n, x, (layer){.kernel = 3});
    x = blend(n, x, last);
    for (int64_t i = 0; i < n->o.depth; i++)
        x = net_residual_block(n, x, (layer){.kernel = 3});
    val up = net_act(n, net_up(n, x, w, (layer){.kernel = 4}), "Relu");
    net_output(n, net_pair(n, "Add", image, net_conv3_last(n, up, c)), "output");
    net_output(n, net_blocks(n, x, 2, false), "next");
}
