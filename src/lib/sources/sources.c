/* sources.c - which sources are good enough, and the PSF that they share.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/stats.h>

#include "sources-internal.h"

#define MOST_USED 400
#define EXTENT 4.0      /* reach of the PSF, in units of the FWHM */
#define LEAST_EXTENT 1.5
#define NEIGHBOUR 0.03  /* of the source's strength: fainter ones are clipped by the stack */
#define WIDTHS 1.6      /* a source that is so much wider or narrower than the median is none */
#define MOST_SAMPLES 5e7 /* of all boxes */

typedef struct {
    const pel_context *ctx;
    const float *mask;
    pel_size size;
    source *all;
    size_t count;       /* neighbours included */
    source_box box;
    pel_sources_report *report;
} field;

/* Is a sample of the core, half a FWHM around, masked? */
static bool is_saturated(const field *f, const source *s)
{
    const size_t extent[3] = {f->size.w, f->size.h, f->size.d};
    size_t from[3], to[3];
    if (f->mask == NULL)
        return false;
    for (int a = 0; a < 3; a++) {
        size_t reach = extent[a] > 1 ? (size_t)fmin(ceil(s->fwhm[a] / 2) + 1, 40) : 0;
        from[a] = s->at[a] > reach ? s->at[a] - reach : 0;
        to[a] = s->at[a] + reach < extent[a] ? s->at[a] + reach : extent[a] - 1;
    }
    for (size_t z = from[2]; z <= to[2]; z++)
        for (size_t y = from[1]; y <= to[1]; y++)
            for (size_t x = from[0]; x <= to[0]; x++)
                if (!(f->mask[(z * f->size.h + y) * f->size.w + x] > 0))
                    return true;
    return false;
}

static bool is_at_edge(const field *f, const source *s)
{
    const size_t extent[3] = {f->size.w, f->size.h, f->size.d};
    for (int a = 0; a < 3; a++)
        if (s->at[a] < (size_t)f->box.reach[a] || s->at[a] + (size_t)f->box.reach[a] >= extent[a])
            return true;
    return false;
}

static bool is_blended(const field *f, const source *s)
{
    for (size_t n = 0; n < f->count && f->all[n].strength > NEIGHBOUR * s->strength; n++) {
        double r = 0;
        for (int a = 0; a < 3; a++)
            if (f->box.reach[a] > 0)
                r += pow(((double)f->all[n].at[a] - (double)s->at[a]) / (double)f->box.reach[a], 2);
        if (r < 1 && &f->all[n] != s)
            return true;
    }
    return false;
}

/* The median FWHM by axis of what is bright and not saturated; the number of these. */
static pel_status find_widths(field *f, size_t *count)
{
    float *values = pel_alloc_floats(f->count + 1);
    if (values == NULL)
        return pel_error_set(f->ctx->error, PEL_ENOMEM, "out of memory");
    pel_status status = PEL_OK;
    for (int a = 0; a < 3 && status == PEL_OK; a++) {
        *count = 0;
        for (size_t n = 0; n < f->count && f->all[n].strength >= SOURCES_LEAST; n++)
            if (!is_saturated(f, &f->all[n]))
                values[(*count)++] = (float)f->all[n].fwhm[a];
        if (*count > 0)
            status = pel_stats_quantile(f->ctx, values, *count, 0.5, &f->report->fwhm[a]);
    }
    pel_free(values);
    return status;
}

/* The good ones to the front; their number. */
static pel_status select_good(field *f, source **good, size_t *count)
{
    pel_sources_report *r = f->report;
    size_t most = (size_t)fmax(MOST_SAMPLES / (double)f->box.count, 1);
    most = most < MOST_USED ? most : MOST_USED;
    *count = 0;
    *good = pel_alloc((most + 1) * sizeof **good);
    if (*good == NULL)
        return pel_error_set(f->ctx->error, PEL_ENOMEM, "out of memory");
    for (size_t n = 0; n < f->count && f->all[n].strength >= SOURCES_LEAST; n++) {
        const source *s = &f->all[n];
        bool unlike = false;
        for (int a = 0; a < 3; a++)
            unlike = unlike || s->fwhm[a] > WIDTHS * r->fwhm[a] || s->fwhm[a] < r->fwhm[a] / WIDTHS;
        r->found++;
        if (is_at_edge(f, s))
            r->edge++;
        else if (is_saturated(f, s))
            r->saturated++;
        else if (is_blended(f, s))
            r->blended++;
        else if (unlike)
            r->unlike++;
        else if (*count < most)
            (*good)[(*count)++] = *s;
    }
    return PEL_OK;
}

