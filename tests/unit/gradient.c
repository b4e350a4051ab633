/* gradient.c - gradients by fast steps against the plain ones, node by node in double.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <pellucid/cpu.h>
#include <pellucid/nets.h>
#include <pellucid/pool.h>

#include "check.h"
#include "src/lib/nn/gradient/gradient-internal.h"
#include "src/lib/nn/gradient/gradient-plain.h"

#define MOST 8
#define SAMPLES 3

static pel_context context;
static const nn_kernels *kernels;
static pel_precision precision;
static uint32_t seed;

static void fill(float *v, size_t count, float scale)
{
    for (size_t i = 0; v != NULL && i < count; i++)
        v[i] = scale * (2 * check_random(&seed) - 1);
}

/* ---- One model, both ways */

typedef struct {
    size_t outputs;
    pel_size sizes[MOST];
    const float *weights[MOST]; /* the loss is the sum of weight * (output + output squared / 2) */
} losses;

static pel_status loss(void *arg, size_t sample, const float *const *outputs, float *const *gradients, pel_error *error)
{
    const losses *l = arg;
    (void)error;
    for (size_t k = 0; k < l->outputs; k++)
        for (size_t i = 0; i < pel_size_count(l->sizes[k]); i++)
            gradients[k][i] = l->weights[k][i] * (1 + (float)sample) * (1 + outputs[k][i]);
    return PEL_OK;
}

/* The difference by the gradient, both as roots of mean squares: where a sample sits at the edge of a ReLU, rounding decides
 * about its share.  Of a bias before a norm the gradient is 0: what rounding leaves is compared with `least`. */
static double differs(const float *a, const float *b, size_t count, double least)
{
    double off = 0, all = 0;
    for (size_t i = 0; i < count; i++) {
        double d = isfinite(a[i]) ? (double)a[i] - (double)b[i] : HUGE_VAL;
        off += d * d;
        all += (double)b[i] * (double)b[i];
    }
    return sqrt(off / (double)count) / fmax(sqrt(all / (double)count), least);
}

typedef struct {
    const pel_model *m;
    pel_gradient *fast;
    nn_plain *plain;
    size_t count, input_count;
    float *got, *expected;
    pel_size sizes[MOST];
    float *data[SAMPLES][MOST], *got_inputs[SAMPLES][MOST], *expected_inputs[SAMPLES][MOST];
} both;

static void compare_results(const both *b, const char *what, double bound)
{
    size_t count;
    const pel_parameter *p = pel_gradient_parameters(b->fast, &count);
    CHECK(count > 0, "%s", what);
    double least = 1e-6;
    for (size_t i = 0; i < b->count; i++)
        least = fmax(least, 1e-2 * fabs((double)b->expected[i])); /* of the greatest */
    for (size_t i = 0; i < count; i++) {
        double off = differs(b->got + p[i].offset, b->expected + p[i].offset, p[i].count, least);
        CHECK(off <= bound, "%s: %s is off by %.3g", what, p[i].tensor->name, off);
    }
    for (size_t s = 0; s < SAMPLES; s++)
        for (size_t k = 0; k < b->input_count; k++) {
            double off = differs(b->got_inputs[s][k], b->expected_inputs[s][k], pel_size_count(b->sizes[k]), 1e-6);
            CHECK(off <= bound, "%s: input %zu of sample %zu is off by %.3g", what, k, s, off);
        }
}

