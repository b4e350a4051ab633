/* blend.h - puts overlapping tiles together again.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Each tile is weighed by a tent that falls to its edges and sums are divided by the sum of weights:
 * where tiles agree, nothing changes.
 */
#ifndef PELLUCID_BLEND_H
#define PELLUCID_BLEND_H

#include <pellucid/frame.h>

PEL_BEGIN_DECLS

typedef struct pel_blend pel_blend;

/* For images of `whole`; PEL_ELIMIT when an image of it is over `memory_cap` bytes. */
pel_status pel_blend_new(pel_size whole, size_t memory_cap, pel_blend **blend, pel_error *error);
void pel_blend_free(pel_blend *blend);

/* Adds the tile's image, and its companions that follow the geometry, with their corner at (x, y, z).
 * All tiles must have the same companions. */
pel_status pel_blend_add(pel_blend *blend, const pel_bundle *tile, size_t x, size_t y, size_t z,
                         pel_error *error);

/* The whole: blended frames with the keys of the first tile, and the companions that were the same
 * for all tiles.  `out` is empty before.  PEL_EFORMAT when samples are covered by no tile. */
pel_status pel_blend_finish(pel_blend *blend, pel_bundle *out, pel_error *error);

PEL_END_DECLS
#endif
