/* conv-separable.c - kernels that are products of a row and a column (Gaussians): two passes of 1-D
 * sums over bands of rows that stay in the cache.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "conv-internal.h"

#define BAND 64 /* rows of the result a piece of work */

/* sum_k weights[k] * rows[k][x] for x < n: both passes are this, with rows that are shifted views of
 * one row, or rows of a column. */
typedef void (*weigh)(float *restrict to, const float *const *rows, const float *weights,
                      size_t taps, size_t n);

typedef struct {
    float *factors[2];  /* row, column: of the kernel, then of the turned one */
    float *work;        /* a worker: the band after the row pass, and a padded row */
    size_t padded, band_floats, worker_floats;
    const float **pointers; /* taps a worker */
    size_t most_taps;
    weigh weigh;
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

static void weigh_plain(float *restrict to, const float *const *rows, const float *weights,
                        size_t taps, size_t n)
{
    memset(to, 0, n * sizeof *to);
    for (size_t k = 0; k < taps; k++)
        for (size_t x = 0; x < n; x++)
            to[x] += weights[k] * rows[k][x];
}

#ifdef PEL_X86
#include <immintrin.h>

/* 32 sums stay in registers while the taps go by. */
__attribute__((target("avx2,fma"))) static void weigh_avx2(float *restrict to,
                                                           const float *const *rows,
                                                           const float *weights, size_t taps,
                                                           size_t n)
{
    size_t x = 0;
    for (; x + 32 <= n; x += 32) {
        __m256 a = _mm256_setzero_ps(), b = a, c = a, d = a;
        for (size_t k = 0; k < taps; k++) {
            __m256 w = _mm256_broadcast_ss(weights + k);
            const float *r = rows[k] + x;
            a = _mm256_fmadd_ps(w, _mm256_loadu_ps(r), a);
            b = _mm256_fmadd_ps(w, _mm256_loadu_ps(r + 8), b);
            c = _mm256_fmadd_ps(w, _mm256_loadu_ps(r + 16), c);
            d = _mm256_fmadd_ps(w, _mm256_loadu_ps(r + 24), d);
        }
        _mm256_storeu_ps(to + x, a);
        _mm256_storeu_ps(to + x + 8, b);
        _mm256_storeu_ps(to + x + 16, c);
        _mm256_storeu_ps(to + x + 24, d);
    }
    for (; x < n; x++) {
        float sum = 0;
        for (size_t k = 0; k < taps; k++)
            sum += weights[k] * rows[k][x];
        to[x] = sum;
    }
}
#endif

static void separable_close(pel_conv *conv)
{
    separable *s = conv->state;
    if (s == NULL)
        return;
    pel_free(s->factors[0]);
    pel_free(s->factors[1]);
    pel_free(s->work);
    pel_free(s->pointers);
    pel_free(s);
}

static pel_status separable_open(const pel_context *ctx, pel_conv *conv)
{
    const size_t *n = conv->n;
    separable *s = pel_alloc(sizeof *s);
    if (s == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    memset(s, 0, sizeof *s);
    conv->state = s;
    size_t width = conv->forward.out[0] > conv->forward.in[0] ? conv->forward.out[0]
                                                              : conv->forward.in[0];
    size_t workers = pel_pool_threads(conv->pool);
    s->most_taps = n[0] > n[1] ? n[0] : n[1];
    s->padded = (width + n[0] + 15) / 16 * 16;
    s->band_floats = (BAND + n[1] - 1) * ((width + 15) / 16 * 16);
    s->worker_floats = s->band_floats + s->padded + (width + 15) / 16 * 16;
    s->factors[0] = pel_alloc_floats(n[0] + n[1]);
    s->factors[1] = pel_alloc_floats(n[0] + n[1]);
    s->work = pel_alloc_floats(s->worker_floats * workers);
    s->pointers = pel_alloc(s->most_taps * workers * sizeof *s->pointers);
    if (s->factors[0] == NULL || s->factors[1] == NULL || s->work == NULL || s->pointers == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    if (!conv_factor(conv->kernel, n, s->factors[0]) ||
        !conv_factor(conv->turned, n, s->factors[1]))
        return pel_error_set(ctx->error, PEL_EINVAL, "the PSF is not separable");
    s->weigh = weigh_plain;
#ifdef PEL_X86
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        s->weigh = weigh_avx2;
#endif
    return PEL_OK;
}

/* The row pass of input row (y, z) into `to`; outside the picture it is zero. */
static void row_pass(const conv_call *call, const separable *s, ptrdiff_t y, ptrdiff_t z,
                     float *padded, const float **pointers, float *to)
{
    const conv_map *m = call->map;
    size_t n = call->conv->n[0], out = m->out[0];
    if (y < 0 || y >= (ptrdiff_t)m->in[1] || z < 0 || z >= (ptrdiff_t)m->in[2]) {
        memset(to, 0, out * sizeof *to);
        return;
    }
    const float *from = call->from + ((size_t)z * m->in[1] + (size_t)y) * m->in[0];
    /* padded[i] is input sample i + first. */
    ptrdiff_t first = m->shift[0] - (ptrdiff_t)(n - 1);
    size_t length = out + n - 1;
    for (size_t i = 0; i < length;) {
        ptrdiff_t x = (ptrdiff_t)i + first;
        size_t run;
        if (x < 0) {
            run = (size_t)-x < length - i ? (size_t)-x : length - i;
            memset(padded + i, 0, run * sizeof *padded);
        } else if (x < (ptrdiff_t)m->in[0]) {
            run = m->in[0] - (size_t)x < length - i ? m->in[0] - (size_t)x : length - i;
            memcpy(padded + i, from + x, run * sizeof *padded);
        } else {
            run = length - i;
            memset(padded + i, 0, run * sizeof *padded);
        }
        i += run;
    }
    for (size_t k = 0; k < n; k++)
        pointers[k] = padded + (n - 1 - k);
    s->weigh(to, pointers, s->factors[call->adjoint], n, out);
}

static void band(void *arg, size_t index, size_t worker)
{
    const conv_call *call = arg;
    const conv_map *m = call->map;
    const separable *s = call->conv->state;
    size_t n = call->conv->n[1], stride = (m->out[0] + 15) / 16 * 16;
    size_t bands = (m->out[1] + BAND - 1) / BAND;
    size_t y0 = index % bands * BAND, z = index / bands;
    size_t rows = m->out[1] - y0 < BAND ? m->out[1] - y0 : BAND;
    float *work = s->work + worker * s->worker_floats;
    float *padded = work + s->band_floats, *row = padded + s->padded;
    const float **pointers = s->pointers + worker * s->most_taps;
    ptrdiff_t first = (ptrdiff_t)y0 + m->shift[1] - (ptrdiff_t)(n - 1);
    for (size_t j = 0; j < rows + n - 1; j++)
        row_pass(call, s, first + (ptrdiff_t)j, (ptrdiff_t)z + m->shift[2], padded, pointers,
                 work + j * stride);
    for (size_t j = 0; j < rows; j++) {
        for (size_t k = 0; k < n; k++)
            pointers[k] = work + (j + n - 1 - k) * stride;
        s->weigh(row, pointers, s->factors[call->adjoint] + call->conv->n[0], n, m->out[0]);
        conv_finish_row(call, index, 0, y0 + j, z, m->out[0], row);
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
