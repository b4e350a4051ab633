/* network.c - times a compiled model: network MODEL.onnx WIDTH HEIGHT THREADS ROUNDS [bf16]
 *
 * Prints the best time in ms, the process's peak memory in MB, and multiply-accumulates a second.
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <pellucid/network.h>
#include <pellucid/pool.h>

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int fail(const pel_error *error)
{
    fprintf(stderr, "network: %s\n", error->text);
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    if (argc < 6 || argc > 7) {
        fprintf(stderr, "usage: network MODEL.onnx WIDTH HEIGHT THREADS ROUNDS [bf16]\n");
        return 2;
    }
    pel_error error = {PEL_OK, ""};
    pel_context ctx = {.error = &error};
    pel_model *model;
    pel_network *network;
    if (pel_pool_new((size_t)atoi(argv[4]), &ctx.pool, &error) != PEL_OK ||
        pel_model_read(argv[1], 0, &model, &error) != PEL_OK)
        return fail(&error);
    pel_precision precision = argc > 6 && strcmp(argv[6], "bf16") == 0 ? PEL_BF16 : PEL_FP32;
    pel_size size[8];
    float *in[8], *out[8];
    for (size_t k = 0; k < model->input_count && k < 8; k++) {
        size[k] = pel_size_make((size_t)atoi(argv[2]), (size_t)atoi(argv[3]), 1, (size_t)model->inputs[k].dims[1]);
        in[k] = pel_alloc_floats(pel_size_count(size[k]));
        for (size_t i = 0; in[k] != NULL && i < pel_size_count(size[k]); i++)
            in[k][i] = (float)(i * 7919 % 1000) / 1000;
    }
    if (pel_network_compile(&ctx, model, size, precision, &network) != PEL_OK)
        return fail(&error);
    for (size_t k = 0; k < model->output_count && k < 8; k++)
        out[k] = pel_alloc_floats(pel_size_count(pel_network_output(network, k)));
    double best = HUGE_VAL;
    for (int round = 0; round <= atoi(argv[5]); round++) {
        double start = now_s();
        if (pel_network_run(&ctx, network, (const float *const *)in, out) != PEL_OK)
            return fail(&error);
        best = round > 0 && now_s() - start < best ? now_s() - start : best; /* the first fetches memory */
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%.1f %ld %.1f\n", best * 1e3, usage.ru_maxrss / 1024, pel_network_macs(network) / best / 1e9);
    pel_network_free(network);
    pel_model_free(model);
    pel_pool_free(ctx.pool);
    return EXIT_SUCCESS;
}
