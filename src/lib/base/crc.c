/* crc.c - CRC-32 by carry-less multiplication, or by zlib.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <zlib.h>

#include <pellucid/crc.h>

static uint32_t crc_zlib(uint32_t crc, const void *bytes, size_t count)
{
    return count == 0 ? crc : (uint32_t)crc32_z(crc, bytes, count);
}

#ifdef PEL_X86
#include <immintrin.h>

#define TARGET __attribute__((target("pclmul,sse4.1")))

/* Constants of Gopal et al. for the reflected polynomial: x^n mod P for the distances folded. */
static const uint64_t fold_64[2] = {0x154442bd4, 0x1c6e41596}; /* by 4 x 128 bits */
static const uint64_t fold_16[2] = {0x1751997d0, 0x0ccaa009e}; /* by 128 bits */
static const uint64_t fold_8[2] = {0x163cd6124, 0};            /* 96 to 64 bits */
static const uint64_t barrett[2] = {0x1db710641, 0x1f7011641}; /* P and its inverse */

TARGET static inline __m128i load(const void *p)
{
    return _mm_loadu_si128(p);
}

/* x * x^distance, plus what lies there. */
TARGET static inline __m128i fold(__m128i x, __m128i constants, __m128i next)
{
    __m128i low = _mm_clmulepi64_si128(x, constants, 0x00);
    __m128i high = _mm_clmulepi64_si128(x, constants, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

TARGET static uint32_t reduce(__m128i x)
{
    const __m128i low_word = _mm_setr_epi32(-1, 0, -1, 0);
    /* 128 to 96 bits, 96 to 64, then Barrett to 32. */
    __m128i t = _mm_clmulepi64_si128(x, load(fold_16), 0x10);
    x = _mm_xor_si128(_mm_srli_si128(x, 8), t);
    t = _mm_srli_si128(x, 4);
    x = _mm_and_si128(x, low_word);
    x = _mm_xor_si128(_mm_clmulepi64_si128(x, load(fold_8), 0x00), t);
    t = _mm_and_si128(x, low_word);
    t = _mm_clmulepi64_si128(t, load(barrett), 0x10);
    t = _mm_and_si128(t, low_word);
    t = _mm_clmulepi64_si128(t, load(barrett), 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(x, t), 1);
}

/* count >= 64; the last count % 16 bytes are left to the caller. */
TARGET static uint32_t crc_folded(uint32_t crc, const uint8_t *p, size_t count)
{
    __m128i k = load(fold_64);
    __m128i x0 = _mm_xor_si128(load(p), _mm_cvtsi32_si128((int)~crc));
    __m128i x1 = load(p + 16), x2 = load(p + 32), x3 = load(p + 48);
    for (p += 64, count -= 64; count >= 64; p += 64, count -= 64) {
        x0 = fold(x0, k, load(p));
        x1 = fold(x1, k, load(p + 16));
        x2 = fold(x2, k, load(p + 32));
        x3 = fold(x3, k, load(p + 48));
    }
    k = load(fold_16);
    x1 = fold(x0, k, x1);
    x2 = fold(x1, k, x2);
    x3 = fold(x2, k, x3);
    for (; count >= 16; p += 16, count -= 16)
        x3 = fold(x3, k, load(p));
    return ~reduce(x3);
}

uint32_t pel_crc32(uint32_t crc, const void *bytes, size_t count)
{
    if (count < 64 || !__builtin_cpu_supports("pclmul") || !__builtin_cpu_supports("sse4.1"))
        return crc_zlib(crc, bytes, count);
    size_t tail = count % 16;
    const uint8_t *p = bytes;
    crc = crc_folded(crc, p, count - tail);
    return tail == 0 ? crc : crc_zlib(crc, p + (count - tail), tail);
}

#else

uint32_t pel_crc32(uint32_t crc, const void *bytes, size_t count)
{
    return crc_zlib(crc, bytes, count);
}

#endif
