/* pointwise.c - steps that work sample by sample, with ONNX's broadcasting of pictures and constants.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/pool.h>

#include "match.h"
#include "plan.h"

static const struct {
    const char *name;
    nn_point f;
    const char *attributes[2];
    float defaults[2];
} table[] = {
    {"Relu", POINT_RELU, {NULL}, {0}},
    {"LeakyRelu", POINT_LEAKY, {"alpha", NULL}, {0.01f, 0}},
    {"Sigmoid", POINT_SIGMOID, {NULL}, {0}},
    {"HardSigmoid", POINT_HARD_SIGMOID, {"alpha", "beta"}, {0.2f, 0.5f}},
    {"Tanh", POINT_TANH, {NULL}, {0}},
    {"Exp", POINT_EXP, {NULL}, {0}},
    {"Log", POINT_LOG, {NULL}, {0}},
    {"Sqrt", POINT_SQRT, {NULL}, {0}},
    {"Reciprocal", POINT_RECIPROCAL, {NULL}, {0}},
    {"Abs", POINT_ABS, {NULL}, {0}},
    {"Neg", POINT_NEG, {NULL}, {0}},
    {"Erf", POINT_ERF, {NULL}, {0}},
    {"Gelu", POINT_GELU, {NULL}, {0}},
    {"Softplus", POINT_SOFTPLUS, {NULL}, {0}},
    {"Elu", POINT_ELU, {"alpha", NULL}, {1, 0}},
    {"Clip", POINT_CLIP, {NULL}, {0}},
    {"Add", POINT_ADD, {NULL}, {0}},
    {"Sub", POINT_SUB, {NULL}, {0}},
    {"Mul", POINT_MUL, {NULL}, {0}},
    {"Div", POINT_DIV, {NULL}, {0}},
    {"Pow", POINT_POW, {NULL}, {0}},
    {"Max", POINT_MAX, {NULL}, {0}},
    {"Min", POINT_MIN, {NULL}, {0}},
    {"PRelu", POINT_PRELU, {NULL}, {0}},
};

typedef struct {
    nn_point f;
    float p, q;
    int source[2];        /* the step's input, or -1: the constant */
    float *constant;      /* one number, or one a channel */
    size_t constant_step; /* 0 or 1 */
    size_t parameter;     /* the constant's place among the parameters, or NONE */
} point;

static void point_free(step *s) { pel_free(((point *)s->data)->constant); }

/* A picture that is one row or column is broadcast. */
static void point_needs(const step *s, const plan *p, size_t k, int axis, size_t first, size_t end, ptrdiff_t *from,
                        ptrdiff_t *to)
{
    const buffer *b = plan_picture(p, s->inputs[k]).buffer;
    bool one = (axis == 0 ? b->h : b->w) == 1;
    *from = one ? 0 : (ptrdiff_t)first;
    *to = one ? 1 : (ptrdiff_t)end;
}

typedef struct {
    const step *s;
    const pel_network *n;
    size_t y0;
} work;

static kernel_operand operand_of(const work *w, size_t k, size_t y)
{
    const point *p = w->s->data;
    if (p->source[k] < 0)
        return (kernel_operand){p->constant, 0, p->constant_step};
    picture in = plan_picture(&w->n->plan, w->s->inputs[p->source[k]]);
    return (kernel_operand){picture_row(&in, in.buffer->h == 1 ? 0 : y), in.buffer->w == 1 ? 0 : in.ld, in.c > 1};
}

/* Is a row one run of samples without gaps, or one number throughout? */
static bool is_run(const kernel_operand *o, size_t channels)
{
    return (o->stride == channels && (o->step == 1 || channels == 1)) || o->stride + o->step == 0;
}

static void point_job(void *arg, size_t index, size_t worker)
{
    const work *w = arg;
    const point *p = w->s->data;
    const nn_kernels *kernels = w->n->plan.kernels;
    picture out = plan_picture(&w->n->plan, w->s->output);
    size_t y = w->y0 + index, width = out.buffer->w;
    kernel_operand a = operand_of(w, 0, y), b = p->f < POINT_ADD ? a : operand_of(w, 1, y);
    float *to = picture_row(&out, y);
    (void)worker;
    if (out.ld == out.c && is_run(&a, out.c) && is_run(&b, out.c)) {
        a.step = a.stride != 0;
        b.step = b.stride != 0;
        kernels->pointwise(p->f, 1, width * out.c, a, b, p->p, p->q, to, 0);
    } else {
        kernels->pointwise(p->f, width, out.c, a, b, p->p, p->q, to, out.ld);
    }
}

