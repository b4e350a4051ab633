/* pel-net.c - writes an untrained model of an architecture.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <pellucid/driver.h>
#include <pellucid/nets.h>

typedef struct {
    const char *output;
    long width, depth, channels;
    bool batch_norm, features, list;
} settings;

#define AT(member) offsetof(settings, member)
static const pel_option options[] = {
    {"output", 'o', PEL_OPT_TEXT, AT(output), 0, 0, NULL, "FILE", NULL, "the ONNX file to write; -: stdout"},
    {"width", 0, PEL_OPT_INTEGER_AUTO, AT(width), 2, 1024, "auto", "N", NULL,
     "channels of the first layers; auto: as published"},
    {"depth", 0, PEL_OPT_INTEGER_AUTO, AT(depth), 1, 200, "auto", "N", NULL,
     "layers, blocks or levels, as the architecture counts (see --list); auto: as published"},
    {"channels", 0, PEL_OPT_INTEGER_AUTO, AT(channels), 1, 3, "auto", "N", NULL,
     "channels of the picture: 1 (grey) or 3; auto: as published"},
    {"batch-norm", 0, PEL_OPT_FLAG, AT(batch_norm), 0, 0, NULL, NULL, NULL,
     "dncnn: with batch normalisation after the convolutions"},
    {"features", 0, PEL_OPT_FLAG, AT(features), 0, 0, NULL, NULL, NULL,
     "vgg: the layers of VGG-16 alone, an output after each block"},
    {"list", 0, PEL_OPT_FLAG, AT(list), 0, 0, NULL, NULL, NULL, "print the architectures, and exit"},
    {NULL}};

static bool print(pel_run *run, pel_status *status)
{
    const settings *s = pel_run_settings(run);
    const pel_net_info *info;
    *status = PEL_OK;
    if (!s->list)
        return false;
    printf("name\twidth\tdepth\tchannels\twhat depth counts\tsummary\n");
    for (size_t i = 0; (info = pel_net_find(i)) != NULL; i++)
        printf("%s\t%lld\t%lld\t%lld\t%s\t%s\n", info->name, (long long)info->width, (long long)info->depth,
               (long long)info->channels, info->counts, info->summary);
    return true;
}

static pel_status to_stdout(const pel_model *model, pel_error *error)
{
    void *bytes;
    size_t count;
    if (isatty(STDOUT_FILENO))
        return pel_error_set(error, PEL_EUSAGE, "will not write a model to a terminal");
    pel_status status = pel_model_serialize(model, &bytes, &count, error);
    if (status != PEL_OK)
        return status;
    if (fwrite(bytes, 1, count, stdout) != count || fflush(stdout) != 0)
        status = pel_error_set(error, errno == EPIPE ? PEL_ECLOSED : PEL_EIO, "cannot write the model: %s",
                               strerror(errno));
    pel_free(bytes);
    return status;
}

static pel_status source(pel_run *run)
{
    const settings *s = pel_run_settings(run);
    pel_error *error = pel_run_error(run);
    char **operands;
    if (pel_run_operands(run, &operands) != 1)
        return pel_error_set(error, PEL_EUSAGE, "one architecture is needed (see --list)");
    if (s->output == NULL)
        return pel_error_set(error, PEL_EUSAGE, "no file is named: -o FILE.onnx");
    pel_net_params params = {.width = s->width > 0 ? s->width : 0, .depth = s->depth > 0 ? s->depth : 0,
                             .channels = s->channels > 0 ? s->channels : 0, .seed = pel_run_seed(run),
                             .batch_norm = s->batch_norm, .features = s->features};
    pel_model *model;
    pel_status status = pel_net_build(operands[0], &params, &model, error);
    if (status == PEL_EINVAL) /* what was asked for, not what came */
        status = error->status = PEL_EUSAGE;
    if (status != PEL_OK)
        return status;
    status = strcmp(s->output, "-") == 0 ? to_stdout(model, error) : pel_model_write(model, s->output, error);
    size_t weights = 0;
    for (size_t i = 0; i < model->tensor_count; i++)
        weights += model->tensors[i].floats != NULL ? pel_model_tensor_count(&model->tensors[i]) : 0;
    if (status == PEL_OK)
        pel_note(run, "%zu nodes, %zu weights", model->node_count, weights);
    pel_model_free(model);
    return status;
}

static const pel_program program = {
    .name = "pel-net",
    .summary = "writes an untrained neural network",
    .operands = "ARCHITECTURE",
    .details = "Example: pel-net unet --width 16 -o unet.onnx\n",
    .options = options,
    .settings_size = sizeof(settings),
    .flags = PEL_SOURCE | PEL_SINK | PEL_SEEDED,
    .print = print,
    .source = source,
};

int main(int argc, char **argv)
{
    return pel_main(&program, argc, argv);
}
