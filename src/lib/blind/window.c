/* window.c - where a large picture tells most of its blur.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>

#include "blind-internal.h"

#define CELL 16 /* windows begin at multiples of this */

typedef struct {
    double xx, xy, yy;
} tensor;

/* The sum over gradients of one cell (J. Bigun & G. Granlund, "Optimal orientation detection of linear
 * symmetry", ICCV 1987). */
static tensor cell_tensor(const float *v, const float *mask, pel_size size, size_t cx, size_t cy)
{
    tensor t = {0, 0, 0};
    size_t right = (cx + 1) * CELL + 1 < size.w ? (cx + 1) * CELL : size.w - 1;
    size_t bottom = (cy + 1) * CELL + 1 < size.h ? (cy + 1) * CELL : size.h - 1;
    for (size_t y = cy * CELL; y < bottom; y++)
        for (size_t x = cx * CELL; x < right; x++) {
            size_t i = y * size.w + x;
            if (mask != NULL && !(mask[i] > 0 && mask[i + 1] > 0 && mask[i + size.w] > 0))
                continue;
            double gx = (double)(v[i + 1] - v[i]), gy = (double)(v[i + size.w] - v[i]);
            t.xx += gx * gx;
            t.xy += gx * gy;
            t.yy += gy * gy;
        }
    return t;
}

static double lesser_eigenvalue(tensor t)
{
    double half = (t.xx + t.yy) / 2;
    return half - hypot((t.xx - t.yy) / 2, t.xy);
}

pel_status pel_blind_find_window(const pel_context *ctx, const float *picture, const float *mask,
                                 pel_size size, size_t side, pel_blind_window *window)
{
    *window = (pel_blind_window){0, 0, size.w < side ? size.w : side, size.h < side ? size.h : side};
    size_t columns = (size.w + CELL - 1) / CELL, rows = (size.h + CELL - 1) / CELL;
    size_t across = window->w / CELL, down = window->h / CELL;
    if ((size.w <= side && size.h <= side) || across == 0 || down == 0)
        return PEL_OK;
    tensor *sums = pel_alloc((columns + 1) * (rows + 1) * sizeof *sums); /* of all above and left */
    if (sums == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    size_t stride = columns + 1;
    for (size_t i = 0; i < stride * (rows + 1); i++)
        sums[i] = (tensor){0, 0, 0};
    for (size_t y = 0; y < rows; y++)
        for (size_t x = 0; x < columns; x++) {
            tensor t = cell_tensor(picture, mask, size, x, y);
            const tensor *a = &sums[y * stride + x + 1], *l = &sums[(y + 1) * stride + x];
            const tensor *d = &sums[y * stride + x];
            sums[(y + 1) * stride + x + 1] = (tensor){t.xx + a->xx + l->xx - d->xx,
                                                      t.xy + a->xy + l->xy - d->xy,
                                                      t.yy + a->yy + l->yy - d->yy};
        }
    double best = -1;
    for (size_t y = 0; y * CELL + window->h <= size.h; y++)
        for (size_t x = 0; x * CELL + window->w <= size.w; x++) {
            const tensor *a = &sums[y * stride + x], *b = &sums[y * stride + x + across];
            const tensor *c = &sums[(y + down) * stride + x],
                         *d = &sums[(y + down) * stride + x + across];
            double value = lesser_eigenvalue((tensor){d->xx - b->xx - c->xx + a->xx,
                                                      d->xy - b->xy - c->xy + a->xy,
                                                      d->yy - b->yy - c->yy + a->yy});
            if (value > best) {
                best = value;
                window->x = x * CELL;
                window->y = y * CELL;
            }
        }
    pel_free(sums);
    return PEL_OK;
}
