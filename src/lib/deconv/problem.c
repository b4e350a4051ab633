/* problem.c - what all restoration methods ask of a problem before they start.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "problem.h"

pel_status pel_problem_check(const pel_context *ctx, const pel_problem *p)
{
    size_t bytes;
    const pel_size s = p->size, k = p->psf_size;
    if (pel_size_count(s) == 0 || pel_size_count(k) == 0)
        return pel_error_set(ctx->error, PEL_EINVAL, "no samples to restore, or no PSF");
    if (k.c != 1 && k.c != s.c)
        return pel_error_set(ctx->error, PEL_EINVAL, "a PSF of %zu channels for a picture of %zu",
                             k.c, s.c);
    if (p->mask != NULL && p->mask_channels != 1 && p->mask_channels != s.c)
        return pel_error_set(ctx->error, PEL_EINVAL, "a mask of %zu channels for a picture of %zu",
                             p->mask_channels, s.c);
    if (k.d > 1 && s.d == 1)
        return pel_error_set(ctx->error, PEL_EINVAL, "a PSF of %zu planes for a picture of one", k.d);
    if (k.w > 2 * s.w + 1 || k.h > 2 * s.h + 1 || k.d > 2 * s.d + 1)
        return pel_error_set(ctx->error, PEL_EINVAL,
                             "a PSF of %zux%zux%zu is too large for a picture of %zux%zux%zu", k.w,
                             k.h, k.d, s.w, s.h, s.d);
    pel_size full = {s.w + k.w, s.h + k.h, s.d + k.d, s.c};
    if (!pel_size_bytes(full, 4 * sizeof(float), &bytes))
        return pel_error_set(ctx->error, PEL_ELIMIT, "the picture is too large");
    if (!isfinite(p->sigma) || p->sigma < 0)
        return pel_error_set(ctx->error, PEL_EINVAL, "the noise level is not a number >= 0");
    return PEL_OK;
}

pel_status pel_problem_extend(const pel_context *ctx, const pel_problem *p, size_t c, const pel_grid *grid,
                              float *to)
{
    float *filled = pel_alloc_floats(pel_size_plane(p->size));
    if (filled == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    pel_status status = pel_problem_fill(ctx, p, c, filled);
    if (status == PEL_OK)
        pel_grid_extend(grid, filled, to);
    pel_free(filled);
    return status;
}

size_t pel_problem_weigh(const pel_problem *p, size_t c, const pel_grid *grid, bool by_sigma,
                         float *weight)
{
    const pel_size d = grid->e.data;
    const float *mask = pel_problem_mask(p, c), *map = by_sigma ? p->sigma_map : NULL;
    size_t good = 0;
    if (map != NULL && p->sigma_channels > 1)
        map += c * pel_size_plane(d);
    memset(weight, 0, grid->count * sizeof *weight);
    for (size_t z = 0; z < d.d; z++)
        for (size_t y = 0; y < d.h; y++)
            for (size_t x = 0; x < d.w; x++) {
                size_t from = (z * d.h + y) * d.w + x;
                float w = mask != NULL ? mask[from] : 1;
                if (map != NULL)
                    w *= (float)(p->sigma * p->sigma) / (map[from] * map[from]);
                weight[pel_grid_row(grid, y, z) + x] = w;
                good += w > 0 ? 1 : 0;
            }
    return good;
}
