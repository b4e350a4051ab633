/* gradient-weights.c - sinks: gradients by the weights of convolutions, and by numbers for each channel, summed over the
 * samples that a network runs.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Of a convolution each weight's gradient is the sum over pixels of a channel of the picture with many pixels (the
 * input; of a transposed one the output's gradient) times one of the other, a tap's shift apart: products of matrices
 * over pixels.  3 x 3 and 5 x 5 ones are summed in Winograd's domain, by the adjoints of what the forward transform does
 * (36 products for 16 pixels' 144), and brought back once at the end. */
#include "config.h"

#include <string.h>

#include "engine/conv.h"

typedef struct {
    size_t groups, big, small; /* channels of a group */
    size_t taps, row;          /* in all, and of a row of taps that are taken as one (1: each by itself) */
    size_t kh, kw;
    ptrdiff_t stride[2], dilation[2], pad[2];
    bool swapped;              /* sums are [.][small][big]: the wider one runs along the vectors */
    size_t tile, tiles;        /* Winograd: pixels of a tile's side, 0: none; tiles at a time */
    size_t sums;               /* where they are: floats */
    size_t held, pending;      /* Winograd: transformed tiles that wait, and among the sums how many */
    size_t parameter;
} weights;

static float *sums_of(const weights *g, const pel_network *n) { return (float *)(n->sums + g->sums); }

static bool is_depthwise(const weights *g) { return g->big == 1 && g->small == 1 && g->groups > 1; }

/* ---- Geometry: pixel o of the small picture meets o * stride + tap * dilation - pad of the big one */

static void needs(const step *s, const plan *p, size_t k, int axis, size_t first, size_t end, ptrdiff_t *from,
                  ptrdiff_t *to)
{
    const weights *g = s->data;
    ptrdiff_t taps = (ptrdiff_t)(axis == 0 ? g->kh : g->kw);
    (void)p;
    end = (end + s->granule - 1) / s->granule * s->granule;
    *from = (ptrdiff_t)first;
    *to = (ptrdiff_t)end;
    if (k == 1)
        return;
    *from = (ptrdiff_t)first * g->stride[axis] - g->pad[axis];
    *to = ((ptrdiff_t)end - 1) * g->stride[axis] - g->pad[axis] + (taps - 1) * g->dilation[axis] + 1;
}

/* ---- Directly: a row of the small picture, tap by tap */

static void add_tap(const step *s, const pel_network *n, size_t y, size_t tap, size_t group)
{
    const weights *g = s->data;
    const nn_kernels *kernels = n->plan.kernels;
    picture big = plan_picture(&n->plan, s->inputs[0]), small = plan_picture(&n->plan, s->inputs[1]);
    ptrdiff_t at_y = (ptrdiff_t)y * g->stride[0] + (ptrdiff_t)(tap / g->kw) * g->dilation[0] - g->pad[0];
    ptrdiff_t at_x = (ptrdiff_t)(tap % g->kw) * g->dilation[1] - g->pad[1];
    if (at_y < 0 || at_y >= (ptrdiff_t)big.buffer->h)
        return;
    const float *a = (const float *)picture_pixel_or_zeros(&big, n, at_y, at_x) + group * g->big;
    const float *b = picture_row(&small, y) + group * g->small;
    size_t width = small.buffer->w, run = g->row * g->big, a_stride = (size_t)g->stride[1] * big.ld;
    float *sums = sums_of(g, n);
    if (is_depthwise(g))
        kernels->products(width, g->groups, a, a_stride, b, small.ld, sums + tap * g->groups);
    else if (g->swapped)
        kernels->accumulate(width, b, small.ld, g->small, a, a_stride, run,
                            sums + (group * g->taps + tap) * g->big * g->small, run);
    else
        kernels->accumulate(width, a, a_stride, run, b, small.ld, g->small,
                            sums + (group * g->taps + tap) * g->big * g->small, g->small);
}

static void direct_run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    const weights *g = s->data;
    size_t groups = is_depthwise(g) ? 1 : g->groups;
    (void)ctx;
    for (size_t y = y0; y < y1; y++)
        for (size_t tap = 0; tap < g->taps; tap += g->row)
            for (size_t group = 0; group < groups; group++)
                add_tap(s, n, y, tap, group);
}

/* ---- In Winograd's domain */

typedef struct {
    const step *s;
    const pel_network *n;
    picture big, small;
    size_t y0, across, deep_big, deep_small, v_plane, m_plane;
    float *v, *m;
} work;

