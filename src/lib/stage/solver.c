/* solver.c - from a bundle to a restoration problem, and from an estimate to a bundle.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/pool.h>
#include <pellucid/stage.h>
#include <pellucid/stats.h>

enum { OWN_MASK, OWN_START }; /* what pel_solver.owned holds */

static size_t count_bad(const float *samples, size_t count)
{
    size_t bad = 0;
    for (size_t i = 0; i < count; i++)
        bad += !isfinite(samples[i]);
    return bad;
}

/* A companion with a value for each sample: same plane, one channel or as many. */
static pel_status check_map(pel_run *run, const pel_frame *map, pel_size size)
{
    if (pel_size_same_plane(map->size, size) && (map->size.c == 1 || map->size.c == size.c))
        return PEL_OK;
    return pel_error_set(pel_run_error(run), PEL_EFORMAT,
                         "%s of %zux%zux%zux%zu for a picture of %zux%zux%zux%zu", map->role,
                         map->size.w, map->size.h, map->size.d, map->size.c, size.w, size.h, size.d,
                         size.c);
}

/* NaN and infinities weigh nothing; so does what the stream's mask says. */
static pel_status take_mask(pel_run *run, const pel_bundle *bundle, pel_solver *solver)
{
    pel_problem *p = &solver->problem;
    const pel_frame *mask = pel_bundle_find(bundle, "mask", NULL);
    size_t plane = pel_size_plane(p->size), count = pel_size_count(p->size);
    size_t bad = count_bad(p->data, count);
    if (mask != NULL) {
        pel_status status = check_map(run, mask, p->size);
        if (status != PEL_OK)
            return status;
        const float *m = pel_frame_floats(mask);
        for (size_t i = 0; i < pel_size_count(mask->size); i++)
            if (!(m[i] >= 0 && m[i] <= 1))
                return pel_error_set(pel_run_error(run), PEL_EFORMAT,
                                     "the mask holds values outside 0 to 1");
        p->mask = m;
        p->mask_channels = mask->size.c;
    }
    if (bad == 0)
        return PEL_OK;
    float *own = pel_alloc_floats(count);
    if (own == NULL)
        return pel_error_set(pel_run_error(run), PEL_ENOMEM, "out of memory");
    for (size_t i = 0; i < count; i++) {
        float w = p->mask == NULL ? 1 : p->mask[p->mask_channels > 1 ? i : i % plane];
        own[i] = isfinite(p->data[i]) ? w : 0;
    }
    solver->owned[OWN_MASK] = own;
    p->mask = own;
    p->mask_channels = p->size.c;
    pel_note(run, "%zu samples are not finite: masked", bad);
    return PEL_OK;
}

/* The noise of rounding to a source's integers, uniform over a step and so a step / sqrt 12: no picture has less, and
 * where most of one is smooth all the estimate can see is that neighbours were rounded alike.  0 for samples that are not
 * all whole steps: they were not read as they are. */
static double rounding_noise(const pel_frame *data)
{
    const char *source = pel_frame_key(data, "source");
    const double steps = source == NULL ? 0 : strcmp(source, "u8") == 0 ? 255 : strcmp(source, "u16") == 0 ? 65535 : 0;
    double black, white;
    if (!(steps > 0) || pel_frame_scale(data, &black, &white))
        return 0;
    const float *samples = pel_frame_floats(data);
    const double step = (white - black) / steps;
    for (size_t i = 0; i < pel_size_count(data->size); i++) {
        const double k = ((double)samples[i] - black) / step;
        if (isfinite(k) && fabs(k - round(k)) > 0.01) /* float has its own rounding */
            return 0;
    }
    return step / sqrt(12.0);
}

/* Option, companion, estimate: the first of these that there is. */
static pel_status take_sigma(pel_run *run, const pel_bundle *bundle,
                             const pel_solver_settings *settings, pel_solver *solver)
{
    pel_problem *p = &solver->problem;
    const pel_frame *sigma = pel_bundle_find(bundle, "sigma", NULL);
    double black, white;
    if (!isnan(settings->sigma)) {
        p->sigma = settings->sigma;
        if (!pel_frame_scale(solver->data, &black, &white) && p->sigma > white - black) /* 25 was meant for 25/255 */
            return pel_error_set(pel_run_error(run), PEL_EINVAL,
                                 "noise of %.4g is beyond full scale, which is %.4g: sigma is in sample units", p->sigma,
                                 white - black);
        return PEL_OK;
    }
    if (sigma == NULL) {
        pel_status status = pel_noise_estimate(pel_run_context(run), p->data, p->size, p->mask,
                                               p->mask_channels, &p->sigma);
        if (status != PEL_OK)
            return status;
        solver->sigma_estimated = true;
        const double least = rounding_noise(solver->data);
        if (p->sigma < least) {
            pel_note(run, "noise estimated: sigma %.4g, less than that of rounding, %.4g, which is taken", p->sigma, least);
            p->sigma = least;
            return PEL_OK;
        }
        pel_note(run, "noise estimated: sigma %.4g", p->sigma);
        return PEL_OK;
    }
    const float *s = pel_frame_floats(sigma);
    size_t count = pel_size_count(sigma->size);
    double square = 0;
    for (size_t i = 0; i < count; i++) {
        if (!(s[i] >= 0) || !isfinite(s[i]))
            return pel_error_set(pel_run_error(run), PEL_EFORMAT,
                                 "the sigma companion holds values that are no noise level");
        square += (double)s[i] * (double)s[i];
    }
    p->sigma = sqrt(square / (double)count);
    if (count == 1)
        return PEL_OK;
    pel_status status = check_map(run, sigma, p->size);
    if (status == PEL_OK && pel_stats_of(s, count).min > 0) {
        p->sigma_map = s;
        p->sigma_channels = sigma->size.c;
    }
    return status;
}

