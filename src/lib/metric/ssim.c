/* ssim.c - SSIM and multi-scale SSIM.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Z. Wang, A. Bovik, H. Sheikh & E. Simoncelli, "Image quality assessment: from error visibility to
 * structural similarity" (IEEE TIP 13, 2004), eq. 13 with K1 = 0.01, K2 = 0.03, a Gaussian window of
 * sigma 1.5 over 11 x 11 samples and population covariances; the mean leaves out the 5 samples at the
 * edge whose window is not inside.  Z. Wang, E. Simoncelli & A. Bovik, "Multi-scale structural
 * similarity" (Asilomar 2003), eq. 7: five scales, 2 x 2 means in between. */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/pool.h>

#include "ssim.h"

#define RADIUS 5
#define TAPS (2 * RADIUS + 1)
#define MAPS 5 /* a, b, aa, bb, ab */
#define SCALES 5

typedef struct {
    const double *a, *b;
    size_t w, h;
    double c1, c2;
    double taps[TAPS];
    double *rows;          /* MAPS * w a worker: the column sums of one row */
    double *luminance, *structure; /* means of a row's SSIM and of its contrast-structure part */
    size_t *counts;
} similarity;

/* Row y (RADIUS from the edges) of the five filtered maps, then SSIM along it. */
static void ssim_row(void *arg, size_t index, size_t worker)
{
    const similarity *s = arg;
    size_t w = s->w;
    double *maps = s->rows + worker * MAPS * w;
    memset(maps, 0, MAPS * w * sizeof *maps);
    for (size_t k = 0; k < TAPS; k++) {
        const double *a = s->a + (index + k) * w, *b = s->b + (index + k) * w, t = s->taps[k];
        for (size_t x = 0; x < w; x++) {
            maps[x] += t * a[x];
            maps[w + x] += t * b[x];
            maps[2 * w + x] += t * a[x] * a[x];
            maps[3 * w + x] += t * b[x] * b[x];
            maps[4 * w + x] += t * a[x] * b[x];
        }
    }
    double all = 0, part = 0;
    size_t count = 0;
    for (size_t x = 0; x + TAPS <= w; x++) {
        double m[MAPS] = {0, 0, 0, 0, 0};
        for (size_t k = 0; k < TAPS; k++)
            for (size_t i = 0; i < MAPS; i++)
                m[i] += s->taps[k] * maps[i * w + x + k];
        double va = m[2] - m[0] * m[0], vb = m[3] - m[1] * m[1], cov = m[4] - m[0] * m[1];
        double structure = (2 * cov + s->c2) / (va + vb + s->c2);
        double value = structure * (2 * m[0] * m[1] + s->c1) / (m[0] * m[0] + m[1] * m[1] + s->c1);
        if (!isfinite(value)) /* a window with a sample that is not finite */
            continue;
        all += value;
        part += structure;
        count++;
    }
    s->luminance[index] = all;
    s->structure[index] = part;
    s->counts[index] = count;
}

/* Mean SSIM and mean contrast-structure of two planes. */
static pel_status one_scale(const pel_context *ctx, const double *a, const double *b, size_t w,
                            size_t h, double range, double *ssim, double *structure)
{
    *ssim = *structure = (double)NAN;
    if (w < TAPS || h < TAPS)
        return PEL_OK;
    size_t rows = h - TAPS + 1;
    similarity s = {.a = a, .b = b, .w = w, .h = h, .c1 = 1e-4 * range * range, .c2 = 9e-4 * range * range};
    double sum = 0;
    for (int k = 0; k < TAPS; k++)
        sum += s.taps[k] = exp(-0.5 * (k - RADIUS) * (k - RADIUS) / (1.5 * 1.5));
    for (int k = 0; k < TAPS; k++)
        s.taps[k] /= sum;
    s.rows = pel_alloc(MAPS * w * pel_pool_threads(ctx->pool) * sizeof *s.rows);
    s.luminance = pel_alloc(rows * sizeof *s.luminance);
    s.structure = pel_alloc(rows * sizeof *s.structure);
    s.counts = pel_alloc(rows * sizeof *s.counts);
    pel_status status = PEL_OK;
    if (s.rows == NULL || s.luminance == NULL || s.structure == NULL || s.counts == NULL) {
        status = pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    } else {
        pel_pool_run(ctx->pool, rows, ssim_row, &s);
        double all = 0, part = 0;
        size_t count = 0;
        for (size_t i = 0; i < rows; i++) {
            all += s.luminance[i];
            part += s.structure[i];
            count += s.counts[i];
        }
        if (count > 0) {
            *ssim = all / (double)count;
            *structure = part / (double)count;
        }
    }
    pel_free(s.rows);
    pel_free(s.luminance);
    pel_free(s.structure);
    pel_free(s.counts);
    return status;
}

/* Means of 2 x 2 samples, in place. */
static void halve(double *p, size_t w, size_t h)
{
    for (size_t y = 0; y < h / 2; y++)
        for (size_t x = 0; x < w / 2; x++)
            p[y * (w / 2) + x] = 0.25 * (p[2 * y * w + 2 * x] + p[2 * y * w + 2 * x + 1] +
                                         p[(2 * y + 1) * w + 2 * x] + p[(2 * y + 1) * w + 2 * x + 1]);
}

pel_status pel_ssim_plane(const pel_context *ctx, const float *a, const float *b, size_t w, size_t h,
                          size_t stride, double range, double *ssim, double *ms_ssim)
{
    static const double exponent[SCALES] = {0.0448, 0.2856, 0.3001, 0.2363, 0.1333};
    double *p = pel_alloc(w * h * sizeof *p), *q = pel_alloc(w * h * sizeof *q);
    pel_status status = PEL_OK;
    if (p == NULL || q == NULL)
        status = pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    for (size_t y = 0; status == PEL_OK && y < h; y++)
        for (size_t x = 0; x < w; x++) {
            p[y * w + x] = (double)a[y * stride + x];
            q[y * w + x] = (double)b[y * stride + x];
        }
    bool deep = w >= TAPS << (SCALES - 1) && h >= TAPS << (SCALES - 1);
    double product = 1;
    for (int k = 0; k < (deep ? SCALES : 1) && status == PEL_OK; k++) {
        double all, part;
        status = one_scale(ctx, p, q, w, h, range, &all, &part);
        if (k == 0)
            *ssim = all;
        /* Structure may be negative where a picture is inverted: no power of it is real. */
        product *= pow(fmax(k == SCALES - 1 ? all : part, 0), exponent[k]);
        halve(p, w, h);
        halve(q, w, h);
        w /= 2;
        h /= 2;
    }
    *ms_ssim = deep ? product : (double)NAN;
    pel_free(p);
    pel_free(q);
    return status;
}
