/* kernels-body.h - the inner loops, for vectors of LANES floats and tiles of ROWS pixels; the including file
 * names the result KERNELS.  See kernels.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "kernels.h"

typedef float vec __attribute__((vector_size(LANES * sizeof(float))));
typedef float loose __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

typedef int mask __attribute__((vector_size(LANES * sizeof(int))));

#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const float *p) { return *(const loose *)p; }
INLINE void store(float *p, vec v) { *(loose *)p = v; }
INLINE vec zero(void) { return (vec){0}; }
/* max(v, 0) and min(v, 0), by masks; a NaN goes to the latter. */
INLINE vec positive(vec v) { return (vec)((mask)v & (v > zero())); }
INLINE vec negative(vec v) { return (vec)((mask)v & ~(v > zero())); }

INLINE void store_part(float *p, vec v, size_t count)
{
    if (count >= LANES)
        store(p, v);
    else {
        float part[LANES];
        store(part, v);
        memcpy(p, part, count * sizeof *p);
    }
}

INLINE vec load_part(const float *p, size_t count)
{
    if (count >= LANES)
        return load(p);
    float part[LANES] = {0};
    memcpy(part, p, count * sizeof *p);
    return load(part);
}

/* Bias and slopes are padded to whole panels; residuals are not. */
INLINE vec finish(vec sum, const kernel_epilogue *e, size_t column, const float *residual, size_t count)
{
    vec r = residual != NULL ? load_part(residual + column, count) : zero();
    if (e->bias != NULL)
        sum += load(e->bias + column);
    if (residual != NULL && !e->residual_last)
        sum += r;
    if (e->slopes != NULL)
        sum = positive(sum) + load(e->slopes + column) * negative(sum);
    if (residual != NULL && e->residual_last)
        sum += r;
    return sum;
}

/* Whole tiles, then smaller ones.  A tile and a little more are two of about the same height: a low tile waits for its
 * weights. */
#define TILES(count, one_tile)                                                                     \
    do {                                                                                           \
        size_t at = 0;                                                                             \
        for (; at + ROWS <= count && (ROWS < 14 || count - at != 16); at += ROWS)                  \
            one_tile(at, ROWS);                                                                    \
        for (; ROWS > 8 && at + 8 <= count; at += 8)                                               \
            one_tile(at, 8);                                                                       \
        for (; ROWS > 4 && at + 4 <= count; at += 4)                                               \
            one_tile(at, 4);                                                                       \
        for (; at + 2 <= count; at += 2)                                                           \
            one_tile(at, 2);                                                                       \
        if (at < count)                                                                            \
            one_tile(at, 1);                                                                       \
    } while (0)

#include "kernels-bf16.h"

/* ---- The tile of a product: m pixels, `vectors` vectors of columns, all sums in registers */

/* `plain`: whole vectors are stored, nothing is done to the sums. */
INLINE void tile_body(const kernel_tile *t, size_t first, size_t m, size_t vectors, size_t columns, int plain)
{
    vec sum[ROWS][2];
    for (size_t r = 0; r < m; r++)
        for (size_t v = 0; v < vectors; v++)
            sum[r][v] = zero();
    const float *b = t->weights;
    const size_t stride = t->a_stride, length = t->length;
    for (size_t s = 0; s < t->segments; s++) {
        const float *a = (const float *)t->segment[s] + first * stride;
        for (size_t k = 0; k < length; k++) {
            vec w[2];
            for (size_t v = 0; v < vectors; v++)
                w[v] = load(b + v * LANES);
            for (size_t r = 0; r < m; r++)
                for (size_t v = 0; v < vectors; v++)
                    sum[r][v] += w[v] * a[r * stride + k];
            b += vectors * LANES;
        }
    }
    const kernel_epilogue *e = &t->epilogue;
    for (size_t r = 0; r < m && plain; r++)
        for (size_t v = 0; v < vectors; v++)
            store((float *)t->out + (first + r) * t->out_stride + v * LANES, sum[r][v]);
    for (size_t r = 0; r < m && !plain; r++) {
        const float *residual =
            e->residual != NULL ? e->residual + (first + r) * e->residual_stride : NULL;
        for (size_t v = 0; v < vectors; v++) {
            size_t left = columns - v * LANES;
            put(t->out, (first + r) * t->out_stride + v * LANES, finish(sum[r][v], e, v * LANES, residual, left), left,
                e);
        }
    }
}

