/* operator.h - the table of operators: for each a shape rule, a plain evaluation and its gradient, its cost.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The evaluation is the reference: straight from ONNX's text (https://onnx.ai/onnx/operators/), in double,
 * one loop after the other.  It folds constants, runs what has no fast path (small tensors as a rule), and is
 * what the tests hold the fast paths to.  The backward is the reference of training in the same manner: the
 * chain rule of the evaluation, held to central differences of it.
 */
#ifndef PEL_NN_OPERATOR_H
#define PEL_NN_OPERATOR_H

#include <pellucid/model.h>

#define OPERATOR_INPUTS 64 /* most inputs or outputs of a node (Concat, Split) */

/* A tensor of any type: integers up to 2^53 and truth values (0, 1) are doubles too.  Row-major, as in
 * ONNX.  `values` is NULL where only the shape is known. */
typedef struct {
    pel_model_type type;
    size_t rank;
    int64_t dims[PEL_MODEL_RANK];
    double *values;
} nn_array;

size_t nn_array_count(const nn_array *a);
/* Room for its values, from its dims; false: out of memory. */
bool nn_array_alloc(nn_array *a);
void nn_array_free(nn_array *a); /* the values; a becomes one without */

/* What a rule or an evaluation may ask about its node. */
typedef struct {
    const pel_node *node;
    int64_t opset;
    size_t input_count;  /* as the node has them, those left out at the end not counted */
    size_t output_count;
    const nn_array *inputs[OPERATOR_INPUTS]; /* NULL: left out */
    nn_array *outputs[OPERATOR_INPUTS];      /* NULL: not wanted */
    size_t limit;        /* most elements of an output: beyond it PEL_ELIMIT */
    pel_error *error;
} nn_call;

/* The gradients of a scalar loss at a node (reverse mode: A. Griewank, A. Walther, Evaluating Derivatives, 2nd
 * ed., SIAM 2008, chapter 3).  Each has as many numbers as its array, in the same order. */
typedef struct {
    const double *outputs[OPERATOR_INPUTS]; /* with respect to the outputs; NULL: zero */
    double *inputs[OPERATOR_INPUTS]; /* with respect to the inputs, to be added to; NULL: not wanted */
} nn_gradients;

typedef struct nn_operator {
    const char *name;
    size_t least_inputs, most_inputs, most_outputs;
    /* The attributes that ONNX (opsets 13 to 18) gives it: "name:kind" or "name:kind=value", separated by a space.
     * Kinds: i a whole number, f float, s text, t tensor; I, F lists.  With a value, that is the only one that is
     * understood. */
    const char *attributes;
    /* Sets type, rank and dims of the outputs from those of the inputs.  Inputs that shapes depend on
     * (the shape of Reshape, the pads of Pad) must have values, else PEL_EINVAL. */
    pel_status (*infer)(const nn_call *call);
    /* Fills in the outputs, whose shapes are set and whose values are there (not initialised). */
    pel_status (*evaluate)(const nn_call *call);
    /* From evaluated inputs and outputs: adds what the outputs' gradients (one of them at least is there) make of
     * the inputs' (those wanted).  At a kink it takes one of the slopes beside it, as the evaluation chose: of
     * several that attain a maximum the first has it all (Max, Min: the last).
     * nn_backward_zero: a constant piece by piece, or no input matters: the gradient is zero.
     * NULL: there is no gradient, because the outputs are whole numbers or truth values. */
    pel_status (*backward)(const nn_call *call, const nn_gradients *g);
    /* Multiply-accumulates that the node costs; NULL: counted as 0. */
    double (*macs)(const nn_call *call);
} nn_operator;

/* NULL where there is none of that name.  `domain` is "" (ONNX's own) or "org.pellucid". */
const nn_operator *nn_operator_find(const char *domain, const char *name);
/* The rows of the table, from 0; NULL behind the last. */
const nn_operator *nn_operator_at(size_t row);

/* A function of one number, with parameters p and q; NULL where the node is none (no operator of one number). */
typedef double (*nn_function)(double x, double p, double q);
nn_function nn_operator_function(const pel_node *node, double *p, double *q);

/* Checks numbers of inputs and outputs, attributes (an unknown one is an error: it would change what is meant) and
 * shapes, and sets the outputs' shapes.  Errors name the
 * node: "node 12 (Conv, /body/conv1): ...". */
pel_status nn_operator_infer(const nn_operator *op, const nn_call *call, size_t node_number);
/* infer, then room for the outputs (to be freed by the caller, also after a failure), then evaluate. */
pel_status nn_operator_evaluate(const nn_operator *op, const nn_call *call, size_t node_number);
/* Checks that the call is evaluated and that what the gradients belong to is float, then backward; errors as
 * above.  Operators without backward are an error. */
pel_status nn_operator_backward(const nn_operator *op, const nn_call *call, const nn_gradients *g,
                                size_t node_number);

#endif
