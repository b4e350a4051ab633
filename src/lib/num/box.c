/* box.c - sums and minima over boxes around each sample.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include "box.h"

/* An axis of n rows of `inner` samples that lie one behind the other, and how far it goes on each side. */
typedef struct {
    size_t n, inner, before, after;
} axis;

static void sum_axis(const float *from, const axis *a, double *sum, float *to)
{
    memset(sum, 0, a->inner * sizeof *sum);
    for (size_t i = 0; i < a->after && i < a->n; i++)
        for (size_t x = 0; x < a->inner; x++)
            sum[x] += (double)from[i * a->inner + x];
    for (size_t i = 0; i < a->n; i++) {
        if (i + a->after < a->n)
            for (size_t x = 0; x < a->inner; x++)
                sum[x] += (double)from[(i + a->after) * a->inner + x];
        for (size_t x = 0; x < a->inner; x++)
            to[i * a->inner + x] = (float)sum[x];
        if (i >= a->before)
            for (size_t x = 0; x < a->inner; x++)
                sum[x] -= (double)from[(i - a->before) * a->inner + x];
    }
}

static void min_axis(const float *from, const axis *a, double *unused, float *to)
{
    (void)unused;
    for (size_t k = 1; k <= a->after && k < a->n; k++)
        for (size_t i = 0, end = (a->n - k) * a->inner; i < end; i++)
            to[i] = from[i + k * a->inner] < to[i] ? from[i + k * a->inner] : to[i];
    for (size_t k = 1; k <= a->before && k < a->n; k++)
        for (size_t i = k * a->inner, end = a->n * a->inner; i < end; i++)
            to[i] = from[i - k * a->inner] < to[i] ? from[i - k * a->inner] : to[i];
}

static bool each_axis(float *samples, pel_size size, pel_box box,
                      void (*filter)(const float *from, const axis *a, double *sum, float *to))
{
    const size_t n[3] = {size.w, size.h, size.d};
    size_t count = pel_size_plane(size), inner = 1;
    float *from = pel_alloc_floats(count);
    double *sum = pel_alloc((size.w * size.h) * sizeof *sum);
    bool good = from != NULL && sum != NULL;
    for (int k = 0; k < 3 && good; inner *= n[k++]) {
        axis a = {n[k], inner, box.before[k], box.after[k]};
        if (a.before == 0 && a.after == 0)
            continue;
        memcpy(from, samples, count * sizeof *from);
        for (size_t at = 0; at < count; at += inner * n[k])
            filter(from + at, &a, sum, samples + at);
    }
    pel_free(from);
    pel_free(sum);
    return good;
}

bool pel_box_sum(float *samples, pel_size size, pel_box box) { return each_axis(samples, size, box, sum_axis); }
bool pel_box_min(float *samples, pel_size size, pel_box box) { return each_axis(samples, size, box, min_axis); }
