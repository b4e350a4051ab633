/* model.c - models as files: what is built comes back, what is broken is refused, damage does no harm.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pellucid/model.h>
#include <pellucid/network.h>
#include <pellucid/pool.h>

#include "check.h"

static pel_error error;
static pel_context context = {.error = &error, .memory = 64 << 20};

/* A model with every kind of attribute that the builder knows, and operators of all families. */
static pel_model *sample(void)
{
    pel_model *m = pel_model_new("sample", 17);
    pel_model_add_input(m, "x", 2);
    pel_model_add_output(m, "y", 2);
    float *w = pel_model_add_floats(m, "w", 4, (int64_t[]){2, 2, 3, 3});
    for (int i = 0; w != NULL && i < 36; i++)
        w[i] = (float)i / 36;
    pel_model_add_integers(m, "pads", 8, (int64_t[]){0, 0, 1, 1, 0, 0, 1, 1});
    pel_model_add_integers(m, "shape", 4, (int64_t[]){1, 2, -1, 0});
    pel_node_set_string(m, pel_model_add_node(m, "Pad", "x pads", "p"), "mode", "reflect");
    pel_node *n = pel_model_add_node(m, "Conv", "p w", "c");
    pel_node_set_ints(m, n, "strides", 2, (int64_t[]){1, 1});
    pel_node_set_int(m, n, "group", 1);
    pel_node_set_float(m, pel_model_add_node(m, "LeakyRelu", "c", "r"), "alpha", 0.1f);
    n = pel_model_add_node(m, "MaxPool", "r", "q");
    pel_node_set_ints(m, n, "kernel_shape", 2, (int64_t[]){1, 1});
    pel_node_set_int(m, pel_model_add_node(m, "Split", "q", "s1 s2"), "axis", 1);
    pel_node_set_int(m, pel_model_add_node(m, "Concat", "s2 s1", "k"), "axis", 1);
    pel_model_add_node(m, "Shape", "x", "sh");
    pel_model_add_node(m, "Reshape", "k sh", "z");
    pel_model_add_integers(m, "l", 1, (int64_t[]){4});
    pel_model_add_node(m, "Unsqueeze", "z l", "u");
    pel_node_set_int(m, pel_model_add_node(m, "DFT", "u", "f"), "axis", 3);
    pel_node_set_int(m, pel_model_add_node(m, "ArgMax", "f", "i"), "axis", 4);
    pel_node_set_int(m, pel_model_add_node(m, "Cast", "i", "g"), "to", 1);
    pel_model_add_node(m, "Squeeze", "g l", "y");
    pel_model_set_metadata(m, "pellucid.card", "A sample.");
    return m;
}

static void test_round_trip(void)
{
    pel_model *m = sample(), *back = NULL;
    void *bytes, *again;
    size_t count, count_again;
    CHECK(pel_model_finish(m, &error) == PEL_OK, "%s", error.text);
    CHECK(pel_model_serialize(m, &bytes, &count, &error) == PEL_OK);
    CHECK(pel_model_parse(bytes, count, 0, &back, &error) == PEL_OK, "%s", error.text);
    CHECK(pel_model_serialize(back, &again, &count_again, &error) == PEL_OK);
    CHECK(count == count_again && memcmp(bytes, again, count) == 0, "what was read is written as it was");
    CHECK(back->node_count == m->node_count && back->opset == 17);
    CHECK_TEXT(pel_model_metadata(back, "pellucid.card"), "A sample.");
    CHECK_TEXT(pel_node_string(&back->nodes[0], "mode", ""), "reflect");
    CHECK_NEAR(pel_node_float(&back->nodes[2], "alpha", 0), 0.1, 1e-7);
    CHECK(pel_model_find_tensor(back, "w")->floats[35] == 35.0f / 36);
    CHECK(back->inputs[0].dims[2] == -1);
    CHECK_TEXT(back->inputs[0].symbols[2], "h");
    pel_free(bytes);
    pel_free(again);
    pel_model_free(back);
    pel_model_free(m);
}

