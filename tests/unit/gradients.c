/* gradients.c - the backward of every operator of the table against central differences of its evaluation.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The loss is a weighted sum of the outputs with random weights; all is in double.  An operator that has a
 * backward and no case here fails the test.
 */
#include "config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "src/lib/nn/operator/operator.h"

/* A case.  Inputs are separated by a space:
 *   AxB*2x3   float, random from -1 to 1; a capital stands for a random size: H, W, D from 4 to 8, others from 1 to 4;
 *             s is a shape of no dimensions
 *   @0.5,2    random from 0.5 to 2                        :1,-2   these numbers
 *   =1,-2     these, and no gradient (sizes may be among them; without a shape: a list)
 *   i b -     whole numbers, truth values (random); left out
 * Attributes: axis=1 pads=[1,1] alpha=0.5 mode=edge.  An operator is named in the first of its cases. */
typedef struct {
    const char *operator, *inputs, *attributes;
    int outputs, opset; /* 0: 1, 17 */
} gradient_case;

#define POSITIVE "AxBxE@0.3,2"
#define REDUCTIONS(name)                                                                                               \
    {name, "AxBxE", "axes=[1] keepdims=0", 0, 0}, {name, "AxHxBxE", "axes=[0,-1]", 0, 0}, {name, "AxB", "", 0, 0},     \
        {name, "AxBxE i=-2", "keepdims=0", 0, 18}, {name, "AxB", "noop_with_empty_axes=1", 0, 18}
#define TWOS(name)                                                                                                     \
    {name, "AxBxE AxBxE", "", 0, 0}, {name, "AxBxE BxE", "", 0, 0}, {name, "s NxAx1xB", "", 0, 0},                     \
        {name, "Ax1xH AxEx1", "", 0, 0}

