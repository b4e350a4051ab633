/* uncertainty.c - members of an ensemble through a program's restoration, and what they say.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>

#include <pellucid/uncertainty.h>

#define PART 0.3 /* of sigma, that members get as noise */

pel_status pel_uncertainty_parse(const char *key, const char *text, pel_calibration *calibration, pel_error *error)
{
    if (text == NULL)
        return pel_error_set(error, PEL_EINVAL,
                             "the model was not calibrated (it has no metadata %s): --uncertainty=raw on pictures with "
                             "truth, then pel-score --fit; see pel-cnn(1)", key);
    if (pel_calibration_parse(text, calibration, error) != PEL_OK)
        return pel_error_prefix(error, "the model's metadata %s", key);
    return PEL_OK;
}

static bool tick(void *arg, double fraction)
{
    const pel_uncertainty_part *part = arg;
    return pel_context_tick(part->whole, ((double)part->run + fraction) / (1 + PEL_ENSEMBLE_MEMBERS));
}

void pel_uncertainty_part_open(const pel_context *whole, size_t run, pel_uncertainty_part *part)
{
    *part = (pel_uncertainty_part){.ctx = *whole, .whole = whole, .run = run};
    part->ctx.tick = tick;
    part->ctx.tick_arg = part;
}

/* The stream's sigma, or else a frame of the one that -s gives or the measurement tells. */
static pel_status make_sigma(pel_run *run, const pel_uncertainty_case *of, pel_frame **sigma)
{
    pel_frame *known = pel_bundle_find(of->bundle, "sigma", NULL);
    if (known != NULL && isnan(of->sigma)) {
        *sigma = pel_frame_ref(known);
        return PEL_OK;
    }
    pel_status status = pel_frame_new("sigma", PEL_F32, pel_size_make(1, 1, 1, 1), sigma, pel_run_error(run));
    if (status == PEL_OK)
        pel_frame_floats(*sigma)[0] = (float)of->measured->problem.sigma;
    if (status == PEL_OK && of->measured->sigma_estimated)
        status = pel_frame_set(*sigma, "estimated", "1", pel_run_error(run));
    return status;
}

static pel_status run_member(pel_run *run, const pel_uncertainty_case *of, pel_ensemble *ensemble, size_t member)
{
    pel_bundle lying = {NULL, NULL, 0};
    pel_frame *restored = NULL;
    pel_uncertainty_part part;
    pel_uncertainty_part_open(pel_run_context(run), 1 + member, &part);
    pel_status status = pel_ensemble_member(ensemble, member, &lying);
    if (status == PEL_OK)
        status = of->restore(of->arg, &part.ctx, &lying, pel_ensemble_orientation(member), &restored);
    if (status == PEL_OK)
        status = pel_ensemble_take(ensemble, member, restored);
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

pel_status pel_uncertainty_find(pel_run *run, const pel_uncertainty_case *of, pel_frame **uncertainty,
                                pel_frame **sigma)
{
    const pel_ensemble_params params = {.part = PART, .surroundings = of->surroundings, .stream = pel_run_index(run)};
    pel_ensemble ensemble = {.ctx = NULL};
    pel_frame *used = NULL;
    *uncertainty = NULL;
    pel_status status = make_sigma(run, of, &used);
    if (status == PEL_OK)
        status = pel_ensemble_open(pel_run_context(run), of->bundle, of->result, used, &params, &ensemble);
    for (size_t m = 0; m < PEL_ENSEMBLE_MEMBERS && status == PEL_OK; m++)
        status = run_member(run, of, &ensemble, m);
    if (status == PEL_OK)
        status = pel_frame_like(of->result, "uncertainty", of->result->size, uncertainty, pel_run_error(run));
    if (status == PEL_OK)
        status = pel_ensemble_raw(&ensemble, pel_frame_floats(*uncertainty));
    if (status == PEL_OK)
        settle(&of->measured->problem, used, of->calibration, pel_frame_floats(*uncertainty));
    if (status == PEL_OK && of->calibration == NULL)
        status = pel_frame_set(*uncertainty, "kind", "raw", pel_run_error(run));
    pel_ensemble_close(&ensemble);
    if (sigma != NULL)
        *sigma = used;
    else
        pel_frame_unref(used);
    return status;
}
