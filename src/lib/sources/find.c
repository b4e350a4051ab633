/* find.c - candidates: local maxima of the smoothed picture.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pellucid/conv.h>

#include "sources-internal.h"

#define SMOOTH "gauss:1.2"
#define FAINTEST 5.0 /* strength of what counts as a neighbour */
#define NEAR 2       /* samples around a maximum that are not above it */
#define WIDEST 40    /* samples that a half maximum is looked for in */

/* Is sample i the greatest of those around it?  Of equal ones the first. */
static bool is_peak(const float *v, pel_size size, const size_t at[3])
{
    const size_t extent[3] = {size.w, size.h, size.d};
    size_t from[3], to[3], i = (at[2] * size.h + at[1]) * size.w + at[0];
    for (int a = 0; a < 3; a++) {
        from[a] = at[a] > NEAR ? at[a] - NEAR : 0;
        to[a] = at[a] + NEAR < extent[a] ? at[a] + NEAR : extent[a] - 1;
    }
    for (size_t z = from[2]; z <= to[2]; z++)
        for (size_t y = from[1]; y <= to[1]; y++)
            for (size_t x = from[0]; x <= to[0]; x++) {
                size_t k = (z * size.h + y) * size.w + x;
                if (v[k] > v[i] || (v[k] == v[i] && k < i))
                    return false;
            }
    return true;
}

/* The samples from the maximum to half of it in one direction. */
static double half_width(const float *v, size_t stride, size_t room, bool up)
{
    float half = v[0] / 2, last = v[0];
    for (size_t n = 1; n <= room && n < WIDEST; n++) {
        float here = up ? v[n * stride] : *(v - n * stride);
        if (here < half)
            return (double)n - 1 + (double)((last - half) / (last - here));
        last = here;
    }
    return WIDEST;
}

static void measure(const float *detail, pel_size size, source *s)
{
    const size_t extent[3] = {size.w, size.h, size.d}, stride[3] = {1, size.w, size.w * size.h};
    const float *v = detail + (s->at[2] * size.h + s->at[1]) * size.w + s->at[0];
    s->peak = (double)v[0];
    for (int a = 0; a < 3; a++) {
        double down = half_width(v, stride[a], s->at[a], false);
        double up = half_width(v, stride[a], extent[a] - 1 - s->at[a], true);
        s->fwhm[a] = extent[a] == 1 || !(v[0] > 0) ? 1 : down + up;
    }
}

/* The smoothed picture's maximum may be a sample beside the picture's own. */
static void climb(const float *detail, pel_size size, size_t at[3])
{
    size_t best = (at[2] * size.h + at[1]) * size.w + at[0], home[3] = {at[0], at[1], at[2]};
    for (size_t y = home[1] > 0 ? home[1] - 1 : 0; y <= home[1] + 1 && y < size.h; y++)
        for (size_t x = home[0] > 0 ? home[0] - 1 : 0; x <= home[0] + 1 && x < size.w; x++) {
            size_t k = (home[2] * size.h + y) * size.w + x;
            if (detail[k] > detail[best]) {
                best = k;
                at[0] = x;
                at[1] = y;
            }
        }
}

static int stronger_first(const void *a, const void *b)
{
    const source *s = a, *t = b;
    return (s->strength < t->strength) - (s->strength > t->strength);
}

static pel_status collect(const pel_context *ctx, const float *detail, const float *smooth,
                          pel_size size, double noise, source **found, size_t *count)
{
    size_t room = 0;
    for (int pass = 0; pass < 2; pass++) {
        *count = 0;
        for (size_t i = 0; i < pel_size_plane(size); i++) {
            source s = {.at = {i % size.w, i / size.w % size.h, i / size.w / size.h}};
            s.strength = (double)smooth[i] / noise;
            if (!(s.strength >= FAINTEST) || !is_peak(smooth, size, s.at))
                continue;
            if (pass == 1 && *count < room) {
                climb(detail, size, s.at);
                measure(detail, size, &s);
                (*found)[*count] = s;
            }
            ++*count;
        }
        if (pass == 0) {
            room = *count;
            *found = pel_alloc((room + 1) * sizeof **found);
            if (*found == NULL)
                return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
        }
    }
    qsort(*found, *count, sizeof **found, stronger_first);
    return PEL_OK;
}

pel_status sources_find(const pel_context *ctx, const float *detail, pel_size size, source **found,
                        size_t *count)
{
    size_t n = pel_size_plane(size);
    float *smooth = pel_alloc_floats(n), *values = pel_alloc_floats(n);
    pel_psf blur = {{0, 0, 0, 0}, NULL};
    sources_level level;
    *found = NULL;
    *count = 0;
    pel_status status = smooth != NULL && values != NULL
                            ? pel_psf_make(SMOOTH, &blur, ctx->error)
                            : pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    if (status == PEL_OK)
        status = pel_convolve(ctx, detail, size, blur.samples, blur.size, PEL_BORDER_REFLECT, smooth);
    if (status == PEL_OK) {
        memcpy(values, smooth, n * sizeof *values);
        status = sources_level_of(ctx, values, n, &level);
    }
    if (status == PEL_OK) {
        /* Without any noise, what rounding leaves is no source. */
        double most = 0;
        for (size_t i = 0; i < n; i++)
            most = fmax(most, fabs((double)smooth[i]));
        level.noise = fmax(level.noise, fmax(1e-6 * most, 1e-30));
        status = collect(ctx, detail, smooth, size, level.noise, found, count);
    }
    pel_psf_clear(&blur);
    pel_free(values);
    pel_free(smooth);
    return status;
}
