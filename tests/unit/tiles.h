/* tiles.h - AMX for processors without it: its instructions raise SIGILL, and the handler does what they do.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * After the Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2: LDTILECFG, TILERELEASE, TILEZERO,
 * TILELOADD, TILESTORED, TDPBF16PS.  So the very code that is shipped can be tested on any processor with AVX-512.  What
 * is not one of these instructions, or breaks their rules, ends the process with the signal, as ever.
 */
#ifndef PELLUCID_TILES_H
#define PELLUCID_TILES_H

#include <stdbool.h>

/* False: not on this system. */
bool tiles_emulate(void);
/* Instructions done so far. */
unsigned long tiles_count(void);

#endif
