/* conv-tiled.c - overlap-save: tiles whose transforms stay in the L2 cache, one thread a tile.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A transform of a whole picture of megapixels streams through memory several times; a tile of 192 x
 * 192 with its spectrum is 290 KB and is loaded, transformed, multiplied, transformed back and
 * handed to the pointwise work without leaving the cache. */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/fft.h>

#include "conv-internal.h"

typedef struct {
    size_t side;
    size_t step[2]; /* finished samples a tile: side - n + 1 */
    pel_fft *fft;
    pel_complex *transfer[2]; /* of the kernel and of the turned one, scaled */
    float *samples;           /* side * side a worker */
    pel_complex *spectrum;
    size_t spectrum_count;
} tiled;

/* Sides whose real 2-D transforms FFTW does well at, and the cost of a transform pair and its
 * multiplication in ns a sample of the tile, measured on one core (bench/conv). */
static const struct {
    size_t side;
    double cost;
} sides[] = {{32, 2.3}, {48, 2.5}, {64, 2.5}, {96, 2.7}, {128, 2.9}, {160, 3.1}, {192, 3.1}, {256, 3.4}, {320, 4.2}};

size_t conv_tile_side(size_t n0, size_t n1, const size_t out[3], double *cost)
{
    size_t best = 0;
    *cost = HUGE_VAL;
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
        size_t side = sides[i].side;
        if (n0 > side / 2 || n1 > side / 2)
            continue;
        double tiles = ceil((double)out[0] / (double)(side - n0 + 1)) *
                       ceil((double)out[1] / (double)(side - n1 + 1));
        double c = sides[i].cost * tiles * (double)(side * side) / (double)(out[0] * out[1]);
        if (c < *cost) {
            *cost = c;
            best = side;
        }
    }
    return best;
}

static void tiled_close(pel_conv *conv)
{
    tiled *t = conv->state;
    if (t == NULL)
        return;
    pel_fft_free(t->fft);
    pel_free(t->transfer[0]);
    pel_free(t->transfer[1]);
    pel_free(t->samples);
    pel_free(t->spectrum);
    pel_free(t);
}

/* Tap k of the kernel at sample k - (n-1) of the tile, modulo its side: then the finished samples
 * of a tile begin at sample 0, and their rows are aligned. */
static void make_transfer(const pel_conv *conv, tiled *t, const float *kernel, pel_complex *transfer)
{
    size_t side = t->side;
    float scale = (float)(1.0 / (double)(side * side));
    memset(t->samples, 0, side * side * sizeof *t->samples);
    for (size_t y = 0; y < conv->n[1]; y++)
        for (size_t x = 0; x < conv->n[0]; x++) {
            size_t ty = (y + side - (conv->n[1] - 1)) % side;
            size_t tx = (x + side - (conv->n[0] - 1)) % side;
            t->samples[ty * side + tx] = scale * kernel[y * conv->n[0] + x];
        }
    pel_fft_forward(t->fft, t->samples, transfer);
}

