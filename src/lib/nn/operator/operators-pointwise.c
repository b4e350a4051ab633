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

/* Their slopes, of x and y = f(x). */
typedef double (*slope)(double x, double y, double p, double q);

static double s_relu(double x, double y, double p, double q) { (void)y; (void)p; (void)q; return x > 0; }
static double s_leaky(double x, double y, double p, double q) { (void)y; (void)q; return x > 0 ? 1 : p; }
static double s_sigmoid(double x, double y, double p, double q) { (void)x; (void)p; (void)q; return y * (1 - y); }
static double s_hard(double x, double y, double p, double q) { (void)x; (void)q; return y > 0 && y < 1 ? p : 0; }
static double s_tanh(double x, double y, double p, double q) { (void)x; (void)p; (void)q; return 1 - y * y; }
static double s_softplus(double x, double y, double p, double q) { (void)y; return f_sigmoid(x, p, q); }
static double s_elu(double x, double y, double p, double q) { (void)q; return x > 0 ? 1 : y + p; }
static double s_abs(double x, double y, double p, double q) { (void)y; (void)p; (void)q; return (x > 0) - (x < 0); }
static double s_neg(double x, double y, double p, double q) { (void)x; (void)y; (void)p; (void)q; return -1; }
static double s_sqrt(double x, double y, double p, double q) { (void)x; (void)p; (void)q; return 0.5 / y; }
static double s_reciprocal(double x, double y, double p, double q) { (void)x; (void)p; (void)q; return -y * y; }
static double s_exp(double x, double y, double p, double q) { (void)x; (void)p; (void)q; return y; }
static double s_log(double x, double y, double p, double q) { (void)y; (void)p; (void)q; return 1 / x; }
static double s_sin(double x, double y, double p, double q) { (void)y; (void)p; (void)q; return cos(x); }
static double s_cos(double x, double y, double p, double q) { (void)y; (void)p; (void)q; return -sin(x); }

static double s_erf(double x, double y, double p, double q)
{
    (void)y;
    (void)p;
    (void)q;
    return 1.12837916709551257390 * exp(-x * x); /* 2 / sqrt(pi) */
}

static double s_gelu(double x, double y, double p, double q)
{
    (void)y;
    (void)p;
    (void)q;
    return (1 + erf(x / M_SQRT2)) / 2 + 0.39894228040143267794 * x * exp(-x * x / 2); /* 1 / sqrt(2 pi) */
}

static double s_hard_swish(double x, double y, double p, double q)
{
    (void)y;
    double h = f_hard(x, p, q);
    return h + x * s_hard(x, h, p, q);
}

static const struct one {
    const char *name;
    nn_function f;
    slope s; /* NULL: the table says so */
    double p, q;
} ones[] = {
    {"Relu", f_relu, s_relu, 0, 0},          {"LeakyRelu", f_leaky, s_leaky, 0.01, 0},
    {"Sigmoid", f_sigmoid, s_sigmoid, 0, 0}, {"HardSigmoid", f_hard, s_hard, 0.2, 0.5},
    {"Tanh", f_tanh, s_tanh, 0, 0},          {"Softplus", f_softplus, s_softplus, 0, 0},
    {"Elu", f_elu, s_elu, 1, 0},             {"Abs", f_abs, s_abs, 0, 0},
    {"Neg", f_neg, s_neg, 0, 0},             {"Floor", f_floor, NULL, 0, 0},
    {"Ceil", f_ceil, NULL, 0, 0},            {"Round", f_round, NULL, 0, 0},
    {"Sign", f_sign, NULL, 0, 0},            {"Sqrt", f_sqrt, s_sqrt, 0, 0},
    {"Reciprocal", f_reciprocal, s_reciprocal, 0, 0},
    {"Exp", f_exp, s_exp, 0, 0},             {"Log", f_log, s_log, 0, 0},
    {"Erf", f_erf, s_erf, 0, 0},             {"Sin", f_sin, s_sin, 0, 0},
    {"Cos", f_cos, s_cos, 0, 0},             {"Not", f_not, NULL, 0, 0},
    {"Gelu", f_gelu, s_gelu, 0, 0},          {"HardSwish", f_hard_swish, s_hard_swish, 1.0 / 6, 0.5},
};

/* The row of a node and its parameters; NULL where it is no operator of one number. */
static const struct one *find_one(const pel_node *node, double *p, double *q)
{
    for (size_t row = 0; row < sizeof ones / sizeof ones[0]; row++)
        if (strcmp(ones[row].name, node->operator) == 0) {
            *p = pel_node_float(node, "alpha", ones[row].p);
            *q = pel_node_float(node, "beta", ones[row].q);
            return &ones[row];
        }
    return NULL;
}

nn_function nn_operator_function(const pel_node *node, double *p, double *q)
{
    const struct one *row = find_one(node, p, q);
    return row != NULL ? row->f : NULL;
}

