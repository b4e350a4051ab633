/* score-fit.c - pel-score --fit: gathers raw uncertainties and errors, and fits a calibration to them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pellucid/stage.h>

#include "score-fit.h"

#define MOST_OF_IMAGE ((size_t)1 << 14) /* samples: some hundred pictures then take a few tens of megabytes */

static pel_status make_room(pel_run *run, score_fit *fit)
{
    size_t room = 2 * fit->room + 4 * MOST_OF_IMAGE;
    if (fit->count + 2 * MOST_OF_IMAGE <= fit->room)
        return PEL_OK;
    pel_calibration_pair *more = realloc(fit->pairs, room * sizeof *more);
    if (more == NULL)
        return pel_error_set(pel_run_error(run), PEL_ENOMEM, "out of memory");
    fit->pairs = more;
    fit->room = room;
    return PEL_OK;
}

static double sigma_at(const pel_problem *p, size_t i)
{
    size_t plane = pel_size_plane(p->size);
    return p->sigma_map == NULL ? p->sigma : (double)p->sigma_map[p->sigma_channels > 1 ? i : i % plane];
}

/* From sample to sample: no divisor in common with the width, so that no column is left out. */
static size_t step_for(pel_size size)
{
    for (size_t step = pel_size_count(size) / MOST_OF_IMAGE + 1;; step++) {
        size_t divisor = step, rest = size.w;
        while (rest != 0) {
            size_t next = divisor % rest;
            divisor = rest;
            rest = next;
        }
        if (divisor == 1)
            return step;
    }
}

pel_status score_fit_add(pel_run *run, score_fit *fit, const pel_bundle *bundle, const pel_frame *truth,
                         const pel_frame *uncertainty, double sigma)
{
    const char *kind = pel_frame_key(uncertainty, "kind");
    pel_solver measured;
    if (kind == NULL || strcmp(kind, "raw") != 0)
        return pel_error_set(pel_run_error(run), PEL_EINVAL,
                             "--fit takes what pel-cnn or pel-pnp --uncertainty=raw wrote, and these are calibrated");
    pel_status status = pel_measurement_open(run, bundle, sigma, &measured);
    if (status != PEL_OK)
        return status;
    if (!(measured.problem.sigma > 0))
        status = pel_error_set(pel_run_error(run), PEL_EINVAL, "the noise level is 0: nothing to calibrate in units of it");
    else
        status = make_room(run, fit);
    size_t count = pel_size_count(truth->size), step = step_for(truth->size);
    for (size_t i = pel_run_index(run) % step; i < count && status == PEL_OK; i += step) {
        double one = sigma_at(&measured.problem, i), q = (double)pel_frame_floats(uncertainty)[i] / one;
        double error = fabs((double)pel_frame_floats(bundle->image)[i] - (double)pel_frame_floats(truth)[i]) / one;
        if (isfinite(q) && isfinite(error))
            fit->pairs[fit->count++] = (pel_calibration_pair){(float)q, (float)error};
    }
    pel_solver_close(&measured);
    return status;
}

pel_status score_fit_end(pel_run *run, score_fit *fit, char text[PEL_CALIBRATION_TEXT])
{
    pel_calibration calibration;
    pel_status status = pel_calibration_fit(pel_run_context(run), fit->pairs, fit->count, &calibration);
    if (status == PEL_OK) {
        pel_note(run, "%zu samples, %zu knots", fit->count, calibration.count);
        pel_calibration_format(&calibration, text);
    }
    fit->count = 0;
    return status;
}

void score_fit_clear(score_fit *fit)
{
    free(fit->pairs);
    memset(fit, 0, sizeof *fit);
}
