/* receptive-field.c - the receptive field of networks against what changes an output, input by input.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <pellucid/model.h>
#include <pellucid/network.h>
#include <pellucid/pool.h>

#include "check.h"

static pel_context context;
static uint32_t seed;

static float number(void) { return 2 * check_random(&seed) - 1; }

static pel_model *start(int64_t in, int64_t out)
{
    pel_model *m = pel_model_new("test", 17);
    pel_model_add_input(m, "x", in);
    pel_model_add_output(m, "y", out);
    return m;
}

/* All weights are positive: nothing cancels. */
static void positive(pel_model *m, const char *name, int64_t n, int64_t c, int64_t kh, int64_t kw)
{
    float *w = pel_model_add_floats(m, name, 4, (int64_t[]){n, c, kh, kw});
    for (int64_t i = 0; w != NULL && i < n * c * kh * kw; i++)
        w[i] = (1 + 0.5f * number()) / (float)(c * kh * kw);
}

static pel_model *field_model(int kind)
{
    pel_model *m = start(1, 1);
    int64_t pad = kind == 1 ? 2 : 1;
    positive(m, "w1", 16, 1, 3, 5);
    positive(m, "w2", 16, 16, 3, 3);
    positive(m, "w3", 1, 16, 1, 3);
    pel_node *n = pel_model_add_node(m, "Conv", "x w1", "a"); /* to one side further than to the other */
    pel_node_set_ints(m, n, "pads", 4, (int64_t[]){2, 1, 0, 3});
    n = pel_model_add_node(m, "Conv", "a w2", "b");
    pel_node_set_ints(m, n, "pads", 4, (int64_t[]){pad, pad, pad, pad});
    if (kind == 1)
        pel_node_set_ints(m, n, "dilations", 2, (int64_t[]){2, 2});
    if (kind == 2)
        pel_node_set_ints(m, n, "strides", 2, (int64_t[]){2, 2});
    n = pel_model_add_node(m, "Conv", "b w3", "c");
    pel_node_set_ints(m, n, "pads", 4, (int64_t[]){0, 1, 0, 1});
    float *scales = pel_model_add_floats(m, "scales", 1, (int64_t[]){4});
    memcpy(scales, (float[]){1, 1, kind == 2 ? 2 : 1, kind == 2 ? 2 : 1}, 4 * sizeof *scales);
    pel_node_set_string(m, pel_model_add_node(m, "Resize", "c - scales", "y"), "mode", "linear");
    return m;
}

enum { FIELD = 40 };

/* How far to both sides of it, along the axis (0: rows), inputs change outputs in the middle. */
static void try_inputs(pel_network *net, int axis, size_t *before, size_t *after)
{
    float in[FIELD * FIELD] = {0}, out[FIELD * FIELD];
    *before = *after = 0;
    for (size_t from = 0; from < FIELD; from++) {
        size_t middle = FIELD / 2 * (axis == 0 ? 1 : FIELD), by = axis == 0 ? FIELD : 1;
        for (size_t k = 0; k < 4; k++) /* where the resolution is halved all of these count */
            in[middle + from * by + k * (FIELD + 1 - by)] = 1000;
        CHECK(pel_network_run(&context, net, (const float *[]){in}, (float *[]){out}) == PEL_OK);
        memset(in, 0, sizeof in);
        for (size_t at = FIELD / 2; at < FIELD / 2 + 4; at++) {
            if (fabsf(out[middle + at * by]) < 0.01f)
                continue;
            *before = at > from && at - from > *before ? at - from : *before;
            *after = from > at && from - at > *after ? from - at : *after;
        }
    }
}

static void test_field(void)
{
    pel_size size = {FIELD, FIELD, 1, 1}, small = {8, 8, 1, 1};
    for (int kind = 0; kind < 3; kind++) {
        pel_model *m = field_model(kind);
        pel_network *net = NULL;
        pel_network_field f;
        size_t left, right, up, down;
        CHECK(pel_model_finish(m, context.error) == PEL_OK, "%s", context.error->text);
        CHECK(pel_network_compile(&context, m, &size, PEL_FP32, &net) == PEL_OK, "%s", context.error->text);
        CHECK(pel_network_receptive_field(&context, m, &size, &f) == PEL_OK && !f.whole);
        try_inputs(net, 1, &left, &right);
        try_inputs(net, 0, &up, &down);
        CHECK(f.left == left && f.right == right && f.up == up && f.down == down,
              "%d: %zu %zu %zu %zu, found %zu %zu %zu %zu", kind, f.left, f.right, f.up, f.down, left, right, up, down);
        CHECK(pel_network_node_macs(net, 0) == 15 * 16 * FIELD * FIELD, "%g", pel_network_node_macs(net, 0));
        CHECK(pel_network_receptive_field(&context, m, &small, &f) == PEL_OK && f.whole, "it reaches the edges");
        pel_network_free(net);
        pel_model_free(m);
    }
    pel_model *m = start(1, 1);
    pel_network_field f;
    pel_model_add_node(m, "GlobalAveragePool", "x", "p");
    pel_model_add_node(m, "Add", "x p", "y");
    CHECK(pel_model_finish(m, context.error) == PEL_OK);
    CHECK(pel_network_receptive_field(&context, m, &size, &f) == PEL_OK && f.whole);
    pel_model_free(m);
}

int main(void)
{
    pel_error error = {PEL_OK, ""};
    pel_pool *pool;
    if (pel_pool_new(2, &pool, &error) != PEL_OK)
        return EXIT_FAILURE;
    context = (pel_context){.pool = pool, .error = &error, .plan_estimate = true};
    test_field();
    pel_pool_free(pool);
    return check_done();
}
