/* kernels-avx2.c - the inner loops for processors with AVX2 (compiled with its flags).
 * SPDX-License-Identifier: GPL-3.0-or-later */
#define LANES 8
#define ROWS 6
#define KERNELS nn_kernels_avx2
#include "kernels-body.h"
