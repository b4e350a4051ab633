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

/* Along one axis, of which `in` has the size before and `out` that after: out from in, or by the adjoint in from
 * out. */
static void resize_axis(const nn_axis *map, size_t axis, bool adjoint, const nn_array *in, const nn_array *out)
{
    axis_split from = split_at(in, axis), to = split_at(out, axis);
    size_t count = nn_array_count(out);
    if (adjoint)
        memset(in->values, 0, nn_array_count(in) * sizeof *in->values);
    for (size_t i = 0; i < count; i++) {
        size_t at = i / to.after % to.length, line = i / to.after / to.length;
        double sum = 0;
        for (size_t t = 0; t < map->taps; t++) {
            size_t entry = (size_t)map->index[AXIS_TAPS * at + t];
            double *x = in->values + (line * from.length + entry) * from.after + i % to.after;
            double weight = map->weight[AXIS_TAPS * at + t];
            if (adjoint)
                *x += weight * out->values[i];
            else
                sum += weight * *x;
        }
        if (!adjoint)
            out->values[i] = sum;
    }
}

/* One axis after the other, of an array `a` of the input's shape to *result of the output's; by the adjoint the
 * other way.  Free result's values, also after a failure. */
static pel_status resize(const nn_call *call, bool adjoint, nn_array a, nn_array *result)
{
    const nn_array *in = call->inputs[0], *out = call->outputs[0];
    pel_status status = PEL_OK;
    *result = a;
    if (!nn_array_alloc(result))
        return pel_error_set(call->error, PEL_ENOMEM, "out of memory");
    memcpy(result->values, a.values, nn_array_count(&a) * sizeof *a.values);
    for (size_t axis = 0; axis < out->rank && status == PEL_OK; axis++) {
        nn_axis map;
        nn_array next = *result;
        next.dims[axis] = (adjoint ? in : out)->dims[axis];
        next.values = NULL;
        status = nn_axis_make(call, axis, in->dims[axis], out->dims[axis], &map);
        if (status == PEL_OK && !nn_array_alloc(&next))
            status = pel_error_set(call->error, PEL_ENOMEM, "out of memory");
        if (status == PEL_OK) {
            resize_axis(&map, axis, adjoint, adjoint ? &next : result, adjoint ? result : &next);
            nn_array_free(result);
            *result = next;
        }
        nn_axis_free(&map);
    }
    return status;
}

static pel_status evaluate_resize(const nn_call *call)
{
    nn_array result, *out = call->outputs[0];
    pel_status status = resize(call, false, *call->inputs[0], &result);
    if (status == PEL_OK)
        memcpy(out->values, result.values, nn_array_count(out) * sizeof *out->values);
    nn_array_free(&result);
    return status;
}

