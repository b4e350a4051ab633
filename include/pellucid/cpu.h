/* cpu.h - which of the code paths for particular processors to take.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PELLUCID_CPU_H
#define PELLUCID_CPU_H

#include <pellucid/base.h>

PEL_BEGIN_DECLS

/* In rising order: a processor of one level does all below it. */
typedef enum {
    PEL_CPU_PORTABLE, /* plain C: the reference that the others are tested against */
    PEL_CPU_AVX2,     /* AVX2 and FMA */
    PEL_CPU_AVX512,   /* AVX-512F */
    PEL_CPU_BF16,     /* and AVX512-BF16: products of bfloat16 */
    PEL_CPU_AMX,      /* and AMX-BF16: tiles of such products */
} pel_cpu;

/* For paths whose results differ in the last bits (not for CRCs, which are the same on any). */

/* The level of this processor, or the one that PELLUCID_CPU in the environment names ("portable",
 * "avx2", "avx512", "avx512-bf16", "amx").  PEL_EINVAL for a name that is none or a level that this processor (or build) lacks. */
pel_status pel_cpu_level(pel_cpu *level, pel_error *error);

PEL_END_DECLS
#endif