static void point_run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    work w = {s, n, y0};
    pel_pool_run(ctx->pool, y1 - y0, point_job, &w);
}

static pel_status point_reload(step *s, const plan *p, const float *parameters, pel_error *error)
{
    point *o = s->data;
    size_t count = o->constant_step == 0 ? 1 : plan_picture(p, s->output).c;
    (void)error;
    if (o->parameter != NONE)
        memcpy(o->constant, parameters + o->parameter, count * sizeof *o->constant);
    return PEL_OK;
}

static bool point_in_place(const step *s, size_t k)
{
    (void)s;
    (void)k; /* one that is broadcast has another size */
    return true;
}

static const step_kind point_kind = {
    .name = "pointwise", .needs = point_needs, .run = point_run, .free = point_free, .reload = point_reload, .in_place = point_in_place};

/* ---- From a node */

/* A constant of one number, or one a channel. */
static bool is_simple(const nn_array *a, size_t channels)
{
    size_t count = a->values != NULL ? nn_array_count(a) : 0;
    return a->type == PEL_MODEL_FLOAT && a->rank <= 4 &&
           (count == 1 || (count == channels && a->rank >= 3 && (size_t)a->dims[a->rank - 3] == channels));
}

static pel_status set_constant(builder *b, point *p, const nn_array *a)
{
    size_t count = nn_array_count(a);
    p->constant = build_floats(b, a, count, count);
    p->constant_step = count > 1;
    return p->constant != NULL ? PEL_OK : build_fail(b);
}

/* The bounds of Clip are inputs. */
static bool set_parameters(const builder *b, const graph_node *n, size_t row, point *p)
{
    float v[2] = {table[row].defaults[0], table[row].defaults[1]};
    for (size_t k = 0; k < 2; k++)
        if (table[row].attributes[k] != NULL)
            v[k] = (float)pel_node_float(n->node, table[row].attributes[k], (double)v[k]);
    if (p->f == POINT_CLIP) {
        v[0] = -HUGE_VALF;
        v[1] = HUGE_VALF;
        for (size_t k = 0; k < 2; k++)
            if (k + 1 < n->input_count && n->inputs[k + 1] != NONE) {
                const nn_array *a = &b->p->g.values[n->inputs[k + 1]].array;
                if (a->values == NULL)
                    return false;
                v[k] = (float)a->values[0];
            }
    }
    p->p = v[0];
    p->q = v[1];
    return true;
}

/* ---- What has no kernel: the reference's function, sample by sample */

typedef struct {
    nn_function f;
    double p, q;
} plain;

static void plain_job(void *arg, size_t index, size_t worker)
{
    const work *w = arg;
    const plain *p = w->s->data;
    picture in = plan_picture(&w->n->plan, w->s->inputs[0]), out = plan_picture(&w->n->plan, w->s->output);
    const float *from = picture_row(&in, w->y0 + index);
    float *to = picture_row(&out, w->y0 + index);
    (void)worker;
    for (size_t x = 0; x < out.buffer->w; x++)
        for (size_t c = 0; c < out.c; c++)
            to[x * out.ld + c] = (float)p->f((double)from[x * in.ld + c], p->p, p->q);
}

static void plain_run(const step *s, const pel_network *n, const pel_context *ctx, size_t y0, size_t y1)
{
    work w = {s, n, y0};
    pel_pool_run(ctx->pool, y1 - y0, plain_job, &w);
}

static const step_kind plain_kind = {.name = "pointwise, plain", .run = plain_run};

static pel_status build_plain(builder *b, const graph_node *n, bool *made)
{
    plain p = {0};
    if (n->of != NONE) /* its attributes are those of a node of the model */
        return PEL_OK;
    p.f = nn_operator_function(n->node, &p.p, &p.q);
    if (p.f == NULL || !build_is_picture(b, n->inputs[0]) || !build_is_picture(b, n->outputs[0]))
        return PEL_OK;
    *made = true;
    step *s = build_step(b, &plain_kind, sizeof p, 1, n->inputs, n->outputs[0]);
    if (s == NULL)
        return build_fail(b);
    *(plain *)s->data = p;
    return PEL_OK;
}