static pel_status backward_resize(const nn_call *call, const nn_gradients *g)
{
    nn_array result, gradient = *call->outputs[0];
    pel_status status = backward_refuse(call, g, 1);
    if (status != PEL_OK || g->inputs[0] == NULL)
        return status;
    if (!nn_array_alloc(&gradient))
        return pel_error_set(call->error, PEL_ENOMEM, "out of memory");
    memcpy(gradient.values, g->outputs[0], nn_array_count(&gradient) * sizeof *gradient.values);
    status = resize(call, true, gradient, &result);
    for (size_t i = 0, n = nn_array_count(&result); i < n && status == PEL_OK; i++)
        g->inputs[0][i] += result.values[i];
    nn_array_free(&result);
    nn_array_free(&gradient);
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

/* Where in the plane sample t of window (y, x) lies.  *padded: it is not in the plane, but in its pads. */
static bool pool_sample(const nn_call *call, const window *w, int64_t y, int64_t x, int64_t t, int64_t *at,
                        bool *padded)
{
    int64_t h = call->inputs[0]->dims[2], wide = call->inputs[0]->dims[3];
    int64_t at_y = y * w->stride[0] - w->before[0] + t / w->kernel[1] * w->dilation[0];
    int64_t at_x = x * w->stride[1] - w->before[1] + t % w->kernel[1] * w->dilation[1];
    bool inside = at_y >= 0 && at_y < h && at_x >= 0 && at_x < wide;
    *padded = !inside && at_y < h + w->after[0] && at_x < wide + w->after[1];
    *at = at_y * wide + at_x;
    return inside;
}

/* The result for window (y, x); where: the first sample that is the maximum; count: what a mean divides by. */
static double pool_one(const nn_call *call, const window *w, const double *plane, int64_t y, int64_t x,
                       int64_t *where, double *count)
{
    bool maximum = strcmp(call->node->operator, "MaxPool") == 0, padded;
    bool pads = pel_node_int(call->node, "count_include_pad", 0) != 0;
    double v = maximum ? -HUGE_VAL : 0;
    *where = -1;
    *count = 0;
    for (int64_t t = 0, at; t < w->kernel[0] * w->kernel[1]; t++) {
        bool inside = pool_sample(call, w, y, x, t, &at, &padded);
        *count += inside || (pads && padded);
        if (inside && (!maximum || plane[at] > v || (plane[at] == v && *where < 0))) {
            v = maximum ? plane[at] : v + plane[at];
            *where = at;
        }
    }
    return maximum ? v : v / *count;
}

static pel_status evaluate_pool(const nn_call *call)
{
    const nn_array *a = call->inputs[0];
    window w;
    pel_status status = describe(call, &w);
    int64_t plane = status == PEL_OK ? w.out[0] * w.out[1] : 1, where;
    double count;
    for (int64_t i = 0; status == PEL_OK && i < (int64_t)nn_array_count(call->outputs[0]); i++)
        call->outputs[0]->values[i] = pool_one(call, &w, a->values + i / plane * a->dims[2] * a->dims[3],
                                               i % plane / w.out[1], i % w.out[1], &where, &count);
    return status;
}

/* A maximum gives its gradient to the sample that it is, a mean to all in equal parts. */
static pel_status backward_pool(const nn_call *call, const nn_gradients *g)
{
    const nn_array *a = call->inputs[0];
    bool maximum = strcmp(call->node->operator, "MaxPool") == 0, padded;
    window w;
    pel_status status = describe(call, &w);
    int64_t plane = status == PEL_OK ? w.out[0] * w.out[1] : 1, where, at;
    double count;
    for (int64_t i = 0; status == PEL_OK && i < (int64_t)nn_array_count(call->outputs[0]); i++) {
        int64_t y = i % plane / w.out[1], x = i % w.out[1], first = i / plane * a->dims[2] * a->dims[3];
        pool_one(call, &w, a->values + first, y, x, &where, &count);
        if (maximum && where >= 0)
            gradient_add(g->inputs[0], (size_t)(first + where), g->outputs[0][i]);
        for (int64_t t = 0; !maximum && t < w.kernel[0] * w.kernel[1]; t++)
            if (pool_sample(call, &w, y, x, t, &at, &padded))
                gradient_add(g->inputs[0], (size_t)(first + at), g->outputs[0][i] / count);
    }
    return status;
}

/* extrapolation_value belongs to a mode that is refused. */
#define RESIZE                                                                                                        \
    "antialias:i=0 axes:I coordinate_transformation_mode:s cubic_coeff_a:f exclude_outside:i extrapolation_value:f "  \
    "keep_aspect_ratio_policy:s=stretch mode:s nearest_mode:s"
#define POOL "auto_pad:s=NOTSET ceil_mode:i kernel_shape:I pads:I strides:I"
const nn_operator nn_operators_resample[] = {
    {"Resize", 1, 4, 1, RESIZE, infer_resize, evaluate_resize, backward_resize, NULL},
    {"MaxPool", 1, 1, 2, POOL " dilations:I storage_order:i=0", infer_pool, evaluate_pool, backward_pool, NULL},
    {"AveragePool", 1, 1, 1, POOL " count_include_pad:i", infer_pool, evaluate_pool, backward_pool, NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL},
};
