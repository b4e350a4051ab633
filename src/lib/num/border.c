/* border.c - where a sample outside a picture is found.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/border.h>

ptrdiff_t pel_border_index(ptrdiff_t i, size_t n, pel_border border)
{
    ptrdiff_t count = (ptrdiff_t)n;
    if (i >= 0 && i < count)
        return i;
    switch (border) {
    case PEL_BORDER_VALID:
    case PEL_BORDER_ZERO:
        return -1;
    case PEL_BORDER_PERIODIC:
        i %= count;
        return i < 0 ? i + count : i;
    case PEL_BORDER_REFLECT:
        break;
    }
    i %= 2 * count;
    if (i < 0)
        i += 2 * count;
    return i < count ? i : 2 * count - 1 - i;
}
