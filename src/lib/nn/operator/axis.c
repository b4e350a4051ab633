/* axis.c - where each sample of a resized axis comes from (ONNX's Resize, opsets 13 to 18).
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "axis.h"

/* The scale that the node gives for the axis: `scales`, or the ratio of sizes. */
static double scale_of(const nn_call *call, size_t axis, int64_t in, int64_t out)
{
    const nn_array *scales = call->input_count > 2 ? call->inputs[2] : NULL;
    const pel_attribute *axes = pel_node_attribute(call->node, "axes");
    if (scales == NULL || scales->values == NULL || nn_array_count(scales) == 0)
        return (double)out / (double)in;
    size_t count = nn_array_count(scales);
    for (size_t k = 0; k < count; k++) {
        int64_t a = axes != NULL && k < axes->count ? axes->integers[k] : (int64_t)k;
        if (a == (int64_t)axis || a == (int64_t)axis - (int64_t)call->inputs[0]->rank)
            return scales->values[k];
    }
    return 1;
}

/* The input coordinate of output i. */
static double coordinate(const char *mode, double i, double scale, double in, double out)
{
    if (strcmp(mode, "asymmetric") == 0)
        return i / scale;
    if (strcmp(mode, "align_corners") == 0)
        return out == 1 ? 0 : i * (in - 1) / (out - 1);
    if (strcmp(mode, "pytorch_half_pixel") == 0 && out == 1)
        return 0;
    return (i + 0.5) / scale - 0.5;
}

static double nearest(const char *mode, double x)
{
    if (strcmp(mode, "round_prefer_ceil") == 0)
        return floor(x + 0.5);
    if (strcmp(mode, "floor") == 0)
        return floor(x);
    if (strcmp(mode, "ceil") == 0)
        return ceil(x);
    return ceil(x - 0.5); /* round_prefer_floor */
}

/* R. Keys' kernel (IEEE Trans. ASSP 29, 1981, 1153) with the coefficient a, at the distances of the four samples. */
static void cubic(double f, double a, double w[4])
{
    for (int t = 0; t < 4; t++) {
        double d = fabs(f + 1 - t);
        w[t] = d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
    }
}

static void fill(const nn_call *call, double scale, double in, double out, nn_axis *to)
{
    const pel_node *node = call->node;
    const char *mode = pel_node_string(node, "coordinate_transformation_mode", "half_pixel");
    const char *rounding = pel_node_string(node, "nearest_mode", "round_prefer_floor");
    double a = pel_node_float(node, "cubic_coeff_a", -0.75);
    bool outside = pel_node_int(node, "exclude_outside", 0) != 0;
    for (size_t i = 0; i < to->count; i++) {
        double x = coordinate(mode, (double)i, scale, in, out), first = floor(x), total = 0;
        double *w = to->weight + AXIS_TAPS * i;
        ptrdiff_t *index = to->index + AXIS_TAPS * i;
        if (to->taps == 1) {
            first = nearest(rounding, x);
            w[0] = 1;
        } else if (to->taps == 2) {
            w[0] = 1 - (x - first);
            w[1] = x - first;
        } else {
            cubic(x - first, a, w);
            first -= 1;
        }
        for (size_t t = 0; t < to->taps; t++) {
            double k = first + (double)t;
            if (to->taps == 4 && outside && (k < 0 || k > in - 1))
                w[t] = 0;
            total += w[t];
            index[t] = (ptrdiff_t)fmin(fmax(k, 0), in - 1);
        }
        for (size_t t = 0; t < to->taps && outside && to->taps == 4 && total != 0; t++)
            w[t] /= total;
    }
}

pel_status nn_axis_make(const nn_call *call, size_t axis, int64_t in, int64_t out, nn_axis *to)
{
    const char *mode = pel_node_string(call->node, "mode", "nearest");
    *to = (nn_axis){.count = (size_t)out, .taps = 1};
    if (in != out)
        to->taps = strcmp(mode, "nearest") == 0 ? 1 : strcmp(mode, "linear") == 0 ? 2 : 4;
    to->index = pel_alloc((to->count * AXIS_TAPS + 1) * sizeof *to->index);
    to->weight = pel_alloc((to->count * AXIS_TAPS + 1) * sizeof *to->weight);
    if (to->index == NULL || to->weight == NULL)
        return pel_error_set(call->error, PEL_ENOMEM, "out of memory");
    double scale = scale_of(call, axis, in, out);
    if (in != out) {
        fill(call, scale, (double)in, (double)out, to);
        return PEL_OK;
    }
    for (size_t i = 0; i < to->count; i++) { /* an axis that keeps its size is kept as it is */
        to->index[AXIS_TAPS * i] = (ptrdiff_t)i;
        to->weight[AXIS_TAPS * i] = 1;
    }
    return PEL_OK;
}

void nn_axis_free(nn_axis *axis)
{
    pel_free(axis->index);
    pel_free(axis->weight);
    axis->index = NULL;
    axis->weight = NULL;
}
