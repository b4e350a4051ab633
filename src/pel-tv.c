/* pel-tv.c - total-variation or hyper-Laplacian deconvolution of the stream's images.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/number.h>
#include <pellucid/stage.h>

typedef struct {
    pel_solver_settings solver;
    double strength;
    long iterations;
    int prior;
} settings;

#define AT(member) offsetof(settings, member)
static const pel_option options[] = {
    PEL_SOLVER_OPTIONS(settings, solver),
    {"prior", 0, PEL_OPT_CHOICE, AT(prior), 0, 0, "tv", NULL, "tv|hyper-laplacian",
     "of the gradients: total variation, or the heavier-tailed |.|^0.8"},
    {"strength", 0, PEL_OPT_REAL_AUTO, AT(strength), 1e-30, 1e30, "auto", "X", NULL,
     "weight of the prior against 1/2 (y - Kx)^2; auto: from sigma and the picture's gradients"},
    {"iterations", 'n', PEL_OPT_INTEGER_AUTO, AT(iterations), 1, 100000, "auto", "N", NULL,
     "iterations; auto: as many as the prior needs to settle"},
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

static pel_status restore(pel_run *run, const pel_bundle *bundle, pel_solver *solver)
{
    const settings *s = pel_run_settings(run);
    double black, white;
    if (pel_frame_scale(solver->data, &black, &white))
        pel_note(run, "the data have no key white: their greatest sample, %.6g, is taken", white);
    const pel_tv_params params = {(pel_tv_prior)s->prior, s->strength, s->iterations, white - black};
    pel_tv_report report;
    pel_frame *estimate;
    pel_status status = pel_frame_like(bundle->image, "image", solver->problem.size, &estimate,
                                       pel_run_error(run));
    if (status != PEL_OK)
        return status;
    status = pel_tv(pel_run_context(run), &solver->problem, &params,
                        pel_frame_floats(estimate), &report);
    if (status != PEL_OK) {
        pel_frame_unref(estimate);
        return status;
    }
    char strength[32];
    pel_number_format(report.strength, strength);
    pel_note(run, "strength %s, sigma %.4g", strength, solver->problem.sigma);
    const char *keys[] = {"strength", strength, NULL};
    return pel_solver_emit(run, bundle, &s->solver, solver, estimate, keys);
}

static pel_status image(pel_run *run, const pel_bundle *bundle)
{
    const settings *s = pel_run_settings(run);
    return pel_solver_image(run, bundle, &s->solver, pel_run_state(run), restore);
}

static const pel_program program = {
    .name = "pel-tv",
    .summary = "deconvolution with a total-variation or hyper-Laplacian prior",
    .details = "Reads a stream, replaces each image by its estimate, and passes the measurement on "
               "as data.\nExample: pel-read blurred.tif | pel-tv -k gauss:2 | pel-write "
               "sharp.tif\n",
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
