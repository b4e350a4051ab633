/* conv-separable.c - kernels that are products of a row and a column (Gaussians): two passes of 1-D
 * sums over bands of rows that stay in the cache.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "conv-internal.h"

#define BAND 64 /* rows of the result a piece of work */

typedef struct {
    float *factors;       /* scratch of conv_factor */
    float *columns[2];    /* the column of the kernel and of the turned one, turned round, with
                             CONV_ROWS - 1 zeros at both ends */
    float *rows[2];       /* the row, turned round */
    size_t stride[2];     /* of a row after the column pass, and of a finished one */
    float *work;          /* a worker: CONV_ROWS rows of both kinds */
    size_t worker_floats;
    const conv_weigh *weigh;
} separable;

bool conv_factor(const float *kernel, const size_t n[3], float *factors)
{
    float *row = factors, *column = factors + n[0];
    double total = 0, largest = 0;
    if (n[2] != 1)
        return false;
    for (size_t x = 0; x < n[0]; x++) {
        double sum = 0;
        for (size_t y = 0; y < n[1]; y++)
            sum += (double)kernel[y * n[0] + x];
        row[x] = (float)sum;
        total += sum;
    }
    if (!(total > 0))
        return false;
    for (size_t y = 0; y < n[1]; y++) {
        double sum = 0;
        for (size_t x = 0; x < n[0]; x++) {
            sum += (double)kernel[y * n[0] + x];
            largest = fmax(largest, fabs((double)kernel[y * n[0] + x]));
        }
        column[y] = (float)(sum / total);
    }
    for (size_t y = 0; y < n[1]; y++)
        for (size_t x = 0; x < n[0]; x++)
            if (fabs((double)kernel[y * n[0] + x] - (double)row[x] * (double)column[y]) >
                1e-6 * largest)
                return false;
    return true;
}

static void separable_close(pel_conv *conv)
{
    separable *s = conv->state;
    if (s == NULL)
        return;
    pel_free(s->factors);
    for (int i = 0; i < 2; i++) {
        pel_free(s->columns[i]);
        pel_free(s->rows[i]);
    }
    pel_free(s->work);
    pel_free(s);
}

static bool factorise(const pel_conv *conv, separable *s, int which, const float *kernel)
{
    const size_t *n = conv->n;
    if (!conv_factor(kernel, n, s->factors))
        return false;
    for (size_t i = 0; i < n[0]; i++)
        s->rows[which][i] = s->factors[n[0] - 1 - i];
    for (size_t i = 0; i < n[1]; i++)
        s->columns[which][CONV_ROWS - 1 + i] = s->factors[n[0] + n[1] - 1 - i];
    return true;
}

static pel_status separable_open(const pel_context *ctx, pel_conv *conv)
{
    const size_t *n = conv->n;
    separable *s = pel_alloc(sizeof *s);
    if (s == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    memset(s, 0, sizeof *s);
    conv->state = s;
    s->weigh = conv_weigh_of(conv->cpu);
    size_t width = conv->forward.out[0] > conv->forward.in[0] ? conv->forward.out[0]
                                                              : conv->forward.in[0];
    /* Whole cache lines, and not a power of two apart. */
    s->stride[0] = (width + n[0] - 1 + 15) / 16 * 16 + 16;
    s->stride[1] = (width + 15) / 16 * 16 + 16;
    s->worker_floats = CONV_ROWS * (s->stride[0] + s->stride[1]);
    s->factors = pel_alloc_floats(n[0] + n[1]);
    s->work = pel_alloc_floats(s->worker_floats * pel_pool_threads(conv->pool));
    bool enough = s->factors != NULL && s->work != NULL;
    for (int i = 0; i < 2; i++) {
        s->rows[i] = pel_alloc_floats(n[0]);
        s->columns[i] = pel_calloc_floats(n[1] + 2 * (CONV_ROWS - 1));
        enough = enough && s->rows[i] != NULL && s->columns[i] != NULL;
    }
    if (!enough)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    if (!factorise(conv, s, 0, conv->kernel) || !factorise(conv, s, 1, conv->turned))
        return pel_error_set(ctx->error, PEL_EINVAL, "the PSF is not separable");
    return PEL_OK;
}

/* The part [*from, *to) of `count` samples from `first` on that lies inside a picture of `size`. */
static void clip(ptrdiff_t first, size_t count, size_t size, size_t *from, size_t *to)
{
    ptrdiff_t end = (ptrdiff_t)size - first;
    *from = first < 0 ? (size_t)-first : 0;
    *to = end < 0 ? 0 : (size_t)end < count ? (size_t)end : count;
    if (*from > *to)
        *from = *to;
}

/* A band of the result.  The columns come first, straight from the picture: rows outside it add
 * nothing, columns outside it stay zero in `work` from the start. */
static void band(void *arg, size_t index, size_t worker)
{
    const conv_call *call = arg;
    const conv_map *m = call->map;
    const separable *s = call->conv->state;
    const size_t *n = call->conv->n;
    size_t bands = (m->out[1] + BAND - 1) / BAND, z = index / bands, y = index % bands * BAND;
    size_t end = m->out[1] - y < BAND ? m->out[1] : y + BAND;
    float *work = s->work + worker * s->worker_floats, *done = work + CONV_ROWS * s->stride[0];
    ptrdiff_t from_z = (ptrdiff_t)z + m->shift[2], from_x = m->shift[0] - (ptrdiff_t)(n[0] - 1);
    size_t left, right, top, bottom;
    clip(from_x, m->out[0] + n[0] - 1, m->in[0], &left, &right);
    memset(work, 0, CONV_ROWS * s->stride[0] * sizeof *work);
    for (; y < end; y += CONV_ROWS) {
        ptrdiff_t from_y = (ptrdiff_t)y + m->shift[1] - (ptrdiff_t)(n[1] - 1);
        clip(from_y, n[1] + CONV_ROWS - 1, m->in[1], &top, &bottom);
        if (from_z < 0 || from_z >= (ptrdiff_t)m->in[2])
            bottom = top;
        if (bottom > top && right > left) {
            size_t row = (size_t)from_z * m->in[1] + (size_t)(from_y + (ptrdiff_t)top);
            size_t column = (size_t)(from_x + (ptrdiff_t)left);
            s->weigh->columns(call->from + row * m->in[0] + column, m->in[0], bottom - top,
                              s->columns[call->adjoint] + top, work + left, s->stride[0],
                              right - left);
        } else {
            memset(work, 0, CONV_ROWS * s->stride[0] * sizeof *work);
        }
        s->weigh->rows(work, s->stride[0], n[0], s->rows[call->adjoint], done, s->stride[1],
                       m->out[0]);
        for (size_t r = 0; r < CONV_ROWS && y + r < end; r++)
            conv_finish_row(call, index, 0, y + r, z, m->out[0], done + r * s->stride[1]);
    }
}

static size_t separable_segments(const pel_conv *conv, const conv_map *map)
{
    (void)conv;
    return (map->out[1] + BAND - 1) / BAND * map->out[2];
}

static void separable_run(const conv_call *call)
{
    pel_pool_run(call->conv->pool, separable_segments(call->conv, call->map), band,
                 (void *)(uintptr_t)call);
}

const conv_ops pel_conv_separable = {separable_open, separable_close, separable_run,
                                     separable_segments};
