/* ensemble.c - members that lie in other ways and have other noise, and how far their restorations differ.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/degrade.h>
#include <pellucid/ensemble.h>
#include <pellucid/geometry.h>

#include "../num/box.h"

/* What ordered errors best, by the likelihood of photographs that were held out, with noise of 5 to 50 of 255 and a residual
 * U-Net as denoiser: reaches of 1, 2, 3, 4 and 7 were tried for both, and weights from 0.1 to 1 and either alone. */
enum { SPREAD_REACH = 1, RESPONSE_REACH = 7 };
#define RESPONSE_WEIGHT 0.1f
/* Around a sample, where that is asked for: reaches of 7, 15 and 25 were tried with pel-pnp.  What a blur took away is
 * wrong in much the same way for all members, and their own spread says too little of it in quiet places. */
enum { SURROUNDINGS_REACH = 15 };

static pel_status no_memory(const pel_context *ctx) { return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory"); }

/* ---- Opening */

static pel_status check_sigma(const pel_context *ctx, const pel_frame *sigma, pel_size size)
{
    size_t count = pel_size_count(sigma->size);
    const float *s = pel_frame_floats(sigma);
    for (size_t i = 0; i < count; i++)
        if (!(s[i] > 0) || !isfinite(s[i]))
            return pel_error_set(ctx->error, PEL_EINVAL, "the noise level is not above 0 everywhere (give --sigma)");
    if (count == 1 || (pel_size_same_plane(sigma->size, size) && (sigma->size.c == 1 || sigma->size.c == size.c)))
        return PEL_OK;
    return pel_error_set(ctx->error, PEL_EINVAL, "the map of sigma does not have the image's size");
}

pel_status pel_ensemble_open(const pel_context *ctx, const pel_bundle *bundle, const pel_frame *result, pel_frame *sigma,
                             const pel_ensemble_params *params, pel_ensemble *e)
{
    size_t count = pel_size_count(result->size);
    *e = (pel_ensemble){.ctx = ctx, .params = *params, .bundle = bundle, .result = result, .sigma = pel_frame_ref(sigma)};
    if (!pel_size_equal(bundle->image->size, result->size) || !(params->part > 0))
        return pel_error_set(ctx->error, PEL_EINVAL, "an ensemble for a result of another size, or without noise");
    pel_status status = check_sigma(ctx, sigma, result->size);
    if (status != PEL_OK)
        return status;
    e->sum = pel_calloc_floats(3 * count);
    if (e->sum == NULL)
        return no_memory(ctx);
    e->square = e->sum + count;
    e->product = e->sum + 2 * count;
    return PEL_OK;
}

void pel_ensemble_close(pel_ensemble *e)
{
    pel_frame_unref(e->sigma);
    pel_free(e->sum);
    memset(e, 0, sizeof *e);
}

/* ---- Members */

unsigned pel_ensemble_orientation(size_t member) { return 1 + (unsigned)(member % PEL_ENSEMBLE_MEMBERS); }

/* Of all orientations but two turning twice is turning back; 6 and 8 are quarters to the one side and the other. */
unsigned pel_ensemble_back(size_t member)
{
    unsigned o = pel_ensemble_orientation(member);
    return o == 6 ? 8 : o == 8 ? 6 : o;
}

/* `part` of sigma at each sample of the image, as it lies untouched. */
static pel_status draw(const pel_ensemble *e, size_t member, float *noise)
{
    const pel_noise_params one = {.sigma = 1, .seed = e->params.seed,
                                  .stream = e->params.stream * PEL_ENSEMBLE_MEMBERS + member};
    size_t count = pel_size_count(e->result->size), plane = pel_size_plane(e->result->size);
    const size_t given = pel_size_count(e->sigma->size);
    const float *sigma = pel_frame_floats(e->sigma);
    memset(noise, 0, count * sizeof *noise);
    pel_status status = pel_noise_add(e->ctx, &one, noise, count, NULL);
    for (size_t i = 0; i < count && status == PEL_OK; i++)
        noise[i] *= (float)e->params.part * sigma[given == 1 ? 0 : given == plane ? i % plane : i];
    return status;
}

/* The measurement with the noise, and sigma as it is with it. */
static pel_status disturb(const pel_ensemble *e, const float *noise, pel_bundle *to)
{
    pel_error *error = e->ctx->error;
    const pel_frame *data = pel_bundle_find(to, "data", NULL), *measured = data != NULL ? data : to->image;
    pel_frame *disturbed, *sigma = NULL;
    size_t count = pel_size_count(measured->size);
    if (!pel_size_equal(measured->size, e->result->size))
        return pel_error_set(error, PEL_EINVAL, "data and image differ in size");
    pel_status status = pel_frame_like(measured, NULL, measured->size, &disturbed, error);
    if (status != PEL_OK)
        return status;
    for (size_t i = 0; i < count; i++)
        pel_frame_floats(disturbed)[i] = pel_frame_floats(measured)[i] + noise[i];
    if (data != NULL)
        status = pel_bundle_put(to, disturbed, error);
    else
        pel_bundle_set_image(to, disturbed);
    pel_frame_unref(disturbed);
    if (status == PEL_OK)
        status = pel_frame_like(e->sigma, "sigma", e->sigma->size, &sigma, error);
    for (size_t i = 0; status == PEL_OK && i < pel_size_count(sigma->size); i++)
        pel_frame_floats(sigma)[i] = pel_frame_floats(e->sigma)[i] * (float)sqrt(1 + e->params.part * e->params.part);
    if (status == PEL_OK)
        status = pel_bundle_put(to, sigma, error);
    pel_frame_unref(sigma);
    return status;
}

pel_status pel_ensemble_member(const pel_ensemble *e, size_t member, pel_bundle *turned)
{
    pel_bundle lying = {NULL, NULL, 0};
    float *noise = pel_alloc_floats(pel_size_count(e->result->size));
    pel_status status = noise != NULL ? draw(e, member, noise) : no_memory(e->ctx);
    if (status == PEL_OK)
        status = pel_bundle_copy(&lying, e->bundle, e->ctx->error);
    if (status == PEL_OK)
        status = disturb(e, noise, &lying);
    if (status == PEL_OK)
        status = pel_geometry_turn_bundle(&lying, pel_ensemble_orientation(member), turned, e->ctx->error);
    pel_bundle_clear(&lying);
    pel_free(noise);
    return status;
}

pel_status pel_ensemble_take(pel_ensemble *e, size_t member, const pel_frame *restored)
{
    size_t count = pel_size_count(e->result->size);
    pel_frame *back;
    pel_status status = pel_geometry_turn(restored, pel_ensemble_back(member), &back, e->ctx->error);
    if (status != PEL_OK)
        return status;
    float *noise = pel_alloc_floats(count);
    if (noise == NULL)
        status = no_memory(e->ctx);
    else if (!pel_size_equal(back->size, e->result->size))
        status = pel_error_set(e->ctx->error, PEL_EINVAL, "a member of another size");
    else
        status = draw(e, member, noise);
    for (size_t i = 0; i < count && status == PEL_OK; i++) {
        float d = pel_frame_floats(back)[i] - pel_frame_floats(e->result)[i];
        e->sum[i] += d;
        e->square[i] += d * d;
        e->product[i] += d * noise[i];
    }
    e->members += status == PEL_OK;
    pel_free(noise);
    pel_frame_unref(back);
    return status;
}

/* ---- Figures */

/* Means over a box in each plane, of samples that are finite. */
static bool smooth(float *v, pel_size size, size_t reach)
{
    const pel_box box = {{reach, reach, 0}, {reach, reach, 0}};
    size_t plane = pel_size_plane(size), channels = size.c;
    float *work = pel_alloc_floats(2 * plane), *count = work + plane;
    bool good = work != NULL;
    size.c = 1;
    for (size_t c = 0; c < channels && good; c++, v += plane) {
        for (size_t i = 0; i < plane; i++) {
            count[i] = isfinite(v[i]);
            work[i] = isfinite(v[i]) ? v[i] : 0;
        }
        good = pel_box_sum(work, size, box) && pel_box_sum(count, size, box);
        for (size_t i = 0; i < plane && good; i++)
            v[i] = isfinite(v[i]) ? work[i] / count[i] : NAN;
    }
    pel_free(work);
    return good;
}

pel_status pel_ensemble_figures(const pel_ensemble *e, size_t spread_reach, size_t response_reach, float *spread,
                                float *response)
{
    size_t count = pel_size_count(e->result->size);
    const float n = (float)e->members, part = (float)e->params.part;
    if (e->members < 2)
        return pel_error_set(e->ctx->error, PEL_EINVAL, "an ensemble of %zu members has no spread", e->members);
    for (size_t i = 0; i < count; i++) {
        spread[i] = fmaxf((e->square[i] - e->sum[i] * e->sum[i] / n) / (n - 1), 0);
        response[i] = e->product[i] / (n * part * part);
        spread[i] = isfinite(spread[i] + e->sum[i]) ? spread[i] : NAN;
    }
    bool good = smooth(spread, e->result->size, spread_reach) && smooth(response, e->result->size, response_reach);
    return good ? PEL_OK : no_memory(e->ctx);
}

pel_status pel_ensemble_raw(const pel_ensemble *e, float *raw)
{
    const size_t count = pel_size_count(e->result->size);
    const float weight = (float)e->params.surroundings;
    float *response = pel_alloc_floats(2 * count), *around = response + count;
    if (response == NULL)
        return no_memory(e->ctx);
    pel_status status = pel_ensemble_figures(e, SPREAD_REACH, RESPONSE_REACH, raw, response);
    memset(around, 0, count * sizeof *around);
    if (status == PEL_OK && weight > 0)
        status = pel_ensemble_figures(e, SURROUNDINGS_REACH, RESPONSE_REACH, around, response);
    for (size_t i = 0; i < count && status == PEL_OK; i++)
        raw[i] = sqrtf(raw[i] + weight * around[i] + RESPONSE_WEIGHT * fmaxf(response[i], 0));
    pel_free(response);
    return status;
}
