/* pel-rl.c - Richardson-Lucy deconvolution of the stream's images.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <pellucid/number.h>
#include <pellucid/stage.h>
#include <pellucid/stats.h>

typedef struct {
    pel_solver_settings solver;
    long iterations, max_iterations, every;
    bool accelerate;
    double tv, damping;
    const char *background;
} settings;

#define AT(member) offsetof(settings, member)
static const pel_option options[] = {
    PEL_SOLVER_OPTIONS(settings, solver),
    {"iterations", 'n', PEL_OPT_INTEGER_AUTO, AT(iterations), 1, 100000, "auto", "N", NULL,
     "iterations; auto: until the residual is what the noise explains (or, with --tv, falls no longer)"},
    {"max-iterations", 0, PEL_OPT_INTEGER, AT(max_iterations), 1, 100000, "500", "N", NULL,
     "most iterations of -n auto"},
    {"accelerate", 0, PEL_OPT_FLAG, AT(accelerate), 0, 0, NULL, NULL, NULL,
     "Biggs-Andrews acceleration: the same estimate after a third of the iterations or less"},
    {"tv", 0, PEL_OPT_REAL, AT(tv), 0, 1, "0", "WEIGHT", NULL,
     "weight of the total variation, 0.002 to 0.02 for noisy pictures; 0: none"},
    {"damping", 0, PEL_OPT_REAL, AT(damping), 0, 100, "0", "SIGMAS", NULL,
     "differences below so many sigmas are damped; 0: none"},
    {"background", 0, PEL_OPT_TEXT, AT(background), 0, 0, NULL, "X|auto", NULL,
     "sky in sample units, part of the data but not of the estimate's object; auto: the median of "
     "the picture (default: the key background of the image, else 0)"},
    {"every", 0, PEL_OPT_INTEGER, AT(every), 0, 100000, "0", "N", NULL,
     "also write the estimate after each N iterations, as images of their own; 0: never"},
    {NULL}};

static pel_status start(pel_run *run)
{
    const settings *s = pel_run_settings(run);
    return pel_solver_start(run, &s->solver, pel_run_state(run));
}

static void stop(pel_run *run)
{
    pel_solver_stop(pel_run_state(run));
}

static pel_status find_background(pel_run *run, const pel_bundle *bundle, pel_problem *problem)
{
    const settings *s = pel_run_settings(run);
    problem->background = pel_frame_real(bundle->image, "background", 0);
    if (s->background == NULL)
        return PEL_OK;
    if (strcmp(s->background, "auto") == 0) {
        pel_status status =
            pel_stats_quantile(pel_run_context(run), problem->data, pel_size_count(problem->size),
                               0.5, &problem->background);
        pel_note(run, "background %.6g", problem->background);
        return status;
    }
    if (!pel_number_real(s->background, &problem->background))
        return pel_error_set(pel_run_error(run), PEL_EUSAGE,
                             "--background '%s': a number, or auto, is needed", s->background);
    return PEL_OK;
}

/* What --every needs to emit an estimate on the way. */
typedef struct {
    pel_run *run;
    const pel_bundle *bundle;
    const pel_solver *solver;
} way;

static pel_status emit_estimate(const way *w, const float *samples, double background,
                                long iteration, double residual)
{
    const settings *s = pel_run_settings(w->run);
    char count[32], rest[32];
    snprintf(count, sizeof count, "%ld", iteration);
    const char *keys[] = {"iterations", count, NULL, NULL, NULL};
    if (isfinite(residual)) {
        pel_number_format(residual, rest);
        keys[2] = "residual";
        keys[3] = rest;
    }
    pel_frame *estimate;
    pel_status status = pel_frame_like(w->bundle->image, "image", w->solver->problem.size, &estimate,
                                       pel_run_error(w->run));
    if (status != PEL_OK)
        return status;
    /* The sky goes back under the estimate: the picture keeps its level. */
    float *to = pel_frame_floats(estimate);
    for (size_t i = 0; i < pel_size_count(estimate->size); i++)
        to[i] = samples[i] + (float)background;
    return pel_solver_emit(w->run, w->bundle, &s->solver, w->solver, estimate, keys);
}

static pel_status emit_intermediate(void *arg, long iteration, const float *samples)
{
    const way *w = arg;
    return emit_estimate(w, samples, w->solver->problem.background, iteration, (double)NAN);
}

static pel_status restore(pel_run *run, const pel_bundle *bundle, pel_solver *solver)
{
    const settings *s = pel_run_settings(run);
    way w = {run, bundle, solver};
    pel_rl_params params = {s->iterations, s->max_iterations, s->accelerate, s->tv, s->damping,
                            s->every,      emit_intermediate, &w};
    pel_rl_report report;
    pel_status status = find_background(run, bundle, &solver->problem);
    if (status != PEL_OK)
        return status;
    float *estimate = pel_alloc_floats(pel_size_count(solver->problem.size));
    if (estimate == NULL)
        return pel_error_set(pel_run_error(run), PEL_ENOMEM, "out of memory");
    status = pel_rl(pel_run_context(run), &solver->problem, &params, estimate, &report);
    if (status == PEL_OK) {
        pel_note(run, "%ld iterations, residual %.3f sigma, flux %.7g of %.7g", report.iterations,
                 report.residual, report.flux_estimate, report.flux_data);
        if (s->iterations < 0 && report.iterations == s->max_iterations)
            pel_warn(run, "stopped by --max-iterations %ld: is sigma too small, or the PSF wrong?",
                     s->max_iterations);
        status = emit_estimate(&w, estimate, solver->problem.background, report.iterations,
                               report.residual);
    }
    pel_free(estimate);
    return status;
}

static pel_status image(pel_run *run, const pel_bundle *bundle)
{
    const settings *s = pel_run_settings(run);
    return pel_solver_image(run, bundle, &s->solver, pel_run_state(run), restore);
}

static const pel_program program = {
    .name = "pel-rl",
    .summary = "Richardson-Lucy deconvolution",
    .details = "Reads a stream, replaces each image by its estimate, and passes the measurement on "
               "as data.\nExample: pel-read stars.fits | pel-rl -k moffat:3.2,2.5 | pel-write "
               "sharp.fits\n",
    .options = options,
    .settings_size = sizeof(settings),
    .state_size = sizeof(pel_solver_state),
    .start = start,
    .image = image,
    .stop = stop,
};

int main(int argc, char **argv)
{
    return pel_main(&program, argc, argv);
}