static void run_both(both *b, const losses *l, const char *what, double bound)
{
    const float *const *inputs[SAMPLES];
    float *const *got[SAMPLES], *const *expected[SAMPLES];
    float *again = pel_alloc_floats(b->count + 1), *parameters = pel_alloc_floats(b->count + 1);
    size_t count, n = 0;
    const pel_parameter *p = pel_gradient_parameters(b->fast, &count);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < p[i].count; k++) /* others than the model's: they are loaded */
            parameters[n++] = p[i].tensor->floats[k] * (k % 2 ? 0.9f : 1.05f) + 0.01f;
    for (size_t s = 0; s < SAMPLES; s++) {
        inputs[s] = (const float *const *)b->data[s];
        got[s] = b->got_inputs[s];
        expected[s] = b->expected_inputs[s];
    }
    CHECK(nn_plain_size(b->plain) == b->count, "%s", what);
    CHECK(pel_gradient_load(&context, b->fast, parameters) == PEL_OK);
    CHECK(nn_plain_load(&context, b->plain, parameters) == PEL_OK);
    losses copy = *l;
    CHECK(nn_plain_run(&context, b->plain, SAMPLES, inputs, loss, &copy, b->expected, expected) == PEL_OK, "%s: %s",
          what, context.error->text);
    CHECK(pel_gradient_run(&context, b->fast, SAMPLES, inputs, loss, &copy, again, got) == PEL_OK, "%s: %s", what,
          context.error->text);
    CHECK(pel_gradient_run(&context, b->fast, SAMPLES, inputs, loss, &copy, b->got, got) == PEL_OK);
    CHECK(memcmp(again, b->got, b->count * sizeof *again) == 0, "%s: not the same bits again", what);
    compare_results(b, what, bound);
    pel_free(again);
    pel_free(parameters);
}

static void compare(const pel_model *m, size_t w, size_t h, const char *what, bool all_fast, double bound)
{
    both b = {.m = m, .input_count = m->input_count};
    losses l = {.outputs = m->output_count};
    pel_gradient_options options = {precision, true, true}, plain = {PEL_FP32, true, true};
    for (size_t k = 0; k < m->input_count; k++) {
        b.sizes[k] = pel_size_make(w, h, 1, (size_t)m->inputs[k].dims[1]);
        size_t count = pel_size_count(b.sizes[k]);
        for (size_t s = 0; s < SAMPLES; s++) {
            b.data[s][k] = pel_alloc_floats(count);
            b.got_inputs[s][k] = pel_alloc_floats(count);
            b.expected_inputs[s][k] = pel_alloc_floats(count);
            fill(b.data[s][k], count, 1);
        }
    }
    CHECK(gradient_new(&context, m, b.sizes, &options, kernels, &b.fast) == PEL_OK, "%s: %s", what,
          context.error->text);
    CHECK(nn_plain_new(&context, m, b.sizes, &plain, &b.plain) == PEL_OK, "%s: %s", what, context.error->text);
    if (b.fast != NULL && b.plain != NULL) {
        for (size_t k = 0; k < m->output_count; k++) {
            l.sizes[k] = pel_gradient_output(b.fast, k);
            float *weights = pel_alloc_floats(pel_size_count(l.sizes[k]));
            fill(weights, pel_size_count(l.sizes[k]), 1);
            l.weights[k] = weights;
        }
        b.count = pel_gradient_size(b.fast);
        b.got = pel_alloc_floats(b.count + 1);
        b.expected = pel_alloc_floats(b.count + 1);
        CHECK(!all_fast || gradient_plain_steps(b.fast) == 0, "%s: %zu steps of the plain reference", what,
              gradient_plain_steps(b.fast));
        run_both(&b, &l, what, bound);
        for (size_t k = 0; k < m->output_count; k++)
            pel_free((void *)(uintptr_t)l.weights[k]);
    }
    pel_gradient_free(b.fast);
    nn_plain_free(b.plain);
    pel_free(b.got);
    pel_free(b.expected);
    for (size_t s = 0; s < SAMPLES; s++)
        for (size_t k = 0; k < m->input_count; k++) {
            pel_free(b.data[s][k]);
            pel_free(b.got_inputs[s][k]);
            pel_free(b.expected_inputs[s][k]);
        }
}

/* ---- Convolutions of all kinds, in a chain with what is around them */

static void weights(pel_model *m, const char *name, int64_t n, int64_t c, int64_t k)
{
    fill(pel_model_add_floats(m, name, 4, (int64_t[]){n, c, k, k}), (size_t)(n * c * k * k),
         1 / sqrtf((float)(c * k * k)));
}

