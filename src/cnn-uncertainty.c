/* cnn-uncertainty.c - pel-cnn --uncertainty: a member of the ensemble through the model.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>

#include <pellucid/geometry.h>

#include "cnn-uncertainty.h"

#define MOST_FRAMES 33

pel_status cnn_uncertainty_start(pel_run *run, const pel_model *model, const pel_cnn *cnn, pel_uncertainty_kind kind,
                                 pel_calibration *calibration)
{
    static const char key[] = "pellucid.uncertainty";
    pel_error *error = pel_run_error(run);
    if (pel_cnn_has_state(cnn))
        return pel_error_set(error, PEL_EINVAL,
                             "--uncertainty: a model with a state cannot be run on a frame several times");
    return kind == PEL_UNCERTAINTY_CALIBRATED
               ? pel_uncertainty_parse(key, pel_model_metadata(model, key), calibration, error)
               : PEL_OK;
}

/* Frames beside the image are turned as it is. */
static pel_status restore(void *arg, const pel_context *ctx, const pel_bundle *member, unsigned orientation,
                          pel_frame **restored)
{
    const cnn_uncertainty_case *of = arg;
    size_t window = pel_cnn_window(of->cnn);
    pel_frame *turned[MOST_FRAMES] = {NULL};
    pel_cnn_report report;
    pel_cnn_params params = of->params;
    params.sigma = (double)NAN; /* the member's own */
    pel_status status = PEL_OK;
    for (size_t k = 0; k <= 2 * window && status == PEL_OK; k++)
        if (k == window)
            turned[k] = pel_frame_ref(member->image);
        else
            status = pel_geometry_turn(of->frames[k], orientation, &turned[k], ctx->error);
    if (status == PEL_OK)
        status = pel_cnn_run(ctx, of->cnn, member, (const pel_frame *const *)turned, &params, restored, &report);
    for (size_t k = 0; k <= 2 * window; k++)
        pel_frame_unref(turned[k]);
    return status;
}

pel_status cnn_uncertainty_find(pel_run *run, const cnn_uncertainty_case *of, const pel_calibration *calibration,
                                pel_frame **uncertainty, pel_frame **sigma)
{
    pel_solver measured;
    *uncertainty = *sigma = NULL;
    pel_status status = pel_measurement_open(run, of->bundle, of->params.sigma, &measured);
    if (status != PEL_OK)
        return status;
    cnn_uncertainty_case own = *of;
    const pel_uncertainty_case general = {.bundle = of->bundle, .result = of->result, .measured = &measured,
                                          .sigma = of->params.sigma, .calibration = calibration, .restore = restore,
                                          .arg = &own};
    status = pel_uncertainty_find(run, &general, uncertainty, sigma);
    pel_solver_close(&measured);
    return status;
}
