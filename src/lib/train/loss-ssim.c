/* loss-ssim.c - 1 - mean SSIM, and its gradient.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Z. Wang, A. Bovik, H. Sheikh & E. Simoncelli, "Image quality assessment: from error visibility to structural
 * similarity" (IEEE TIP 13, 2004), eq. 13, with the window and constants of metric/ssim.c.  With e = a - b and
 * p = a + b, its two factors are 1 - l and 1 - c (m means, v variances in a window):
 *
 *     l = 2 m_e^2 / A,  A = m_p^2 + m_e^2 + 2 C1        c = 2 v_e / B,  B = v_p + v_e + 2 C2
 *
 * and 1 - SSIM = l + c - l c.  In this form nothing cancels: a small loss is as exact as a large one, in single
 * precision.  Four maps are smoothed (e, p, e^2, p^2; p less a constant, which v_p does not see), and three on the way
 * back: the derivatives by m_e and m_p together (both grow with a), by the mean of e^2 and by that of p^2. */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/cpu.h>

#include "loss-internal.h"

#define RADIUS 5
#define TAPS (2 * RADIUS + 1)
#define SIGMA 1.5
#define APART _Pragma("GCC ivdep") /* so many arrays are taken for overlapping, and not made vector code */

enum { E, P, EE, PP, MAPS };     /* smoothed on the way there */
enum { BY_MEANS, BY_EE, BY_PP, BACK }; /* and back */

typedef struct ssim ssim;

struct ssim {
    float taps[RADIUS + 1];
    float c1, c2; /* twice the constants */
    double (*plane)(ssim *s, const float *estimate, const float *truth, size_t w, size_t h, float k, float *gradient);
    float *planes[MAPS];
    float *rows[MAPS];    /* smoothed along columns */
    float *windows[MAPS]; /* and along rows: a row of windows */
    float *slopes[BACK];  /* a row of derivatives, TAPS - 1 zeros around it */
    float *back[BACK];    /* smoothed along rows; TAPS - 1 rows of zeros above and below */
    float *values;        /* 1 - SSIM of a row of windows */
};

/* ---- One plane: compiled for two levels of processor, with the same operations in the same order, and result. */

#define INLINE static inline __attribute__((always_inline))

/* to[i] = sum over k of taps[|k|] from[i + (k + RADIUS) stride]. */
INLINE void smooth(const float *from, size_t stride, size_t n, const float *taps, float *restrict to)
{
    for (size_t i = 0; i < n; i++) {
        const float *f = from + i + RADIUS * stride;
        float sum = taps[0] * f[0];
        for (size_t k = 1; k <= RADIUS; k++)
            sum += taps[k] * (*(f - k * stride) + f[k * stride]);
        to[i] = sum;
    }
}

INLINE void set_planes(ssim *s, const float *estimate, const float *truth, size_t n, float centre)
{
    float *e = s->planes[E], *p = s->planes[P], *ee = s->planes[EE], *pp = s->planes[PP];
    APART
    for (size_t i = 0; i < n; i++) {
        e[i] = estimate[i] - truth[i];
        p[i] = estimate[i] + truth[i] - centre;
        ee[i] = e[i] * e[i];
        pp[i] = p[i] * p[i];
    }
}

/* 1 - SSIM and its derivatives for a row of n windows. */
INLINE void compare(const ssim *s, size_t n, float centre)
{
    const float *e = s->windows[E], *p = s->windows[P], *ee = s->windows[EE], *pp = s->windows[PP];
    float *by_means = s->slopes[BY_MEANS] + TAPS - 1, *by_ee = s->slopes[BY_EE] + TAPS - 1;
    float *by_pp = s->slopes[BY_PP] + TAPS - 1, *values = s->values;
    const float c1 = s->c1, c2 = s->c2;
    APART
    for (size_t i = 0; i < n; i++) {
        float mean = p[i] + centre; /* m_p */
        float a = 1 / (mean * mean + e[i] * e[i] + c1), ve = ee[i] - e[i] * e[i];
        float b = 1 / (pp[i] - p[i] * p[i] + ve + c2), l = 2 * e[i] * e[i] * a, c = 2 * ve * b;
        float gee = (1 - l) * (2 - c) * b, gpp = -(1 - l) * c * b;
        float ge = (1 - c) * (2 - l) * 2 * e[i] * a - 2 * e[i] * gee;
        float gp = -(1 - c) * l * 2 * mean * a - 2 * p[i] * gpp;
        values[i] = l + c - l * c;
        by_means[i] = ge + gp;
        by_ee[i] = 2 * gee; /* d e^2 / d a = 2 e */
        by_pp[i] = 2 * gpp;
    }
}

/* The way there, and the first half of the way back, for each row of windows; returns the sum of 1 - SSIM. */
INLINE double forward(ssim *s, size_t w, size_t h, float centre)
{
    size_t columns = w - TAPS + 1;
    double sum = 0;
    for (size_t y = 0; y + TAPS <= h; y++) {
        for (size_t m = 0; m < MAPS; m++) {
            smooth(s->planes[m] + y * w, w, w, s->taps, s->rows[m]);
            smooth(s->rows[m], 1, columns, s->taps, s->windows[m]);
        }
        compare(s, columns, centre);
        for (size_t m = 0; m < BACK; m++)
            smooth(s->slopes[m], 1, w, s->taps, s->back[m] + (y + TAPS - 1) * w);
        sum += loss_sum(s->values, columns);
    }
    return sum;
}

