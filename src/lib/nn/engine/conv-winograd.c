/* conv-winograd.c - 3 x 3 and 5 x 5 convolutions by Winograd's F(4x4, 3x3) and F(2x2, 5x5).
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A. Lavin & S. Gray, Fast algorithms for convolutional neural networks, CVPR 2016: 36 products a channel for
 * 16 pixels, where the direct sum takes 144 (5 x 5: 36 for 4 pixels, and 100).  Of a dilated convolution each of
 * the d x d grids of pixels is an ordinary one.  A worker takes some tiles, transforms all their channels, and
 * then, panel after panel of output channels, multiplies the 36 planes and transforms back: the transformed tiles
 * stay in its second-level cache, a panel's products in the first.
 */
#include "config.h"

#include <string.h>

#include <pellucid/pool.h>

#include "conv.h"

#define CACHE (64 << 10) /* floats of transformed tiles that a worker keeps */
#define LEAST_TILES 24   /* fewer would read the weights too often */
#define LEAST_CHANNELS 8 /* of input and output: below it the transforms cost more than they save */

bool conv_suits_winograd(conv *c)
{
    const conv_phase *ph = &c->phase[0];
    ptrdiff_t d = (ptrdiff_t)c->dilation, side = ph->taps == 9 ? 3 : 5;
    if (c->groups != 1 || c->phases != 1 || (ph->taps != 9 && ph->taps != 25) || c->joined != 1 ||
        c->stride_y != 1 || c->stride_x != 1 || c->cin < LEAST_CHANNELS || c->cout < LEAST_CHANNELS)
        return false;
    for (ptrdiff_t t = 0; t < side * side; t++)
        if (ph->dy[t] != ph->dy[0] + t / side * d || ph->dx[t] != ph->dx[0] + t % side * d)
            return false;
    c->tile = (size_t)(7 - side);
    return true;
}

void conv_choose_winograd(builder *b, step *s)
{
    conv *c = s->data;
    size_t lanes = b->p->kernels->lanes, rows = b->p->kernels->rows;
    size_t deep = (c->cin + lanes - 1) / lanes * lanes;
    c->tiles = CACHE / (36 * deep);
    c->tiles = c->tiles < LEAST_TILES ? LEAST_TILES : c->tiles;
    c->tiles = (c->tiles + rows - 1) / rows * rows;
    s->kind = &conv_winograd;
    s->granule = c->tile * c->dilation;
    s->scratch = 36 * ((c->tiles * deep + 16) + (c->tiles * c->columns + 16)) + KERNEL_SLACK;
}

/* ---- Running */

typedef struct {
    const step *s;
    const pel_network *n;
    picture in, out, residual;
    size_t y0, y1, across, count, chunk; /* tiles: in a row of them, in all, by job */
} work;

/* The output pixel of a tile's corner. */
static void corner_of(const work *w, size_t tile, size_t *y, size_t *x)
{
    const conv *c = w->s->data;
    size_t d = c->dilation, px = tile % (w->across * d), row = tile / (w->across * d);
    *x = px / d * c->tile * d + px % d;
    *y = w->y0 + row / d * c->tile * d + row % d;
}

static void transform_in(const work *w, size_t tile, float *v, size_t plane)
{
    const conv *c = w->s->data;
    const nn_kernels *kernels = w->n->plan.kernels;
    const void *rows[6];
    size_t y, x;
    corner_of(w, tile, &y, &x);
    for (size_t i = 0; i < 6; i++) {
        ptrdiff_t at = (ptrdiff_t)y + c->phase[0].dy[0] + (ptrdiff_t)(i * c->dilation);
        rows[i] = picture_pixel_or_zeros(&w->in, w->n, at, (ptrdiff_t)x + c->phase[0].dx[0]);
    }
    (c->rounds ? kernels->winograd_in_bf16 : kernels->winograd_in)(rows, c->dilation * w->in.ld, c->cin, v, plane);
}

