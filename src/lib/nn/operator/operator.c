/* operator.c - the table of operators, and what its families share.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "operator-internal.h"

/* ---- Arrays */

size_t nn_array_count(const nn_array *a)
{
    size_t count = 1;
    for (size_t k = 0; k < a->rank; k++)
        count *= (size_t)a->dims[k];
    return count;
}

bool nn_array_alloc(nn_array *a)
{
    a->values = pel_alloc((nn_array_count(a) + 1) * sizeof *a->values);
    return a->values != NULL;
}

void nn_array_free(nn_array *a)
{
    pel_free(a->values);
    a->values = NULL;
}

int64_t checked_multiply(int64_t a, int64_t b)
{
    int64_t product;
    if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &product) || product > INT64_C(1) << 62)
        return -1;
    return product;
}

axis_split split_at(const nn_array *a, size_t axis)
{
    axis_split s = {1, axis < a->rank ? (size_t)a->dims[axis] : 1, 1};
    for (size_t k = 0; k < a->rank; k++)
        if (k != axis)
            *(k < axis ? &s.before : &s.after) *= (size_t)a->dims[k];
    return s;
}

/* ---- Arguments */

const nn_array *call_input(const nn_call *call, size_t k)
{
    return k < call->input_count ? call->inputs[k] : NULL;
}

pel_status call_constant(const nn_call *call, size_t k, const nn_array **a)
{
    *a = call_input(call, k);
    if (*a == NULL)
        return FAIL(call, "input %zu is missing", k);
    if ((*a)->values == NULL)
        return FAIL(call, "input %zu must be constant: shapes depend on it", k);
    return PEL_OK;
}

/* Exporters write the ends of int64 for "as far as it goes": beyond 2^62 any number is as good as that. */
static int64_t whole(double v)
{
    const double most = 4611686018427387904.0;
    return v > most ? INT64_C(1) << 62 : v < -most ? -(INT64_C(1) << 62) : (int64_t)v;
}

pel_status call_integers(const nn_call *call, const char *attribute, size_t k, size_t most, int64_t *v,
                         size_t *count)
{
    const pel_attribute *a = attribute != NULL ? pel_node_attribute(call->node, attribute) : NULL;
    *count = 0;
    if (a != NULL) {
        if (a->kind != PEL_ATTRIBUTE_INTS || a->count > most)
            return FAIL(call, "attribute %s is not a list of up to %zu whole numbers", attribute, most);
        memcpy(v, a->integers, a->count * sizeof *v);
        *count = a->count;
        return PEL_OK;
    }
    const nn_array *in = k == NONE_INPUT ? NULL : call_input(call, k);
    if (in == NULL)
        return PEL_OK;
    pel_status status = call_constant(call, k, &in);
    if (status != PEL_OK)
        return status;
    if (in->rank > 1 || nn_array_count(in) > most)
        return FAIL(call, "input %zu is not a list of up to %zu numbers", k, most);
    *count = nn_array_count(in);
    for (size_t i = 0; i < *count; i++) {
        if (!(in->values[i] == floor(in->values[i])))
            return FAIL(call, "input %zu has a number that is not whole", k);
        v[i] = whole(in->values[i]);
    }
    return PEL_OK;
}

pel_status call_axis(const nn_call *call, int64_t axis, size_t rank, size_t *to)
{
    if (axis < -(int64_t)rank || axis >= (int64_t)rank)
        return FAIL(call, "axis %lld of a tensor of %zu dimensions", (long long)axis, rank);
    *to = (size_t)(axis < 0 ? axis + (int64_t)rank : axis);
    return PEL_OK;
}

pel_status call_set_shape(const nn_call *call, size_t output, pel_model_type type, size_t rank,
                          const int64_t *dims)
{
    int64_t count = 1;
    if (rank > PEL_MODEL_RANK)
        return pel_error_set(call->error, PEL_ELIMIT, "more than %d dimensions", PEL_MODEL_RANK);
    for (size_t k = 0; k < rank; k++) {
        if (dims[k] < 0)
            return FAIL(call, "the result would have a negative size");
        count = checked_multiply(count, dims[k]);
        if (count < 0 || (uint64_t)count > call->limit)
            return pel_error_set(call->error, PEL_ELIMIT, "the result would be too large");
    }
    nn_array *a = output < call->output_count ? call->outputs[output] : NULL;
    if (a == NULL)
        return PEL_OK;
    *a = (nn_array){.type = type, .rank = rank};
    if (rank > 0)
        memcpy(a->dims, dims, rank * sizeof *dims);
    return PEL_OK;
}

pel_status infer_same(const nn_call *call)
{
    const nn_array *a = call->inputs[0];
    return call_set_shape(call, 0, a->type, a->rank, a->dims);
}

