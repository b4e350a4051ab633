/* pel-cnn.c - runs a model (an ONNX file) on the stream's images.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <pellucid/cnn.h>
#include <pellucid/consistency.h>
#include <pellucid/models.h>

#include "cnn-uncertainty.h"

typedef struct {
    const char *model;
    double sigma, keep;
    int colour, precision, uncertainty;
    bool inpaint, list, describe;
} settings;

#define MOST_HELD 33

/* Images wait until those after them in the model's window have come. */
typedef struct {
    pel_model *model;
    pel_cnn *cnn;
    pel_calibration calibration;
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
     "noise standard deviation in sample units, for models that take it, --keep-consistent and --uncertainty; auto: the stream's"},
    {"colour", 0, PEL_OPT_CHOICE, AT(colour), 0, 0, "channel", NULL, "channel|luma",
     "grey models on colour: each channel by itself; or the luma, and its change added to all"},
    {"precision", 0, PEL_OPT_CHOICE, AT(precision), 0, 0, "fp32", NULL, "fp32|bf16",
     "of products: float; or bfloat16 summed in float, faster on processors that have it"},
    {"inpaint", 0, PEL_OPT_FLAG, AT(inpaint), 0, 0, NULL, NULL, NULL,
     "keep the model's samples in place of bad ones instead of NaN"},
    {"keep-consistent", 0, PEL_OPT_REAL, AT(keep), 0.01, 1000, NULL, "[=LIMIT]", "4",
     "blend back to the image that came in where the result, blurred again, departs from the measurement by more than "
     "the noise: in a window by LIMIT standard deviations (4)"},
    PEL_UNCERTAINTY_OPTION(settings, uncertainty),
    {"list", 0, PEL_OPT_FLAG, AT(list), 0, 0, NULL, NULL, NULL, "print the models of the folder, and exit"},
    {"describe", 0, PEL_OPT_FLAG, AT(describe), 0, 0, NULL, NULL, NULL,
     "print what -m is: its card, inputs, layers and cost, and exit"},
    {NULL}};

/* ---- Looking at models */

static pel_status describe(pel_run *run, const char *name, char **text)
{
    const pel_context ctx = {.error = pel_run_error(run), .memory = pel_run_memory(run)};
    pel_model *m;
    pel_status status = pel_models_open(name, ctx.memory, &m, ctx.error);
    if (status != PEL_OK)
        return status;
    status = pel_models_describe(&ctx, m, text);
    pel_model_free(m);
    return status;
}

static bool print(pel_run *run, pel_status *status)
{
    const settings *s = pel_run_settings(run);
    if (!s->list && !s->describe)
        return false;
    char *text = NULL;
    *status = s->list ? pel_models_list(&text, pel_run_error(run)) : describe(run, s->model, &text);
    if (*status == PEL_OK)
        fputs(text, stdout);
    if (*status == PEL_OK && text[0] == '\0')
        pel_warn(run, "no model in %s: PELLUCID_MODELS names another folder", pel_models_folder());
    pel_free(text);
    return true;
}

/* ---- The stream */

static pel_status start(pel_run *run)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    if (s->keep > 0 && s->uncertainty != PEL_UNCERTAINTY_NONE)
        return pel_error_set(pel_run_error(run), PEL_EUSAGE,
                             "--uncertainty and --keep-consistent exclude each other: the first tells of the model's own "
                             "result, which the second changes");
    pel_status status = pel_models_open(s->model, pel_run_memory(run), &st->model, pel_run_error(run));
    if (status == PEL_OK)
        status = pel_cnn_new(st->model, &st->cnn, pel_run_error(run));
    if (status == PEL_OK && s->uncertainty != PEL_UNCERTAINTY_NONE)
        status = cnn_uncertainty_start(run, st->model, st->cnn, (pel_uncertainty_kind)s->uncertainty, &st->calibration);
    if (status == PEL_OK && s->uncertainty == PEL_UNCERTAINTY_CALIBRATED && s->colour == PEL_CNN_LUMA)
        pel_warn(run, "--colour luma leaves the noise of colours in: the model's uncertainty curve is too low unless it was "
                      "fitted that way");
    return status;
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
static pel_status emit(pel_run *run, const pel_bundle *bundle, pel_frame *restored, pel_frame *uncertainty,
                       pel_frame *sigma)
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
    if (status == PEL_OK && uncertainty == NULL) /* one of the image before is none of this */
        pel_bundle_remove(&out, "uncertainty", NULL);
    else if (status == PEL_OK)
        status = pel_bundle_put(&out, uncertainty, error);
    if (status == PEL_OK && sigma != NULL)
        status = pel_bundle_put(&out, sigma, error);
    if (status == PEL_OK) {
        pel_bundle_set_image(&out, restored);
        status = pel_emit(run, &out);
    }
    pel_frame_unref(data);
    pel_bundle_clear(&out);
    return status;
}

/* What the net made is taken back where the measurement speaks against it. */
static pel_status keep_consistent(pel_run *run, const pel_bundle *bundle, pel_frame *restored)
{
    const settings *s = pel_run_settings(run);
    const pel_keep_params params = {PEL_CONSISTENCY_WINDOW, s->keep};
    pel_solver measured;
    pel_keep_report report;
    pel_status status = pel_measurement_open(run, bundle, s->sigma, &measured);
    if (status != PEL_OK)
        return status;
    if (measured.problem.psf == NULL)
        pel_note(run, "no PSF in the stream: what is kept was compared without blur");
    status = pel_consistency_keep(pel_run_context(run), &measured.problem, pel_frame_floats(bundle->image), &params,
                                  pel_frame_floats(restored), &report);
    pel_solver_close(&measured);
    if (status != PEL_OK)
        return status;
    pel_note(run, "kept %.4g of the model's result, in %ld rounds", report.kept, report.rounds);
    if (report.left > 0)
        pel_warn(run, "%zu samples' windows still depart from the measurement", report.left);
    return pel_frame_set_real(restored, "kept", report.kept, pel_run_error(run));
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
    pel_frame *restored, *uncertainty = NULL, *sigma = NULL;
    const pel_context *ctx = pel_run_context(run);
    pel_uncertainty_part part;
    pel_uncertainty_part_open(ctx, 0, &part);
    if (s->uncertainty != PEL_UNCERTAINTY_NONE)
        ctx = &part.ctx;
    pel_status status = pel_cnn_run(ctx, st->cnn, bundle, frames, &params, &restored, &report);
    if (status != PEL_OK)
        return status;
    if (report.white_guessed)
        pel_note(run, "the image has no key white: its greatest sample, %.6g, is taken", report.white);
    if (!st->told)
        pel_note(run, "%.1f kMAC/px, %.1f MB", report.macs / 1e3, (double)report.memory / 1e6);
    st->told = true;
    if (s->keep > 0)
        status = keep_consistent(run, bundle, restored);
    const cnn_uncertainty_case of = {st->cnn, bundle, frames, params, restored};
    const pel_calibration *calibration = s->uncertainty == PEL_UNCERTAINTY_RAW ? NULL : &st->calibration;
    if (status == PEL_OK && s->uncertainty != PEL_UNCERTAINTY_NONE)
        status = cnn_uncertainty_find(run, &of, calibration, &uncertainty, &sigma);
    if (status == PEL_OK)
        status = emit(run, bundle, restored, uncertainty, sigma);
    st->restored += status == PEL_OK;
    pel_frame_unref(uncertainty);
    pel_frame_unref(sigma);
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
