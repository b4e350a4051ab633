/* conv-weigh.c - weighted sums along columns and rows, four rows of results at a time.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A sum of n products for a load each would wait for the loads: four rows of results take what is
 * loaded four times (columns), or share the weight (rows), and stay in registers meanwhile. */
#include "config.h"

#include <string.h>

#include "conv-internal.h"

#define STEP 16 /* columns at a time: for AVX2 two registers */
#define UNROLLED _Pragma("GCC unroll 16") /* else the sums live in memory */

/* One row of results: sum over j < terms of weights[j] from[j * stride + x]. */
static void one_row(const float *from, size_t stride, size_t terms, const float *weights, float *to,
                    size_t n)
{
    size_t x = 0;
    for (; x + STEP <= n; x += STEP) {
        float sums[STEP] = {0};
        for (size_t j = 0; j < terms; j++)
            UNROLLED for (size_t i = 0; i < STEP; i++)
                sums[i] += weights[j] * from[j * stride + x + i];
        memcpy(to + x, sums, sizeof sums);
    }
    for (; x < n; x++) {
        float sum = 0;
        for (size_t j = 0; j < terms; j++)
            sum += weights[j] * from[j * stride + x];
        to[x] = sum;
    }
}

static void columns_plain(const float *from, size_t stride, size_t terms, const float *weights,
                          float *to, size_t to_stride, size_t n)
{
    for (size_t r = 0; r < CONV_ROWS; r++)
        one_row(from, stride, terms, weights + (CONV_ROWS - 1 - r), to + r * to_stride, n);
}

static void rows_plain(const float *from, size_t stride, size_t terms, const float *weights,
                       float *to, size_t to_stride, size_t n)
{
    for (size_t r = 0; r < CONV_ROWS; r++)
        one_row(from + r * stride, 1, terms, weights, to + r * to_stride, n);
}

#ifdef PEL_X86
#include <immintrin.h>

/* Column of the next step; the last one begins earlier and does some columns twice. */
static size_t next_step(size_t x, size_t n)
{
    return x + 2 * STEP <= n || x + STEP >= n ? x + STEP : n - STEP;
}

__attribute__((target("avx2,fma"))) static void columns_avx2(const float *from, size_t stride,
                                                             size_t terms, const float *weights,
                                                             float *to, size_t to_stride, size_t n)
{
    if (n < STEP) {
        columns_plain(from, stride, terms, weights, to, to_stride, n);
        return;
    }
    for (size_t x = 0; x < n; x = next_step(x, n)) {
        __m256 a[CONV_ROWS], b[CONV_ROWS];
        UNROLLED for (int r = 0; r < CONV_ROWS; r++)
            a[r] = b[r] = _mm256_setzero_ps();
        const float *row = from + x;
        for (size_t j = 0; j < terms; j++, row += stride) {
            __m256 left = _mm256_loadu_ps(row), right = _mm256_loadu_ps(row + 8);
            UNROLLED for (int r = 0; r < CONV_ROWS; r++) {
                __m256 w = _mm256_broadcast_ss(weights + j + (size_t)(CONV_ROWS - 1 - r));
                a[r] = _mm256_fmadd_ps(w, left, a[r]);
                b[r] = _mm256_fmadd_ps(w, right, b[r]);
            }
        }
        UNROLLED for (int r = 0; r < CONV_ROWS; r++) {
            _mm256_storeu_ps(to + (size_t)r * to_stride + x, a[r]);
            _mm256_storeu_ps(to + (size_t)r * to_stride + x + 8, b[r]);
        }
    }
}

__attribute__((target("avx2,fma"))) static void rows_avx2(const float *from, size_t stride,
                                                          size_t terms, const float *weights,
                                                          float *to, size_t to_stride, size_t n)
{
    if (n < STEP) {
        rows_plain(from, stride, terms, weights, to, to_stride, n);
        return;
    }
    for (size_t x = 0; x < n; x = next_step(x, n)) {
        __m256 a[CONV_ROWS], b[CONV_ROWS];
        UNROLLED for (int r = 0; r < CONV_ROWS; r++)
            a[r] = b[r] = _mm256_setzero_ps();
        for (size_t k = 0; k < terms; k++) {
            __m256 w = _mm256_broadcast_ss(weights + k);
            UNROLLED for (int r = 0; r < CONV_ROWS; r++) {
                const float *at = from + (size_t)r * stride + x + k;
                a[r] = _mm256_fmadd_ps(w, _mm256_loadu_ps(at), a[r]);
                b[r] = _mm256_fmadd_ps(w, _mm256_loadu_ps(at + 8), b[r]);
            }
        }
        UNROLLED for (int r = 0; r < CONV_ROWS; r++) {
            _mm256_storeu_ps(to + (size_t)r * to_stride + x, a[r]);
            _mm256_storeu_ps(to + (size_t)r * to_stride + x + 8, b[r]);
        }
    }
}

const conv_weigh *conv_weigh_of(pel_cpu cpu)
{
    static const conv_weigh plain = {columns_plain, rows_plain}, avx2 = {columns_avx2, rows_avx2};
    return cpu >= PEL_CPU_AVX2 ? &avx2 : &plain;
}

#else

const conv_weigh *conv_weigh_of(pel_cpu cpu)
{
    static const conv_weigh plain = {columns_plain, rows_plain};
    (void)cpu;
    return &plain;
}

#endif
