/* fuzz-model.c - libFuzzer's entry for ONNX files: what can be read is compiled and run on a small picture.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stddef.h>
#include <stdint.h>

#include <pellucid/model.h>
#include <pellucid/network.h>

#define MOST (1 << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static float in[MOST], out[MOST];
    pel_error error = {PEL_OK, ""};
    pel_context context = {.error = &error, .memory = 64 << 20};
    pel_model *model = NULL;
    pel_network *network = NULL;
    if (pel_model_parse(data, size, 16 << 20, &model, &error) != PEL_OK)
        return 0;
    int64_t channels = model->inputs[0].has_shape && model->inputs[0].rank == 4 ? model->inputs[0].dims[1] : 1;
    pel_size picture = {16, 16, 1, channels > 0 && channels <= 64 ? (size_t)channels : 1};
    if (model->input_count == 1 && model->output_count == 1 &&
        pel_network_compile(&context, model, &picture, PEL_FP32, &network) == PEL_OK &&
        pel_size_count(pel_network_output(network, 0)) <= MOST)
        (void)pel_network_run(&context, network, (const float *[]){in}, (float *[]){out});
    pel_network_free(network);
    pel_model_free(model);
    return 0;
}
