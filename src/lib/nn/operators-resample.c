/* operators-resample.c - Resize and pooling.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "axis.h"
#include "operator-internal.h"

/* ---- Resize */

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcmp(word, *words) == 0)
            return true;
    return false;
}

static pel_status check_modes(const nn_call *call)
{
    static const char *const modes[] = {"nearest", "linear", "cubic", NULL};
    static const char *const maps[] = {"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", NULL};
    static const char *const roundings[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil", NULL};
    const pel_node *n = call->node;
    if (!is_one_of(pel_node_string(n, "mode", "nearest"), modes) ||
        !is_one_of(pel_node_string(n, "coordinate_transformation_mode", "half_pixel"), maps) ||
        !is_one_of(pel_node_string(n, "nearest_mode", "round_prefer_floor"), roundings))
        return FAIL(call, "this mode of resizing is not supported");
    return PEL_OK;
}

static pel_status infer_resize(const nn_call *call)
{
    const nn_array *a = call->inputs[0], *scales = call_input(call, 2);
    int64_t sizes[PEL_MODEL_RANK], axes[PEL_MODEL_RANK], dims[PEL_MODEL_RANK];
    size_t named, count = 0, axis;
    pel_status status = check_modes(call);
    if (status == PEL_OK)
        status = call_integers(call, "axes", NONE_INPUT, PEL_MODEL_RANK, axes, &named);
    if (status == PEL_OK)
        status = call_integers(call, NULL, 3, PEL_MODEL_RANK, sizes, &count);
    if (status != PEL_OK)
        return status;
    bool by_size = count > 0;
    if (!by_size && (scales == NULL || scales->values == NULL))
        return FAIL(call, "constant scales or sizes are needed");
    count = by_size ? count : nn_array_count(scales);
    if (count != (named > 0 ? named : a->rank))
        return FAIL(call, "%zu scales or sizes for %zu dimensions", count, a->rank);
    memcpy(dims, a->dims, sizeof dims);
    for (size_t i = 0; i < count; i++) {
        status = call_axis(call, named > 0 ? axes[i] : (int64_t)i, a->rank, &axis);
        if (status != PEL_OK)
            return status;
        double size = by_size ? (double)sizes[i] : floor((double)a->dims[axis] * scales->values[i]);
        if (!(size >= 1 && size < 1e15) || a->dims[axis] < 1)
            return FAIL(call, "dimension %zu would become %g", axis, size);
        dims[axis] = (int64_t)size;
    }
    return call_set_shape(call, 0, a->type, a->rank, dims);
}

/* One axis after the other. */
static pel_status evaluate_resize(const nn_call *call)
{
    nn_array now = *call->inputs[0], *out = call->outputs[0];
    bool owned = false;
    pel_status status = PEL_OK;
    for (size_t axis = 0; axis < out->rank && status == PEL_OK; axis++) {
        nn_axis map;
        nn_array next = now;
        next.dims[axis] = out->dims[axis];
        status = nn_axis_make(call, axis, now.dims[axis], next.dims[axis], &map);
        if (status == PEL_OK && !nn_array_alloc(&next))
            status = pel_error_set(call->error, PEL_ENOMEM, "out of memory");
        axis_split from = split_at(&now, axis), to = split_at(&next, axis);
        for (size_t i = 0; status == PEL_OK && i < nn_array_count(&next); i++) {
            size_t at = i / to.after % to.length, line = i / to.after / to.length;
            double sum = 0;
            for (size_t t = 0; t < map.taps; t++)
                sum += map.weight[AXIS_TAPS * at + t] *
                       now.values[(line * from.length + (size_t)map.index[AXIS_TAPS * at + t]) * from.after +
                                  i % to.after];
            next.values[i] = sum;
        }
        nn_axis_free(&map);
        if (owned)
            nn_array_free(&now);
        now = next;
        owned = status == PEL_OK;
    }
    if (status == PEL_OK)
        memcpy(out->values, now.values, nn_array_count(out) * sizeof *out->values);
    if (owned)
        nn_array_free(&now);
    return status;
}

/* ---- Pooling of pictures */

typedef struct {
    int64_t kernel[2], stride[2], dilation[2], before[2], after[2], out[2];
} window;

static pel_status describe(const nn_call *call, window *w)
{
    const nn_array *a = call->inputs[0];
    int64_t pads[4] = {0, 0, 0, 0};
    size_t count;
    int64_t *const lists[] = {w->kernel, w->stride, w->dilation, pads};
    static const char *const names[] = {"kernel_shape", "strides", "dilations", "pads"};
    if (a->rank != 4)
        return FAIL(call, "an input of %zu dimensions", a->rank);
    for (size_t k = 0; k < 4; k++) {
        size_t wanted = k == 3 ? 4 : 2;
        pel_status status = call_integers(call, names[k], NONE_INPUT, wanted, lists[k], &count);
        if (status != PEL_OK)
            return status;
        if (count != wanted && (count != 0 || k == 0))
            return FAIL(call, "attribute %s has %zu numbers", names[k], count);
        for (size_t i = 0; i < wanted; i++) {
            if (count == 0)
                lists[k][i] = k < 3;
            if (lists[k][i] < (k < 3) || lists[k][i] > 1000000)
                return FAIL(call, "attribute %s has a value of %lld", names[k], (long long)lists[k][i]);
        }
    }
    for (size_t i = 0; i < 2; i++) {
        int64_t extent = (w->kernel[i] - 1) * w->dilation[i] + 1, in = a->dims[2 + i];
        w->before[i] = pads[i];
        w->after[i] = pads[2 + i];
        int64_t room = in + pads[i] + pads[2 + i] - extent;
        bool up = pel_node_int(call->node, "ceil_mode", 0) != 0;
        if (room < 0 || pads[i] >= extent || pads[2 + i] >= extent || in < 1)
            return FAIL(call, "a window of %lld does not fit %lld", (long long)extent, (long long)in);
        w->out[i] = (room + (up ? w->stride[i] - 1 : 0)) / w->stride[i] + 1;
        if (up && (w->out[i] - 1) * w->stride[i] >= in + pads[i]) /* it would begin in the pads behind */
            w->out[i]--;
    }
    return PEL_OK;
}

static pel_status infer_pool(const nn_call *call)
{
    const nn_array *a = call->inputs[0];
    window w;
    pel_status status = describe(call, &w);
    if (status == PEL_OK && call->output_count > 1)
        status = FAIL(call, "indices as an output are not supported");
    return status == PEL_OK
               ? call_set_shape(call, 0, a->type, 4, (int64_t[]){a->dims[0], a->dims[1], w.out[0], w.out[1]})
               : status;
}

static double pool_one(const nn_call *call, const window *w, const double *plane, int64_t y, int64_t x)
{
    bool maximum = strcmp(call->node->operator, "MaxPool") == 0;
    bool pads = pel_node_int(call->node, "count_include_pad", 0) != 0;
    int64_t h = call->inputs[0]->dims[2], wide = call->inputs[0]->dims[3], count = 0;
    double v = maximum ? -HUGE_VAL : 0;
    for (int64_t i = 0; i < w->kernel[0]; i++)
        for (int64_t k = 0; k < w->kernel[1]; k++) {
            int64_t at_y = y * w->stride[0] - w->before[0] + i * w->dilation[0];
            int64_t at_x = x * w->stride[1] - w->before[1] + k * w->dilation[1];
            bool inside = at_y >= 0 && at_y < h && at_x >= 0 && at_x < wide;
            count += pads ? at_y < h + w->after[0] && at_x < wide + w->after[1] : inside;
            if (inside)
                v = maximum ? fmax(v, plane[at_y * wide + at_x]) : v + plane[at_y * wide + at_x];
        }
    return maximum ? v : v / (double)count;
}

static pel_status evaluate_pool(const nn_call *call)
{
    const nn_array *a = call->inputs[0];
    window w;
    pel_status status = describe(call, &w);
    int64_t plane = status == PEL_OK ? w.out[0] * w.out[1] : 1;
    for (int64_t i = 0; status == PEL_OK && i < (int64_t)nn_array_count(call->outputs[0]); i++)
        call->outputs[0]->values[i] =
            pool_one(call, &w, a->values + i / plane * a->dims[2] * a->dims[3], i % plane / w.out[1], i % w.out[1]);
    return status;
}

/* extrapolation_value belongs to a mode that is refused. */
#define RESIZE                                                                                                        \
    "antialias:i=0 axes:I coordinate_transformation_mode:s cubic_coeff_a:f exclude_outside:i extrapolation_value:f "  \
    "keep_aspect_ratio_policy:s=stretch mode:s nearest_mode:s"
#define POOL "auto_pad:s=NOTSET ceil_mode:i kernel_shape:I pads:I strides:I"
const nn_operator nn_operators_resample[] = {
    {"Resize", 1, 4, 1, RESIZE, infer_resize, evaluate_resize, NULL},
    {"MaxPool", 1, 1, 2, POOL " dilations:I storage_order:i=0", infer_pool, evaluate_pool, NULL},
    {"AveragePool", 1, 1, 1, POOL " count_include_pad:i", infer_pool, evaluate_pool, NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL, NULL},
};
