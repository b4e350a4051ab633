/* curve.h - curves of a training run.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_CURVE_H
#define PELLUCID_CURVE_H

#include <pellucid/base.h>

/* Draws the table that pel-train --log wrote as an SVG file, one panel below the other over the steps: the loss and its
 * terms (logarithmic), the PSNR of the validation, the learning rate; those that have numbers.  PEL_EFORMAT names the
 * line that is not as it should be.  The file is written under another name, and renamed. */
pel_status pel_draw_curves(const char *table, const char *svg, pel_error *error);

#endif
