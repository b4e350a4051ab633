/* graph.h - a model's graph while it is compiled: numbered values, known shapes, constants folded.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PEL_NN_GRAPH_H
#define PEL_NN_GRAPH_H

#include "operator.h"

typedef struct {
    const char *name;  /* in the model, or "" */
    nn_array array;    /* with values: a constant */
    size_t uses;       /* by nodes that are not gone, and as outputs of the graph */
    size_t maker;      /* the node, or NONE for inputs and constants */
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
} graph_node;

typedef struct {
    const pel_model *model;
    size_t value_count, node_count, input_count, output_count;
    graph_value *values;
    graph_node *nodes;
    size_t *inputs, *outputs;
} graph;

/* Numbers all values, infers all shapes for inputs of these sizes, evaluates what is constant, and drops what no
 * output needs.  Free with graph_free, also after a failure. */
pel_status graph_make(const pel_context *ctx, const pel_model *model, const pel_size *inputs, graph *g);
void graph_free(graph *g);

/* A further value (of a rewriting), or NONE: out of memory. */
size_t graph_add_value(graph *g, const nn_array *shape);

#endif