static const gradient_case cases[] = {
    {"Conv", "NxCxHxW 3xCx3x2 3", "pads=[1,0,2,1] strides=[2,1]", 0, 0},
    {"Conv", "NxC*2xHxW 6xCx3x3", "group=2 dilations=[1,2] pads=[0,2,1,2] strides=[1,3]", 0, 0},
    {"Conv", "Nx4xHxW 4x1x3x3 4", "group=4 kernel_shape=[3,3]", 0, 0},
    {"Conv", "NxCxHxW 2xCx4x3 2", "auto_pad=SAME_UPPER strides=[2,2]", 0, 0},
    {"Conv", "NxCxHxW 2xCx4x3 2", "auto_pad=SAME_LOWER strides=[1,2]", 0, 0},
    {"Conv", "NxCxHxW 2xCx2x3", "auto_pad=VALID", 0, 0},
    {"Conv", "NxCxW 2xCx3 2", "strides=[2] pads=[1,0]", 0, 0},
    {"Conv", "1xCxHx4xW 2xCx2x3x3 2", "pads=[0,1,1,1,0,0] dilations=[2,1,1]", 0, 0},
    {"ConvTranspose", "NxCxHxW Cx3x2x3 3", "strides=[2,2]", 0, 0},
    {"ConvTranspose", "NxC*2xHxW C*2x2x3x3 4",
     "group=2 strides=[2,1] pads=[1,1,0,1] output_padding=[1,0] dilations=[1,2]", 0, 0},
    {"ConvTranspose", "1x2x4x5 2x3x3x3", "strides=[2,2] output_shape=[8,10]", 0, 0},
    {"ConvTranspose", "NxCxW Cx2x4 2", "strides=[3] pads=[1,2]", 0, 0},
    {"ConvTranspose", "1x2x4xAxW 2x1x2x3x2 1", "strides=[1,2,2]", 0, 0},

    {"Relu", "AxBxE", "", 0, 0},
    {"LeakyRelu", "AxBxE", "", 0, 0},
    {"LeakyRelu", "AxBxE", "alpha=0.3", 0, 0},
    {"Sigmoid", "AxBxE@-3,3", "", 0, 0},
    {"HardSigmoid", "AxBxE@-4,4", "", 0, 0},
    {"HardSigmoid", "AxBxE@-4,4", "alpha=0.4 beta=0.3", 0, 0},
    {"Tanh", "AxBxE@-2,2", "", 0, 0},
    {"Softplus", "AxBxE@-4,4", "", 0, 0},
    {"Elu", "AxBxE@-3,3", "", 0, 0},
    {"Elu", "AxBxE@-3,3", "alpha=0.7", 0, 0},
    {"Abs", "AxBxE", "", 0, 0},
    {"Neg", "AxBxE", "", 0, 0},
    {"Sqrt", POSITIVE, "", 0, 0},
    {"Reciprocal", POSITIVE, "", 0, 0},
    {"Exp", "AxBxE", "", 0, 0},
    {"Log", POSITIVE, "", 0, 0},
    {"Erf", "AxBxE@-2,2", "", 0, 0},
    {"Sin", "AxBxE@-4,4", "", 0, 0},
    {"Cos", "AxBxE@-4,4", "", 0, 0},
    {"Gelu", "AxBxE@-3,3", "", 0, 0},
    {"HardSwish", "AxBxE@-5,5", "", 0, 0},
    {"Floor", "AxBxE@-4,4", "", 0, 0},
    {"Ceil", "AxBxE@-4,4", "", 0, 0},
    {"Round", "AxBxE@-4,4", "", 0, 0},
    {"Sign", "AxBxE@-4,4", "", 0, 0},

    TWOS("Add"), TWOS("Sub"), TWOS("Mul"), TWOS("Max"), TWOS("Min"),
    {"Div", "AxBxE BxE@0.5,2", "", 0, 0},
    {"Div", "s AxB@-2,-0.5", "", 0, 0},
    {"Pow", "AxB@0.3,2 AxB@-1.5,2", "", 0, 0},
    {"Pow", "AxB@0.3,2 s@-1.5,2", "", 0, 0},
    {"Pow", "AxBxE s=2", "", 0, 0},
    {"Pow", "AxBxE is=3", "", 0, 0},
    {"Pow", "3:0,1,2 s=1", "", 0, 0},
    {"Mod", "AxB@-5,5 B@0.6,1.3", "", 0, 0},
    {"Mod", "AxB@-5,5 B@-1.3,-0.6", "fmod=1", 0, 0},
    {"Mod", "AxB@0.5,5 s=1.5", "fmod=1", 0, 0},
    {"PRelu", "NxCxHxW Cx1x1", "", 0, 0},
    {"PRelu", "AxB s", "", 0, 0},
    {"Max", "AxBxE BxE Ax1x1", "", 0, 0},
    {"Max", "AxB", "", 0, 0},
    {"Min", "AxBxE BxE Ax1x1 s", "", 0, 0},
    {"Clip", "AxBxE s:-0.3 s:0.4", "", 0, 0},
    {"Clip", "AxBxE - s:0.2", "", 0, 0},
    {"Clip", "AxBxE s:0.4 s:-0.3", "", 0, 0},
    {"Clip", "AxBxE", "", 0, 0},
    {"Where", "bAxB Ax1 B", "", 0, 0},
    {"Where", "b1xB AxB s", "", 0, 0},
    {"Cast", "AxB", "to=1", 0, 0},
    {"Identity", "AxBxE", "", 0, 0},
    {"Dropout", "AxBxE", "", 0, 0},
    {"Dropout", "AxBxE s=0.5", "", 0, 0},

    {"Constant", "", "value_float=0.5", 0, 0},
    {"ConstantOfShape", "i=2,3", "", 0, 0},
    {"Range", "s:0.5 s=4.1 s:0.7", "", 0, 0},
    {"Range", "s:2 s=-1.2 s:-0.3", "", 0, 0},
    {"Reshape", "AxBxE i=0,-1", "", 0, 0},
    {"Reshape", "AxB*2 i=2,B,A", "", 0, 0},
    {"Flatten", "AxBxE", "axis=2", 0, 0},
    {"Flatten", "AxBxE", "axis=-3", 0, 0},
    {"Squeeze", "Ax1xBx1 i=1", "", 0, 0},
    {"Squeeze", "Ax1xBx1", "", 0, 0},
    {"Unsqueeze", "AxB i=0,-1", "", 0, 0},
    {"Transpose", "AxBxE", "", 0, 0},
    {"Transpose", "AxBxHxW", "perm=[2,0,3,1]", 0, 0},
    {"Expand", "Ax1xB i=2,1,E,1", "", 0, 0},
    {"Expand", "s i=A,B", "", 0, 0},
    {"Tile", "AxB i=2,3", "", 0, 0},
    {"Tile", "AxBx2 i=1,A,2", "", 0, 0},
    {"Concat", "AxBxE AxCxE Ax1xE", "axis=1", 0, 0},
    {"Concat", "AxBxE AxBx2", "axis=-1", 0, 0},
    {"Split", "AxB*3xE", "axis=1", 3, 0},
    {"Split", "Ax6xB i=1,3,2", "axis=-2", 3, 0},
    {"Split", "5xA", "num_outputs=3", 3, 18},
    {"Gather", "AxHxE i=0,-1,2,0", "axis=1", 0, 0},
    {"Gather", "HxE i2x2=3,1,3,-4", "", 0, 0},
    {"Gather", "AxH is=2", "axis=-1", 0, 0},

    {"Slice", "AxHxW i=1,-1 i=-1,-1000 i=1,2 i=1,-1", "", 0, 0},
    {"Slice", "HxW i=1 i=1000 i=1 i=2", "", 0, 0},
    {"Slice", "HxA i=0 i=3", "", 0, 0},
    {"Slice", "HxA i=3 i=2", "", 0, 0},
    {"Pad", "AxH i=1,2,0,1", "", 0, 0},
    {"Pad", "AxH i=1,-2,0,3 s", "mode=constant", 0, 0},
    {"Pad", "AxHxW i=0,2,1,0,1,3", "mode=reflect", 0, 0},
    {"Pad", "AxHxW i=1,-1,2,1,1,2", "mode=edge", 0, 0},
    {"Pad", "AxHxW i=2,-1,1,0 s i=2,1", "", 0, 18},
    {"DepthToSpace", "NxC*4xAxB", "blocksize=2", 0, 0},
    {"DepthToSpace", "NxC*9xAxB", "blocksize=3 mode=CRD", 0, 0},
    {"SpaceToDepth", "NxCxA*2xB*2", "blocksize=2", 0, 0},
    {"SpaceToDepth", "NxCxA*3xB*3", "blocksize=3", 0, 0},

    {"MatMul", "AxB BxE", "", 0, 0},
    {"MatMul", "B BxE", "", 0, 0},
    {"MatMul", "AxB B", "", 0, 0},
    {"MatMul", "B B", "", 0, 0},
    {"MatMul", "Nx1xAxB CxBxE", "", 0, 0},
    {"Gemm", "AxB BxE E", "", 0, 0},
    {"Gemm", "BxA ExB Ax1", "transA=1 transB=1 alpha=0.5 beta=2.5", 0, 0},
    {"Gemm", "AxB ExB s", "transB=1 beta=0.3", 0, 0},
    {"Gemm", "BxA BxE", "transA=1 alpha=-1.5", 0, 0},
    {"Softmax", "AxBxE", "", 0, 0},
    {"Softmax", "AxHxE@-3,3", "axis=1", 0, 0},
    {"LogSoftmax", "AxBxE", "", 0, 0},
    {"LogSoftmax", "HxE@-3,3", "axis=0", 0, 0},

    REDUCTIONS("ReduceMean"), REDUCTIONS("ReduceL1"), REDUCTIONS("ReduceL2"), REDUCTIONS("ReduceSumSquare"),
    REDUCTIONS("ReduceProd"), REDUCTIONS("ReduceMax"), REDUCTIONS("ReduceMin"),
    {"ReduceSum", "AxBxE i=0,2", "", 0, 0},
    {"ReduceSum", "AxBxE i=-1", "keepdims=0", 0, 0},
    {"ReduceSum", "AxBxE", "", 0, 0},
    {"ReduceProd", "2x3:0,0.5,2,0,0,1.5", "axes=[1]", 0, 0},
    {"ReduceL2", "2x2x2", "axes=[1]", 0, 0},
    {"GlobalAveragePool", "NxCxHxW", "", 0, 0},
    {"GlobalMaxPool", "NxCxHxW", "", 0, 0},
    {"GlobalMaxPool", "NxCxW", "", 0, 0},
    {"BatchNormalization", "NxCxHxW C C C C@0.3,2", "", 0, 0},
    {"BatchNormalization", "NxC C C C C@0.3,2", "epsilon=0.1", 0, 0},
    {"InstanceNormalization", "NxCxHxW C C", "", 0, 0},
    {"InstanceNormalization", "NxCxW C C", "epsilon=0.1", 0, 0},
    {"LayerNormalization", "AxBxH H H", "", 0, 0},
    {"LayerNormalization", "NxAxHxB HxB HxB", "axis=2 epsilon=0.1", 0, 0},
    {"LayerNormalization", "AxHx4 Hx1", "axis=1", 0, 0},

    {"Resize", "NxCxHxW - 4=1,1,2,1.7", "", 0, 0},
    {"Resize", "NxCxHxW - 4=1,1,0.5,2", "nearest_mode=floor coordinate_transformation_mode=asymmetric", 0, 0},
    {"Resize", "NxCxHxW - - i=N,C,7,3", "nearest_mode=ceil coordinate_transformation_mode=align_corners", 0, 0},
    {"Resize", "NxCxHxW - - i=N,C,9,5", "nearest_mode=round_prefer_ceil", 0, 0},
    {"Resize", "NxCxHxW - 4=1,1,2,0.5", "mode=linear", 0, 0},
    {"Resize", "NxCxHxW - 4=1,1,1.3,3", "mode=linear coordinate_transformation_mode=asymmetric", 0, 0},
    {"Resize", "NxCxHxW - - i=N,C,1,6", "mode=linear coordinate_transformation_mode=align_corners", 0, 0},
    {"Resize", "NxCxHxW - - i=N,C,1,3", "mode=linear coordinate_transformation_mode=pytorch_half_pixel", 0, 0},
    {"Resize", "NxCxW - 3=1,1,2.5", "mode=cubic", 0, 0},
    {"Resize", "NxCxHxW - 4=1,1,2,0.6", "mode=cubic cubic_coeff_a=-0.5 exclude_outside=1", 0, 0},
    {"Resize", "NxCxHxW - 4=1,2,0.5,2", "mode=cubic coordinate_transformation_mode=align_corners", 0, 0},
    {"Resize", "CxHxW - 2=2,1.5", "mode=linear axes=[1,-1]", 0, 18},
    {"MaxPool", "NxCxHxW", "kernel_shape=[2,2] strides=[2,2]", 0, 0},
    {"MaxPool", "NxCxHxW", "kernel_shape=[3,2] pads=[1,0,2,1] strides=[1,2] ceil_mode=1", 0, 0},
    {"MaxPool", "NxCxHxW", "kernel_shape=[2,2] dilations=[2,1]", 0, 0},
    {"AveragePool", "NxCxHxW", "kernel_shape=[2,3] strides=[2,1]", 0, 0},
    {"AveragePool", "NxCxHxW", "kernel_shape=[3,3] pads=[1,1,2,0] strides=[2,2] ceil_mode=1", 0, 0},
    {"AveragePool", "NxCxHxW", "kernel_shape=[3,3] pads=[1,1,2,0] strides=[2,2] ceil_mode=1 count_include_pad=1",
     0, 0},

    {"DFT", "AxHxBx1", "", 0, 0},
    {"DFT", "AxBxHx1", "onesided=1 axis=-2", 0, 0},
    {"DFT", "AxBxHx1 is=6", "onesided=1 axis=2", 0, 0},
    {"DFT", "HxAx1 is=5", "onesided=1 axis=0", 0, 0},
    {"DFT", "AxHxBx2", "", 0, 0},
    {"DFT", "AxHxBx2 is=5", "axis=1", 0, 0},
    {"DFT", "AxHxBx2 is=8", "axis=-3", 0, 0},
    {"DFT", "AxHxBx2", "inverse=1", 0, 0},
    {"DFT", "HxAx2 is=6", "inverse=1 axis=0", 0, 0},
    {"DFT", "AxHx1 i=3", "inverse=1", 0, 0},
};

