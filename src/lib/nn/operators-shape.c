/* operators-shape.c - operators that move numbers, or make them from shapes.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "operator-internal.h"

/* ---- Constant, ConstantOfShape, Shape, Size, Range */

static pel_status infer_constant(const nn_call *call)
{
    const pel_attribute *a = call->node->attribute_count == 1 ? &call->node->attributes[0] : NULL;
    if (a == NULL)
        return FAIL(call, "one attribute is needed");
    if (a->kind == PEL_ATTRIBUTE_TENSOR)
        return call_set_shape(call, 0, a->tensor.type, a->tensor.rank, a->tensor.dims);
    bool list = a->kind == PEL_ATTRIBUTE_INTS || a->kind == PEL_ATTRIBUTE_FLOATS;
    if (!list && a->kind != PEL_ATTRIBUTE_INT && a->kind != PEL_ATTRIBUTE_FLOAT)
        return FAIL(call, "attribute %s is not supported", a->name);
    return call_set_shape(call, 0, a->floats != NULL ? PEL_MODEL_FLOAT : PEL_MODEL_INT64, list,
                          (int64_t[]){(int64_t)a->count});
}

static pel_status evaluate_constant(const nn_call *call)
{
    const pel_attribute *a = &call->node->attributes[0];
    bool tensor = a->kind == PEL_ATTRIBUTE_TENSOR;
    const float *floats = tensor ? a->tensor.floats : a->floats;
    const int64_t *integers = tensor ? a->tensor.integers : a->integers;
    for (size_t i = 0, n = nn_array_count(call->outputs[0]); i < n; i++)
        call->outputs[0]->values[i] = floats != NULL ? (double)floats[i] : (double)integers[i];
    return PEL_OK;
}

/* The tensor of one number that ConstantOfShape fills with; NULL: float 0. */
static const pel_model_tensor *fill_value(const nn_call *call)
{
    const pel_attribute *a = pel_node_attribute(call->node, "value");
    return a != NULL && a->kind == PEL_ATTRIBUTE_TENSOR ? &a->tensor : NULL;
}

static pel_status infer_constant_of_shape(const nn_call *call)
{
    int64_t dims[PEL_MODEL_RANK];
    size_t rank;
    const pel_model_tensor *value = fill_value(call);
    if (value != NULL && pel_model_tensor_count(value) != 1)
        return FAIL(call, "attribute value is not one number");
    pel_status status = call_integers(call, NULL, 0, PEL_MODEL_RANK, dims, &rank);
    return status == PEL_OK ? call_set_shape(call, 0, value != NULL ? value->type : PEL_MODEL_FLOAT, rank, dims)
                            : status;
}

static pel_status evaluate_constant_of_shape(const nn_call *call)
{
    const pel_model_tensor *value = fill_value(call);
    double v = value == NULL ? 0 : value->floats != NULL ? (double)value->floats[0] : (double)value->integers[0];
    for (size_t i = 0, n = nn_array_count(call->outputs[0]); i < n; i++)
        call->outputs[0]->values[i] = v;
    return PEL_OK;
}

static void shape_range(const nn_call *call, int64_t *start, int64_t *end)
{
    int64_t rank = (int64_t)call->inputs[0]->rank;
    *start = pel_node_int(call->node, "start", 0);
    *end = pel_node_int(call->node, "end", rank);
    *start += *start < 0 ? rank : 0;
    *end += *end < 0 ? rank : 0;
    *start = *start < 0 ? 0 : *start > rank ? rank : *start;
    *end = *end < *start ? *start : *end > rank ? rank : *end;
}

static pel_status infer_shape(const nn_call *call)
{
    int64_t start, end;
    shape_range(call, &start, &end);
    return call_set_shape(call, 0, PEL_MODEL_INT64, 1, (int64_t[]){end - start});
}

static pel_status evaluate_shape(const nn_call *call)
{
    int64_t start, end;
    shape_range(call, &start, &end);
    for (int64_t k = start; k < end; k++)
        call->outputs[0]->values[k - start] = (double)call->inputs[0]->dims[k];
    return PEL_OK;
}

static pel_status infer_size(const nn_call *call)
{
    return call_set_shape(call, 0, PEL_MODEL_INT64, 0, NULL);
}

static pel_status evaluate_size(const nn_call *call)
{
    call->outputs[0]->values[0] = (double)nn_array_count(call->inputs[0]);
    return PEL_OK;
}

