/* axis.h - where each sample of a resized axis comes from (ONNX's Resize).
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PEL_NN_AXIS_H
#define PEL_NN_AXIS_H

#include "operator.h"

#define AXIS_TAPS 4

/* Output i is the sum over t of weight[4 i + t] * in[index[4 i + t]]. */
typedef struct {
    size_t count, taps; /* 1, 2 or 4 */
    ptrdiff_t *index;
    double *weight;
} nn_axis;

/* For the axis of a Resize node whose inputs have values (the first only its shape).  Free with nn_axis_free, also
 * after a failure. */
pel_status nn_axis_make(const nn_call *call, size_t axis, int64_t in, int64_t out, nn_axis *to);
void nn_axis_free(nn_axis *axis);

#endif