INLINE void multiply_body(const kernel_tile *t, size_t count, size_t vectors, size_t columns, int plain)
{
#define ONE_TILE(at, m) tile_body(t, at, m, vectors, columns, plain)
    TILES(count, ONE_TILE);
#undef ONE_TILE
}

static void multiply(const kernel_tile *t, size_t count, size_t columns)
{
    const kernel_epilogue *e = &t->epilogue;
    bool nothing = e->bias == NULL && e->slopes == NULL && e->residual == NULL && !e->half;
    if (nothing && columns == 2 * LANES)
        multiply_body(t, count, 2, columns, 1);
    else if (nothing && columns == LANES)
        multiply_body(t, count, 1, columns, 1);
    else if (columns == 2 * LANES)
        multiply_body(t, count, 2, 2 * LANES, 0);
    else if (columns == LANES)
        multiply_body(t, count, 1, LANES, 0);
    else if (columns > LANES)
        multiply_body(t, count, 2, columns, 0);
    else
        multiply_body(t, count, 1, columns, 0);
}

/* ---- Few columns */

typedef float four __attribute__((vector_size(4 * sizeof(float))));

/* Halves are added until four are left. */
INLINE float total(vec v)
{
    four part[LANES / 4];
    memcpy(part, &v, sizeof v);
    for (size_t n = LANES / 8; n > 0; n /= 2)
        for (size_t i = 0; i < n; i++)
            part[i] += part[i + n];
    return (part[0][0] + part[0][2]) + (part[0][1] + part[0][3]);
}

INLINE void dot_body(const kernel_tile *t, size_t first, size_t m, size_t columns)
{
    vec sum[4][4];
    float rest[4][4] = {{0}};
    const size_t length = t->length, whole = length - length % LANES, all = t->segments * length;
    for (size_t r = 0; r < m; r++)
        for (size_t n = 0; n < columns; n++)
            sum[r][n] = zero();
    for (size_t s = 0; s < t->segments; s++) {
        const float *a = (const float *)t->segment[s] + first * t->a_stride;
        const float *w = (const float *)t->weights + s * length;
        for (size_t k = 0; k < whole; k += LANES)
            for (size_t n = 0; n < columns; n++) {
                vec b = load(w + n * all + k);
                for (size_t r = 0; r < m; r++)
                    sum[r][n] += b * load(a + r * t->a_stride + k);
            }
        for (size_t k = whole; k < length; k++)
            for (size_t n = 0; n < columns; n++)
                for (size_t r = 0; r < m; r++)
                    rest[r][n] += w[n * all + k] * a[r * t->a_stride + k];
    }
    const kernel_epilogue *e = &t->epilogue;
    for (size_t r = 0; r < m; r++)
        for (size_t n = 0; n < columns; n++) {
            float y = total(sum[r][n]) + rest[r][n] + (e->bias != NULL ? e->bias[n] : 0);
            float add = e->residual != NULL ? e->residual[(first + r) * e->residual_stride + n] : 0;
            y += e->residual_last ? 0 : add;
            if (e->slopes != NULL && !(y > 0))
                y *= e->slopes[n];
            ((float *)t->out)[(first + r) * t->out_stride + n] = y + (e->residual_last ? add : 0);
        }
}

static void dot(const kernel_tile *t, size_t count, size_t columns)
{
    size_t at = 0;
    for (; at + 4 <= count; at += 4)
        if (columns == 1)
            dot_body(t, at, 4, 1);
        else if (columns == 3)
            dot_body(t, at, 4, 3);
        else
            dot_body(t, at, 4, columns);
    for (; at < count; at++)
        dot_body(t, at, 1, columns);
}

/* ---- Depthwise */

INLINE void depthwise_body(const kernel_tile *t, size_t first, size_t m, size_t c, size_t left)
{
    vec sum[4];
    for (size_t r = 0; r < m; r++)
        sum[r] = zero();
    for (size_t s = 0; s < t->segments; s++) {
        const float *a = (const float *)t->segment[s] + first * t->a_stride + c;
        vec w = load_part((const float *)t->weights + s * t->length + c, left);
        for (size_t r = 0; r < m; r++)
            sum[r] += w * load(a + r * t->a_stride);
    }
    const kernel_epilogue *e = &t->epilogue;
    for (size_t r = 0; r < m; r++) {
        const float *residual =
            e->residual != NULL ? e->residual + (first + r) * e->residual_stride : NULL;
        put(t->out, (first + r) * t->out_stride + c, finish(sum[r], e, c, residual, left), left, e);
    }
}

