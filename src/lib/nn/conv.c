/* conv.c - Conv and ConvTranspose, with what follows them taken in: scale, activation, residual.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/pool.h>

#include "conv.h"
#include "fuse.h"

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
static void set_margins(builder *b, const conv *c, size_t input, size_t width, size_t granule)
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

void conv_free(step *s)
{
    conv *c = s->data;
    for (size_t i = 0; c->phase != NULL && i < c->phases; i++) {
        pel_free(c->phase[i].dy);
        pel_free(c->phase[i].weights);
    }
    pel_free(c->phase);
    pel_free(c->bias);
    pel_free(c->slopes);
}

/* ---- Running */

typedef struct {
    const step *s;
    const pel_network *n;
    picture in, out, residual;
    size_t y0;
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
                            const float *segments[MOST_TAPS])
{
    const conv *c = w->s->data;
    ptrdiff_t at = (ptrdiff_t)((y - ph->oy) / c->step_y * c->stride_y);
    size_t count = 0;
    for (size_t t = 0; t < ph->taps; t += c->joined)
        segments[count++] = picture_row_or_zeros(&w->in, w->n, at + ph->dy[t]) +
                            ph->dx[t] * (ptrdiff_t)w->in.ld + channel;
    return count;
}

/* A row's tile without weights. */
static kernel_tile tile_of(const work *w, const conv_phase *ph, size_t y, size_t group, size_t column,
                           size_t packed, const float *segments[MOST_TAPS])
{
    const conv *c = w->s->data;
    kernel_tile t = {.segment = segments, .length = c->joined * c->cin, .a_stride = c->stride_x * w->in.ld,
                     .out_stride = c->step_x * w->out.ld};
    t.segments = find_segments(w, ph, y, group * c->cin, segments);
    t.out = picture_row(&w->out, y) + ph->ox * w->out.ld + group * c->cout + column;
    t.epilogue = conv_epilogue(c, packed);
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

/* One panel of columns of one row. */
static void multiply_job(void *arg, size_t index, size_t worker)
{
    const work *w = arg;
    const conv *c = w->s->data;
    const nn_kernels *kernels = w->n->plan.kernels;
    const float *segments[MOST_TAPS];
    size_t y = w->y0 + index / (c->groups * c->panels), panel = index % (c->groups * c->panels);
    size_t group = panel / c->panels, first = panel % c->panels * c->columns;
    size_t columns = c->cout - first < c->columns ? c->cout - first : c->columns;
    (void)worker;
    for (size_t i = 0; i < c->phases; i++) {
        const conv_phase *ph = &c->phase[i];
        if (y % c->step_y != ph->oy)
            continue;
        kernel_tile t = tile_of(w, ph, y, group, first, group * c->panels * c->columns + first, segments);
        t.weights = ph->weights + (group * conv_packed(c, kernels->lanes) + first) * ph->taps * c->cin;
        kernels->multiply(&t, pixels_of(w, ph), columns);
    }
}

static void multiply_run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    const conv *c = s->data;
    work w = work_of(s, n, y0);
    pel_pool_run(ctx->pool, (y1 - y0) * c->groups * c->panels, multiply_job, &w);
}

