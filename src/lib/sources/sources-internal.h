/* sources-internal.h - from a picture to candidates, from candidates to a PSF.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_SOURCES_INTERNAL_H
#define PELLUCID_SOURCES_INTERNAL_H

#include <pellucid/sources.h>

/* ---- sky.c */

#define SOURCES_MAD_TO_SIGMA 1.4826

/* The median of the values and SOURCES_MAD_TO_SIGMA times their median deviation from it (of Gaussian noise: its
 * standard deviation), after three rounds without what is more than 3 of these away. */
typedef struct {
    double level, noise;
} sources_level;
pel_status sources_level_of(const pel_context *ctx, float *values, size_t count, sources_level *level);

/* detail = picture - sky, the latter by clipped medians of tiles in each plane, in between bilinear; 0 where
 * the picture is not finite.  *noise: of the detail's samples. */
pel_status sources_remove_sky(const pel_context *ctx, const float *picture, pel_size size,
                              float *detail, double *noise);

/* ---- find.c */

typedef struct {
    size_t at[3];      /* brightest sample */
    double strength;   /* over the noise, of the smoothed picture */
    double peak;       /* of the detail */
    double fwhm[3];    /* by axis */
    /* What stack.c adds: */
    double flux, offset[3], weight;
    bool out;
} source;

#define SOURCES_LEAST 20.0 /* strength of what is used */

/* All local maxima of strength 5 and more, strongest first, in fresh memory. */
pel_status sources_find(const pel_context *ctx, const float *detail, pel_size size, source **found,
                        size_t *count);

/* ---- box.c: boxes of samples around a source, 2*reach + 1 a side. */

typedef struct {
    ptrdiff_t reach[3];
    size_t side[3], count;
    double fwhm[3]; /* what distances are measured in */
} source_box;

source_box source_box_make(const ptrdiff_t reach[3], const double fwhm[3]);
/* Distance of sample i of a box from its centre, in units of the FWHM. */
double source_box_radius(const source_box *box, size_t i);
/* to(x) = from(x - offset), by Lanczos interpolation; what lies outside is 0.  `scratch` is a box. */
void source_box_move(const source_box *box, const float *from, const double offset[3], float *to,
                     float *scratch);

/* ---- stack.c */

/* The common PSF of sources[0..count); those unlike the others get `out`.  Changes their order. */
pel_status sources_stack(const pel_context *ctx, const float *detail, const float *mask, pel_size size,
                         double noise, const source_box *box, source *sources, size_t count,
                         float *psf, double *agreement);

#endif
