/* pel-pnp.c - plug-and-play deconvolution of the stream's images, with a CNN denoiser.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <stdio.h>

#include <pellucid/cnn.h>
#include <pellucid/models.h>
#include <pellucid/number.h>
#include <pellucid/uncertainty.h>

typedef struct {
    pel_solver_settings solver;
    const char *model;
    long iterations;
    double lambda, sigma_first, last;
    int start, border, precision, uncertainty;
} settings;

/* A model, once it is needed. */
typedef struct {
    pel_model *model;
    pel_cnn *cnn;
    pel_calibration calibration; /* of pel-pnp's results with it, for --uncertainty */
} denoiser;

typedef struct {
    pel_solver_state solver;
    denoiser grey, colour; /* of -m, or by default, the first */
} state;

#define AT(member) offsetof(settings, member)
static const pel_option options[] = {
    PEL_SOLVER_OPTIONS(settings, solver),
    {"model", 'm', PEL_OPT_TEXT, AT(model), 0, 0, NULL, "NAME|FILE", NULL,
     "the denoiser: an ONNX file that takes image and sigma, or the name of one in the models' folder (default: "
     "denoise-color for three channels, if it is there, else denoise-gray)"},
    {"iterations", 'n', PEL_OPT_INTEGER, AT(iterations), 1, 1000, "8", "N", NULL,
     "data steps, each followed by the denoiser"},
    {"lambda", 0, PEL_OPT_REAL, AT(lambda), 1e-6, 1e6, "0.23", "X", NULL,
     "weight of the denoiser's estimate in the data step"},
    {"sigma-first", 0, PEL_OPT_REAL, AT(sigma_first), 1e-6, 10, "49/255", "X", NULL,
     "noise level of the first denoising, white being 1; it falls from iteration to iteration"},
    {"last", 0, PEL_OPT_REAL, AT(last), 1e-3, 1e3, "1.5", "SIGMAS", NULL,
     "noise level of the last denoising, in units of the noise of the data"},
    {"start", 0, PEL_OPT_CHOICE, AT(start), 0, 0, "auto", NULL, "auto|tv|wiener|none",
     "where to start without an earlier estimate: that of pel-tv or pel-wiener, or the measurement; auto: tv, but none "
     "with --border periodic"},
    {"border", 0, PEL_OPT_CHOICE, AT(border), 0, 0, "unobserved", NULL, "unobserved|periodic",
     "what lies outside the picture; periodic: the picture again, as pel-blur --border periodic has it"},
    {"precision", 0, PEL_OPT_CHOICE, AT(precision), 0, 0, "fp32", NULL, "fp32|bf16",
     "of the model's products: float; or bfloat16 summed in float, faster on processors that have it"},
    PEL_UNCERTAINTY_OPTION(settings, uncertainty),
    {NULL}};

/* In the denoiser's metadata. */
static const char calibration_key[] = "pellucid.uncertainty.pnp";

static pel_status open_denoiser(pel_run *run, const char *name, denoiser *d)
{
    const settings *s = pel_run_settings(run);
    pel_error *error = pel_run_error(run);
    pel_status status = pel_models_open(name, pel_run_memory(run), &d->model, error);
    if (status == PEL_OK)
        status = pel_cnn_new(d->model, &d->cnn, error);
    if (status == PEL_OK)
        status = pel_cnn_check_denoiser(d->cnn, error);
    if (status == PEL_OK && s->uncertainty == PEL_UNCERTAINTY_CALIBRATED)
        status = pel_uncertainty_parse(calibration_key, pel_model_metadata(d->model, calibration_key), &d->calibration,
                                       error);
    if (status == PEL_OK)
        pel_note(run, "denoiser %s", name);
    return status;
}

static void close_denoiser(denoiser *d)
{
    pel_cnn_free(d->cnn);
    pel_model_free(d->model);
}

