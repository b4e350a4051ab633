/* index-map.c - operators that only move numbers: one map, gathered by forwards and scattered by backwards.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include "index-map.h"

pel_status index_map_new(const nn_call *call, size_t rank, const int64_t *dims, const ptrdiff_t *stride,
                         index_map *m)
{
    size_t total = 0, at = 0;
    *m = (index_map){.rank = rank, .count = 1};
    for (size_t k = 0; k < rank; k++)
        m->count *= (size_t)dims[k];
    for (size_t k = 0; k < rank && m->count > 0; k++) { /* beside a 0 other dims may be of any size */
        m->dims[k] = (size_t)dims[k];
        total += m->dims[k];
    }
    m->memory = pel_alloc((total + 1) * sizeof *m->memory);
    if (m->memory == NULL)
        return pel_error_set(call->error, PEL_ENOMEM, "out of memory");
    for (size_t k = 0; k < rank; k++) {
        m->offset[k] = m->memory + at;
        for (size_t i = 0; i < m->dims[k]; i++)
            m->offset[k][i] = (ptrdiff_t)i * stride[k];
        at += m->dims[k];
    }
    return PEL_OK;
}

void index_map_strides(const nn_array *a, ptrdiff_t stride[PEL_MODEL_RANK])
{
    ptrdiff_t s = nn_array_count(a) > 0;
    for (size_t k = a->rank; k-- > 0;) {
        stride[k] = s;
        s *= (ptrdiff_t)a->dims[k];
    }
}

static ptrdiff_t source(const index_map *m, size_t index)
{
    ptrdiff_t from = 0;
    for (size_t k = m->rank; k-- > 0;) {
        ptrdiff_t offset = m->offset[k][index % m->dims[k]];
        if (offset == INDEX_NOWHERE)
            return INDEX_NOWHERE;
        from += offset;
        index /= m->dims[k];
    }
    return from;
}

pel_status index_map_evaluate(const nn_call *call, index_map_maker make, double nowhere)
{
    index_map m;
    pel_status status = make(call, &m);
    if (status != PEL_OK)
        return status;
    for (size_t i = 0; i < m.count; i++) {
        ptrdiff_t from = source(&m, i);
        call->outputs[0]->values[i] = from == INDEX_NOWHERE ? nowhere : call->inputs[0]->values[from];
    }
    pel_free(m.memory);
    return PEL_OK;
}

pel_status index_map_backward(const nn_call *call, index_map_maker make, const nn_gradients *g, double *nowhere)
{
    index_map m;
    pel_status status = make(call, &m);
    if (status != PEL_OK)
        return status;
    for (size_t i = 0; i < m.count; i++) {
        ptrdiff_t from = source(&m, i);
        if (from == INDEX_NOWHERE)
            gradient_add(nowhere, 0, g->outputs[0][i]);
        else
            gradient_add(g->inputs[0], (size_t)from, g->outputs[0][i]);
    }
    pel_free(m.memory);
    return PEL_OK;
}
