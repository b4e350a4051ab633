/* cpu.c - the processor's level, and PELLUCID_CPU.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#ifdef PEL_AMX
#include <cpuid.h>
#endif

#include <pellucid/cpu.h>

static const char *const names[] = {[PEL_CPU_PORTABLE] = "portable", [PEL_CPU_AVX2] = "avx2",
                                     [PEL_CPU_AVX512] = "avx512",     [PEL_CPU_BF16] = "avx512-bf16",
                                     [PEL_CPU_AMX] = "amx"};

#ifdef PEL_AMX
/* Tiles of bfloat16 (CPUID leaf 7) in a system that saves them (XCR0).  Linux wants to be asked for them besides: who
 * uses them does that. */
static bool has_amx(void)
{
    enum { OSXSAVE = 1 << 27, AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24, TILE_STATE = 3 << 17 };
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & OSXSAVE) == 0)
        return false;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & AMX_TILE) == 0 || (d & AMX_BF16) == 0)
        return false;
    __asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return (a & TILE_STATE) == TILE_STATE;
}
#endif

static pel_cpu processor(void)
{
#ifdef PEL_X86
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return PEL_CPU_PORTABLE;
    if (!__builtin_cpu_supports("avx512f"))
        return PEL_CPU_AVX2;
    pel_cpu level = PEL_CPU_AVX512;
#ifdef PEL_AVX512_BF16
    if (__builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw"))
        level = PEL_CPU_BF16;
#endif
#ifdef PEL_AMX
    if (level == PEL_CPU_BF16 && has_amx())
        level = PEL_CPU_AMX;
#endif
    return level;
#else
    return PEL_CPU_PORTABLE;
#endif
}

pel_status pel_cpu_level(pel_cpu *level, pel_error *error)
{
    const char *name = getenv("PELLUCID_CPU");
    pel_cpu most = processor();
    if (name == NULL || name[0] == '\0') {
        *level = most;
        return PEL_OK;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0) {
            *level = (pel_cpu)i;
            return *level <= most ? PEL_OK
                                  : pel_error_set(error, PEL_EINVAL,
                                                  "PELLUCID_CPU=%s: this processor or build has "
                                                  "only %s", name, names[most]);
        }
    return pel_error_set(error, PEL_EINVAL, "PELLUCID_CPU=%s: portable, avx2, avx512, avx512-bf16 or amx is possible", name);
}