static pel_status infer_range(const nn_call *call)
{
    const nn_array *a[3];
    for (size_t k = 0; k < 3; k++) {
        pel_status status = call_constant(call, k, &a[k]);
        if (status != PEL_OK)
            return status;
        if (nn_array_count(a[k]) != 1)
            return FAIL(call, "input %zu is not one number", k);
    }
    double count = ceil((a[1]->values[0] - a[0]->values[0]) / a[2]->values[0]);
    if (!(fabs(count) < 4e18))
        return FAIL(call, "the range has no end");
    return call_set_shape(call, 0, a[0]->type, 1, (int64_t[]){count > 0 ? (int64_t)count : 0});
}

static pel_status evaluate_range(const nn_call *call)
{
    for (size_t i = 0, n = nn_array_count(call->outputs[0]); i < n; i++)
        call->outputs[0]->values[i] = call->inputs[0]->values[0] + (double)i * call->inputs[2]->values[0];
    return PEL_OK;
}

/* ---- Shapes of the same numbers */

static pel_status evaluate_copy(const nn_call *call)
{
    memcpy(call->outputs[0]->values, call->inputs[0]->values,
           nn_array_count(call->outputs[0]) * sizeof(double));
    return PEL_OK;
}

static pel_status infer_reshape(const nn_call *call)
{
    int64_t dims[PEL_MODEL_RANK], known = 1, count = (int64_t)nn_array_count(call->inputs[0]);
    size_t rank, open = PEL_MODEL_RANK;
    pel_status status = call_integers(call, NULL, 1, PEL_MODEL_RANK, dims, &rank);
    if (status != PEL_OK)
        return status;
    bool keep_zero = pel_node_int(call->node, "allowzero", 0) != 0;
    for (size_t k = 0; k < rank; k++) {
        if (dims[k] == 0 && !keep_zero) {
            if (k >= call->inputs[0]->rank)
                return FAIL(call, "dimension %zu is to be kept, and the input has none", k);
            dims[k] = call->inputs[0]->dims[k];
        }
        if (dims[k] == -1 && open == PEL_MODEL_RANK)
            open = k;
        else if ((known = checked_multiply(known, dims[k])) < 0)
            return FAIL(call, "the shape has a negative or absurd size");
    }
    if (open < PEL_MODEL_RANK) {
        if (known == 0 || count % known != 0)
            return FAIL(call, "%lld numbers do not fit the shape", (long long)count);
        dims[open] = count / known;
        known = count;
    }
    if (known != count)
        return FAIL(call, "%lld numbers do not fit a shape of %lld", (long long)count, (long long)known);
    return call_set_shape(call, 0, call->inputs[0]->type, rank, dims);
}

static pel_status infer_flatten(const nn_call *call)
{
    const nn_array *a = call->inputs[0];
    int64_t axis = pel_node_int(call->node, "axis", 1), dims[2] = {1, 1};
    axis += axis < 0 ? (int64_t)a->rank : 0;
    if (axis < 0 || axis > (int64_t)a->rank)
        return FAIL(call, "axis %lld of %zu dimensions", (long long)axis, a->rank);
    for (size_t k = 0; k < a->rank; k++)
        dims[(int64_t)k >= axis] *= a->dims[k];
    return call_set_shape(call, 0, a->type, 2, dims);
}

/* Which of `rank` dimensions the node's axes name; none are named: *count is 0. */
static pel_status named_axes(const nn_call *call, size_t rank, bool named[PEL_MODEL_RANK], size_t *count)
{
    int64_t axes[PEL_MODEL_RANK];
    size_t axis = 0;
    memset(named, 0, PEL_MODEL_RANK * sizeof *named);
    pel_status status = call_integers(call, NULL, 1, PEL_MODEL_RANK, axes, count);
    for (size_t i = 0; i < *count && status == PEL_OK; i++) {
        status = call_axis(call, axes[i], rank, &axis);
        if (status == PEL_OK && named[axis])
            status = FAIL(call, "axis %zu is named twice", axis);
        if (status == PEL_OK)
            named[axis] = true;
    }
    return status;
}

