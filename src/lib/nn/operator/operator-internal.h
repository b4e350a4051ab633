/* operator-internal.h - what the families of operators share.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PEL_NN_OPERATOR_INTERNAL_H
#define PEL_NN_OPERATOR_INTERNAL_H

#include "operator.h"

/* The families' tables; each ends with a row without name. */
extern const nn_operator nn_operators_conv[], nn_operators_pointwise[], nn_operators_shape[],
    nn_operators_select[], nn_operators_matrix[], nn_operators_reduce[], nn_operators_normalise[],
    nn_operators_resample[], nn_operators_fourier[];

#define FAIL(call, ...) pel_error_set((call)->error, PEL_EINVAL, __VA_ARGS__)

/* Input k, or NULL where it is left out. */
const nn_array *call_input(const nn_call *call, size_t k);
/* Input k, which a shape depends on: PEL_EINVAL where it has no values. */
pel_status call_constant(const nn_call *call, size_t k, const nn_array **a);
/* The whole numbers of an attribute, or of constant input k (NONE_INPUT: no such input): *count of them (0 if both are
 * left out), at most `most`. */
#define NONE_INPUT ((size_t)-1)
pel_status call_integers(const nn_call *call, const char *attribute, size_t k, size_t most, int64_t *v,
                         size_t *count);
/* -rank .. rank-1 to 0 .. rank-1. */
pel_status call_axis(const nn_call *call, int64_t axis, size_t rank, size_t *to);
pel_status call_set_shape(const nn_call *call, size_t output, pel_model_type type, size_t rank,
                          const int64_t *dims);
/* The type and shape of input 0. */
pel_status infer_same(const nn_call *call);

/* Adds to number i of a gradient, if that is wanted. */
static inline void gradient_add(double *gradient, size_t i, double v)
{
    if (gradient != NULL)
        gradient[i] += v;
}
/* The gradient is zero: nothing is added. */
pel_status nn_backward_zero(const nn_call *call, const nn_gradients *g);
/* Output 0 is the numbers of input 0; no other input matters. */
pel_status nn_backward_copy(const nn_call *call, const nn_gradients *g);
/* An error where gradients of input `first` or later ones are wanted: those that the shape depends on. */
pel_status backward_refuse(const nn_call *call, const nn_gradients *g, size_t first);

/* a * b, or -1 beyond 2^62 or for a negative one. */
int64_t checked_multiply(int64_t a, int64_t b);

/* numpy's broadcasting: the common shape, and from an index of the result to one of an operand. */
bool broadcast_shape(const nn_array *a, const nn_array *b, size_t *rank, int64_t dims[PEL_MODEL_RANK]);
size_t broadcast_index(const nn_array *operand, const nn_array *result, size_t index);

/* Of an array: the product of the dimensions before, at and after an axis. */
typedef struct {
    size_t before, length, after;
} axis_split;
axis_split split_at(const nn_array *a, size_t axis);

#endif