static pel_status evaluate_one(const nn_call *call)
{
    double p, q;
    nn_function f = nn_operator_function(call->node, &p, &q);
    for (size_t i = 0, count = nn_array_count(call->outputs[0]); i < count; i++)
        call->outputs[0]->values[i] = f(call->inputs[0]->values[i], p, q);
    return PEL_OK;
}

static pel_status backward_one(const nn_call *call, const nn_gradients *g)
{
    double p, q;
    slope s = find_one(call->node, &p, &q)->s;
    const double *x = call->inputs[0]->values, *y = call->outputs[0]->values;
    for (size_t i = 0, n = nn_array_count(call->outputs[0]); i < n; i++)
        gradient_add(g->inputs[0], i, g->outputs[0][i] * s(x[i], y[i], p, q));
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

/* Their partial slopes, of x, y and z = f(x, y): for x (dx_...) and for y (dy_...). */
typedef double (*partial)(double x, double y, double z);

static double d_one(double x, double y, double z) { (void)x; (void)y; (void)z; return 1; }
static double dy_sub(double x, double y, double z) { (void)x; (void)y; (void)z; return -1; }
static double dx_mul(double x, double y, double z) { (void)x; (void)z; return y; }
static double dy_mul(double x, double y, double z) { (void)y; (void)z; return x; }
static double dx_div(double x, double y, double z) { (void)x; (void)z; return 1 / y; }
static double dy_div(double x, double y, double z) { (void)x; return -z / y; }
static double dx_pow(double x, double y, double z) { (void)z; return y == 0 ? 0 : y * pow(x, y - 1); }
static double dy_pow(double x, double y, double z) { return x == 0 && y >= 0 ? 0 : z * log(x); }
static double dx_max(double x, double y, double z) { (void)z; return isnan(x) || x > y; }
static double dy_max(double x, double y, double z) { (void)z; return !(isnan(x) || x > y); }
static double dx_min(double x, double y, double z) { (void)z; return isnan(x) || x < y; }
static double dy_min(double x, double y, double z) { (void)z; return !(isnan(x) || x < y); }
static double dy_mod(double x, double y, double z) { return -nearbyint((x - z) / y); } /* z = x - y * whole number */
static double dx_prelu(double x, double y, double z) { (void)z; return x > 0 ? 1 : y; }
static double dy_prelu(double x, double y, double z) { (void)y; (void)z; return x > 0 ? 0 : x; }

static const struct {
    const char *name;
    two f;
    partial dx, dy; /* NULL: gives truth values */
} twos[] = {
    {"Add", g_add, d_one, d_one},           {"Sub", g_sub, d_one, dy_sub},
    {"Mul", g_mul, dx_mul, dy_mul},         {"Div", g_div, dx_div, dy_div},
    {"Pow", g_pow, dx_pow, dy_pow},         {"Max", g_max, dx_max, dy_max},
    {"Min", g_min, dx_min, dy_min},         {"Mod", g_mod, d_one, dy_mod},
    {"PRelu", g_prelu, dx_prelu, dy_prelu}, {"Equal", g_equal, NULL, NULL},
    {"Less", g_less, NULL, NULL},           {"Greater", g_greater, NULL, NULL},
    {"And", g_and, NULL, NULL},             {"LessOrEqual", g_less_equal, NULL, NULL},
    {"Or", g_or, NULL, NULL},               {"GreaterOrEqual", g_greater_equal, NULL, NULL},
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
    return call_set_shape(call, 0, twos[two_of(call)].dx == NULL ? PEL_MODEL_BOOL : all.type, all.rank, all.dims);
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

/* Max and Min fold any number of operands, z = f(f(a, b), c): the chain rule from the last one to the first. */
static pel_status backward_two(const nn_call *call, const nn_gradients *g)
{
    const nn_array *out = call->outputs[0];
    size_t row = two_of(call), last = call->input_count - 1, at[OPERATOR_INPUTS];
    double z[OPERATOR_INPUTS]; /* of the operands up to this one */
    for (size_t i = 0, n = nn_array_count(out); i < n; i++) {
        for (size_t k = 0; k <= last; k++) {
            at[k] = broadcast_index(call->inputs[k], out, i);
            z[k] = call->inputs[k]->values[at[k]];
            z[k] = k > 0 && k < last ? twos[row].f(z[k - 1], z[k], false) : z[k];
        }
        z[last] = out->values[i];
        double here = g->outputs[0][i];
        for (size_t k = last; k > 0; k--) {
            double y = call->inputs[k]->values[at[k]];
            if (g->inputs[k] != NULL)
                g->inputs[k][at[k]] += here * twos[row].dy(z[k - 1], y, z[k]);
            here *= twos[row].dx(z[k - 1], y, z[k]);
        }
        gradient_add(g->inputs[0], at[0], here);
    }
    return PEL_OK;
}

/* ---- Clip, Where, Cast, Identity */

/* Which input the clipped number is: 0, or a bound's. */
static size_t clip_source(const nn_call *call, size_t i)
{
    const nn_array *low = call_input(call, 1), *high = call_input(call, 2);
    double v = call->inputs[0]->values[i];
    size_t from = low != NULL && v < low->values[0] ? 1 : 0;
    v = from == 1 ? low->values[0] : v;
    return high != NULL && v > high->values[0] ? 2 : from;
}

static pel_status evaluate_clip(const nn_call *call)
{
    for (size_t i = 0, n = nn_array_count(call->outputs[0]); i < n; i++) {
        size_t from = clip_source(call, i);
        call->outputs[0]->values[i] = call->inputs[from]->values[from == 0 ? i : 0];
    }
    return PEL_OK;
}

static pel_status backward_clip(const nn_call *call, const nn_gradients *g)
{
    for (size_t i = 0, n = nn_array_count(call->outputs[0]); i < n; i++) {
        size_t from = clip_source(call, i);
        gradient_add(g->inputs[from], from == 0 ? i : 0, g->outputs[0][i]);
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

static size_t where_source(const nn_call *call, size_t i)
{
    return call->inputs[0]->values[broadcast_index(call->inputs[0], call->outputs[0], i)] != 0 ? 1 : 2;
}

static pel_status evaluate_where(const nn_call *call)
{
    nn_array *out = call->outputs[0];
    for (size_t i = 0, n = nn_array_count(out); i < n; i++) {
        const nn_array *from = call->inputs[where_source(call, i)];
        out->values[i] = from->values[broadcast_index(from, out, i)];
    }
    return PEL_OK;
}

static pel_status backward_where(const nn_call *call, const nn_gradients *g)
{
    const nn_array *out = call->outputs[0];
    for (size_t i = 0, n = nn_array_count(out); i < n; i++) {
        size_t from = where_source(call, i);
        gradient_add(g->inputs[from], broadcast_index(call->inputs[from], out, i), g->outputs[0][i]);
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

#define ONE(name, attributes, backward) {name, 1, 1, 1, attributes, infer_same, evaluate_one, backward, NULL}
#define TWO(name, attributes, backward) {name, 2, 2, 1, attributes, infer_two, evaluate_two, backward, NULL}
const nn_operator nn_operators_pointwise[] = {
    ONE("Relu", "", backward_one), ONE("LeakyRelu", "alpha:f", backward_one), ONE("Sigmoid", "", backward_one),
    ONE("HardSigmoid", "alpha:f beta:f", backward_one), ONE("Tanh", "", backward_one),
    ONE("Softplus", "", backward_one), ONE("Elu", "alpha:f", backward_one), ONE("Abs", "", backward_one),
    ONE("Neg", "", backward_one), ONE("Sqrt", "", backward_one), ONE("Reciprocal", "", backward_one),
    ONE("Exp", "", backward_one), ONE("Log", "", backward_one), ONE("Erf", "", backward_one),
    ONE("Gelu", "approximate:s=none", backward_one), ONE("HardSwish", "", backward_one),
    ONE("Sin", "", backward_one), ONE("Cos", "", backward_one), ONE("Floor", "", nn_backward_zero),
    ONE("Ceil", "", nn_backward_zero), ONE("Round", "", nn_backward_zero), ONE("Sign", "", nn_backward_zero),
    ONE("Not", "", NULL),
    TWO("Add", "", backward_two), TWO("Sub", "", backward_two), TWO("Mul", "", backward_two),
    TWO("Div", "", backward_two), TWO("Pow", "", backward_two), TWO("Mod", "fmod:i", backward_two),
    TWO("PRelu", "", backward_two), TWO("Equal", "", NULL), TWO("Less", "", NULL), TWO("Greater", "", NULL),
    TWO("LessOrEqual", "", NULL), TWO("GreaterOrEqual", "", NULL), TWO("And", "", NULL), TWO("Or", "", NULL),
    {"Max", 1, OPERATOR_INPUTS, 1, "", infer_two, evaluate_two, backward_two, NULL},
    {"Min", 1, OPERATOR_INPUTS, 1, "", infer_two, evaluate_two, backward_two, NULL},
    {"Clip", 1, 3, 1, "", infer_clip, evaluate_clip, backward_clip, NULL},
    {"Where", 3, 3, 1, "", infer_where, evaluate_where, backward_where, NULL},
    {"Cast", 1, 1, 1, "to:i", infer_cast, evaluate_cast, nn_backward_copy, NULL},
    {"Identity", 1, 1, 1, "", infer_same, evaluate_identity, nn_backward_copy, NULL},
    {"Dropout", 1, 3, 1, "seed:i", infer_same, evaluate_identity, nn_backward_copy, NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL},
};
