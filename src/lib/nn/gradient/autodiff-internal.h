/* autodiff-internal.h - what the walk from the outputs back (autodiff.c) and the rules for each operator share.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PEL_NN_AUTODIFF_INTERNAL_H
#define PEL_NN_AUTODIFF_INTERNAL_H

#include <string.h>

#include "autodiff.h"

/* Operators of gradients: some of the model's, and some that only exist here (autodiff.c). */
typedef enum {
    CONV, CONV_TRANSPOSE, ADD, SUB, MUL, DIV, NEG, SPLIT, CONCAT, TO_SPACE, TO_DEPTH, MEAN, STANDARDISE,
    ACTIVATION, POOL, SPREAD, EXPAND, STANDARDISE_BACK, INSTANCE_BACK, WEIGHTS, CHANNELS, REFERENCE,
} autodiff_op;

typedef struct {
    const pel_context *ctx;
    graph *g;
    size_t *gradient; /* by value, or NONE; of a parameter itself: a sink is there */
    bool *active;     /* by value: is its gradient wanted? */
    size_t count;     /* of values of the model's own */
    bool failed;
} autodiff_state;

/* Each is asked about node i, whose output 0 has the gradient dy, and returns false where the plain backward must do. */
typedef bool (*autodiff_rule)(autodiff_state *st, size_t i, size_t dy);
/* NULL: there is none.  *parameters: operands may be some. */
autodiff_rule autodiff_find_rule(const char *op, bool *parameters);

/* The attributes of a node that has none, and of one along channels. */
extern const pel_node autodiff_plain_node, autodiff_channel_node;
const nn_operator *autodiff_operator(autodiff_op op);

/* A node of one output with the shape of value `like`; the output.  `as` gives attributes and numbers; NULL: none. */
size_t autodiff_emit(autodiff_state *st, autodiff_op op, size_t of, size_t like, size_t count, const size_t *inputs,
                     const graph_node *as);
/* A node adds to the gradient of a parameter; and one that does, made. */
void autodiff_mark(autodiff_state *st, size_t parameter);
void autodiff_emit_sink(autodiff_state *st, autodiff_op op, size_t of, size_t input, size_t count,
                        const size_t *inputs);
/* One more contribution to the gradient of a value. */
void autodiff_contribute(autodiff_state *st, size_t value, size_t contribution);

/* ---- What can be asked of values */

static inline bool is_picture(const graph *g, size_t value)
{
    const nn_array *a = &g->values[value].array;
    return a->values == NULL && a->type == PEL_MODEL_FLOAT && a->rank == 4 && a->dims[0] == 1;
}

static inline bool is_active(const autodiff_state *st, size_t value) { return value != NONE && st->active[value]; }

static inline bool is_parameter(const graph *g, size_t value)
{
    return value != NONE && g->values[value].parameter != NONE && g->values[value].array.values != NULL;
}

/* A constant of one number a channel (C x 1 x 1), or one number. */
static inline bool is_by_channel(const graph *g, size_t value, size_t of)
{
    const nn_array *a = &g->values[value].array;
    size_t count = a->values != NULL ? nn_array_count(a) : 0;
    return a->rank <= 4 && (count == 1 || (a->rank >= 3 && (int64_t)count == a->dims[a->rank - 3] &&
                                           a->dims[a->rank - 3] == g->values[of].array.dims[1]));
}

static inline bool same_shape(const graph *g, size_t a, size_t b)
{
    const nn_array *x = &g->values[a].array, *y = &g->values[b].array;
    return x->rank == y->rank && memcmp(x->dims, y->dims, x->rank * sizeof x->dims[0]) == 0;
}

#endif