static void depthwise(const kernel_tile *t, size_t count)
{
    for (size_t c = 0; c < t->length; c += LANES) {
        size_t at = 0, left = t->length - c;
        for (; at + 4 <= count && left >= LANES; at += 4)
            depthwise_body(t, at, 4, c, LANES);
        for (; at < count; at++)
            depthwise_body(t, at, 1, c, left);
    }
}

/* ---- Winograd F(4x4, 3x3) and F(2x2, 5x5), both on 6 x 6 inputs: A. Lavin & S. Gray, Fast algorithms for
 * convolutional neural networks, CVPR 2016, section 4.3 (their matrices B and A; G is where the weights are
 * packed).  The second has the points of the first (0, 1, -1, 2, -2, infinity), so B is the same, and A has
 * the first two rows, with the point at infinity in the second. */

/* B' d of six vectors. */
INLINE void in_1d(const vec d[6], vec t[6])
{
    vec a = d[4] - 4 * d[2], b = d[3] - 4 * d[1], c = d[4] - d[2], e = 2 * (d[3] - d[1]);
    t[0] = 4 * d[0] - 5 * d[2] + d[4];
    t[1] = a + b;
    t[2] = a - b;
    t[3] = c + e;
    t[4] = c - e;
    t[5] = 4 * d[1] - 5 * d[3] + d[5];
}

INLINE void winograd_in_body(const void *const rows[6], size_t step, size_t channels, float *v, size_t plane, int half)
{
    for (size_t c = 0; c < channels; c += LANES) {
        vec columns[6][6]; /* after the transform along y: [x][row of B'd] */
        for (size_t x = 0; x < 6; x++) {
            vec d[6];
            for (size_t y = 0; y < 6; y++)
                d[y] = half ? widen((const bf16 *)rows[y] + x * step + c)
                            : load((const float *)rows[y] + x * step + c);
            in_1d(d, columns[x]);
        }
        for (size_t y = 0; y < 6; y++) {
            vec d[6], t[6];
            for (size_t x = 0; x < 6; x++)
                d[x] = columns[x][y];
            in_1d(d, t);
            for (size_t x = 0; x < 6; x++)
                store(v + (6 * y + x) * plane + c, t[x]);
        }
    }
}

static void winograd_in(const void *const rows[6], size_t step, size_t channels, float *v, size_t plane)
{
    winograd_in_body(rows, step, channels, v, plane, 0);
}

static void winograd_in_bf16(const void *const rows[6], size_t step, size_t channels, float *v, size_t plane)
{
    winograd_in_body(rows, step, channels, v, plane, 1);
}

/* A' m of six vectors: `size` outputs. */
INLINE void out_1d(const vec m[6], vec t[4], size_t size)
{
    vec p = m[1] + m[2], q = m[1] - m[2], r = m[3] + m[4], s = m[3] - m[4];
    t[0] = m[0] + p + r;
    t[1] = size == 2 ? q + 2 * s + m[5] : q + 2 * s;
    if (size == 4) {
        t[2] = p + 4 * r;
        t[3] = q + 8 * s + m[5];
    }
}

/* One vector of channels, `left` of its lanes in use; with ny, nx and left constant the loops unroll. */
INLINE void winograd_out_body(const float *m, size_t plane, void *const rows[4], size_t step,
                              const float *const residual_rows[4], size_t residual_step, size_t size,
                              size_t ny, size_t nx, size_t c, size_t left, const kernel_epilogue *epilogue)
{
    vec half[6][4]; /* after the transform along x */
    for (size_t y = 0; y < 6; y++) {
        vec d[6];
        for (size_t x = 0; x < 6; x++) {
            const float *at = m + (6 * y + x) * plane + c;
            d[x] = load(at);
            __builtin_prefetch(at + 2 * LANES); /* the next tile's: 36 streams are too many for the hardware */
        }
        out_1d(d, half[y], size);
    }
    for (size_t x = 0; x < nx; x++) {
        vec d[6], t[4];
        for (size_t y = 0; y < 6; y++)
            d[y] = half[y][x];
        out_1d(d, t, size);
        for (size_t y = 0; y < ny; y++) {
            const float *residual = residual_rows != NULL ? residual_rows[y] + x * residual_step : NULL;
            put(rows[y], x * step + c, finish(t[y], epilogue, c, residual, left), left, epilogue);
        }
    }
}