/* The model for a picture of `channels`. */
static pel_status choose_denoiser(pel_run *run, size_t channels, denoiser **chosen)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    bool colour = s->model == NULL && channels == 3 && pel_models_has("denoise-color");
    *chosen = colour ? &st->colour : &st->grey;
    return (*chosen)->cnn != NULL ? PEL_OK
                                  : open_denoiser(run, colour ? "denoise-color" : "denoise-gray", *chosen);
}

static pel_status start(pel_run *run)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    pel_status status = s->model != NULL ? open_denoiser(run, s->model, &st->grey) : PEL_OK;
    return status == PEL_OK ? pel_solver_start(run, &s->solver, &st->solver) : status;
}

static void stop(pel_run *run)
{
    state *st = pel_run_state(run);
    pel_solver_stop(&st->solver);
    close_denoiser(&st->grey);
    close_denoiser(&st->colour);
}

/* What the loop's calls of the denoiser need. */
typedef struct {
    pel_cnn *cnn;
    pel_cnn_report scale;
    pel_precision precision;
} call;

static pel_status denoise(void *arg, const pel_context *ctx, pel_size size, double sigma, float *picture)
{
    const call *c = arg;
    return pel_cnn_denoise(ctx, c->cnn, size, c->scale.white, c->scale.black, c->precision, sigma, picture);
}

enum { START_AUTO, START_TV, START_WIENER, START_NONE }; /* the words of --start */
#define BORDER_PERIODIC 1

/* On periodic pictures all starts end in the same place; the measurement takes no time. */
static pel_hqs_start choose_start(const settings *s)
{
    if (s->start == START_WIENER)
        return PEL_HQS_FROM_WIENER;
    bool none = s->start == START_NONE || (s->start == START_AUTO && s->border == BORDER_PERIODIC);
    return none ? PEL_HQS_FROM_DATA : PEL_HQS_FROM_TV;
}

/* A problem, and how it is solved: the picture's own and its ensemble's in the same way. */
typedef struct {
    pel_run *run;
    denoiser *d;
    call call;
} way;

static pel_status solve(const way *w, const pel_context *ctx, const pel_problem *problem, float *estimate,
                        pel_hqs_report *report)
{
    const settings *s = pel_run_settings(w->run);
    call c = w->call;
    const double range = c.scale.white - c.scale.black;
    const pel_hqs_params params = {.denoise = denoise, .denoise_arg = &c, .multiple = pel_cnn_multiple(c.cnn),
                                   .iterations = s->iterations, .lambda = s->lambda,
                                   .sigma_first = s->sigma_first * range, .last = s->last,
                                   .periodic = s->border == BORDER_PERIODIC, .start = choose_start(s), .range = range};
    return pel_hqs(ctx, problem, &params, estimate, report);
}

/* ---- How wrong it may be */

static pel_status restore_member(void *arg, const pel_context *ctx, const pel_bundle *member, unsigned orientation,
                                 pel_frame **restored)
{
    const way *w = arg;
    const pel_solver_settings of_bundle = {.sigma = (double)NAN};
    pel_hqs_report report;
    pel_solver solver;
    pel_status status = pel_solver_open(w->run, member, &of_bundle, NULL, &solver);
    (void)orientation; /* the PSF lies as the image does */
    if (status != PEL_OK)
        return status;
    status = pel_frame_like(member->image, "image", solver.problem.size, restored, ctx->error);
    if (status == PEL_OK)
        status = solve(w, ctx, &solver.problem, pel_frame_floats(*restored), &report);
    pel_solver_close(&solver);
    return status;
}

