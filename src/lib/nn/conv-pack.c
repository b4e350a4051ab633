/* conv-pack.c - weights of convolutions, from ONNX's order to that of the algorithm; again for each step of training.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include "conv.h"

/* ---- From [group][cout][tap][cin] */

/* Where a phase's weights go, zeros at first. */
static void *room(conv_phase *ph, size_t bytes)
{
    if (ph->weights == NULL && (ph->weights = pel_alloc(bytes)) != NULL)
        memset(ph->weights, 0, bytes);
    return ph->weights;
}

/* Panels of columns: [group][panel][tap][cin][columns], the last panel of a group as narrow as it can be. */
static bool pack_panels(const conv *c, conv_phase *ph, const float *w, size_t lanes)
{
    size_t depth = ph->taps * c->cin, whole = c->cout / c->columns * c->columns;
    size_t row = conv_packed(c, lanes);
    float *to = room(ph, (c->groups * row * depth + KERNEL_SLACK) * sizeof *to);
    for (size_t g = 0; to != NULL && g < c->groups; g++)
        for (size_t n = 0; n < c->cout; n++) {
            size_t first = n / c->columns * c->columns;
            size_t wide = first < whole ? c->columns : row - whole;
            float *panel = to + (g * row + first) * depth;
            for (size_t k = 0; k < depth; k++)
                panel[k * wide + n - first] = w[(g * c->cout + n) * depth + k];
        }
    return to != NULL;
}

/* In bf16, rows in pairs: [panel][segment][depth / 2][columns][2]; what w has is bf16 already. */
static bool pack_pairs(const conv *c, conv_phase *ph, const float *w, const nn_kernels *kernels)
{
    size_t segments = ph->taps / c->joined, length = c->joined * c->cin, row = conv_packed(c, kernels->lanes);
    size_t count = row * segments * c->depth, whole = c->cout / c->columns * c->columns;
    bf16 *to = room(ph, count * sizeof *to + KERNEL_SLACK * sizeof(float));
    for (size_t n = 0; to != NULL && n < c->cout; n++) {
        size_t first = n / c->columns * c->columns, wide = first < whole ? c->columns : row - whole;
        for (size_t k = 0; k < segments * length; k++) {
            size_t at = first * segments * c->depth + k / length * c->depth * wide + k % length / 2 * 2 * wide +
                        2 * (n - first) + k % length % 2;
            kernels->to_bf16(&w[n * segments * length + k], 1, &to[at]);
        }
    }
    return to != NULL;
}

/* As they are (dot), or [tap][group] (depthwise). */
static bool pack_plain(const conv *c, conv_phase *ph, const float *w, bool by_tap)
{
    size_t depth = ph->taps * c->cin, count = c->groups * c->cout * depth;
    float *to = room(ph, (count + KERNEL_SLACK) * sizeof *to);
    for (size_t i = 0; to != NULL && i < count; i++)
        to[by_tap ? i % depth * c->groups + i / depth : i] = w[i];
    return to != NULL;
}

/* ---- Winograd */

/* G g of 3 or 5 numbers: the polynomial with these coefficients at the points, times what makes A and B
 * whole numbers (Lavin & Gray, section 4.3). */
static void transform_1d(const double *g, size_t side, double t[6])
{
    static const double points[5] = {0, 1, -1, 2, -2}, factors[5] = {1.0 / 4, -1.0 / 6, -1.0 / 6, 1.0 / 24, 1.0 / 24};
    for (size_t i = 0; i < 5; i++) {
        double v = 0;
        for (size_t k = side; k-- > 0;)
            v = v * points[i] + g[k];
        t[i] = v * factors[i];
    }
    t[5] = g[side - 1];
}

/* G g G' of side x side taps, `stride` floats apart. */
static void transform_weights(const float *w, size_t side, size_t stride, double u[36])
{
    double half[6][5];
    for (size_t x = 0; x < side; x++) {
        double g[5], t[6];
        for (size_t y = 0; y < side; y++)
            g[y] = (double)w[(side * y + x) * stride];
        transform_1d(g, side, t);
        for (size_t y = 0; y < 6; y++)
            half[y][x] = t[y];
    }
    for (size_t y = 0; y < 6; y++)
        transform_1d(half[y], side, u + 6 * y);
}

