/* geometry.h - cuts a region out of an image and all companions that share its geometry.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PELLUCID_GEOMETRY_H
#define PELLUCID_GEOMETRY_H

#include <pellucid/base.h>
#include <pellucid/frame.h>

PEL_BEGIN_DECLS

/* Corner and size of a region, in samples of the image (c is not used). */
typedef struct {
    size_t x, y, z;
    pel_size size;
} pel_region;

/* True for a companion that follows the geometry of `image`: a role that does, of the image's w, h
 * and d. */
bool pel_geometry_follows(const pel_frame *companion, const pel_frame *image);

/* A copy of the region of `frame`; `origin` is moved by its corner.  PEL_EINVAL when the region is
 * empty or not inside. */
pel_status pel_geometry_cut(const pel_frame *frame, pel_region region, pel_frame **cut,
                            pel_error *error);

/* The bundle with image and following companions cut, the others as they are.  `cut` is an empty
 * bundle before; it is to be cleared by the caller. */
pel_status pel_geometry_cut_bundle(const pel_bundle *bundle, pel_region region, pel_bundle *cut,
                                   pel_error *error);

/* WxH[xD][+X+Y[+Z]]; *placed is false when the corner is left out.  Returns false for other text. */
bool pel_geometry_parse(const char *text, pel_region *region, bool *placed);

PEL_END_DECLS
#endif
