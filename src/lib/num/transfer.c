/* transfer.c - curves between codes and light, by formula and by table.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>

#include <pellucid/transfer.h>

#define CELLS 4096

struct pel_transfer {
    double gamma;
    float light[CELLS + 1]; /* of code i / CELLS */
    /* Codes rise steeply from black: the table goes by the root of light, in which they are nearly straight. */
    float codes[CELLS + 1]; /* of light (i / CELLS)^2 */
};

/* Light below which pure powers are too steep for the table. */
#define DARK (256.0f / CELLS / CELLS)

float pel_srgb_to_linear(float v)
{
    float a = fabsf(v), l = a <= 0.04045f ? a / 12.92f : powf((a + 0.055f) / 1.055f, 2.4f);
    return copysignf(l, v);
}

float pel_linear_to_srgb(float v)
{
    float a = fabsf(v), s = a <= 0.0031308f ? 12.92f * a : 1.055f * powf(a, 1 / 2.4f) - 0.055f;
    return copysignf(s, v);
}

static float to_light(double gamma, float v)
{
    return gamma == PEL_TRANSFER_SRGB ? pel_srgb_to_linear(v) : copysignf(powf(fabsf(v), (float)gamma), v);
}

static float to_code(double gamma, float v)
{
    return gamma == PEL_TRANSFER_SRGB ? pel_linear_to_srgb(v)
                                      : copysignf(powf(fabsf(v), (float)(1 / gamma)), v);
}

pel_status pel_transfer_new(double gamma, pel_transfer **transfer, pel_error *error)
{
    if (gamma != PEL_TRANSFER_SRGB && !(gamma >= 1 && gamma <= 4))
        return pel_error_set(error, PEL_EINVAL, "a gamma of %g: 1 to 4 are possible", gamma);
    pel_transfer *t = pel_alloc(sizeof *t);
    if (t == NULL)
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    t->gamma = gamma;
    for (int i = 0; i <= CELLS && gamma != PEL_TRANSFER_LINEAR; i++) {
        float x = (float)i / CELLS;
        t->light[i] = to_light(gamma, x);
        t->codes[i] = to_code(gamma, x * x);
    }
    *transfer = t;
    return PEL_OK;
}

void pel_transfer_free(pel_transfer *transfer)
{
    pel_free(transfer);
}

/* At x of 0 to 1. */
static inline float look_up(const float *table, float x)
{
    float at = x * CELLS;
    int i = (int)at;
    i = i < CELLS ? i : CELLS - 1;
    return table[i] + (at - (float)i) * (table[i + 1] - table[i]);
}

void pel_transfer_to_light(const pel_transfer *t, const float *codes, size_t count, double black, double white,
                           float *light)
{
    float low = (float)black, scale = (float)(1 / (white - black));
    if (t->gamma == PEL_TRANSFER_LINEAR) {
        for (size_t i = 0; i < count; i++)
            light[i] = (codes[i] - low) * scale;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        float v = (codes[i] - low) * scale;
        light[i] = v >= 0 && v <= 1 ? look_up(t->light, v) : to_light(t->gamma, v);
    }
}

void pel_transfer_to_codes(const pel_transfer *t, const float *light, size_t count, double black, double white,
                           float *codes)
{
    float low = (float)black, scale = (float)(white - black);
    if (t->gamma == PEL_TRANSFER_LINEAR) {
        for (size_t i = 0; i < count; i++)
            codes[i] = low + scale * light[i];
        return;
    }
    for (size_t i = 0; i < count; i++) {
        float v = light[i];
        float code = v >= DARK && v <= 1 ? look_up(t->codes, sqrtf(v)) : v == 0 ? 0 : to_code(t->gamma, v);
        codes[i] = low + scale * code;
    }
}
