/* resize.h - pictures at another size.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PELLUCID_RESIZE_H
#define PELLUCID_RESIZE_H

#include <pellucid/base.h>

PEL_BEGIN_DECLS

/* Resamples all channels of a picture (d = 1) to to_size.w x to_size.h by linear interpolation; when
 * shrinking, the triangle is as wide as two samples of the result, so that nothing aliases (P.
 * Heckbert, Fundamentals of Texture Mapping, 1989, 3.5).  The outer edges of both grids agree.
 * PEL_ENOMEM; PEL_EINVAL for sizes of 0 or other depths and channels. */
pel_status pel_resize(const pel_context *ctx, const float *from, pel_size size, float *to,
                      pel_size to_size);

PEL_END_DECLS
#endif