#define CASES (sizeof cases / sizeof cases[0])
#define ROUNDS 3

static uint32_t seed = 1;
static int64_t sizes[26]; /* what the capitals stand for */

static double number(double low, double high) { return low + (high - low) * (double)check_random(&seed); }

static void draw_sizes(void)
{
    for (size_t i = 0; i < 26; i++) {
        bool large = strchr("HWD", 'A' + (int)i) != NULL;
        sizes[i] = (large ? 4 : 1) + (int64_t)number(0, large ? 5 : 4);
    }
}

/* ---- A case's text */

/* A number or size, perhaps times another; *s is set behind it. */
static double read_number(const char **s)
{
    double v;
    if (isupper((unsigned char)**s)) {
        v = (double)sizes[*(*s)++ - 'A'];
    } else {
        char *end;
        v = strtod(*s, &end);
        *s = end;
    }
    if (**s != '*')
        return v;
    ++*s;
    return v * read_number(s);
}

/* An input; its values; whether it has a gradient. */
static void read_input(const char *s, nn_array *a, bool *smooth)
{
    double list[16], low = -1, high = 1;
    size_t count = 0;
    *a = (nn_array){.type = *s == 'i' ? PEL_MODEL_INT64 : *s == 'b' ? PEL_MODEL_BOOL : PEL_MODEL_FLOAT};
    s += *s == 'i' || *s == 'b';
    bool bare = *s == '=';
    if (*s == 's')
        s++;
    for (; isalnum((unsigned char)*s); s += *s == 'x')
        a->dims[a->rank++] = (int64_t)read_number(&s);
    char kind = *s;
    for (; *s != '\0' && *s != ' ' && count < 16; count++) {
        s++;
        list[count] = read_number(&s);
    }
    if (bare)
        a->dims[a->rank++] = (int64_t)count;
    if (kind == '@') {
        low = list[0];
        high = list[1];
    }
    *smooth = a->type == PEL_MODEL_FLOAT && kind != '=';
    if (!nn_array_alloc(a))
        abort();
    for (size_t i = 0; i < nn_array_count(a); i++)
        a->values[i] = kind == '=' || kind == ':'  ? list[i]
                       : a->type == PEL_MODEL_BOOL ? (double)(number(0, 1) < 0.5)
                                                   : number(low, high);
}

