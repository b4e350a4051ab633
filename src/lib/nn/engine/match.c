/* match.c - finds several nodes, as exporters leave them, that are one thing.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "fuse.h"
#include "match.h"

static bool is(const graph_node *n, const char *op) { return strcmp(n->op->name, op) == 0; }

/* A node that uses the value, with this operator. */
static size_t user_of(const graph *g, size_t value, const char *op)
{
    for (size_t i = 0; i < g->node_count; i++)
        for (size_t k = 0; k < g->nodes[i].input_count && !g->nodes[i].gone; k++)
            if (g->nodes[i].inputs[k] == value && is(&g->nodes[i], op))
                return i;
    return NONE;
}

static void add(match *m, size_t node)
{
    m->nodes[m->count++] = node;
    m->last = node;
}

static size_t result(const graph *g, const match *m) { return g->nodes[m->last].outputs[0]; }

/* The only node that uses the value, if it has this operator: it is one of the match then. */
static bool take(const graph *g, size_t value, const char *op, match *m)
{
    size_t i = fuse_sole_user(g, value);
    if (i == NONE || !is(&g->nodes[i], op))
        return false;
    add(m, i);
    return true;
}

static bool is_number(const graph *g, size_t value, double *number)
{
    const nn_array *a = value != NONE ? &g->values[value].array : NULL;
    if (a == NULL || a->values == NULL || nn_array_count(a) != 1)
        return false;
    *number = a->values[0];
    return true;
}

/* The operand of a node of two that is not `value`. */
static size_t other_of(const graph_node *n, size_t value) { return n->inputs[n->inputs[0] == value]; }

/* ---- Over channels */

bool match_mean(const graph *g, const graph_node *n, const int64_t *axes, size_t count)
{
    const pel_attribute *a = pel_node_attribute(n->node, "axes");
    const nn_array *in = n->input_count > 1 && n->inputs[1] != NONE ? &g->values[n->inputs[1]].array : NULL;
    size_t given = a != NULL ? a->count : in != NULL && in->values != NULL ? nn_array_count(in) : 0;
    if (!is(n, "ReduceMean") || given != count || pel_node_int(n->node, "keepdims", 1) != 1)
        return false;
    for (size_t k = 0; k < count; k++) {
        int64_t axis = a != NULL ? a->integers[k] : (int64_t)in->values[k];
        if ((axis < 0 ? axis + 4 : axis) != axes[k])
            return false;
    }
    return true;
}

/* The square of a value: by Mul with itself, or Pow with 2. */
static size_t square_of(const graph *g, size_t value)
{
    double two = 0;
    size_t i = user_of(g, value, "Mul");
    if (i != NONE && g->nodes[i].inputs[0] == value && g->nodes[i].inputs[1] == value)
        return i;
    i = user_of(g, value, "Pow");
    return i != NONE && is_number(g, g->nodes[i].inputs[1], &two) && two == 2 ? i : NONE;
}

/* What follows the mean m of x: d = x - m, v = mean(d d), d / sqrt(v + e). */
static bool take_standardise(const graph *g, size_t mean, int64_t axis, match *m)
{
    size_t x = g->nodes[mean].inputs[0], mu = g->nodes[mean].outputs[0], square;
    if (!match_mean(g, &g->nodes[mean], &axis, 1) || !take(g, mu, "Sub", m) || g->nodes[m->last].inputs[0] != x)
        return false;
    size_t d = result(g, m);
    if ((square = square_of(g, d)) == NONE || g->values[d].uses != (is(&g->nodes[square], "Mul") ? 3 : 2))
        return false;
    add(m, square);
    if (!take(g, result(g, m), "ReduceMean", m) || !match_mean(g, &g->nodes[m->last], &axis, 1))
        return false;
    size_t variance = result(g, m);
    return take(g, variance, "Add", m) && is_number(g, other_of(&g->nodes[m->last], variance), &m->epsilon) &&
           take(g, result(g, m), "Sqrt", m) && take(g, result(g, m), "Div", m) && g->nodes[m->last].inputs[0] == d;
}

static bool is_transpose(const graph_node *n, const int64_t perm[4])
{
    const pel_attribute *a = pel_node_attribute(n->node, "perm");
    return is(n, "Transpose") && a != NULL && a->count == 4 && memcmp(a->integers, perm, 4 * sizeof *perm) == 0;
}

/* The constant that is one number, or one for each of the last dimension's. */
static const nn_array *last_constant(const graph *g, size_t value, int64_t channels)
{
    const nn_array *a = value != NONE ? &g->values[value].array : NULL;
    if (a == NULL || a->values == NULL || a->type != PEL_MODEL_FLOAT || a->rank > 4)
        return NULL;
    size_t count = nn_array_count(a);
    bool each = a->rank > 0 && a->dims[a->rank - 1] == channels && count == (size_t)channels;
    return count == 1 || each ? a : NULL;
}