static void vector(pel_model *m, const char *name, int64_t n)
{
    fill(pel_model_add_floats(m, name, 1, &n), (size_t)n, 0.5f);
}

typedef struct {
    const char *op;
    int64_t cin, cout, kernel, stride, dilation, group, pad;
    size_t w, h;
} conv_case;

static void test_conv(const conv_case *c)
{
    bool transposed = strcmp(c->op, "ConvTranspose") == 0;
    pel_model *m = pel_model_new("test", 17);
    pel_model_add_input(m, "x", c->cin);
    pel_model_add_output(m, "y", c->cout);
    weights(m, "w", transposed ? c->cin : c->cout, (transposed ? c->cout : c->cin) / c->group, c->kernel);
    weights(m, "w0", c->cin, c->cin, 1);
    vector(m, "b", c->cout);
    pel_model_add_node(m, "Conv", "x w0", "x0");
    pel_node *n = pel_model_add_node(m, c->op, "x0 w b", "c");
    pel_node_set_ints(m, n, "strides", 2, (int64_t[]){c->stride, c->stride});
    pel_node_set_ints(m, n, "dilations", 2, (int64_t[]){c->dilation, c->dilation});
    pel_node_set_ints(m, n, "pads", 4, (int64_t[]){c->pad, c->pad, c->pad, c->pad});
    pel_node_set_int(m, n, "group", c->group);
    pel_model_add_node(m, "Tanh", "c", "y");
    char what[120];
    snprintf(what, sizeof what, "%s %d->%d k%d s%d d%d g%d p%d", c->op, (int)c->cin, (int)c->cout, (int)c->kernel,
             (int)c->stride, (int)c->dilation, (int)c->group, (int)c->pad);
    CHECK(pel_model_finish(m, context.error) == PEL_OK);
    compare(m, c->w, c->h, what, true, precision == PEL_FP32 ? 2e-5 : 3e-2);
    pel_model_free(m);
}

