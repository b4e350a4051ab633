/* parametric.h - PSFs of one or two numbers, from the spectrum of the picture.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PELLUCID_PARAMETRIC_H
#define PELLUCID_PARAMETRIC_H

#include <pellucid/psf.h>

PEL_BEGIN_DECLS

typedef enum {
    PEL_PARAMETRIC_GAUSS,  /* sigma */
    PEL_PARAMETRIC_DISC,   /* radius */
    PEL_PARAMETRIC_MOTION, /* length, angle */
    PEL_PARAMETRIC_MOFFAT, /* FWHM, beta */
} pel_parametric_model;

typedef struct {
    char spec[80];     /* the PSF as psf.h names it, such as disc:radius=3.214 */
    double confidence; /* 0 to 1: correlation of the PSFs of both halves of the picture, times twice
                          (at most 1) the part of the scatter of log P that the fit explains */
} pel_parametric_report;

/* Fits, to the mean periodogram of the picture (overlapping windows: P. Welch, IEEE Trans. Audio
 * Electroacoust. 15, 1967), the power law of natural pictures (D. Field, JOSA A 4, 1987) seen
 * through the PSF, plus white noise:
 *     P(f) = a |f|^-alpha exp(b cos 2t + c sin 2t) |K(f)|^2 + n,   t: direction of f
 * by least squares of the logarithms, alpha being near 2.3.  The picture has one channel and d = 1; weights
 * 0..1 in `mask`, or NULL.  The PSF is the caller's (pel_psf_clear).
 * PEL_EINVAL for volumes, and for pictures of less than 32 x 32. */
pel_status pel_parametric_psf(const pel_context *ctx, const float *picture, const float *mask,
                              pel_size size, pel_parametric_model model, pel_psf *psf,
                              pel_parametric_report *report);

PEL_END_DECLS
#endif