static pel_status stack_good(field *f, const float *detail, double noise, pel_psf *psf)
{
    source *good;
    size_t count;
    pel_sources_report *r = f->report;
    pel_status status = select_good(f, &good, &count);
    if (status != PEL_OK)
        return status;
    if (count > 0) {
        psf->size = pel_size_make(f->box.side[0], f->box.side[1], f->box.side[2], 1);
        psf->samples = pel_alloc_floats(f->box.count);
        status = psf->samples == NULL
                     ? pel_error_set(f->ctx->error, PEL_ENOMEM, "out of memory")
                     : sources_stack(f->ctx, detail, f->mask, f->size, noise, &f->box, good, count,
                                     psf->samples, &r->agreement);
        for (size_t n = 0; n < count; n++)
            r->used += !good[n].out;
        r->unlike += count - r->used;
    }
    if (status != PEL_OK || r->used == 0)
        pel_psf_clear(psf);
    pel_free(good);
    return status;
}

/* Less than half of the bright and not saturated sources are nearer to the border along axis a. */
static pel_status median_room(const field *f, int a, size_t extent, double *room)
{
    float *values = pel_alloc_floats(f->count + 1);
    if (values == NULL)
        return pel_error_set(f->ctx->error, PEL_ENOMEM, "out of memory");
    size_t count = 0;
    for (size_t n = 0; n < f->count && f->all[n].strength >= SOURCES_LEAST; n++)
        if (!is_saturated(f, &f->all[n])) {
            size_t before = f->all[n].at[a], after = extent - 1 - before;
            values[count++] = (float)(before < after ? before : after);
        }
    pel_status status = pel_stats_quantile(f->ctx, values, count, 0.5, room);
    pel_free(values);
    return status;
}

/* Four times the FWHM, but no more than half of the sources have room for (a stack of few planes, or
 * one cropped to a single bead), and at least one and a half. */
static pel_status choose_reach(const field *f, int a, size_t extent, ptrdiff_t *reach)
{
    const double *fwhm = f->report->fwhm, width = a < 2 ? fmax(fwhm[0], fwhm[1]) : fwhm[a];
    double room = 0;
    pel_status status = median_room(f, a, extent, &room);
    double wanted = fmin(ceil(EXTENT * width), fmax(floor(room), ceil(LEAST_EXTENT * width)));
    *reach = (ptrdiff_t)fmax(wanted, 3);
    return status;
}

static pel_status estimate(field *f, const float *detail, double noise, size_t side, pel_psf *psf)
{
    const size_t extent[3] = {f->size.w, f->size.h, f->size.d};
    size_t usable = 0;
    pel_status status = sources_find(f->ctx, detail, f->size, &f->all, &f->count);
    if (status == PEL_OK)
        status = find_widths(f, &usable);
    if (status != PEL_OK)
        return status;
    ptrdiff_t reach[3] = {0, 0, 0};
    for (int a = 0; a < 3 && usable > 0 && status == PEL_OK; a++)
        if (a < 2 && side > 0)
            reach[a] = (ptrdiff_t)(side / 2);
        else if (extent[a] > 1)
            status = choose_reach(f, a, extent[a], &reach[a]);
    f->box = source_box_make(reach, f->report->fwhm);
    return status == PEL_OK ? stack_good(f, detail, noise, psf) : status;
}

pel_status pel_psf_from_sources(const pel_context *ctx, const float *picture, const float *mask,
                                pel_size size, size_t side, pel_psf *psf, pel_sources_report *report)
{
    *psf = (pel_psf){{0, 0, 0, 0}, NULL};
    memset(report, 0, sizeof *report);
    if (size.c != 1 || size.w < 16 || size.h < 16)
        return pel_error_set(ctx->error, PEL_EINVAL, "a picture of %zux%zu is too small to look for point "
                             "sources", size.w, size.h);
    size_t good = 0;
    for (size_t i = 0; i < pel_size_plane(size); i++)
        good += isfinite(picture[i]) && (mask == NULL || mask[i] > 0);
    if (good == 0)
        return pel_error_set(ctx->error, PEL_EINVAL, "the picture has no good sample");
    field f = {.ctx = ctx, .mask = mask, .size = size, .report = report};
    double noise = 0;
    float *detail = pel_alloc_floats(pel_size_plane(size));
    pel_status status = detail == NULL ? pel_error_set(ctx->error, PEL_ENOMEM, "out of memory")
                                       : sources_remove_sky(ctx, picture, size, detail, &noise);
    if (status == PEL_OK)
        status = estimate(&f, detail, noise, side, psf);
    pel_free(f.all);
    pel_free(detail);
    return status;
}