static pel_status infer_squeeze(const nn_call *call)
{
    const nn_array *a = call->inputs[0];
    int64_t dims[PEL_MODEL_RANK];
    size_t rank = 0, count;
    bool named[PEL_MODEL_RANK];
    pel_status status = named_axes(call, a->rank, named, &count);
    if (status != PEL_OK)
        return status;
    for (size_t k = 0; k < a->rank; k++) {
        if (count > 0 ? named[k] : a->dims[k] == 1) {
            if (a->dims[k] != 1)
                return FAIL(call, "axis %zu has %lld entries", k, (long long)a->dims[k]);
        } else {
            dims[rank++] = a->dims[k];
        }
    }
    return call_set_shape(call, 0, a->type, rank, dims);
}

static pel_status infer_unsqueeze(const nn_call *call)
{
    const nn_array *a = call->inputs[0], *axes = call_input(call, 1);
    int64_t dims[PEL_MODEL_RANK];
    bool named[PEL_MODEL_RANK];
    size_t count, at = 0, rank = a->rank + (axes != NULL ? nn_array_count(axes) : 0);
    if (rank > PEL_MODEL_RANK)
        return pel_error_set(call->error, PEL_ELIMIT, "more than %d dimensions", PEL_MODEL_RANK);
    pel_status status = named_axes(call, rank, named, &count);
    if (status != PEL_OK)
        return status;
    for (size_t k = 0; k < rank; k++)
        dims[k] = named[k] ? 1 : a->dims[at++];
    return call_set_shape(call, 0, a->type, rank, dims);
}

static pel_status infer_transpose(const nn_call *call)
{
    const nn_array *a = call->inputs[0];
    int64_t perm[PEL_MODEL_RANK], dims[PEL_MODEL_RANK];
    size_t count;
    bool seen[PEL_MODEL_RANK] = {false};
    pel_status status = call_integers(call, "perm", NONE_INPUT, PEL_MODEL_RANK, perm, &count);
    if (status != PEL_OK)
        return status;
    if (count != 0 && count != a->rank)
        return FAIL(call, "%zu dimensions are to be exchanged, and the input has %zu", count, a->rank);
    for (size_t k = 0; k < a->rank; k++) {
        int64_t from = count == 0 ? (int64_t)(a->rank - 1 - k) : perm[k];
        if (from < 0 || from >= (int64_t)a->rank || seen[from])
            return FAIL(call, "perm is no permutation");
        seen[from] = true;
        dims[k] = a->dims[from];
    }
    return call_set_shape(call, 0, a->type, a->rank, dims);
}

static pel_status evaluate_transpose(const nn_call *call)
{
    const nn_array *a = call->inputs[0], *out = call->outputs[0];
    int64_t perm[PEL_MODEL_RANK];
    size_t count, stride[PEL_MODEL_RANK], s = 1;
    call_integers(call, "perm", NONE_INPUT, PEL_MODEL_RANK, perm, &count);
    for (size_t k = a->rank; k-- > 0;) {
        stride[k] = s;
        s *= (size_t)a->dims[k];
    }
    for (size_t i = 0, n = nn_array_count(out); i < n; i++) {
        size_t rest = i, from = 0;
        for (size_t k = out->rank; k-- > 0;) {
            from += rest % (size_t)out->dims[k] * stride[count == 0 ? a->rank - 1 - k : (size_t)perm[k]];
            rest /= (size_t)out->dims[k];
        }
        out->values[i] = a->values[from];
    }
    return PEL_OK;
}

static pel_status infer_expand(const nn_call *call)
{
    nn_array want = {0}, all;
    pel_status status = call_integers(call, NULL, 1, PEL_MODEL_RANK, want.dims, &want.rank);
    if (status != PEL_OK)
        return status;
    if (!broadcast_shape(call->inputs[0], &want, &all.rank, all.dims))
        return FAIL(call, "the shapes do not go together");
    return call_set_shape(call, 0, call->inputs[0]->type, all.rank, all.dims);
}

static pel_status evaluate_expand(const nn_call *call)
{
    for (size_t i = 0, n = nn_array_count(call->outputs[0]); i < n; i++)
        call->outputs[0]->values[i] =
            call->inputs[0]->values[broadcast_index(call->inputs[0], call->outputs[0], i)];
    return PEL_OK;
}

