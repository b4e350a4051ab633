/* pel-cnn.c - runs a model (an ONNX file) on the stream's images.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <pellucid/cnn.h>
#include <pellucid/driver.h>
#include <pellucid/number.h>

typedef struct {
    const char *model;
    double sigma;
    int colour, precision;
    bool inpaint, list, describe;
} settings;

#define MOST_HELD 33

/* Images wait until those after them in the model's window have come. */
typedef struct {
    pel_model *model;
    pel_cnn *cnn;
    bool told;
    pel_bundle held[MOST_HELD];
    size_t count, next; /* held; the first that was not restored yet */
    size_t restored;    /* of this stream */
    double begun_s;     /* when its first image came */
} state;

#define AT(member) offsetof(settings, member)
static const pel_option options[] = {
    {"model", 'm', PEL_OPT_TEXT, AT(model), 0, 0, NULL, "NAME|FILE", NULL,
     "the model: an ONNX file, or the name of one in the models' folder (see --list)"},
    {"sigma", 's', PEL_OPT_REAL_AUTO, AT(sigma), 0, 1e30, "auto", "X", NULL,
     "noise standard deviation in sample units, for models that take it; auto: the stream's"},
    {"colour", 0, PEL_OPT_CHOICE, AT(colour), 0, 0, "channel", NULL, "channel|luma",
     "grey models on colour: each channel by itself; or the luma, and its change added to all"},
    {"precision", 0, PEL_OPT_CHOICE, AT(precision), 0, 0, "fp32", NULL, "fp32|bf16",
     "of products: float; or bfloat16 summed in float, faster on processors that have it"},
    {"inpaint", 0, PEL_OPT_FLAG, AT(inpaint), 0, 0, NULL, NULL, NULL,
     "keep the model's samples in place of bad ones instead of NaN"},
    {"list", 0, PEL_OPT_FLAG, AT(list), 0, 0, NULL, NULL, NULL, "print the models of the folder, and exit"},
    {"describe", 0, PEL_OPT_FLAG, AT(describe), 0, 0, NULL, NULL, NULL,
     "print what -m is: its card, inputs, layers and cost, and exit"},
    {NULL}};

/* ---- Finding models */

static const char *folder(void)
{
    const char *set = getenv("PELLUCID_MODELS");
    return set != NULL && set[0] != '\0' ? set : MODELS_FOLDER;
}

/* A name without a slash and extension is in the folder. */
static pel_status open_model(pel_run *run, const char *name, pel_model **model)
{
    char path[4096];
    pel_error *error = pel_run_error(run);
    if (name == NULL)
        return pel_error_set(error, PEL_EUSAGE, "no model is given: -m NAME or -m FILE.onnx (see --list)");
    size_t length = strlen(name);
    bool file = strchr(name, '/') != NULL || (length > 5 && strcmp(name + length - 5, ".onnx") == 0);
    int n = file ? snprintf(path, sizeof path, "%s", name)
                 : snprintf(path, sizeof path, "%s/%s.onnx", folder(), name);
    if (n < 0 || (size_t)n >= sizeof path)
        return pel_error_set(error, PEL_EINVAL, "the model's name is too long");
    return pel_model_read(path, pel_run_memory(run), model, error);
}

static int is_model(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return n > 5 && strcmp(entry->d_name + n - 5, ".onnx") == 0;
}

/* The first line of a card. */
static int first_line(const char *card) { return (int)strcspn(card, "\n"); }

static pel_status list(pel_run *run)
{
    struct dirent **entries = NULL;
    int count = scandir(folder(), &entries, is_model, alphasort);
    if (count < 0 && errno != ENOENT)
        return pel_error_set(pel_run_error(run), PEL_EIO, "%s: %s", folder(), strerror(errno));
    for (int i = 0; i < count; i++) {
        char path[4352];
        pel_model *model;
        pel_error error = {PEL_OK, ""};
        snprintf(path, sizeof path, "%.4000s/%s", folder(), entries[i]->d_name);
        int length = (int)strlen(entries[i]->d_name) - 5;
        if (pel_model_read(path, 0, &model, &error) == PEL_OK) {
            const char *card = pel_model_metadata(model, "pellucid.card");
            card = card != NULL ? card : model->graph_name;
            printf("%.*s\t%.*s\n", length, entries[i]->d_name, first_line(card), card);
            pel_model_free(model);
        } else {
            printf("%.*s\t(%s)\n", length, entries[i]->d_name, error.text);
        }
        free(entries[i]);
    }
    free(entries);
    return PEL_OK;
}

/* ---- Describing one */

static void describe_value(const char *what, const pel_model_value *v)
{
    printf("%s\t%s\t", what, v->name);
    for (size_t k = 0; v->has_shape && k < v->rank; k++) {
        const char *symbol = v->symbols[k] != NULL ? v->symbols[k] : "?";
        if (v->dims[k] >= 0)
            printf("%s%lld", k > 0 ? " x " : "", (long long)v->dims[k]);
        else
            printf("%s%s", k > 0 ? " x " : "", symbol);
    }
    printf("\n");
}

