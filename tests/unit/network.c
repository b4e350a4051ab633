/* network.c - compiled networks against the plain evaluation of the same graph, node by node, in double.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <pellucid/cpu.h>
#include <pellucid/model.h>
#include <pellucid/network.h>
#include <pellucid/pool.h>

#include "check.h"
#include "src/lib/nn/engine/plan.h"
#include "tiles.h"

static pel_context context;
static uint32_t seed;
/* The inner loops under test. */
static const nn_kernels *kernels;
static pel_precision precision;

static float number(void) { return 2 * check_random(&seed) - 1; }

static void fill(float *v, size_t count, float scale)
{
    for (size_t i = 0; v != NULL && i < count; i++)
        v[i] = scale * number();
}

/* Such that rounding to bfloat16 leaves them as they are. */
static void fill_rounded(float *v, size_t count, float scale)
{
    fill(v, count, scale);
    for (size_t i = 0; v != NULL && i < count && precision == PEL_BF16; i++) {
        uint32_t u;
        memcpy(&u, &v[i], sizeof u);
        u &= 0xffff0000u;
        memcpy(&v[i], &u, sizeof u);
    }
}

/* ---- The reference: every node by its evaluation */

typedef struct {
    const char *name;
    nn_array array;
} named;

static nn_array *lookup(named *all, size_t count, const char *name)
{
    for (size_t i = count; i-- > 0;)
        if (strcmp(all[i].name, name) == 0)
            return &all[i].array;
    return NULL;
}

static size_t add_tensors(const pel_model *m, named *all)
{
    for (size_t i = 0; i < m->tensor_count; i++) {
        const pel_model_tensor *t = &m->tensors[i];
        all[i] = (named){t->name, {.type = t->type, .rank = t->rank}};
        memcpy(all[i].array.dims, t->dims, sizeof t->dims);
        if (!nn_array_alloc(&all[i].array))
            abort();
        for (size_t k = 0; k < pel_model_tensor_count(t); k++)
            all[i].array.values[k] = t->floats != NULL ? (double)t->floats[k] : (double)t->integers[k];
    }
    return m->tensor_count;
}

/* The model's first output for its input, or an array without values after a failure. */
static nn_array reference(const pel_model *m, const float *in, pel_size size)
{
    named all[256];
    size_t count = add_tensors(m, all);
    nn_array x = {.type = PEL_MODEL_FLOAT, .rank = 4, .dims = {1, (int64_t)size.c, (int64_t)size.h, (int64_t)size.w}};
    nn_array result = {0};
    bool good = nn_array_alloc(&x);
    for (size_t i = 0; i < pel_size_count(size); i++)
        x.values[i] = (double)in[i];
    all[count++] = (named){m->inputs[0].name, x};
    for (size_t i = 0; i < m->node_count && good; i++) {
        const pel_node *n = &m->nodes[i];
        nn_call call = {.node = n, .opset = m->opset, .input_count = n->input_count,
                        .output_count = n->output_count, .limit = 1 << 28, .error = context.error};
        nn_array out[8] = {{0}};
        for (size_t k = 0; k < n->input_count; k++)
            call.inputs[k] = n->inputs[k][0] == '\0' ? NULL : lookup(all, count, n->inputs[k]);
        for (size_t k = 0; k < n->output_count; k++)
            call.outputs[k] = &out[k];
        good = nn_operator_evaluate(nn_operator_find(n->domain, n->operator), &call, i) == PEL_OK;
        for (size_t k = 0; k < n->output_count; k++)
            all[count++] = (named){n->outputs[k], out[k]};
    }
    for (size_t i = 0; i < count; i++)
        if (good && strcmp(all[i].name, m->outputs[0].name) == 0)
            result = all[i].array;
        else
            nn_array_free(&all[i].array);
    return result;
}

/* ---- Comparison */

/* Nothing of it is left to the plain evaluation of whole pictures. */
static void check_fast(const pel_model *m, const char *what)
{
    pel_size size = {16, 16, 1, (size_t)m->inputs[0].dims[1]};
    pel_network *net = NULL;
    CHECK(network_compile(&context, m, &size, &(plan_options){.precision = precision}, kernels, &net) == PEL_OK, "%s: %s", what, context.error->text);
    for (size_t i = 0; net != NULL && i < net->plan.step_count; i++)
        CHECK(!net->plan.steps[i].whole, "%s: node %zu has no fast path", what, net->plan.steps[i].node);
    pel_network_free(net);
}