/* A value in the middle: what comes after it is gone, and what it needs is there. */
static void test_outputs(void)
{
    pel_model *m = sample();
    CHECK(pel_model_finish(m, &error) == PEL_OK);
    CHECK(pel_model_set_outputs(m, 1, (const char *[]){"w"}, &error) == PEL_EINVAL);
    CHECK_TEXT(error.text, "the model has no value 'w' (it has p, c, r, q, s1, s2, k, sh, z, u, f, i, g, y)");
    CHECK(pel_model_set_outputs(m, 2, (const char *[]){"c", "c"}, &error) == PEL_EINVAL && m->node_count == 13);
    CHECK(pel_model_set_outputs(m, 2, (const char *[]){"sh", "y"}, &error) == PEL_OK);
    CHECK(m->node_count == 13 && m->output_count == 2 && m->tensor_count == 3);
    CHECK_TEXT(m->outputs[1].symbols[3], "w");
    CHECK(pel_model_set_outputs(m, 2, (const char *[]){"r", "c"}, &error) == PEL_OK);
    CHECK(pel_model_finish(m, &error) == PEL_OK, "%s", error.text);
    CHECK(m->node_count == 3 && m->output_count == 2 && m->tensor_count == 2);
    CHECK_TEXT(m->nodes[0].operator, "Pad");
    CHECK_TEXT(m->nodes[2].operator, "LeakyRelu");
    CHECK_TEXT(m->outputs[0].name, "r");
    CHECK(pel_model_find_tensor(m, "shape") == NULL && pel_model_find_tensor(m, "pads") != NULL);
    pel_model_free(m);
}

/* ---- Graphs that do not hold together */

static void refuse(pel_model *m, pel_status expected, const char *part)
{
    pel_status status = pel_model_finish(m, &error);
    CHECK(status == expected && strstr(error.text, part) != NULL, "%d '%s', not '%s'", (int)status, error.text, part);
    pel_model_free(m);
}

static pel_model *start(int64_t opset)
{
    pel_model *m = pel_model_new("t", opset);
    pel_model_add_input(m, "x", 1);
    pel_model_add_output(m, "y", 1);
    return m;
}

static void test_graphs(void)
{
    pel_model *m = start(17);
    pel_model_add_node(m, "Relu", "z", "y");
    refuse(m, PEL_EFORMAT, "uses 'z'");
    m = start(17); /* a cycle */
    pel_model_add_node(m, "Add", "x b", "a");
    pel_model_add_node(m, "Relu", "a", "b");
    refuse(m, PEL_EFORMAT, "uses 'b'");
    m = start(17);
    pel_model_add_node(m, "Relu", "x", "y");
    pel_model_add_node(m, "Relu", "x", "y");
    refuse(m, PEL_EFORMAT, "made twice");
    m = start(17);
    pel_model_add_node(m, "Relu", "x", "z");
    refuse(m, PEL_EFORMAT, "output 'y'");
    refuse(start(12), PEL_EFORMAT, "opset 12");
    refuse(start(19), PEL_EFORMAT, "opset 19");
    refuse(pel_model_new("t", 17), PEL_EFORMAT, "no input");
}

/* ---- Graphs that cannot be run */

static void cannot_run(pel_model *m, pel_status expected, const char *part)
{
    pel_network *n = NULL;
    pel_size size = {16, 12, 1, 1};
    CHECK(pel_model_finish(m, &error) == PEL_OK, "%s", error.text);
    pel_status status = pel_network_compile(&context, m, &size, PEL_FP32, &n);
    CHECK(status == expected && strstr(error.text, part) != NULL, "%d '%s', not '%s'", (int)status, error.text, part);
    pel_network_free(n);
    pel_model_free(m);
}

