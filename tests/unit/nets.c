/* nets.c - architectures: each builds and runs at its own size and at others, parameters are as published.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pellucid/nets.h>
#include <pellucid/network.h>

#include "check.h"

static pel_error error;
static pel_context context = {.error = &error};

static size_t weights_of(const pel_model *m)
{
    size_t count = 0;
    for (size_t i = 0; i < m->tensor_count; i++)
        count += m->tensors[i].floats != NULL ? pel_model_tensor_count(&m->tensors[i]) : 0;
    return count;
}

/* Runs it on a small picture: finite, and of the picture's size. */
static void run(const pel_model *m, const char *name, size_t side)
{
    pel_size sizes[4];
    float *in[4], *out[8] = {NULL};
    pel_network *n = NULL;
    uint32_t seed = 3;
    for (size_t k = 0; k < m->input_count; k++) {
        sizes[k] = pel_size_make(side, 2 * side, 1, (size_t)m->inputs[k].dims[1]);
        in[k] = pel_alloc_floats(pel_size_count(sizes[k]));
        for (size_t i = 0; i < pel_size_count(sizes[k]); i++)
            in[k][i] = check_random(&seed);
    }
    CHECK(pel_network_compile(&context, m, sizes, PEL_FP32, &n) == PEL_OK, "%s: %s", name, error.text);
    for (size_t k = 0; n != NULL && k < m->output_count; k++)
        out[k] = pel_alloc_floats(pel_size_count(pel_network_output(n, k)));
    if (n != NULL) {
        CHECK(pel_network_run(&context, n, (const float *const *)in, out) == PEL_OK, "%s: %s", name, error.text);
        pel_size size = pel_network_output(n, 0);
        size_t bad = 0;
        for (size_t i = 0; i < pel_size_count(size); i++)
            bad += !isfinite(out[0][i]);
        CHECK(bad == 0, "%s", name);
        CHECK(strcmp(m->outputs[0].name, "output") != 0 || (size.w == side && size.h == 2 * side), "%s", name);
    }
    pel_network_free(n);
    for (size_t k = 0; k < 4; k++)
        if (k < m->input_count)
            pel_free(in[k]);
    for (size_t k = 0; k < 8; k++)
        pel_free(out[k]);
}

static void build_and_run(const char *name, const pel_net_params *params, size_t weights, size_t side)
{
    pel_model *m = NULL;
    CHECK(pel_net_build(name, params, &m, &error) == PEL_OK, "%s: %s", name, error.text);
    if (m == NULL)
        return;
    CHECK(weights == 0 || weights_of(m) == weights, "%s has %zu weights", name, weights_of(m));
    if (side > 0)
        run(m, name, side);
    pel_model_free(m);
}

/* Same seed, same bytes; another seed, others. */
static void test_seeds(void)
{
    void *bytes[3];
    size_t count[3];
    for (int k = 0; k < 3; k++) {
        pel_net_params params = {.seed = k < 2 ? 5 : 6, .width = 8};
        pel_model *m;
        CHECK(pel_net_build("unet", &params, &m, &error) == PEL_OK);
        CHECK(pel_model_serialize(m, &bytes[k], &count[k], &error) == PEL_OK);
        pel_model_free(m);
    }
    CHECK(count[0] == count[1] && memcmp(bytes[0], bytes[1], count[0]) == 0);
    CHECK(count[0] != count[2] || memcmp(bytes[0], bytes[2], count[0]) != 0);
    for (int k = 0; k < 3; k++)
        pel_free(bytes[k]);
}

/* The body goes over to a net for colour with one more input, ends stay; other architectures do not fit. */
static void test_taking_weights(void)
{
    pel_net_params grey = {.widths = {8, 12}, .blocks = 1, .fold = 2, .seed = 1};
    pel_net_params colour = {.widths = {8, 12}, .blocks = 1, .fold = 2, .seed = 2, .channels = 3,
                             .inputs = "image,data,sigma"};
    pel_net_params other = {.widths = {8, 12}, .blocks = 2};
    pel_model *a, *b, *c;
    size_t taken, count;
    CHECK(pel_net_build("drunet", &grey, &a, &error) == PEL_OK && pel_net_build("drunet", &colour, &b, &error) == PEL_OK &&
          pel_net_build("drunet", &other, &c, &error) == PEL_OK);
    CHECK(pel_net_take_weights(b, a, &taken, &count, &error) == PEL_OK && count == 10 && taken == 8, "%zu of %zu", taken,
          count);
    size_t same = 0, weights = 0;
    for (size_t i = 0; i < a->tensor_count; i++) {
        const pel_model_tensor *s = &a->tensors[i], *t = &b->tensors[i];
        bool alike = pel_model_tensor_count(s) == pel_model_tensor_count(t);
        weights += s->floats != NULL;
        same += s->floats != NULL && alike && memcmp(s->floats, t->floats, pel_model_tensor_count(s) * sizeof(float)) == 0;
    }
    CHECK(weights == 10 && same == 8, "%zu", same);
    CHECK(pel_net_take_weights(c, a, &taken, &count, &error) == PEL_EINVAL);
    pel_model_free(a);
    pel_model_free(b);
    pel_model_free(c);
}

