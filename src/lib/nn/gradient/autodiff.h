/* autodiff.h - gradients as further nodes of a graph.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PEL_NN_AUTODIFF_H
#define PEL_NN_AUTODIFF_H

#include "engine/graph.h"

/* Further inputs of the graph, the gradients of a loss with respect to its outputs, and nodes that compute those with
 * respect to parameters (sinks) and, where `inputs`, to the inputs: further outputs, as many as there are
 * inputs, NONE where the loss does not depend on one. */
pel_status autodiff(const pel_context *ctx, graph *g, bool parameters, bool inputs);

#endif
