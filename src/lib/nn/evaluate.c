/* evaluate.c - a node without a fast path, by the reference: on its whole inputs, between the bands.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include "plan.h"

typedef struct {
    size_t node;
} evaluate;

/* A picture as an array of its own. */
static bool gather(const pel_network *n, size_t value, nn_array *a)
{
    picture p = plan_picture(&n->plan, value);
    *a = n->plan.g.values[value].array;
    if (!nn_array_alloc(a))
        return false;
    size_t width = p.buffer->w, plane = width * p.buffer->h;
    for (size_t y = 0; y < p.buffer->h; y++)
        for (size_t x = 0; x < width; x++)
            for (size_t c = 0; c < p.c; c++)
                a->values[c * plane + y * width + x] = (double)picture_row(&p, y)[x * p.ld + c];
    return true;
}

static void scatter(const pel_network *n, size_t value, const nn_array *a)
{
    picture p = plan_picture(&n->plan, value);
    size_t width = p.buffer->w, plane = width * p.buffer->h;
    for (size_t y = 0; y < p.buffer->h; y++)
        for (size_t x = 0; x < width; x++)
            for (size_t c = 0; c < p.c; c++)
                picture_row(&p, y)[x * p.ld + c] = (float)a->values[c * plane + y * width + x];
}

static bool is_made_picture(const plan *p, size_t value)
{
    while (p->places[value].parent != NONE)
        value = p->places[value].parent;
    return p->places[value].buffer != NONE;
}

static pel_status compute(const pel_network *n, const graph_node *node, nn_array *in, nn_array *out,
                          const pel_context *ctx)
{
    const graph *g = &n->plan.g;
    nn_call call = {.node = node->node, .opset = n->plan.opset, .input_count = node->input_count,
                    .output_count = node->output_count, .limit = (size_t)1 << 33, .error = ctx->error};
    for (size_t k = 0; k < node->input_count; k++) {
        size_t value = node->inputs[k];
        if (value == NONE)
            continue;
        if (g->values[value].array.values != NULL) {
            call.inputs[k] = &g->values[value].array;
        } else if (is_made_picture(&n->plan, value)) {
            if (!gather(n, value, &in[k]))
                return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
            call.inputs[k] = &in[k];
        } else {
            call.inputs[k] = &n->arrays[value];
        }
    }
    for (size_t k = 0; k < node->output_count; k++)
        call.outputs[k] = node->outputs[k] != NONE ? &out[k] : NULL;
    return nn_operator_evaluate(node->op, &call, node->number);
}

static void evaluate_run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    const graph_node *node = &n->plan.g.nodes[((const evaluate *)s->data)->node];
    nn_array in[OPERATOR_INPUTS] = {{0}}, out[OPERATOR_INPUTS] = {{0}};
    (void)y0;
    (void)y1;
    if (*n->failed != PEL_OK)
        return;
    *n->failed = compute(n, node, in, out, ctx);
    for (size_t k = 0; k < node->output_count; k++) {
        size_t value = node->outputs[k];
        if (value == NONE)
            continue;
        if (*n->failed == PEL_OK && is_made_picture(&n->plan, value)) {
            scatter(n, value, &out[k]);
        } else if (*n->failed == PEL_OK) {
            nn_array_free(&n->arrays[value]);
            n->arrays[value] = out[k];
            out[k].values = NULL;
        }
        nn_array_free(&out[k]);
    }
    for (size_t k = 0; k < node->input_count; k++)
        nn_array_free(&in[k]);
}

static const step_kind evaluate_kind = {.name = "reference", .run = evaluate_run};

pel_status build_evaluate(builder *b, size_t i)
{
    const graph_node *n = &b->p->g.nodes[i];
    size_t inputs[OPERATOR_INPUTS], count = 0, output = NONE;
    for (size_t k = 0; k < n->input_count; k++)
        if (n->inputs[k] != NONE && build_is_picture(b, n->inputs[k]))
            inputs[count++] = n->inputs[k];
    for (size_t k = 0; k < n->output_count; k++)
        if (n->outputs[k] != NONE && build_is_picture(b, n->outputs[k])) {
            if (output != NONE)
                return pel_error_set(b->ctx->error, PEL_EINVAL, "node %zu (%s): several pictures from one node "
                                     "are only made along the channels", n->number, n->op->name);
            output = n->outputs[k];
        }
    step *s = build_step(b, &evaluate_kind, sizeof(evaluate), count, inputs, output);
    if (s == NULL)
        return build_fail(b);
    s->whole = true;
    s->node = i;
    ((evaluate *)s->data)->node = i;
    return PEL_OK;
}
