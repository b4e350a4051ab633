/* operators-select.c - operators that select, continue or rearrange: Slice, Pad, DepthToSpace, SpaceToDepth.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include "index-map.h"

/* ---- Slice and Pad: by axis, from which index each comes */

typedef struct {
    int64_t first, step, count;
} selection;

static int64_t clamp(int64_t v, int64_t low, int64_t high) { return v < low ? low : v > high ? high : v; }

static pel_status find_slices(const nn_call *call, selection to[PEL_MODEL_RANK])
{
    const nn_array *a = call->inputs[0];
    int64_t starts[PEL_MODEL_RANK], ends[PEL_MODEL_RANK], axes[PEL_MODEL_RANK], steps[PEL_MODEL_RANK];
    size_t count, others[3] = {0, 0, 0};
    pel_status status = call_integers(call, NULL, 1, PEL_MODEL_RANK, starts, &count);
    if (status == PEL_OK)
        status = call_integers(call, NULL, 2, PEL_MODEL_RANK, ends, &others[0]);
    if (status == PEL_OK)
        status = call_integers(call, NULL, 3, PEL_MODEL_RANK, axes, &others[1]);
    if (status == PEL_OK)
        status = call_integers(call, NULL, 4, PEL_MODEL_RANK, steps, &others[2]);
    if (status != PEL_OK)
        return status;
    if (others[0] != count || (others[1] != 0 && others[1] != count) || (others[2] != 0 && others[2] != count) ||
        (others[1] == 0 && count > a->rank))
        return FAIL(call, "starts, ends, axes and steps do not go together");
    for (size_t k = 0; k < a->rank; k++)
        to[k] = (selection){0, 1, a->dims[k]};
    for (size_t i = 0; i < count; i++) {
        size_t axis;
        status = call_axis(call, others[1] == 0 ? (int64_t)i : axes[i], a->rank, &axis);
        int64_t n = status == PEL_OK ? a->dims[axis] : 0, step = others[2] == 0 ? 1 : steps[i];
        if (status == PEL_OK && (step == 0 || step == INT64_MIN))
            status = FAIL(call, "a step of %lld", (long long)step);
        if (status != PEL_OK)
            return status;
        int64_t from = starts[i] < 0 ? starts[i] + n : starts[i], end = ends[i] < 0 ? ends[i] + n : ends[i];
        from = step > 0 ? clamp(from, 0, n) : clamp(from, 0, n - 1);
        end = step > 0 ? clamp(end, 0, n) : clamp(end, -1, n - 1);
        int64_t span = step > 0 ? end - from : from - end, size = step > 0 ? step : -step;
        to[axis] = (selection){from, step, span > 0 && n > 0 ? (span - 1) / size + 1 : 0};
    }
    return PEL_OK;
}

static pel_status infer_slice(const nn_call *call)
{
    selection s[PEL_MODEL_RANK];
    int64_t dims[PEL_MODEL_RANK];
    pel_status status = find_slices(call, s);
    if (status != PEL_OK)
        return status;
    for (size_t k = 0; k < call->inputs[0]->rank; k++)
        dims[k] = s[k].count;
    return call_set_shape(call, 0, call->inputs[0]->type, call->inputs[0]->rank, dims);
}

static pel_status map_slice(const nn_call *call, index_map *m)
{
    const nn_array *a = call->inputs[0], *out = call->outputs[0];
    selection s[PEL_MODEL_RANK];
    ptrdiff_t stride[PEL_MODEL_RANK];
    index_map_strides(a, stride);
    pel_status status = find_slices(call, s);
    if (status == PEL_OK)
        status = index_map_new(call, out->rank, out->dims, stride, m);
    for (size_t k = 0; k < out->rank && status == PEL_OK; k++)
        for (size_t i = 0; i < m->dims[k]; i++)
            m->offset[k][i] = (ptrdiff_t)(s[k].first + s[k].step * (int64_t)i) * stride[k];
    return status;
}

static pel_status evaluate_slice(const nn_call *call) { return index_map_evaluate(call, map_slice, 0); }

