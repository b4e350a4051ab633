/* conv-direct.c - convolution as the formula says: small kernels, and the reference of the others.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include "conv-internal.h"

#define BAND 8 /* rows a piece of work */

static pel_status direct_open(const pel_context *ctx, pel_conv *conv)
{
    size_t width = conv->forward.out[0] > conv->forward.in[0] ? conv->forward.out[0]
                                                              : conv->forward.in[0];
    conv->state = pel_alloc_floats(width * pel_pool_threads(conv->pool));
    return conv->state != NULL ? PEL_OK : pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
}

static void direct_close(pel_conv *conv)
{
    pel_free(conv->state);
}

/* row(x) += weight * s(x + first) for the x with s inside. */
static void add_shifted(float *row, size_t out, const float *s, size_t in, ptrdiff_t first,
                        float weight)
{
    ptrdiff_t from = first < 0 ? -first : 0;
    ptrdiff_t to = (ptrdiff_t)in - first < (ptrdiff_t)out ? (ptrdiff_t)in - first : (ptrdiff_t)out;
    for (ptrdiff_t x = from; x < to; x++)
        row[x] += weight * s[x + first];
}

static void one_row(const conv_call *call, size_t y, size_t z, float *row)
{
    const conv_map *m = call->map;
    const size_t *n = call->conv->n;
    memset(row, 0, m->out[0] * sizeof *row);
    for (size_t kz = 0; kz < n[2]; kz++) {
        ptrdiff_t sz = (ptrdiff_t)z + m->shift[2] - (ptrdiff_t)kz;
        if (sz < 0 || sz >= (ptrdiff_t)m->in[2])
            continue;
        for (size_t ky = 0; ky < n[1]; ky++) {
            ptrdiff_t sy = (ptrdiff_t)y + m->shift[1] - (ptrdiff_t)ky;
            if (sy < 0 || sy >= (ptrdiff_t)m->in[1])
                continue;
            const float *s = call->from + ((size_t)sz * m->in[1] + (size_t)sy) * m->in[0];
            const float *k = m->kernel + (kz * n[1] + ky) * n[0];
            for (size_t kx = 0; kx < n[0]; kx++)
                add_shifted(row, m->out[0], s, m->in[0], m->shift[0] - (ptrdiff_t)kx, k[kx]);
        }
    }
}

static void band(void *arg, size_t index, size_t worker)
{
    const conv_call *call = arg;
    const conv_map *m = call->map;
    size_t width = m->out[0] > m->in[0] ? m->out[0] : m->in[0];
    float *row = (float *)call->conv->state + worker * width;
    size_t rows = m->out[1] * m->out[2], end = (index + 1) * BAND;
    for (size_t r = index * BAND; r < (end < rows ? end : rows); r++) {
        size_t y = r % m->out[1], z = r / m->out[1];
        one_row(call, y, z, row);
        conv_finish_row(call, index, 0, y, z, m->out[0], row);
    }
}

static void direct_run(const conv_call *call)
{
    size_t rows = call->map->out[1] * call->map->out[2];
    pel_pool_run(call->conv->pool, (rows + BAND - 1) / BAND, band, (void *)(uintptr_t)call);
}

static size_t direct_segments(const pel_conv *conv, const conv_map *map)
{
    (void)conv;
    return (map->out[1] * map->out[2] + BAND - 1) / BAND;
}

const conv_ops pel_conv_direct = {direct_open, direct_close, direct_run, direct_segments};