/* `exact`: nothing that is rounded in bf16 changes by it. */
static void compare_within(pel_model *m, size_t w, size_t h, const char *what, bool exact)
{
    const double bound = precision == PEL_FP32 || exact ? 2e-5 : 2e-2;
    pel_size size = {w, h, 1, (size_t)m->inputs[0].dims[1]};
    pel_network *net = NULL;
    CHECK(pel_model_finish(m, context.error) == PEL_OK, "%s: %s", what, context.error->text);
    float *in = pel_alloc_floats(pel_size_count(size));
    fill_rounded(in, pel_size_count(size), 1);
    nn_array expected = reference(m, in, size);
    CHECK(expected.values != NULL, "%s: %s", what, context.error->text);
    CHECK(network_compile(&context, m, &size, &(plan_options){.precision = precision}, kernels, &net) == PEL_OK, "%s: %s", what, context.error->text);
    if (net != NULL && expected.values != NULL) {
        pel_size out = pel_network_output(net, 0);
        float *got = pel_alloc_floats(pel_size_count(out));
        CHECK(pel_size_count(out) == nn_array_count(&expected), "%s", what);
        for (int round = 0; round < 2; round++) { /* the second finds the memory used */
            CHECK(pel_network_run(&context, net, (const float *[]){in}, (float *[]){got}) == PEL_OK);
            double worst = 0, range = 1e-3;
            for (size_t i = 0; i < pel_size_count(out); i++) {
                worst = fmax(worst, fabs((double)got[i] - expected.values[i]));
                range = fmax(range, fabs(expected.values[i]));
                if (!isfinite(got[i]))
                    worst = HUGE_VAL;
            }
            CHECK(worst <= bound * range, "%s %zux%zu round %d: off by %g of %g", what, w, h, round, worst, range);
        }
        pel_free(got);
    }
    pel_network_free(net);
    nn_array_free(&expected);
    pel_free(in);
    pel_model_free(m);
}

static void compare(pel_model *m, size_t w, size_t h, const char *what) { compare_within(m, w, h, what, false); }

/* ---- Graphs */

static void weights(pel_model *m, const char *name, int64_t n, int64_t c, int64_t kh, int64_t kw)
{
    fill_rounded(pel_model_add_floats(m, name, 4, (int64_t[]){n, c, kh, kw}), (size_t)(n * c * kh * kw),
                 1 / sqrtf((float)(c * kh * kw)));
}

static void vector(pel_model *m, const char *name, int64_t n)
{
    fill(pel_model_add_floats(m, name, 1, &n), (size_t)n, 0.5f);
}

static pel_model *start(int64_t in, int64_t out)
{
    pel_model *m = pel_model_new("test", 17);
    pel_model_add_input(m, "x", in);
    pel_model_add_output(m, "y", out);
    return m;
}

typedef struct {
    int64_t cin, cout, kernel, stride, dilation, group, pad;
    size_t w, h;
} conv_case;

static void test_conv(const conv_case *c, const char *op)
{
    bool transposed = strcmp(op, "ConvTranspose") == 0;
    pel_model *m = start(c->cin, c->cout);
    weights(m, "w", transposed ? c->cin : c->cout, (transposed ? c->cout : c->cin) / c->group, c->kernel, c->kernel);
    vector(m, "b", c->cout);
    pel_node *n = pel_model_add_node(m, op, "x w b", "y");
    pel_node_set_ints(m, n, "strides", 2, (int64_t[]){c->stride, c->stride});
    pel_node_set_ints(m, n, "dilations", 2, (int64_t[]){c->dilation, c->dilation});
    pel_node_set_ints(m, n, "pads", 4, (int64_t[]){c->pad, c->pad, c->pad, c->pad});
    pel_node_set_int(m, n, "group", c->group);
    char what[120];
    snprintf(what, sizeof what, "%s %d->%d k%d s%d d%d g%d p%d", op, (int)c->cin, (int)c->cout, (int)c->kernel,
             (int)c->stride, (int)c->dilation, (int)c->group, (int)c->pad);
    compare_within(m, c->w, c->h, what, true);
}