static pel_status backward_slice(const nn_call *call, const nn_gradients *g)
{
    return index_map_backward(call, map_slice, g, NULL);
}

static pel_status find_pads(const nn_call *call, int64_t before[PEL_MODEL_RANK], int64_t after[PEL_MODEL_RANK])
{
    int64_t pads[2 * PEL_MODEL_RANK], axes[PEL_MODEL_RANK];
    size_t count, named, rank = call->inputs[0]->rank;
    pel_status status = call_integers(call, NULL, 1, 2 * PEL_MODEL_RANK, pads, &count);
    if (status == PEL_OK)
        status = call_integers(call, NULL, 3, PEL_MODEL_RANK, axes, &named);
    if (status != PEL_OK)
        return status;
    memset(before, 0, PEL_MODEL_RANK * sizeof *before);
    memset(after, 0, PEL_MODEL_RANK * sizeof *after);
    size_t pairs = named > 0 ? named : rank;
    if (count != 2 * pairs)
        return FAIL(call, "%zu pads for %zu dimensions", count, pairs);
    for (size_t i = 0; i < pairs && status == PEL_OK; i++) {
        size_t axis = i;
        if (named > 0)
            status = call_axis(call, axes[i], rank, &axis);
        if (status == PEL_OK) {
            before[axis] = pads[i];
            after[axis] = pads[pairs + i];
        }
    }
    return status;
}

static pel_status infer_pad(const nn_call *call)
{
    const nn_array *a = call->inputs[0];
    const char *mode = pel_node_string(call->node, "mode", "constant");
    int64_t before[PEL_MODEL_RANK], after[PEL_MODEL_RANK], dims[PEL_MODEL_RANK];
    pel_status status = find_pads(call, before, after);
    if (status != PEL_OK)
        return status;
    bool constant = strcmp(mode, "constant") == 0;
    if (!constant && strcmp(mode, "reflect") != 0 && strcmp(mode, "edge") != 0)
        return FAIL(call, "mode '%.20s' is not supported", mode);
    for (size_t k = 0; k < a->rank; k++) {
        if (__builtin_add_overflow(a->dims[k], before[k], &dims[k]) ||
            __builtin_add_overflow(dims[k], after[k], &dims[k]))
            return FAIL(call, "the pads are absurdly large");
        if (!constant && a->dims[k] == 0 && dims[k] > 0)
            return FAIL(call, "there is nothing to pad with");
    }
    const nn_array *value = call_input(call, 2);
    if (value != NULL && nn_array_count(value) != 1)
        return FAIL(call, "the value to pad with is not one number");
    return call_set_shape(call, 0, a->type, a->rank, dims);
}

static int64_t reflect(int64_t i, int64_t size)
{
    if (size == 1)
        return 0;
    int64_t period = 2 * (size - 1);
    i = (i % period + period) % period;
    return i < size ? i : period - i;
}

static pel_status map_pad(const nn_call *call, index_map *m)
{
    const nn_array *a = call->inputs[0], *out = call->outputs[0];
    const char *mode = pel_node_string(call->node, "mode", "constant");
    int64_t before[PEL_MODEL_RANK], after[PEL_MODEL_RANK];
    ptrdiff_t stride[PEL_MODEL_RANK];
    index_map_strides(a, stride);
    pel_status status = find_pads(call, before, after);
    if (status == PEL_OK)
        status = index_map_new(call, out->rank, out->dims, stride, m);
    for (size_t k = 0; k < out->rank && status == PEL_OK; k++)
        for (size_t i = 0; i < m->dims[k]; i++) {
            int64_t at = (int64_t)i - before[k];
            if (strcmp(mode, "reflect") == 0)
                at = reflect(at, a->dims[k]);
            else if (strcmp(mode, "edge") == 0)
                at = clamp(at, 0, a->dims[k] - 1);
            m->offset[k][i] = at >= 0 && at < a->dims[k] ? (ptrdiff_t)at * stride[k] : INDEX_NOWHERE;
        }
    return status;
}

static pel_status evaluate_pad(const nn_call *call)
{
    const nn_array *value = call_input(call, 2);
    return index_map_evaluate(call, map_pad, value != NULL ? value->values[0] : 0);
}

