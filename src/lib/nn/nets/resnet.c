/* resnet.c - O. Kupyn et al., DeblurGAN: blind motion deblurring using conditional adversarial networks, CVPR 2018: the
 * generator, after J. Johnson et al., Perceptual losses for real-time style transfer, ECCV 2016.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include "net.h"

static val norm_relu(net *n, val x)
{
    return net_act(n, net_norm(n, x, "InstanceNormalization"), "Relu");
}

static val block(net *n, val x)
{
    val y = norm_relu(n, net_conv3(n, x, x.channels));
    return net_pair(n, "Add", x, net_norm(n, net_conv3(n, y, x.channels), "InstanceNormalization"));
}

void net_resnet(net *n)
{
    val image = net_input(n, "image", n->o.channels, "image");
    val x = norm_relu(n, net_conv(n, image, n->o.width, (layer){.kernel = 7}));
    for (int k = 1; k <= 2; k++)
        x = norm_relu(n, net_conv(n, x, n->o.width << k, (layer){.kernel = 3, .stride = 2}));
    for (int64_t i = 0; i < n->o.depth; i++)
        x = block(n, x);
    for (int k = 1; k >= 0; k--)
        x = norm_relu(n, net_up(n, x, n->o.width << k, (layer){.kernel = 4}));
    x = net_conv(n, x, n->o.channels, (layer){.kernel = 7, .gain = 0.1});
    net_output(n, net_pair(n, "Add", image, net_act(n, x, "Tanh")), "output");
}
