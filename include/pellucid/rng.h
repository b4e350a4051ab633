/* rng.h - random numbers that are the same on every machine for the same seed (GSL's mt19937).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PELLUCID_RNG_H
#define PELLUCID_RNG_H

#include <pellucid/base.h>

PEL_BEGIN_DECLS

typedef struct pel_rng pel_rng;

/* A generator for (seed, stream): different streams of one seed are independent, so that frame n of
 * a video draws the same numbers whatever came before it.  NULL when memory is out. */
pel_rng *pel_rng_new(uint64_t seed, uint64_t stream);
void pel_rng_free(pel_rng *rng);

double pel_rng_uniform(pel_rng *rng);                /* [0, 1) */
uint64_t pel_rng_below(pel_rng *rng, uint64_t n);    /* 0 .. n-1; n from 1 to 2^32 */
double pel_rng_gaussian(pel_rng *rng, double sigma); /* mean 0 */
double pel_rng_poisson(pel_rng *rng, double mean);   /* mean >= 0; a whole number */

PEL_END_DECLS
#endif