static void test_convs(void)
{
    static const conv_case cases[] = {
        {16, 16, 3, 1, 1, 1, 1, 33, 21}, {64, 64, 3, 1, 1, 1, 1, 17, 9},  {8, 24, 3, 1, 1, 1, 0, 19, 23},
        {24, 40, 3, 1, 1, 1, 2, 13, 11}, {16, 12, 3, 1, 2, 1, 2, 37, 31}, {16, 16, 3, 1, 4, 1, 4, 41, 29},
        {16, 16, 3, 1, 3, 1, 1, 23, 20}, {1, 64, 9, 1, 1, 1, 4, 30, 17},  {3, 16, 3, 1, 1, 1, 1, 15, 14},
        {64, 1, 5, 1, 1, 1, 2, 21, 12},  {32, 3, 3, 1, 1, 1, 1, 21, 12},  {5, 7, 3, 1, 1, 1, 1, 11, 10},
        {9, 17, 1, 1, 1, 1, 0, 16, 16},  {16, 32, 3, 2, 1, 1, 1, 33, 27}, {12, 20, 2, 2, 1, 1, 0, 24, 18},
        {16, 16, 3, 1, 1, 16, 1, 19, 17}, {12, 12, 5, 1, 1, 12, 2, 19, 17}, {10, 10, 3, 2, 1, 10, 1, 19, 17},
        {8, 16, 3, 1, 1, 4, 1, 18, 15},  {6, 126, 1, 1, 1, 6, 0, 9, 8},   {126, 6, 1, 1, 1, 6, 0, 9, 8},
        {8, 8, 3, 1, 1, 1, 1, 1, 1},     {8, 8, 3, 1, 1, 1, 1, 2, 50},    {8, 8, 7, 3, 2, 1, 6, 31, 26},
        {34, 20, 3, 1, 1, 1, 1, 35, 9},  {48, 33, 1, 1, 1, 1, 0, 21, 5},  {18, 40, 3, 2, 1, 1, 1, 34, 13},
        {16, 24, 5, 1, 1, 1, 2, 23, 17}, {32, 9, 5, 1, 1, 1, 0, 14, 21}, {9, 16, 5, 1, 2, 1, 4, 25, 18},
    };
    static const conv_case transposed[] = {
        {16, 8, 2, 2, 1, 1, 0, 13, 9},  {24, 20, 4, 2, 1, 1, 1, 12, 7}, {8, 8, 3, 1, 1, 1, 1, 14, 11},
        {6, 9, 3, 2, 1, 1, 1, 10, 12},  {8, 12, 5, 3, 1, 2, 2, 9, 8},   {16, 3, 6, 4, 1, 1, 1, 8, 9},
        {8, 6, 3, 2, 2, 1, 1, 9, 10},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        test_conv(&cases[i], "Conv");
    for (size_t i = 0; i < sizeof transposed / sizeof transposed[0]; i++)
        test_conv(&transposed[i], "ConvTranspose");
}

/* conv + norm + activation + residual, both orders. */
static void test_fusion(void)
{
    static const char *const acts[] = {"Relu", "LeakyRelu", "PRelu"};
    for (int k = 0; k < 6; k++) {
        bool first = k >= 3; /* the residual before the activation */
        pel_model *m = start(16, 16);
        weights(m, "w", 16, 16, 3, 3);
        weights(m, "w1", 16, 16, 1, 1);
        vector(m, "scale", 16);
        vector(m, "bias", 16);
        vector(m, "mean", 16);
        float *var = pel_model_add_floats(m, "var", 1, (int64_t[]){16});
        for (int i = 0; i < 16; i++)
            var[i] = 0.5f + 0.1f * (float)i;
        fill(pel_model_add_floats(m, "slope", 3, (int64_t[]){16, 1, 1}), 16, 0.5f);
        fill(pel_model_add_floats(m, "beta", 4, (int64_t[]){1, 16, 1, 1}), 16, 1);
        pel_node_set_ints(m, pel_model_add_node(m, "Conv", "x w1", "skip"), "pads", 4, (int64_t[]){0, 0, 0, 0});
        pel_node_set_ints(m, pel_model_add_node(m, "Conv", "x w", "c"), "pads", 4, (int64_t[]){1, 1, 1, 1});
        pel_model_add_node(m, "BatchNormalization", "c scale bias mean var", "n");
        pel_model_add_node(m, "Mul", "n beta", "s");
        pel_model_add_node(m, acts[k % 3], k % 3 == 2 ? (first ? "r slope" : "s slope") : first ? "r" : "s", "a");
        if (first) { /* the list of nodes must be in order */
            pel_node last = m->nodes[m->node_count - 1];
            pel_model_add_node(m, "Add", "skip s", "r");
            m->nodes[m->node_count - 2] = m->nodes[m->node_count - 1];
            m->nodes[m->node_count - 1] = last;
            pel_model_add_node(m, "Identity", "a", "y");
        } else {
            pel_model_add_node(m, "Add", "a skip", "y");
        }
        compare(m, 22, 13, acts[k % 3]);
    }
}

/* A small U-Net with skip concatenation, pooling, transposed convolution. */
static void test_unet(void)
{
    pel_model *m = start(3, 3);
    const int64_t pads[4] = {1, 1, 1, 1}, two[2] = {2, 2};
    weights(m, "w1", 16, 3, 3, 3);
    weights(m, "w2", 32, 16, 3, 3);
    weights(m, "wu", 32, 16, 2, 2);
    weights(m, "w3", 16, 32, 3, 3);
    weights(m, "w4", 3, 16, 3, 3);
    pel_node_set_ints(m, pel_model_add_node(m, "Conv", "x w1", "c1"), "pads", 4, pads);
    pel_model_add_node(m, "Relu", "c1", "e1");
    pel_node *n = pel_model_add_node(m, "MaxPool", "e1", "p1");
    pel_node_set_ints(m, n, "kernel_shape", 2, two);
    pel_node_set_ints(m, n, "strides", 2, two);
    pel_node_set_ints(m, pel_model_add_node(m, "Conv", "p1 w2", "c2"), "pads", 4, pads);
    pel_model_add_node(m, "Relu", "c2", "e2");
    pel_node_set_ints(m, pel_model_add_node(m, "ConvTranspose", "e2 wu", "u"), "strides", 2, two);
    pel_node_set_int(m, pel_model_add_node(m, "Concat", "u e1", "cat"), "axis", 1);
    pel_node_set_ints(m, pel_model_add_node(m, "Conv", "cat w3", "c3"), "pads", 4, pads);
    pel_model_add_node(m, "Relu", "c3", "d");
    pel_node_set_ints(m, pel_model_add_node(m, "Conv", "d w4", "c4"), "pads", 4, pads);
    pel_model_add_node(m, "Add", "c4 x", "y");
    compare(m, 40, 70, "unet");
}

/* What NAFNet is made of: norm over channels, gate, attention by the picture's mean. */
static void test_nafnet(void)
{
    pel_model *m = start(8, 8);
    weights(m, "w1", 32, 8, 1, 1);
    weights(m, "wd", 32, 1, 3, 3);
    weights(m, "wa", 16, 16, 1, 1);
    weights(m, "w2", 8, 16, 1, 1);
    *pel_model_add_floats(m, "eps", 0, NULL) = 1e-6f;
    *pel_model_add_floats(m, "two", 0, NULL) = 2;
    fill(pel_model_add_floats(m, "g", 4, (int64_t[]){1, 8, 1, 1}), 8, 1);
    fill(pel_model_add_floats(m, "b", 4, (int64_t[]){1, 8, 1, 1}), 8, 1);
    pel_node_set_ints(m, pel_model_add_node(m, "ReduceMean", "x", "mu"), "axes", 1, (int64_t[]){1});
    pel_model_add_node(m, "Sub", "x mu", "d");
    pel_model_add_node(m, "Pow", "d two", "dd");
    pel_node_set_ints(m, pel_model_add_node(m, "ReduceMean", "dd", "v"), "axes", 1, (int64_t[]){1});
    pel_model_add_node(m, "Add", "v eps", "ve");
    pel_model_add_node(m, "Sqrt", "ve", "sd");
    pel_model_add_node(m, "Div", "d sd", "nn");
    pel_model_add_node(m, "Mul", "nn g", "ng");
    pel_model_add_node(m, "Add", "ng b", "nb");
    pel_model_add_node(m, "Conv", "nb w1", "c1");
    pel_node *n = pel_model_add_node(m, "Conv", "c1 wd", "c2");
    pel_node_set_int(m, n, "group", 32);
    pel_node_set_ints(m, n, "pads", 4, (int64_t[]){1, 1, 1, 1});
    pel_node_set_int(m, pel_model_add_node(m, "Split", "c2", "s1 s2"), "axis", 1);
    pel_model_add_node(m, "Mul", "s1 s2", "gate");
    pel_model_add_node(m, "GlobalAveragePool", "gate", "pool");
    pel_model_add_node(m, "Conv", "pool wa", "att");
    pel_model_add_node(m, "Mul", "gate att", "ga");
    pel_model_add_node(m, "Conv", "ga w2", "c3");
    pel_model_add_node(m, "Add", "x c3", "y");
    compare(m, 31, 45, "nafnet block");
}

/* Two blocks with attention: sums that are kept whole for the mean over them.  r1 may lie where r0 was; s may not: r0 is
 * read again when rows of s are there. */
static void test_attention_chain(void)
{
    static const char *const nodes[][3] = {
        {"Conv", "x w", "r0"},    {"GlobalAveragePool", "r0", "p0"}, {"Conv", "p0 wa ba", "a0"}, {"Mul", "r0 a0", "g0"},
        {"Conv", "g0 w", "c0"},   {"Add", "r0 c0", "s"},             {"Conv", "s w", "d0"},   {"Add", "r0 d0", "r1"},
        {"GlobalAveragePool", "r1", "p1"}, {"Conv", "p1 wa ba", "a1"},  {"Mul", "r1 a1", "g1"},  {"Conv", "g1 w", "c1"},
        {"Add", "s c1", "y"},
    };
    pel_model *m = start(8, 8);
    weights(m, "w", 8, 8, 3, 3);
    weights(m, "wa", 8, 8, 1, 1);
    vector(m, "ba", 8);
    for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++) {
        pel_node *n = pel_model_add_node(m, nodes[i][0], nodes[i][1], nodes[i][2]);
        int64_t pad = strchr(nodes[i][1], 'w') != NULL && strstr(nodes[i][1], "wa") == NULL;
        if (strcmp(nodes[i][0], "Conv") == 0)
            pel_node_set_ints(m, n, "pads", 4, (int64_t[]){pad, pad, pad, pad});
    }
    pel_network *net = NULL;
    pel_size size = {30, 1400, 1, 8};
    CHECK(network_compile(&context, m, &size, &(plan_options){.precision = precision}, kernels, &net) == PEL_OK, "%s", context.error->text);
    if (net != NULL) /* r0, s and r1 at once would be more */
        CHECK(net->plan.arena < 3 * pel_size_count(size), "%zu", net->plan.arena);
    pel_network_free(net);
    compare(m, size.w, size.h, "attention chain");
}