static void read_attributes(pel_model *m, pel_node *n, const char *s)
{
    char text[200], *rest;
    snprintf(text, sizeof text, "%s", s);
    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(word, '=');
        *value++ = '\0';
        if (*value == '[') {
            int64_t list[8];
            size_t count = 0;
            for (const char *at = value; *at != ']'; count++) {
                at++;
                list[count] = (int64_t)read_number(&at);
            }
            pel_node_set_ints(m, n, word, count, list);
        } else if (strchr("-0123456789", *value) == NULL) {
            pel_node_set_string(m, n, word, value);
        } else if (strchr(value, '.') != NULL) {
            pel_node_set_float(m, n, word, strtof(value, NULL));
        } else {
            pel_node_set_int(m, n, word, strtol(value, NULL, 10));
        }
    }
}

/* ---- A node */

typedef struct {
    const nn_operator *op;
    pel_model *model;
    pel_error error;
    nn_call call;
    nn_array in[OPERATOR_INPUTS], out[OPERATOR_INPUTS];
    bool smooth[OPERATOR_INPUTS]; /* inputs with a gradient */
    nn_array weights[OPERATOR_INPUTS]; /* of the outputs in the loss; without values: not in it */
} fixture;

static void set_up(const gradient_case *c, fixture *f)
{
    memset(f, 0, sizeof *f);
    f->op = nn_operator_find("", c->operator);
    f->model = pel_model_new("test", 17);
    pel_node *n = pel_model_add_node(f->model, c->operator, "", "");
    read_attributes(f->model, n, c->attributes);
    f->call = (nn_call){.node = n, .opset = c->opset != 0 ? c->opset : 17, .limit = 1 << 20, .error = &f->error,
                        .output_count = c->outputs != 0 ? (size_t)c->outputs : 1};
    for (const char *s = c->inputs; *s != '\0'; s += *s == ' ') {
        size_t k = f->call.input_count++;
        if (*s != '-') {
            read_input(s, &f->in[k], &f->smooth[k]);
            f->call.inputs[k] = &f->in[k];
        }
        s += strcspn(s, " ");
    }
    for (size_t k = 0; k < f->call.output_count; k++)
        f->call.outputs[k] = &f->out[k];
}