static work work_of(const step *s, const pel_network *n)
{
    const weights *g = s->data;
    size_t lanes = n->plan.kernels->lanes, side = g->tile * (size_t)g->dilation[0];
    work w = {.s = s, .n = n, .big = plan_picture(&n->plan, s->inputs[0]), .small = plan_picture(&n->plan, s->inputs[1])};
    w.across = (w.small.buffer->w + side - 1) / side;
    w.deep_big = (g->big + lanes - 1) / lanes * lanes;
    w.deep_small = (g->small + lanes - 1) / lanes * lanes;
    w.v_plane = g->tiles * w.deep_big + 16;
    w.m_plane = g->tiles * w.deep_small + 16;
    w.v = n->held + g->held;
    w.m = w.v + 36 * w.v_plane;
    return w;
}

static void transform_tile(const work *w, size_t tile, float *v, float *m)
{
    const weights *g = w->s->data;
    size_t d = (size_t)g->dilation[0], px = tile % (w->across * d), row = tile / (w->across * d);
    size_t x = px / d * g->tile * d + px % d, y = w->y0 + row / d * g->tile * d + row % d;
    const void *rows[6];
    const float *back[4];
    for (size_t i = 0; i < 6; i++)
        rows[i] = picture_pixel_or_zeros(&w->big, w->n, (ptrdiff_t)(y + i * d) - g->pad[0], (ptrdiff_t)x - g->pad[1]);
    for (size_t i = 0; i < g->tile; i++)
        back[i] = picture_pixel_or_zeros(&w->small, w->n, (ptrdiff_t)(y + i * d), (ptrdiff_t)x);
    w->n->plan.kernels->winograd_in(rows, d * w->big.ld, g->big, v, w->v_plane);
    w->n->plan.kernels->winograd_back(back, d * w->small.ld, g->tile, g->small, m, w->m_plane);
}

/* Adds up the tiles that wait. */
static void add_tiles(const work *w, double *pending)
{
    const weights *g = w->s->data;
    float *sums = sums_of(g, w->n);
    for (size_t xi = 0; xi < 36 && *pending > 0; xi++)
        w->n->plan.kernels->accumulate((size_t)*pending, w->v + xi * w->v_plane, w->deep_big, g->big,
                                       w->m + xi * w->m_plane, w->deep_small, g->small,
                                       sums + xi * g->big * g->small, g->small);
    *pending = 0;
}

/* A product of few tiles takes less time than to fetch the sums and bring them back.  So tiles wait until there are
 * enough, from sample to sample: deep layers have large sums, and a sample's picture is small there. */
static void winograd_run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    const weights *g = s->data;
    work w = work_of(s, n);
    size_t d = (size_t)g->dilation[0], side = g->tile * d;
    size_t count = (y1 - y0 + side - 1) / side * d * d * w.across;
    double *pending = &n->sums[g->pending];
    (void)ctx;
    w.y0 = y0;
    for (size_t i = 0; i < count; i++) {
        size_t at = (size_t)*pending;
        transform_tile(&w, i, w.v + at * w.deep_big, w.m + at * w.deep_small);
        *pending += 1;
        if (at + 1 == g->tiles)
            add_tiles(&w, pending);
    }
}

/* ---- The end: to ONNX's order, [small][big][tap] */

/* What all networks have at one place of their sums, in their order. */
static double total(const weights *g, const pel_network *const *networks, size_t count, size_t at)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)sums_of(g, networks[i])[at];
    return sum;
}

static size_t place_of(const weights *g, size_t group, size_t small, size_t big, size_t tap)
{
    if (is_depthwise(g))
        return tap * g->groups + group;
    size_t first = (group * g->taps + tap / g->row * g->row) * g->big * g->small, at = tap % g->row * g->big + big;
    return g->swapped ? first + small * g->row * g->big + at : first + at * g->small + small;
}

static void direct_collect(const step *s, const pel_network *const *networks, size_t count, float *gradient)
{
    const weights *g = s->data;
    float *to = gradient + g->parameter;
    for (size_t group = 0; group < g->groups; group++)
        for (size_t small = 0; small < g->small; small++)
            for (size_t big = 0; big < g->big; big++)
                for (size_t tap = 0; tap < g->taps; tap++)
                    *to++ += (float)total(g, networks, count, place_of(g, group, small, big, tap));
}

