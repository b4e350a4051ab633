/* sheet.h - a contact sheet of PSFs.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_SHEET_H
#define PELLUCID_SHEET_H

#include <pellucid/frame.h>

#define PEL_SHEET_MOST 100 /* PSFs on one sheet */

/* Draws `count` (1 to PEL_SHEET_MOST) psf frames, one below the other: the kernel (brightness as the square
 * root of its value; of a volume the plane of the centre), the magnitude of its transform (in dB down to
 * -40, frequency 0 in the middle), and the cuts along x and y through its greatest sample with their FWHM.
 * Frames of several channels show their first.  *image is a new frame of role image, three channels of
 * 0..1.  PEL_EINVAL for a PSF without a finite positive sample. */
pel_status pel_draw_sheet(const pel_context *ctx, pel_frame *const *psfs, size_t count, pel_frame **image);

#endif