static void test_convs(void)
{
    static const conv_case cases[] = {
        {"Conv", 16, 16, 3, 1, 1, 1, 1, 17, 13}, {"Conv", 8, 40, 3, 1, 2, 1, 2, 19, 12},
        {"Conv", 24, 8, 3, 1, 1, 1, 0, 14, 11},  {"Conv", 16, 12, 5, 1, 1, 1, 2, 13, 9},
        {"Conv", 1, 32, 3, 1, 1, 1, 1, 12, 9},   {"Conv", 32, 1, 3, 1, 1, 1, 1, 12, 9},
        {"Conv", 3, 17, 7, 1, 1, 1, 3, 12, 9},   {"Conv", 20, 34, 1, 1, 1, 1, 0, 9, 8},
        {"Conv", 12, 20, 3, 2, 1, 1, 1, 15, 12}, {"Conv", 16, 24, 2, 2, 1, 1, 0, 14, 12},
        {"Conv", 12, 12, 3, 1, 1, 12, 1, 11, 9}, {"Conv", 8, 16, 3, 1, 1, 4, 1, 11, 9},
        {"Conv", 9, 16, 3, 1, 3, 1, 3, 16, 14},  {"Conv", 16, 8, 3, 3, 2, 1, 2, 16, 15},
        {"Conv", 3, 64, 9, 1, 1, 1, 4, 12, 11},  {"Conv", 64, 3, 5, 1, 1, 1, 2, 11, 10},
        {"ConvTranspose", 16, 8, 2, 2, 1, 1, 0, 7, 6},  {"ConvTranspose", 12, 20, 4, 2, 1, 1, 1, 7, 6},
        {"ConvTranspose", 16, 16, 3, 1, 1, 1, 1, 9, 8}, {"ConvTranspose", 8, 12, 5, 3, 1, 2, 2, 6, 5},
        {"ConvTranspose", 16, 3, 4, 2, 1, 1, 1, 7, 6},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        test_conv(&cases[i]);
}

/* ---- What pel-net writes: every architecture, small.  Their norms, gates, pools and moves have fast gradients but for
 * what `plain` says. */

static void test_nets(void)
{
    const pel_net_info *info;
    for (size_t k = 0; (info = pel_net_find(k)) != NULL; k++) {
        pel_net_params params = {.width = 8, .depth = info->depth > 3 && strcmp(info->name, "ircnn") != 0 ? 3 : 0, .seed = 3};
        pel_model *m = NULL;
        CHECK(pel_net_build(info->name, &params, &m, context.error) == PEL_OK, "%s: %s", info->name,
              context.error->text);
        if (m != NULL)
            compare(m, 16, 16, info->name, true, precision == PEL_FP32 ? 2e-2 : 0.2);
        pel_model_free(m);
    }
}

/* ---- One node between two convolutions */

typedef struct {
    const char *op, *inputs; /* of "c", what follows the first convolution, and constants */
    int64_t out;             /* channels after it */
    bool fast;
} node_case;

static void test_node(const node_case *c)
{
    pel_model *m = pel_model_new("test", 17);
    pel_model_add_input(m, "x", 8);
    pel_model_add_output(m, "y", 3);
    weights(m, "w1", 8, 8, 3);
    weights(m, "w2", 3, c->out, 1);
    vector(m, "b1", 8);
    fill(pel_model_add_floats(m, "channels", 3, (int64_t[]){8, 1, 1}), 8, 1);
    *pel_model_add_floats(m, "number", 0, NULL) = -0.5f;
    fill(pel_model_add_floats(m, "scale", 1, (int64_t[]){8}), 8, 1);
    pel_node *n = pel_model_add_node(m, "Conv", "x w1 b1", "c");
    pel_node_set_ints(m, n, "pads", 4, (int64_t[]){1, 1, 1, 1});
    pel_model_add_node(m, c->op, c->inputs, "d");
    pel_model_add_node(m, "Conv", "d w2", "y");
    CHECK(pel_model_finish(m, context.error) == PEL_OK, "%s", context.error->text);
    /* A quotient by what comes near 0 shows any rounding. */
    double factor = strcmp(c->op, "Div") == 0 ? 1000 : 1;
    compare(m, 20, 14, c->op, c->fast, factor * (precision == PEL_FP32 ? 2e-5 : 5e-2));
    pel_model_free(m);
}

static void test_nodes(void)
{
    static const node_case cases[] = {
        {"Relu", "c", 8, true},          {"Sigmoid", "c", 8, true},     {"Tanh", "c", 8, true},
        {"Exp", "c", 8, true},          {"Mul", "c c", 8, true},       {"Mul", "c channels", 8, true},
        {"Mul", "number c", 8, true},    {"Add", "channels c", 8, true}, {"Sub", "c channels", 8, true},
        {"Sub", "channels c", 8, true},  {"Mul", "c x", 8, true},       {"Sub", "x c", 8, true},
        {"Div", "x c", 8, true},        {"GlobalAveragePool", "c", 8, true},
        {"InstanceNormalization", "c scale b1", 8, true}, {"PRelu", "c channels", 8, true},
        {"Softplus", "c", 8, false},     {"Abs", "c", 8, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        test_node(&cases[i]);
}

int main(void)
{
    static const char *const levels[] = {"portable", "avx2", "avx512", "avx512-bf16", "amx"};
    pel_error error = {PEL_OK, ""};
    pel_pool *pool;
    if (pel_pool_new(2, &pool, &error) != PEL_OK)
        return EXIT_FAILURE;
    context = (pel_context){.pool = pool, .error = &error, .plan_estimate = true};
    for (int k = 0; k < 5; k++) {
        setenv("PELLUCID_CPU", levels[k], 1);
        if (nn_kernels_choose(&kernels, &error) != PEL_OK)
            break;
        for (precision = PEL_FP32; precision <= PEL_BF16; precision++) {
            int before = check_failures;
            seed = 1;
            test_convs();
            test_nodes();
            test_nets();
            if (check_failures > before)
                printf("with the kernels %s, %s\n", levels[k], precision == PEL_FP32 ? "fp32" : "bf16");
        }
    }
    pel_pool_free(pool);
    return check_done();
}
