/* pel-blind.c - the PSF of each image, from the image alone.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <pellucid/blind.h>
#include <pellucid/driver.h>
#include <pellucid/number.h>
#include <pellucid/parametric.h>
#include <pellucid/sources.h>
#include <pellucid/stage.h>

enum { FREE, STARS, BEADS, GAUSS, DISC, MOTION, MOFFAT }; /* --model */
enum { NO_FIT, FIT_GAUSS, FIT_MOFFAT };                   /* --fit */

typedef struct {
    long size, iterations, window;
    int method, model, fit;
    double saturation, min_confidence;
    bool track;
} settings;

typedef struct {
    float *last; /* the last image's kernel, for --track */
    size_t last_side;
} state;

#define LOW_CONFIDENCE 0.7 /* below it a warning is given */

#define AT(member) offsetof(settings, member)
static const pel_option options[] = {
    {"size", 0, PEL_OPT_INTEGER_AUTO, AT(size), 3, 999, "auto", "N", NULL,
     "side of the PSF in samples (an even one becomes the next odd one); auto: from the picture"},
    {"model", 0, PEL_OPT_CHOICE, AT(model), 0, 0, "free", NULL,
     "free|stars|beads|gauss|disc|motion|moffat",
     "any PSF; the common one of point sources; or one of few numbers, by the spectrum"},
    {"method", 0, PEL_OPT_CHOICE, AT(method), 0, 0, "pmp", NULL,
     "l0|pmp|dark|edge|sparse|rl", "free: what tells a sharp picture from a blurred one (see the manual)"},
    {"iterations", 'n', PEL_OPT_INTEGER_AUTO, AT(iterations), 1, 1000, "auto", "N", NULL,
     "free: iterations a scale; auto: 6"},
    {"window", 0, PEL_OPT_INTEGER, AT(window), 0, 100000, "0", "N", NULL,
     "free: estimate from the N x N samples with the most detail; 0: 512, or 10 times --size if larger"},
    {"track", 0, PEL_OPT_FLAG, AT(track), 0, 0, NULL, NULL, NULL,
     "free: start from the last image's PSF: for video, where the blur changes slowly"},
    {"fit", 0, PEL_OPT_CHOICE, AT(fit), 0, 0, "none", NULL, "none|gauss|moffat",
     "stars: fit this profile to the PSF, and put it in its place"},
    {"saturation", 0, PEL_OPT_REAL_AUTO, AT(saturation), -1e30, 1e30, "auto", "X", NULL,
     "samples of X and more are saturated; auto: those at the key white"},
    {"min-confidence", 0, PEL_OPT_REAL, AT(min_confidence), 0, 1, "0", "X", NULL,
     "fail when the confidence of a PSF is lower"},
    {NULL}};

/* What an estimate came to. */
typedef struct {
    pel_psf psf;
    double confidence;
    double sigma;        /* that goes with it; NaN: none */
    char model[120];     /* the key `model`, or empty */
    const char *doubt;   /* what a low confidence may come from */
} estimate;

/* ---- Any kernel */

/* What the kernel leaves unexplained acts as noise does: solvers need to know.  The latent picture of the
 * estimate takes up part of it; with this factor pel-tv is, on 32 pictures, within 0.3 dB of what the
 * best of all factors gives.  Of much noise it takes up nearly all, and the kernel is the worse for it: by the other
 * factor pel-wiener, pel-rl, pel-tv and pel-pnp gained 0.6 to 2.1 dB on 12 pictures with noise of 1 % of white, 2.3 to 5.2 at
 * 2 %; they lost 0.0 to 0.3 at 0.4 %, and with less noise the first one decides. */
#define SIGMAS 2
#define NOISES 1.5

/* Of the measurement: the stream's, or else estimated. */
static pel_status find_noise(pel_run *run, const pel_bundle *bundle, double *noise)
{
    pel_solver measured;
    pel_status status = pel_measurement_open(run, bundle, (double)NAN, &measured);
    if (status != PEL_OK)
        return status;
    *noise = measured.problem.sigma;
    pel_solver_close(&measured);
    return PEL_OK;
}

