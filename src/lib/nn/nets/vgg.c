/* vgg.c - K. Simonyan & A. Zisserman, Very deep convolutional networks for large-scale image recognition, ICLR 2015: an
 * encoder of its kind with a decoder that mirrors it, without skips; or the layers of their VGG-16 up to relu5_3, with
 * an output after each block, to measure pictures by.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdio.h>

#include "net.h"

static void features(net *n)
{
    static const int layers[5] = {2, 2, 3, 3, 3}, widths[5] = {1, 2, 4, 8, 8};
    val x = net_input(n, "image", n->o.channels, "image");
    pel_model_set_metadata(n->m, "pellucid.multiple", "16");
    for (int b = 0; b < 5; b++) {
        char name[24];
        if (b > 0)
            x = net_pool(n, x, "MaxPool");
        for (int k = 0; k < layers[b]; k++)
            x = net_conv3_relu(n, x, n->o.width * widths[b]);
        snprintf(name, sizeof name, "relu%d_%d", b + 1, layers[b]);
        net_output(n, x, name);
    }
}

void net_vgg(net *n)
{
    if (n->o.features) {
        features(n);
        return;
    }
    val x = net_input(n, "image", n->o.channels, "image");
    for (int64_t level = 0; level < n->o.depth; level++) {
        if (level > 0)
            x = net_pool(n, x, "MaxPool");
        x = net_conv3_relu(n, x, n->o.width << level);
        x = net_conv3_relu(n, x, n->o.width << level);
    }
    for (int64_t level = n->o.depth - 1; level-- > 0;) {
        x = net_act(n, net_up(n, x, n->o.width << level, (layer){.kernel = 2}), "Relu");
        x = net_conv3_relu(n, x, n->o.width << level);
        x = net_conv3_relu(n, x, n->o.width << level);
    }
    net_output(n, net_conv3(n, x, n->o.channels), "output");
}
