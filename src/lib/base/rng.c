/* rng.c - GSL's generators behind a seed and a stream number.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>

#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>

#include <pellucid/rng.h>

/* pel_rng is gsl_rng under a name that public headers can use without GSL. */
static gsl_rng *own(pel_rng *rng)
{
    return (gsl_rng *)rng;
}

/* splitmix64 (Steele, Lea & Flood 2014): spreads (seed, stream) over the generator's seeds, which
 * are 32 bits wide. */
static uint64_t mix(uint64_t z)
{
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

pel_rng *pel_rng_new(uint64_t seed, uint64_t stream)
{
    /* gsl_rng_alloc would call GSL's error handler, which aborts. */
    gsl_error_handler_t *handler = gsl_set_error_handler_off();
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    gsl_set_error_handler(handler);
    if (rng != NULL)
        gsl_rng_set(rng, (unsigned long)(mix(seed ^ mix(stream)) >> 32));
    return (pel_rng *)rng;
}

void pel_rng_free(pel_rng *rng)
{
    if (rng != NULL)
        gsl_rng_free(own(rng));
}

double pel_rng_uniform(pel_rng *rng)
{
    return gsl_rng_uniform(own(rng));
}

uint64_t pel_rng_below(pel_rng *rng, uint64_t n)
{
    return n <= 1 ? 0 : gsl_rng_uniform_int(own(rng), (unsigned long)n - (n >> 32 ? 1 : 0));
}

double pel_rng_gaussian(pel_rng *rng, double sigma)
{
    return gsl_ran_gaussian_ziggurat(own(rng), sigma);
}

double pel_rng_poisson(pel_rng *rng, double mean)
{
    /* GSL counts in unsigned int; above 1e8 the normal limit is exact to 1e-4 of the deviation. */
    if (mean > 1e8)
        return round(mean + gsl_ran_gaussian_ziggurat(own(rng), sqrt(mean)));
    return mean > 0 ? (double)gsl_ran_poisson(own(rng), mean) : 0;
}
