/* cpu.c - the processor's level, and PELLUCID_CPU.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <pellucid/cpu.h>

static const char *const names[] = {[PEL_CPU_PORTABLE] = "portable", [PEL_CPU_AVX2] = "avx2",
                                     [PEL_CPU_AVX512] = "avx512"};

static pel_cpu processor(void)
{
#ifdef PEL_X86
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return __builtin_cpu_supports("avx512f") ? PEL_CPU_AVX512 : PEL_CPU_AVX2;
#endif
    return PEL_CPU_PORTABLE;
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
    return pel_error_set(error, PEL_EINVAL, "PELLUCID_CPU=%s: portable, avx2 or avx512 is possible", name);
}
