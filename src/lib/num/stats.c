/* stats.c - moments and quantiles of samples.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include <pellucid/stats.h>

pel_stats pel_stats_of(const float *samples, size_t count)
{
    pel_stats s = {0, 0, (double)NAN, (double)NAN, (double)NAN, (double)NAN, (double)NAN};
    double sum = 0, low = HUGE_VAL, high = -HUGE_VAL;
    for (size_t i = 0; i < count; i++) {
        double v = (double)samples[i];
        if (!isfinite(v))
            continue;
        s.good++;
        sum += v;
        low = v < low ? v : low;
        high = v > high ? v : high;
    }
    s.bad = count - s.good;
    if (s.good == 0)
        return s;
    s.min = low;
    s.max = high;
    s.sum = sum;
    s.mean = sum / (double)s.good;
    double square = 0;
    for (size_t i = 0; i < count; i++) {
        double v = (double)samples[i];
        if (isfinite(v))
            square += (v - s.mean) * (v - s.mean);
    }
    s.sd = sqrt(square / (double)s.good);
    return s;
}

/* The element that would be at `k` in sorted order; larger ones come behind it (Hoare's selection,
 * median of three as pivot). */
static float select_kth(float *a, size_t n, size_t k)
{
    size_t low = 0, high = n - 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        float x = a[low], y = a[middle], z = a[high];
        float pivot = fmaxf(fminf(x, y), fminf(fmaxf(x, y), z));
        size_t i = low, j = high;
        for (;;) {
            while (a[i] < pivot)
                i++;
            while (a[j] > pivot)
                j--;
            if (i >= j)
                break;
            float t = a[i];
            a[i++] = a[j];
            a[j--] = t;
        }
        size_t split = a[j] > pivot ? j - 1 : j;
        if (k <= split)
            high = split;
        else
            low = split + 1;
    }
    return a[k];
}

pel_status pel_stats_quantile(const pel_context *ctx, const float *samples, size_t count,
                              double fraction, double *value)
{
    *value = (double)NAN;
    float *copy = pel_alloc_floats(count);
    if (copy == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (isfinite(samples[i]))
            copy[n++] = samples[i];
    if (n > 0) {
        double position = fraction * (double)(n - 1);
        size_t k = (size_t)position;
        double low = (double)select_kth(copy, n, k), high = low;
        if (k + 1 < n) {
            float next = copy[k + 1];
            for (size_t i = k + 2; i < n; i++)
                next = fminf(next, copy[i]);
            high = (double)next;
        }
        *value = low + (position - (double)k) * (high - low);
    }
    pel_free(copy);
    return PEL_OK;
}
