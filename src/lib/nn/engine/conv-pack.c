/* conv-pack.c - weights of convolutions, from ONNX's order to that of the algorithm; again for each step of training.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
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

/* ---- Winograd, from [tap][cin][cout] */

/* The numbers that make A and B whole (Lavin & Gray, section 4.3): a polynomial's values at five points, times factors, and
 * its last coefficient. */
void conv_winograd_matrix(size_t side, double t[6][5])
{
    static const double points[5] = {0, 1, -1, 2, -2}, factors[5] = {1.0 / 4, -1.0 / 6, -1.0 / 6, 1.0 / 24, 1.0 / 24};
    for (size_t k = 0; k < side; k++) {
        for (size_t i = 0; i < 5; i++)
            t[i][k] = factors[i] * pow(points[i], (double)k);
        t[5][k] = k == side - 1;
    }
}

#define BLOCK 16 /* output channels at a time */

/* G g G' of side x side taps, `far` floats apart, for `count` output channels: the 36 numbers of each `plane` apart. */
static void transform_block(const float *g, size_t side, size_t far, size_t count, double t[6][5], float *to,
                            size_t plane)
{
    double half[6][5][BLOCK];
    for (size_t i = 0; i < 6; i++)
        for (size_t x = 0; x < side; x++)
            for (size_t n = 0; n < count; n++) {
                double v = 0;
                for (size_t y = 0; y < side; y++)
                    v += t[i][y] * (double)g[(side * y + x) * far + n];
                half[i][x][n] = v;
            }
    for (size_t i = 0; i < 6; i++)
        for (size_t k = 0; k < 6; k++)
            for (size_t n = 0; n < count; n++) {
                double v = 0;
                for (size_t x = 0; x < side; x++)
                    v += half[i][x][n] * t[k][x];
                to[(6 * i + k) * plane + n] = (float)v;
            }
}

/* As [panel][36][cin][columns]. */
static bool pack_winograd(const conv *c, conv_phase *ph, const float *w, size_t lanes)
{
    size_t row = conv_packed(c, lanes), side = 7 - c->tile, far = c->cin * c->cout;
    float *to = room(ph, (36 * row * c->cin + KERNEL_SLACK) * sizeof *to);
    double t[6][5];
    conv_winograd_matrix(side, t);
    for (size_t first = 0; to != NULL && first < c->cout; first += c->columns) {
        size_t wide = row - first < c->columns ? row - first : c->columns;
        size_t columns = c->cout - first < c->columns ? c->cout - first : c->columns;
        for (size_t k = 0; k < c->cin; k++)
            for (size_t n = 0; n < columns; n += BLOCK) {
                size_t count = columns - n < BLOCK ? columns - n : BLOCK;
                const float *g = w + k * c->cout + first + n;
                float *at = to + 36 * first * c->cin + k * wide + n;
                if (count == BLOCK && side == 3) /* known when compiled: the loops become vectors */
                    transform_block(g, 3, far, BLOCK, t, at, c->cin * wide);
                else
                    transform_block(g, side, far, count, t, at, c->cin * wide);
            }
    }
    return to != NULL;
}

/* ---- From ONNX's: [group x cout][cin][taps], transposed [group x cin][cout][taps] */

/* To the nearest bf16, as floats still. */
static bool round_weights(const nn_kernels *kernels, float *w, size_t count)
{
    bf16 *h = pel_alloc((count + 1) * sizeof *h);
    if (h == NULL)
        return false;
    kernels->to_bf16(w, count, h);
    for (size_t i = 0; i < count; i++) {
        union {
            uint32_t u;
            float f;
        } wide = {(uint32_t)h[i] << 16};
        w[i] = wide.f;
    }
    pel_free(h);
    return true;
}

/* In blocks of output channels, so that both orders are met in runs. */
static void order_weights(const conv *c, const conv_phase *ph, const float *onnx, float *w)
{
    bool by_tap = c->packing == PACK_WINOGRAD; /* [tap][cin][cout], else [group][cout][tap][cin] */
    size_t far = by_tap ? c->cin * c->cout : c->cin;
    for (size_t first = 0; first < c->groups * c->cout; first += BLOCK)
        for (size_t k = 0; k < c->cin; k++)
            for (size_t i = first; i < first + BLOCK && i < c->groups * c->cout; i++) {
                size_t at = c->transposed ? (i / c->cout * c->cin + k) * c->cout + i % c->cout : i * c->cin + k;
                const float *from = onnx + at * c->kernel_taps;
                float *to = by_tap ? w + k * c->cout + i : w + i * ph->taps * c->cin + k;
                float scale = (float)c->after[i];
                for (size_t t = 0; t < ph->taps; t++)
                    to[t * far] = from[ph->numbers[t]] * scale;
            }
}

static float *phase_weights(const conv *c, const conv_phase *ph, const float *onnx, const nn_kernels *kernels)
{
    size_t count = c->groups * c->cout * ph->taps * c->cin;
    float *w = pel_alloc_floats(count + 1);
    if (w != NULL)
        order_weights(c, ph, onnx, w);
    if (w != NULL && c->rounds && !round_weights(kernels, w, count)) {
        pel_free(w);
        return NULL;
    }
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
