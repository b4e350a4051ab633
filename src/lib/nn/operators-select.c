/* operators-select.c - operators that select, continue or rearrange: Slice, Pad, DepthToSpace, SpaceToDepth.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include "operator-internal.h"

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

static pel_status evaluate_slice(const nn_call *call)
{
    const nn_array *a = call->inputs[0], *out = call->outputs[0];
    selection s[PEL_MODEL_RANK];
    pel_status status = find_slices(call, s);
    for (size_t i = 0, n = nn_array_count(out); i < n && status == PEL_OK; i++) {
        size_t rest = i, from = 0, stride = 1;
        for (size_t k = out->rank; k-- > 0;) {
            int64_t at = s[k].first + s[k].step * (int64_t)(rest % (size_t)out->dims[k]);
            from += (size_t)at * stride;
            rest /= (size_t)out->dims[k];
            stride *= (size_t)a->dims[k];
        }
        out->values[i] = a->values[from];
    }
    return status;
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

static pel_status evaluate_pad(const nn_call *call)
{
    const nn_array *a = call->inputs[0], *out = call->outputs[0], *value = call_input(call, 2);
    const char *mode = pel_node_string(call->node, "mode", "constant");
    int64_t before[PEL_MODEL_RANK], after[PEL_MODEL_RANK];
    pel_status status = find_pads(call, before, after);
    for (size_t i = 0, n = nn_array_count(out); i < n && status == PEL_OK; i++) {
        size_t rest = i, from = 0, stride = 1;
        bool inside = true;
        for (size_t k = out->rank; k-- > 0;) {
            int64_t at = (int64_t)(rest % (size_t)out->dims[k]) - before[k];
            if (strcmp(mode, "reflect") == 0)
                at = reflect(at, a->dims[k]);
            else if (strcmp(mode, "edge") == 0)
                at = clamp(at, 0, a->dims[k] - 1);
            inside = inside && at >= 0 && at < a->dims[k];
            from += inside ? (size_t)at * stride : 0;
            rest /= (size_t)out->dims[k];
            stride *= (size_t)a->dims[k];
        }
        out->values[i] = inside ? a->values[from] : value != NULL ? value->values[0] : 0;
    }
    return status;
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

static pel_status evaluate_depth(const nn_call *call)
{
    bool to_space = strcmp(call->node->operator, "DepthToSpace") == 0;
    bool columns_first = to_space && strcmp(pel_node_string(call->node, "mode", "DCR"), "CRD") == 0;
    const nn_array *deep = to_space ? call->inputs[0] : call->outputs[0];
    const nn_array *wide = to_space ? call->outputs[0] : call->inputs[0];
    size_t block = (size_t)pel_node_int(call->node, "blocksize", 0), c_count = (size_t)wide->dims[1];
    size_t h = (size_t)wide->dims[2], w = (size_t)wide->dims[3];
    for (size_t i = 0, n = nn_array_count(wide); i < n; i++) {
        size_t x = i % w, y = i / w % h, c = i / w / h % c_count, image = i / w / h / c_count;
        size_t by = y % block, bx = x % block;
        size_t at = columns_first ? (c * block + by) * block + bx : (by * block + bx) * c_count + c;
        size_t k = ((image * c_count * block * block + at) * (h / block) + y / block) * (w / block) + x / block;
        if (to_space)
            wide->values[i] = deep->values[k];
        else
            deep->values[k] = wide->values[i];
    }
    return PEL_OK;
}

const nn_operator nn_operators_select[] = {
    {"Slice", 3, 5, 1, "", infer_slice, evaluate_slice, NULL},
    {"Pad", 2, 4, 1, "mode:s", infer_pad, evaluate_pad, NULL},
    {"DepthToSpace", 1, 1, 1, "blocksize:i mode:s", infer_depth, evaluate_depth, NULL},
    {"SpaceToDepth", 1, 1, 1, "blocksize:i", infer_depth, evaluate_depth, NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL, NULL},
};
