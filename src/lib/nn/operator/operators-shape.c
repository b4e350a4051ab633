/* operators-shape.c - operators that move numbers, or make them from shapes.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "index-map.h"

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

/* Number i is start + i delta. */
static pel_status backward_range(const nn_call *call, const nn_gradients *g)
{
    for (size_t i = 0, n = nn_array_count(call->outputs[0]); i < n; i++) {
        gradient_add(g->inputs[0], 0, g->outputs[0][i]);
        gradient_add(g->inputs[2], 0, (double)i * g->outputs[0][i]);
    }
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

static pel_status map_transpose(const nn_call *call, index_map *m)
{
    const nn_array *a = call->inputs[0], *out = call->outputs[0];
    int64_t perm[PEL_MODEL_RANK];
    size_t count;
    ptrdiff_t along[PEL_MODEL_RANK], stride[PEL_MODEL_RANK] = {0};
    call_integers(call, "perm", NONE_INPUT, PEL_MODEL_RANK, perm, &count);
    index_map_strides(a, along);
    for (size_t k = 0; k < a->rank; k++)
        stride[k] = along[count == 0 ? a->rank - 1 - k : (size_t)perm[k]];
    return index_map_new(call, out->rank, out->dims, stride, m);
}

static pel_status evaluate_transpose(const nn_call *call) { return index_map_evaluate(call, map_transpose, 0); }

static pel_status backward_transpose(const nn_call *call, const nn_gradients *g)
{
    return index_map_backward(call, map_transpose, g, NULL);
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

/* Every axis of the input again and again: Tile, and Expand, which only does it with axes of one entry. */
static pel_status map_repeat(const nn_call *call, index_map *m)
{
    const nn_array *a = call->inputs[0], *out = call->outputs[0];
    ptrdiff_t along[PEL_MODEL_RANK], stride[PEL_MODEL_RANK] = {0};
    size_t more = out->rank - a->rank;
    index_map_strides(a, along);
    for (size_t k = 0; k < a->rank; k++)
        stride[more + k] = along[k];
    pel_status status = index_map_new(call, out->rank, out->dims, stride, m);
    for (size_t k = more; k < out->rank && status == PEL_OK; k++)
        for (size_t i = 0; i < m->dims[k]; i++)
            m->offset[k][i] = (ptrdiff_t)(i % (size_t)a->dims[k - more]) * stride[k];
    return status;
}

static pel_status evaluate_repeat(const nn_call *call) { return index_map_evaluate(call, map_repeat, 0); }

static pel_status backward_repeat(const nn_call *call, const nn_gradients *g)
{
    return index_map_backward(call, map_repeat, g, NULL);
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

/* ---- Concat, Split, Gather: lines of numbers, moved as they are; backwards they add up where they came from */

typedef void (*line_move)(double *to, const double *from, size_t count);

static void copy_line(double *to, const double *from, size_t count) { memcpy(to, from, count * sizeof *to); }

static void add_line(double *to, const double *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] += from[i];
}

/* Entries first .. first + length - 1 of an axis become an array of their own; and the way back. */
static void take_part(const axis_split *s, size_t first, size_t length, line_move move, const double *whole,
                      double *part)
{
    for (size_t i = 0; i < s->before; i++)
        move(part + i * length * s->after, whole + (i * s->length + first) * s->after, length * s->after);
}

static void put_part(const axis_split *s, size_t first, size_t length, line_move move, double *whole,
                     const double *part)
{
    for (size_t i = 0; i < s->before; i++)
        move(whole + (i * s->length + first) * s->after, part + i * length * s->after, length * s->after);
}

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
    axis_split s = split_at(out, axis);
    for (size_t k = 0; k < call->input_count; k++) {
        size_t length = (size_t)call->inputs[k]->dims[axis];
        put_part(&s, at, length, copy_line, out->values, call->inputs[k]->values);
        at += length;
    }
    return PEL_OK;
}

static pel_status backward_concat(const nn_call *call, const nn_gradients *g)
{
    size_t axis, at = 0;
    call_axis(call, pel_node_int(call->node, "axis", 0), call->outputs[0]->rank, &axis);
    axis_split s = split_at(call->outputs[0], axis);
    for (size_t k = 0; k < call->input_count; k++) {
        size_t length = (size_t)call->inputs[k]->dims[axis];
        if (g->inputs[k] != NULL)
            take_part(&s, at, length, add_line, g->outputs[0], g->inputs[k]);
        at += length;
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
        if (call->outputs[k] != NULL)
            take_part(&s, at, (size_t)lengths[k], copy_line, call->inputs[0]->values, call->outputs[k]->values);
        at += (size_t)lengths[k];
    }
    return PEL_OK;
}

static pel_status backward_split(const nn_call *call, const nn_gradients *g)
{
    int64_t lengths[OPERATOR_INPUTS];
    size_t axis, at = 0;
    pel_status status = split_lengths(call, &axis, lengths);
    if (status != PEL_OK || g->inputs[0] == NULL)
        return status;
    axis_split s = split_at(call->inputs[0], axis);
    for (size_t k = 0; k < call->output_count; k++) {
        if (g->outputs[k] != NULL)
            put_part(&s, at, (size_t)lengths[k], add_line, g->inputs[0], g->outputs[k]);
        at += (size_t)lengths[k];
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

/* Where entry k of the indices points to on an axis. */
static pel_status gather_entry(const nn_call *call, size_t k, size_t length, size_t *entry)
{
    double index = call->inputs[1]->values[k], at = index + (index < 0 ? (double)length : 0);
    if (!(at >= 0 && at < (double)length))
        return FAIL(call, "index %g of %zu entries", index, length);
    *entry = (size_t)at;
    return PEL_OK;
}

static pel_status evaluate_gather(const nn_call *call)
{
    size_t axis, entry = 0, count = nn_array_count(call->inputs[1]);
    call_axis(call, pel_node_int(call->node, "axis", 0), call->inputs[0]->rank, &axis);
    axis_split s = split_at(call->inputs[0], axis);
    for (size_t k = 0; k < count; k++) {
        pel_status status = gather_entry(call, k, s.length, &entry);
        if (status != PEL_OK)
            return status;
        for (size_t i = 0; i < s.before; i++)
            copy_line(call->outputs[0]->values + (i * count + k) * s.after,
                      call->inputs[0]->values + (i * s.length + entry) * s.after, s.after);
    }
    return PEL_OK;
}

static pel_status backward_gather(const nn_call *call, const nn_gradients *g)
{
    size_t axis, entry = 0, count = nn_array_count(call->inputs[1]);
    call_axis(call, pel_node_int(call->node, "axis", 0), call->inputs[0]->rank, &axis);
    axis_split s = split_at(call->inputs[0], axis);
    for (size_t k = 0; k < count && g->inputs[0] != NULL; k++) {
        pel_status status = gather_entry(call, k, s.length, &entry);
        if (status != PEL_OK)
            return status;
        for (size_t i = 0; i < s.before; i++)
            add_line(g->inputs[0] + (i * s.length + entry) * s.after, g->outputs[0] + (i * count + k) * s.after,
                     s.after);
    }
    return PEL_OK;
}

#define CONSTANT "value:t value_float:f value_floats:F value_int:i value_ints:I"
const nn_operator nn_operators_shape[] = {
    {"Constant", 0, 0, 1, CONSTANT, infer_constant, evaluate_constant, nn_backward_zero, NULL},
    {"ConstantOfShape", 1, 1, 1, "value:t", infer_constant_of_shape, evaluate_constant_of_shape, nn_backward_zero,
     NULL},
    {"Shape", 1, 1, 1, "start:i end:i", infer_shape, evaluate_shape, NULL, NULL},
    {"Size", 1, 1, 1, "", infer_size, evaluate_size, NULL, NULL},
    {"Range", 3, 3, 1, "", infer_range, evaluate_range, backward_range, NULL},
    {"Reshape", 2, 2, 1, "allowzero:i", infer_reshape, evaluate_copy, nn_backward_copy, NULL},
    {"Flatten", 1, 1, 1, "axis:i", infer_flatten, evaluate_copy, nn_backward_copy, NULL},
    {"Squeeze", 1, 2, 1, "", infer_squeeze, evaluate_copy, nn_backward_copy, NULL},
    {"Unsqueeze", 2, 2, 1, "", infer_unsqueeze, evaluate_copy, nn_backward_copy, NULL},
    {"Transpose", 1, 1, 1, "perm:I", infer_transpose, evaluate_transpose, backward_transpose, NULL},
    {"Expand", 2, 2, 1, "", infer_expand, evaluate_repeat, backward_repeat, NULL},
    {"Tile", 2, 2, 1, "", infer_tile, evaluate_repeat, backward_repeat, NULL},
    {"Concat", 1, OPERATOR_INPUTS, 1, "axis:i", infer_concat, evaluate_concat, backward_concat, NULL},
    {"Split", 1, 2, OPERATOR_INPUTS, "axis:i num_outputs:i", infer_split, evaluate_split, backward_split, NULL},
    {"Gather", 2, 2, 1, "axis:i", infer_gather, evaluate_gather, backward_gather, NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL},
};
