/* loss-pixel.c - terms that are a function of each sample's error: mse, l1, charbonnier.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>

#include "loss-internal.h"

/* The function of an error, and its derivative. */
typedef float function(float e, float squared, float *slope);

static inline float square(float e, float squared, float *slope)
{
    (void)squared;
    *slope = 2 * e;
    return e * e;
}

static inline float magnitude(float e, float squared, float *slope)
{
    (void)squared;
    *slope = (float)(e > 0) - (float)(e < 0);
    return fabsf(e);
}

/* sqrt(1 + t^2) of Charbonnier et al. 1994 at t = e / epsilon, times epsilon: |e| where that is large. */
static inline float charbonnier(float e, float squared, float *slope)
{
    float root = sqrtf(e * e + squared);
    *slope = e / root;
    return root;
}

/* Up to LOSS_LANES samples: a count that the compiler knows makes vector code. */
static inline void lanes(const loss_sample *s, size_t at, size_t n, function *f, float squared, float k, double *sums)
{
    for (size_t j = 0; j < n; j++) {
        float slope, value = f(s->estimate[at + j] - s->truth[at + j], squared, &slope);
        s->gradient[at + j] += k * slope;
        sums[j] += (double)value;
    }
}

static inline double mean(const loss_term *term, const loss_sample *s, function *f, float squared)
{
    size_t n = pel_size_count(term->size), i = 0;
    float k = (float)(s->weight / (double)n);
    double sums[LOSS_LANES] = {0};
    for (; i + LOSS_LANES <= n; i += LOSS_LANES)
        lanes(s, i, LOSS_LANES, f, squared, k, sums);
    lanes(s, i, n - i, f, squared, k, sums);
    return loss_lanes_sum(sums) / (double)n;
}

static pel_status mse(const loss_term *term, void *scratch, const loss_sample *s, double *value, pel_error *error)
{
    (void)scratch, (void)error;
    *value = mean(term, s, square, 0);
    return PEL_OK;
}

static pel_status l1(const loss_term *term, void *scratch, const loss_sample *s, double *value, pel_error *error)
{
    (void)scratch, (void)error;
    *value = mean(term, s, magnitude, 0);
    return PEL_OK;
}

static pel_status root(const loss_term *term, void *scratch, const loss_sample *s, double *value, pel_error *error)
{
    float epsilon = (float)term->values[0];
    (void)scratch, (void)error;
    *value = mean(term, s, charbonnier, epsilon * epsilon);
    return PEL_OK;
}

const loss_kind loss_mse = {.name = "mse", .evaluate = mse};
const loss_kind loss_l1 = {.name = "l1", .evaluate = l1};
/* epsilon's square must not vanish in single precision. */
const loss_kind loss_charbonnier = {.name = "charbonnier", .keys = {{"epsilon", 1e-12, 1e6, 1e-3}}, .evaluate = root};
