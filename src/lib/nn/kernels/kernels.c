/* kernels.c - which inner loops this processor takes.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#ifdef __linux__
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <pellucid/cpu.h>

#include "kernels.h"

#ifdef PEL_AMX
/* Linux gives a process the tiles when it asks: they make the state large that is saved for it. */
static pel_status ask_for_tiles(pel_error *error)
{
#ifdef __linux__
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, TILE_DATA = 18 };
    if (syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) != 0)
        return pel_error_set(error, PEL_EINVAL, "the system does not let this process use AMX (%s): set "
                             "PELLUCID_CPU=avx512-bf16", strerror(errno));
#endif
    (void)error;
    return PEL_OK;
}
#endif

pel_status nn_kernels_choose(const nn_kernels **kernels, pel_error *error)
{
    pel_cpu level;
    pel_status status = pel_cpu_level(&level, error);
    *kernels = &nn_kernels_portable;
#ifdef PEL_X86
    static const nn_kernels *const all[] = {
        [PEL_CPU_PORTABLE] = &nn_kernels_portable, [PEL_CPU_AVX2] = &nn_kernels_avx2,
        [PEL_CPU_AVX512] = &nn_kernels_avx512,
#ifdef PEL_AVX512_BF16
        [PEL_CPU_BF16] = &nn_kernels_bf16,
#endif
#ifdef PEL_AMX
        [PEL_CPU_AMX] = &nn_kernels_amx,
#endif
    };
    if (status == PEL_OK)
        *kernels = all[level];
#ifdef PEL_AMX
    if (status == PEL_OK && level == PEL_CPU_AMX)
        status = ask_for_tiles(error);
#endif
#endif
    return status;
}
