/* multiscale.c - S. Nah et al., Deep multi-scale convolutional neural network for dynamic scene deblurring, CVPR 2017:
 * quarter, half, full resolution; each starts from what the coarser one made.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include "net.h"

static val scale(net *n, val x)
{
    x = net_conv(n, x, n->o.width, (layer){.kernel = 5});
    for (int64_t i = 0; i < n->o.depth; i++)
        x = net_residual_block(n, x, (layer){.kernel = 5});
    return net_conv(n, x, n->o.channels, (layer){.kernel = 5, .gain = 0.1});
}

void net_multiscale(net *n)
{
    val image = net_input(n, "image", n->o.channels, "image");
    val half = net_pool(n, image, "AveragePool"), quarter = net_pool(n, half, "AveragePool");
    val x = net_pair(n, "Add", quarter, scale(n, quarter));
    val second[2] = {half, net_up(n, x, n->o.channels, (layer){.kernel = 4})};
    x = net_pair(n, "Add", half, scale(n, net_concat(n, second, 2)));
    val third[2] = {image, net_up(n, x, n->o.channels, (layer){.kernel = 4})};
    net_output(n, net_pair(n, "Add", image, scale(n, net_concat(n, third, 2))), "output");
}