static void free_outputs(fixture *f)
{
    for (size_t k = 0; k < f->call.output_count; k++)
        nn_array_free(&f->out[k]);
}

static void tear_down(fixture *f)
{
    free_outputs(f);
    for (size_t k = 0; k < OPERATOR_INPUTS; k++) {
        nn_array_free(&f->in[k]);
        nn_array_free(&f->weights[k]);
    }
    pel_model_free(f->model);
}

static void draw_weights(fixture *f, size_t without)
{
    for (size_t k = 0; k < f->call.output_count; k++) {
        if (f->call.outputs[k] == NULL || k == without)
            continue;
        f->weights[k] = f->out[k];
        if (!nn_array_alloc(&f->weights[k]))
            abort();
        for (size_t i = 0; i < nn_array_count(&f->weights[k]); i++)
            f->weights[k].values[i] = number(-1, 1);
    }
}

static double loss(fixture *f)
{
    double sum = 0;
    free_outputs(f);
    CHECK(nn_operator_evaluate(f->op, &f->call, 1) == PEL_OK, "%s", f->error.text);
    for (size_t k = 0; k < f->call.output_count; k++)
        for (size_t i = 0; f->weights[k].values != NULL && i < nn_array_count(&f->weights[k]); i++)
            sum += f->weights[k].values[i] * f->out[k].values[i];
    return sum;
}

