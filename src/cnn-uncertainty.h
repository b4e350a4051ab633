/* cnn-uncertainty.h - pel-cnn --uncertainty: how wrong the model's result may be at each sample.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_CNN_UNCERTAINTY_H
#define PELLUCID_CNN_UNCERTAINTY_H

#include <pellucid/calibration.h>
#include <pellucid/cnn.h>
#include <pellucid/stage.h>

typedef enum { UNCERTAINTY_NONE, UNCERTAINTY_CALIBRATED, UNCERTAINTY_RAW } uncertainty_kind;

/* Reads pellucid.uncertainty.  PEL_EINVAL: the model has none, or takes state from frame to frame. */
pel_status uncertainty_start(pel_run *run, const pel_model *model, const pel_cnn *cnn, uncertainty_kind kind,
                             pel_calibration *calibration);

/* One restoration, and what was made of it. */
typedef struct {
    pel_cnn *cnn;
    const pel_bundle *bundle;
    const pel_frame *const *frames; /* of the window, the bundle's image in the middle */
    pel_cnn_params params;
    const pel_frame *result;
} uncertainty_case;

/* New frames: the role uncertainty for the result, NaN where nothing was measured; and the sigma that was used.  With
 * `calibration` NULL, raw. */
pel_status uncertainty_find(pel_run *run, const uncertainty_case *of, const pel_calibration *calibration,
                            pel_frame **uncertainty, pel_frame **sigma);

#endif
