/* memory.c - aligned memory and checked sizes.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <pellucid/base.h>

#define ALIGNMENT 64
#define HUGE_PAGE ((size_t)2 << 20)

bool pel_size_bytes(pel_size s, size_t sample_bytes, size_t *bytes)
{
    const size_t limit = (size_t)1 << 62;
    const size_t factors[4] = {s.w, s.h, s.d, s.c};
    size_t product = sample_bytes;
    for (int i = 0; i < 4; i++)
        if (__builtin_mul_overflow(product, factors[i], &product))
            return false;
    if (product >= limit)
        return false;
    *bytes = product;
    return true;
}

void *pel_alloc(size_t bytes)
{
    if (bytes > SIZE_MAX / 2)
        return NULL;
    if (bytes < ALIGNMENT)
        bytes = ALIGNMENT;
    /* Pictures are touched once from end to end: with huge pages that is 8 page faults for a
     * 2048x2048 frame in place of 4096. */
    bool large = bytes >= 2 * HUGE_PAGE;
    size_t alignment = large ? HUGE_PAGE : ALIGNMENT;
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    void *memory = NULL;
    if (posix_memalign(&memory, alignment, bytes) != 0)
        return NULL;
#ifdef MADV_HUGEPAGE
    if (large)
        (void)madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    return memory;
}

void pel_free(void *memory)
{
    free(memory);
}

float *pel_alloc_floats(size_t count)
{
    return count > SIZE_MAX / 8 ? NULL : pel_alloc(count * sizeof(float));
}

float *pel_calloc_floats(size_t count)
{
    float *floats = pel_alloc_floats(count);
    if (floats != NULL)
        memset(floats, 0, count * sizeof(float));
    return floats;
}