/* ---- The comparison */

/* The gradient with respect to input k by the backward, alone or with those of all others wanted too.  It starts
 * from random numbers, for it is to be added. */
static void backward(fixture *f, size_t k, bool alone, double *to)
{
    nn_array gradients[OPERATOR_INPUTS] = {{0}};
    nn_gradients g = {{NULL}, {NULL}};
    for (size_t o = 0; o < f->call.output_count; o++)
        g.outputs[o] = f->weights[o].values;
    for (size_t i = 0; i < f->call.input_count; i++) {
        if (!f->smooth[i] || (alone && i != k))
            continue;
        gradients[i] = f->in[i];
        if (!nn_array_alloc(&gradients[i]))
            abort();
        memset(gradients[i].values, 0, nn_array_count(&gradients[i]) * sizeof(double));
        g.inputs[i] = gradients[i].values;
    }
    size_t count = nn_array_count(&f->in[k]);
    for (size_t i = 0; i < count; i++)
        gradients[k].values[i] = to[i] = number(-1, 1);
    CHECK(nn_operator_backward(f->op, &f->call, &g, 1) == PEL_OK, "%s", f->error.text);
    for (size_t i = 0; i < count; i++)
        to[i] = gradients[k].values[i] - to[i];
    for (size_t i = 0; i < f->call.input_count; i++)
        nn_array_free(&gradients[i]);
}

