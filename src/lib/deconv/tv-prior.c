/* tv-prior.c - the priors of pel_tv: their constants, shrinkage, and the rule for the strength.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The rule: strength = scale sigma^2 / sqrt(sigma g) with g the mean of |grad x|, taken from the
 * estimate a few times on the way.  The likeliest weight of a Laplacian prior would be sigma^2 / g;
 * measured best strengths (23 combinations of picture, PSF and sigma, 0.5/255 to 7/255) grow more slowly with
 * both, as sqrt, since the largest part of g is texture that no estimate brings back. */
#include "config.h"

#include <math.h>

#include "tv-internal.h"

#define TABLE 4096

static const tv_constants constants[] = {
    [PEL_PRIOR_TV] = {1.0, 0.03, 15, 100, 0.12, 2, 200},
    [PEL_PRIOR_HYPER_LAPLACIAN] = {0.8, 0.03, 1000, 150, 0.06, 0.5, 100},
};

const tv_constants *tv_constants_of(pel_tv_prior prior)
{
    return &constants[prior];
}

double tv_rule(const tv_constants *k, double sigma, double mean)
{
    double factor = mean > 0 ? k->scale / sqrt(sigma * mean) : k->high;
    return fmin(fmax(factor, k->low), k->high) * sigma * sigma;
}

/* The larger root of v - t + w p v^(p-1) = 0 by Newton's method from t, or 0 where that is lower. */
static double shrink_exact(double t, double weight, double power)
{
    double v = t;
    for (int i = 0; i < 40; i++) {
        if (!(v > 0))
            return 0;
        double slope = 1 + weight * power * (power - 1) * pow(v, power - 2);
        if (!(slope > 0))
            return 0;
        double step = (v - t + weight * power * pow(v, power - 1)) / slope;
        v -= step;
        if (fabs(step) < 1e-12 * t)
            break;
    }
    if (!(v > 0))
        return 0;
    return weight * pow(v, power) + 0.5 * (v - t) * (v - t) < 0.5 * t * t ? v : 0;
}

pel_status tv_shrink_plan(const pel_context *ctx, tv_shrink *s, double power, double weight)
{
    if (s->table != NULL && fabs(s->weight - weight) < 1e-9 * weight && s->power == power)
        return PEL_OK;
    if (s->table == NULL)
        s->table = pel_alloc_floats(TABLE + 2);
    if (s->table == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    s->weight = weight;
    s->power = power;
    /* Beyond ten thresholds the formula's first correction is exact to 1e-3 of itself. */
    double threshold = pow(weight, 1 / (2 - power));
    s->reach = (float)(20 * threshold);
    s->per_unit = (float)(TABLE / (20 * threshold));
    for (size_t i = 0; i <= TABLE + 1; i++)
        s->table[i] = (float)shrink_exact((double)i / (double)s->per_unit, weight, power);
    return PEL_OK;
}

float tv_shrink_power(const tv_shrink *s, float t)
{
    float size = fabsf(t), v;
    if (size >= s->reach) {
        v = size - (float)(s->weight * s->power) * powf(size, (float)s->power - 1);
    } else {
        float at = size * s->per_unit;
        size_t i = (size_t)at;
        v = s->table[i] + (at - (float)i) * (s->table[i + 1] - s->table[i]);
    }
    return copysignf(v, t);
}