static pel_model *with_conv(const int64_t dims[4], const char *list, size_t count, int64_t value, int64_t group)
{
    pel_model *m = start(17);
    pel_model_add_floats(m, "w", 4, dims);
    pel_node *n = pel_model_add_node(m, "Conv", "x w", "y");
    int64_t values[4] = {value, value, value, value};
    if (list != NULL)
        pel_node_set_ints(m, n, list, count, values);
    pel_node_set_int(m, n, "group", group);
    return m;
}

static pel_model *with_integers(const char *op, const char *inputs, size_t count, const int64_t *values)
{
    pel_model *m = start(17);
    pel_model_add_integers(m, "v", count, values);
    pel_model_add_node(m, op, inputs, "y");
    return m;
}

static void test_refused(void)
{
    const int64_t three[4] = {1, 1, 3, 3}, many[4] = {1, 4, 3, 3}, large[4] = {1, 1, 99, 99};
    pel_model *m = start(17);
    pel_model_add_node(m, "Frobnicate", "x", "y");
    cannot_run(m, PEL_EINVAL, "Frobnicate");
    cannot_run(with_conv(three, "strides", 2, 0, 1), PEL_EINVAL, "strides");
    cannot_run(with_conv(three, "dilations", 2, 0, 1), PEL_EINVAL, "dilations");
    cannot_run(with_conv(three, "dilations", 2, INT64_C(1) << 60, 1), PEL_EINVAL, "dilations");
    cannot_run(with_conv(three, "pads", 4, -5, 1), PEL_EINVAL, "pads");
    cannot_run(with_conv(three, "pads", 3, 1, 1), PEL_EINVAL, "pads");
    cannot_run(with_conv(three, "kernel_shape", 2, 5, 1), PEL_EINVAL, "kernel_shape");
    cannot_run(with_conv(many, NULL, 0, 0, 1), PEL_EINVAL, "channels");
    cannot_run(with_conv(three, NULL, 0, 0, 3), PEL_EINVAL, "groups");
    cannot_run(with_conv(three, NULL, 0, 0, 0), PEL_EINVAL, "groups");
    cannot_run(with_conv(large, NULL, 0, 0, 1), PEL_EINVAL, "too small");
    cannot_run(with_integers("Reshape", "x v", 2, (int64_t[]){-1, -1}), PEL_EINVAL, "negative");
    cannot_run(with_integers("Reshape", "x v", 1, (int64_t[]){7}), PEL_EINVAL, "fit");
    cannot_run(with_integers("Expand", "x v", 5, (int64_t[]){1 << 30, 1 << 30, 1, 12, 16}), PEL_ELIMIT, "large");
    cannot_run(with_integers("Tile", "x v", 4, (int64_t[]){1, 1, INT64_MAX, INT64_MAX}), PEL_EINVAL, "negative");
    cannot_run(with_integers("Pad", "x v", 8, (int64_t[]){0, 0, -20, 0, 0, 0, 0, 0}), PEL_EINVAL, "negative");
    cannot_run(with_integers("Pad", "x v", 8, (int64_t[]){0, 0, INT64_C(1) << 40, 0, 0, 0, 0, 0}), PEL_ELIMIT, "large");
    cannot_run(with_integers("Squeeze", "x v", 1, (int64_t[]){2}), PEL_EINVAL, "axis 2");
    cannot_run(with_integers("Unsqueeze", "x v", 1, (int64_t[]){9}), PEL_EINVAL, "axis 9");
    cannot_run(with_integers("ConstantOfShape", "v", 1, (int64_t[]){INT64_C(1) << 60}), PEL_ELIMIT, "large");
    m = start(17); /* a picture of numbers that shapes depend on */
    pel_model_add_node(m, "Reshape", "x x", "y");
    cannot_run(m, PEL_EINVAL, "constant");
    m = start(17);
    pel_node_set_int(m, pel_model_add_node(m, "SpaceToDepth", "x", "y"), "blocksize", 5);
    cannot_run(m, PEL_EINVAL, "divide");
    m = start(17);
    pel_model_add_integers(m, "c", 1, (int64_t[]){1});
    pel_model_add_node(m, "Identity", "c", "y");
    cannot_run(m, PEL_EINVAL, "not a picture");
}