static pel_status backward_pad(const nn_call *call, const nn_gradients *g)
{
    return index_map_backward(call, map_pad, g, g->inputs[2]);
}

/* ---- DepthToSpace, SpaceToDepth */

static pel_status infer_depth(const nn_call *call)
{
    const nn_array *a = call->inputs[0];
    bool to_space = strcmp(call->node->operator, "DepthToSpace") == 0;
    int64_t block = pel_node_int(call->node, "blocksize", 0);
    const char *mode = pel_node_string(call->node, "mode", "DCR");
    if (a->rank != 4 || block < 1 || block > 4096)
        return FAIL(call, "four dimensions and a block size are needed");
    if (strcmp(mode, "DCR") != 0 && strcmp(mode, "CRD") != 0)
        return FAIL(call, "mode '%.20s' is not known", mode);
    if (to_space ? a->dims[1] % (block * block) != 0 : a->dims[2] % block != 0 || a->dims[3] % block != 0)
        return FAIL(call, "the shape does not divide into blocks of %lld", (long long)block);
    if (to_space)
        return call_set_shape(call, 0, a->type, 4, (int64_t[]){a->dims[0], a->dims[1] / (block * block),
                                                               checked_multiply(a->dims[2], block),
                                                               checked_multiply(a->dims[3], block)});
    return call_set_shape(call, 0, a->type, 4, (int64_t[]){a->dims[0], checked_multiply(a->dims[1], block * block),
                                                           a->dims[2] / block, a->dims[3] / block});
}

/* Channels become the rows `by` and columns `bx` of blocks of pixels: DCR counts them (by, bx, c), CRD (c, by, bx). */
static pel_status map_depth_to_space(const nn_call *call, index_map *m)
{
    const nn_array *a = call->inputs[0], *out = call->outputs[0];
    bool channel_first = strcmp(pel_node_string(call->node, "mode", "DCR"), "CRD") == 0;
    int64_t b = pel_node_int(call->node, "blocksize", 0), c = out->dims[1];
    ptrdiff_t along[PEL_MODEL_RANK];
    index_map_strides(a, along);
    const int64_t dims[6] = {a->dims[0], c, a->dims[2], b, a->dims[3], b};
    ptrdiff_t channel = along[1] * (channel_first ? b * b : 1), column = along[1] * (channel_first ? 1 : c);
    const ptrdiff_t stride[6] = {along[0], channel, along[2], column * b, along[3], column};
    return index_map_new(call, 6, dims, stride, m);
}

static pel_status map_space_to_depth(const nn_call *call, index_map *m)
{
    const nn_array *a = call->inputs[0], *out = call->outputs[0];
    int64_t b = pel_node_int(call->node, "blocksize", 0);
    ptrdiff_t along[PEL_MODEL_RANK];
    index_map_strides(a, along);
    const int64_t dims[6] = {a->dims[0], b, b, a->dims[1], out->dims[2], out->dims[3]};
    const ptrdiff_t stride[6] = {along[0], along[2], along[3], along[1], along[2] * b, along[3] * b};
    return index_map_new(call, 6, dims, stride, m);
}

static index_map_maker depth_map(const nn_call *call)
{
    return strcmp(call->node->operator, "DepthToSpace") == 0 ? map_depth_to_space : map_space_to_depth;
}

static pel_status evaluate_depth(const nn_call *call) { return index_map_evaluate(call, depth_map(call), 0); }

static pel_status backward_depth(const nn_call *call, const nn_gradients *g)
{
    return index_map_backward(call, depth_map(call), g, NULL);
}

const nn_operator nn_operators_select[] = {
    {"Slice", 3, 5, 1, "", infer_slice, evaluate_slice, backward_slice, NULL},
    {"Pad", 2, 4, 1, "mode:s", infer_pad, evaluate_pad, backward_pad, NULL},
    {"DepthToSpace", 1, 1, 1, "blocksize:i mode:s", infer_depth, evaluate_depth, backward_depth, NULL},
    {"SpaceToDepth", 1, 1, 1, "blocksize:i", infer_depth, evaluate_depth, backward_depth, NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL},
};