/* ---- Broadcasting */

bool broadcast_shape(const nn_array *a, const nn_array *b, size_t *rank, int64_t dims[PEL_MODEL_RANK])
{
    *rank = a->rank > b->rank ? a->rank : b->rank;
    for (size_t k = 0; k < *rank; k++) {
        int64_t m = k + a->rank >= *rank ? a->dims[k + a->rank - *rank] : 1;
        int64_t n = k + b->rank >= *rank ? b->dims[k + b->rank - *rank] : 1;
        if (m != n && m != 1 && n != 1)
            return false;
        dims[k] = m == 1 ? n : m;
    }
    return true;
}

size_t broadcast_index(const nn_array *operand, const nn_array *result, size_t index)
{
    size_t at = 0, stride = 1;
    for (size_t k = result->rank; k-- > 0;) {
        size_t here = index % (size_t)result->dims[k];
        index /= (size_t)result->dims[k];
        if (k + operand->rank < result->rank)
            break;
        size_t size = (size_t)operand->dims[k + operand->rank - result->rank];
        at += size == 1 ? 0 : here * stride;
        stride *= size;
    }
    return at;
}

/* ---- Gradients */

pel_status nn_backward_zero(const nn_call *call, const nn_gradients *g)
{
    (void)call;
    (void)g;
    return PEL_OK;
}

pel_status nn_backward_copy(const nn_call *call, const nn_gradients *g)
{
    for (size_t i = 0, n = nn_array_count(call->outputs[0]); i < n; i++)
        gradient_add(g->inputs[0], i, g->outputs[0][i]);
    return PEL_OK;
}

pel_status backward_refuse(const nn_call *call, const nn_gradients *g, size_t first)
{
    for (size_t k = first; k < call->input_count; k++)
        if (g->inputs[k] != NULL)
            return FAIL(call, "the shape depends on input %zu: it has no gradient", k);
    return PEL_OK;
}

/* ---- The table */

static const nn_operator *const families[] = {nn_operators_conv,   nn_operators_pointwise,
                                              nn_operators_shape,  nn_operators_select, nn_operators_matrix,
                                              nn_operators_reduce, nn_operators_normalise, nn_operators_resample,
                                              nn_operators_fourier};
#define FAMILIES (sizeof families / sizeof families[0])

const nn_operator *nn_operator_at(size_t row)
{
    for (size_t f = 0; f < FAMILIES; f++)
        for (const nn_operator *op = families[f]; op->name != NULL; op++)
            if (row-- == 0)
                return op;
    return NULL;
}

const nn_operator *nn_operator_find(const char *domain, const char *name)
{
    if (domain[0] != '\0')
        return NULL;
    for (size_t f = 0; f < FAMILIES; f++)
        for (const nn_operator *op = families[f]; op->name != NULL; op++)
            if (strcmp(op->name, name) == 0)
                return op;
    return NULL;
}

/* What a row of the table says of an attribute, after its name and colon, or NULL. */
static const char *find_attribute(const char *list, const char *name)
{
    size_t length = strcspn(name, " :");
    while (*list != '\0' && name[length] == '\0') {
        if (strncmp(list, name, length) == 0 && list[length] == ':')
            return list + length + 1;
        list += strcspn(list, " ");
        list += strspn(list, " ");
    }
    return NULL;
}

/* Is the attribute's value the one in `text`, which ends at a space? */
static bool is_value(const pel_attribute *a, const char *text)
{
    size_t length = strcspn(text, " ");
    char value[40];
    if (a->kind == PEL_ATTRIBUTE_INT)
        snprintf(value, sizeof value, "%lld", (long long)a->integers[0]);
    else
        snprintf(value, sizeof value, "%.39s", a->strings[0]);
    return strlen(value) == length && strncmp(value, text, length) == 0;
}

static pel_status check_attributes(const nn_operator *op, const nn_call *call)
{
    static const struct {
        char letter;
        const char *name;
    } kinds[] = {
        [PEL_ATTRIBUTE_INT] = {'i', "a whole number"}, [PEL_ATTRIBUTE_FLOAT] = {'f', "a number"},
        [PEL_ATTRIBUTE_STRING] = {'s', "a text"},      [PEL_ATTRIBUTE_INTS] = {'I', "a list of whole numbers"},
        [PEL_ATTRIBUTE_FLOATS] = {'F', "a list of numbers"}, [PEL_ATTRIBUTE_STRINGS] = {'S', "a list of texts"},
        [PEL_ATTRIBUTE_TENSOR] = {'t', "a tensor"},
    };
    for (size_t i = 0; i < call->node->attribute_count; i++) {
        const pel_attribute *a = &call->node->attributes[i];
        const char *known = find_attribute(op->attributes, a->name);
        if (known == NULL)
            return FAIL(call, "the attribute %.60s is not known to this operator", a->name);
        if (known[0] != kinds[a->kind].letter)
            return FAIL(call, "the attribute %s is %s, which it cannot be", a->name, kinds[a->kind].name);
        if (known[1] == '=' && !is_value(a, known + 2))
            return FAIL(call, "the attribute %s is only supported as %.*s", a->name, (int)strcspn(known + 2, " "),
                        known + 2);
    }
    return PEL_OK;
}

