/* rl-tv.c - the gradient of the total variation, for Richardson-Lucy with TV.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>

#include <pellucid/pool.h>

#include "rl-internal.h"

typedef struct {
    pel_size size;
    const float *x;
    float *to;
} field;

/* Forward difference along axis 0..2 at sample (x, y, z), 0 at the far edge. */
static float forward(const field *f, size_t i, const size_t at[3], int axis)
{
    const size_t n[3] = {f->size.w, f->size.h, f->size.d};
    const size_t stride[3] = {1, f->size.w, f->size.w * f->size.h};
    return at[axis] + 1 < n[axis] ? f->x[i + stride[axis]] - f->x[i] : 0;
}

/* Component `axis` of grad x / |grad x| at a sample; 0 where x is flat. */
static float direction(const field *f, size_t i, const size_t at[3], int axis)
{
    float gx = forward(f, i, at, 0), gy = forward(f, i, at, 1), gz = forward(f, i, at, 2);
    float norm = sqrtf(gx * gx + gy * gy + gz * gz);
    float g = axis == 0 ? gx : axis == 1 ? gy : gz;
    return norm > 1e-12f ? g / norm : 0;
}

static void row(void *arg, size_t index, size_t worker)
{
    const field *f = arg;
    size_t at[3] = {0, index % f->size.h, index / f->size.h};
    const size_t stride[3] = {1, f->size.w, f->size.w * f->size.h};
    (void)worker;
    for (; at[0] < f->size.w; at[0]++) {
        size_t i = index * f->size.w + at[0];
        float sum = 0;
        for (int axis = 0; axis < (f->size.d > 1 ? 3 : 2); axis++) {
            sum += direction(f, i, at, axis);
            if (at[axis] > 0) {
                size_t before[3] = {at[0], at[1], at[2]};
                before[axis]--;
                sum -= direction(f, i - stride[axis], before, axis);
            }
        }
        f->to[i] = sum;
    }
}

void pel_rl_curvature(const pel_context *ctx, const pel_size *size, const float *x,
                      float *curvature)
{
    field f = {*size, x, curvature};
    pel_pool_run(ctx->pool, size->h * size->d, row, &f);
}
