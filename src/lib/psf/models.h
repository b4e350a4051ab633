/* models.h - the PSF models: values in the order of their keys in spec.c, already in range.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_MODELS_H
#define PELLUCID_MODELS_H

#include <pellucid/psf.h>

#define PEL_PSF_KEYS 3

pel_status pel_make_gauss(const double *values, pel_psf *psf, pel_error *error);
pel_status pel_make_moffat(const double *values, pel_psf *psf, pel_error *error);
pel_status pel_make_airy(const double *values, pel_psf *psf, pel_error *error);
pel_status pel_make_disc(const double *values, pel_psf *psf, pel_error *error);
pel_status pel_make_motion(const double *values, pel_psf *psf, pel_error *error);
pel_status pel_make_shake(const double *values, pel_psf *psf, pel_error *error);
pel_status pel_make_delta(const double *values, pel_psf *psf, pel_error *error);

/* An array of w x h x d zeros, one channel. */
pel_status pel_psf_zeros(size_t w, size_t h, size_t d, pel_psf *psf, pel_error *error);

/* Adds `weight` spread evenly over the segment from (x0, y0) to (x1, y1), in pixels from the centre
 * of the middle sample, exact over the pixels that it crosses. */
void pel_psf_add_segment(pel_psf *psf, double x0, double y0, double x1, double y1, double weight);

#endif