/* The image as a warm start, with bad samples replaced by its mean. */
static pel_status take_start(pel_run *run, const pel_frame *image, pel_solver *solver)
{
    const float *from = pel_frame_floats(image);
    size_t count = pel_size_count(image->size);
    solver->problem.start = from;
    pel_stats s = pel_stats_of(from, count);
    if (s.bad == 0)
        return PEL_OK;
    float *own = pel_alloc_floats(count);
    if (own == NULL)
        return pel_error_set(pel_run_error(run), PEL_ENOMEM, "out of memory");
    for (size_t i = 0; i < count; i++)
        own[i] = isfinite(from[i]) ? from[i] : s.good > 0 ? (float)s.mean : 0;
    solver->owned[OWN_START] = own;
    solver->problem.start = own;
    return PEL_OK;
}

static pel_status take_psf(pel_run *run, const pel_bundle *bundle, pel_frame *option,
                           pel_solver *solver)
{
    pel_frame *psf = option != NULL ? option : pel_bundle_find(bundle, "psf", NULL);
    if (psf == NULL)
        return pel_error_set(pel_run_error(run), PEL_EINVAL,
                             "no PSF in the stream and none given: name one with -k gauss:2 or "
                             "-k FILE, or have pel-blind estimate it");
    size_t count = pel_size_count(psf->size);
    pel_stats s = pel_stats_of(pel_frame_floats(psf), count);
    if (s.bad > 0 || !(s.sum > 0))
        return pel_error_set(pel_run_error(run), PEL_EFORMAT,
                             "the PSF holds samples that are not finite, or sums to nothing");
    /* Whoever makes a PSF normalises it: one that does not sum to 1 is a mistake upstream. */
    double expected = (double)psf->size.c;
    if (fabs(s.sum - expected) > 1e-3 * expected)
        return pel_error_set(pel_run_error(run), PEL_EFORMAT,
                             "the PSF sums to %.6g a channel, not to 1", s.sum / expected);
    solver->psf = pel_frame_ref(psf);
    solver->problem.psf = pel_frame_floats(psf);
    solver->problem.psf_size = psf->size;
    return PEL_OK;
}

static pel_status open_problem(pel_run *run, const pel_bundle *bundle, const pel_solver_settings *settings,
                               pel_frame *psf_option, bool blurred, pel_solver *solver)
{
    memset(solver, 0, sizeof *solver);
    pel_problem *p = &solver->problem;
    pel_frame *data = pel_bundle_find(bundle, "data", NULL), *image = bundle->image;
    bool warm = data != NULL;
    if (warm && !pel_size_equal(data->size, image->size))
        return pel_error_set(pel_run_error(run), PEL_EFORMAT,
                             "data of %zux%zux%zux%zu for an image of %zux%zux%zux%zu", data->size.w,
                             data->size.h, data->size.d, data->size.c, image->size.w, image->size.h,
                             image->size.d, image->size.c);
    if (warm) {
        solver->data = pel_frame_ref(data);
    } else {
        pel_status status = pel_frame_copy(image, "data", &solver->data, pel_run_error(run));
        if (status != PEL_OK)
            return status;
    }
    p->size = solver->data->size;
    p->data = pel_frame_floats(solver->data);
    pel_status status = blurred ? take_psf(run, bundle, psf_option, solver) : PEL_OK;
    if (status == PEL_OK)
        status = take_mask(run, bundle, solver);
    if (status == PEL_OK)
        status = take_sigma(run, bundle, settings, solver);
    if (status == PEL_OK && warm)
        status = take_start(run, image, solver);
    if (status != PEL_OK)
        pel_solver_close(solver);
    return status;
}

pel_status pel_solver_open(pel_run *run, const pel_bundle *bundle,
                           const pel_solver_settings *settings, pel_frame *psf_option,
                           pel_solver *solver)
{
    return open_problem(run, bundle, settings, psf_option, true, solver);
}