static bool take_operator(const graph *g, int64_t channels, match *m)
{
    const graph_node *n = &g->nodes[m->last];
    int64_t axis = pel_node_int(n->node, "axis", -1);
    bool shifted = n->input_count > 2 && n->inputs[2] != NONE;
    m->epsilon = pel_node_float(n->node, "epsilon", 1e-5);
    m->scale = last_constant(g, n->inputs[1], channels);
    m->shift = shifted ? last_constant(g, n->inputs[2], channels) : NULL;
    return (axis == -1 || axis == 3) && m->scale != NULL && shifted == (m->shift != NULL);
}

/* A scale and a shift, as nodes of their own. */
static void take_affine(const graph *g, int64_t channels, match *m)
{
    static const char *const ops[] = {"Mul", "Add"};
    const nn_array **to[] = {&m->scale, &m->shift};
    for (int k = 0; k < 2; k++) {
        size_t value = result(g, m), user = fuse_sole_user(g, value);
        if (user == NONE || !is(&g->nodes[user], ops[k]))
            continue;
        *to[k] = last_constant(g, other_of(&g->nodes[user], value), channels);
        if (*to[k] != NULL)
            add(m, user);
    }
}

/* From the Transpose that puts channels last. */
static bool match_channels_last(const graph *g, size_t first, match *m)
{
    static const int64_t back[4] = {0, 3, 1, 2};
    size_t value = g->nodes[first].outputs[0];
    int64_t channels = g->values[value].array.dims[3];
    if (take(g, value, "LayerNormalization", m)) {
        if (g->nodes[m->last].inputs[0] != value || !take_operator(g, channels, m))
            return false;
    } else {
        size_t mean = user_of(g, value, "ReduceMean");
        if (mean == NONE || g->values[value].uses != 2)
            return false;
        add(m, mean);
        if (!take_standardise(g, mean, 3, m))
            return false;
        take_affine(g, channels, m);
    }
    return take(g, result(g, m), "Transpose", m) && is_transpose(&g->nodes[m->last], back);
}

bool match_layer_norm(const graph *g, size_t first, match *m)
{
    static const int64_t to_last[4] = {0, 2, 3, 1};
    memset(m, 0, sizeof *m);
    if (is_transpose(&g->nodes[first], to_last))
        return match_channels_last(g, first, m);
    return is(&g->nodes[first], "ReduceMean") && take_standardise(g, first, 1, m);
}

/* ---- Over groups */

bool match_group_norm(const graph *g, size_t first, match *m, size_t *groups)
{
    const graph_node *n = &g->nodes[first];
    const nn_array *x = &g->values[n->inputs[0]].array, *y = &g->values[n->outputs[0]].array;
    memset(m, 0, sizeof *m);
    if (!is(n, "Reshape") || y->rank < 3 || y->dims[0] != 1 || y->dims[1] < 1 || x->dims[1] % y->dims[1] != 0)
        return false;
    *groups = (size_t)y->dims[1];
    if (!take(g, n->outputs[0], "InstanceNormalization", m))
        return false;
    const graph_node *norm = &g->nodes[m->last];
    m->epsilon = pel_node_float(norm->node, "epsilon", 1e-5);
    m->scale = &g->values[norm->inputs[1]].array;
    m->shift = &g->values[norm->inputs[2]].array;
    if (norm->inputs[0] != n->outputs[0] || m->scale->values == NULL || m->shift->values == NULL ||
        !take(g, result(g, m), "Reshape", m))
        return false;
    const nn_array *back = &g->values[result(g, m)].array;
    return back->rank == 4 && memcmp(back->dims, x->dims, 4 * sizeof *x->dims) == 0;
}

/* ---- GELU */

static bool is_operand(const graph *g, size_t node, size_t value, double expected)
{
    double number;
    return is_number(g, other_of(&g->nodes[node], value), &number) && fabs(number - expected) < 1e-6;
}

bool match_gelu(const graph *g, size_t first, match *m)
{
    const graph_node *n = &g->nodes[first];
    double by;
    memset(m, 0, sizeof *m);
    bool divides = is(n, "Div"), scaled = divides || is(n, "Mul");
    if (!scaled || !is_number(g, n->inputs[1], &by) || fabs(by - (divides ? M_SQRT2 : M_SQRT1_2)) > 1e-6)
        return false;
    size_t x = n->inputs[0];
    if (!take(g, n->outputs[0], "Erf", m) || !take(g, result(g, m), "Add", m) ||
        !is_operand(g, m->last, g->nodes[m->nodes[0]].outputs[0], 1))
        return false;
    size_t sum = result(g, m);
    if (!take(g, sum, "Mul", m) || other_of(&g->nodes[m->last], sum) != x)
        return false;
    size_t product = result(g, m);
    return take(g, product, "Mul", m) && is_operand(g, m->last, product, 0.5);
}