/* ---- Several nodes */

static pel_status build_gelu(builder *b, size_t i, bool *made)
{
    graph *g = &b->p->g;
    match m;
    if (!build_is_picture(b, g->nodes[i].inputs[0]) || !match_gelu(g, i, &m))
        return PEL_OK;
    *made = true;
    for (size_t k = 0; k < m.count; k++)
        g->nodes[m.nodes[k]].gone = true;
    step *s = build_step(b, &point_kind, sizeof(point), 1, g->nodes[i].inputs, g->nodes[m.last].outputs[0]);
    if (s == NULL)
        return build_fail(b);
    *(point *)s->data = (point){.f = POINT_GELU, .source = {0, -1}};
    return PEL_OK;
}

/* ---- One node */

static pel_status build_point(builder *b, size_t i, bool *made)
{
    const graph_node *n = &b->p->g.nodes[i];
    size_t row = 0, rows = sizeof table / sizeof table[0], pictures = 0, inputs[2];
    while (row < rows && strcmp(n->op->name, table[row].name) != 0)
        row++;
    if (row == rows)
        return build_plain(b, n, made);
    if (!build_is_picture(b, n->outputs[0]))
        return PEL_OK;
    point p = {.f = table[row].f, .source = {-1, -1}, .parameter = NONE};
    size_t wanted = p.f < POINT_ADD ? 1 : 2, constant = NONE;
    size_t channels = (size_t)b->p->g.values[n->outputs[0]].array.dims[1];
    if ((wanted == 2 && n->input_count != 2) || !set_parameters(b, n, row, &p))
        return PEL_OK;
    for (size_t k = 0; k < wanted; k++)
        if (build_is_picture(b, n->inputs[k])) {
            p.source[k] = (int)pictures;
            inputs[pictures++] = n->inputs[k];
        } else if (is_simple(&b->p->g.values[n->inputs[k]].array, channels)) {
            constant = n->inputs[k];
        } else {
            return PEL_OK;
        }
    if (pictures == 0)
        return PEL_OK;
    *made = true;
    pel_status status = PEL_OK;
    if (constant != NONE) {
        status = set_constant(b, &p, &b->p->g.values[constant].array);
        p.parameter = b->p->g.values[constant].parameter;
    }
    step *s = status == PEL_OK ? build_step(b, &point_kind, sizeof p, pictures, inputs, n->outputs[0]) : NULL;
    if (s == NULL) {
        pel_free(p.constant);
        return status == PEL_OK ? build_fail(b) : status;
    }
    *(point *)s->data = p;
    return PEL_OK;
}

pel_status build_pointwise(builder *b, size_t i, bool *made)
{
    pel_status status = build_gelu(b, i, made);
    return status == PEL_OK && !*made ? build_point(b, i, made) : status;
}

/* ---- Gradients of activations: from that by the output, and the output */

pel_status build_activation_gradient(builder *b, size_t i)
{
    static const struct {
        const char *op;
        nn_point f;
    } rows[] = {{"Relu", POINT_RELU_GRADIENT}, {"LeakyRelu", POINT_LEAKY_GRADIENT},
                {"Sigmoid", POINT_SIGMOID_GRADIENT}, {"Tanh", POINT_TANH_GRADIENT},
                {"PRelu", POINT_RELU_GRADIENT}, {"Abs", POINT_RELU_GRADIENT}}; /* from the input: the part above 0 */
    const graph_node *n = &b->p->g.nodes[i], *of = &b->p->g.nodes[n->of];
    point p = {.source = {0, 1}, .parameter = NONE, .p = (float)pel_node_float(of->node, "alpha", 0.01)};
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
        if (strcmp(of->op->name, rows[r].op) == 0)
            p.f = rows[r].f;
    step *s = build_step(b, &point_kind, sizeof p, 2, n->inputs, n->outputs[0]);
    if (s == NULL)
        return build_fail(b);
    *(point *)s->data = p;
    return PEL_OK;
}