static pel_status infer_tile(const nn_call *call)
{
    const nn_array *a = call->inputs[0];
    int64_t repeats[PEL_MODEL_RANK], dims[PEL_MODEL_RANK];
    size_t count;
    pel_status status = call_integers(call, NULL, 1, PEL_MODEL_RANK, repeats, &count);
    if (status != PEL_OK)
        return status;
    if (count != a->rank)
        return FAIL(call, "%zu repeats for %zu dimensions", count, a->rank);
    for (size_t k = 0; k < a->rank; k++)
        dims[k] = checked_multiply(a->dims[k], repeats[k]);
    return call_set_shape(call, 0, a->type, a->rank, dims);
}

static pel_status evaluate_tile(const nn_call *call)
{
    const nn_array *a = call->inputs[0], *out = call->outputs[0];
    for (size_t i = 0, n = nn_array_count(out); i < n; i++) {
        size_t rest = i, from = 0, stride = 1;
        for (size_t k = out->rank; k-- > 0;) {
            from += rest % (size_t)out->dims[k] % (size_t)a->dims[k] * stride;
            rest /= (size_t)out->dims[k];
            stride *= (size_t)a->dims[k];
        }
        out->values[i] = a->values[from];
    }
    return PEL_OK;
}

/* ---- Concat, Split, Gather */

static pel_status infer_concat(const nn_call *call)
{
    nn_array all = *call->inputs[0];
    size_t axis;
    if (pel_node_attribute(call->node, "axis") == NULL)
        return FAIL(call, "attribute axis is missing");
    pel_status status = call_axis(call, pel_node_int(call->node, "axis", 0), all.rank, &axis);
    for (size_t k = 1; k < call->input_count && status == PEL_OK; k++) {
        const nn_array *a = call->inputs[k];
        bool fits = a != NULL && a->rank == all.rank;
        for (size_t d = 0; d < all.rank && fits; d++)
            fits = d == axis || a->dims[d] == all.dims[d];
        if (!fits || __builtin_add_overflow(all.dims[axis], a->dims[axis], &all.dims[axis]))
            return FAIL(call, "input %zu has another shape than input 0", k);
    }
    return status == PEL_OK ? call_set_shape(call, 0, all.type, all.rank, all.dims) : status;
}

static pel_status evaluate_concat(const nn_call *call)
{
    nn_array *out = call->outputs[0];
    size_t axis, at = 0;
    call_axis(call, pel_node_int(call->node, "axis", 0), out->rank, &axis);
    axis_split o = split_at(out, axis);
    for (size_t k = 0; k < call->input_count; k++) {
        axis_split s = split_at(call->inputs[k], axis);
        for (size_t i = 0; i < s.before; i++)
            memcpy(out->values + (i * o.length + at) * o.after,
                   call->inputs[k]->values + i * s.length * s.after, s.length * s.after * sizeof(double));
        at += s.length;
    }
    return PEL_OK;
}

/* The lengths of the parts: of the input or attribute `split`, or equal (opset 18: the last one may be
 * shorter). */
static pel_status split_lengths(const nn_call *call, size_t *axis, int64_t lengths[OPERATOR_INPUTS])
{
    const nn_array *a = call->inputs[0];
    size_t count, parts = call->output_count;
    pel_status status = call_axis(call, pel_node_int(call->node, "axis", 0), a->rank, axis);
    if (status == PEL_OK)
        status = call_integers(call, NULL, 1, OPERATOR_INPUTS, lengths, &count);
    if (status != PEL_OK)
        return status;
    int64_t total = 0, length = a->dims[*axis];
    if (count == 0) {
        int64_t each = (length + (int64_t)parts - 1) / (int64_t)parts;
        if (call->opset < 18 && length % (int64_t)parts != 0)
            return FAIL(call, "%lld entries do not divide into %zu", (long long)length, parts);
        if (pel_node_int(call->node, "num_outputs", (int64_t)parts) != (int64_t)parts)
            return FAIL(call, "num_outputs is not the number of outputs");
        for (size_t k = 0; k < parts; k++)
            lengths[k] = length - (int64_t)k * each < each ? length - (int64_t)k * each : each;
        count = parts;
    }
    for (size_t k = 0; k < count; k++) {
        if (lengths[k] < 0 || lengths[k] > length - total)
            return FAIL(call, "the parts' lengths do not add up to %lld", (long long)length);
        total += lengths[k];
    }
    return count == parts && total == length ? PEL_OK : FAIL(call, "the parts do not add up to the whole");
}

