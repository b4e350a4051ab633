/* operators-pointwise.c - operators that work number by number, with broadcasting.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "operator-internal.h"

/* ---- Of one number: the attributes alpha and beta as p and q */

static double f_relu(double x, double p, double q) { (void)p; (void)q; return x > 0 || isnan(x) ? x : 0; }
static double f_leaky(double x, double p, double q) { (void)q; return x > 0 ? x : p * x; }
static double f_sigmoid(double x, double p, double q) { (void)p; (void)q; return 1 / (1 + exp(-x)); }
static double f_hard(double x, double p, double q) { return fmin(fmax(p * x + q, 0), 1); }
static double f_tanh(double x, double p, double q) { (void)p; (void)q; return tanh(x); }
static double f_softplus(double x, double p, double q) { (void)p; (void)q; return fmax(x, 0) + log1p(exp(-fabs(x))); }
static double f_elu(double x, double p, double q) { (void)q; return x > 0 ? x : p * expm1(x); }
static double f_abs(double x, double p, double q) { (void)p; (void)q; return fabs(x); }
static double f_neg(double x, double p, double q) { (void)p; (void)q; return -x; }
static double f_floor(double x, double p, double q) { (void)p; (void)q; return floor(x); }
static double f_ceil(double x, double p, double q) { (void)p; (void)q; return ceil(x); }
static double f_round(double x, double p, double q) { (void)p; (void)q; return nearbyint(x); }
static double f_sign(double x, double p, double q) { (void)p; (void)q; return (x > 0) - (x < 0); }
static double f_sqrt(double x, double p, double q) { (void)p; (void)q; return sqrt(x); }
static double f_reciprocal(double x, double p, double q) { (void)p; (void)q; return 1 / x; }
static double f_exp(double x, double p, double q) { (void)p; (void)q; return exp(x); }
static double f_log(double x, double p, double q) { (void)p; (void)q; return log(x); }
static double f_erf(double x, double p, double q) { (void)p; (void)q; return erf(x); }
static double f_gelu(double x, double p, double q) { (void)p; (void)q; return x / 2 * (1 + erf(x / M_SQRT2)); }
static double f_hard_swish(double x, double p, double q) { return x * f_hard(x, p, q); }
static double f_sin(double x, double p, double q) { (void)p; (void)q; return sin(x); }
static double f_cos(double x, double p, double q) { (void)p; (void)q; return cos(x); }
static double f_not(double x, double p, double q) { (void)p; (void)q; return x == 0; }

static const struct {
    const char *name;
    nn_function f;
    double p, q;
} ones[] = {
    {"Relu", f_relu, 0, 0},       {"LeakyRelu", f_leaky, 0.01, 0}, {"Sigmoid", f_sigmoid, 0, 0},
    {"HardSigmoid", f_hard, 0.2, 0.5}, {"Tanh", f_tanh, 0, 0},     {"Softplus", f_softplus, 0, 0},
    {"Elu", f_elu, 1, 0},         {"Abs", f_abs, 0, 0},            {"Neg", f_neg, 0, 0},
    {"Floor", f_floor, 0, 0},     {"Ceil", f_ceil, 0, 0},          {"Round", f_round, 0, 0},
    {"Sign", f_sign, 0, 0},       {"Sqrt", f_sqrt, 0, 0},          {"Reciprocal", f_reciprocal, 0, 0},
    {"Exp", f_exp, 0, 0},         {"Log", f_log, 0, 0},            {"Erf", f_erf, 0, 0},
    {"Sin", f_sin, 0, 0},         {"Cos", f_cos, 0, 0},            {"Not", f_not, 0, 0},
    {"Gelu", f_gelu, 0, 0},       {"HardSwish", f_hard_swish, 1.0 / 6, 0.5},
};

nn_function nn_operator_function(const pel_node *node, double *p, double *q)
{
    for (size_t row = 0; row < sizeof ones / sizeof ones[0]; row++)
        if (strcmp(ones[row].name, node->operator) == 0) {
            *p = pel_node_float(node, "alpha", ones[row].p);
            *q = pel_node_float(node, "beta", ones[row].q);
            return ones[row].f;
        }
    return NULL;
}

static pel_status evaluate_one(const nn_call *call)
{
    double p, q;
    nn_function f = nn_operator_function(call->node, &p, &q);
    for (size_t i = 0, count = nn_array_count(call->outputs[0]); i < count; i++)
        call->outputs[0]->values[i] = f(call->inputs[0]->values[i], p, q);
    return PEL_OK;
}

/* ---- Of two numbers */

typedef double (*two)(double x, double y, bool whole);