/* Differences over 2e-5: what they leave out of a smooth function is of the order of 1e-10, and rounding as well. */
static void differences(fixture *f, size_t k, double *to)
{
    const double step = 1e-5;
    for (size_t i = 0; i < nn_array_count(&f->in[k]); i++) {
        double x = f->in[k].values[i];
        f->in[k].values[i] = x + step;
        double above = loss(f);
        f->in[k].values[i] = x - step;
        to[i] = (above - loss(f)) / (2 * step);
        f->in[k].values[i] = x;
    }
    loss(f);
}

static void compare(fixture *f, size_t k, const char *what)
{
    size_t count = nn_array_count(&f->in[k]);
    double *expected = pel_alloc((3 * count + 1) * sizeof *expected);
    double *alone = expected + count, *joint = alone + count;
    double worst = 0, range = 1e-3;
    differences(f, k, expected);
    backward(f, k, true, alone);
    backward(f, k, false, joint);
    for (size_t i = 0; i < count; i++) {
        double off = fmax(fabs(alone[i] - expected[i]), fabs(joint[i] - expected[i]));
        worst = isfinite(off) ? fmax(worst, off) : HUGE_VAL;
        range = fmax(range, fabs(expected[i]));
    }
    CHECK(worst <= 1e-6 * range, "%s, input %zu: off by %g of %g", what, k, worst, range);
    pel_free(expected);
}

/* Every input; of several outputs one is not in the loss in the second round, or not there in the third. */
static void test_case(const gradient_case *c, int round)
{
    fixture f;
    char what[300];
    size_t without = (size_t)-1;
    draw_sizes();
    set_up(c, &f);
    snprintf(what, sizeof what, "%s(%s) %s round %d", c->operator, c->inputs, c->attributes, round);
    if (c->outputs > 1 && round > 0)
        without = (size_t)(round % c->outputs);
    if (c->outputs > 1 && round > 1)
        f.call.outputs[without] = NULL;
    bool good = f.op != NULL && nn_operator_evaluate(f.op, &f.call, 1) == PEL_OK;
    CHECK(good, "%s: %s", what, f.error.text);
    if (good) {
        draw_weights(&f, without);
        for (size_t k = 0; k < f.call.input_count; k++)
            if (f.smooth[k])
                compare(&f, k, what);
        nn_gradients none = {{f.weights[0].values}, {NULL}};
        CHECK(nn_operator_backward(f.op, &f.call, &none, 1) == PEL_OK, "%s", f.error.text);
    }
    tear_down(&f);
}

/* ---- What has no gradient, and what says so */

/* Each row of the table: a case, or an error that names node and operator. */
static void test_table(void)
{
    const nn_operator *op;
    for (size_t row = 0; (op = nn_operator_at(row)) != NULL; row++) {
        bool found = false;
        for (size_t i = 0; i < CASES && !found; i++)
            found = strcmp(cases[i].operator, op->name) == 0;
        CHECK(found == (op->backward != NULL), "%s: a case and no backward, or the other way", op->name);
        CHECK(nn_operator_find("", op->name) == op, "%s", op->name);
        if (op->backward == NULL) {
            char expected[100];
            fixture f;
            set_up(&(gradient_case){op->name, "AxB AxB", "", 0, 0}, &f);
            nn_gradients g = {{f.in[0].values}, {NULL}};
            snprintf(expected, sizeof expected, "node 7 (%s): the operator cannot be differentiated", op->name);
            CHECK(nn_operator_backward(op, &f.call, &g, 7) == PEL_EINVAL);
            CHECK_TEXT(f.error.text, expected);
            tear_down(&f);
        }
    }
}

