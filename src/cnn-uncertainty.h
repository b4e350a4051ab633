/* cnn-uncertainty.h - pel-cnn --uncertainty: how wrong the model's result may be at each sample.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_CNN_UNCERTAINTY_H
#define PELLUCID_CNN_UNCERTAINTY_H

#include <pellucid/cnn.h>
#include <pellucid/uncertainty.h>

/* Reads pellucid.uncertainty.  PEL_EINVAL: the model has none, or takes state from frame to frame. */
pel_status cnn_uncertainty_start(pel_run *run, const pel_model *model, const pel_cnn *cnn, pel_uncertainty_kind kind,
                                 pel_calibration *calibration);

/* One restoration, and what was made of it. */
typedef struct {
    pel_cnn *cnn;
    const pel_bundle *bundle;
    const pel_frame *const *frames; /* of the window, the bundle's image in the middle */
    pel_cnn_params params;
    const pel_frame *result;
} cnn_uncertainty_case;

/* As pel_uncertainty_find; `calibration` NULL: raw. */
pel_status cnn_uncertainty_find(pel_run *run, const cnn_uncertainty_case *of, const pel_calibration *calibration,
                                pel_frame **uncertainty, pel_frame **sigma);

#endif