static pel_status estimate_free(pel_run *run, const pel_bundle *bundle, pel_grey *grey, estimate *e)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    pel_blind_params params = {.method = (pel_blind_method)s->method,
                               .side = s->size > 0 ? (size_t)s->size | 1 : 0,
                               .iterations = s->iterations,
                               .start = s->track ? st->last : NULL,
                               .start_side = st->last_side};
    pel_blind_report report;
    size_t side = s->window > 0 ? (size_t)s->window : s->size > 51 ? 10 * (size_t)s->size : 512;
    if (grey->size.d != 1)
        return pel_error_set(pel_run_error(run), PEL_EINVAL, "a volume of %zux%zux%zu: only --model beads "
                             "is for volumes", grey->size.w, grey->size.h, grey->size.d);
    pel_status status = pel_grey_cut(run, side, grey);
    if (status != PEL_OK)
        return status;
    double scale = pel_grey_scale(bundle, grey);
    status = pel_blind(pel_run_context(run), grey->samples, grey->mask, grey->size, &params,
                       &e->psf.samples, &report);
    if (status != PEL_OK)
        return status;
    e->psf.size = pel_size_make(report.side, report.side, 1, 1);
    e->confidence = report.confidence;
    double noise = 0;
    if (report.side > 1)
        status = find_noise(run, bundle, &noise);
    if (status != PEL_OK)
        return status;
    e->sigma = fmax(SIGMAS * scale * report.residual, NOISES * noise);
    e->doubt = "is there too little detail, or is the blur not the same everywhere?";
    if (s->track) {
        pel_free(st->last);
        st->last = pel_alloc_floats(report.side * report.side);
        if (st->last == NULL)
            return pel_error_set(pel_run_error(run), PEL_ENOMEM, "out of memory");
        memcpy(st->last, e->psf.samples, report.side * report.side * sizeof *st->last);
        st->last_side = report.side;
    }
    return PEL_OK;
}

/* ---- Stars and beads */

static pel_status fit_profile(pel_run *run, estimate *e)
{
    const settings *s = pel_run_settings(run);
    pel_fit_report fit;
    pel_status status = pel_psf_fit(pel_run_context(run),
                                    s->fit == FIT_GAUSS ? PEL_FIT_GAUSS : PEL_FIT_MOFFAT, &e->psf, &fit);
    if (status != PEL_OK)
        return status;
    int n = snprintf(e->model, sizeof e->model, "%s fwhm %.3f x %.3f angle %.1f",
                     s->fit == FIT_GAUSS ? "gauss" : "moffat", fit.fwhm[0], fit.fwhm[1], fit.angle);
    if (s->fit == FIT_MOFFAT)
        snprintf(e->model + n, sizeof e->model - (size_t)n, " beta %.2f", fit.beta);
    pel_note(run, "fitted %s, which leaves %.1f %%", e->model, 100 * fit.residual);
    return PEL_OK;
}

static pel_status estimate_sources(pel_run *run, const pel_grey *grey, estimate *e)
{
    const settings *s = pel_run_settings(run);
    pel_sources_report r;
    bool beads = s->model == BEADS;
    pel_status status =
        pel_psf_from_sources(pel_run_context(run), grey->samples, grey->mask, grey->size,
                             s->size > 0 ? (size_t)s->size | 1 : 0, &e->psf, &r);
    if (status != PEL_OK)
        return status;
    pel_note(run, "%zu %s found: %zu at the edge, %zu saturated or bad, %zu blended, %zu unlike the others, "
             "%zu used", r.found, beads ? "beads" : "stars", r.edge, r.saturated, r.blended, r.unlike, r.used);
    e->confidence = r.agreement;
    e->doubt = beads ? "the beads differ, or are too few or too faint"
                     : "the stars differ, or are too few or too faint";
    if (r.used == 0) {
        e->doubt = beads ? "there is no usable bead" : "there is no usable star";
        return pel_psf_make("delta", &e->psf, pel_run_error(run));
    }
    if (grey->size.d > 1)
        pel_note(run, "agreement %.4f, FWHM about %.2f, %.2f, %.2f samples", r.agreement, r.fwhm[0], r.fwhm[1],
                 r.fwhm[2]);
    else
        pel_note(run, "agreement %.4f, FWHM about %.2f, %.2f samples", r.agreement, r.fwhm[0], r.fwhm[1]);
    return s->fit != NO_FIT ? fit_profile(run, e) : PEL_OK;
}

/* ---- One or two numbers */

static pel_status estimate_model(pel_run *run, const pel_bundle *bundle, pel_grey *grey, estimate *e)
{
    const settings *s = pel_run_settings(run);
    pel_parametric_report report;
    pel_grey_scale(bundle, grey);
    pel_status status =
        pel_parametric_psf(pel_run_context(run), grey->samples, grey->mask, grey->size,
                           (pel_parametric_model)(s->model - GAUSS), &e->psf, &report);
    e->confidence = report.confidence;
    e->doubt = "is there too little detail, or is the blur of another kind?";
    snprintf(e->model, sizeof e->model, "%s", report.spec);
    return status;
}

/* ---- What goes into the stream */

static pel_status put_psf(pel_run *run, const estimate *e, pel_bundle *out)
{
    pel_frame *frame;
    pel_error *error = pel_run_error(run);
    pel_status status = pel_frame_new("psf", PEL_F32, e->psf.size, &frame, error);
    if (status != PEL_OK)
        return status;
    memcpy(pel_frame_floats(frame), e->psf.samples, frame->bytes);
    char text[16];
    snprintf(text, sizeof text, "%.3f", e->confidence);
    status = pel_frame_set(frame, "confidence", text, error);
    if (status == PEL_OK && e->model[0] != '\0')
        status = pel_frame_set(frame, "model", e->model, error);
    if (status == PEL_OK)
        status = pel_bundle_put(out, frame, error);
    pel_frame_unref(frame);
    return status;
}

