/* extended.h - the extended domain: the data, and around them what their blur reached from outside.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_EXTENDED_H
#define PELLUCID_EXTENDED_H

#include <pellucid/deconv.h>

/* Sizes and positions of one channel's planes; d = 1 kernels leave the depth as it is. */
typedef struct {
    pel_size data, psf, full; /* one channel each; full = data + psf - 1 */
    size_t offset[3];         /* of data sample 0 in `full` */
} pel_extended;

static inline pel_extended pel_extended_of(pel_size data, pel_size psf)
{
    pel_extended e = {data, psf, data, {0, 0, 0}};
    e.data.c = e.psf.c = e.full.c = 1;
    e.full.w += psf.w - 1;
    e.full.h += psf.h - 1;
    e.full.d += psf.d - 1;
    /* y(i) = sum_k psf(k) x(i + offset + centre - k) must begin at sample 0. */
    e.offset[0] = psf.w - 1 - psf.w / 2;
    e.offset[1] = psf.h - 1 - psf.h / 2;
    e.offset[2] = psf.d - 1 - psf.d / 2;
    return e;
}

/* Where row (y, z) of the data begins in an array of `full`. */
static inline size_t pel_extended_row(const pel_extended *e, size_t y, size_t z)
{
    return ((z + e->offset[2]) * e->full.h + y + e->offset[1]) * e->full.w + e->offset[0];
}

/* The PSF of channel c, and its mask (NULL: none). */
static inline const float *pel_problem_psf(const pel_problem *p, size_t c)
{
    return p->psf + (p->psf_size.c > 1 ? c * pel_size_plane(p->psf_size) : 0);
}
static inline const float *pel_problem_mask(const pel_problem *p, size_t c)
{
    return p->mask == NULL ? NULL
                           : p->mask + (p->mask_channels > 1 ? c * pel_size_plane(p->size) : 0);
}

/* Sizes that fit together, counts that are not 0, sigma that is finite. */
pel_status pel_problem_check(const pel_context *ctx, const pel_problem *p);

/* Fills samples whose mask is not above 0 from the good ones around them, so that a first estimate
 * has no holes: repeated means over the good neighbours.  `to` has one channel. */
pel_status pel_problem_fill(const pel_context *ctx, const pel_problem *p, size_t c, float *to);

#endif
