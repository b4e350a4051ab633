/* geometry.h - cuts a region out of an image and all companions that share its geometry, and turns
 * them.
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

/* `frame` turned upright, when it lies as orientation 1 to 8 of EXIF 2.3 (4.6.4) and TIFF 6.0 says:
 * 1 to 4 keep width and height, 5 to 8 exchange them.  A new frame with the same keys. */
pel_status pel_geometry_turn(const pel_frame *frame, unsigned orientation, pel_frame **turned,
                             pel_error *error);

/* The bundle with image and following companions turned, and each PSF about its centre (of even
 * sides it gets a row or column of zeros first), so that what was the PSF's blur still is.  The
 * keys origin, tile and a PSF's spec, and a FITS header, told of it as it lay: they are left out,
 * for every orientation, so that all bundles of a stream are alike.
 * `turned` is an empty bundle before; it is to be cleared by the caller. */
pel_status pel_geometry_turn_bundle(const pel_bundle *bundle, unsigned orientation,
                                    pel_bundle *turned, pel_error *error);

/* WxH[xD][+X+Y[+Z]]; *placed is false when the corner is left out.  Returns false for other text. */
bool pel_geometry_parse(const char *text, pel_region *region, bool *placed);

PEL_END_DECLS
#endif
