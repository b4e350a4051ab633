/* kernels-bf16.h - a part of kernels-body.h: samples that are bf16, and products of them.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * multiply_bf16 below multiplies in float what it widens; with BF16_PAIR(sum, a, w), the processor's instruction
 * for pairs, or MULTIPLY_BF16, a function of the including file, in its place. */

typedef unsigned word __attribute__((vector_size(LANES * sizeof(unsigned))));
typedef bf16 halves __attribute__((vector_size(LANES * sizeof(bf16))));
typedef bf16 loose_halves __attribute__((vector_size(LANES * sizeof(bf16)), aligned(2), may_alias));
typedef unsigned loose_word __attribute__((vector_size(LANES * sizeof(unsigned)), aligned(2), may_alias));

/* To the nearest, ties to even; a NaN stays one. */
INLINE halves narrow(vec v)
{
    word u = (word)v, nan = (word)(v != v);
    u = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
    return __builtin_convertvector((u & ~nan) | (nan & 0x7fc0), halves);
}

INLINE vec widen(const bf16 *p) { return (vec)(__builtin_convertvector(*(const loose_halves *)p, word) << 16); }

static void to_bf16(const float *from, size_t count, bf16 *to)
{
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        *(loose_halves *)(to + i) = narrow(load(from + i));
    for (; i < count; i++) {
        halves last = narrow(load_part(from + i, 1));
        to[i] = last[0];
    }
}

/* Sample `at` and those after it, as the epilogue says. */
INLINE void put(void *out, size_t at, vec v, size_t left, const kernel_epilogue *e)
{
    if (!e->half) {
        store_part((float *)out + at, v, left);
        return;
    }
    halves h = narrow(v);
    if (left >= LANES)
        *(loose_halves *)((bf16 *)out + at) = h;
    else
        memcpy((bf16 *)out + at, &h, left * sizeof(bf16));
}

#ifndef BF16_PAIR
/* The lower half of each word is the first of a pair. */
INLINE vec pair_product(vec sum, unsigned a, word w)
{
    word first = (word){0} + (a << 16), second = (word){0} + (a & 0xffff0000u);
    sum += (vec)first * (vec)(w << 16);
    return sum + (vec)second * (vec)(w & 0xffff0000u);
}
#define BF16_PAIR(sum, a, w) pair_product(sum, a, w)
#endif

#ifndef MULTIPLY_BF16
#define MULTIPLY_BF16 multiply_bf16
#define UNIT_BF16 2

INLINE void tile_bf16(const kernel_tile *t, size_t first, size_t m, size_t vectors, size_t columns)
{
    vec sum[ROWS][2];
    for (size_t r = 0; r < m; r++)
        for (size_t v = 0; v < vectors; v++)
            sum[r][v] = zero();
    const bf16 *b = t->weights;
    const size_t stride = t->a_stride, length = t->length;
    for (size_t s = 0; s < t->segments; s++) {
        const bf16 *a = (const bf16 *)t->segment[s] + first * stride;
        for (size_t k = 0; k < length; k += 2) {
            word w[2];
            for (size_t v = 0; v < vectors; v++)
                w[v] = *(const loose_word *)(b + 2 * v * LANES);
            for (size_t r = 0; r < m; r++) {
                unsigned pair;
                memcpy(&pair, a + r * stride + k, sizeof pair);
                for (size_t v = 0; v < vectors; v++)
                    sum[r][v] = BF16_PAIR(sum[r][v], pair, w[v]);
            }
            b += 2 * vectors * LANES;
        }
    }
    const kernel_epilogue *e = &t->epilogue;
    for (size_t r = 0; r < m; r++) {
        const float *residual = e->residual != NULL ? e->residual + (first + r) * e->residual_stride : NULL;
        for (size_t v = 0; v < vectors; v++) {
            size_t left = columns - v * LANES;
            put(t->out, (first + r) * t->out_stride + v * LANES, finish(sum[r][v], e, v * LANES, residual, left), left,
                e);
        }
    }
}

INLINE void multiply_bf16_body(const kernel_tile *t, size_t count, size_t vectors, size_t columns)
{
#define ONE_TILE(at, m) tile_bf16(t, at, m, vectors, columns)
    TILES(count, ONE_TILE);
#undef ONE_TILE
}

static void multiply_bf16(const kernel_tile *t, size_t count, size_t columns)
{
    if (columns == 2 * LANES)
        multiply_bf16_body(t, count, 2, 2 * LANES);
    else if (columns > LANES)
        multiply_bf16_body(t, count, 2, columns);
    else
        multiply_bf16_body(t, count, 1, columns);
}
#endif