static void test_instance_norm(void)
{
    pel_model *m = start(3, 3);
    weights(m, "w1", 16, 3, 7, 7);
    weights(m, "w2", 16, 16, 3, 3);
    weights(m, "w3", 3, 16, 3, 3);
    vector(m, "g", 16);
    vector(m, "b", 16);
    pel_model_add_integers(m, "pads", 8, (int64_t[]){0, 0, 3, 3, 0, 0, 3, 3});
    pel_node_set_string(m, pel_model_add_node(m, "Pad", "x pads", "p"), "mode", "reflect");
    pel_model_add_node(m, "Conv", "p w1", "c1");
    pel_model_add_node(m, "InstanceNormalization", "c1 g b", "n1");
    pel_model_add_node(m, "Relu", "n1", "r1");
    pel_node_set_ints(m, pel_model_add_node(m, "Conv", "r1 w2", "c2"), "pads", 4, (int64_t[]){1, 1, 1, 1});
    pel_model_add_node(m, "InstanceNormalization", "c2 g b", "n2");
    pel_model_add_node(m, "Add", "r1 n2", "a");
    pel_node_set_ints(m, pel_model_add_node(m, "Conv", "a w3", "c3"), "pads", 4, (int64_t[]){1, 1, 1, 1});
    pel_model_add_node(m, "Tanh", "c3", "y");
    compare(m, 26, 37, "instance norm");
}

