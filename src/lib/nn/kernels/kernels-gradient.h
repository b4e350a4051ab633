/* kernels-gradient.h - a part of kernels-body.h: what only training needs.
 * SPDX-License-Identifier: GPL-3.0-or-later */

/* ---- Products over pixels: m rows by `vectors` vectors of columns, all sums in registers */

INLINE void accumulate_tile(size_t depth, const float *a, size_t a_stride, const float *b, size_t b_stride, float *out,
                            size_t out_stride, size_t m, size_t vectors, size_t columns)
{
    vec sum[ROWS][2];
    for (size_t r = 0; r < m; r++)
        for (size_t v = 0; v < vectors; v++)
            sum[r][v] = zero();
    for (size_t t = 0; t < depth; t++, a += a_stride, b += b_stride) {
        vec w[2];
        for (size_t v = 0; v < vectors; v++)
            w[v] = load(b + v * LANES);
        for (size_t r = 0; r < m; r++)
            for (size_t v = 0; v < vectors; v++)
                sum[r][v] += w[v] * a[r];
    }
    for (size_t r = 0; r < m; r++)
        for (size_t v = 0; v < vectors; v++) {
            float *to = out + r * out_stride + v * LANES;
            size_t left = columns - v * LANES;
            store_part(to, load_part(to, left) + sum[r][v], left);
        }
}

INLINE void accumulate_panel(size_t depth, const float *a, size_t a_stride, size_t rows, const float *b,
                             size_t b_stride, float *out, size_t out_stride, size_t vectors, size_t columns)
{
#define ONE_TILE(at, m)                                                                            \
    accumulate_tile(depth, a + (at), a_stride, b, b_stride, out + (at) * out_stride, out_stride, m, vectors, columns)
    TILES(rows, ONE_TILE);
#undef ONE_TILE
}

/* b is read up to a whole vector: there is KERNEL_SLACK behind rows. */
static void accumulate(size_t depth, const float *a, size_t a_stride, size_t rows, const float *b, size_t b_stride,
                       size_t columns, float *out, size_t out_stride)
{
    for (; columns >= 2 * LANES; columns -= 2 * LANES, b += 2 * LANES, out += 2 * LANES)
        accumulate_panel(depth, a, a_stride, rows, b, b_stride, out, out_stride, 2, 2 * LANES);
    if (columns > LANES)
        accumulate_panel(depth, a, a_stride, rows, b, b_stride, out, out_stride, 2, columns);
    else if (columns > 0)
        accumulate_panel(depth, a, a_stride, rows, b, b_stride, out, out_stride, 1, columns);
}

static void products(size_t pixels, size_t count, const float *a, size_t a_stride, const float *b, size_t b_stride,
                     float *sum)
{
    for (size_t c = 0; c < count; c += LANES) {
        size_t left = count - c;
        vec s = zero();
        for (size_t x = 0; x < pixels; x++) {
            vec v = load_part(a + x * a_stride + c, left);
            s += b != NULL ? v * load_part(b + x * b_stride + c, left) : v;
        }
        store_part(sum + c, load_part(sum + c, left) + s, left);
    }
}

/* ---- Winograd: A g of `size` vectors, six of them (Lavin & Gray's A' transposed) */

INLINE void back_1d(const vec g[4], vec t[6], size_t size)
{
    vec even = size == 4 ? g[0] + g[2] : g[0], odd = size == 4 ? g[1] + g[3] : g[1];
    vec even4 = size == 4 ? g[0] + 4 * g[2] : g[0], odd8 = size == 4 ? 2 * g[1] + 8 * g[3] : 2 * g[1];
    t[0] = g[0];
    t[1] = even + odd;
    t[2] = even - odd;
    t[3] = even4 + odd8;
    t[4] = even4 - odd8;
    t[5] = g[size - 1];
}

INLINE void winograd_back_body(const float *const rows[4], size_t step, size_t size, size_t channels, float *m,
                               size_t plane)
{
    for (size_t c = 0; c < channels; c += LANES) {
        vec columns[4][6];
        for (size_t x = 0; x < size; x++) {
            vec g[4];
            for (size_t y = 0; y < size; y++)
                g[y] = load(rows[y] + x * step + c);
            back_1d(g, columns[x], size);
        }
        for (size_t y = 0; y < 6; y++) {
            vec g[4], t[6];
            for (size_t x = 0; x < size; x++)
                g[x] = columns[x][y];
            back_1d(g, t, size);
            for (size_t x = 0; x < 6; x++)
                store(m + (6 * y + x) * plane + c, t[x]);
        }
    }
}

static void winograd_back(const float *const rows[4], size_t step, size_t size, size_t channels, float *m, size_t plane)
{
    if (size == 4)
        winograd_back_body(rows, step, 4, channels, m, plane);
    else
        winograd_back_body(rows, step, 2, channels, m, plane);
}

/* ---- Norms */

/* With z = (x - mean) f and f = 1 / sqrt(variance + epsilon): dx = f (dy - mean(dy) - z mean(z dy)). */
static void standardise_back(size_t pixels, size_t count, const float *x, size_t x_stride, const float *dy,
                             size_t dy_stride, float epsilon, float *dx, size_t dx_stride)
{
    const float share = 1 / (float)count;
    for (size_t p = 0; p < pixels; p++, x += x_stride, dy += dy_stride, dx += dx_stride) {
        float mean = sum(x, count) * share, slope = sum(dy, count) * share;
        float f = 1 / sqrtf(squares(x, count, mean) * share + epsilon);
        vec s = zero();
        for (size_t i = 0; i < count; i += LANES) {
            size_t left = count - i;
            vec d = load_part(dy + i, left); /* 0 behind the last channel */
            s += (load_part(x + i, left) - mean) * d;
        }
        float product = total(s) * f * share;
        for (size_t i = 0; i < count; i += LANES) {
            size_t left = count - i;
            vec z = (load_part(x + i, left) - mean) * f;
            store_part(dx + i, (load_part(dy + i, left) - slope - z * product) * f, left);
        }
    }
}

static void combine(size_t pixels, size_t count, const float *x, size_t x_stride, const float *y, size_t y_stride,
                    const float *a, const float *b, const float *c, float *out, size_t out_stride)
{
    for (size_t p = 0; p < pixels; p++, x += x_stride, y += y_stride, out += out_stride)
        for (size_t i = 0; i < count; i += LANES) {
            size_t left = count - i;
            vec v = load_part(a + i, left) * load_part(x + i, left) + load_part(b + i, left) * load_part(y + i, left);
            store_part(out + i, v + load_part(c + i, left), left);
        }
}