static double g_add(double x, double y, bool whole) { (void)whole; return x + y; }
static double g_sub(double x, double y, bool whole) { (void)whole; return x - y; }
static double g_mul(double x, double y, bool whole) { (void)whole; return x * y; }
static double g_div(double x, double y, bool whole) { return whole ? trunc(x / y) : x / y; }
static double g_pow(double x, double y, bool whole) { return whole ? trunc(pow(x, y)) : pow(x, y); }
static double g_max(double x, double y, bool whole) { (void)whole; return isnan(x) || x > y ? x : y; }
static double g_min(double x, double y, bool whole) { (void)whole; return isnan(x) || x < y ? x : y; }
static double g_equal(double x, double y, bool whole) { (void)whole; return x == y; }
static double g_less(double x, double y, bool whole) { (void)whole; return x < y; }
static double g_greater(double x, double y, bool whole) { (void)whole; return x > y; }
static double g_less_equal(double x, double y, bool whole) { (void)whole; return x <= y; }
static double g_greater_equal(double x, double y, bool whole) { (void)whole; return x >= y; }
static double g_and(double x, double y, bool whole) { (void)whole; return x != 0 && y != 0; }
static double g_or(double x, double y, bool whole) { (void)whole; return x != 0 || y != 0; }
static double g_prelu(double x, double y, bool whole) { (void)whole; return x > 0 ? x : x * y; }

/* Mod: the sign of the divisor (as Python's), with fmod that of the dividend. */
static double g_mod(double x, double y, bool whole) { (void)whole; return x - y * floor(x / y); }
static double g_fmod(double x, double y, bool whole) { (void)whole; return fmod(x, y); }

static const struct {
    const char *name;
    two f;
    bool truth; /* gives truth values */
} twos[] = {
    {"Add", g_add, false},     {"Sub", g_sub, false},         {"Mul", g_mul, false},
    {"Div", g_div, false},     {"Pow", g_pow, false},         {"Max", g_max, false},
    {"Min", g_min, false},     {"Mod", g_mod, false},         {"PRelu", g_prelu, false},
    {"Equal", g_equal, true},  {"Less", g_less, true},        {"Greater", g_greater, true},
    {"And", g_and, true},      {"LessOrEqual", g_less_equal, true},
    {"GreaterOrEqual", g_greater_equal, true},                {"Or", g_or, true},
};

static size_t two_of(const nn_call *call)
{
    size_t row = 0;
    while (strcmp(twos[row].name, call->node->operator) != 0)
        row++;
    return row;
}

static pel_status infer_two(const nn_call *call)
{
    nn_array all = *call->inputs[0];
    for (size_t k = 1; k < call->input_count; k++) {
        nn_array next = all;
        if (call->inputs[k] == NULL || !broadcast_shape(&all, call->inputs[k], &next.rank, next.dims))
            return FAIL(call, "the inputs' shapes do not go together");
        all = next;
    }
    if (strcmp(call->node->operator, "PRelu") == 0 &&
        (all.rank != call->inputs[0]->rank || memcmp(all.dims, call->inputs[0]->dims, all.rank * 8) != 0))
        return FAIL(call, "the slope is larger than the input");
    return call_set_shape(call, 0, twos[two_of(call)].truth ? PEL_MODEL_BOOL : all.type, all.rank, all.dims);
}

static pel_status evaluate_two(const nn_call *call)
{
    nn_array *out = call->outputs[0];
    size_t row = two_of(call), count = nn_array_count(out);
    two f = twos[row].f;
    bool whole = call->inputs[0]->type == PEL_MODEL_INT64;
    if (f == g_mod && pel_node_int(call->node, "fmod", 0) != 0)
        f = g_fmod;
    if (whole && (f == g_div || f == g_mod || f == g_fmod))
        for (size_t i = 0, n = nn_array_count(call->inputs[1]); i < n; i++)
            if (call->inputs[1]->values[i] == 0)
                return FAIL(call, "division of whole numbers by 0");
    for (size_t i = 0; i < count; i++) {
        double v = call->inputs[0]->values[broadcast_index(call->inputs[0], out, i)];
        for (size_t k = 1; k < call->input_count; k++)
            v = f(v, call->inputs[k]->values[broadcast_index(call->inputs[k], out, i)], whole);
        out->values[i] = v;
    }
    return PEL_OK;
}

/* ---- Clip, Where, Cast, Identity */

static pel_status evaluate_clip(const nn_call *call)
{
    const nn_array *low = call_input(call, 1), *high = call_input(call, 2);
    for (size_t i = 0, n = nn_array_count(call->outputs[0]); i < n; i++) {
        double v = call->inputs[0]->values[i];
        if (low != NULL && v < low->values[0])
            v = low->values[0];
        if (high != NULL && v > high->values[0])
            v = high->values[0];
        call->outputs[0]->values[i] = v;
    }
    return PEL_OK;
}

