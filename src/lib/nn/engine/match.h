/* match.h - several nodes, as exporters leave them, that are one thing: normalisations, GELU.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PEL_NN_MATCH_H
#define PEL_NN_MATCH_H

#include "plan.h"

#define MATCH_NODES 12

typedef struct {
    size_t count, nodes[MATCH_NODES]; /* besides the first: those that it takes the place of */
    size_t last;                      /* makes the result */
    double epsilon;
    const nn_array *scale, *shift;    /* one number, or one for each channel or group; NULL: 1 and 0 */
} match;

/* Over the channels of each pixel, from node `first`, whose input 0 is a picture:
 *     m = mean(x), d = x - m, v = mean(d d), y = d / sqrt(v + e)
 * or, between Transpose to N x H x W x C and back, the same or LayerNormalization, with a scale and a shift. */
bool match_layer_norm(const graph *g, size_t first, match *m);
/* InstanceNormalization between two Reshapes, the first of them node `first`: each of *groups takes several channels. */
bool match_group_norm(const graph *g, size_t first, match *m, size_t *groups);
/* x / 2 (1 + erf(x / sqrt(2))), from the node of x / sqrt(2). */
bool match_gelu(const graph *g, size_t first, match *m);

/* Is the node a ReduceMean over these axes of a picture, which it keeps? */
bool match_mean(const graph *g, const graph_node *n, const int64_t *axes, size_t count);

#endif
