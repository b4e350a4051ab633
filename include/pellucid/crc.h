/* crc.h - zlib's CRC-32, at the speed of memory.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PELLUCID_CRC_H
#define PELLUCID_CRC_H

#include <pellucid/base.h>

PEL_BEGIN_DECLS

/* Continues the CRC-32 (polynomial 0x04C11DB7, reflected; zlib's crc32) `crc` of the bytes so far,
 * 0 at first, over `count` more.  With PCLMULQDQ it folds 64 bytes at a time (V. Gopal et al., "Fast
 * CRC Computation for Generic Polynomials Using PCLMULQDQ", Intel, 2009), else it is zlib's. */
uint32_t pel_crc32(uint32_t crc, const void *bytes, size_t count);

PEL_END_DECLS
#endif
