/* conv.c - convolutions row by row, as sums of products over segments of memory (kernels.h): geometry, running,
 * and which algorithm is chosen.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include <pellucid/pool.h>

#include "conv.h"

/* ---- Geometry */

static ptrdiff_t least(const ptrdiff_t *v, size_t count)
{
    ptrdiff_t m = count > 0 ? v[0] : 0;
    for (size_t i = 1; i < count; i++)
        m = v[i] < m ? v[i] : m;
    return m;
}

static ptrdiff_t most(const ptrdiff_t *v, size_t count)
{
    ptrdiff_t m = count > 0 ? v[0] : 0;
    for (size_t i = 1; i < count; i++)
        m = v[i] > m ? v[i] : m;
    return m;
}

void conv_needs(const step *s, const plan *p, size_t k, int axis, size_t first, size_t end, ptrdiff_t *from,
                ptrdiff_t *to)
{
    const conv *c = s->data;
    size_t step_out = axis == 0 ? c->step_y : c->step_x, stride = axis == 0 ? c->stride_y : c->stride_x;
    (void)p;
    *from = (ptrdiff_t)first;
    *to = (ptrdiff_t)end;
    if (k > 0) /* the residual: the same */
        return;
    end = (end + s->granule - 1) / s->granule * s->granule; /* Winograd's last tile is whole */
    *from = PTRDIFF_MAX;
    *to = PTRDIFF_MIN;
    for (size_t i = 0; i < c->phases; i++) {
        const conv_phase *ph = &c->phase[i];
        const ptrdiff_t *d = axis == 0 ? ph->dy : ph->dx;
        ptrdiff_t low = (ptrdiff_t)(first / step_out * stride) + least(d, ph->taps);
        ptrdiff_t high = (ptrdiff_t)((end - 1) / step_out * stride) + most(d, ph->taps) + 1;
        *from = low < *from ? low : *from;
        *to = high > *to ? high : *to;
    }
}

/* Zeros beside the rows: what the first and the last pixel of the output see. */
void conv_set_margins(builder *b, const conv *c, size_t input, size_t width, size_t granule)
{
    ptrdiff_t left = 0, right = 0, w = (ptrdiff_t)b->p->g.values[input].array.dims[3];
    width = (width + granule - 1) / granule * granule;
    for (size_t i = 0; i < c->phases; i++) {
        const conv_phase *ph = &c->phase[i];
        ptrdiff_t lo = -least(ph->dx, ph->taps);
        ptrdiff_t hi = (ptrdiff_t)((width - 1) / c->step_x * c->stride_x) + most(ph->dx, ph->taps) - (w - 1);
        left = lo > left ? lo : left;
        right = hi > right ? hi : right;
    }
    build_margins(b, input, (size_t)left, (size_t)right);
}

kernel_epilogue conv_epilogue(const conv *c, size_t column)
{
    return (kernel_epilogue){.bias = c->bias + column,
                             .slopes = c->slopes != NULL ? c->slopes + column : NULL,
                             .residual_last = c->residual_last};
}

bool conv_in_place(const step *s, size_t k)
{
    (void)s;
    return k > 0;
}

void conv_free(step *s)
{
    conv *c = s->data;
    for (size_t i = 0; c->phase != NULL && i < c->phases; i++) {
        pel_free(c->phase[i].dy);
        pel_free(c->phase[i].numbers);
        pel_free(c->phase[i].weights);
    }
    pel_free(c->phase);
    pel_free(c->bias);
    pel_free(c->slopes);
    pel_free(c->after);
}

/* ---- Running */

typedef struct {
    const step *s;
    const pel_network *n;
    picture in, out, residual;
    size_t y0, y1, rows; /* `rows` by job, where a job takes several */
} work;

static work work_of(const step *s, const pel_network *n, size_t y0)
{
    const conv *c = s->data;
    work w = {.s = s, .n = n, .y0 = y0};
    w.in = plan_picture(&n->plan, s->inputs[0]);
    w.out = plan_picture(&n->plan, s->output);
    if (c->has_residual)
        w.residual = plan_picture(&n->plan, s->inputs[1]);
    return w;
}