pel_status pel_measurement_open(pel_run *run, const pel_bundle *bundle, double sigma, pel_solver *solver)
{
    const pel_solver_settings settings = {.sigma = sigma};
    const pel_frame *psf = pel_bundle_find(bundle, "psf", NULL);
    return open_problem(run, bundle, &settings, NULL, psf != NULL, solver);
}

void pel_solver_close(pel_solver *solver)
{
    pel_frame_unref(solver->data);
    pel_frame_unref(solver->psf);
    pel_frame_unref(solver->uncertainty);
    for (size_t i = 0; i < sizeof solver->owned / sizeof solver->owned[0]; i++)
        pel_free(solver->owned[i]);
    memset(solver, 0, sizeof *solver);
}

/* ---- Back to frames ----------------------------------------------------------------------------- */

/* What was not measured comes back as NaN unless it was to be filled in, however it was flagged (as
 * NaN or by the mask); a good sample must have a finite estimate. */
static pel_status settle_bad(pel_run *run, bool inpaint, const pel_solver *solver,
                             pel_frame *estimate)
{
    float *to = pel_frame_floats(estimate);
    const pel_problem *p = &solver->problem;
    const float *mask = p->mask; /* take_mask saw to it that it flags what is not finite */
    size_t count = pel_size_count(p->size), plane = pel_size_plane(p->size);
    for (size_t i = 0; i < count; i++) {
        if (!inpaint && mask != NULL && !(mask[p->mask_channels > 1 ? i : i % plane] > 0))
            to[i] = NAN;
        else if (!isfinite(to[i]))
            return pel_error_set(pel_run_error(run), PEL_ENUMERIC,
                                 "the estimate is not finite at a good sample");
    }
    return PEL_OK;
}

/* What was used, unless the stream says it already. */
static pel_status put_sigma(pel_run *run, const pel_solver_settings *settings,
                            const pel_solver *solver, pel_bundle *out)
{
    if (!solver->sigma_estimated && isnan(settings->sigma))
        return PEL_OK;
    if (!(solver->problem.sigma > 0))
        return PEL_OK;
    pel_frame *sigma;
    pel_status status =
        pel_frame_new("sigma", PEL_F32, pel_size_make(1, 1, 1, 1), &sigma, pel_run_error(run));
    if (status != PEL_OK)
        return status;
    pel_frame_floats(sigma)[0] = (float)solver->problem.sigma;
    if (solver->sigma_estimated)
        status = pel_frame_set(sigma, "estimated", "1", pel_run_error(run));
    if (status == PEL_OK)
        status = pel_bundle_put(out, sigma, pel_run_error(run));
    pel_frame_unref(sigma);
    return status;
}

pel_status pel_solver_emit(pel_run *run, const pel_bundle *bundle,
                           const pel_solver_settings *settings, const pel_solver *solver,
                           pel_frame *estimate, const char *const *keys)
{
    pel_error *error = pel_run_error(run);
    pel_bundle out = {NULL, NULL, 0};
    pel_status status = settle_bad(run, settings->inpaint, solver, estimate);
    for (; status == PEL_OK && keys != NULL && keys[0] != NULL; keys += 2)
        status = pel_frame_set(estimate, keys[0], keys[1], error);
    if (status == PEL_OK)
        status = pel_frame_inherit(estimate, bundle->image, error);
    if (status == PEL_OK)
        status = pel_bundle_copy(&out, bundle, error);
    if (status == PEL_OK) {
        pel_bundle_set_image(&out, estimate);
        status = pel_bundle_put(&out, solver->data, error);
    }
    if (status == PEL_OK)
        status = pel_bundle_put(&out, solver->psf, error);
    if (status == PEL_OK)
        status = put_sigma(run, settings, solver, &out);
    pel_bundle_remove(&out, "uncertainty", NULL); /* it told of the image before */
    if (status == PEL_OK && solver->uncertainty != NULL)
        status = pel_bundle_put(&out, solver->uncertainty, error);
    if (status == PEL_OK)
        status = pel_emit(run, &out);
    pel_bundle_clear(&out);
    pel_frame_unref(estimate);
    return status;
}

/* ---- What the programs share -------------------------------------------------------------------- */

pel_status pel_solver_start(pel_run *run, const pel_solver_settings *settings,
                            pel_solver_state *state)
{
    return settings->psf == NULL ? PEL_OK : pel_stage_psf(run, settings->psf, &state->psf);
}

void pel_solver_stop(pel_solver_state *state)
{
    pel_frame_unref(state->psf);
}

pel_status pel_solver_image(pel_run *run, const pel_bundle *bundle,
                            const pel_solver_settings *settings, const pel_solver_state *state,
                            pel_status (*restore)(pel_run *run, const pel_bundle *bundle,
                                                  pel_solver *solver))
{
    pel_solver solver;
    pel_status status = pel_solver_open(run, bundle, settings, state->psf, &solver);
    if (status != PEL_OK)
        return status;
    status = restore(run, bundle, &solver);
    pel_solver_close(&solver);
    return status;
}
