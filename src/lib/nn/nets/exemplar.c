/* exemplar.c - a blurred picture and a sharp one of the same scene or texture: each has an encoder, their features are
 * joined at every level, one decoder corrects the picture (the form of L. Yuan et al., Image deblurring with
 * blurred/noisy image pairs, SIGGRAPH 2007, as a U-Net).
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include "net.h"

#define MOST_LEVELS 5

static void encode(net *n, val x, val *levels)
{
    for (int64_t level = 0; level < n->o.depth; level++) {
        if (level > 0)
            x = net_pool(n, x, "MaxPool");
        x = net_conv3_relu(n, x, n->o.width << level);
        levels[level] = x = net_conv3_relu(n, x, n->o.width << level);
    }
}

void net_exemplar(net *n)
{
    val image = net_input(n, "image", n->o.channels, "image");
    val reference = net_input(n, "reference", n->o.channels, "reference");
    val a[MOST_LEVELS], b[MOST_LEVELS];
    encode(n, image, a);
    encode(n, reference, b);
    int64_t last = n->o.depth - 1;
    val both[2] = {a[last], b[last]};
    val x = net_conv3_relu(n, net_concat(n, both, 2), n->o.width << last);
    for (int64_t level = last; level-- > 0;) {
        val parts[3] = {net_up(n, x, n->o.width << level, (layer){.kernel = 2}), a[level], b[level]};
        x = net_conv3_relu(n, net_concat(n, parts, 3), n->o.width << level);
        x = net_conv3_relu(n, x, n->o.width << level);
    }
    net_output(n, net_pair(n, "Add", image, net_conv3_last(n, x, n->o.channels)), "output");
}
