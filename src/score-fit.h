/* score-fit.h - pel-score --fit: gathers raw uncertainties and errors, and fits a calibration to them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_SCORE_FIT_H
#define PELLUCID_SCORE_FIT_H

#include <pellucid/calibration.h>
#include <pellucid/driver.h>

typedef struct {
    pel_calibration_pair *pairs;
    size_t count, room;
} score_fit;

/* Takes samples of a bundle, spread evenly over it; all sizes are the image's.  `sigma`: of -s, or NaN. */
pel_status score_fit_add(pel_run *run, score_fit *fit, const pel_bundle *bundle, const pel_frame *truth,
                         const pel_frame *uncertainty, double sigma);
/* The text of pellucid.uncertainty, from what was gathered since the last. */
pel_status score_fit_end(pel_run *run, score_fit *fit, char text[PEL_CALIBRATION_TEXT]);
void score_fit_clear(score_fit *fit);

#endif
