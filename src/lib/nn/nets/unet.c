/* unet.c - O. Ronneberger et al., U-Net: convolutional networks for biomedical image segmentation, MICCAI 2015; the
 * result is added to the image.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include "net.h"

#define MOST_LEVELS 6

void net_unet(net *n)
{
    val image = net_input(n, "image", n->o.channels, "image"), x = image, skip[MOST_LEVELS];
    for (int64_t level = 0; level < n->o.depth; level++) {
        if (level > 0)
            x = net_pool(n, x, "MaxPool");
        x = net_conv3_relu(n, x, n->o.width << level);
        skip[level] = x = net_conv3_relu(n, x, n->o.width << level);
    }
    for (int64_t level = n->o.depth - 1; level-- > 0;) {
        val parts[2] = {net_up(n, x, n->o.width << level, (layer){.kernel = 2}), skip[level]};
        x = net_conv3_relu(n, net_concat(n, parts, 2), n->o.width << level);
        x = net_conv3_relu(n, x, n->o.width << level);
    }
    net_output(n, net_pair(n, "Add", image, net_conv3_last(n, x, n->o.channels)), "output");
}
