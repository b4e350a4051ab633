/* drunet.c - K. Zhang et al., Plug-and-play image restoration with deep denoiser prior, PAMI 44 (2022) 6360, section 3:
 * DRUNet, a U-Net of residual blocks without biases, so that its result scales with what it gets; skips are added.
 * Departures: pictures may be folded (FFDNet's space to depth), the inputs be named, each level's own width; a skip
 * starts behind its level's blocks, and the result is added to the first input.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include "net.h"

#define MOST_LEVELS PEL_NET_MOST_LEVELS
#define MOST_INPUTS 4

static val blocks(net *n, val x)
{
    for (int64_t i = 0; i < n->o.blocks; i++)
        x = net_residual_block(n, x, (layer){.kernel = 3, .no_bias = true});
    return x;
}

static val folded(net *n, val x)
{
    return n->o.fold > 1 ? net_blocks(n, x, n->o.fold, true) : x;
}

/* A level of noise is a plane, and is thinned out where pictures are folded; all else has the picture's channels. */
static val input(net *n, const char *role, bool first, val *picture)
{
    bool plane = strcmp(role, "sigma") == 0 || strcmp(role, "mask") == 0;
    val v = net_input(n, role, plane ? 1 : n->o.channels, role);
    if (first)
        *picture = v;
    if (!plane)
        return folded(n, v);
    for (int64_t f = n->o.fold; f > 1; f /= 2)
        v = net_pool(n, v, "AveragePool");
    return v;
}

static val inputs(net *n, val *picture)
{
    val parts[MOST_INPUTS];
    size_t count = 0;
    for (const char *at = n->o.inputs; *at != '\0' && !n->failed;) {
        char role[16];
        size_t length = strcspn(at, ",");
        n->failed = length == 0 || length >= sizeof role || count == MOST_INPUTS;
        if (n->failed)
            break;
        memcpy(role, at, length);
        role[length] = '\0';
        parts[count] = input(n, role, count == 0, picture);
        count++;
        at += length + (at[length] == ',');
    }
    n->failed = n->failed || count == 0;
    return n->failed ? *picture : count == 1 ? parts[0] : net_concat(n, parts, count);
}

void net_drunet(net *n)
{
    const layer flat = {.kernel = 3, .no_bias = true}, last = {.kernel = 3, .no_bias = true, .gain = 0.1};
    const layer halve = {.kernel = 2, .stride = 2, .no_bias = true, .gain = NET_LINEAR};
    const layer twice = {.kernel = 2, .no_bias = true, .gain = NET_LINEAR};
    val image = {.channels = 0}, skip[MOST_LEVELS];
    val x = inputs(n, &image);
    if (n->failed)
        return;
    x = net_conv(n, x, n->o.widths[0], flat);
    for (int64_t level = 0; level < n->o.depth; level++) {
        if (level > 0)
            x = net_conv(n, x, n->o.widths[level], halve);
        skip[level] = x = blocks(n, x);
    }
    for (int64_t level = n->o.depth - 1; level-- > 0;)
        x = blocks(n, net_pair(n, "Add", net_up(n, x, n->o.widths[level], twice), skip[level]));
    x = net_conv(n, x, n->o.fold * n->o.fold * n->o.channels, last);
    net_output(n, net_pair(n, "Add", image, n->o.fold > 1 ? net_blocks(n, x, n->o.fold, false) : x), "output");
}
