/* border.h - what lies outside a picture.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PELLUCID_BORDER_H
#define PELLUCID_BORDER_H

#include <pellucid/base.h>

PEL_BEGIN_DECLS

typedef enum {
    PEL_BORDER_VALID,    /* nothing: the result shrinks to where all of the PSF is inside */
    PEL_BORDER_REFLECT,  /* mirrored at the edge of the outer samples: c b a | a b c */
    PEL_BORDER_PERIODIC, /* a b c | a b c */
    PEL_BORDER_ZERO,
} pel_border;

/* The words in the order of the enum, for an option table: "valid|reflect|periodic|zero". */
#define PEL_BORDER_CHOICES "valid|reflect|periodic|zero"

/* Where sample i (any sign) of a row of n > 0 samples is found under a border; -1 means the value
 * is 0 (ZERO, and VALID outside). */
ptrdiff_t pel_border_index(ptrdiff_t i, size_t n, pel_border border);

PEL_END_DECLS
#endif
