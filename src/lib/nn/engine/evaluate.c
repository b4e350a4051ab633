/* evaluate.c - a node without a fast path, by the reference: on its whole inputs, between the bands.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include "plan.h"

typedef struct {
    size_t node;
    size_t sums, count, parameter; /* of a sink: where it adds up, and what becomes of that */
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

/* What a step made: a picture's samples, or an array of the run. */
static void keep(const pel_network *n, size_t value, nn_array *out)
{
    if (is_made_picture(&n->plan, value)) {
        scatter(n, value, out);
    } else {
        nn_array_free(&n->arrays[value]);
        n->arrays[value] = *out;
        out->values = NULL;
    }
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
        if (node->outputs[k] != NONE && *n->failed == PEL_OK)
            keep(n, node->outputs[k], &out[k]);
        nn_array_free(&out[k]);
    }
    for (size_t k = 0; k < node->input_count; k++)
        nn_array_free(&in[k]);
}

static const step_kind evaluate_kind = {.name = "reference", .run = evaluate_run};

/* ---- A node's gradient by one of its inputs: the step's inputs are the node's inputs, outputs, and gradients by those */

/* The value as an array: a constant, one that the run made, or a picture, copied to `copy`. */
static const nn_array *array_of(const pel_network *n, size_t value, nn_array *copy)
{
    const graph *g = &n->plan.g;
    if (value == NONE)
        return NULL;
    if (g->values[value].array.values != NULL)
        return &g->values[value].array;
    if (!is_made_picture(&n->plan, value))
        return &n->arrays[value];
    return gather(n, value, copy) ? copy : NULL;
}

static pel_status compute_gradient(const pel_network *n, const graph_node *node, nn_array *copies, double *to,
                                   const pel_context *ctx)
{
    const graph_node *of = &n->plan.g.nodes[node->of];
    nn_array outputs[OPERATOR_INPUTS];
    nn_gradients g = {{NULL}, {NULL}};
    nn_call call = {.node = of->node, .opset = n->plan.opset, .input_count = of->input_count,
                    .output_count = of->output_count, .limit = (size_t)1 << 33, .error = ctx->error};
    for (size_t k = 0; k < node->input_count; k++) {
        const nn_array *a = array_of(n, node->inputs[k], &copies[k]);
        size_t out = k - of->input_count;
        if (node->inputs[k] != NONE && a == NULL)
            return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
        if (k < of->input_count) {
            call.inputs[k] = a;
        } else if (out < of->output_count) {
            outputs[out] = a != NULL ? *a : (nn_array){0};
            call.outputs[out] = a != NULL ? &outputs[out] : NULL;
        } else {
            g.outputs[out - of->output_count] = a != NULL ? a->values : NULL;
        }
    }
    while (call.input_count > 0 && call.inputs[call.input_count - 1] == NULL)
        call.input_count--;
    g.inputs[node->input] = to;
    return nn_operator_backward(of->op, &call, &g, of->number);
}

static void gradient_run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    const evaluate *e = s->data;
    const graph_node *node = &n->plan.g.nodes[e->node];
    nn_array copies[OPERATOR_INPUTS] = {{0}}, out = {0};
    (void)y0;
    (void)y1;
    if (*n->failed != PEL_OK)
        return;
    if (!node->sink) {
        out = n->plan.g.values[node->outputs[0]].array;
        if (!nn_array_alloc(&out))
            *n->failed = pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
        else
            memset(out.values, 0, nn_array_count(&out) * sizeof *out.values);
    }
    if (*n->failed == PEL_OK)
        *n->failed = compute_gradient(n, node, copies, node->sink ? n->sums + e->sums : out.values, ctx);
    if (*n->failed == PEL_OK && !node->sink)
        keep(n, node->outputs[0], &out);
    nn_array_free(&out);
    for (size_t k = 0; k < node->input_count; k++)
        nn_array_free(&copies[k]);
}

static void gradient_collect(const step *s, const pel_network *const *networks, size_t count, float *gradient)
{
    const evaluate *e = s->data;
    for (size_t i = 0; i < e->count; i++) {
        double sum = 0;
        for (size_t k = 0; k < count; k++)
            sum += networks[k]->sums[e->sums + i];
        gradient[e->parameter + i] += (float)sum;
    }
}

static const step_kind gradient_kind = {.name = "reference gradient", .run = gradient_run, .collect = gradient_collect};

/* ---- From a node */

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
    bool gradient = strcmp(n->op->name, "ReferenceGradient") == 0;
    step *s = build_step(b, gradient ? &gradient_kind : &evaluate_kind, sizeof(evaluate), count, inputs, output);
    if (s == NULL)
        return build_fail(b);
    evaluate *e = s->data;
    s->whole = true;
    s->node = e->node = i;
    if (n->sink) {
        const graph_value *v = &b->p->g.values[b->p->g.nodes[n->of].inputs[n->input]];
        e->count = nn_array_count(&v->array);
        e->parameter = v->parameter;
        e->sums = plan_add_sums(b->p, e->count);
    }
    return PEL_OK;
}
