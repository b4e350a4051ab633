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
    c->columns = conv_is_depthwise(c) ? 1 : 2 * lanes;
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

/* To the nearest bf16, as floats still. */
static void round_weights(const nn_kernels *kernels, float *w, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bf16 h;
        kernels->to_bf16(&w[i], 1, &h);
        union {
            uint32_t u;
            float f;
        } wide = {(uint32_t)h << 16};
        w[i] = wide.f;
    }
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
        if (c->rounds)
            round_weights(b->p->kernels, all[i], c->cout * c->phase[i].taps * c->cin);
    }
    return PEL_OK;
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
    float *all[MOST_PHASES] = {NULL};
    status = make_phases(b, s, &sh, all);
    if (status == PEL_OK)
        status = set_columns(b, s, &sh);
    if (status == PEL_OK)
        status = conv_choose(b, s, !sh.transposed, all);
    for (size_t k = 0; k < MOST_PHASES; k++)
        pel_free(all[k]);
    if (status == PEL_OK)
        conv_set_margins(b, s->data, input, b->p->buffers[plan_picture(b->p, s->output).buffer - b->p->buffers].w,
                         s->granule);
    fused_free(&sh.after);
    return status;
}