static void winograd_out(const float *m, size_t plane, size_t size, void *const rows[4], size_t step,
                         const float *const residual_rows[4], size_t residual_step, size_t ny, size_t nx,
                         size_t columns, const kernel_epilogue *epilogue)
{
    for (size_t c = 0; c < columns; c += LANES) {
        bool whole = ny == size && nx == size && columns - c >= LANES && residual_rows == NULL;
        if (whole && size == 4)
            winograd_out_body(m, plane, rows, step, NULL, 0, 4, 4, 4, c, LANES, epilogue);
        else if (whole)
            winograd_out_body(m, plane, rows, step, NULL, 0, 2, 2, 2, c, LANES, epilogue);
        else if (size == 4)
            winograd_out_body(m, plane, rows, step, residual_rows, residual_step, 4, ny, nx, c, columns - c,
                              epilogue);
        else
            winograd_out_body(m, plane, rows, step, residual_rows, residual_step, 2, ny, nx, c, columns - c,
                              epilogue);
    }
}

/* ---- Pointwise */

/* exp(x) within 2e-7: 2^n times a polynomial in the rest, |rest| <= ln(2)/2, n by adding 1.5 * 2^23.  The
 * coefficients are those of the Taylor series up to 1/720, whose rest is below 1.2e-7 there. */
INLINE float exponential(float x)
{
    const float log2e = 1.44269504f, high = 0.693359375f, low = -2.12194440e-4f, shift = 12582912.0f;
    x = x > 88.3762626f ? 88.3762626f : x;
    x = x < -87.3365448f ? -87.3365448f : x;
    float n = x * log2e + shift;
    union {
        float f;
        unsigned u;
    } bits = {n};
    n -= shift;
    float r = x - n * high - n * low;
    float p = 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1;
    p = p * r + 1;
    bits.u = (bits.u << 23) + 0x3f800000u;
    return p * bits.f;
}

INLINE float sigmoid(float x) { return 1 / (1 + exponential(-x)); }

/* By exp; near 0, where that loses figures, the series. */
INLINE float tangent(float x)
{
    float y = 1 - 2 / (exponential(2 * x) + 1), s = x * x;
    return s < 0.04f ? x * (1 - s * (1.0f / 3 - s * (2.0f / 15 - s * (17.0f / 315)))) : y;
}

/* M. Abramowitz & I. Stegun, Handbook of mathematical functions, 7.1.26: within 1.5e-7. */
INLINE float error_function(float x)
{
    float a = x < 0 ? -x : x, t = 1 / (1 + 0.3275911f * a);
    float p = ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t +
               0.254829592f) * t;
    float y = 1 - p * exponential(-a * a);
    return x < 0 ? -y : y;
}

#define EACH(expression)                                                                           \
    do {                                                                                           \
        for (size_t i = 0; i < count; i++) {                                                       \
            float x = xs[i * x_step], y = two ? ys[i * y_step] : 0;                                \
            (void)y;                                                                               \
            out[i] = (expression);                                                                 \
        }                                                                                          \
    } while (0)

INLINE void pointwise_body(nn_point f, size_t count, const float *restrict xs, size_t x_step,
                           const float *restrict ys, size_t y_step, int two, float p, float q,
                           float *restrict out)
{
    switch (f) {
    case POINT_RELU: EACH(x > 0 ? x : 0); break;
    case POINT_LEAKY: EACH(x > 0 ? x : p * x); break;
    case POINT_SIGMOID: EACH(sigmoid(x)); break;
    case POINT_HARD_SIGMOID: EACH(p * x + q < 0 ? 0 : p * x + q > 1 ? 1 : p * x + q); break;
    case POINT_TANH: EACH(tangent(x)); break;
    case POINT_EXP: EACH(exponential(x)); break;
    case POINT_LOG: EACH(logf(x)); break;
    case POINT_SQRT: EACH(sqrtf(x)); break;
    case POINT_RECIPROCAL: EACH(1 / x); break;
    case POINT_ABS: EACH(x < 0 ? -x : x); break;
    case POINT_NEG: EACH(-x); break;
    case POINT_ERF: EACH(error_function(x)); break;
    case POINT_GELU: EACH(0.5f * x * (1 + error_function(x * 0.707106781f))); break;
    case POINT_SOFTPLUS: EACH((x > 0 ? x : 0) + log1pf(expf(x > 0 ? -x : x))); break;
    case POINT_ELU: EACH(x > 0 ? x : p * (exponential(x) - 1)); break;
    case POINT_CLIP: EACH(x < p ? p : x > q ? q : x); break;
    case POINT_ADD: EACH(x + y); break;
    case POINT_SUB: EACH(x - y); break;
    case POINT_MUL: EACH(x * y); break;
    case POINT_DIV: EACH(x / y); break;
    case POINT_POW: EACH(powf(x, y)); break;
    case POINT_MAX: EACH(x > y ? x : y); break;
    case POINT_MIN: EACH(x < y ? x : y); break;
    case POINT_PRELU: EACH(x > 0 ? x : y * x); break;
    case POINT_RELU_GRADIENT: EACH(y > 0 ? x : 0); break;
    case POINT_LEAKY_GRADIENT: EACH(y > 0 ? x : p * x); break;
    case POINT_SIGMOID_GRADIENT: EACH(x * y * (1 - y)); break;
    case POINT_TANH_GRADIENT: EACH(x * (1 - y * y)); break;
    }
}