static void test_moves(void)
{
    pel_model *m = start(4, 4);
    pel_node_set_int(m, pel_model_add_node(m, "SpaceToDepth", "x", "s"), "blocksize", 2);
    weights(m, "w", 16, 16, 3, 3);
    pel_node_set_ints(m, pel_model_add_node(m, "Conv", "s w", "c"), "pads", 4, (int64_t[]){1, 1, 1, 1});
    pel_node *n = pel_model_add_node(m, "DepthToSpace", "c", "d");
    pel_node_set_int(m, n, "blocksize", 2);
    pel_node_set_string(m, n, "mode", "CRD");
    pel_model_add_integers(m, "starts", 2, (int64_t[]){1, -1});
    pel_model_add_integers(m, "ends", 2, (int64_t[]){-2, -1000});
    pel_model_add_integers(m, "axes", 2, (int64_t[]){2, 3});
    pel_model_add_integers(m, "steps", 2, (int64_t[]){1, -1});
    pel_model_add_node(m, "Slice", "d starts ends axes steps", "sl");
    pel_model_add_integers(m, "pads", 8, (int64_t[]){0, 0, 1, 2, 0, 0, 2, 0});
    pel_model_add_node(m, "Pad", "sl pads", "y");
    compare(m, 24, 18, "moves");

    static const char *const modes[] = {"nearest", "linear", "cubic"};
    static const char *const maps[] = {"asymmetric", "half_pixel", "align_corners", "pytorch_half_pixel"};
    for (int k = 0; k < 12; k++) {
        m = start(5, 5);
        float *scales = pel_model_add_floats(m, "scales", 1, (int64_t[]){4});
        memcpy(scales, (float[]){1, 1, k % 2 ? 2 : 0.5f, k % 2 ? 1.7f : 2}, 4 * sizeof *scales);
        n = pel_model_add_node(m, "Resize", "x - scales", "y");
        pel_node_set_string(m, n, "mode", modes[k % 3]);
        pel_node_set_string(m, n, "coordinate_transformation_mode", maps[k / 3]);
        compare(m, 20, 14, modes[k % 3]);
    }
    for (int k = 0; k < 4; k++) {
        m = start(6, 6);
        n = pel_model_add_node(m, k % 2 ? "MaxPool" : "AveragePool", "x", "y");
        pel_node_set_ints(m, n, "kernel_shape", 2, (int64_t[]){3, 2});
        pel_node_set_ints(m, n, "strides", 2, (int64_t[]){2, 2});
        pel_node_set_ints(m, n, "pads", 4, (int64_t[]){1, 0, 1, 1});
        pel_node_set_int(m, n, "ceil_mode", k / 2);
        compare(m, 15, 16, "pool");
    }
}

