/* pel-net.c - writes an untrained model of an architecture.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pellucid/driver.h>
#include <pellucid/nets.h>

typedef struct {
    const char *output;
    long width, depth, channels, blocks, fold;
    const char *levels, *inputs, *weights_from;
    pel_texts set;
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
    {"levels", 0, PEL_OPT_TEXT, AT(levels), 0, 0, NULL, "N,...", NULL,
     "drunet: channels of each level, in place of --width and --depth"},
    {"blocks", 0, PEL_OPT_INTEGER_AUTO, AT(blocks), 1, 16, "auto", "N", NULL,
     "drunet: residual blocks before and behind each level; auto: 4"},
    {"fold", 0, PEL_OPT_INTEGER_AUTO, AT(fold), 1, 4, "auto", "N", NULL,
     "drunet: blocks of N x N samples become channels first; 1, 2 or 4; auto: 1"},
    {"inputs", 0, PEL_OPT_TEXT, AT(inputs), 0, 0, NULL, "ROLE,...", NULL,
     "drunet: the roles of its inputs; the result corrects the first (default: image,sigma)"},
    {"weights-from", 0, PEL_OPT_TEXT, AT(weights_from), 0, 0, NULL, "FILE", NULL,
     "begin with the weights of this model where they have the same shape"},
    {"set", 0, PEL_OPT_TEXTS, AT(set), 0, 0, NULL, "KEY=VALUE", NULL,
     "set an entry of the model's metadata; may be given several times"},
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

static pel_status parse_levels(const char *text, int64_t widths[PEL_NET_MOST_LEVELS], pel_error *error)
{
    const char *at = text;
    for (size_t i = 0; text != NULL && i < PEL_NET_MOST_LEVELS; i++) {
        char *end;
        long width = strtol(at, &end, 10);
        if (end == at || width < 2 || width > 4096 || (*end != ',' && *end != '\0'))
            break;
        widths[i] = width;
        if (*end == '\0')
            return PEL_OK;
        at = end + 1;
    }
    return text == NULL ? PEL_OK
                        : pel_error_set(error, PEL_EUSAGE, "--levels '%.60s': one to %d numbers of channels are needed",
                                        text, PEL_NET_MOST_LEVELS);
}

/* An untrained net, or a copy of a file. */
static pel_status make(pel_run *run, const char *operand, pel_model **model)
{
    const settings *s = pel_run_settings(run);
    pel_error *error = pel_run_error(run);
    size_t length = strlen(operand);
    if (strchr(operand, '/') != NULL || (length > 5 && strcmp(operand + length - 5, ".onnx") == 0)) {
        if (s->width > 0 || s->depth > 0 || s->channels > 0 || s->blocks > 0 || s->fold > 0 || s->levels != NULL ||
            s->inputs != NULL || s->batch_norm || s->features)
            return pel_error_set(error, PEL_EUSAGE, "%.60s: a model's architecture cannot be changed", operand);
        return pel_model_read(operand, pel_run_memory(run), model, error);
    }
    pel_net_params params = {.width = s->width > 0 ? s->width : 0, .depth = s->depth > 0 ? s->depth : 0,
                             .channels = s->channels > 0 ? s->channels : 0, .seed = pel_run_seed(run),
                             .batch_norm = s->batch_norm, .features = s->features,
                             .blocks = s->blocks > 0 ? s->blocks : 0, .fold = s->fold > 0 ? s->fold : 0,
                             .inputs = s->inputs};
    pel_status status = parse_levels(s->levels, params.widths, error);
    if (status == PEL_OK)
        status = pel_net_build(operand, &params, model, error);
    if (status == PEL_EINVAL) /* what was asked for, not what came */
        status = error->status = PEL_EUSAGE;
    return status;
}

static pel_status take_weights(pel_run *run, pel_model *model)
{
    const settings *s = pel_run_settings(run);
    pel_error *error = pel_run_error(run);
    pel_model *from;
    size_t taken, count;
    pel_status status = pel_model_read(s->weights_from, pel_run_memory(run), &from, error);
    if (status != PEL_OK)
        return status;
    status = pel_net_take_weights(model, from, &taken, &count, error);
    if (status == PEL_OK)
        pel_note(run, "%zu of %zu tensors of weights are from %s", taken, count, s->weights_from);
    pel_model_free(from);
    return status;
}

static pel_status set_metadata(pel_run *run, pel_model *model)
{
    const settings *s = pel_run_settings(run);
    for (size_t i = 0; i < s->set.count; i++) {
        char key[80];
        const char *text = s->set.at[i], *equals = strchr(text, '=');
        if (equals == NULL || equals == text || (size_t)(equals - text) >= sizeof key)
            return pel_error_set(pel_run_error(run), PEL_EUSAGE, "--set '%.60s': KEY=VALUE is needed", text);
        snprintf(key, sizeof key, "%.*s", (int)(equals - text), text);
        pel_model_set_metadata(model, key, equals + 1);
    }
    return PEL_OK;
}

static pel_status source(pel_run *run)
{
    const settings *s = pel_run_settings(run);
    pel_error *error = pel_run_error(run);
    char **operands;
    if (pel_run_operands(run, &operands) != 1)
        return pel_error_set(error, PEL_EUSAGE, "one architecture is needed (see --list), or a model");
    if (s->output == NULL)
        return pel_error_set(error, PEL_EUSAGE, "no file is named: -o FILE.onnx");
    pel_model *model;
    pel_status status = make(run, operands[0], &model);
    if (status != PEL_OK)
        return status;
    if (s->weights_from != NULL)
        status = take_weights(run, model);
    if (status == PEL_OK)
        status = set_metadata(run, model);
    if (status == PEL_OK)
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
    .operands = "ARCHITECTURE|FILE.onnx",
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
