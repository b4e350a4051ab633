/* operators.c - operators of the reference against their definitions, with random shapes.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <complex.h>
#include <stdlib.h>
#include <string.h>

#include <pellucid/model.h>

#include "check.h"
#include "src/lib/nn/operator/operator.h"

static uint32_t seed = 7;
static pel_error error;

static int64_t up_to(int64_t most) { return 1 + (int64_t)(check_random(&seed) * (float)most); }

static nn_array array(pel_model_type type, size_t rank, const int64_t *dims)
{
    nn_array a = {.type = type, .rank = rank};
    memcpy(a.dims, dims, rank * sizeof *dims);
    if (!nn_array_alloc(&a))
        abort();
    for (size_t i = 0; i < nn_array_count(&a); i++)
        a.values[i] = type == PEL_MODEL_FLOAT ? 2 * (double)check_random(&seed) - 1 : 0;
    return a;
}

/* A node of its own model, with whole numbers as attributes. */
typedef struct {
    pel_model *model;
    pel_node *node;
} lone;

static lone lone_node(const char *op, const char *inputs)
{
    lone l = {pel_model_new("t", 17), NULL};
    l.node = pel_model_add_node(l.model, op, inputs, "y");
    return l;
}

static pel_status evaluate(const lone *l, const nn_array *a, const nn_array *b, nn_array *out)
{
    nn_call call = {.node = l->node, .opset = 17, .input_count = b != NULL ? 2 : 1, .output_count = 1, .inputs = {a, b},
                    .outputs = {out}, .limit = 1 << 24, .error = &error};
    *out = (nn_array){0};
    return nn_operator_evaluate(nn_operator_find("", l->node->operator), &call, 0);
}

/* ---- DFT */

typedef struct {
    int64_t dims[4]; /* the last: 1 or 2 */
    int64_t axis, length; /* 0: that of the axis */
    bool inverse, onesided;
} dft_case;

static int64_t index_of(const int64_t *dims, int64_t i, int64_t j, int64_t k, int64_t part)
{
    return ((i * dims[1] + j) * dims[2] + k) * dims[3] + part;
}

/* Bin `bin` of the line along the axis through (i, j, k), by its definition. */
static double complex naive_bin(const dft_case *c, const double *v, const int64_t at[3], int64_t length, int64_t bin)
{
    double complex sum = 0;
    size_t axis = (size_t)(c->axis < 0 ? c->axis + 4 : c->axis);
    for (int64_t n = 0; n < length && n < c->dims[axis]; n++) {
        int64_t here[3] = {at[0], at[1], at[2]};
        here[axis] = n;
        int64_t from = index_of(c->dims, here[0], here[1], here[2], 0);
        double angle = (c->inverse ? 2 : -2) * M_PI * (double)(n * bin % length) / (double)length;
        sum += (v[from] + (c->dims[3] == 2 ? I * v[from + 1] : 0)) * (cos(angle) + I * sin(angle));
    }
    return c->inverse ? sum / (double)length : sum;
}

static void try_dft(const dft_case *c)
{
    nn_array in = array(PEL_MODEL_FLOAT, 4, c->dims), out, count = array(PEL_MODEL_INT64, 0, (int64_t[]){0});
    lone l = lone_node("DFT", "x n");
    size_t axis = (size_t)(c->axis < 0 ? c->axis + 4 : c->axis);
    int64_t length = c->length > 0 ? c->length : c->dims[axis];
    count.values[0] = (double)length;
    pel_node_set_int(l.model, l.node, "axis", c->axis);
    pel_node_set_int(l.model, l.node, "inverse", c->inverse);
    pel_node_set_int(l.model, l.node, "onesided", c->onesided);
    CHECK(evaluate(&l, &in, c->length > 0 ? &count : NULL, &out) == PEL_OK, "%s", error.text);
    int64_t dims[4] = {c->dims[0], c->dims[1], c->dims[2], 2};
    dims[axis] = c->onesided ? length / 2 + 1 : length;
    CHECK(out.rank == 4 && memcmp(out.dims, dims, sizeof dims) == 0);
    double worst = 0;
    for (int64_t i = 0; i < dims[0]; i++)
        for (int64_t j = 0; j < dims[1]; j++)
            for (int64_t k = 0; k < dims[2]; k++) {
                const int64_t at[3] = {i, j, k};
                const double *made = out.values + index_of(dims, i, j, k, 0);
                worst = fmax(worst, cabs(made[0] + I * made[1] - naive_bin(c, in.values, at, length, at[axis])));
            }
    CHECK(worst < 1e-11 * (double)length, "axis %d of %d, length %d: off by %g", (int)c->axis, (int)c->dims[axis],
          (int)length, worst);
    nn_array_free(&in);
    nn_array_free(&count);
    nn_array_free(&out);
    pel_model_free(l.model);
}