/* Pointwise functions, and operators that only the reference has. */
static void test_pointwise(void)
{
    static const char *const ones[] = {"Relu", "LeakyRelu", "Sigmoid", "HardSigmoid", "Tanh", "Exp", "Abs", "Neg",
                                       "Erf", "Gelu", "Softplus", "Elu", "Round", "Sin"};
    static const char *const twos[] = {"Add", "Sub", "Mul", "Div", "Max", "Min"};
    for (size_t k = 0; k < sizeof ones / sizeof ones[0]; k++) {
        pel_model *m = start(3, 3);
        pel_model_add_node(m, ones[k], "x", "y");
        compare(m, 9, 7, ones[k]);
    }
    for (size_t k = 0; k < 4 * sizeof twos / sizeof twos[0]; k++) {
        pel_model *m = start(3, 3);
        int64_t shapes[4][3] = {{1, 1, 1}, {3, 1, 1}, {1, 1, 9}, {3, 7, 9}};
        size_t count = (size_t)(shapes[k % 4][0] * shapes[k % 4][1] * shapes[k % 4][2]);
        float *v = pel_model_add_floats(m, "v", 3, shapes[k % 4]);
        fill(v, count, 1);
        for (size_t i = 0; i < count; i++)
            v[i] += v[i] < 0 ? -0.5f : 0.5f;
        pel_model_add_node(m, twos[k / 4], k % 2 ? "x v" : "x v", "y");
        compare(m, 9, 7, twos[k / 4]);
    }
    pel_model *m = start(4, 4); /* channels are exchanged by Transpose, and back */
    pel_node_set_ints(m, pel_model_add_node(m, "Transpose", "x", "t"), "perm", 4, (int64_t[]){0, 2, 3, 1});
    pel_node_set_int(m, pel_model_add_node(m, "Softmax", "t", "s"), "axis", -1);
    pel_node_set_ints(m, pel_model_add_node(m, "Transpose", "s", "u"), "perm", 4, (int64_t[]){0, 3, 1, 2});
    pel_model_add_node(m, "Mul", "u x", "y");
    compare(m, 9, 7, "softmax over channels");
}

static void transpose(pel_model *m, const char *in, const char *out, const int64_t perm[4])
{
    pel_node_set_ints(m, pel_model_add_node(m, "Transpose", in, out), "perm", 4, perm);
}

static void by_channel_mean(pel_model *m, const char *in, const char *out, int64_t axis)
{
    pel_node_set_ints(m, pel_model_add_node(m, "ReduceMean", in, out), "axes", 1, &axis);
}

