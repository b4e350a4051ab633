/* conv-internal.h - what the methods of convolution share.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_CONV_INTERNAL_H
#define PELLUCID_CONV_INTERNAL_H

#include <pellucid/conv.h>
#include <pellucid/cpu.h>
#include <pellucid/pool.h>

/* One direction of the map: y(i) = sum_k kernel(k) s(i + shift - k) for i in `out`, s zero outside
 * `in`.  The adjoint is such a map too, with the kernel turned round, so that a method knows this
 * form only. */
typedef struct {
    size_t in[3], out[3];
    ptrdiff_t shift[3];
    const float *kernel;
} conv_map;

/* One call: a direction with its data. */
typedef struct {
    pel_conv *conv;
    const conv_map *map;
    bool adjoint;
    const float *from;
    float *to;
    pel_conv_row row;
    void *arg;
} conv_call;

typedef struct {
    pel_status (*open)(const pel_context *ctx, pel_conv *conv);
    void (*close)(pel_conv *conv);
    void (*run)(const conv_call *call);
    size_t (*segments)(const pel_conv *conv, const conv_map *map);
} conv_ops;

struct pel_conv {
    pel_conv_method method;
    pel_cpu cpu;
    const conv_ops *ops;
    pel_pool *pool;
    size_t n[3]; /* of the kernel */
    float *kernel, *turned;
    conv_map forward, backward;
    void *state; /* of the method */
};

extern const conv_ops pel_conv_direct, pel_conv_separable, pel_conv_tiled, pel_conv_whole;

/* Hands a finished row of a result on: to the callback, or into the output. */
static inline void conv_finish_row(const conv_call *call, size_t segment, size_t x, size_t y,
                                   size_t z, size_t n, const float *row)
{
    if (call->row != NULL) {
        call->row(call->arg, segment, x, y, z, n, row);
    } else {
        const size_t *out = call->map->out;
        float *to = call->to + (z * out[1] + y) * out[0] + x;
        for (size_t i = 0; i < n; i++)
            to[i] = row[i];
    }
}

/* True when the kernel is the product of one function of each coordinate, to 1e-6 of its maximum;
 * then `factors` (n[0] + n[1] + n[2] floats) gets them. */
bool conv_factor(const float *kernel, const size_t n[3], float *factors);

/* Weighted sums for CONV_ROWS rows of results at a time, n samples each, into `to`:
 *     columns  to[r][x] = sum over j < terms of weights[j + CONV_ROWS - 1 - r] from[j][x]
 *     rows     to[r][x] = sum over k < terms of weights[k] from[r][x + k]                        */
#define CONV_ROWS 4

typedef void (*conv_sums)(const float *from, size_t stride, size_t terms, const float *weights,
                          float *to, size_t to_stride, size_t n);

typedef struct {
    conv_sums columns, rows;
} conv_weigh;

const conv_weigh *conv_weigh_of(pel_cpu cpu);

/* Side of the square transform that makes overlap-save cheapest for a kernel of n0 x n1, and the
 * estimated cost a sample; 0 when no side in use fits. */
size_t conv_tile_side(size_t n0, size_t n1, const size_t out[3], double *cost);

#endif
