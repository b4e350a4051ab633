/* fuzz-model.c - libFuzzer's entry for ONNX files: what can be read is compiled and run on a small picture, in
 * both precisions, and trained for a step.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stddef.h>
#include <stdint.h>

#include <pellucid/gradient.h>
#include <pellucid/model.h>
#include <pellucid/network.h>

#define MOST (1 << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static float in[MOST], out[MOST], gradient[MOST], back[MOST];

static void run(const pel_context *context, const pel_model *model, const pel_size *picture, pel_precision precision)
{
    pel_network *network = NULL;
    if (pel_network_compile(context, model, picture, precision, &network) == PEL_OK &&
        pel_size_count(pel_network_output(network, 0)) <= MOST)
        (void)pel_network_run(context, network, (const float *[]){in}, (float *[]){out});
    pel_network_free(network);
}

static pel_status loss(void *arg, size_t sample, const float *const *outputs, float *const *gradients, pel_error *error)
{
    size_t count = *(const size_t *)arg;
    (void)sample, (void)error;
    for (size_t i = 0; i < count; i++)
        gradients[0][i] = outputs[0][i];
    return PEL_OK;
}

static void train(const pel_context *context, const pel_model *model, const pel_size *picture)
{
    const pel_gradient_options options = {PEL_FP32, true, true};
    pel_gradient *g = NULL;
    if (pel_gradient_new(context, model, picture, &options, &g) == PEL_OK && pel_gradient_size(g) <= MOST) {
        size_t count = pel_size_count(pel_gradient_output(g, 0));
        (void)pel_gradient_run(context, g, 1, (const float *const *const[]){(const float *const[]){in}}, loss, &count,
                               gradient, (float *const *const[]){(float *const[]){back}});
    }
    pel_gradient_free(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pel_error error = {PEL_OK, ""};
    pel_context context = {.error = &error, .memory = 64 << 20};
    pel_model *model = NULL;
    if (pel_model_parse(data, size, 16 << 20, &model, &error) != PEL_OK)
        return 0;
    int64_t channels = model->inputs[0].has_shape && model->inputs[0].rank == 4 ? model->inputs[0].dims[1] : 1;
    pel_size picture = {16, 16, 1, channels > 0 && channels <= 64 ? (size_t)channels : 1};
    if (model->input_count == 1 && model->output_count == 1) {
        run(&context, model, &picture, PEL_FP32);
        run(&context, model, &picture, PEL_BF16);
        train(&context, model, &picture);
    }
    pel_model_free(model);
    return 0;
}