/* A row, with few columns a group. */
static void dot_job(void *arg, size_t index, size_t worker)
{
    const work *w = arg;
    const conv *c = w->s->data;
    const float *segments[MOST_TAPS];
    size_t y = w->y0 + index;
    (void)worker;
    for (size_t i = 0; i < c->phases; i++)
        for (size_t group = 0; group < c->groups && y % c->step_y == c->phase[i].oy; group++) {
            const conv_phase *ph = &c->phase[i];
            kernel_tile t = tile_of(w, ph, y, group, 0, group * c->panels * c->columns, segments);
            t.weights = ph->weights + group * c->cout * ph->taps * c->cin;
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
    const float *segments[MOST_TAPS];
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

static const step_kind conv_multiply = {"conv", conv_needs, multiply_run, NULL, conv_free};
static const step_kind conv_dot = {"conv, few outputs", conv_needs, dot_run, NULL, conv_free};
static const step_kind conv_depthwise = {"conv, depthwise", conv_needs, depthwise_run, NULL, conv_free};

/* ---- Packing: from [group][cout][tap][cin] */

/* Panels of columns: [group][panel][tap][cin][columns], the last panel of a group as narrow as it can be. */
static bool pack_panels(const conv *c, conv_phase *ph, const float *w, size_t lanes)
{
    size_t depth = ph->taps * c->cin, whole = c->cout / c->columns * c->columns;
    size_t row = conv_packed(c, lanes);
    ph->weights = pel_calloc_floats(c->groups * row * depth + KERNEL_SLACK);
    for (size_t g = 0; ph->weights != NULL && g < c->groups; g++)
        for (size_t n = 0; n < c->cout; n++) {
            size_t first = n / c->columns * c->columns;
            size_t wide = first < whole ? c->columns : row - whole;
            float *panel = ph->weights + (g * row + first) * depth;
            for (size_t k = 0; k < depth; k++)
                panel[k * wide + n - first] = w[(g * c->cout + n) * depth + k];
        }
    return ph->weights != NULL;
}

/* As they are (dot), or [tap][group] (depthwise). */
static bool pack_plain(const conv *c, conv_phase *ph, const float *w, bool by_tap)
{
    size_t depth = ph->taps * c->cin, count = c->groups * c->cout * depth;
    ph->weights = pel_calloc_floats(count + KERNEL_SLACK);
    for (size_t i = 0; ph->weights != NULL && i < count; i++)
        ph->weights[by_tap ? i % depth * c->groups + i / depth : i] = w[i];
    return ph->weights != NULL;
}

static bool is_depthwise(const conv *c) { return c->cin == 1 && c->cout == 1 && c->groups >= 4; }

/* Chooses the algorithm and packs the weights, `all` by phase. */
static pel_status choose(builder *b, step *s, float *const *all)
{
    conv *c = s->data;
    bool good = true;
    size_t lanes = b->p->kernels->lanes;
    if (is_depthwise(c)) {
        s->kind = &conv_depthwise;
        for (size_t i = 0; i < c->phases; i++)
            good = good && pack_plain(c, &c->phase[i], all[i], true);
    } else if (conv_suits_winograd(c)) {
        c->weights = all[0];
        return conv_pack_winograd(b, s);
    } else if (c->cout <= 4 && c->cin * c->joined >= lanes) {
        s->kind = &conv_dot;
        for (size_t i = 0; i < c->phases; i++)
            good = good && pack_plain(c, &c->phase[i], all[i], false);
    } else {
        for (size_t i = 0; i < c->phases; i++)
            good = good && pack_panels(c, &c->phase[i], all[i], lanes);
    }
    return good ? PEL_OK : build_fail(b);
}

/* ---- From a node */

typedef struct {
    bool transposed;
    size_t groups, cin, cout, kh, kw;
    int64_t stride[2], dilation[2], pad[2]; /* y, x; the pads before */
    const nn_array *weights, *bias;
    fused_after after;
} shape;

static int64_t pair(const pel_node *node, const char *name, size_t k, int64_t fallback)
{
    const pel_attribute *a = pel_node_attribute(node, name);
    return a != NULL && a->kind == PEL_ATTRIBUTE_INTS && k < a->count ? a->integers[k] : fallback;
}

/* auto_pad puts half of what is missing before, SAME_LOWER the larger half; ConvTranspose with output_shape is left
 * to the reference. */
static bool find_pads(const builder *b, const graph_node *n, shape *sh)
{
    const int64_t *in = b->p->g.values[n->inputs[0]].array.dims + 2;
    const int64_t *out = b->p->g.values[n->outputs[0]].array.dims + 2;
    const char *mode = pel_node_string(n->node, "auto_pad", "NOTSET");
    const int64_t kernel[2] = {(int64_t)sh->kh, (int64_t)sh->kw};
    for (size_t k = 0; k < 2; k++) {
        sh->pad[k] = pair(n->node, "pads", k, 0);
        if (strncmp(mode, "SAME", 4) == 0) {
            int64_t total = (out[k] - 1) * sh->stride[k] + (kernel[k] - 1) * sh->dilation[k] + 1 - in[k];
            total = total > 0 ? total : 0;
            sh->pad[k] = strcmp(mode, "SAME_UPPER") == 0 ? total / 2 : total - total / 2;
        }
    }
    return !sh->transposed || (strcmp(mode, "NOTSET") == 0 &&
                               pel_node_attribute(n->node, "output_shape") == NULL);
}

static bool describe(const builder *b, const graph_node *n, shape *sh)
{
    const graph *g = &b->p->g;
    sh->transposed = strcmp(n->op->name, "ConvTranspose") == 0;
    if (!build_is_picture(b, n->inputs[0]) || n->input_count < 2)
        return false;
    sh->weights = &g->values[n->inputs[1]].array;
    sh->bias = n->input_count > 2 && n->inputs[2] != NONE ? &g->values[n->inputs[2]].array : NULL;
    if (sh->weights->values == NULL || sh->weights->rank != 4 ||
        (sh->bias != NULL && sh->bias->values == NULL))
        return false;
    const int64_t *w = sh->weights->dims;
    sh->groups = (size_t)pel_node_int(n->node, "group", 1);
    sh->cin = sh->transposed ? (size_t)w[0] / sh->groups : (size_t)w[1];
    sh->cout = sh->transposed ? (size_t)w[1] : (size_t)w[0] / sh->groups;
    sh->kh = (size_t)w[2];
    sh->kw = (size_t)w[3];
    for (size_t k = 0; k < 2; k++) {
        sh->stride[k] = pair(n->node, "strides", k, 1);
        sh->dilation[k] = pair(n->node, "dilations", k, 1);
    }
    return sh->kh * sh->kw <= MOST_TAPS && sh->cin > 0 && sh->cout > 0 && find_pads(b, n, sh);
}

/* Output o sees input (o + pad - k * dilation) / stride of a transposed convolution, where that is whole. */
static bool tap_of(const shape *sh, size_t axis, size_t k, size_t phase, ptrdiff_t *d)
{
    ptrdiff_t at = (ptrdiff_t)k * (ptrdiff_t)sh->dilation[axis];
    if (!sh->transposed) {
        *d = at - (ptrdiff_t)sh->pad[axis];
        return true;
    }
    at = (ptrdiff_t)phase + (ptrdiff_t)sh->pad[axis] - at;
    if (at % (ptrdiff_t)sh->stride[axis] != 0)
        return false;
    *d = at / (ptrdiff_t)sh->stride[axis];
    return true;
}

/* The taps of a phase, and their weights as [group][cout][tap][cin], or NULL. */
static float *make_phase(const shape *sh, conv_phase *ph)
{
    size_t numbers[MOST_TAPS], most_taps = sh->kh * sh->kw;
    ph->dy = pel_alloc(2 * most_taps * sizeof *ph->dy);
    ph->dx = ph->dy + most_taps;
    for (size_t i = 0; ph->dy != NULL && i < most_taps; i++)
        if (tap_of(sh, 0, i / sh->kw, ph->oy, &ph->dy[ph->taps]) &&
            tap_of(sh, 1, i % sh->kw, ph->ox, &ph->dx[ph->taps]))
            numbers[ph->taps++] = i;
    float *w = ph->dy != NULL ? pel_alloc_floats(sh->groups * sh->cout * ph->taps * sh->cin + 1) : NULL;
    for (size_t g = 0; w != NULL && g < sh->groups; g++)
        for (size_t n = 0; n < sh->cout; n++)
            for (size_t t = 0; t < ph->taps; t++)
                for (size_t k = 0; k < sh->cin; k++) {
                    size_t at = sh->transposed ? (g * sh->cin + k) * sh->cout + n
                                               : (g * sh->cout + n) * sh->cin + k;
                    double v = sh->weights->values[at * most_taps + numbers[t]];
                    w[((g * sh->cout + n) * ph->taps + t) * sh->cin + k] =
                        (float)(v * fused_scale(&sh->after, g * sh->cout + n));
                }
    return w;
}

static pel_status set_columns(builder *b, step *s, const shape *sh)
{
    conv *c = s->data;
    size_t lanes = b->p->kernels->lanes;
    c->columns = is_depthwise(c) ? 1 : 2 * lanes;
    c->panels = (c->cout + c->columns - 1) / c->columns;
    size_t row = c->panels * c->columns;
    c->bias = pel_calloc_floats(c->groups * row + KERNEL_SLACK);
    if (sh->after.has_slopes)
        c->slopes = pel_calloc_floats(c->groups * row + KERNEL_SLACK);
    if (c->bias == NULL || (sh->after.has_slopes && c->slopes == NULL))
        return build_fail(b);
    for (size_t i = 0; i < c->groups * c->cout; i++) {
        size_t at = i / c->cout * row + i % c->cout;
        double bias = sh->bias != NULL ? sh->bias->values[i] : 0;
        c->bias[at] = (float)(bias * fused_scale(&sh->after, i) + fused_shift(&sh->after, i));
        if (c->slopes != NULL)
            c->slopes[at] = (float)fused_slope(&sh->after, i);
    }
    return PEL_OK;
}

/* Neighbouring taps of a row as one, where a pixel has few channels. */
static void join_taps(const plan *p, step *s, const shape *sh)
{
    conv *c = s->data;
    picture in = plan_picture(p, s->inputs[0]);
    c->joined = 1;
    if (!sh->transposed && c->groups == 1 && c->cin < 16 && in.ld == c->cin && sh->dilation[1] == 1)
        c->joined = sh->kw;
}

static pel_status make_phases(builder *b, step *s, const shape *sh, float **all)
{
    conv *c = s->data;
    c->phases = c->step_y * c->step_x;
    c->phase = pel_alloc(c->phases * sizeof *c->phase);
    if (c->phase == NULL)
        return build_fail(b);
    memset(c->phase, 0, c->phases * sizeof *c->phase);
    for (size_t i = 0; i < c->phases; i++) {
        c->phase[i].oy = i / c->step_x;
        c->phase[i].ox = i % c->step_x;
        all[i] = make_phase(sh, &c->phase[i]);
        if (all[i] == NULL)
            return build_fail(b);
    }
    return PEL_OK;
}

#define MOST_PHASES 64

pel_status build_conv(builder *b, size_t i, bool *made)
{
    graph_node *n = &b->p->g.nodes[i];
    shape sh = {0};
    if ((strcmp(n->op->name, "Conv") != 0 && strcmp(n->op->name, "ConvTranspose") != 0) ||
        !describe(b, n, &sh) || (sh.transposed && sh.stride[0] * sh.stride[1] > MOST_PHASES))
        return PEL_OK;
    *made = true;
    pel_status status = fuse_after(b, i, i, &sh.after);
    size_t inputs[2] = {n->inputs[0], sh.after.residual};
    step *s = status == PEL_OK ? build_step(b, &conv_multiply, sizeof(conv), sh.after.residual != NONE ? 2 : 1,
                                            inputs, sh.after.output)
                               : NULL;
    if (s == NULL)
        return status == PEL_OK ? build_fail(b) : status;
    conv *c = s->data;
    *c = (conv){.groups = sh.groups, .cin = sh.cin, .cout = sh.cout, .stride_y = 1, .stride_x = 1,
                .step_y = 1, .step_x = 1, .dilation = (size_t)sh.dilation[0],
                .has_residual = sh.after.residual != NONE, .residual_last = sh.after.residual_last};
    *(sh.transposed ? &c->step_y : &c->stride_y) = (size_t)sh.stride[0];
    *(sh.transposed ? &c->step_x : &c->stride_x) = (size_t)sh.stride[1];
    float *all[MOST_PHASES] = {NULL};
    status = make_phases(b, s, &sh, all);
    if (status == PEL_OK)
        status = set_columns(b, s, &sh);
    join_taps(b->p, s, &sh);
    if (status == PEL_OK)
        status = choose(b, s, all);
    for (size_t k = 0; k < MOST_PHASES; k++)
        pel_free(all[k]);
    fused_free(&sh.after);
    set_margins(b, c, n->inputs[0], b->p->buffers[plan_picture(b->p, s->output).buffer - b->p->buffers].w,
                s->granule);
    return status;
}
