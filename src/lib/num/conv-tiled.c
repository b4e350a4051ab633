/* conv-tiled.c - overlap-save: tiles whose transforms stay in the L2 cache, two tiles a transform.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A transform of a whole picture of megapixels streams through memory several times; a pair of tiles
 * of 128 x 128 with the PSF's spectrum is 280 KB and is loaded, transformed, multiplied, transformed
 * back and handed to the pointwise work without leaving the cache.  The PSF is real, so the two
 * tiles can be the real and the imaginary part of one complex picture and never mix: FFTW does
 * that at half the time of two real transforms of these sizes, and well without measured plans. */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/fft.h>

#include "conv-internal.h"

typedef struct {
    size_t side, stride; /* complex samples a row, and from one row to the next */
    size_t step[2];      /* finished samples a tile: side - n + 1 */
    pel_fft_tile *fft;
    pel_complex *transfer[2]; /* of the kernel and of the turned one, scaled */
    bool made[2];             /* when it is first needed: a blur needs no adjoint */
    pel_complex *samples;     /* side * stride a worker */
    float *lines;             /* 2 * side a worker */
} tiled;

/* Rows a power of two apart would fall on the same cache lines. */
#define PAD 8

/* Sides whose complex 2-D transforms FFTW does well at, and the cost of a transform pair and what
 * goes with it in ns a real sample, measured on one core. */
static const struct {
    size_t side;
    double cost;
} sides[] = {{32, 3.6}, {64, 2.9}, {128, 3.2}, {192, 4.6}, {256, 5.2}, {320, 5.2}};

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
    pel_fft_tile_free(t->fft);
    pel_free(t->transfer[0]);
    pel_free(t->transfer[1]);
    pel_free(t->samples);
    pel_free(t->lines);
    pel_free(t);
}

/* Tap k of the kernel at sample k - (n-1) of the tile, modulo its side: then the finished samples
 * of a tile begin at sample 0, and their rows are aligned. */
