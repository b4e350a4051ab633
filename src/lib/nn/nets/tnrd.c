/* tnrd.c - Y. Chen & T. Pock, Trainable nonlinear reaction diffusion, PAMI 39 (2017) 1256, equation 6: at each stage
 *     u - sum_i k'_i * phi_i(k_i * u) - lambda (u - f),
 * filters of 5 x 5 (24) or 7 x 7 (48), influence functions phi of 63 Gaussians.  The rotated filters k' are weights of
 * their own here, equal to those of k at first.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include "net.h"

#define GAUSSIANS 63
#define RANGE (310.0 / 255) /* of the centres, to either side; the paper's pictures go to 255 */

/* z = (x - mu) / gamma for each filter and centre: a grouped 1 x 1 convolution with these numbers. */
static val centre(net *n, val x)
{
    double gamma = 2 * RANGE / (GAUSSIANS - 1);
    int64_t filters = x.channels, count = filters * GAUSSIANS;
    val z = net_conv(n, x, count, (layer){.kernel = 1, .groups = filters});
    pel_model_tensor *t = n->m->tensor_count >= 2 ? &n->m->tensors[n->m->tensor_count - 2] : NULL;
    for (int64_t i = 0; t != NULL && t[0].floats != NULL && t[1].floats != NULL && i < count; i++) {
        double mu = -RANGE + gamma * (double)(i % GAUSSIANS);
        t[0].floats[i] = (float)(1 / gamma);
        t[1].floats[i] = (float)(-mu / gamma);
    }
    return z;
}

static val influence(net *n, val x)
{
    val z = centre(n, x);
    val g = net_act(n, net_scale(n, "Mul", net_pair(n, "Mul", z, z), -0.5), "Exp");
    return net_conv(n, g, x.channels, (layer){.kernel = 1, .groups = x.channels, .gain = 0.05, .no_bias = true});
}

void net_tnrd(net *n)
{
    val image = net_input(n, "image", n->o.channels, "image"), u = image;
    int64_t side = n->o.width > 24 ? 7 : 5;
    for (int64_t stage = 0; stage < n->o.depth; stage++) {
        val r = net_conv(n, u, n->o.width * n->o.channels, (layer){.kernel = side, .gain = 0.3, .no_bias = true});
        val d = net_conv(n, influence(n, r), n->o.channels, (layer){.kernel = side, .gain = 0.1, .no_bias = true});
        val reaction = net_weigh(n, net_pair(n, "Sub", u, image), 0.1);
        u = net_pair(n, "Sub", net_pair(n, "Sub", u, d), reaction);
    }
    net_output(n, u, "output");
}