static pel_status find_uncertainty(way *w, const pel_bundle *bundle, pel_solver *solver, const pel_frame *estimate)
{
    const settings *s = pel_run_settings(w->run);
    pel_error *error = pel_run_error(w->run);
    pel_bundle whole = {NULL, NULL, 0};
    pel_status status = pel_bundle_copy(&whole, bundle, error);
    if (status == PEL_OK)
        status = pel_bundle_put(&whole, solver->psf, error); /* of -k, which the stream does not know */
    const bool raw = s->uncertainty == PEL_UNCERTAINTY_RAW;
    const pel_uncertainty_case of = {
        .bundle = &whole, .result = estimate, .measured = solver, .sigma = s->solver.sigma, .surroundings = 1,
        .calibration = raw ? NULL : &w->d->calibration, .restore = restore_member, .arg = w};
    if (status == PEL_OK)
        status = pel_uncertainty_find(w->run, &of, &solver->uncertainty, NULL);
    pel_bundle_clear(&whole);
    return status;
}

/* ---- The stream */

static pel_status find_way(pel_run *run, const pel_solver *solver, way *w)
{
    const settings *s = pel_run_settings(run);
    *w = (way){.run = run, .call = {.precision = (pel_precision)s->precision}};
    pel_status status = choose_denoiser(run, solver->problem.size.c, &w->d);
    if (status != PEL_OK)
        return status;
    w->call.cnn = w->d->cnn;
    pel_cnn_find_scale(solver->data, &w->call.scale);
    if (w->call.scale.white_guessed)
        pel_note(run, "the data have no key white: their greatest sample, %.6g, is taken", w->call.scale.white);
    return PEL_OK;
}

static pel_status estimate_of(pel_run *run, const pel_bundle *bundle, pel_solver *solver, pel_frame *estimate)
{
    const settings *s = pel_run_settings(run);
    const bool unsure = s->uncertainty != PEL_UNCERTAINTY_NONE;
    const pel_context *ctx = pel_run_context(run);
    pel_uncertainty_part part;
    pel_hqs_report report;
    way w;
    pel_uncertainty_part_open(ctx, 0, &part);
    pel_status status = find_way(run, solver, &w);
    if (status == PEL_OK)
        status = solve(&w, unsure ? &part.ctx : ctx, &solver->problem, pel_frame_floats(estimate), &report);
    if (status == PEL_OK)
        pel_note(run, "%ld iterations, sigma %.4g, denoised from %.4g to %.4g", s->iterations, solver->problem.sigma,
                 report.sigma_first, report.sigma_last);
    if (status == PEL_OK && unsure)
        status = find_uncertainty(&w, bundle, solver, estimate);
    return status;
}

static pel_status restore(pel_run *run, const pel_bundle *bundle, pel_solver *solver)
{
    const settings *s = pel_run_settings(run);
    pel_frame *estimate;
    pel_status status = pel_frame_like(bundle->image, "image", solver->problem.size, &estimate, pel_run_error(run));
    if (status != PEL_OK)
        return status;
    status = estimate_of(run, bundle, solver, estimate);
    if (status != PEL_OK) {
        pel_frame_unref(estimate);
        return status;
    }
    char strength[32], iterations[32];
    pel_number_format(s->lambda, strength);
    snprintf(iterations, sizeof iterations, "%ld", s->iterations);
    const char *keys[] = {"strength", strength, "iterations", iterations, NULL};
    return pel_solver_emit(run, bundle, &s->solver, solver, estimate, keys);
}

static pel_status image(pel_run *run, const pel_bundle *bundle)
{
    const settings *s = pel_run_settings(run);
    const state *st = pel_run_state(run);
    return pel_solver_image(run, bundle, &s->solver, &st->solver, restore);
}

static const pel_program program = {
    .name = "pel-pnp",
    .summary = "plug-and-play deconvolution with a neural network that removes noise",
    .details = "Reads a stream, replaces each image by its estimate, and passes the measurement on as data.\n"
               "Example: pel-read blurred.tif | pel-pnp -k gauss:2 | pel-write sharp.tif\n",
    .options = options,
    .settings_size = sizeof(settings),
    .state_size = sizeof(state),
    .start = start,
    .image = image,
    .stop = stop,
};

int main(int argc, char **argv)
{
    return pel_main(&program, argc, argv);
}
