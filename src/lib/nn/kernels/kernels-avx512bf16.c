/* kernels-avx512bf16.c - the inner loops for processors with AVX512-BF16 besides (compiled with its flags).
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <immintrin.h>

#define LANES 16
#define ROWS 14
#define KERNELS nn_kernels_bf16
#define BF16_PAIR(sum, a, w) \
    ((vec)_mm512_dpbf16_ps((__m512)(sum), (__m512bh)_mm512_set1_epi32((int)(a)), (__m512bh)(w)))
#include "kernels-body.h"