/* Where the taps of a phase lie for output row y: the segments of kernels.h; their number. */
static size_t find_segments(const work *w, const conv_phase *ph, size_t y, size_t channel,
                            const void *segments[MOST_TAPS])
{
    const conv *c = w->s->data;
    ptrdiff_t at = (ptrdiff_t)((y - ph->oy) / c->step_y * c->stride_y);
    size_t count = 0, sample = buffer_sample(w->in.buffer);
    for (size_t t = 0; t < ph->taps; t += c->joined)
        segments[count++] = (const char *)picture_pixel_or_zeros(&w->in, w->n, at + ph->dy[t], ph->dx[t]) +
                            channel * sample;
    return count;
}

/* A row's tile without weights. */
static kernel_tile tile_of(const work *w, const conv_phase *ph, size_t y, size_t group, size_t column,
                           size_t packed, const void *segments[MOST_TAPS])
{
    const conv *c = w->s->data;
    kernel_tile t = {.segment = segments, .length = c->joined * c->cin, .a_stride = c->stride_x * w->in.ld,
                     .out_stride = c->step_x * w->out.ld};
    t.segments = find_segments(w, ph, y, group * c->cin, segments);
    t.out = (char *)picture_samples(&w->out, y) +
            (ph->ox * w->out.ld + group * c->cout + column) * buffer_sample(w->out.buffer);
    t.epilogue = conv_epilogue(c, packed);
    t.epilogue.half = w->out.buffer->half;
    if (c->has_residual) {
        t.epilogue.residual =
            picture_row(&w->residual, y) + ph->ox * w->residual.ld + group * c->cout + column;
        t.epilogue.residual_stride = c->step_x * w->residual.ld;
    }
    return t;
}

static size_t pixels_of(const work *w, const conv_phase *ph)
{
    const conv *c = w->s->data;
    size_t width = w->out.buffer->w;
    return width > ph->ox ? (width - ph->ox + c->step_x - 1) / c->step_x : 0;
}

/* Columns of a group as they are packed: of its panels the last is as narrow as it can be. */
size_t conv_packed(const conv *c, size_t lanes)
{
    size_t whole = c->cout / c->columns * c->columns, rest = c->cout - whole;
    return whole + (rest == 0 ? 0 : rest > lanes ? 2 * lanes : lanes);
}

/* One panel of columns of row y. */
static void multiply_row(const work *w, size_t y, size_t panel)
{
    const conv *c = w->s->data;
    const nn_kernels *kernels = w->n->plan.kernels;
    const void *segments[MOST_TAPS];
    size_t group = panel / c->panels, first = panel % c->panels * c->columns;
    size_t columns = c->cout - first < c->columns ? c->cout - first : c->columns;
    for (size_t i = 0; i < c->phases; i++) {
        const conv_phase *ph = &c->phase[i];
        if (y % c->step_y != ph->oy)
            continue;
        kernel_tile t = tile_of(w, ph, y, group, first, group * c->panels * c->columns + first, segments);
        if (c->rounds) {
            t.weights = (const bf16 *)ph->weights + first * ph->taps / c->joined * c->depth;
            kernels->multiply_bf16(&t, pixels_of(w, ph), columns);
        } else {
            size_t before = group * conv_packed(c, kernels->lanes) + first;
            t.weights = (const float *)ph->weights + before * ph->taps * c->cin;
            kernels->multiply(&t, pixels_of(w, ph), columns);
        }
    }
}

/* One panel of some rows, one after the other: its weights stay in the cache. */
static void multiply_job(void *arg, size_t index, size_t worker)
{
    const work *w = arg;
    const conv *c = w->s->data;
    size_t panels = c->groups * c->panels, first = w->y0 + index / panels * w->rows;
    (void)worker;
    for (size_t y = first; y < first + w->rows && y < w->y1; y++)
        multiply_row(w, y, index % panels);
}

#define INPUT_CACHE (48 << 10) /* samples of rows of the input that all panels go over */

static void multiply_run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    const conv *c = s->data;
    work w = work_of(s, n, y0);
    size_t row = w.in.buffer->w * w.in.ld, threads = n->plan.threads, panels = c->groups * c->panels;
    w.y1 = y1;
    w.rows = INPUT_CACHE / row + 1;
    while (w.rows > 1 && (y1 - y0 + w.rows - 1) / w.rows * panels < 4 * threads)
        w.rows = (w.rows + 1) / 2;
    pel_pool_run(ctx->pool, (y1 - y0 + w.rows - 1) / w.rows * panels, multiply_job, &w);
}

