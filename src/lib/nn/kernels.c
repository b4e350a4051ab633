/* kernels.c - which inner loops this processor takes.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/cpu.h>

#include "kernels.h"

pel_status nn_kernels_choose(const nn_kernels **kernels, pel_error *error)
{
    pel_cpu level;
    pel_status status = pel_cpu_level(&level, error);
    *kernels = &nn_kernels_portable;
#ifdef PEL_X86
    if (level >= PEL_CPU_AVX512)
        *kernels = &nn_kernels_avx512;
    else if (level >= PEL_CPU_AVX2)
        *kernels = &nn_kernels_avx2;
#endif
    return status;
}
