/* fuse.h - what follows a convolution and can be done on its sums: scale and shift by channel, an activation that is
 * linear on both sides of 0, a residual.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PEL_NN_FUSE_H
#define PEL_NN_FUSE_H

#include "plan.h"

typedef struct {
    size_t output;   /* the last value */
    size_t residual; /* what is added, or NONE */
    bool residual_last, has_slopes;
    size_t channels;
    double *scale;   /* of the sums, then shift, then slope: `channels` each */
} fused_after;

/* Follows the only use of node i's output, as far as it can be taken in by a step that is done when node
 * `position` comes; the nodes are `gone` then.  Free with
 * fused_free, also after a failure. */
pel_status fuse_after(builder *b, size_t i, size_t position, fused_after *after);
static inline double fused_scale(const fused_after *a, size_t channel) { return a->scale[channel]; }
static inline double fused_shift(const fused_after *a, size_t channel)
{
    return a->scale[a->channels + channel];
}
static inline double fused_slope(const fused_after *a, size_t channel)
{
    return a->scale[2 * a->channels + channel];
}
void fused_free(fused_after *after);

/* The node that alone uses the value, or NONE. */
size_t fuse_sole_user(const graph *g, size_t value);
/* The constant that is one number, or one a channel of `channels`; NULL: it is none of these. */
const nn_array *fuse_channel_constant(const graph *g, size_t value, size_t channels);
static inline double fuse_channel(const nn_array *a, size_t channel)
{
    return a->values[nn_array_count(a) == 1 ? 0 : channel];
}

#endif
