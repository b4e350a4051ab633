/* validate.h - pictures that a model is measured by while it learns from others.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PELLUCID_VALIDATE_H
#define PELLUCID_VALIDATE_H

#include <pellucid/cnn.h>

typedef struct {
    pel_bundle *bundles;
    size_t count;
} pel_validation;

/* Keeps all pairs of a stream's file: images with their truth.  Clear also after a failure. */
pel_status pel_validation_read(const char *path, size_t memory, pel_validation *validation, pel_error *error);
void pel_validation_clear(pel_validation *validation);

/* The mean over the pictures of the PSNR in dB of what the model, as pel-cnn runs it, makes of each; range is white -
 * black.  PEL_ENUMERIC: a result that is not finite. */
pel_status pel_validation_score(const pel_context *ctx, const pel_validation *validation, const pel_model *model,
                                pel_precision precision, double *psnr);

#endif