/* LayerNormalization over channels: by the operator or by its parts, between Transposes; bit 0: parts, 1: a shift,
 * 2: an activation and a residual follow, 3: one number for all channels. */
static pel_model *layer_norm(int kind)
{
    static const int64_t to_last[4] = {0, 2, 3, 1}, back[4] = {0, 3, 1, 2};
    pel_model *m = start(8, 8);
    vector(m, "g", kind & 8 ? 1 : 8);
    vector(m, "b", 8);
    weights(m, "w", 8, 8, 1, 1);
    pel_model_add_node(m, "Conv", "x w", "c");
    transpose(m, "c", "t", to_last);
    if (kind & 1) {
        *pel_model_add_floats(m, "eps", 0, NULL) = 1e-3f;
        *pel_model_add_floats(m, "two", 0, NULL) = 2;
        by_channel_mean(m, "t", "mu", -1);
        pel_model_add_node(m, "Sub", "t mu", "d");
        pel_model_add_node(m, "Pow", "d two", "dd");
        by_channel_mean(m, "dd", "v", -1);
        pel_model_add_node(m, "Add", "eps v", "ve");
        pel_model_add_node(m, "Sqrt", "ve", "sd");
        pel_model_add_node(m, "Div", "d sd", "n");
        pel_model_add_node(m, "Mul", "g n", kind & 2 ? "ng" : "l");
        if (kind & 2)
            pel_model_add_node(m, "Add", "ng b", "l");
    } else {
        pel_node *n = pel_model_add_node(m, "LayerNormalization", kind & 2 ? "t g b" : "t g", "l");
        pel_node_set_int(m, n, "axis", kind & 2 ? 3 : -1);
        pel_node_set_float(m, n, "epsilon", 1e-2f);
    }
    transpose(m, "l", kind & 4 ? "u" : "y", back);
    if (kind & 4) {
        pel_model_add_node(m, "Relu", "u", "r");
        pel_model_add_node(m, "Add", "r c", "y");
    }
    return m;
}

/* x / 2 (1 + erf(x / sqrt(2))) as exporters leave it; kind 1: multiplied, the operands the other way round. */
static pel_model *gelu(int kind)
{
    pel_model *m = start(5, 5);
    *pel_model_add_floats(m, "root", 0, NULL) = kind == 1 ? 0.70710678f : 1.41421356f;
    *pel_model_add_floats(m, "one", 0, NULL) = 1;
    *pel_model_add_floats(m, "half", 0, NULL) = kind == 2 ? 0.25f : 0.5f; /* 2: it is no GELU */
    pel_model_add_node(m, kind == 1 ? "Mul" : "Div", "x root", "a");
    pel_model_add_node(m, "Erf", "a", "e");
    pel_model_add_node(m, "Add", kind == 1 ? "one e" : "e one", "s");
    pel_model_add_node(m, "Mul", kind == 1 ? "s x" : "x s", "p");
    pel_model_add_node(m, "Mul", kind == 1 ? "half p" : "p half", "y");
    return m;
}

/* GroupNorm: InstanceNormalization of groups of channels as one. */
static pel_model *group_norm(void)
{
    pel_model *m = start(12, 12);
    vector(m, "ones", 3);
    vector(m, "zeros", 3);
    fill(pel_model_add_floats(m, "g", 3, (int64_t[]){12, 1, 1}), 12, 1);
    pel_model_add_integers(m, "groups", 3, (int64_t[]){0, 3, -1});
    pel_model_add_node(m, "Shape", "x", "shape");
    pel_model_add_node(m, "Reshape", "x groups", "r");
    pel_model_add_node(m, "InstanceNormalization", "r ones zeros", "i");
    pel_model_add_node(m, "Reshape", "i shape", "n");
    pel_model_add_node(m, "Mul", "n g", "s");
    pel_model_add_node(m, "Add", "s x", "y");
    return m;
}

static void test_matches(void)
{
    char what[40];
    for (int kind = 0; kind < 16; kind++) {
        pel_model *m = layer_norm(kind);
        snprintf(what, sizeof what, "layer norm %d", kind);
        check_fast(m, what);
        compare(m, 19, 14, what);
    }
    for (int kind = 0; kind < 3; kind++) {
        pel_model *m = gelu(kind);
        check_fast(m, "gelu");
        compare(m, 19, 14, "gelu");
    }
    pel_model *groups = group_norm();
    check_fast(groups, "group norm");
    compare(groups, 19, 14, "group norm");
    static const char *const plain[] = {"Floor", "Ceil", "Round", "Sign", "Cos", "HardSwish"};
    for (size_t k = 0; k < sizeof plain / sizeof plain[0]; k++) {
        pel_model *m = start(3, 3);
        *pel_model_add_floats(m, "ten", 0, NULL) = 10;
        pel_model_add_node(m, "Mul", "x ten", "xx");
        pel_model_add_node(m, plain[k], "xx", "y");
        check_fast(m, plain[k]);
        compare(m, 9, 7, plain[k]);
    }
}