/* With constant steps the loops become vectors. */
static void pointwise(nn_point f, size_t pixels, size_t count, kernel_operand x, kernel_operand y, float p,
                      float q, float *out, size_t out_stride)
{
    for (size_t i = 0; i < pixels; i++, x.at += x.stride, y.at += y.stride, out += out_stride)
        if (f < POINT_ADD)
            pointwise_body(f, count, x.at, 1, x.at, 0, 0, p, q, out);
        else if (x.step == 1 && y.step == 1)
            pointwise_body(f, count, x.at, 1, y.at, 1, 1, p, q, out);
        else if (x.step == 1)
            pointwise_body(f, count, x.at, 1, y.at, 0, 1, p, q, out);
        else if (y.step == 1)
            pointwise_body(f, count, x.at, 0, y.at, 1, 1, p, q, out);
        else
            pointwise_body(f, count, x.at, 0, y.at, 0, 1, p, q, out);
}

/* ---- Sums */

static float sum(const float *v, size_t count)
{
    vec s = zero();
    float rest = 0;
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        s += load(v + i);
    for (; i < count; i++)
        rest += v[i];
    return total(s) + rest;
}

static float squares(const float *v, size_t count, float centre)
{
    vec s = zero();
    float rest = 0;
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        vec d = load(v + i) - centre;
        s += d * d;
    }
    for (; i < count; i++)
        rest += (v[i] - centre) * (v[i] - centre);
    return total(s) + rest;
}

/* ---- By channel, and over channels */

static void affine(size_t pixels, size_t count, const float *from, size_t stride, const float *scale,
                   const float *shift, const kernel_epilogue *e, void *out, size_t out_stride)
{
    const float *residual = e->residual;
    for (size_t x = 0; x < pixels; x++, from += stride) {
        for (size_t i = 0; i < count; i += LANES) {
            size_t left = count - i;
            vec v = load_part(from + i, left) * load_part(scale + i, left) + load_part(shift + i, left);
            put(out, x * out_stride + i, finish(v, e, i, residual, left), left, e);
        }
        residual = residual != NULL ? residual + e->residual_stride : NULL;
    }
}

static void standardise(size_t pixels, size_t count, const float *from, size_t stride, float epsilon,
                        const float *scale, const float *shift, float *out, size_t out_stride)
{
    for (size_t x = 0; x < pixels; x++, from += stride, out += out_stride) {
        float mean = sum(from, count) / (float)count;
        float factor = 1 / sqrtf(squares(from, count, mean) / (float)count + epsilon);
        for (size_t i = 0; i < count; i += LANES) {
            size_t left = count - i;
            vec v = (load_part(from + i, left) - mean) * factor;
            store_part(out + i, v * load_part(scale + i, left) + load_part(shift + i, left), left);
        }
    }
}

#include "kernels-gradient.h"

#ifndef DIRECT_BF16
#define DIRECT_BF16 false
#endif

const nn_kernels KERNELS = {
    .lanes = LANES, .rows = ROWS, .multiply = multiply, .multiply_bf16 = MULTIPLY_BF16, .unit = UNIT_BF16,
    .direct_bf16 = DIRECT_BF16, .to_bf16 = to_bf16, .winograd_in_bf16 = winograd_in_bf16, .dot = dot, .depthwise = depthwise,
    .pointwise = pointwise, .sum = sum, .affine = affine, .standardise = standardise, .winograd_in = winograd_in,
    .winograd_out = winograd_out, .accumulate = accumulate, .products = products, .winograd_back = winograd_back,
    .standardise_back = standardise_back, .combine = combine,
};
