/* calibration.c - fits the size of errors to raw uncertainties, and tells how many errors are within.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pellucid/calibration.h>
#include <pellucid/number.h>
#include <pellucid/stats.h>

enum { FEWEST = 100 }; /* pairs that a quantile is worth fitting to */

/* ---- The curve */

static bool parse_knot(const char *word, double *x, double *y)
{
    char copy[64];
    const char *colon = strchr(word, ':');
    size_t length = strlen(word);
    if (colon == NULL || length >= sizeof copy)
        return false;
    memcpy(copy, word, length + 1);
    copy[colon - word] = '\0';
    return pel_number_real(copy, x) && pel_number_real(copy + (colon - word) + 1, y) && *x > 0 && *y > 0;
}

pel_status pel_calibration_parse(const char *text, pel_calibration *c, pel_error *error)
{
    char word[64];
    int used = 0;
    c->count = 0;
    bool good = true;
    for (const char *at = text; good && sscanf(at, " %63s%n", word, &used) == 1; at += used, c->count++) {
        good = c->count < PEL_CALIBRATION_KNOTS && parse_knot(word, &c->x[c->count], &c->y[c->count]);
        if (good && c->count > 0)
            good = c->x[c->count] > c->x[c->count - 1] && c->y[c->count] >= c->y[c->count - 1];
    }
    if (good && c->count > 0)
        return PEL_OK;
    return pel_error_set(error, PEL_EFORMAT, "'%.60s' is no calibration: up to %d pairs X:Y that grow are needed", text,
                         PEL_CALIBRATION_KNOTS);
}

void pel_calibration_format(const pel_calibration *c, char text[PEL_CALIBRATION_TEXT])
{
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < c->count; i++) {
        char x[32], y[32];
        pel_number_format((double)(float)c->x[i], x);
        pel_number_format((double)(float)c->y[i], y);
        int n = snprintf(text + length, PEL_CALIBRATION_TEXT - length, "%s%s:%s", i > 0 ? " " : "", x, y);
        length += n > 0 ? (size_t)n : 0;
    }
}

double pel_calibration_apply(const pel_calibration *c, double raw, double sigma)
{
    double q = raw / sigma;
    size_t last = c->count - 1;
    if (isnan(q))
        return (double)NAN;
    if (q <= c->x[0])
        return sigma * c->y[0];
    if (q >= c->x[last])
        return sigma * c->y[last] * q / c->x[last];
    size_t i = 1;
    while (q > c->x[i])
        i++;
    double part = (q - c->x[i - 1]) / (c->x[i] - c->x[i - 1]);
    return sigma * (c->y[i - 1] + part * (c->y[i] - c->y[i - 1]));
}

/* ---- The fit */

static int by_raw(const void *a, const void *b)
{
    float x = ((const pel_calibration_pair *)a)->raw, y = ((const pel_calibration_pair *)b)->raw;
    return (x > y) - (x < y);
}

/* A run of pairs that share a value of the curve. */
typedef struct {
    size_t from, to;
    double x, y;
} group;

static pel_status make_group(const pel_context *ctx, const pel_calibration_pair *pairs, size_t from, size_t to,
                             float *work, group *made)
{
    size_t n = to - from;
    for (size_t i = 0; i < n; i++)
        work[i] = pairs[from + i].error;
    *made = (group){from, to, ((double)pairs[from + (n - 1) / 2].raw + (double)pairs[from + n / 2].raw) / 2, 0};
    return pel_stats_quantile(ctx, work, n, PEL_CALIBRATION_SHARE, &made->y);
}

/* Groups of the same size, joined where they fall back. */
static pel_status make_groups(const pel_context *ctx, const pel_calibration_pair *pairs, size_t count, float *work,
                              group groups[PEL_CALIBRATION_KNOTS], size_t *made)
{
    size_t knots = count / FEWEST < PEL_CALIBRATION_KNOTS ? count / FEWEST : PEL_CALIBRATION_KNOTS, n = 0;
    pel_status status = PEL_OK;
    for (size_t k = 0; k < knots && status == PEL_OK; k++) {
        status = make_group(ctx, pairs, k * count / knots, (k + 1) * count / knots, work, &groups[n++]);
        for (; status == PEL_OK && n > 1 && (groups[n - 1].y < groups[n - 2].y || !(groups[n - 1].x > groups[n - 2].x)); n--)
            status = make_group(ctx, pairs, groups[n - 2].from, groups[n - 1].to, work, &groups[n - 2]);
    }
    *made = n;
    return status;
}

pel_status pel_calibration_fit(const pel_context *ctx, pel_calibration_pair *pairs, size_t count, pel_calibration *c)
{
    group groups[PEL_CALIBRATION_KNOTS];
    size_t n;
    c->count = 0;
    if (count < FEWEST)
        return pel_error_set(ctx->error, PEL_EINVAL, "%zu samples are too few to calibrate by", count);
    float *work = pel_alloc_floats(count);
    if (work == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    qsort(pairs, count, sizeof *pairs, by_raw);
    pel_status status = make_groups(ctx, pairs, count, work, groups, &n);
    pel_free(work);
    if (status != PEL_OK)
        return status;
    for (size_t i = 0; i < n; i++)
        if (groups[i].x > 0 && groups[i].y > 0) {
            c->x[c->count] = groups[i].x;
            c->y[c->count++] = groups[i].y;
        }
    return c->count > 0 ? PEL_OK
                        : pel_error_set(ctx->error, PEL_EINVAL, "nothing to calibrate: errors or uncertainties are 0");
}

/* ---- Coverage */

pel_status pel_coverage_measure(const pel_context *ctx, const float *estimate, const float *truth,
                                const float *uncertainty, size_t count, pel_coverage *c)
{
    pel_calibration_pair *pairs = pel_alloc(count * sizeof *pairs);
    float *ratios = pel_alloc_floats(count);
    size_t n = 0;
    *c = (pel_coverage){.within = (double)NAN, .scale = (double)NAN};
    bool good = pairs != NULL && ratios != NULL;
    for (size_t i = 0; i < count && good; i++) {
        float e = fabsf(estimate[i] - truth[i]);
        if (!isfinite(e) || !isfinite(uncertainty[i]))
            continue;
        pairs[n] = (pel_calibration_pair){uncertainty[i], e};
        ratios[n++] = e > 0 ? fminf(e / uncertainty[i], FLT_MAX) : 0; /* of no uncertainty: large, but finite */
    }
    if (good)
        qsort(pairs, n, sizeof *pairs, by_raw);
    size_t all = 0;
    for (size_t k = 0, i = 0; k < PEL_COVERAGE_PARTS && good; k++) {
        size_t from = i, end = (k + 1) * n / PEL_COVERAGE_PARTS, inside = 0;
        for (; i < end; i++)
            inside += pairs[i].error <= pairs[i].raw;
        c->parts[k] = end > from ? (double)inside / (double)(end - from) : (double)NAN;
        all += inside;
    }
    c->samples = n;
    pel_status status = good ? PEL_OK : pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    if (good && n > 0) {
        c->within = (double)all / (double)n;
        status = pel_stats_quantile(ctx, ratios, n, PEL_CALIBRATION_SHARE, &c->scale);
    }
    pel_free(pairs);
    pel_free(ratios);
    return status;
}