/* A filter in the Fourier domain, and a choice by the greatest channel: tensors that are no pictures in between. */
static void test_spectrum(void)
{
    pel_model *m = start(3, 3);
    pel_model_add_integers(m, "last", 1, (int64_t[]){4});
    pel_model_add_integers(m, "real", 1, (int64_t[]){0});
    fill(pel_model_add_floats(m, "h", 5, (int64_t[]){1, 3, 15, 6, 1}), 3 * 15 * 6, 1);
    pel_model_add_node(m, "Unsqueeze", "x last", "u");
    pel_node *n = pel_model_add_node(m, "DFT", "u", "f"); /* 11 columns: 6 bins */
    pel_node_set_int(m, n, "axis", 3);
    pel_node_set_int(m, n, "onesided", 1);
    pel_node_set_int(m, pel_model_add_node(m, "DFT", "f", "ff"), "axis", 2);
    pel_model_add_node(m, "Mul", "ff h", "g");
    n = pel_model_add_node(m, "DFT", "g", "b");
    pel_node_set_int(m, n, "axis", 2);
    pel_node_set_int(m, n, "inverse", 1);
    pel_node_set_int(m, pel_model_add_node(m, "Gather", "b real", "r"), "axis", 4);
    pel_model_add_node(m, "Squeeze", "r last", "s");
    weights(m, "w", 3, 3, 3, 3);
    pel_node_set_ints(m, pel_model_add_node(m, "Conv", "s w", "y"), "pads", 4, (int64_t[]){1, 1, 1, 1});
    compare(m, 11, 15, "spectrum");

    m = start(3, 3);
    n = pel_model_add_node(m, "ArgMax", "x", "i");
    pel_node_set_int(m, n, "axis", 1);
    pel_node_set_int(m, pel_model_add_node(m, "Cast", "i", "f"), "to", 1);
    pel_model_add_node(m, "Mul", "x f", "y");
    compare(m, 11, 15, "greatest channel");
}

static void test_all(const char *name)
{
    for (precision = PEL_FP32; precision <= PEL_BF16; precision++) {
        int before = check_failures;
        seed = 1;
        test_convs();
        test_fusion();
        test_unet();
        test_nafnet();
        test_attention_chain();
        test_instance_norm();
        test_moves();
        test_pointwise();
        test_matches();
        test_spectrum();
        if (check_failures > before)
            printf("with the kernels %s, %s\n", name, precision == PEL_FP32 ? "fp32" : "bf16");
    }
}

/* Those of each level that this processor has. */
static pel_cpu test_levels(void)
{
    static const char *const levels[] = {"portable", "avx2", "avx512", "avx512-bf16", "amx"};
    pel_cpu level = PEL_CPU_PORTABLE;
    for (int k = 0; k < 5; k++) {
        setenv("PELLUCID_CPU", levels[k], 1);
        if (nn_kernels_choose(&kernels, context.error) != PEL_OK) {
            CHECK(k > 0);
            break;
        }
        level = (pel_cpu)k;
        test_all(levels[k]);
    }
    return level;
}

/* AMX where the processor has none, but all else. */
static void test_tiles(pel_cpu level)
{
#ifdef PEL_AMX
    if (level < PEL_CPU_AVX512 || level == PEL_CPU_AMX || !tiles_emulate())
        return;
    kernels = &nn_kernels_amx;
    test_all("amx, emulated");
    CHECK(tiles_count() > 10000, "%lu", tiles_count());
#else
    (void)level;
#endif
}

int main(void)
{
    pel_error error = {PEL_OK, ""};
    pel_pool *pool;
    if (pel_pool_new(2, &pool, &error) != PEL_OK)
        return EXIT_FAILURE;
    context = (pel_context){.pool = pool, .error = &error, .plan_estimate = true};
    pel_cpu level = test_levels();
    pel_pool_free(pool);
    context.pool = NULL; /* the emulation has one set of tiles */
    test_tiles(level);
    return check_done();
}
