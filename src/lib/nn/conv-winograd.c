/* conv-winograd.c - 3 x 3 convolutions by Winograd's F(4x4, 3x3).
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A. Lavin & S. Gray, Fast algorithms for convolutional neural networks, CVPR 2016: 36 products a channel for
 * 16 pixels, where the direct sum takes 144.  Of a dilated convolution each of the d x d grids of pixels is
 * an ordinary one.  A worker takes some tiles, transforms all their channels, and then, panel after
 * panel of output channels, multiplies the 36 planes and transforms back: the transformed tiles stay in its
 * second-level cache, a panel's products in the first.
 */
#include "config.h"

#include <string.h>

#include <pellucid/pool.h>

#include "conv.h"

#define CACHE (64 << 10) /* floats of transformed tiles that a worker keeps */
#define LEAST_TILES 24   /* fewer would read the weights too often */
#define LEAST_CHANNELS 8 /* of input and output: below it the transforms cost more than they save */

bool conv_suits_winograd(const conv *c)
{
    const conv_phase *ph = &c->phase[0];
    if (c->groups != 1 || c->phases != 1 || ph->taps != 9 || c->joined != 1 || c->stride_y != 1 ||
        c->stride_x != 1 || c->cin < LEAST_CHANNELS || c->cout < LEAST_CHANNELS)
        return false;
    ptrdiff_t d = (ptrdiff_t)c->dilation;
    for (ptrdiff_t t = 0; t < 9; t++)
        if (ph->dy[t] != ph->dy[0] + t / 3 * d || ph->dx[t] != ph->dx[0] + t % 3 * d)
            return false;
    return true;
}

/* ---- Weights */

/* G g of three numbers (Lavin & Gray, section 4.3). */
static void transform_1d(const double g[3], double t[6])
{
    t[0] = g[0] / 4;
    t[1] = -(g[0] + g[1] + g[2]) / 6;
    t[2] = -(g[0] - g[1] + g[2]) / 6;
    t[3] = g[0] / 24 + g[1] / 12 + g[2] / 6;
    t[4] = g[0] / 24 - g[1] / 12 + g[2] / 6;
    t[5] = g[2];
}

/* G g G' of 3 x 3 taps, `stride` floats apart. */
static void transform_weights(const float *w, size_t stride, double u[36])
{
    double half[6][3];
    for (size_t x = 0; x < 3; x++) {
        double g[3], t[6];
        for (size_t y = 0; y < 3; y++)
            g[y] = (double)w[(3 * y + x) * stride];
        transform_1d(g, t);
        for (size_t y = 0; y < 6; y++)
            half[y][x] = t[y];
    }
    for (size_t y = 0; y < 6; y++)
        transform_1d(half[y], u + 6 * y);
}

pel_status conv_pack_winograd(builder *b, step *s)
{
    conv *c = s->data;
    size_t lanes = b->p->kernels->lanes, row = conv_packed(c, lanes);
    float *to = c->phase[0].weights = pel_calloc_floats(36 * row * c->cin + KERNEL_SLACK);
    if (to == NULL)
        return build_fail(b);
    for (size_t n = 0; n < c->cout; n++)
        for (size_t k = 0; k < c->cin; k++) {
            size_t first = n / c->columns * c->columns;
            size_t wide = row - first < c->columns ? row - first : c->columns;
            double u[36];
            transform_weights(c->weights + n * 9 * c->cin + k, c->cin, u);
            for (size_t xi = 0; xi < 36; xi++) /* [panel][36][cin][columns] */
                to[36 * first * c->cin + (xi * c->cin + k) * wide + n - first] = (float)u[xi];
        }
    size_t deep = (c->cin + lanes - 1) / lanes * lanes, rows = b->p->kernels->rows;
    c->tiles = CACHE / (36 * deep);
    c->tiles = c->tiles < LEAST_TILES ? LEAST_TILES : c->tiles;
    c->tiles = (c->tiles + rows - 1) / rows * rows;
    c->weights = NULL;
    s->kind = &conv_winograd;
    s->granule = 4 * c->dilation;
    s->scratch = 36 * ((c->tiles * deep + 16) + (c->tiles * c->columns + 16)) + KERNEL_SLACK;
    return PEL_OK;
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
    *x = px / d * 4 * d + px % d;
    *y = w->y0 + row / d * 4 * d + row % d;
}

static void transform_in(const work *w, size_t tile, float *v, size_t plane)
{
    const conv *c = w->s->data;
    const float *rows[6];
    size_t y, x;
    corner_of(w, tile, &y, &x);
    for (size_t i = 0; i < 6; i++) {
        ptrdiff_t at = (ptrdiff_t)y + c->phase[0].dy[0] + (ptrdiff_t)(i * c->dilation);
        rows[i] = picture_row_or_zeros(&w->in, w->n, at) +
                  ((ptrdiff_t)x + c->phase[0].dx[0]) * (ptrdiff_t)w->in.ld;
    }
    w->n->plan.kernels->winograd_in(rows, c->dilation * w->in.ld, c->cin, v, plane);
}

static void transform_out(const work *w, size_t tile, size_t first, size_t columns, const float *m,
                          size_t plane)
{
    const conv *c = w->s->data;
    kernel_epilogue e = conv_epilogue(c, first);
    float *rows[4] = {NULL};
    const float *residual[4] = {NULL};
    size_t y, x, d = c->dilation, ny = 0, nx = 0;
    corner_of(w, tile, &y, &x);
    for (; ny < 4 && y + ny * d < w->y1; ny++) {
        rows[ny] = picture_row(&w->out, y + ny * d) + x * w->out.ld + first;
        if (c->has_residual)
            residual[ny] = picture_row(&w->residual, y + ny * d) + x * w->residual.ld + first;
    }
    while (nx < 4 && x + nx * d < w->out.buffer->w)
        nx++;
    w->n->plan.kernels->winograd_out(m, plane, rows, d * w->out.ld, c->has_residual ? residual : NULL,
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
            const float *segment = v + xi * plane;
            kernel_tile t = {.segments = 1, .length = c->cin, .segment = &segment, .a_stride = deep,
                             .weights = c->phase[0].weights + 36 * first * c->cin + xi * c->cin * wide,
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
    size_t d = c->dilation, rows = n->plan.kernels->rows, threads = n->plan.threads;
    work w = {.s = s, .n = n, .y0 = y0, .y1 = y1};
    w.in = plan_picture(&n->plan, s->inputs[0]);
    w.out = plan_picture(&n->plan, s->output);
    if (c->has_residual)
        w.residual = plan_picture(&n->plan, s->inputs[1]);
    w.across = (w.out.buffer->w + 4 * d - 1) / (4 * d);
    w.count = (y1 - y0 + 4 * d - 1) / (4 * d) * d * d * w.across;
    /* As many equal chunks a worker, each a whole number of the products' tiles. */
    size_t chunks = (w.count + c->tiles - 1) / c->tiles;
    chunks = (chunks + threads - 1) / threads * threads;
    w.chunk = ((w.count + chunks - 1) / chunks + rows - 1) / rows * rows;
    w.chunk = w.chunk < c->tiles ? w.chunk : c->tiles;
    pel_pool_run(ctx->pool, (w.count + w.chunk - 1) / w.chunk, job, &w);
}

const step_kind conv_winograd = {"conv, Winograd", conv_needs, run, NULL, conv_free};