static void test_dft(void)
{
    static const dft_case cases[] = {
        {{1, 1, 1, 1}, 1, 0, false, false},   {{2, 256, 3, 1}, 1, 0, false, true}, {{1, 3, 509, 2}, 2, 0, true, false},
        {{2, 600, 1, 2}, -3, 0, false, false}, {{5, 2, 3, 2}, 0, 0, true, false},   {{1, 7, 4, 1}, 1, 16, false, false},
        {{1, 9, 4, 2}, 1, 5, true, false},    {{1, 1, 8, 1}, -2, 3, false, true},  {{1, 2, 2, 2}, 1, 1, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        try_dft(&cases[i]);
    for (int i = 0; i < 40; i++) {
        dft_case c = {{up_to(3), up_to(40), up_to(40), up_to(2)}, up_to(3) - 1, 0, up_to(2) == 1, false};
        c.length = up_to(2) == 1 ? up_to(50) : 0;
        c.onesided = !c.inverse && c.dims[3] == 1 && up_to(2) == 1;
        try_dft(&c);
    }
}

static void refuse_dft(const int64_t *dims, const char *name, int64_t value, const char *other, const char *said)
{
    nn_array in = array(PEL_MODEL_FLOAT, 3, dims), out;
    lone l = lone_node("DFT", "x");
    pel_node_set_int(l.model, l.node, name, value);
    if (other != NULL)
        pel_node_set_int(l.model, l.node, other, 1);
    CHECK(evaluate(&l, &in, NULL, &out) == PEL_EINVAL && strstr(error.text, said) != NULL, "%s", error.text);
    nn_array_free(&in);
    nn_array_free(&out);
    pel_model_free(l.model);
}

static void test_dft_refused(void)
{
    refuse_dft((int64_t[]){1, 4, 3}, "axis", 1, NULL, "must be 1 or 2");
    refuse_dft((int64_t[]){1, 4, 2}, "axis", 2, NULL, "not transformed");
    refuse_dft((int64_t[]){1, 4, 2}, "axis", 3, NULL, "axis 3");
    refuse_dft((int64_t[]){1, 0, 2}, "axis", 1, NULL, "a length of 0");
    refuse_dft((int64_t[]){1, 4, 2}, "onesided", 1, NULL, "onesided");
    refuse_dft((int64_t[]){1, 4, 1}, "onesided", 1, "inverse", "onesided");
}

static void test_dft_limit(void)
{
    nn_array in = array(PEL_MODEL_FLOAT, 3, (int64_t[]){1, 4, 1}), out;
    nn_array count = array(PEL_MODEL_INT64, 0, (int64_t[]){0});
    lone l = lone_node("DFT", "x n");
    count.values[0] = 1 << 21;
    CHECK(evaluate(&l, &in, &count, &out) == PEL_ELIMIT && strstr(error.text, "2097152") != NULL, "%s", error.text);
    nn_array_free(&in);
    nn_array_free(&count);
    nn_array_free(&out);
    pel_model_free(l.model);
}

/* ---- ArgMax, ArgMin */

/* Values from a few, so that equal ones occur. */
static void try_arg(const char *op, const int64_t *dims, size_t axis, bool keep, bool last)
{
    nn_array in = array(PEL_MODEL_FLOAT, 3, dims), out;
    lone l = lone_node(op, "x");
    bool least = strcmp(op, "ArgMin") == 0;
    for (size_t i = 0; i < nn_array_count(&in); i++)
        in.values[i] = floor(3 * in.values[i]);
    pel_node_set_int(l.model, l.node, "axis", (int64_t)axis - (keep ? 3 : 0));
    pel_node_set_int(l.model, l.node, "keepdims", keep);
    pel_node_set_int(l.model, l.node, "select_last_index", last);
    CHECK(evaluate(&l, &in, NULL, &out) == PEL_OK, "%s", error.text);
    CHECK(out.rank == (keep ? 3 : 2) && out.type == PEL_MODEL_INT64);
    CHECK(nn_array_count(&out) * (size_t)dims[axis] == nn_array_count(&in));
    size_t made = 0, wrong = 0;
    int64_t end[3] = {dims[0], dims[1], dims[2]}, at[3];
    end[axis] = 1;
    for (at[0] = 0; at[0] < end[0]; at[0]++)
        for (at[1] = 0; at[1] < end[1]; at[1]++)
            for (at[2] = 0; at[2] < end[2]; at[2]++) {
                int64_t best = -1, here[3] = {at[0], at[1], at[2]};
                double most = 0;
                for (int64_t k = 0; k < dims[axis]; k++) {
                    here[axis] = k;
                    double v = in.values[(here[0] * dims[1] + here[1]) * dims[2] + here[2]] * (least ? -1 : 1);
                    if (best < 0 || v > most || (last && !(v < most))) {
                        best = k;
                        most = v;
                    }
                }
                wrong += out.values[made++] != (double)best;
            }
    CHECK(wrong == 0, "%s: %zu of %zu", op, wrong, made);
    nn_array_free(&in);
    nn_array_free(&out);
    pel_model_free(l.model);
}

int main(void)
{
    test_dft();
    test_dft_refused();
    test_dft_limit();
    for (int i = 0; i < 40; i++)
        try_arg(i % 2 ? "ArgMax" : "ArgMin", (int64_t[]){up_to(6), up_to(6), up_to(6)}, (size_t)up_to(3) - 1, i & 2,
                i & 4);
    return check_done();
}