/* An attribute that is not heeded would change what the model means. */
static void test_attributes(void)
{
    static const struct {
        const char *op, *name, *text; /* text: of a string, or NULL: the number 1 */
        const char *said;             /* NULL: it is accepted */
    } cases[] = {
        {"Relu", "alpha", NULL, "node 0 (Relu, y): the attribute alpha is not known to this operator"},
        {"Softmax", "axes", NULL, "(Softmax, y): the attribute axes is not known"},
        {"Softmax", "axi", NULL, "(Softmax, y): the attribute axi is not known"},
        {"Elu", "alpha:f beta", NULL, "is not known"},
        {"LeakyRelu", "alpha", NULL, "(LeakyRelu, y): the attribute alpha is a whole number, which it cannot be"},
        {"Softmax", "axis", "1", "(Softmax, y): the attribute axis is a text, which it cannot be"},
        {"MaxPool", "storage_order", NULL, "the attribute storage_order is only supported as 0"},
        {"MaxPool", "auto_pad", "SAME_UPPER", "the attribute auto_pad is only supported as NOTSET"},
        {"MaxPool", "auto_pad", "NOT", "the attribute auto_pad is only supported as NOTSET"},
        {"MaxPool", "auto_pad", "NOTSET", NULL},
        {"Dropout", "seed", NULL, NULL},
        {"Softmax", "axis", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pel_model *m = start(17);
        pel_node *n = pel_model_add_node(m, cases[i].op, "x", "y");
        if (strcmp(cases[i].op, "MaxPool") == 0)
            pel_node_set_ints(m, n, "kernel_shape", 2, (int64_t[]){1, 1});
        if (cases[i].text != NULL)
            pel_node_set_string(m, n, cases[i].name, cases[i].text);
        else
            pel_node_set_int(m, n, cases[i].name, 1);
        if (cases[i].said != NULL) {
            cannot_run(m, PEL_EINVAL, cases[i].said);
            continue;
        }
        pel_network *net = NULL;
        CHECK(pel_model_finish(m, &error) == PEL_OK, "%s", error.text);
        CHECK(pel_network_compile(&context, m, &(pel_size){4, 4, 1, 1}, PEL_FP32, &net) == PEL_OK, "%s", error.text);
        pel_network_free(net);
        pel_model_free(m);
    }
}

/* What is folded counts together: here 8 times as many numbers each time, all of them kept. */
static void test_folding(void)
{
    char inputs[128], output[16];
    pel_model *m = start(17);
    pel_model_add_node(m, "Shape", "x", "c0");
    for (int i = 0; i < 7; i++) {
        snprintf(inputs, sizeof inputs, "c%d c%d c%d c%d c%d c%d c%d c%d", i, i, i, i, i, i, i, i);
        snprintf(output, sizeof output, "c%d", i + 1);
        pel_node_set_int(m, pel_model_add_node(m, "Concat", inputs, output), "axis", 0);
    }
    pel_model_add_node(m, "Relu", "x", "y");
    cannot_run(m, PEL_ELIMIT, "node 7 (Concat, c7): the result would be too large"); /* by itself it just fits */
}

/* Looking for strips must not take what the network was refused. */
static void test_reach(void)
{
    pel_model *m = start(17);
    pel_network_strips strips;
    pel_size size = {16, 12, 1, 1};
    pel_model_add_integers(m, "pads", 8, (int64_t[]){0, 0, 0, 0, 0, 0, 0, 20000000});
    pel_model_add_node(m, "Pad", "x pads", "y");
    CHECK(pel_model_finish(m, &error) == PEL_OK, "%s", error.text);
    CHECK(pel_network_reach(&context, m, &size, PEL_FP32, &strips) == PEL_ELIMIT, "%s", error.text);
    CHECK(strstr(error.text, "a size of 20000016 is over the memory cap") != NULL, "%s", error.text);
    pel_model_free(m);
}

static void test_metadata(void)
{
    char key[16];
    pel_model *m = start(17), *back = NULL;
    void *bytes;
    size_t count;
    pel_model_add_node(m, "Relu", "x", "y");
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        pel_model_set_metadata(m, key, "");
    }
    CHECK(pel_model_serialize(m, &bytes, &count, &error) == PEL_OK);
    CHECK(pel_model_parse(bytes, count, 0, &back, &error) == PEL_ELIMIT && strstr(error.text, "5000 metadata") != NULL);
    pel_free(bytes);
    pel_model_free(m);
    pel_model_free(back);
}