/* A larger sigma that the stream already has stays; a map of a smaller one keeps its proportions. */
static pel_status put_sigma(pel_run *run, double sigma, pel_bundle *out)
{
    const pel_frame *old = pel_bundle_find(out, "sigma", NULL);
    const size_t count = old != NULL ? pel_size_count(old->size) : 1;
    double square = 0;
    for (size_t i = 0; old != NULL && i < count; i++)
        square += (double)pel_frame_floats(old)[i] * (double)pel_frame_floats(old)[i];
    const double rms = sqrt(square / (double)count);
    if (old != NULL && rms >= sigma)
        return PEL_OK;
    pel_frame *frame;
    pel_status status = old != NULL && rms > 0
                            ? pel_frame_like(old, "sigma", old->size, &frame, pel_run_error(run))
                            : pel_frame_new("sigma", PEL_F32, pel_size_make(1, 1, 1, 1), &frame, pel_run_error(run));
    if (status != PEL_OK)
        return status;
    for (size_t i = 0; i < pel_size_count(frame->size); i++)
        pel_frame_floats(frame)[i] =
            rms > 0 ? (float)((double)pel_frame_floats(old)[i] * sigma / rms) : (float)sigma;
    status = pel_bundle_put(out, frame, pel_run_error(run));
    pel_frame_unref(frame);
    return status;
}

static pel_status emit(pel_run *run, const pel_bundle *bundle, const estimate *e)
{
    const settings *s = pel_run_settings(run);
    if (e->confidence < s->min_confidence)
        return pel_error_set(pel_run_error(run), PEL_ENUMERIC,
                             "the PSF has a confidence of %.3f, below --min-confidence %g",
                             e->confidence, s->min_confidence);
    if (e->confidence < LOW_CONFIDENCE)
        pel_warn(run, "the PSF has a confidence of only %.3f: %s", e->confidence, e->doubt);
    pel_note(run, "PSF of %zux%zux%zu, confidence %.3f%s%s", e->psf.size.w, e->psf.size.h, e->psf.size.d,
             e->confidence, e->model[0] != '\0' ? ", " : "", e->model);
    pel_bundle out;
    pel_status status = pel_bundle_copy(&out, bundle, pel_run_error(run));
    if (status == PEL_OK)
        status = put_psf(run, e, &out);
    if (status == PEL_OK && !isnan(e->sigma))
        status = put_sigma(run, e->sigma, &out);
    if (status == PEL_OK)
        status = pel_emit(run, &out);
    pel_bundle_clear(&out);
    return status;
}

static pel_status image(pel_run *run, const pel_bundle *bundle)
{
    const settings *s = pel_run_settings(run);
    pel_grey grey;
    estimate e = {.sigma = NAN};
    pel_status status = pel_grey_open(run, bundle, s->saturation, &grey);
    if (status == PEL_OK)
        status = s->model == FREE                          ? estimate_free(run, bundle, &grey, &e)
                 : s->model == STARS || s->model == BEADS ? estimate_sources(run, &grey, &e)
                                                           : estimate_model(run, bundle, &grey, &e);
    pel_grey_free(&grey);
    if (status == PEL_OK)
        status = emit(run, bundle, &e);
    pel_psf_clear(&e.psf);
    return status;
}

/* Options that would do nothing are errors. */
static pel_status start(pel_run *run)
{
    const settings *s = pel_run_settings(run);
    bool sources = s->model == STARS || s->model == BEADS;
    const char *idle = NULL;
    if (s->model != FREE)
        idle = s->iterations > 0 ? "--iterations" : s->window > 0 ? "--window" : s->track ? "--track"
               : s->method != PEL_BLIND_PMP ? "--method" : NULL;
    if (s->fit != NO_FIT && s->model != STARS)
        idle = "--fit";
    if (s->size > 0 && s->model != FREE && !sources)
        idle = "--size";
    return idle == NULL ? PEL_OK : pel_error_set(pel_run_error(run), PEL_EUSAGE,
                                                 "%s has no meaning with this --model", idle);
}

static void stop(pel_run *run)
{
    pel_free(((state *)pel_run_state(run))->last);
}

static const pel_program program = {
    .name = "pel-blind",
    .summary = "estimate the PSF from the picture alone",
    .details = "Puts the PSF, and a sigma that includes what the PSF leaves unexplained, into the\n"
               "stream in front of each image, for the solver that follows.\n"
               "Example: pel-read shake.jpg | pel-blind | pel-tv | pel-write sharp.png\n",
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