static pel_status infer_clip(const nn_call *call)
{
    for (size_t k = 1; k < call->input_count; k++)
        if (call->inputs[k] != NULL && nn_array_count(call->inputs[k]) != 1)
            return FAIL(call, "a bound is not one number");
    return infer_same(call);
}

static pel_status infer_where(const nn_call *call)
{
    nn_array all = *call->inputs[0], next = all;
    for (size_t k = 1; k < 3; k++) {
        if (!broadcast_shape(&all, call->inputs[k], &next.rank, next.dims))
            return FAIL(call, "the inputs' shapes do not go together");
        all = next;
    }
    return call_set_shape(call, 0, call->inputs[1]->type, all.rank, all.dims);
}

static pel_status evaluate_where(const nn_call *call)
{
    nn_array *out = call->outputs[0];
    for (size_t i = 0, n = nn_array_count(out); i < n; i++) {
        bool first = call->inputs[0]->values[broadcast_index(call->inputs[0], out, i)] != 0;
        const nn_array *from = call->inputs[first ? 1 : 2];
        out->values[i] = from->values[broadcast_index(from, out, i)];
    }
    return PEL_OK;
}

/* ONNX's numbers of types: 1 float, 10 half, 11 double, 16 bfloat16; 9 bool; the others that are whole. */
static pel_status infer_cast(const nn_call *call)
{
    const nn_array *a = call->inputs[0];
    int64_t to = pel_node_int(call->node, "to", 0);
    pel_model_type type = to == 9 ? PEL_MODEL_BOOL
                          : to == 1 || to == 10 || to == 11 || to == 16 ? PEL_MODEL_FLOAT
                                                                        : PEL_MODEL_INT64;
    if (to < 1 || to > 16 || to == 8 || to == 14 || to == 15)
        return FAIL(call, "a cast to type %lld is not supported", (long long)to);
    return call_set_shape(call, 0, type, a->rank, a->dims);
}

static pel_status evaluate_cast(const nn_call *call)
{
    nn_array *out = call->outputs[0];
    for (size_t i = 0, n = nn_array_count(out); i < n; i++) {
        double v = call->inputs[0]->values[i];
        out->values[i] = out->type == PEL_MODEL_BOOL ? v != 0 : out->type == PEL_MODEL_INT64 ? trunc(v) : v;
    }
    return PEL_OK;
}

static pel_status evaluate_identity(const nn_call *call)
{
    memcpy(call->outputs[0]->values, call->inputs[0]->values,
           nn_array_count(call->outputs[0]) * sizeof(double));
    return PEL_OK;
}

#define ONE(name, attributes) {name, 1, 1, 1, attributes, infer_same, evaluate_one, NULL}
#define TWO(name, attributes) {name, 2, 2, 1, attributes, infer_two, evaluate_two, NULL}
const nn_operator nn_operators_pointwise[] = {
    ONE("Relu", ""), ONE("LeakyRelu", "alpha:f"), ONE("Sigmoid", ""), ONE("HardSigmoid", "alpha:f beta:f"),
    ONE("Tanh", ""), ONE("Softplus", ""), ONE("Elu", "alpha:f"), ONE("Abs", ""), ONE("Neg", ""), ONE("Floor", ""),
    ONE("Ceil", ""), ONE("Round", ""), ONE("Sign", ""), ONE("Sqrt", ""), ONE("Reciprocal", ""), ONE("Exp", ""),
    ONE("Log", ""), ONE("Erf", ""), ONE("Gelu", "approximate:s=none"), ONE("HardSwish", ""),
    ONE("Sin", ""), ONE("Cos", ""), ONE("Not", ""),
    TWO("Add", ""), TWO("Sub", ""), TWO("Mul", ""), TWO("Div", ""), TWO("Pow", ""), TWO("Mod", "fmod:i"),
    TWO("PRelu", ""), TWO("Equal", ""), TWO("Less", ""), TWO("Greater", ""), TWO("LessOrEqual", ""),
    TWO("GreaterOrEqual", ""), TWO("And", ""), TWO("Or", ""),
    {"Max", 1, OPERATOR_INPUTS, 1, "", infer_two, evaluate_two, NULL},
    {"Min", 1, OPERATOR_INPUTS, 1, "", infer_two, evaluate_two, NULL},
    {"Clip", 1, 3, 1, "", infer_clip, evaluate_clip, NULL},
    {"Where", 3, 3, 1, "", infer_where, evaluate_where, NULL},
    {"Cast", 1, 1, 1, "to:i", infer_cast, evaluate_cast, NULL},
    {"Identity", 1, 1, 1, "", infer_same, evaluate_identity, NULL},
    {"Dropout", 1, 3, 1, "seed:i", infer_same, evaluate_identity, NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL, NULL},
};
