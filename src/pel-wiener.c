/* pel-wiener.c - Wiener deconvolution of the stream's images.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/number.h>
#include <pellucid/stage.h>
#include <pellucid/stats.h>

typedef struct {
    pel_solver_settings solver;
    double strength;
    int prior, rule;
    bool around;
} settings;

#define AT(member) offsetof(settings, member)
static const pel_option options[] = {
    PEL_SOLVER_OPTIONS(settings, solver),
    {"strength", 0, PEL_OPT_REAL_AUTO, AT(strength), 1e-30, 1e30, "auto", "X", NULL,
     "weight of the prior against the data, as in |K|^2 + X |L|^2; auto: by --rule"},
    {"prior", 0, PEL_OPT_CHOICE, AT(prior), 0, 0, "auto", NULL, "auto|laplace|tikhonov",
     "laplace: smooth pictures; tikhonov: a constant noise-to-signal ratio, the textbook filter; auto: laplace, but "
     "tikhonov with --around"},
    {"rule", 0, PEL_OPT_CHOICE, AT(rule), 0, 0, "auto", NULL, "auto|likelihood|gcv|discrepancy",
     "how auto chooses the strength; gcv needs no noise level; auto: likelihood, but with --around by the noise and the "
     "usual errors of estimates"},
    {"around", 0, PEL_OPT_FLAG, AT(around), 0, 0, NULL, NULL, NULL,
     "keep near the estimate that comes in: correct it by what the measurement says beyond"},
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

/* The words of --prior and --rule begin with auto. */
static pel_wiener_params choose(const settings *s, const pel_bundle *bundle)
{
    pel_wiener_params p = {.strength = s->strength, .around_start = s->around};
    p.prior = s->prior > 0 ? (pel_wiener_prior)(s->prior - 1) : s->around ? PEL_WIENER_TIKHONOV : PEL_WIENER_LAPLACE;
    p.rule = s->rule > 0 ? (pel_strength_rule)(s->rule - 1) : s->around ? PEL_RULE_ERROR : PEL_RULE_LIKELIHOOD;
    if (s->around) {
        double black, white;
        pel_frame_scale(bundle->image, &black, &white);
        p.range = white - black;
    }
    return p;
}

static pel_status restore(pel_run *run, const pel_bundle *bundle, pel_solver *solver)
{
    const settings *s = pel_run_settings(run);
    const pel_wiener_params params = choose(s, bundle);
    pel_wiener_report report;
    pel_frame *estimate;
    pel_status status = pel_frame_like(bundle->image, "image", solver->problem.size, &estimate,
                                       pel_run_error(run));
    if (status != PEL_OK)
        return status;
    status = pel_wiener(pel_run_context(run), &solver->problem, &params,
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
    .name = "pel-wiener",
    .summary = "Wiener deconvolution",
    .details = "Reads a stream, replaces each image by its estimate, and passes the measurement on "
               "as data.\nExample: pel-read blurred.tif | pel-wiener -k gauss:2 | pel-write "
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
