/* kernels-portable.c - the inner loops for any processor.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#define LANES 4
#define ROWS 4
#define KERNELS nn_kernels_portable
#include "kernels-body.h"
