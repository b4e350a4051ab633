/* psf.h - point-spread functions: made from a specification, or put in order.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The centre of a PSF is sample floor(w/2), floor(h/2), floor(d/2); each channel sums to 1.
 */
#ifndef PELLUCID_PSF_H
#define PELLUCID_PSF_H

#include <pellucid/base.h>
#include <pellucid/rng.h>

PEL_BEGIN_DECLS

/* A PSF of `size` in fresh memory (pel_free). */
typedef struct {
    pel_size size;
    float *samples;
} pel_psf;
void pel_psf_clear(pel_psf *psf);

/* True when the text begins with the name of a model below (so that it is no file name). */
bool pel_psf_is_spec(const char *text);

/* Makes the PSF that a SPEC describes: NAME[:[KEY=]VALUE,...], lengths in pixels, angles in degrees
 * counter-clockwise from +x as seen on screen.  Values are numbers as in number.h; key names may be
 * left out in the order given:
 *     gauss:sigma= | gauss:fwhm=       disc:radius=            delta
 *     moffat:fwhm=,beta=               motion:length=,angle=   shake:size=,seed=
 *     airy:fwhm=
 * Anti-aliased: each sample is the integral over its pixel.  PEL_EUSAGE names what is wrong,
 * a range among it. */
pel_status pel_psf_make(const char *spec, pel_psf *psf, pel_error *error);

/* Draws a spec without ranges from one in which values are ranges, LOW..HIGH, or a shake has no seed:
 * evenly (sizes of a shake: of the odd ones).  PEL_EUSAGE also when there is nothing to draw. */
#define PEL_PSF_SPEC_MAX 160
pel_status pel_psf_draw(const char *spec, pel_rng *rng, char drawn[PEL_PSF_SPEC_MAX],
                        pel_error *error);

/* One paragraph for --help and the manual that lists the models. */
extern const char pel_psf_help[];

/* Scales each channel to sum 1.  PEL_EINVAL for samples that are not finite, clearly negative
 * (below -1e-3 of the maximum; smaller ones are set to 0) or that sum to 0. */
pel_status pel_psf_normalise(float *samples, pel_size size, pel_error *error);

/* A PSF with errors, as solvers are told one that was measured or estimated: out (of psf's size) gets it, each channel with
 * another error whose norm is `error` (0 to 0.7: less than the channel itself, so that some of it remains) times that of the
 * channel.  By a random share it is noise in proportion
 * to the samples, and a width that is too great or too small (the Laplacian).  Negative samples are cut off, the
 * centre of mass stays where it is, the sum 1. */
pel_status pel_psf_disturb(const pel_psf *psf, double error, pel_rng *rng, float *out, pel_error *e);

/* The convolution of two PSFs (channels: 1 or the same number), centre to centre: what blurring
 * twice comes to. */
pel_status pel_psf_convolve(const pel_context *ctx, const pel_psf *a, const pel_psf *b,
                            pel_psf *both);

PEL_END_DECLS
#endif
