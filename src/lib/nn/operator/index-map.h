/* index-map.h - operators that only move numbers: by axis of the output, from where in the input each comes.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Such an operator is linear, so its backward is the adjoint: what the evaluation gathers by the map, the
 * backward scatters by the same map.
 */
#ifndef PEL_NN_INDEX_MAP_H
#define PEL_NN_INDEX_MAP_H

#include "operator-internal.h"

#define INDEX_NOWHERE PTRDIFF_MIN /* the entry has no source (the border that Pad makes) */

/* The source of an entry is the sum over the axes of offset[k][its coordinate].  The axes may be finer than the
 * output's: DepthToSpace sees its rows as rows of blocks by rows in a block. */
typedef struct {
    size_t rank, count;
    size_t dims[PEL_MODEL_RANK];
    ptrdiff_t *offset[PEL_MODEL_RANK];
    ptrdiff_t *memory;
} index_map;

/* A map of those dims where a step along axis k is a step of stride[k] in the input; to be changed as needed. */
pel_status index_map_new(const nn_call *call, size_t rank, const int64_t *dims, const ptrdiff_t *stride,
                         index_map *m);
/* Steps along the axes of a row-major array; of an empty one 0. */
void index_map_strides(const nn_array *a, ptrdiff_t stride[PEL_MODEL_RANK]);

/* Makes the map of a node, from input 0 to output 0. */
typedef pel_status (*index_map_maker)(const nn_call *call, index_map *m);
/* Output 0 from input 0; entries without source become `nowhere`. */
pel_status index_map_evaluate(const nn_call *call, index_map_maker make, double nowhere);
/* The adjoint; what entries without source had is added to *nowhere (NULL: not wanted). */
pel_status index_map_backward(const nn_call *call, index_map_maker make, const nn_gradients *g, double *nowhere);

#endif
