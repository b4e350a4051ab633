/* loss-pixel.c - terms that are a function of each sample's error, or of their mean: mse, l1, charbonnier, psnr.
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

/* The logarithm's slope needs the mean first. */
static pel_status psnr(const loss_term *term, void *scratch, const loss_sample *s, double *value, pel_error *error)
{
    size_t n = pel_size_count(term->size);
    double sum = term->values[0] * term->values[0] * (double)n;
    (void)scratch, (void)error;
    for (size_t i = 0; i < n; i++) {
        double e = (double)s->estimate[i] - (double)s->truth[i];
        sum += e * e;
    }
    float k = (float)(s->weight * 20 / (M_LN10 * sum));
    for (size_t i = 0; i < n; i++)
        s->gradient[i] += k * (s->estimate[i] - s->truth[i]);
    *value = 10 * log10(sum / (double)n);
    return PEL_OK;
}

const loss_kind loss_mse = {.name = "mse", .evaluate = mse};
const loss_kind loss_l1 = {.name = "l1", .evaluate = l1};
/* epsilon's square must not vanish in single precision. */
const loss_kind loss_charbonnier = {.name = "charbonnier", .keys = {{"epsilon", 1e-12, 1e6, 1e-3}}, .evaluate = root};
const loss_kind loss_psnr = {.name = "psnr", .keys = {{"floor", 1e-6, 1e6, 1e-3}}, .evaluate = psnr};
