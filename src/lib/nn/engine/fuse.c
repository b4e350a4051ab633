/* fuse.c - what can be done on a convolution's sums before they are stored.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "fuse.h"

size_t fuse_sole_user(const graph *g, size_t value)
{
    size_t user = NONE;
    if (g->values[value].uses != 1 || g->values[value].maker == NONE)
        return NONE;
    for (size_t i = g->values[value].maker + 1; i < g->node_count && user == NONE; i++)
        for (size_t k = 0; k < g->nodes[i].input_count && !g->nodes[i].gone; k++)
            if (g->nodes[i].inputs[k] == value)
                user = i;
    return user;
}

const nn_array *fuse_channel_constant(const graph *g, size_t value, size_t channels)
{
    if (value == NONE || g->values[value].parameter != NONE) /* those change in training */
        return NULL;
    const nn_array *a = &g->values[value].array;
    if (a->values == NULL || a->type != PEL_MODEL_FLOAT || a->rank > 4)
        return NULL;
    size_t count = nn_array_count(a);
    if (count == 1)
        return a;
    return count == channels && a->rank >= 3 && (size_t)a->dims[a->rank - 3] == channels ? a : NULL;
}

/* y = y * m + d for each channel. */
static void scale_by(fused_after *after, const nn_array *m, bool divide)
{
    for (size_t i = 0; i < after->channels; i++) {
        double f = divide ? 1 / fuse_channel(m, i) : fuse_channel(m, i);
        after->scale[i] *= f;
        after->scale[after->channels + i] *= f;
    }
}

static void shift_by(fused_after *after, const nn_array *d, double sign)
{
    for (size_t i = 0; i < after->channels; i++)
        after->scale[after->channels + i] += sign * fuse_channel(d, i);
}

/* The operand of a two-sided node that is not `value`. */
static size_t other_of(const graph_node *n, size_t value)
{
    return n->input_count == 2 ? n->inputs[n->inputs[0] == value] : NONE;
}

static bool take_batch_norm(const graph *g, const graph_node *n, fused_after *after)
{
    const nn_array *a[4];
    for (size_t k = 0; k < 4; k++) {
        a[k] = n->input_count == 5 && n->inputs[k + 1] != NONE ? &g->values[n->inputs[k + 1]].array : NULL;
        if (a[k] == NULL || a[k]->values == NULL || nn_array_count(a[k]) != after->channels)
            return false;
    }
    double epsilon = pel_node_float(n->node, "epsilon", 1e-5);
    for (size_t i = 0; i < after->channels; i++) {
        double f = a[0]->values[i] / sqrt(a[3]->values[i] + epsilon);
        after->scale[i] *= f;
        double *shift = &after->scale[after->channels + i];
        *shift = (*shift - a[2]->values[i]) * f + a[1]->values[i];
    }
    return true;
}

static bool take_scale(const graph *g, const graph_node *n, size_t value, fused_after *after)
{
    const char *op = n->op->name;
    bool div = strcmp(op, "Div") == 0, sub = strcmp(op, "Sub") == 0;
    const nn_array *a = fuse_channel_constant(g, other_of(n, value), after->channels);
    if (a == NULL || ((div || sub) && n->inputs[0] != value))
        return false;
    if (div || strcmp(op, "Mul") == 0)
        scale_by(after, a, div);
    else if (sub || strcmp(op, "Add") == 0)
        shift_by(after, a, sub ? -1 : 1);
    else
        return false;
    return true;
}

static bool take_activation(const graph *g, const graph_node *n, fused_after *after)
{
    const char *op = n->op->name;
    double slope = strcmp(op, "LeakyRelu") == 0 ? pel_node_float(n->node, "alpha", 0.01) : 0;
    const nn_array *slopes = NULL;
    if (strcmp(op, "PRelu") == 0)
        slopes = fuse_channel_constant(g, n->inputs[1], after->channels);
    else if (strcmp(op, "Relu") != 0 && strcmp(op, "LeakyRelu") != 0)
        return false;
    if (strcmp(op, "PRelu") == 0 && slopes == NULL)
        return false;
    for (size_t i = 0; i < after->channels; i++)
        after->scale[2 * after->channels + i] = slopes != NULL ? fuse_channel(slopes, i) : slope;
    return after->has_slopes = true;
}

/* A picture of the same size that is there before the convolution is done. */
static bool take_residual(const builder *b, const graph_node *n, size_t i, size_t value, fused_after *after)
{
    const graph *g = &b->p->g;
    size_t other = other_of(n, value);
    if (strcmp(n->op->name, "Add") != 0 || !build_is_picture(b, other) || other == value)
        return false;
    if (g->values[other].maker != NONE && g->values[other].maker >= i)
        return false;
    if (memcmp(g->values[other].array.dims, g->values[value].array.dims, 4 * sizeof(int64_t)) != 0)
        return false;
    after->residual = other;
    after->residual_last = after->has_slopes;
    return true;
}

pel_status fuse_after(builder *b, size_t i, size_t position, fused_after *after)
{
    graph *g = &b->p->g;
    size_t value = g->nodes[i].outputs[0];
    size_t channels = (size_t)g->values[value].array.dims[1];
    *after = (fused_after){.output = value, .residual = NONE, .channels = channels};
    after->scale = pel_alloc(3 * channels * sizeof *after->scale);
    if (after->scale == NULL)
        return build_fail(b);
    for (size_t k = 0; k < channels; k++) {
        after->scale[k] = 1;
        after->scale[channels + k] = 0;
        after->scale[2 * channels + k] = 1;
    }
    for (size_t user; (user = fuse_sole_user(g, after->output)) != NONE;) {
        graph_node *n = &g->nodes[user];
        bool plain = !after->has_slopes && after->residual == NONE, taken = false;
        if (n->node->domain[0] != '\0')
            break;
        if (plain)
            taken = strcmp(n->op->name, "BatchNormalization") == 0
                        ? n->output_count == 1 && take_batch_norm(g, n, after)
                        : take_scale(g, n, after->output, after);
        if (!taken && !after->has_slopes)
            taken = n->inputs[0] == after->output && take_activation(g, n, after);
        if (!taken && after->residual == NONE)
            taken = take_residual(b, n, position, after->output, after);
        if (!taken)
            break;
        n->gone = true;
        after->output = n->outputs[0];
    }
    return PEL_OK;
}

void fused_free(fused_after *after)
{
    pel_free(after->scale);
    after->scale = NULL;
}