/* Without biases and with levels of noise among its inputs: twice the input gives twice the result. */
static void test_homogeneous(void)
{
    pel_net_params params = {.widths = {8, 12, 16}, .blocks = 2, .fold = 2};
    pel_model *m;
    CHECK(pel_net_build("drunet", &params, &m, &error) == PEL_OK);
    CHECK(weights_of(m) == 9 * 5 * 8 + 9 * 4 * 8 + 4 * 2 * (8 * 12 + 12 * 16) + 9 * 8 * (8 * 8 + 12 * 12) + 9 * 4 * 16 * 16,
          "%zu weights", weights_of(m));
    pel_size size = pel_size_make(32, 48, 1, 1);
    pel_size sizes[2] = {size, size};
    pel_network *n = NULL;
    CHECK(pel_network_compile(&context, m, sizes, PEL_FP32, &n) == PEL_OK, "%s", error.text);
    float *in[2], *out[2];
    uint32_t seed = 5;
    for (int k = 0; k < 2; k++) {
        in[k] = pel_alloc_floats(pel_size_count(size));
        out[k] = pel_alloc_floats(pel_size_count(size));
        for (size_t i = 0; i < pel_size_count(size); i++)
            in[k][i] = k == 0 ? check_random(&seed) : 0.1f;
    }
    for (int run = 0; run < 2; run++) {
        CHECK(pel_network_run(&context, n, (const float *const *)in, &out[run]) == PEL_OK);
        for (size_t i = 0; i < pel_size_count(size); i++) {
            in[0][i] *= 2;
            in[1][i] *= 2;
        }
    }
    double worst = 0;
    for (size_t i = 0; i < pel_size_count(size); i++)
        worst = fmax(worst, fabs(out[1][i] - 2 * (double)out[0][i]));
    CHECK(worst < 1e-5, "%g", worst);
    for (int k = 0; k < 2; k++) {
        pel_free(in[k]);
        pel_free(out[k]);
    }
    pel_network_free(n);
    pel_model_free(m);
}

/* What drunet is asked for that does not suit. */
static void test_refused(void)
{
    pel_net_params bad[] = {{.widths = {8, 7}}, {.widths = {8}, .width = 8}, {.fold = 3}, {.inputs = "image,"},
                            {.inputs = ""}, {.inputs = "image,sigma,data,psf,mask"}};
    pel_model *m;
    bad[3].inputs = "image,,sigma";
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(pel_net_build("drunet", &bad[i], &m, &error) == PEL_EINVAL, "%zu", i);
    pel_net_params fold = {.fold = 2};
    CHECK(pel_net_build("unet", &fold, &m, &error) == PEL_EINVAL);
}

int main(void)
{
    const pel_net_info *info;
    size_t count = 0;
    for (size_t i = 0; (info = pel_net_find(i)) != NULL; i++, count++) {
        bool fixed = strcmp(info->name, "srcnn") == 0 || strcmp(info->name, "ircnn") == 0 ||
                     strcmp(info->name, "dbn") == 0;
        pel_net_params small = {.width = 8, .depth = fixed ? 0 : 2};
        build_and_run(info->name, &small, 0, 32);
        small.channels = info->channels == 3 ? 1 : 3;
        build_and_run(info->name, &small, 0, 32);
        small.width = 3;
        pel_model *m;
        CHECK(pel_net_build(info->name, &small, &m, &error) == PEL_EINVAL);
    }
    CHECK(count == 16);
    /* Numbers of weights: sums over the published layers. */
    pel_net_params own = {0}, norm = {.batch_norm = true}, features = {.features = true, .width = 64, .channels = 3};
    build_and_run("srcnn", &own, 64 * 81 + 64 + 32 * 64 * 25 + 32 + 32 * 25 + 1, 0);
    build_and_run("dncnn", &own, 555137, 0);
    build_and_run("vdsr", &own, 665921, 0);
    build_and_run("ircnn", &own, 185857, 16);
    build_and_run("ffdnet", &own, 64 * 45 + 64 + 13 * 36928 + 4 * 64 * 9 + 4, 0);
    build_and_run("vgg", &features, 14714688, 0); /* VGG-16 without its classifier */
    build_and_run("dncnn", &norm, 640 + 15 * (36864 + 4 * 64) + 577, 16);
    pel_model *m;
    CHECK(pel_net_build("nothing", &own, &m, &error) == PEL_EINVAL);
    CHECK(pel_net_build("unet", &norm, &m, &error) == PEL_EINVAL);
    test_seeds();
    test_taking_weights();
    test_homogeneous();
    test_refused();
    return check_done();
}
