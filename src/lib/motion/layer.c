/* layer.c - things that move by themselves: their outline, and what they are filled with.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>

#include "motion-internal.h"

enum { DIRECTIONS = 256 };

/* The outline's radius by direction, at most 1. */
static void outline(const pel_layer *layer, float radius[DIRECTIONS + 1])
{
    double most = 0, r[DIRECTIONS + 1];
    for (int i = 0; i <= DIRECTIONS; i++) {
        r[i] = 1;
        for (int k = 0; k < PEL_BLOB_WAVES; k++)
            r[i] += layer->wave[k] * cos((k + 2) * 2 * M_PI * i / DIRECTIONS + layer->phase[k]);
        r[i] = fmax(r[i], 0.1);
        most = fmax(most, r[i]);
    }
    for (int i = 0; i <= DIRECTIONS; i++)
        radius[i] = (float)(r[i] / most);
}

void motion_blob(const pel_layer *layer, float *alpha)
{
    float radius[DIRECTIONS + 1], centre = ((float)layer->side - 1) / 2, edge = (float)layer->edge;
    /* Nothing is left of it half a sample outside of its square. */
    float reach = fmaxf((float)layer->side / 2 - edge / 2, 0);
    outline(layer, radius);
    for (size_t y = 0; y < layer->side; y++)
        for (size_t x = 0; x < layer->side; x++) {
            float dx = (float)x - centre, dy = (float)y - centre;
            float turn = (atan2f(dy, dx) / (float)(2 * M_PI) + 0.5f) * DIRECTIONS;
            int i = turn < DIRECTIONS ? (int)turn : DIRECTIONS - 1;
            float r = radius[i] + (turn - (float)i) * (radius[i + 1] - radius[i]);
            float t = 0.5f + (r * reach - sqrtf(dx * dx + dy * dy)) / edge;
            t = t < 0 ? 0 : t > 1 ? 1 : t;
            alpha[y * layer->side + x] = t * t * (3 - 2 * t);
        }
}

void motion_layer_source(const pel_layer *layer, size_t x, size_t y, size_t *fx, size_t *fy)
{
    size_t u = (layer->lie & 4) != 0 ? y : x, v = (layer->lie & 4) != 0 ? x : y;
    *fx = layer->from_x + ((layer->lie & 1) != 0 ? layer->side - 1 - u : u);
    *fy = layer->from_y + ((layer->lie & 2) != 0 ? layer->side - 1 - v : v);
}
