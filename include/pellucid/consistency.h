/* consistency.h - does an estimate explain the measurement, and how to keep it to what does.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The estimate x is blurred again and compared with the measurement: r = (data - psf * x) / sigma.  Of a picture that
 * explains the measurement r is noise: RMS 1 (less where the estimate follows the noise), and in a window of n samples its
 * mean square is 1 with a standard deviation of sqrt(2/n) (chi-square).  The discrepancy principle of V. Morozov (Methods
 * for Solving Incorrectly Posed Problems, 1984) asks that of the whole picture; here each window is asked, so that a small
 * thing that is not in the measurement shows.  What the blur takes away entirely leaves no trace in r: that part of an
 * estimate cannot be checked.
 *
 * `problem` says what was measured (deconv.h): data, mask, psf (NULL: no blur), sigma > 0 or its map; start and background
 * are not used.  A sample counts when all that its blur reaches is inside the picture and finite in the estimate, and when
 * it is finite itself; one of weight m counts as having the variance sigma^2 / m.
 */
#ifndef PELLUCID_CONSISTENCY_H
#define PELLUCID_CONSISTENCY_H

#include <pellucid/deconv.h>

PEL_BEGIN_DECLS

#define PEL_CONSISTENCY_WINDOW 16 /* side of a window that small things show in, and still enough samples */

typedef struct {
    size_t samples; /* that count */
    double rms;     /* of r over them; NaN: there are none */
    double worst;   /* greatest RMS in a window of a plane; NaN: none has half of its samples */
    size_t at[4];   /* x, y, z, c of that window's centre */
} pel_consistency;

/* `estimate` has problem->size; windows have `window` x `window` samples (2 and more).  PEL_EINVAL: sigma is not above
 * 0, or the PSF is larger than the picture; PEL_ENOMEM. */
pel_status pel_consistency_measure(const pel_context *ctx, const pel_problem *problem, const float *estimate,
                                   size_t window, pel_consistency *result);

typedef struct {
    size_t window; /* side of the small windows; large ones have four times that */
    double limit;  /* how many standard deviations above 1 the mean square of r may be in a window; >= 0 */
} pel_keep_params;
typedef struct {
    double kept;  /* mean weight of the estimate: 1 where all of it was kept */
    long rounds;  /* blends that were tried */
    size_t left;  /* windows that still depart from the measurement: 0, but for PSFs larger than the windows */
} pel_keep_report;

/* Blends `estimate` back towards `from` where it departs from the measurement further than both the noise and `from` do:
 * from + w (estimate - from), with a smooth w in 0..1 that is the same for all channels.  With r0 of `from` and r1 of the
 * estimate the residual of the blend is (1-w) r0 + w r1 while w changes slowly, so that the largest w with a mean square
 * up to max(mean r0^2, 1 + limit sqrt(2/n)) solves a quadratic equation in each window; minima over the neighbourhood,
 * smoothed, keep the bound.  Then the blend is blurred and measured itself, and drawn back further where it is still over,
 * round after round.  Nothing changes along edges where no sample counts. */
pel_status pel_consistency_keep(const pel_context *ctx, const pel_problem *problem, const float *from,
                                const pel_keep_params *params, float *estimate, pel_keep_report *report);

PEL_END_DECLS
#endif