static pel_status tiled_open(const pel_context *ctx, pel_conv *conv)
{
    double cost;
    size_t side = conv_tile_side(conv->n[0], conv->n[1], conv->forward.out, &cost);
    if (conv->n[2] != 1 || side == 0)
        return pel_error_set(ctx->error, PEL_EINVAL, "a PSF of %zux%zux%zu is too large for tiles",
                             conv->n[0], conv->n[1], conv->n[2]);
    tiled *t = pel_alloc(sizeof *t);
    if (t == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    memset(t, 0, sizeof *t);
    conv->state = t;
    t->side = side;
    t->step[0] = side - conv->n[0] + 1;
    t->step[1] = side - conv->n[1] + 1;
    /* A tile belongs to one thread: its transform has none of its own. */
    pel_context single = *ctx;
    single.pool = NULL;
    pel_status status = pel_fft_new(&single, side, side, 1, &t->fft);
    if (status != PEL_OK)
        return status;
    t->spectrum_count = (pel_fft_count(t->fft) + 7) / 8 * 8;
    size_t workers = pel_pool_threads(conv->pool);
    size_t complexes = t->spectrum_count * sizeof(pel_complex);
    t->transfer[0] = pel_alloc(complexes);
    t->transfer[1] = pel_alloc(complexes);
    t->samples = pel_alloc_floats(side * side * workers);
    t->spectrum = pel_alloc(complexes * workers);
    if (t->transfer[0] == NULL || t->transfer[1] == NULL || t->samples == NULL ||
        t->spectrum == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    make_transfer(conv, t, conv->kernel, t->transfer[0]);
    make_transfer(conv, t, conv->turned, t->transfer[1]);
    return PEL_OK;
}

static void tiles_of(const tiled *t, const conv_map *m, size_t count[3])
{
    count[0] = (m->out[0] + t->step[0] - 1) / t->step[0];
    count[1] = (m->out[1] + t->step[1] - 1) / t->step[1];
    count[2] = m->out[2];
}

/* Samples x0 .. x0+side-1, y0 .. of plane z of the input, 0 where there are none. */
static void load_tile(const conv_call *call, ptrdiff_t x0, ptrdiff_t y0, ptrdiff_t z, size_t side,
                      float *to)
{
    const conv_map *m = call->map;
    ptrdiff_t w = (ptrdiff_t)m->in[0], h = (ptrdiff_t)m->in[1], n = (ptrdiff_t)side;
    bool outside = z < 0 || z >= (ptrdiff_t)m->in[2] || x0 >= w || x0 + n <= 0;
    ptrdiff_t left = x0 < 0 ? -x0 : 0, right = x0 + n > w ? w - x0 : n;
    for (ptrdiff_t j = 0; j < n; j++, to += side) {
        ptrdiff_t y = y0 + j;
        if (outside || y < 0 || y >= h) {
            memset(to, 0, side * sizeof *to);
            continue;
        }
        const float *s = call->from + ((size_t)z * m->in[1] + (size_t)y) * m->in[0];
        memset(to, 0, (size_t)left * sizeof *to);
        memcpy(to + left, s + (x0 + left), (size_t)(right - left) * sizeof *to);
        memset(to + right, 0, (size_t)(n - right) * sizeof *to);
    }
}

static void multiply(pel_complex *restrict s, const pel_complex *restrict k, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float a = s[i][0], b = s[i][1];
        s[i][0] = a * k[i][0] - b * k[i][1];
        s[i][1] = a * k[i][1] + b * k[i][0];
    }
}

#ifdef PEL_X86
#include <immintrin.h>

/* The same products, fused: the last bit may differ. */
__attribute__((target("avx2,fma"))) static void multiply_avx2(pel_complex *restrict s,
                                                              const pel_complex *restrict k,
                                                              size_t count)
{
    for (size_t i = 0; i + 4 <= count; i += 4) {
        __m256 a = _mm256_load_ps(s[i]), b = _mm256_load_ps(k[i]);
        __m256 swapped = _mm256_permute_ps(a, 0xb1);
        __m256 im = _mm256_mul_ps(swapped, _mm256_movehdup_ps(b));
        _mm256_store_ps(s[i], _mm256_fmaddsub_ps(a, _mm256_moveldup_ps(b), im));
    }
    multiply(s + count / 4 * 4, k + count / 4 * 4, count % 4);
}
#endif

static void one_tile(void *arg, size_t index, size_t worker)
{
    const conv_call *call = arg;
    const conv_map *m = call->map;
    const tiled *t = call->conv->state;
    size_t count[3];
    tiles_of(t, m, count);
    size_t x = index % count[0] * t->step[0], y = index / count[0] % count[1] * t->step[1];
    size_t z = index / count[0] / count[1];
    float *samples = t->samples + worker * t->side * t->side;
    pel_complex *spectrum = t->spectrum + worker * t->spectrum_count;
    load_tile(call, (ptrdiff_t)x + m->shift[0] - (ptrdiff_t)(call->conv->n[0] - 1),
              (ptrdiff_t)y + m->shift[1] - (ptrdiff_t)(call->conv->n[1] - 1),
              (ptrdiff_t)z + m->shift[2], t->side, samples);
    pel_fft_forward(t->fft, samples, spectrum);
    const pel_complex *transfer = (const pel_complex *)t->transfer[call->adjoint];
#ifdef PEL_X86
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        multiply_avx2(spectrum, transfer, pel_fft_count(t->fft));
    else
#endif
        multiply(spectrum, transfer, pel_fft_count(t->fft));
    pel_fft_backward(t->fft, spectrum, samples);
    size_t columns = m->out[0] - x < t->step[0] ? m->out[0] - x : t->step[0];
    size_t rows = m->out[1] - y < t->step[1] ? m->out[1] - y : t->step[1];
    for (size_t j = 0; j < rows; j++)
        conv_finish_row(call, index, x, y + j, z, columns, samples + j * t->side);
}

static size_t tiled_segments(const pel_conv *conv, const conv_map *map)
{
    size_t count[3];
    tiles_of(conv->state, map, count);
    return count[0] * count[1] * count[2];
}

static void tiled_run(const conv_call *call)
{
    pel_pool_run(call->conv->pool, tiled_segments(call->conv, call->map), one_tile,
                 (void *)(uintptr_t)call);
}

const conv_ops pel_conv_tiled = {tiled_open, tiled_close, tiled_run, tiled_segments};
