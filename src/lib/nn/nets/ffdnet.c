/* ffdnet.c - K. Zhang et al., FFDNet: toward a fast and flexible solution for CNN-based image denoising, TIP 27 (2018)
 * 4608: at half the resolution, with a map of the noise level.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include "net.h"

void net_ffdnet(net *n)
{
    val image = net_input(n, "image", n->o.channels, "image"), sigma = net_input(n, "sigma", 1, "sigma");
    val parts[2] = {net_blocks(n, image, 2, true), net_pool(n, sigma, "AveragePool")};
    val x = net_concat(n, parts, 2);
    n->failed = n->o.depth < 2;
    for (int64_t i = 0; i + 1 < n->o.depth; i++)
        x = net_conv3_relu(n, x, n->o.width);
    net_output(n, net_blocks(n, net_conv3(n, x, 4 * n->o.channels), 2, false), "output");
}