#define BLOCK 64 /* small channels at a time */

/* With U = T g T' of the forward transform, the gradient by g is T' U T. */
static void back_block(const double u[36][BLOCK], size_t side, size_t count, double t[6][5], float *to, size_t far)
{
    for (size_t a = 0; a < side; a++) {
        double half[6][BLOCK];
        for (size_t k = 0; k < 6; k++)
            for (size_t n = 0; n < BLOCK; n++) {
                half[k][n] = 0;
                for (size_t i = 0; i < 6; i++)
                    half[k][n] += t[i][a] * u[6 * i + k][n];
            }
        for (size_t b = 0; b < side; b++)
            for (size_t n = 0; n < count; n++) {
                double sum = 0;
                for (size_t k = 0; k < 6; k++)
                    sum += half[k][n] * t[k][b];
                to[n * far + a * side + b] += (float)sum;
            }
    }
}

static void winograd_collect(const step *s, const pel_network *const *networks, size_t count, float *gradient)
{
    const weights *g = s->data;
    double t[6][5], u[36][BLOCK] = {{0}};
    size_t plane = g->big * g->small;
    for (size_t i = 0; i < count; i++) {
        work w = work_of(s, networks[i]);
        add_tiles(&w, &networks[i]->sums[g->pending]);
    }
    conv_winograd_matrix(g->kh, t);
    for (size_t big = 0; big < g->big; big++)
        for (size_t small = 0; small < g->small; small += BLOCK) {
            size_t wide = g->small - small < BLOCK ? g->small - small : BLOCK;
            for (size_t xi = 0; xi < 36; xi++)
                for (size_t n = 0; n < wide; n++)
                    u[xi][n] = 0;
            for (size_t i = 0; i < count; i++) {
                const float *from = sums_of(g, networks[i]) + big * g->small + small;
                for (size_t xi = 0; xi < 36; xi++)
                    for (size_t n = 0; n < wide; n++)
                        u[xi][n] += (double)from[xi * plane + n];
            }
            back_block((const double(*)[BLOCK])u, g->kh, wide, t,
                       gradient + g->parameter + (small * g->big + big) * g->taps, g->big * g->taps);
        }
}

static const step_kind direct_kind = {
    .name = "weight gradient", .needs = needs, .run = direct_run, .collect = direct_collect};
static const step_kind winograd_kind = {
    .name = "weight gradient, Winograd", .needs = needs, .run = winograd_run, .collect = winograd_collect};

/* ---- From a node */

#define TILES_AT_ONCE 64
#define LEAST_CHANNELS 8

static bool suits_winograd(const weights *g)
{
    return g->groups == 1 && g->kh == g->kw && (g->kh == 3 || g->kh == 5) && g->stride[0] == 1 && g->stride[1] == 1 &&
           g->dilation[0] == g->dilation[1] && g->big >= LEAST_CHANNELS && g->small >= LEAST_CHANNELS;
}

static void choose_winograd(builder *b, step *s, weights *g)
{
    size_t lanes = b->p->kernels->lanes, side;
    size_t deep_big = (g->big + lanes - 1) / lanes * lanes, deep_small = (g->small + lanes - 1) / lanes * lanes;
    g->tile = 7 - g->kh;
    g->tiles = TILES_AT_ONCE;
    side = g->tile * (size_t)g->dilation[0];
    s->kind = &winograd_kind;
    s->granule = side;
    g->held = plan_add_held(b->p, 36 * (g->tiles * (deep_big + deep_small) + 32) + KERNEL_SLACK);
    g->pending = plan_add_sums(b->p, 1);
    g->sums = plan_add_sums(b->p, (36 * g->big * g->small + KERNEL_SLACK) / 2 + 1);
    build_margins(b, s->inputs[1], 0, side); /* the last tile is whole */
}

static void choose_direct(builder *b, step *s, weights *g)
{
    picture big = plan_picture(b->p, s->inputs[0]);
    s->kind = &direct_kind;
    g->swapped = g->small < b->p->kernels->lanes && g->big > g->small;
    if (g->groups == 1 && big.ld == g->big && g->dilation[1] == 1 && g->big < 16)
        g->row = g->kw;
    g->sums = plan_add_sums(b->p, (g->groups * g->big * g->small * g->taps + KERNEL_SLACK) / 2 + 1);
}