static void transform_out(const work *w, size_t tile, size_t first, size_t columns, const float *m,
                          size_t plane)
{
    const conv *c = w->s->data;
    kernel_epilogue e = conv_epilogue(c, first);
    void *rows[4] = {NULL};
    const float *residual[4] = {NULL};
    size_t y, x, d = c->dilation, ny = 0, nx = 0;
    corner_of(w, tile, &y, &x);
    e.half = w->out.buffer->half;
    for (; ny < c->tile && y + ny * d < w->y1; ny++) {
        rows[ny] = (char *)picture_samples(&w->out, y + ny * d) +
                   (x * w->out.ld + first) * buffer_sample(w->out.buffer);
        if (c->has_residual)
            residual[ny] = picture_row(&w->residual, y + ny * d) + x * w->residual.ld + first;
    }
    while (nx < c->tile && x + nx * d < w->out.buffer->w)
        nx++;
    w->n->plan.kernels->winograd_out(m, plane, c->tile, rows, d * w->out.ld, c->has_residual ? residual : NULL,
                                     d * w->residual.ld, ny, nx, columns, &e);
}

static void job(void *arg, size_t index, size_t worker)
{
    const work *w = arg;
    const conv *c = w->s->data;
    const nn_kernels *kernels = w->n->plan.kernels;
    size_t lanes = kernels->lanes, deep = (c->cin + lanes - 1) / lanes * lanes;
    size_t begin = index * w->chunk, count = w->count - begin < w->chunk ? w->count - begin : w->chunk;
    /* 16 floats more: planes a power of two apart would fall into the same lines of the cache. */
    size_t plane = c->tiles * deep + 16, plane_out = c->tiles * c->columns + 16;
    float *v = w->n->scratch[worker], *m = v + 36 * plane;
    for (size_t t = 0; t < count; t++)
        transform_in(w, begin + t, v + t * deep, plane);
    for (size_t first = 0; first < c->cout; first += c->columns) {
        size_t columns = c->cout - first < c->columns ? c->cout - first : c->columns;
        size_t wide = columns > lanes ? 2 * lanes : lanes;
        for (size_t xi = 0; xi < 36; xi++) {
            const void *segment = v + xi * plane;
            kernel_tile t = {.segments = 1, .length = c->cin, .segment = &segment, .a_stride = deep,
                             .weights = (const float *)c->phase[0].weights + 36 * first * c->cin + xi * c->cin * wide,
                             .out = m + xi * plane_out, .out_stride = c->columns};
            kernels->multiply(&t, count, wide);
        }
        for (size_t t = 0; t < count; t++)
            transform_out(w, begin + t, first, columns, m + t * c->columns, plane_out);
    }
}

static void run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    const conv *c = s->data;
    size_t side = c->tile * c->dilation, rows = n->plan.kernels->rows, threads = n->plan.threads;
    work w = {.s = s, .n = n, .y0 = y0, .y1 = y1};
    w.in = plan_picture(&n->plan, s->inputs[0]);
    w.out = plan_picture(&n->plan, s->output);
    if (c->has_residual)
        w.residual = plan_picture(&n->plan, s->inputs[1]);
    w.across = (w.out.buffer->w + side - 1) / side;
    w.count = (y1 - y0 + side - 1) / side * c->dilation * c->dilation * w.across;
    /* As many equal chunks a worker, each a whole number of the products' tiles. */
    size_t chunks = (w.count + c->tiles - 1) / c->tiles;
    chunks = (chunks + threads - 1) / threads * threads;
    w.chunk = ((w.count + chunks - 1) / chunks + rows - 1) / rows * rows;
    w.chunk = w.chunk < c->tiles ? w.chunk : c->tiles;
    pel_pool_run(ctx->pool, (w.count + w.chunk - 1) / w.chunk, job, &w);
}

const step_kind conv_winograd = {
    .name = "conv, Winograd", .needs = conv_needs, .run = run, .free = conv_free, .in_place = conv_in_place,
    .reload = conv_reload};
