/* ensemble.h - how a restoration answers to what should make no difference: the picture turned and mirrored, and a little
 * more noise.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Each of up to eight members lies in another way (rotated by quarters, mirrored) and gets noise n of `part` times sigma of
 * its own; what is made of it is turned back and compared with the result x.  Two figures come of that for each sample:
 * - spread: the variance of the members (self-ensembles: R. Timofte et al., Seven ways to improve example-based single image
 *   super resolution, CVPR 2016; as a measure of uncertainty: G. Wang et al., Aleatoric uncertainty estimation with test-time
 *   augmentation, Neurocomputing 338, 2019);
 * - response: the mean of n (x_member - x) / part^2, an estimate of sigma^2 dx/dy: S. Ramani et al., Monte-Carlo SURE
 *   (IEEE TIP 17, 2008) estimate its sum so.  For the mean of the posterior this is its variance (C. Tweedie's formula, to
 *   the second order: B. Efron, Tweedie's formula and selection bias, JASA 106, 2011; H. Manor & T. Michaeli, On the
 *   posterior distribution in denoising, ICLR 2024).
 */
#ifndef PELLUCID_ENSEMBLE_H
#define PELLUCID_ENSEMBLE_H

#include <pellucid/frame.h>

PEL_BEGIN_DECLS

#define PEL_ENSEMBLE_MEMBERS 8

typedef struct {
    double part;           /* of sigma: noise that is added; > 0 */
    double surroundings;   /* weight, for pel_ensemble_raw, of the spread around a sample beside its own; 0: none */
    uint64_t seed, stream; /* for these a member's noise is always the same */
} pel_ensemble_params;

typedef struct {
    const pel_context *ctx;
    pel_ensemble_params params;
    const pel_bundle *bundle; /* what is restored; must outlive the ensemble */
    const pel_frame *result;  /* and what of it became */
    pel_frame *sigma;         /* noise of the measurement: one number, or a map of one channel or as many */
    size_t members;           /* taken so far */
    /* Of all samples: sums over members of the difference d from the result, of d^2, and of noise times d. */
    float *sum, *square, *product;
} pel_ensemble;

/* `sigma` is a frame of the stream's units (its own reference is taken), as in pel(5); `result` has the image's size.
 * PEL_EINVAL: the noise level is not above 0, or the map does not fit.  Close it, also after a failure. */
pel_status pel_ensemble_open(const pel_context *ctx, const pel_bundle *bundle, const pel_frame *result, pel_frame *sigma,
                             const pel_ensemble_params *params, pel_ensemble *ensemble);
void pel_ensemble_close(pel_ensemble *ensemble);

/* How member 0 .. 7 lies: an orientation for pel_geometry_turn, and the one that turns it back. */
unsigned pel_ensemble_orientation(size_t member);
unsigned pel_ensemble_back(size_t member);

/* The bundle that member's restoration is to be made of: image and companions turned, noise added to the measurement (data,
 * or else the image), the companion sigma told of it.  `turned` is an empty bundle before; clear it also after a failure. */
pel_status pel_ensemble_member(const pel_ensemble *ensemble, size_t member, pel_bundle *turned);
/* Takes what became of it: a frame of the turned image's size. */
pel_status pel_ensemble_take(pel_ensemble *ensemble, size_t member, const pel_frame *restored);

/* From the members taken, 2 or more: variance and response of each sample, in squares of the stream's units, averaged over
 * (2 reach + 1)^2 samples of its plane.  NaN where the result or a member is not finite.  Arrays of the image's size. */
pel_status pel_ensemble_figures(const pel_ensemble *ensemble, size_t spread_reach, size_t response_reach, float *spread,
                                float *response);
/* Of both, one raw uncertainty for each sample, in the stream's units: the larger, the larger are errors; how large they
 * are is for calibration.h to say. */
pel_status pel_ensemble_raw(const pel_ensemble *ensemble, float *raw);

PEL_END_DECLS
#endif