/* The error of a backward with the gradients of output 0 and of input k wanted. */
static void refuse(const gradient_case *c, size_t k, bool evaluated, const char *expected)
{
    fixture f;
    double gradients[64] = {0};
    nn_gradients g = {{gradients}, {NULL}};
    draw_sizes();
    set_up(c, &f);
    if (evaluated)
        CHECK(nn_operator_evaluate(f.op, &f.call, 3) == PEL_OK, "%s", f.error.text);
    else
        CHECK(nn_operator_infer(f.op, &f.call, 3) == PEL_OK, "%s", f.error.text);
    g.inputs[k] = gradients;
    CHECK(nn_operator_backward(f.op, &f.call, &g, 3) == PEL_EINVAL);
    CHECK_TEXT(f.error.text, expected);
    tear_down(&f);
}

static void test_refusals(void)
{
    refuse(&(gradient_case){"Add", "i=1,2 i=3,4", "", 0, 0}, 0, true,
           "node 3 (Add): input 0 is not float: it has no gradient");
    refuse(&(gradient_case){"Cast", "2x2", "to=7", 0, 0}, 0, true,
           "node 3 (Cast): output 0 is not float: it has no gradient");
    refuse(&(gradient_case){"Clip", "2x2 - s", "", 0, 0}, 1, true,
           "node 3 (Clip): input 1 is left out: it has no gradient");
    refuse(&(gradient_case){"Resize", "2x2 - 2=2,2", "", 0, 0}, 2, true,
           "node 3 (Resize): the shape depends on input 2: it has no gradient");
    refuse(&(gradient_case){"DFT", "2x4x1 s=3", "", 0, 0}, 1, true,
           "node 3 (DFT): the shape depends on input 1: it has no gradient");
    refuse(&(gradient_case){"Relu", "2x2", "", 0, 0}, 0, false, "node 3 (Relu): output 0 has no values");
}

/* At a kink: where several attain the extreme one has the whole gradient. */
static void test_ties(void)
{
    static const struct {
        const char *operator, *inputs, *attributes;
        double first[4]; /* the gradient of input 0 */
    } ties[] = {
        {"MaxPool", "1x1x2x2:1,2,2,2", "kernel_shape=[2,2]", {0, 1, 0, 0}},
        {"GlobalMaxPool", "1x1x2x2:1,1,2,2", "", {0, 0, 1, 0}},
        {"ReduceMax", "2x2:1,1,2,2", "axes=[1]", {1, 0, 1, 0}},
        {"ReduceMin", "2x2:1,1,1,2", "", {1, 0, 0, 0}},
        {"Max", "4:1,2,3,4 s=2", "", {0, 0, 1, 1}},
        {"Min", "4:1,2,3,4 s=2", "", {1, 0, 0, 0}},
        {"Relu", "4:-1,0,1,2", "", {0, 0, 1, 1}},
        {"HardSwish", "4:-9,-4,4,9", "", {0, 0, 1, 1}},
    };
    for (size_t i = 0; i < sizeof ties / sizeof ties[0]; i++) {
        fixture f;
        double ones[4] = {1, 1, 1, 1}, got[4] = {0, 0, 0, 0};
        set_up(&(gradient_case){ties[i].operator, ties[i].inputs, ties[i].attributes, 0, 0}, &f);
        CHECK(nn_operator_evaluate(f.op, &f.call, 1) == PEL_OK, "%s", f.error.text);
        CHECK(nn_operator_backward(f.op, &f.call, &(nn_gradients){{ones}, {got}}, 1) == PEL_OK, "%s", f.error.text);
        for (size_t k = 0; k < 4; k++)
            CHECK_NEAR(got[k], ties[i].first[k], 0);
        tear_down(&f);
    }
}

int main(void)
{
    for (size_t i = 0; i < CASES; i++)
        for (int round = 0; round < ROUNDS; round++)
            test_case(&cases[i], round);
    test_table();
    test_refusals();
    test_ties();
    return check_done();
}
