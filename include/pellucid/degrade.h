/* degrade.h - adds noise and blur to pictures, for tests and for training.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PELLUCID_DEGRADE_H
#define PELLUCID_DEGRADE_H

#include <pellucid/base.h>
#include <pellucid/border.h>

PEL_BEGIN_DECLS

typedef struct {
    double sigma;      /* of Gaussian noise, in sample units; 0: none */
    bool poisson;      /* photon noise of `gain` electrons a sample unit */
    double gain;       /* > 0 when poisson or readnoise is used */
    double readnoise;  /* electrons, Gaussian */
    uint64_t seed;
    uint64_t stream;   /* number of the frame: each draws numbers of its own */
} pel_noise_params;

/* Adds noise to `count` samples in place.  The numbers depend on seed, stream and position only, not
 * on the threads.  `deviation` (NULL, or `count` floats) gets the standard deviation at each sample:
 * sqrt(sigma^2 + v/gain + (readnoise/gain)^2), v the sample before.  Samples that are not finite stay
 * as they are; negative ones have no photons.  PEL_EINVAL, PEL_ENOMEM. */
pel_status pel_noise_add(const pel_context *ctx, const pel_noise_params *params, float *samples,
                         size_t count, float *deviation);

/* Convolves a picture in which samples may be NaN or infinite: these weigh nothing, their neighbours
 * take the weighted mean of what is there, and a sample with nothing good under the PSF is NaN.
 * Sizes as pel_convolve. */
pel_status pel_blur_picture(const pel_context *ctx, const float *from, pel_size size, const float *psf,
                            pel_size psf_size, pel_border border, float *to);

PEL_END_DECLS
#endif