#define MOST_DESCRIBED 64

/* The inputs as they are, or with sides of `side` where the model leaves that open: then *open. */
static void set_sizes(const pel_model *m, size_t side, pel_size *sizes, bool *open)
{
    *open = true;
    for (size_t k = 0; k < m->input_count; k++) {
        const pel_model_value *v = &m->inputs[k];
        bool four = v->has_shape && v->rank == 4;
        sizes[k] = pel_size_make(four && v->dims[3] > 0 ? (size_t)v->dims[3] : side,
                                 four && v->dims[2] > 0 ? (size_t)v->dims[2] : side, 1,
                                 four && v->dims[1] > 0 ? (size_t)v->dims[1] : 1);
        *open = *open && sizes[k].w == side && sizes[k].h == side;
    }
}

/* In pictures as large as it takes, for a model that sees far. */
static void describe_field(const pel_context *ctx, const pel_model *m, bool local)
{
    pel_size sizes[MOST_DESCRIBED];
    pel_network_field f = {.whole = true};
    bool open = true;
    pel_status status = PEL_OK;
    for (size_t side = 256; local && f.whole && open && side <= 4096 && status == PEL_OK; side *= 2) {
        set_sizes(m, side, sizes, &open);
        status = pel_network_receptive_field(ctx, m, sizes, &f);
    }
    if (f.whole)
        printf("sees\tthe whole picture\n");
    else
        printf("sees\t%zux%zu pixels: %zu left, %zu right, %zu up, %zu down\n", f.left + 1 + f.right,
               f.up + 1 + f.down, f.left, f.right, f.up, f.down);
}

static void describe_layers(const pel_model *m, const pel_network *net, double pixels)
{
    for (size_t i = 0; i < m->node_count; i++) {
        const pel_node *n = &m->nodes[i];
        const pel_model_tensor *w = n->input_count > 1 ? pel_model_find_tensor(m, n->inputs[1]) : NULL;
        double macs = net != NULL ? pel_network_node_macs(net, i) : 0;
        printf("layer %zu\t%s", i, n->operator);
        for (size_t k = 0; w != NULL && k < w->rank; k++)
            printf("%s%lld", k > 0 ? "x" : "\t", (long long)w->dims[k]);
        if (macs > 0)
            printf("%s\t%.7g MAC/px", w == NULL ? "\t" : "", macs / pixels);
        printf("\n");
    }
}

/* Its cost, compiled for 256 x 256 or what comes next to that, what it sees, and what each layer has of the cost. */
static void describe_network(pel_run *run, const pel_model *m)
{
    pel_size sizes[MOST_DESCRIBED];
    bool open;
    pel_network *net = NULL;
    pel_error error = {PEL_OK, ""};
    pel_context ctx = {.error = &error, .memory = pel_run_memory(run)};
    double pixels = 1;
    if (m->input_count <= MOST_DESCRIBED) {
        set_sizes(m, 256, sizes, &open);
        pixels = (double)sizes[0].w * (double)sizes[0].h;
        if (pel_network_compile(&ctx, m, sizes, PEL_FP32, &net) != PEL_OK) {
            printf("cost\tnot known: %s\n", error.text);
        } else {
            printf("cost\t%.1f kMAC/px, %.1f MB for %zux%zu\n", pel_network_macs(net) / pixels / 1e3,
                   (double)pel_network_memory(net) / 1e6, sizes[0].w, sizes[0].h);
            describe_field(&ctx, m, pel_network_is_local(net));
        }
    }
    describe_layers(m, net, pixels);
    pel_network_free(net);
}

static pel_status describe(pel_run *run, const char *name)
{
    pel_model *m;
    size_t weights = 0;
    pel_status status = open_model(run, name, &m);
    if (status != PEL_OK)
        return status;
    for (size_t i = 0; i < m->tensor_count; i++)
        weights += m->tensors[i].type == PEL_MODEL_FLOAT ? pel_model_tensor_count(&m->tensors[i]) : 0;
    printf("model\t%s\nproducer\t%s, opset %lld\n", m->graph_name, m->producer, (long long)m->opset);
    for (size_t i = 0; i < m->input_count; i++)
        describe_value("input", &m->inputs[i]);
    for (size_t i = 0; i < m->output_count; i++)
        describe_value("output", &m->outputs[i]);
    printf("weights\t%zu\n", weights);
    for (size_t i = 0; i < m->metadata_count; i++)
        printf("%s\t%s\n", m->metadata[i].key, m->metadata[i].value);
    describe_network(run, m);
    pel_model_free(m);
    return PEL_OK;
}

