/* calibration.h - from a measure of how unsure a result is to the size of its error, and how well that holds.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A raw uncertainty q (ensemble.h) orders samples by how wrong they are likely to be.  With sigma as the unit, the size of
 * errors is a growing function of it that one curve describes for all noise levels: u = sigma g(q / sigma).  g is fitted so
 * that the share PEL_CALIBRATION_SHARE of errors is within u for each q: a quantile, not an RMS, as errors at edges have longer tails than Gaussian ones
 * (V. Kuleshov, N. Fenner & S. Ermon, Accurate uncertainties for deep learning using calibrated regression, ICML 2018).
 */
#ifndef PELLUCID_CALIBRATION_H
#define PELLUCID_CALIBRATION_H

#include <pellucid/base.h>

PEL_BEGIN_DECLS

#define PEL_CALIBRATION_SHARE 0.682689492137086 /* of a Gaussian, within one standard deviation */
#define PEL_CALIBRATION_KNOTS 16
#define PEL_CALIBRATION_TEXT 640 /* bytes of the longest text, its end included */

/* g: linear between knots, constant before the first, proportional behind the last.  x grows, y does not fall; all above 0. */
typedef struct {
    size_t count; /* 1 or more */
    double x[PEL_CALIBRATION_KNOTS], y[PEL_CALIBRATION_KNOTS];
} pel_calibration;

/* "x:y x:y ...".  PEL_EFORMAT for other text, or knots that do not grow. */
pel_status pel_calibration_parse(const char *text, pel_calibration *calibration, pel_error *error);
void pel_calibration_format(const pel_calibration *calibration, char text[PEL_CALIBRATION_TEXT]);

/* u of a raw uncertainty; NaN for NaN. */
double pel_calibration_apply(const pel_calibration *calibration, double raw, double sigma);

/* A sample whose truth is known, in units of its sigma. */
typedef struct {
    float raw, error; /* error: absolute */
} pel_calibration_pair;

/* Fits g to pairs, which are sorted: knots are the medians of raw uncertainties in up to PEL_CALIBRATION_KNOTS groups of
 * the same size, with the quantile of their errors; groups that fall back are joined (the pool-adjacent-violators
 * algorithm, M. Ayer et al., Ann. Math. Statist. 26, 1955).  PEL_EINVAL: fewer than 100 pairs, or all errors are 0. */
pel_status pel_calibration_fit(const pel_context *ctx, pel_calibration_pair *pairs, size_t count,
                               pel_calibration *calibration);

#define PEL_COVERAGE_PARTS 5

typedef struct {
    size_t samples;                   /* finite in all three */
    double within;                    /* share with |estimate - truth| <= uncertainty; NaN: there are no samples */
    double parts[PEL_COVERAGE_PARTS]; /* the same by quintile of uncertainty, the lowest first; NaN below 5 samples */
    double scale;                     /* by which uncertainties had to be multiplied to hold PEL_CALIBRATION_SHARE */
} pel_coverage;

/* Arrays of `count` samples.  PEL_ENOMEM. */
pel_status pel_coverage_measure(const pel_context *ctx, const float *estimate, const float *truth,
                                const float *uncertainty, size_t count, pel_coverage *coverage);

PEL_END_DECLS
#endif