void conv_winograd_matrix(size_t side, double t[6][5])
{
    for (size_t k = 0; k < side; k++) {
        double unit[5] = {0}, column[6];
        unit[k] = 1;
        transform_1d(unit, side, column);
        for (size_t i = 0; i < 6; i++)
            t[i][k] = column[i];
    }
}

static bool pack_winograd(const conv *c, conv_phase *ph, const float *w, size_t lanes)
{
    size_t row = conv_packed(c, lanes), side = 7 - c->tile;
    float *to = room(ph, (36 * row * c->cin + KERNEL_SLACK) * sizeof *to);
    for (size_t k = 0; to != NULL && k < c->cin; k++)
        for (size_t n = 0; n < c->cout; n++) {
            size_t first = n / c->columns * c->columns;
            size_t wide = row - first < c->columns ? row - first : c->columns;
            double u[36];
            transform_weights(w + n * side * side * c->cin + k, side, c->cin, u);
            for (size_t xi = 0; xi < 36; xi++) /* [panel][36][cin][columns] */
                to[36 * first * c->cin + (xi * c->cin + k) * wide + n - first] = (float)u[xi];
        }
    return to != NULL;
}

/* ---- From ONNX's: [group x cout][cin][taps], transposed [group x cin][cout][taps] */

/* To the nearest bf16, as floats still. */
static void round_weights(const nn_kernels *kernels, float *w, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bf16 h;
        kernels->to_bf16(&w[i], 1, &h);
        union {
            uint32_t u;
            float f;
        } wide = {(uint32_t)h << 16};
        w[i] = wide.f;
    }
}

static float *phase_weights(const conv *c, const conv_phase *ph, const float *onnx, const nn_kernels *kernels)
{
    size_t count = c->groups * c->cout * ph->taps * c->cin;
    float *w = pel_alloc_floats(count + 1);
    for (size_t i = 0; w != NULL && i < c->groups * c->cout; i++) {
        size_t g = i / c->cout, n = i % c->cout;
        for (size_t k = 0; k < c->cin; k++) {
            size_t at = c->transposed ? (g * c->cin + k) * c->cout + n : i * c->cin + k;
            for (size_t t = 0; t < ph->taps; t++)
                w[(i * ph->taps + t) * c->cin + k] =
                    (float)((double)onnx[at * c->kernel_taps + ph->numbers[t]] * c->after[i]);
        }
    }
    if (w != NULL && c->rounds)
        round_weights(kernels, w, count);
    return w;
}

bool conv_pack(step *s, const nn_kernels *kernels, const float *onnx)
{
    conv *c = s->data;
    bool good = true;
    for (size_t i = 0; i < c->phases && good; i++) {
        conv_phase *ph = &c->phase[i];
        float *w = phase_weights(c, ph, onnx, kernels);
        good = w != NULL;
        if (good && c->packing == PACK_PANELS)
            good = pack_panels(c, ph, w, kernels->lanes);
        else if (good && c->packing == PACK_PAIRS)
            good = pack_pairs(c, ph, w, kernels);
        else if (good && c->packing == PACK_WINOGRAD)
            good = pack_winograd(c, ph, w, kernels->lanes);
        else if (good)
            good = pack_plain(c, ph, w, c->packing == PACK_BY_TAP);
        pel_free(w);
    }
    return good;
}

void conv_set_bias(step *s, const float *bias)
{
    conv *c = s->data;
    size_t count = c->groups * c->cout, row = c->panels * c->columns;
    for (size_t i = 0; i < count; i++) {
        double value = bias != NULL ? (double)bias[i] : 0;
        c->bias[i / c->cout * row + i % c->cout] = (float)(value * c->after[i] + c->after[count + i]);
    }
}

pel_status conv_reload(step *s, const plan *p, const float *parameters, pel_error *error)
{
    const conv *c = s->data;
    if (c->weights_at != NONE && !conv_pack(s, p->kernels, parameters + c->weights_at))
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    if (c->bias_at != NONE)
        conv_set_bias(s, parameters + c->bias_at);
    return PEL_OK;
}
