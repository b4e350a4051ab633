/* model.c - small models for the tests of programs: model NAME FILE.onnx
 *
 * smooth    grey: the mean of 3 x 3 samples, the picture continued by its edge
 * only      the same, of pictures of 12 x 9 samples
 * sevens    the same, of pictures whose sides are multiples of 7
 * halves    colour, sides even: halves and doubles the resolution (each sample the mean of its 2 x 2)
 * add       image + sigma, the level of noise
 * calm      removes noise: the more of smooth's result, the higher sigma is; sides that are multiples of 4
 * calm3     the same in colour, and the channels a little closer to each other
 * level     add, of one number for all of the picture
 * residue   data - image
 * mean      every sample the mean of the picture: it sees all of it
 * nan       0 / 0
 * invent    image + reference - 1/2, the image a little smoothed: harmless where the reference is 1/2, else it invents
 * window    the mean of three frames
 * shrink    a denoiser: the mean of 3 x 3 samples, and of what differs from it that beyond 2 sigma
 * sum       image + the sum of those before it: a state
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include <pellucid/model.h>

static pel_model *start(const char *name, int64_t channels)
{
    pel_model *m = pel_model_new(name, 17);
    pel_model_add_input(m, "image", channels);
    pel_model_add_output(m, "output", channels);
    pel_model_set_metadata(m, "pellucid.card", "For tests only.");
    return m;
}

static pel_model *smooth(void)
{
    pel_model *m = start("smooth", 1);
    float *w = pel_model_add_floats(m, "w", 4, (int64_t[]){1, 1, 3, 3});
    for (int i = 0; w != NULL && i < 9; i++)
        w[i] = 1.0f / 9;
    pel_model_add_integers(m, "pads", 8, (int64_t[]){0, 0, 1, 1, 0, 0, 1, 1});
    pel_node_set_string(m, pel_model_add_node(m, "Pad", "image pads", "padded"), "mode", "edge");
    pel_model_add_node(m, "Conv", "padded w", "output");
    return m;
}

static pel_model *only(void)
{
    pel_model *m = smooth();
    m->inputs[0].dims[2] = 9;
    m->inputs[0].dims[3] = 12;
    return m;
}

static pel_model *sevens(void)
{
    pel_model *m = smooth();
    pel_model_set_metadata(m, "pellucid.multiple", "7");
    return m;
}

static pel_model *halves(void)
{
    pel_model *m = start("halves", 3);
    const int64_t two[2] = {2, 2};
    pel_node *n = pel_model_add_node(m, "AveragePool", "image", "small");
    pel_node_set_ints(m, n, "kernel_shape", 2, two);
    pel_node_set_ints(m, n, "strides", 2, two);
    float *scales = pel_model_add_floats(m, "scales", 1, (int64_t[]){4});
    if (scales != NULL)
        memcpy(scales, (float[]){1, 1, 2, 2}, 4 * sizeof *scales);
    n = pel_model_add_node(m, "Resize", "small - scales", "output");
    pel_node_set_string(m, n, "coordinate_transformation_mode", "asymmetric");
    pel_node_set_string(m, n, "nearest_mode", "floor");
    return m;
}

static pel_model *two_inputs(const char *name, const char *other, const char *operator, const char *inputs)
{
    pel_model *m = start(name, 1);
    pel_model_add_input(m, other, 1);
    pel_model_add_node(m, operator, inputs, "output");
    return m;
}

/* image + 5 sigma (its means - image) */
static pel_model *calm(const char *name, int64_t channels)
{
    pel_model *m = start(name, channels);
    pel_model_add_input(m, "sigma", 1);
    pel_model_set_metadata(m, "pellucid.multiple", "4");
    float *w = pel_model_add_floats(m, "w", 4, (int64_t[]){channels, channels, 3, 3});
    for (int64_t i = 0; w != NULL && i < channels * channels * 9; i++)
        w[i] = (channels == 1 ? 1.0f : i / 9 % channels == i / 9 / channels ? 0.8f : 0.1f) / 9;
    float *five = pel_model_add_floats(m, "five", 1, (int64_t[]){1});
    if (five != NULL)
        *five = 5;
    pel_model_add_integers(m, "pads", 8, (int64_t[]){0, 0, 1, 1, 0, 0, 1, 1});
    pel_node_set_string(m, pel_model_add_node(m, "Pad", "image pads", "padded"), "mode", "edge");
    pel_model_add_node(m, "Conv", "padded w", "soft");
    pel_model_add_node(m, "Sub", "soft image", "change");
    pel_model_add_node(m, "Mul", "sigma five", "share");
    pel_model_add_node(m, "Mul", "change share", "part");
    pel_model_add_node(m, "Add", "image part", "output");
    return m;
}

static pel_model *level(void)
{
    pel_model *m = two_inputs("level", "sigma", "Add", "image sigma");
    m->inputs[1].dims[2] = m->inputs[1].dims[3] = 1;
    return m;
}

static pel_model *mean(void)
{
    pel_model *m = start("mean", 1);
    float *zero = pel_model_add_floats(m, "zero", 1, (int64_t[]){1});
    (void)zero;
    pel_model_add_node(m, "GlobalAveragePool", "image", "all");
    pel_model_add_node(m, "Mul", "image zero", "nothing");
    pel_model_add_node(m, "Add", "nothing all", "output");
    return m;
}