/* Adds k times the gradient. */
INLINE void backward(ssim *s, size_t w, size_t h, float k, float *gradient)
{
    for (size_t y = 0; y < h; y++) {
        const float *e = s->planes[E] + y * w, *p = s->planes[P] + y * w;
        float *g = gradient + y * w;
        for (size_t m = 0; m < BACK; m++)
            smooth(s->back[m] + y * w, w, w, s->taps, s->rows[m]);
        const float *means = s->rows[BY_MEANS], *ee = s->rows[BY_EE], *pp = s->rows[BY_PP];
        for (size_t i = 0; i < w; i++)
            g[i] += k * (means[i] + e[i] * ee[i] + p[i] * pp[i]);
    }
}

/* The sum of 1 - SSIM over a plane's windows; adds k times its gradient. */
INLINE double plane(ssim *s, const float *estimate, const float *truth, size_t w, size_t h, float k, float *gradient)
{
    float centre = (float)(2 * loss_sum(truth, w * h) / (double)(w * h)); /* about what p is */
    set_planes(s, estimate, truth, w * h, centre);
    double sum = forward(s, w, h, centre);
    backward(s, w, h, k, gradient);
    return sum;
}

static double plane_plain(ssim *s, const float *estimate, const float *truth, size_t w, size_t h, float k,
                          float *gradient)
{
    return plane(s, estimate, truth, w, h, k, gradient);
}

#ifdef PEL_X86
__attribute__((target("avx2"))) static double plane_avx2(ssim *s, const float *estimate, const float *truth, size_t w,
                                                         size_t h, float k, float *gradient)
{
    return plane(s, estimate, truth, w, h, k, gradient);
}
#endif

/* ---- The term */

static pel_status prepare(const pel_context *ctx, loss_term *term)
{
    if (term->size.w < TAPS || term->size.h < TAPS)
        return pel_error_set(ctx->error, PEL_EINVAL, "loss ssim: pictures of %zux%zu are smaller than its window, "
                             "%dx%d", term->size.w, term->size.h, TAPS, TAPS);
    return PEL_OK;
}

static pel_status set_constants(const pel_context *ctx, const loss_term *term, ssim *s)
{
    double sum = 0, range = term->values[0];
    for (int k = -RADIUS; k <= RADIUS; k++)
        sum += exp(-0.5 * k * k / (SIGMA * SIGMA));
    for (int k = 0; k <= RADIUS; k++)
        s->taps[k] = (float)(exp(-0.5 * k * k / (SIGMA * SIGMA)) / sum);
    s->c1 = (float)(2 * 1e-4 * range * range);
    s->c2 = (float)(2 * 9e-4 * range * range);
    s->plane = plane_plain;
    pel_cpu level;
    pel_status status = pel_cpu_level(&level, ctx->error);
#ifdef PEL_X86
    if (status == PEL_OK && level >= PEL_CPU_AVX2)
        s->plane = plane_avx2;
#endif
    return status;
}

static pel_status open_scratch(const pel_context *ctx, const loss_term *term, void **scratch)
{
    size_t w = term->size.w, h = term->size.h;
    bool good = true;
    ssim *s = *scratch = pel_alloc(sizeof *s);
    if (s == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    memset(s, 0, sizeof *s);
    for (size_t m = 0; m < MAPS; m++) {
        s->planes[m] = pel_alloc_floats(w * h);
        s->rows[m] = pel_alloc_floats(w);
        s->windows[m] = pel_alloc_floats(w);
        good = good && s->planes[m] != NULL && s->rows[m] != NULL && s->windows[m] != NULL;
    }
    for (size_t m = 0; m < BACK; m++) {
        s->slopes[m] = pel_calloc_floats(w + TAPS - 1);
        s->back[m] = pel_calloc_floats(w * (h + TAPS - 1));
        good = good && s->slopes[m] != NULL && s->back[m] != NULL;
    }
    s->values = pel_alloc_floats(w);
    if (!good || s->values == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    return set_constants(ctx, term, s);
}

static void close_scratch(void *scratch)
{
    ssim *s = scratch;
    if (s == NULL)
        return;
    for (size_t m = 0; m < MAPS; m++) {
        pel_free(s->planes[m]);
        pel_free(s->rows[m]);
        pel_free(s->windows[m]);
    }
    for (size_t m = 0; m < BACK; m++) {
        pel_free(s->slopes[m]);
        pel_free(s->back[m]);
    }
    pel_free(s->values);
    pel_free(s);
}

static pel_status evaluate(const loss_term *term, void *scratch, const loss_sample *sample, double *value,
                           pel_error *error)
{
    size_t w = term->size.w, h = term->size.h, all = pel_size_count(term->size);
    double windows = (double)(w - TAPS + 1) * (double)(h - TAPS + 1) * (double)(all / (w * h)), sum = 0;
    (void)error;
    ssim *s = scratch;
    float k = (float)(sample->weight / windows);
    for (size_t first = 0; first < all; first += w * h)
        sum += s->plane(s, sample->estimate + first, sample->truth + first, w, h, k, sample->gradient + first);
    *value = sum / windows;
    return PEL_OK;
}

const loss_kind loss_ssim = {.name = "ssim",
                             .keys = {{"range", 1e-6, 1e9, 1}},
                             .prepare = prepare,
                             .open_scratch = open_scratch,
                             .close_scratch = close_scratch,
                             .evaluate = evaluate};
