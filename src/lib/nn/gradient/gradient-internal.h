/* gradient-internal.h - what tests of gradients need beside the public interface.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PEL_NN_GRADIENT_INTERNAL_H
#define PEL_NN_GRADIENT_INTERNAL_H

#include <pellucid/gradient.h>

#include "engine/plan.h"

/* pel_gradient_new, for these inner loops. */
pel_status gradient_new(const pel_context *ctx, const pel_model *model, const pel_size *inputs,
                        const pel_gradient_options *options, const nn_kernels *kernels, pel_gradient **gradient);
/* Steps that the plain reference does, for want of a fast path. */
size_t gradient_plain_steps(const pel_gradient *gradient);

#endif
