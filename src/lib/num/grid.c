/* grid.c - the Fourier grid around the data.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "grid.h"

static pel_status open_size(const pel_context *ctx, pel_grid *grid)
{
    grid->count = pel_size_plane(grid->size);
    pel_status status =
        pel_fft_new(ctx, grid->size.w, grid->size.h, grid->size.d, &grid->fft);
    if (status == PEL_OK)
        grid->complexes = pel_fft_count(grid->fft);
    return status;
}

pel_status pel_grid_open(const pel_context *ctx, pel_size data, pel_size psf, pel_grid *grid)
{
    pel_extended e = pel_extended_of(data, psf);
    *grid = (pel_grid){.e = e};
    grid->size = pel_size_make(pel_fft_good_size(e.full.w), pel_fft_good_size(e.full.h),
                               e.full.d > 1 ? pel_fft_good_size(e.full.d) : 1, 1);
    return open_size(ctx, grid);
}

/* The least good size that is a multiple, and no less than n. */
static size_t good_multiple(size_t n, size_t multiple)
{
    if (multiple == 0 || pel_fft_good_size(multiple) != multiple)
        return pel_fft_good_size(n);
    size_t m = (n + multiple - 1) / multiple;
    while (pel_fft_good_size(m * multiple) != m * multiple)
        m++;
    return m * multiple;
}

pel_status pel_grid_open_multiple(const pel_context *ctx, pel_size data, pel_size psf, size_t multiple,
                                  pel_grid *grid)
{
    pel_extended e = pel_extended_of(data, psf);
    *grid = (pel_grid){.e = e};
    grid->size = pel_size_make(good_multiple(e.full.w, multiple), good_multiple(e.full.h, multiple),
                               psf.d > 1 ? pel_fft_good_size(e.full.d) : e.full.d, 1);
    return open_size(ctx, grid);
}

pel_status pel_grid_open_periodic(const pel_context *ctx, pel_size data, pel_size psf, pel_grid *grid)
{
    *grid = (pel_grid){.e = {.data = data, .psf = psf, .full = data}};
    grid->e.data.c = grid->e.psf.c = grid->e.full.c = 1;
    grid->size = grid->e.data;
    return open_size(ctx, grid);
}

void pel_grid_close(pel_grid *grid)
{
    pel_fft_free(grid->fft);
    grid->fft = NULL;
}

/* Weight of the first sample at step j (from 1) of a gap: 0 to 1 as a raised cosine. */
static float blend(size_t j, size_t gap)
{
    return (float)(0.5 - 0.5 * cos(M_PI * (double)j / (double)(gap + 1)));
}

/* Fills lines [from + count, from + total) modulo total, each `length` samples `stride` apart by
 * line, between line from + count - 1 and line from. */
static void bridge(float *base, size_t stride, size_t length, size_t from, size_t count,
                   size_t total)
{
    const float *first = base + from * stride, *last = base + (from + count - 1) * stride;
    size_t gap = total - count;
    for (size_t j = 1; j <= gap; j++) {
        float *to = base + (from + count - 1 + j) % total * stride, w = blend(j, gap);
        for (size_t i = 0; i < length; i++)
            to[i] = (1 - w) * last[i] + w * first[i];
    }
}

void pel_grid_extend(const pel_grid *g, const float *data, float *to)
{
    const pel_size d = g->e.data, s = g->size;
    for (size_t z = 0; z < d.d; z++) {
        for (size_t y = 0; y < d.h; y++) {
            float *row = to + pel_grid_row(g, y, z) - g->e.offset[0];
            memcpy(row + g->e.offset[0], data + (z * d.h + y) * d.w, d.w * sizeof *row);
            bridge(row, 1, 1, g->e.offset[0], d.w, s.w);
        }
        bridge(to + (z + g->e.offset[2]) * s.h * s.w, s.w, s.w, g->e.offset[1], d.h, s.h);
    }
    bridge(to, s.w * s.h, s.w * s.h, g->e.offset[2], d.d, s.d);
}

void pel_grid_cut(const pel_grid *g, const float *from, float *to)
{
    const pel_size d = g->e.data;
    for (size_t z = 0; z < d.d; z++)
        for (size_t y = 0; y < d.h; y++, to += d.w)
            memcpy(to, from + pel_grid_row(g, y, z), d.w * sizeof *to);
}

void pel_grid_put(const pel_grid *g, const float *data, float *to)
{
    const pel_size d = g->e.data;
    for (size_t z = 0; z < d.d; z++)
        for (size_t y = 0; y < d.h; y++, data += d.w)
            memcpy(to + pel_grid_row(g, y, z), data, d.w * sizeof *to);
}

void pel_grid_take_data(const pel_grid *g, const float *estimate, size_t channel, float *to)
{
    pel_grid_cut(g, estimate, to + channel * pel_size_plane(g->e.data));
}

void pel_grid_take_all(const pel_grid *g, const float *estimate, size_t channel, float *to)
{
    memcpy(to + channel * g->count, estimate, g->count * sizeof *to);
}

pel_status pel_grid_laplacian(const pel_context *ctx, const pel_grid *g, float *tables[3])
{
    const size_t n[3] = {g->size.w, g->size.h, g->size.d};
    float *memory = pel_alloc_floats(n[0] + n[1] + n[2]);
    if (memory == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    for (int axis = 0; axis < 3; axis++) {
        tables[axis] = memory;
        for (size_t k = 0; k < n[axis]; k++) {
            double s = sin(M_PI * (double)k / (double)n[axis]);
            memory[k] = (float)(4 * s * s);
        }
        memory += n[axis];
    }
    return PEL_OK;
}
