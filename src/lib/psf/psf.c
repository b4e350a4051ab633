/* psf.c - point-spread functions as arrays: normalised, convolved, released.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/conv.h>
#include <pellucid/psf.h>

void pel_psf_clear(pel_psf *psf)
{
    pel_free(psf->samples);
    *psf = (pel_psf){{0, 0, 0, 0}, NULL};
}

pel_status pel_psf_normalise(float *samples, pel_size size, pel_error *error)
{
    size_t plane = pel_size_plane(size);
    for (size_t c = 0; c < size.c; c++, samples += plane) {
        double sum = 0, most = 0, least = 0;
        for (size_t i = 0; i < plane; i++) {
            double v = (double)samples[i];
            if (!isfinite(v))
                return pel_error_set(error, PEL_EINVAL, "the PSF holds samples that are not finite");
            most = fmax(most, v);
            least = fmin(least, v);
        }
        if (least < -1e-3 * most)
            return pel_error_set(error, PEL_EINVAL, "the PSF holds negative samples (%g of %g)",
                                 least, most);
        for (size_t i = 0; i < plane; i++) {
            samples[i] = samples[i] > 0 ? samples[i] : 0;
            sum += (double)samples[i];
        }
        if (!(sum > 0))
            return pel_error_set(error, PEL_EINVAL, "the PSF sums to 0");
        for (size_t i = 0; i < plane; i++)
            samples[i] = (float)((double)samples[i] / sum);
    }
    return PEL_OK;
}

/* Places `from` centre to centre into an array of `to` samples that are 0. */
static void place(const float *from, pel_size size, float *to, pel_size into)
{
    size_t x0 = into.w / 2 - size.w / 2, y0 = into.h / 2 - size.h / 2, z0 = into.d / 2 - size.d / 2;
    for (size_t z = 0; z < size.d; z++)
        for (size_t y = 0; y < size.h; y++)
            memcpy(to + ((z + z0) * into.h + y + y0) * into.w + x0,
                   from + (z * size.h + y) * size.w, size.w * sizeof *to);
}

pel_status pel_psf_convolve(const pel_context *ctx, const pel_psf *a, const pel_psf *b,
                            pel_psf *both)
{
    if (a->size.c != b->size.c && a->size.c != 1 && b->size.c != 1)
        return pel_error_set(ctx->error, PEL_EINVAL, "PSFs of %zu and of %zu channels", a->size.c,
                             b->size.c);
    /* Before the centre of both come n/2 samples of each; odd sizes keep the centre in the middle. */
    pel_size size = {2 * (a->size.w / 2 + b->size.w / 2) + 1,
                     2 * (a->size.h / 2 + b->size.h / 2) + 1,
                     2 * (a->size.d / 2 + b->size.d / 2) + 1,
                     a->size.c > b->size.c ? a->size.c : b->size.c};
    size_t plane = pel_size_plane(size);
    float *wide = pel_alloc_floats(plane);
    both->size = size;
    both->samples = pel_alloc_floats(pel_size_count(size));
    pel_status status = wide != NULL && both->samples != NULL
                            ? PEL_OK
                            : pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    for (size_t c = 0; c < size.c && status == PEL_OK; c++) {
        const float *pa = a->samples + (a->size.c > 1 ? c * pel_size_plane(a->size) : 0);
        const float *pb = b->samples + (b->size.c > 1 ? c * pel_size_plane(b->size) : 0);
        pel_size one = b->size, grid = size;
        one.c = grid.c = 1;
        memset(wide, 0, plane * sizeof *wide);
        place(pa, a->size, wide, size);
        status = pel_convolve(ctx, wide, grid, pb, one, PEL_BORDER_ZERO,
                              both->samples + c * plane);
    }
    pel_free(wide);
    if (status == PEL_OK) {
        /* Transforms leave 1e-9 where 0 belongs. */
        for (size_t i = 0; i < pel_size_count(size); i++)
            both->samples[i] = both->samples[i] > 1e-9f ? both->samples[i] : 0;
        status = pel_psf_normalise(both->samples, size, ctx->error);
    }
    if (status != PEL_OK)
        pel_psf_clear(both);
    return status;
}
