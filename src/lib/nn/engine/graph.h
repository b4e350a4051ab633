/* graph.h - a model's graph while it is compiled: numbered values, known shapes, constants folded.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PEL_NN_GRAPH_H
#define PEL_NN_GRAPH_H

#include "operator/operator.h"

typedef struct {
    const char *name;  /* in the model, or "" */
    nn_array array;    /* with values: a constant */
    size_t uses;       /* by nodes that are not gone, and as outputs of the graph */
    size_t maker;      /* the node, or NONE for inputs and constants */
    size_t parameter;  /* where its floats are among the parameters, or NONE: it is none */
} graph_value;

#define NONE ((size_t)-1)
#define GRAPH_INPUTS 8 /* of a node that a fast path is looked for */

typedef struct {
    const nn_operator *op;
    const pel_node *node; /* attributes; belongs to the model, which is kept while compiling */
    size_t number;        /* in the model */
    size_t input_count, output_count;
    size_t *inputs, *outputs; /* values; NONE: left out */
    double macs;
    bool gone;            /* folded, or fused into another */
    /* Of nodes that autodiff.c makes: the node whose gradient it is a part of (NONE: a node of the model), which of its
     * inputs', and that it has no output but adds to a parameter's gradient. */
    size_t of, input;
    bool sink;
    double factor;        /* a parameter of such a node */
} graph_node;

typedef struct {
    const pel_model *model;
    bool trains;
    bool shares_parameters; /* several nodes add to the gradient of one */
    size_t parameters; /* floats of all of them together */
    size_t folded;     /* numbers of the constants that nodes were folded to */
    size_t most_side;  /* rows or columns that a value may have */
    size_t value_count, node_count, node_room, input_count, output_count;
    graph_value *values;
    graph_node *nodes;
    size_t *inputs, *outputs;
} graph;

/* Numbers all values, infers all shapes for inputs of these sizes, and evaluates what is constant; what comes of
 * parameters is not, where `trains`.  Free with graph_free, also after a failure. */
pel_status graph_make(const pel_context *ctx, const pel_model *model, const pel_size *inputs, bool trains, graph *g);
/* The same for pictures that are too wide for the memory, to see how to cut them: sides may be 4 times
 * as long as else under ctx->memory, and 16 times as long as the input's. */
pel_status graph_make_wide(const pel_context *ctx, const pel_model *model, const pel_size *inputs, graph *g);
void graph_free(graph *g);
/* Drops what no output needs, and counts uses. */
void graph_drop_unneeded(graph *g);

/* A further value (of a rewriting), or NONE: out of memory. */
size_t graph_add_value(graph *g, const nn_array *shape);
/* A further node at the end, all of it as given but for `inputs` and `outputs`, which are copied; NONE: out of memory. */
size_t graph_add_node(graph *g, graph_node node, const size_t *inputs, const size_t *outputs);

#endif
