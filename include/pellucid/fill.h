/* fill.h - holes filled from what is around them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_FILL_H
#define PELLUCID_FILL_H

#include <pellucid/base.h>

PEL_BEGIN_DECLS

/* Fills samples of one channel whose mask is not above 0 from the good ones around them, so that a
 * first estimate has no holes: repeated means over the good neighbours.  `mask` may be NULL.
 * PEL_EINVAL where no sample is good. */
pel_status pel_fill_holes(const pel_context *ctx, const float *data, const float *mask, pel_size size,
                          float *to);

PEL_END_DECLS

#endif