/* A row, with few columns a group. */
static void dot_job(void *arg, size_t index, size_t worker)
{
    const work *w = arg;
    const conv *c = w->s->data;
    const void *segments[MOST_TAPS];
    size_t y = w->y0 + index;
    (void)worker;
    for (size_t i = 0; i < c->phases; i++)
        for (size_t group = 0; group < c->groups && y % c->step_y == c->phase[i].oy; group++) {
            const conv_phase *ph = &c->phase[i];
            kernel_tile t = tile_of(w, ph, y, group, 0, group * c->panels * c->columns, segments);
            t.weights = (const float *)ph->weights + group * c->cout * ph->taps * c->cin;
            w->n->plan.kernels->dot(&t, pixels_of(w, ph), c->cout);
        }
}

static void dot_run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    work w = work_of(s, n, y0);
    pel_pool_run(ctx->pool, y1 - y0, dot_job, &w);
}

static void depthwise_job(void *arg, size_t index, size_t worker)
{
    const work *w = arg;
    const conv *c = w->s->data;
    const void *segments[MOST_TAPS];
    (void)worker;
    for (size_t i = 0; i < c->phases; i++) {
        const conv_phase *ph = &c->phase[i];
        if ((w->y0 + index) % c->step_y != ph->oy)
            continue;
        kernel_tile t = tile_of(w, ph, w->y0 + index, 0, 0, 0, segments);
        t.length = c->groups;
        t.weights = ph->weights;
        w->n->plan.kernels->depthwise(&t, pixels_of(w, ph));
    }
}

static void depthwise_run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    work w = work_of(s, n, y0);
    pel_pool_run(ctx->pool, y1 - y0, depthwise_job, &w);
}

const step_kind conv_multiply = {
    .name = "conv", .needs = conv_needs, .run = multiply_run, .free = conv_free, .in_place = conv_in_place,
    .reload = conv_reload};
static const step_kind conv_bf16 = {
    .name = "conv, bf16", .needs = conv_needs, .run = multiply_run, .free = conv_free, .in_place = conv_in_place,
    .reload = conv_reload};
static const step_kind conv_dot = {
    .name = "conv, few outputs", .needs = conv_needs, .run = dot_run, .free = conv_free, .in_place = conv_in_place,
    .reload = conv_reload};
static const step_kind conv_depthwise = {
    .name = "conv, depthwise", .needs = conv_needs, .run = depthwise_run, .free = conv_free, .in_place = conv_in_place,
    .reload = conv_reload};

/* ---- Choosing */

bool conv_is_depthwise(const conv *c) { return c->cin == 1 && c->cout == 1 && c->groups >= 4; }

/* Neighbouring taps of a row as one, where they are neighbours in memory and there is something to gain: a pixel has few
 * channels, or the rest of a segment costs as much as a whole unit. */
static void join_taps(const builder *b, step *s, bool in_rows)
{
    conv *c = s->data;
    picture in = plan_picture(b->p, s->inputs[0]);
    const conv_phase *ph = &c->phase[0];
    size_t row = 1;
    while (row < ph->taps && ph->dy[row] == ph->dy[0] && ph->dx[row] == ph->dx[row - 1] + 1)
        row++;
    c->joined = in_rows && c->groups == 1 && in.ld == c->cin && (c->rounds || c->cin < 16) ? row : 1;
}

void conv_choose(builder *b, step *s, bool in_rows)
{
    conv *c = s->data;
    const nn_kernels *kernels = b->p->kernels;
    c->joined = 1;
    bool transform = conv_suits_winograd(c) && !(c->rounds && kernels->direct_bf16);
    if (!transform)
        join_taps(b, s, in_rows);
    if (c->rounds && !transform) {
        s->kind = &conv_bf16;
        c->packing = PACK_PAIRS;
        c->depth = (c->joined * c->cin + kernels->unit - 1) / kernels->unit * kernels->unit;
    } else if (conv_is_depthwise(c)) {
        s->kind = &conv_depthwise;
        c->packing = PACK_BY_TAP;
    } else if (transform) {
        conv_choose_winograd(b, s);
        c->packing = PACK_WINOGRAD;
    } else if (c->cout <= 4 && c->cin * c->joined >= kernels->lanes) {
        s->kind = &conv_dot;
        c->packing = PACK_PLAIN;
    } else {
        c->packing = PACK_PANELS;
    }
}