static pel_status infer_split(const nn_call *call)
{
    int64_t lengths[OPERATOR_INPUTS];
    size_t axis;
    pel_status status = split_lengths(call, &axis, lengths);
    for (size_t k = 0; k < call->output_count && status == PEL_OK; k++) {
        nn_array part = *call->inputs[0];
        part.dims[axis] = lengths[k];
        status = call_set_shape(call, k, part.type, part.rank, part.dims);
    }
    return status;
}

static pel_status evaluate_split(const nn_call *call)
{
    int64_t lengths[OPERATOR_INPUTS];
    size_t axis, at = 0;
    pel_status status = split_lengths(call, &axis, lengths);
    if (status != PEL_OK)
        return status;
    axis_split s = split_at(call->inputs[0], axis);
    for (size_t k = 0; k < call->output_count; k++) {
        size_t length = (size_t)lengths[k];
        for (size_t i = 0; i < s.before && call->outputs[k] != NULL; i++)
            memcpy(call->outputs[k]->values + i * length * s.after,
                   call->inputs[0]->values + (i * s.length + at) * s.after, length * s.after * sizeof(double));
        at += length;
    }
    return PEL_OK;
}

static pel_status infer_gather(const nn_call *call)
{
    const nn_array *a = call->inputs[0], *index = call->inputs[1];
    int64_t dims[2 * PEL_MODEL_RANK];
    size_t axis, rank = 0;
    pel_status status = call_axis(call, pel_node_int(call->node, "axis", 0), a->rank, &axis);
    if (status != PEL_OK)
        return status;
    for (size_t k = 0; k < axis; k++)
        dims[rank++] = a->dims[k];
    for (size_t k = 0; k < index->rank; k++)
        dims[rank++] = index->dims[k];
    for (size_t k = axis + 1; k < a->rank; k++)
        dims[rank++] = a->dims[k];
    return call_set_shape(call, 0, a->type, rank, dims);
}

static pel_status evaluate_gather(const nn_call *call)
{
    const nn_array *a = call->inputs[0], *index = call->inputs[1];
    size_t axis, count = nn_array_count(index);
    call_axis(call, pel_node_int(call->node, "axis", 0), a->rank, &axis);
    axis_split s = split_at(a, axis);
    for (size_t i = 0; i < s.before; i++)
        for (size_t k = 0; k < count; k++) {
            double at = index->values[k] + (index->values[k] < 0 ? (double)s.length : 0);
            if (!(at >= 0 && at < (double)s.length))
                return FAIL(call, "index %g of %zu entries", index->values[k], s.length);
            memcpy(call->outputs[0]->values + (i * count + k) * s.after,
                   a->values + (i * s.length + (size_t)at) * s.after, s.after * sizeof(double));
        }
    return PEL_OK;
}

#define CONSTANT "value:t value_float:f value_floats:F value_int:i value_ints:I"
const nn_operator nn_operators_shape[] = {
    {"Constant", 0, 0, 1, CONSTANT, infer_constant, evaluate_constant, NULL},
    {"ConstantOfShape", 1, 1, 1, "value:t", infer_constant_of_shape, evaluate_constant_of_shape, NULL},
    {"Shape", 1, 1, 1, "start:i end:i", infer_shape, evaluate_shape, NULL},
    {"Size", 1, 1, 1, "", infer_size, evaluate_size, NULL},
    {"Range", 3, 3, 1, "", infer_range, evaluate_range, NULL},
    {"Reshape", 2, 2, 1, "allowzero:i", infer_reshape, evaluate_copy, NULL},
    {"Flatten", 1, 1, 1, "axis:i", infer_flatten, evaluate_copy, NULL},
    {"Squeeze", 1, 2, 1, "", infer_squeeze, evaluate_copy, NULL},
    {"Unsqueeze", 2, 2, 1, "", infer_unsqueeze, evaluate_copy, NULL},
    {"Transpose", 1, 1, 1, "perm:I", infer_transpose, evaluate_transpose, NULL},
    {"Expand", 2, 2, 1, "", infer_expand, evaluate_expand, NULL},
    {"Tile", 2, 2, 1, "", infer_tile, evaluate_tile, NULL},
    {"Concat", 1, OPERATOR_INPUTS, 1, "axis:i", infer_concat, evaluate_concat, NULL},
    {"Split", 1, 2, OPERATOR_INPUTS, "axis:i num_outputs:i", infer_split, evaluate_split, NULL},
    {"Gather", 2, 2, 1, "axis:i", infer_gather, evaluate_gather, NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL, NULL},
};
