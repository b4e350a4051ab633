/* sources.h - the PSF from point sources: stars of a field, beads of a volume.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PELLUCID_SOURCES_H
#define PELLUCID_SOURCES_H

#include <pellucid/psf.h>

PEL_BEGIN_DECLS

typedef struct {
    size_t found;      /* local maxima of at least 20 times the noise, each in one of the next five */
    size_t edge;       /* too near to the border */
    size_t saturated;  /* with a masked or saturated sample in the core */
    size_t blended;    /* with a neighbour inside the PSF's extent */
    size_t unlike;     /* of another width or shape than the rest: galaxies, cosmic rays, flat tops */
    size_t used;       /* at most the 400 brightest of what is left */
    double fwhm[3];    /* full width at half maximum, by axis: the median of the usable sources */
    double agreement;  /* 0 to 1: correlation of the PSFs of two halves of the sources, in the core; for one
                          source the part of its energy that noise does not explain */
} pel_sources_report;

/* Finds the point sources in a picture or volume of one channel (weights 0..1 in `mask`, or NULL;
 * samples of weight 0 count as saturated or bad) and makes their common PSF: each source is the PSF,
 * moved by a part of a sample, times its flux; positions, fluxes and the PSF are improved in turn, with
 * samples that differ from the rest clipped, as for the effective PSF of J. Anderson & I. King (PASP
 * 112, 2000, 1360).  `side`, odd, is the PSF's extent in x and y; 0: eight times the FWHM
 * (less, down to three times, where half of the sources are nearer to the border).
 * psf->samples is NULL where no usable source was found.  PEL_EINVAL for a picture that is smaller than
 * 16 x 16 or has no good sample. */
pel_status pel_psf_from_sources(const pel_context *ctx, const float *picture, const float *mask,
                                pel_size size, size_t side, pel_psf *psf, pel_sources_report *report);

typedef enum {
    PEL_FIT_GAUSS,
    PEL_FIT_MOFFAT,
} pel_fit_model;

typedef struct {
    double fwhm[2];  /* along the longer and the shorter axis */
    double angle;    /* of the longer one, in degrees counter-clockwise from +x as seen on screen */
    double beta;     /* Moffat's exponent; 0 for a Gaussian */
    double residual; /* RMS of PSF - model over RMS of the PSF */
} pel_fit_report;

/* Fits an elliptical Gaussian or Moffat profile (A. Moffat, A&A 3, 1969, 455), integrated over the
 * pixels, to a 2-D PSF of one channel by least squares (Levenberg-Marquardt), and puts it, centred, in the
 * PSF's place.  PEL_EINVAL for a volume, PEL_ENUMERIC where the fit does not converge. */
pel_status pel_psf_fit(const pel_context *ctx, pel_fit_model model, pel_psf *psf,
                       pel_fit_report *report);

PEL_END_DECLS
#endif