static pel_status check(const nn_operator *op, const nn_call *call)
{
    if (call->input_count < op->least_inputs || call->input_count > op->most_inputs)
        return FAIL(call, "%zu inputs", call->input_count);
    if (call->output_count < 1 || call->output_count > op->most_outputs)
        return FAIL(call, "%zu outputs", call->output_count);
    for (size_t k = 0; k < op->least_inputs; k++)
        if (call->inputs[k] == NULL)
            return FAIL(call, "input %zu is missing", k);
    return check_attributes(op, call);
}

static pel_status name_node(const nn_call *call, size_t number, pel_status status)
{
    const char *name = call->node->name;
    if (status != PEL_OK)
        pel_error_prefix(call->error, "node %zu (%s%s%.60s)", number, call->node->operator,
                         name[0] != '\0' ? ", " : "", name);
    return status;
}

pel_status nn_operator_infer(const nn_operator *op, const nn_call *call, size_t node_number)
{
    pel_status status = check(op, call);
    if (status == PEL_OK)
        status = op->infer(call);
    return name_node(call, node_number, status);
}

pel_status nn_operator_evaluate(const nn_operator *op, const nn_call *call, size_t node_number)
{
    pel_status status = nn_operator_infer(op, call, node_number);
    for (size_t k = 0; k < call->output_count && status == PEL_OK; k++)
        if (call->outputs[k] != NULL && !nn_array_alloc(call->outputs[k]))
            status = pel_error_set(call->error, PEL_ENOMEM, "out of memory");
    if (status != PEL_OK)
        return status;
    return name_node(call, node_number, op->evaluate(call));
}

/* Whether the outputs have the shapes that the inputs ask for, and everything its values. */
static pel_status check_evaluated(const nn_operator *op, const nn_call *call)
{
    nn_array expected[OPERATOR_INPUTS];
    nn_call again = *call;
    for (size_t k = 0; k < call->output_count; k++)
        again.outputs[k] = call->outputs[k] != NULL ? &expected[k] : NULL;
    pel_status status = op->infer(&again);
    for (size_t k = 0; k < call->input_count && status == PEL_OK; k++)
        if (call->inputs[k] != NULL && call->inputs[k]->values == NULL)
            status = FAIL(call, "input %zu has no values", k);
    for (size_t k = 0; k < call->output_count && status == PEL_OK; k++) {
        const nn_array *a = call->outputs[k];
        if (a != NULL && a->values == NULL)
            status = FAIL(call, "output %zu has no values", k);
        else if (a != NULL && (a->rank != expected[k].rank ||
                               memcmp(a->dims, expected[k].dims, a->rank * sizeof *a->dims) != 0))
            status = FAIL(call, "output %zu has another shape than the inputs ask for", k);
    }
    return status;
}

/* Whether each gradient belongs to an array that can have one; *any: there is one of an output. */
static pel_status check_gradients(const nn_call *call, const nn_gradients *g, bool *any)
{
    *any = false;
    for (size_t k = 0; k < OPERATOR_INPUTS; k++) {
        const nn_array *in = call_input(call, k), *out = k < call->output_count ? call->outputs[k] : NULL;
        if (g->inputs[k] != NULL && (in == NULL || in->type != PEL_MODEL_FLOAT))
            return FAIL(call, "input %zu is %s: it has no gradient", k, in == NULL ? "left out" : "not float");
        if (g->outputs[k] != NULL && (out == NULL || out->type != PEL_MODEL_FLOAT))
            return FAIL(call, "output %zu is %s: it has no gradient", k, out == NULL ? "not there" : "not float");
        *any = *any || g->outputs[k] != NULL;
    }
    return PEL_OK;
}

pel_status nn_operator_backward(const nn_operator *op, const nn_call *call, const nn_gradients *g,
                                size_t node_number)
{
    bool any = false;
    pel_status status = op->backward == NULL ? FAIL(call, "the operator cannot be differentiated")
                                             : check(op, call);
    if (status == PEL_OK)
        status = check_evaluated(op, call);
    if (status == PEL_OK)
        status = check_gradients(call, g, &any);
    if (status == PEL_OK && any)
        status = op->backward(call, g);
    return name_node(call, node_number, status);
}