static bool print(pel_run *run, pel_status *status)
{
    const settings *s = pel_run_settings(run);
    if (!s->list && !s->describe)
        return false;
    *status = s->list ? list(run) : describe(run, s->model);
    return true;
}

/* ---- The stream */

static pel_status start(pel_run *run)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    pel_status status = open_model(run, s->model, &st->model);
    return status == PEL_OK ? pel_cnn_new(st->model, &st->cnn, pel_run_error(run)) : status;
}

static void stop(pel_run *run)
{
    state *st = pel_run_state(run);
    for (size_t i = 0; i < st->count; i++)
        pel_bundle_clear(&st->held[i]);
    pel_cnn_free(st->cnn);
    pel_model_free(st->model);
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The measurement stays in the stream, as after a solver. */
static pel_status emit(pel_run *run, const pel_bundle *bundle, pel_frame *restored)
{
    pel_bundle out = {NULL, NULL, 0};
    pel_frame *data = NULL;
    pel_error *error = pel_run_error(run);
    pel_status status = pel_bundle_copy(&out, bundle, error);
    if (status == PEL_OK && pel_bundle_find(&out, "data", NULL) == NULL) {
        status = pel_frame_copy(bundle->image, "data", &data, error);
        if (status == PEL_OK)
            status = pel_bundle_put(&out, data, error);
    }
    if (status == PEL_OK) {
        pel_bundle_set_image(&out, restored);
        status = pel_emit(run, &out);
    }
    pel_frame_unref(data);
    pel_bundle_clear(&out);
    return status;
}

/* Image `at` of those held; the video is continued by its first and last. */
static pel_status restore(pel_run *run, size_t at)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    const pel_bundle *bundle = &st->held[at];
    const pel_frame *frames[MOST_HELD];
    size_t window = pel_cnn_window(st->cnn);
    for (size_t k = 0; k <= 2 * window; k++) {
        size_t i = at + k < window ? 0 : at + k - window;
        frames[k] = st->held[i < st->count ? i : st->count - 1].image;
    }
    pel_cnn_params params = {.precision = (pel_precision)s->precision, .colour = (pel_cnn_colour)s->colour, .sigma = s->sigma, .inpaint = s->inpaint};
    pel_cnn_report report;
    pel_frame *restored;
    pel_status status = pel_cnn_run(pel_run_context(run), st->cnn, bundle, frames, &params, &restored, &report);
    if (status != PEL_OK)
        return status;
    if (report.white_guessed)
        pel_note(run, "the image has no key white: its greatest sample, %.6g, is taken", report.white);
    if (!st->told)
        pel_note(run, "%.1f kMAC/px, %.1f MB", report.macs / 1e3, (double)report.memory / 1e6);
    st->told = true;
    status = emit(run, bundle, restored);
    st->restored += status == PEL_OK;
    pel_frame_unref(restored);
    return status;
}

static pel_status image(pel_run *run, const pel_bundle *bundle)
{
    state *st = pel_run_state(run);
    size_t window = pel_cnn_window(st->cnn);
    if (st->count == 0)
        st->begun_s = now_s();
    if (st->count == 2 * window + 1) {
        pel_bundle_clear(&st->held[0]);
        memmove(st->held, st->held + 1, (st->count - 1) * sizeof *st->held);
        st->count--;
        st->next--;
    }
    st->held[st->count] = (pel_bundle){NULL, NULL, 0};
    pel_status status = pel_bundle_copy(&st->held[st->count], bundle, pel_run_error(run));
    st->count += status == PEL_OK;
    while (status == PEL_OK && st->next + window < st->count)
        status = restore(run, st->next++);
    return status;
}

/* The stream ends: its last images, and another video may follow. */
static pel_status drain(pel_run *run)
{
    state *st = pel_run_state(run);
    pel_status status = PEL_OK;
    while (status == PEL_OK && st->next < st->count)
        status = restore(run, st->next++);
    while (st->count > 0)
        pel_bundle_clear(&st->held[--st->count]);
    if (status == PEL_OK && st->restored > 1)
        pel_note(run, "%zu frames, %.3g frames/s", st->restored, (double)st->restored / (now_s() - st->begun_s));
    st->next = st->restored = 0;
    pel_cnn_reset(st->cnn);
    return status;
}

static const pel_program program = {
    .name = "pel-cnn",
    .summary = "runs a neural network on the stream",
    .details = "Reads a stream, replaces each image by what the model makes of it, and passes the measurement\n"
               "on as data.\nExample: pel-read photo.png | pel-cnn -m denoise.onnx | pel-write clean.png\n",
    .options = options,
    .settings_size = sizeof(settings),
    .state_size = sizeof(state),
    .print = print,
    .start = start,
    .image = image,
    .drain = drain,
    .stop = stop,
};

int main(int argc, char **argv)
{
    return pel_main(&program, argc, argv);
}