static void test_limits(void)
{
    pel_model *m = sample(), *back = NULL;
    pel_network *n = NULL;
    pel_context small = {.error = &error, .memory = 1000};
    void *bytes;
    size_t count;
    CHECK(pel_model_serialize(m, &bytes, &count, &error) == PEL_OK);
    CHECK(pel_model_parse(bytes, count, 100, &back, &error) == PEL_ELIMIT);
    CHECK(pel_network_compile(&small, m, (pel_size[]){{64, 64, 1, 2}}, PEL_FP32, &n) == PEL_ELIMIT);
    CHECK(pel_network_compile(&context, m, (pel_size[]){{64, 64, 1, 3}}, PEL_FP32, &n) == PEL_EINVAL);
    CHECK(pel_model_read("/nonexistent/model.onnx", 0, &back, &error) == PEL_EIO);
    CHECK(pel_model_write(m, "/nonexistent/model.onnx", &error) == PEL_EIO);
    pel_free(bytes);
    pel_model_free(m);
}

/* ---- Damage: each byte of a file changed in several ways, and each cut.  What is still a model is compiled and
 * run on a small picture. */

static void try_bytes(const void *bytes, size_t count)
{
    pel_model *m = NULL;
    pel_network *n = NULL;
    pel_size sizes[8];
    static float in[16 * 12 * 64], out[1 << 16];
    if (pel_model_parse(bytes, count, 32 << 20, &m, &error) != PEL_OK)
        return;
    for (size_t k = 0; k < m->input_count && k < 8; k++)
        sizes[k] = pel_size_make(16, 12, 1, 2);
    if (m->input_count == 1 && m->output_count == 1 && pel_network_compile(&context, m, sizes, PEL_FP32, &n) == PEL_OK &&
        pel_size_count(pel_network_output(n, 0)) <= sizeof out / sizeof *out)
        (void)pel_network_run(&context, n, (const float *[]){in}, (float *[]){out});
    pel_network_free(n);
    pel_model_free(m);
}

static void test_damage(void)
{
    static const unsigned char values[] = {0x00, 0xff, 0x7f, 0x80, 0x01};
    pel_model *m = sample();
    void *bytes;
    size_t count;
    CHECK(pel_model_serialize(m, &bytes, &count, &error) == PEL_OK);
    unsigned char *copy = pel_alloc(count);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < sizeof values + 8; k++) {
            memcpy(copy, bytes, count);
            copy[i] = k < sizeof values ? values[k] : (unsigned char)(copy[i] ^ 1u << (k - sizeof values));
            try_bytes(copy, count);
        }
        void *cut = malloc(i > 0 ? i : 1); /* its own block: reading behind it is seen */
        memcpy(cut, bytes, i);
        try_bytes(cut, i);
        free(cut);
    }
    CHECK(count > 300);
    pel_free(copy);
    pel_free(bytes);
    pel_model_free(m);
}

int main(void)
{
    test_round_trip();
    test_outputs();
    test_graphs();
    test_refused();
    test_attributes();
    test_limits();
    test_folding();
    test_reach();
    test_metadata();
    test_damage();
    return check_done();
}
