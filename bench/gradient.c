/* gradient.c - times a step of training: gradient MODEL.onnx SIDE BATCH THREADS ROUNDS [bf16]
 *
 * Squared error, forward and back, for a batch of pictures of SIDE x SIDE, the new parameters loaded, without the
 * optimizer.  Prints the best time in ms, of that loading, the process's peak memory in MB.
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <pellucid/gradient.h>
#include <pellucid/pool.h>

#define MOST 64

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int fail(const pel_error *error)
{
    fprintf(stderr, "gradient: %s\n", error->text);
    return EXIT_FAILURE;
}

static pel_status loss(void *arg, size_t sample, const float *const *outputs, float *const *gradients, pel_error *error)
{
    size_t count = *(const size_t *)arg;
    (void)sample, (void)error;
    for (size_t i = 0; i < count; i++)
        gradients[0][i] = outputs[0][i] - 0.5f;
    return PEL_OK;
}

int main(int argc, char **argv)
{
    if (argc < 6 || atoi(argv[3]) > MOST) {
        fprintf(stderr, "usage: gradient MODEL.onnx SIDE BATCH THREADS ROUNDS [bf16]\n");
        return 2;
    }
    pel_error error = {PEL_OK, ""};
    pel_context ctx = {.error = &error};
    pel_model *model;
    pel_gradient *gradient;
    size_t side = (size_t)atoi(argv[2]), batch = (size_t)atoi(argv[3]);
    pel_gradient_options options = {argc > 6 && strcmp(argv[6], "bf16") == 0 ? PEL_BF16 : PEL_FP32, true, false};
    if (pel_pool_new((size_t)atoi(argv[4]), &ctx.pool, &error) != PEL_OK ||
        pel_model_read(argv[1], 0, &model, &error) != PEL_OK)
        return fail(&error);
    pel_size size = pel_size_make(side, side, 1, (size_t)model->inputs[0].dims[1]);
    if (pel_gradient_new(&ctx, model, &size, &options, &gradient) != PEL_OK)
        return fail(&error);
    size_t count = pel_size_count(size), all = pel_gradient_size(gradient), tensors;
    float *in = pel_alloc_floats(count), *parameters = pel_alloc_floats(all + 1), *to = pel_alloc_floats(all + 1);
    for (size_t i = 0; i < count; i++)
        in[i] = (float)(i * 7919 % 1000) / 1000;
    const pel_parameter *p = pel_gradient_parameters(gradient, &tensors);
    for (size_t i = 0; i < tensors; i++)
        memcpy(parameters + p[i].offset, p[i].tensor->floats, p[i].count * sizeof *parameters);
    const float *const one[1] = {in}, *const *inputs[MOST];
    for (size_t i = 0; i < batch; i++)
        inputs[i] = one;
    size_t out = pel_size_count(pel_gradient_output(gradient, 0));
    double best = HUGE_VAL, least = HUGE_VAL;
    for (int round = 0; round <= atoi(argv[5]); round++) {
        double start = now_s();
        if (pel_gradient_load(&ctx, gradient, parameters) != PEL_OK)
            return fail(&error);
        double loaded = now_s();
        if (pel_gradient_run(&ctx, gradient, batch, inputs, loss, &out, to, NULL) != PEL_OK)
            return fail(&error);
        best = round > 0 ? fmin(best, now_s() - start) : best;
        least = fmin(least, loaded - start);
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%.1f %.1f %ld\n", best * 1e3, least * 1e3, usage.ru_maxrss / 1024);
    pel_gradient_free(gradient);
    pel_model_free(model);
    pel_pool_free(ctx.pool);
    return EXIT_SUCCESS;
}
