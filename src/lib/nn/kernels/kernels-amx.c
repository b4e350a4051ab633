/* kernels-amx.c - the inner loops for processors with AMX: products of bf16 in its tiles (compiled with its flags).
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18.  A tile register has 16 rows of
 * 64 bytes.  TDPBF16PS adds to 16 x 16 sums the products of 16 pixels' runs of 32 samples and 16 pairs of rows of
 * weights.  Two tiles of pixels by two of columns: four products for four loads.
 */
#include <immintrin.h>

#include "kernels.h"

#define LANES 16
#define ROWS 14
#define KERNELS nn_kernels_amx
#define MULTIPLY_BF16 multiply_tiles
#define UNIT_BF16 32
#define DIRECT_BF16 true

static void multiply_tiles(const kernel_tile *t, size_t count, size_t columns);
#include "kernels-body.h"

#define SIDE 16 /* rows of a tile, and floats of a row */

/* What LDTILECFG reads. */
typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

/* Tiles 0 to 3: sums of pixels' tile i and columns' tile v are in 2 i + v; 4 and 5: pixels; 6 and 7: weights. */
static void configure(size_t m)
{
    tile_config c = {.palette = 1};
    size_t upper = m < SIDE ? m : SIDE, lower = m - upper;
    for (size_t i = 0; i < 8; i++) {
        size_t rows = i >= 6 ? SIDE : i == 0 || i == 1 || i == 4 ? upper : lower;
        c.rows[i] = (uint8_t)rows;
        c.row_bytes[i] = rows > 0 ? 64 : 0;
    }
    _tile_loadconfig(&c);
}

/* The last samples of a segment, with zeros behind them: what follows in memory may be anything. */
static const bf16 *copy_rest(const bf16 *a, size_t stride, size_t m, size_t rest, bf16 copy[2 * SIDE][32])
{
    for (size_t r = 0; r < m; r++) {
        memset(copy[r], 0, sizeof copy[r]);
        memcpy(copy[r], a + r * stride, rest * sizeof *a);
    }
    return copy[0];
}

INLINE void multiply_block(const kernel_tile *t, size_t first, size_t m, int two_high, int two_wide,
                           float sums[2 * SIDE][2 * SIDE])
{
    const bf16 *b = t->weights;
    const size_t row = (two_wide ? 2 : 1) * SIDE * 2; /* of weights */
    bf16 copy[2 * SIDE][32];
    _tile_zero(0);
    if (two_wide)
        _tile_zero(1);
    if (two_high)
        _tile_zero(2);
    if (two_high && two_wide)
        _tile_zero(3);
    for (size_t s = 0; s < t->segments; s++) {
        const bf16 *a = (const bf16 *)t->segment[s] + first * t->a_stride;
        for (size_t k = 0; k < t->length; k += UNIT_BF16, b += row * SIDE) {
            const bf16 *from = a + k;
            size_t stride = t->a_stride, rest = t->length - k;
            if (rest < UNIT_BF16) {
                from = copy_rest(from, stride, m, rest, copy);
                stride = UNIT_BF16;
            }
            _tile_loadd(4, from, stride * sizeof *from);
            _tile_loadd(6, b, row * sizeof *b);
            _tile_dpbf16ps(0, 4, 6);
            if (two_wide) {
                _tile_loadd(7, b + 2 * SIDE, row * sizeof *b);
                _tile_dpbf16ps(1, 4, 7);
            }
            if (two_high) {
                _tile_loadd(5, from + SIDE * stride, stride * sizeof *from);
                _tile_dpbf16ps(2, 5, 6);
            }
            if (two_high && two_wide)
                _tile_dpbf16ps(3, 5, 7);
        }
    }
    _tile_stored(0, sums[0], sizeof sums[0]);
    if (two_wide)
        _tile_stored(1, sums[0] + SIDE, sizeof sums[0]);
    if (two_high)
        _tile_stored(2, sums[SIDE], sizeof sums[0]);
    if (two_high && two_wide)
        _tile_stored(3, sums[SIDE] + SIDE, sizeof sums[0]);
}

static void finish_block(const kernel_tile *t, size_t first, size_t m, size_t columns,
                         float sums[2 * SIDE][2 * SIDE])
{
    const kernel_epilogue *e = &t->epilogue;
    for (size_t r = 0; r < m; r++) {
        const float *residual = e->residual != NULL ? e->residual + (first + r) * e->residual_stride : NULL;
        for (size_t c = 0; c < columns; c += LANES) {
            vec v = finish(load(sums[r] + c), e, c, residual, columns - c);
            put(t->out, (first + r) * t->out_stride + c, v, columns - c, e);
        }
    }
}

static void multiply_tiles(const kernel_tile *t, size_t count, size_t columns)
{
    float sums[2 * SIDE][2 * SIDE];
    size_t configured = 0;
    for (size_t at = 0; at < count; at += 2 * SIDE) {
        size_t m = count - at < 2 * SIDE ? count - at : 2 * SIDE;
        if (m != configured)
            configure(m);
        configured = m;
        if (m > SIDE && columns > SIDE)
            multiply_block(t, at, m, 1, 1, sums);
        else if (m > SIDE)
            multiply_block(t, at, m, 1, 0, sums);
        else if (columns > SIDE)
            multiply_block(t, at, m, 0, 1, sums);
        else
            multiply_block(t, at, m, 0, 0, sums);
        finish_block(t, at, m, columns, sums);
    }
    if (count > 0)
        _tile_release();
}