/* Zeros beside the big picture's rows: what the first and last pixels of the small one meet. */
static void set_margins(builder *b, const step *s, const weights *g)
{
    ptrdiff_t granule = (ptrdiff_t)s->granule, w = (ptrdiff_t)plan_buffer(b->p, s->inputs[1])->w;
    ptrdiff_t last = ((w + granule - 1) / granule * granule - 1) * g->stride[1] - g->pad[1] +
                     (ptrdiff_t)(g->kw - 1) * g->dilation[1];
    ptrdiff_t right = last - ((ptrdiff_t)plan_buffer(b->p, s->inputs[0])->w - 1);
    build_margins(b, s->inputs[0], g->pad[1] > 0 ? (size_t)g->pad[1] : 0, right > 0 ? (size_t)right : 0);
}

static pel_status convolution(builder *b, const graph_node *n)
{
    const graph *all = &b->p->g;
    size_t value = all->nodes[n->of].inputs[1];
    const int64_t *w = all->values[value].array.dims;
    step *s = build_step(b, &direct_kind, sizeof(weights), 2, n->inputs, NONE);
    if (s == NULL)
        return build_fail(b);
    weights *g = s->data;
    *g = (weights){.groups = (size_t)pel_node_int(n->node, "group", 1), .kh = (size_t)w[2], .kw = (size_t)w[3],
                   .taps = (size_t)(w[2] * w[3]), .row = 1, .parameter = all->values[value].parameter};
    static const char *const names[] = {"strides", "dilations", "pads"};
    ptrdiff_t *const to[] = {g->stride, g->dilation, g->pad};
    for (size_t k = 0; k < 6; k++) {
        const pel_attribute *a = pel_node_attribute(n->node, names[k / 2]);
        to[k / 2][k % 2] = a != NULL ? (ptrdiff_t)a->integers[k % 2] : k < 4;
    }
    g->small = (size_t)w[0] / g->groups;
    g->big = (size_t)w[1];
    s->height = plan_buffer(b->p, s->inputs[1])->h;
    if (suits_winograd(g))
        choose_winograd(b, s, g);
    else
        choose_direct(b, s, g);
    set_margins(b, s, g);
    return PEL_OK;
}

/* ---- A number for each channel, or one for all */

typedef struct {
    size_t sums, count, parameter;
} channels;

static void channels_run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    const channels *g = s->data;
    picture a = plan_picture(&n->plan, s->inputs[0]), b = plan_picture(&n->plan, s->inputs[s->input_count - 1]);
    float *row = n->scratch[0];
    (void)ctx;
    for (size_t y = y0; y < y1; y++) {
        memset(row, 0, a.c * sizeof *row);
        n->plan.kernels->products(a.buffer->w, a.c, picture_row(&a, y), a.ld,
                                  s->input_count > 1 ? picture_row(&b, y) : NULL, b.ld, row);
        for (size_t c = 0; c < a.c; c++)
            n->sums[g->sums + (g->count > 1 ? c : 0)] += (double)row[c];
    }
}

static void channels_collect(const step *s, const pel_network *const *networks, size_t count, float *gradient)
{
    const channels *g = s->data;
    for (size_t c = 0; c < g->count; c++) {
        double sum = 0;
        for (size_t i = 0; i < count; i++)
            sum += networks[i]->sums[g->sums + c];
        gradient[g->parameter + c] += (float)sum;
    }
}

static const step_kind channels_kind = {.name = "channel gradient", .run = channels_run, .collect = channels_collect};

static pel_status by_channel(builder *b, const graph_node *n)
{
    const graph *all = &b->p->g;
    const graph_value *value = &all->values[all->nodes[n->of].inputs[n->input]];
    step *s = build_step(b, &channels_kind, sizeof(channels), n->input_count, n->inputs, NONE);
    if (s == NULL)
        return build_fail(b);
    size_t count = nn_array_count(&value->array);
    *(channels *)s->data = (channels){plan_add_sums(b->p, count), count, value->parameter};
    s->height = plan_buffer(b->p, n->inputs[0])->h;
    s->scratch = plan_picture(b->p, n->inputs[0]).c;
    return PEL_OK;
}

pel_status build_weights(builder *b, size_t i, bool *made)
{
    const graph_node *n = &b->p->g.nodes[i];
    *made = true;
    if (strcmp(n->op->name, "WeightGradient") == 0)
        return convolution(b, n);
    if (strcmp(n->op->name, "ChannelGradient") == 0)
        return by_channel(b, n);
    *made = false;
    return PEL_OK;
}
