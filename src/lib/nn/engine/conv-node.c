/* conv-node.c - Conv and ConvTranspose as steps, with what follows them taken in: scale, activation, residual.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include "conv.h"
#include "fuse.h"

typedef struct {
    bool transposed;
    size_t groups, cin, cout, kh, kw;
    int64_t stride[2], dilation[2], pad[2]; /* y, x; the pads before */
    const nn_array *weights, *bias;
    size_t weights_at, bias_at;
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
    sh->weights_at = g->values[n->inputs[1]].parameter;
    sh->bias_at = NONE;
    sh->bias = NULL;
    if (n->input_count > 2 && n->inputs[2] != NONE) {
        sh->bias = &g->values[n->inputs[2]].array;
        sh->bias_at = g->values[n->inputs[2]].parameter;
    }
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

/* The taps of a phase: of a transposed convolution from the last, so that what they see is in order. */
static bool make_phase(const shape *sh, conv_phase *ph)
{
    size_t taps = sh->kh * sh->kw;
    ph->dy = pel_alloc(2 * taps * sizeof *ph->dy);
    ph->dx = ph->dy + taps;
    ph->numbers = pel_alloc(taps * sizeof *ph->numbers);
    for (size_t k = 0; ph->dy != NULL && ph->numbers != NULL && k < taps; k++) {
        size_t i = sh->transposed ? taps - 1 - k : k;
        if (tap_of(sh, 0, i / sh->kw, ph->oy, &ph->dy[ph->taps]) &&
            tap_of(sh, 1, i % sh->kw, ph->ox, &ph->dx[ph->taps]))
            ph->numbers[ph->taps++] = i;
    }
    return ph->dy != NULL && ph->numbers != NULL;
}

static bool make_phases(conv *c, const shape *sh)
{
    c->phases = c->step_y * c->step_x;
    c->phase = pel_alloc(c->phases * sizeof *c->phase);
    bool good = c->phase != NULL;
    if (good)
        memset(c->phase, 0, c->phases * sizeof *c->phase);
    for (size_t i = 0; i < c->phases && good; i++) {
        c->phase[i].oy = i / c->step_x;
        c->phase[i].ox = i % c->step_x;
        good = make_phase(sh, &c->phase[i]);
    }
    return good;
}

static bool set_columns(const builder *b, conv *c, const shape *sh)
{
    size_t lanes = b->p->kernels->lanes;
    c->columns = conv_is_depthwise(c) ? 1 : 2 * lanes;
    c->panels = (c->cout + c->columns - 1) / c->columns;
    size_t row = c->panels * c->columns;
    c->bias = pel_calloc_floats(c->groups * row + KERNEL_SLACK);
    if (sh->after.has_slopes)
        c->slopes = pel_calloc_floats(c->groups * row + KERNEL_SLACK);
    for (size_t i = 0; c->slopes != NULL && i < c->groups * c->cout; i++)
        c->slopes[i / c->cout * row + i % c->cout] = (float)fused_slope(&sh->after, i);
    return c->bias != NULL && (!sh->after.has_slopes || c->slopes != NULL);
}

/* Weights and bias as the model has them; training will load others. */
static bool set_weights(const builder *b, step *s, const shape *sh)
{
    size_t count = nn_array_count(sh->weights), channels = sh->groups * sh->cout;
    float *w = build_floats(b, sh->weights, count, count);
    float *bias = sh->bias != NULL ? build_floats(b, sh->bias, channels, channels) : NULL;
    bool good = w != NULL && (sh->bias == NULL || bias != NULL) && conv_pack(s, b->p->kernels, w);
    if (good)
        conv_set_bias(s, bias);
    pel_free(w);
    pel_free(bias);
    return good;
}

#define MOST_PHASES 64

static bool suits(const builder *b, const graph_node *n, shape *sh)
{
    bool is_conv = strcmp(n->op->name, "Conv") == 0 || strcmp(n->op->name, "ConvTranspose") == 0;
    return is_conv && describe(b, n, sh) && !(sh->transposed && sh->stride[0] * sh->stride[1] > MOST_PHASES);
}

/* Thin layers cost little, and are not bound by their products. */
#define LEAST_ROUNDED_IN 16
#define LEAST_ROUNDED_OUT 8

bool build_conv_rounds(const builder *b, size_t i)
{
    shape sh = {0};
    return b->p->precision == PEL_BF16 && suits(b, &b->p->g.nodes[i], &sh) && sh.groups == 1 && sh.cin % 2 == 0 &&
           sh.cin >= LEAST_ROUNDED_IN && sh.cout >= LEAST_ROUNDED_OUT;
}

/* The step, without weights yet. */
static step *add_step(builder *b, size_t input, const shape *sh, bool rounds)
{
    size_t inputs[2] = {input, sh->after.residual};
    step *s = build_step(b, &conv_multiply, sizeof(conv), sh->after.residual != NONE ? 2 : 1, inputs,
                         sh->after.output);
    if (s == NULL)
        return NULL;
    conv *c = s->data;
    *c = (conv){.groups = sh->groups, .cin = sh->cin, .cout = sh->cout, .stride_y = 1, .stride_x = 1,
                .step_y = 1, .step_x = 1, .dilation = (size_t)sh->dilation[0], .rounds = rounds,
                .transposed = sh->transposed, .kernel_taps = sh->kh * sh->kw, .after = sh->after.scale,
                .weights_at = sh->weights_at, .bias_at = sh->bias_at,
                .has_residual = sh->after.residual != NONE, .residual_last = sh->after.residual_last};
    *(sh->transposed ? &c->step_y : &c->stride_y) = (size_t)sh->stride[0];
    *(sh->transposed ? &c->step_x : &c->stride_x) = (size_t)sh->stride[1];
    if (build_is_rounded(b, sh->after.output) && sh->cout > 4) /* few outputs: kernels->dot stores floats */
        build_halve(b, sh->after.output);
    return s;
}

pel_status build_conv(builder *b, size_t i, bool *made)
{
    shape sh = {0};
    if (!suits(b, &b->p->g.nodes[i], &sh))
        return PEL_OK;
    *made = true;
    bool rounds = build_conv_rounds(b, i);
    size_t input = b->p->g.nodes[i].inputs[0];
    if (rounds && (input = build_rounded(b, input)) == NONE)
        return build_fail(b);
    describe(b, &b->p->g.nodes[i], &sh); /* again: a new value may have moved the others */
    pel_status status = fuse_after(b, i, i, &sh.after);
    step *s = status == PEL_OK ? add_step(b, input, &sh, rounds) : NULL;
    if (s == NULL) {
        fused_free(&sh.after);
        return status == PEL_OK ? build_fail(b) : status;
    }
    conv *c = s->data;
    if (!make_phases(c, &sh) || !set_columns(b, c, &sh))
        return build_fail(b);
    conv_choose(b, s, !sh.transposed || (sh.stride[0] == 1 && sh.stride[1] == 1));
    if (!set_weights(b, s, &sh))
        return build_fail(b);
    conv_set_margins(b, c, input, plan_buffer(b->p, s->output)->w, s->granule);
    return PEL_OK;
}