static pel_model *not_a_number(void)
{
    pel_model *m = start("nan", 1);
    pel_model_add_node(m, "Sub", "image image", "zero");
    pel_model_add_node(m, "Div", "zero zero", "output");
    return m;
}

static pel_model *invent(void)
{
    pel_model *m = start("invent", 1);
    pel_model_add_input(m, "reference", 1);
    float *w = pel_model_add_floats(m, "w", 4, (int64_t[]){1, 2, 3, 3});
    float *bias = pel_model_add_floats(m, "bias", 1, (int64_t[]){1});
    if (w != NULL && bias != NULL) {
        for (int i = 0; i < 9; i++)
            w[i] = i == 4 ? 0.6f : 0.05f;
        w[9 + 4] = 1;
        bias[0] = -0.5f;
    }
    pel_model_add_integers(m, "pads", 8, (int64_t[]){0, 0, 1, 1, 0, 0, 1, 1});
    pel_node *n = pel_model_add_node(m, "Concat", "image reference", "both");
    pel_node_set_int(m, n, "axis", 1);
    pel_node_set_string(m, pel_model_add_node(m, "Pad", "both pads", "padded"), "mode", "edge");
    pel_model_add_node(m, "Conv", "padded w bias", "output");
    return m;
}

/* A value of one number for Mul and the like. */
static void add_number(pel_model *m, const char *name, float value)
{
    float *v = pel_model_add_floats(m, name, 1, (int64_t[]){1});
    if (v != NULL)
        v[0] = value;
}

static pel_model *shrink(void)
{
    pel_model *m = start("shrink", 1);
    pel_model_add_input(m, "sigma", 1);
    float *w = pel_model_add_floats(m, "w", 4, (int64_t[]){1, 1, 3, 3});
    for (int i = 0; w != NULL && i < 9; i++)
        w[i] = 1.0f / 9;
    add_number(m, "two", 2);
    pel_model_add_integers(m, "pads", 8, (int64_t[]){0, 0, 1, 1, 0, 0, 1, 1});
    pel_node_set_string(m, pel_model_add_node(m, "Pad", "image pads", "padded"), "mode", "edge");
    pel_model_add_node(m, "Conv", "padded w", "calm");
    pel_model_add_node(m, "Sub", "image calm", "detail");
    pel_model_add_node(m, "Mul", "sigma two", "limit");
    pel_model_add_node(m, "Sub", "detail limit", "over");
    pel_model_add_node(m, "Relu", "over", "up");
    pel_model_add_node(m, "Neg", "detail", "turned");
    pel_model_add_node(m, "Sub", "turned limit", "under");
    pel_model_add_node(m, "Relu", "under", "down");
    pel_model_add_node(m, "Add", "calm up", "raised");
    pel_model_add_node(m, "Sub", "raised down", "output");
    return m;
}

static pel_model *window(void)
{
    pel_model *m = pel_model_new("window", 17);
    pel_model_add_input(m, "image", 3);
    pel_model_add_output(m, "output", 1);
    pel_model_set_metadata(m, "pellucid.window", "1");
    float *w = pel_model_add_floats(m, "w", 4, (int64_t[]){1, 3, 1, 1});
    for (int i = 0; w != NULL && i < 3; i++)
        w[i] = 1.0f / 3;
    pel_model_add_node(m, "Conv", "image w", "output");
    return m;
}

static pel_model *sum(void)
{
    pel_model *m = start("sum", 1);
    pel_model_add_input(m, "before", 1);
    pel_model_set_metadata(m, "pellucid.input.image", "image");
    pel_model_set_metadata(m, "pellucid.input.before", "state:now");
    pel_model_add_output(m, "now", 1);
    pel_model_add_node(m, "Add", "image before", "now");
    pel_model_add_node(m, "Identity", "now", "output");
    return m;
}

int main(int argc, char **argv)
{
    pel_error error = {PEL_OK, ""};
    const char *name = argc == 3 ? argv[1] : "";
    pel_model *m = strcmp(name, "smooth") == 0    ? smooth()
                   : strcmp(name, "only") == 0    ? only()
                   : strcmp(name, "sevens") == 0  ? sevens()
                   : strcmp(name, "halves") == 0  ? halves()
                   : strcmp(name, "add") == 0     ? two_inputs(name, "sigma", "Add", "image sigma")
                   : strcmp(name, "calm") == 0    ? calm(name, 1)
                   : strcmp(name, "calm3") == 0   ? calm(name, 3)
                   : strcmp(name, "level") == 0   ? level()
                   : strcmp(name, "residue") == 0 ? two_inputs(name, "data", "Sub", "data image")
                   : strcmp(name, "mean") == 0    ? mean()
                   : strcmp(name, "nan") == 0     ? not_a_number()
                   : strcmp(name, "invent") == 0  ? invent()
                   : strcmp(name, "shrink") == 0  ? shrink()
                   : strcmp(name, "window") == 0  ? window()
                   : strcmp(name, "sum") == 0     ? sum()
                                                  : NULL;
    if (m == NULL) {
        fprintf(stderr, "usage: model smooth|only|sevens|halves|add|calm|calm3|level|residue|mean|nan|invent|shrink|window|sum FILE.onnx\n");
        return 2;
    }
    pel_status status = pel_model_finish(m, &error);
    if (status == PEL_OK)
        status = pel_model_write(m, argv[2], &error);
    pel_model_free(m);
    if (status != PEL_OK)
        fprintf(stderr, "model: %s\n", error.text);
    return status == PEL_OK ? 0 : 1;
}
