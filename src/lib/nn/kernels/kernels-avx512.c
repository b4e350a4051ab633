/* kernels-avx512.c - the inner loops for processors with AVX-512 (compiled with its flags).
 * SPDX-License-Identifier: GPL-3.0-or-later */
#define LANES 16
#define ROWS 14
#define KERNELS nn_kernels_avx512
#include "kernels-body.h"