static void make_transfer(const pel_conv *conv, const tiled *t, const float *kernel,
                          pel_complex *transfer)
{
    size_t side = t->side;
    float scale = (float)(1.0 / (double)(side * side));
    memset(transfer, 0, side * t->stride * sizeof *transfer);
    for (size_t y = 0; y < conv->n[1]; y++)
        for (size_t x = 0; x < conv->n[0]; x++) {
            size_t ty = (y + side - (conv->n[1] - 1)) % side;
            size_t tx = (x + side - (conv->n[0] - 1)) % side;
            transfer[ty * t->stride + tx][0] = scale * kernel[y * conv->n[0] + x];
        }
    pel_fft_tile_forward(t->fft, transfer);
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
    t->stride = side + PAD;
    t->step[0] = side - conv->n[0] + 1;
    t->step[1] = side - conv->n[1] + 1;
    pel_status status = pel_fft_tile_new(ctx, side, t->stride, &t->fft);
    if (status != PEL_OK)
        return status;
    size_t workers = pel_pool_threads(conv->pool);
    size_t bytes = side * t->stride * sizeof(pel_complex);
    t->transfer[0] = pel_alloc(bytes);
    t->transfer[1] = pel_alloc(bytes);
    t->samples = pel_alloc(bytes * workers);
    t->lines = pel_alloc_floats(2 * side * workers);
    if (t->transfer[0] == NULL || t->transfer[1] == NULL || t->samples == NULL || t->lines == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    /* The padding is multiplied along: it must hold numbers. */
    memset(t->samples, 0, bytes * workers);
    return PEL_OK;
}

/* Where a tile begins in the result. */
typedef struct {
    size_t x, y, z;
} corner;

static void tiles_of(const tiled *t, const conv_map *m, size_t count[3])
{
    count[0] = (m->out[0] + t->step[0] - 1) / t->step[0];
    count[1] = (m->out[1] + t->step[1] - 1) / t->step[1];
    count[2] = m->out[2];
}

static corner corner_of(const tiled *t, const size_t count[3], size_t index)
{
    return (corner){index % count[0] * t->step[0], index / count[0] % count[1] * t->step[1],
                    index / count[0] / count[1]};
}

/* Row j of what a tile is made from: in the input where it lies inside, else put together, with 0
 * where there is nothing, in `line`. */
static const float *tile_row(const conv_call *call, corner at, size_t j, size_t side, float *line)
{
    const conv_map *m = call->map;
    const size_t *n = call->conv->n;
    ptrdiff_t x = (ptrdiff_t)at.x + m->shift[0] - (ptrdiff_t)(n[0] - 1);
    ptrdiff_t y = (ptrdiff_t)(at.y + j) + m->shift[1] - (ptrdiff_t)(n[1] - 1);
    ptrdiff_t z = (ptrdiff_t)at.z + m->shift[2], w = (ptrdiff_t)m->in[0], count = (ptrdiff_t)side;
    bool outside = z < 0 || z >= (ptrdiff_t)m->in[2] || y < 0 || y >= (ptrdiff_t)m->in[1];
    if (outside || x >= w || x + count <= 0) {
        memset(line, 0, side * sizeof *line);
        return line;
    }
    const float *row = call->from + ((size_t)z * m->in[1] + (size_t)y) * m->in[0];
    if (x >= 0 && x + count <= w)
        return row + x;
    ptrdiff_t left = x < 0 ? -x : 0, right = x + count > w ? w - x : count;
    memset(line, 0, (size_t)left * sizeof *line);
    memcpy(line + left, row + (x + left), (size_t)(right - left) * sizeof *line);
    memset(line + right, 0, (size_t)(count - right) * sizeof *line);
    return line;
}

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static void join(const float *re, const float *im, pel_complex *to, size_t count)
{
    size_t i = 0;
#ifdef __SSE2__
    for (; i + 4 <= count; i += 4) {
        __m128 a = _mm_loadu_ps(re + i), b = _mm_loadu_ps(im + i);
        _mm_storeu_ps(to[i], _mm_unpacklo_ps(a, b));
        _mm_storeu_ps(to[i + 2], _mm_unpackhi_ps(a, b));
    }
#endif
    for (; i < count; i++) {
        to[i][0] = re[i];
        to[i][1] = im[i];
    }
}

/* The real parts, or (part 1) the imaginary ones. */
static void part_of(const pel_complex *from, int part, float *to, size_t count)
{
    size_t i = 0;
#ifdef __SSE2__
    for (; i + 4 <= count; i += 4) {
        __m128 a = _mm_loadu_ps(from[i]), b = _mm_loadu_ps(from[i + 2]);
        _mm_storeu_ps(to + i, part == 0 ? _mm_shuffle_ps(a, b, _MM_SHUFFLE(2, 0, 2, 0))
                                        : _mm_shuffle_ps(a, b, _MM_SHUFFLE(3, 1, 3, 1)));
    }
#endif
    for (; i < count; i++)
        to[i] = from[i][part];
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

static void finish_tile(const conv_call *call, size_t segment, corner at, int part,
                        const pel_complex *samples, float *line)
{
    const tiled *t = call->conv->state;
    const size_t *out = call->map->out;
    size_t columns = out[0] - at.x < t->step[0] ? out[0] - at.x : t->step[0];
    size_t rows = out[1] - at.y < t->step[1] ? out[1] - at.y : t->step[1];
    for (size_t j = 0; j < rows; j++) {
        part_of(samples + j * t->stride, part, line, columns);
        conv_finish_row(call, segment, at.x, at.y + j, at.z, columns, line);
    }
}

/* Tiles 2 * index and the next; the last may be alone. */
static void one_pair(void *arg, size_t index, size_t worker)
{
    const conv_call *call = arg;
    const tiled *t = call->conv->state;
    size_t count[3], side = t->side, cells = side * t->stride;
    tiles_of(t, call->map, count);
    bool both = 2 * index + 1 < count[0] * count[1] * count[2];
    corner a = corner_of(t, count, 2 * index), b = corner_of(t, count, 2 * index + 1);
    pel_complex *samples = t->samples + worker * cells;
    float *line = t->lines + worker * 2 * side;
    if (!both)
        memset(line + side, 0, side * sizeof *line);
    for (size_t j = 0; j < side; j++) {
        const float *re = tile_row(call, a, j, side, line);
        const float *im = both ? tile_row(call, b, j, side, line + side) : line + side;
        join(re, im, samples + j * t->stride, side);
    }
    pel_fft_tile_forward(t->fft, samples);
    const pel_complex *transfer = (const pel_complex *)t->transfer[call->adjoint];
#ifdef PEL_X86
    if (call->conv->cpu >= PEL_CPU_AVX2)
        multiply_avx2(samples, transfer, cells);
    else
#endif
        multiply(samples, transfer, cells);
    pel_fft_tile_backward(t->fft, samples);
    finish_tile(call, index, a, 0, (const pel_complex *)samples, line);
    if (both)
        finish_tile(call, index, b, 1, (const pel_complex *)samples, line);
}

static size_t tiled_segments(const pel_conv *conv, const conv_map *map)
{
    size_t count[3];
    tiles_of(conv->state, map, count);
    return (count[0] * count[1] * count[2] + 1) / 2;
}

static void tiled_run(const conv_call *call)
{
    tiled *t = call->conv->state;
    if (!t->made[call->adjoint])
        make_transfer(call->conv, t, call->map->kernel, t->transfer[call->adjoint]);
    t->made[call->adjoint] = true;
    pel_pool_run(call->conv->pool, tiled_segments(call->conv, call->map), one_pair,
                 (void *)(uintptr_t)call);
}

const conv_ops pel_conv_tiled = {tiled_open, tiled_close, tiled_run, tiled_segments};
