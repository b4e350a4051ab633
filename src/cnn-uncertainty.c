/* cnn-uncertainty.c - pel-cnn --uncertainty: members of an ensemble through the model, and what they say.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/ensemble.h>
#include <pellucid/geometry.h>

#include "cnn-uncertainty.h"

#define MOST_FRAMES 33
static const pel_ensemble_params usual = {.part = 0.3};

pel_status uncertainty_start(pel_run *run, const pel_model *model, const pel_cnn *cnn, uncertainty_kind kind,
                             pel_calibration *calibration)
{
    const char *text = pel_model_metadata(model, "pellucid.uncertainty");
    pel_error *error = pel_run_error(run);
    if (pel_cnn_has_state(cnn))
        return pel_error_set(error, PEL_EINVAL, "--uncertainty: a model with a state cannot be run on a frame several times");
    if (kind != UNCERTAINTY_CALIBRATED)
        return PEL_OK;
    if (text == NULL)
        return pel_error_set(error, PEL_EINVAL, "the model was not calibrated (it has no metadata pellucid.uncertainty): "
                             "pel-cnn --uncertainty=raw on pictures with truth, then pel-score --fit; see pel-cnn(1)");
    if (pel_calibration_parse(text, calibration, error) != PEL_OK)
        return pel_error_prefix(error, "the model's metadata pellucid.uncertainty");
    return PEL_OK;
}

/* The stream's sigma, or else a frame of the one that -s gives or the measurement tells. */
static pel_status make_sigma(pel_run *run, const pel_bundle *bundle, double given, const pel_solver *measured,
                             pel_frame **sigma)
{
    pel_frame *known = pel_bundle_find(bundle, "sigma", NULL);
    if (known != NULL && isnan(given)) {
        *sigma = pel_frame_ref(known);
        return PEL_OK;
    }
    pel_status status = pel_frame_new("sigma", PEL_F32, pel_size_make(1, 1, 1, 1), sigma, pel_run_error(run));
    if (status == PEL_OK)
        pel_frame_floats(*sigma)[0] = (float)measured->problem.sigma;
    if (status == PEL_OK && measured->sigma_estimated)
        status = pel_frame_set(*sigma, "estimated", "1", pel_run_error(run));
    return status;
}

/* A member through the model.  Frames beside the image are turned as it is. */
static pel_status run_member(pel_run *run, const uncertainty_case *of, pel_ensemble *ensemble, size_t member)
{
    size_t window = pel_cnn_window(of->cnn);
    pel_frame *turned[MOST_FRAMES] = {NULL}, *restored = NULL;
    pel_bundle lying = {NULL, NULL, 0};
    pel_cnn_report report;
    pel_cnn_params params = of->params;
    params.sigma = (double)NAN; /* the member's own */
    pel_status status = pel_ensemble_member(ensemble, member, &lying);
    for (size_t k = 0; k <= 2 * window && status == PEL_OK; k++)
        if (k == window)
            turned[k] = pel_frame_ref(lying.image);
        else
            status = pel_geometry_turn(of->frames[k], pel_ensemble_orientation(member), &turned[k], pel_run_error(run));
    if (status == PEL_OK)
        status = pel_cnn_run(pel_run_context(run), of->cnn, &lying, (const pel_frame *const *)turned, &params, &restored,
                             &report);
    if (status == PEL_OK)
        status = pel_ensemble_take(ensemble, member, restored);
    for (size_t k = 0; k <= 2 * window; k++)
        pel_frame_unref(turned[k]);
    pel_frame_unref(restored);
    pel_bundle_clear(&lying);
    return status;
}

/* Calibrates; and where nothing was measured, nothing is known. */
static void settle(const pel_problem *p, const pel_frame *sigma, const pel_calibration *calibration, float *u)
{
    size_t count = pel_size_count(p->size), plane = pel_size_plane(p->size), given = pel_size_count(sigma->size);
    const float *s = pel_frame_floats(sigma);
    for (size_t i = 0; i < count; i++) {
        double local = (double)s[given == 1 ? 0 : given == plane ? i % plane : i];
        if (calibration != NULL)
            u[i] = (float)pel_calibration_apply(calibration, (double)u[i], local);
        if (p->mask != NULL && !(p->mask[p->mask_channels > 1 ? i : i % plane] > 0))
            u[i] = NAN;
    }
}

pel_status uncertainty_find(pel_run *run, const uncertainty_case *of, const pel_calibration *calibration,
                            pel_frame **uncertainty, pel_frame **sigma)
{
    pel_ensemble ensemble = {.ctx = NULL};
    pel_ensemble_params params = usual;
    pel_solver measured;
    *uncertainty = *sigma = NULL;
    pel_status status = pel_measurement_open(run, of->bundle, of->params.sigma, &measured);
    if (status != PEL_OK)
        return status;
    params.stream = pel_run_index(run);
    status = make_sigma(run, of->bundle, of->params.sigma, &measured, sigma);
    if (status == PEL_OK)
        status = pel_ensemble_open(pel_run_context(run), of->bundle, of->result, *sigma, &params, &ensemble);
    for (size_t m = 0; m < PEL_ENSEMBLE_MEMBERS && status == PEL_OK; m++)
        status = run_member(run, of, &ensemble, m);
    if (status == PEL_OK)
        status = pel_frame_like(of->result, "uncertainty", of->result->size, uncertainty, pel_run_error(run));
    if (status == PEL_OK)
        status = pel_ensemble_raw(&ensemble, pel_frame_floats(*uncertainty));
    if (status == PEL_OK)
        settle(&measured.problem, *sigma, calibration, pel_frame_floats(*uncertainty));
    if (status == PEL_OK && calibration == NULL)
        status = pel_frame_set(*uncertainty, "kind", "raw", pel_run_error(run));
    pel_ensemble_close(&ensemble);
    pel_solver_close(&measured);
    return status;
}
