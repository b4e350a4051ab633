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

#define CHUNK 64 /* columns at a time: a count that the compiler knows makes vector code */

typedef struct {
    const double *a, *b;
    size_t w, h;
    double c1, c2;
    double taps[TAPS];
    double *ssim, *structure; /* sums of a row's SSIM and of its contrast-structure part */
    size_t *counts;
} similarity;

/* Columns of the five maps summed over the window's rows, the taps being symmetric. */
static void add_rows(const similarity *s, size_t row, size_t x, double maps[MAPS][CHUNK])
{
    for (size_t k = 0; k <= RADIUS; k++) {
        const size_t up = (row + k) * s->w + x, down = (row + TAPS - 1 - k) * s->w + x;
        const double *a = s->a + up, *b = s->b + up, *e = s->a + down, *f = s->b + down;
        const double t = k < RADIUS ? s->taps[k] : 0.5 * s->taps[k];
        for (size_t i = 0; i < CHUNK; i++) {
            maps[0][i] += t * (a[i] + e[i]);
            maps[1][i] += t * (b[i] + f[i]);
            maps[2][i] += t * (a[i] * a[i] + e[i] * e[i]);
            maps[3][i] += t * (b[i] * b[i] + f[i] * f[i]);
            maps[4][i] += t * (a[i] * b[i] + e[i] * f[i]);
        }
    }
}

/* Then along the row: CHUNK - TAPS + 1 windows. */
static void add_columns(const similarity *s, const double *from, double *to)
{
    memset(to, 0, CHUNK * sizeof *to);
    for (size_t k = 0; k < TAPS; k++)
        for (size_t i = 0; i < CHUNK - TAPS + 1; i++)
            to[i] += s->taps[k] * from[i + k];
}

/* SSIM along row `index` of the windows. */
static void ssim_row(void *arg, size_t index, size_t worker)
{
    const similarity *s = arg;
    (void)worker;
    double all = 0, part = 0;
    size_t count = 0;
    for (size_t x = 0; x + TAPS <= s->w; x += CHUNK - TAPS + 1) {
        double maps[MAPS][CHUNK] = {{0}}, m[MAPS][CHUNK];
        add_rows(s, index, x, maps);
        for (size_t i = 0; i < MAPS; i++)
            add_columns(s, maps[i], m[i]);
        size_t left = s->w - TAPS + 1 - x, n = left < CHUNK - TAPS + 1 ? left : CHUNK - TAPS + 1;
        for (size_t i = 0; i < n; i++) {
            double aa = m[0][i] * m[0][i], bb = m[1][i] * m[1][i], ab = m[0][i] * m[1][i];
            double structure = (2 * (m[4][i] - ab) + s->c2) / (m[2][i] - aa + m[3][i] - bb + s->c2);
            double value = structure * (2 * ab + s->c1) / (aa + bb + s->c1);
            if (!isfinite(value)) /* a window with a sample that is not finite */
                continue;
            all += value;
            part += structure;
            count++;
        }
    }
    s->ssim[index] = all;
    s->structure[index] = part;
    s->counts[index] = count;
}

/* Mean SSIM and mean contrast-structure of two planes, with CHUNK samples behind the last row. */
static pel_status one_scale(const pel_context *ctx, const double *a, const double *b, size_t w,
                            size_t h, double range, double *ssim, double *structure)
{
    *ssim = *structure = (double)NAN;
    if (w < TAPS || h < TAPS)
        return PEL_OK;
    size_t rows = h - TAPS + 1;
    similarity s = {.a = a, .b = b, .w = w, .h = h};
    s.c1 = 1e-4 * range * range;
    s.c2 = 9e-4 * range * range;
    double sum = 0;
    for (int k = 0; k < TAPS; k++)
        sum += s.taps[k] = exp(-0.5 * (k - RADIUS) * (k - RADIUS) / (1.5 * 1.5));
    for (int k = 0; k < TAPS; k++)
        s.taps[k] /= sum;
    s.ssim = pel_alloc(rows * sizeof *s.ssim);
    s.structure = pel_alloc(rows * sizeof *s.structure);
    s.counts = pel_alloc(rows * sizeof *s.counts);
    pel_status status = PEL_OK;
    if (s.ssim == NULL || s.structure == NULL || s.counts == NULL) {
        status = pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    } else {
        pel_pool_run(ctx->pool, rows, ssim_row, &s);
        double all = 0, part = 0;
        size_t count = 0;
        for (size_t i = 0; i < rows; i++) {
            all += s.ssim[i];
            part += s.structure[i];
            count += s.counts[i];
        }
        if (count > 0) {
            *ssim = all / (double)count;
            *structure = part / (double)count;
        }
    }
    pel_free(s.ssim);
    pel_free(s.structure);
    pel_free(s.counts);
    return status;
}

/* Means of 2 x 2 samples, in place. */
static void halve(double *p, size_t w, size_t h)
{
    for (size_t y = 0; y < h / 2; y++)
        for (size_t x = 0; x < w / 2; x++) {
            const double *up = p + 2 * y * w + 2 * x, *down = up + w;
            p[y * (w / 2) + x] = 0.25 * (up[0] + up[1] + down[0] + down[1]);
        }
}

pel_status pel_ssim_plane(const pel_context *ctx, const float *a, const float *b, size_t w, size_t h,
                          size_t stride, double range, double *ssim, double *ms_ssim)
{
    static const double exponent[SCALES] = {0.0448, 0.2856, 0.3001, 0.2363, 0.1333};
    double *p = pel_alloc((w * h + CHUNK) * sizeof *p), *q = pel_alloc((w * h + CHUNK) * sizeof *q);
    pel_status status = PEL_OK;
    if (p == NULL || q == NULL)
        status = pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    for (size_t y = 0; status == PEL_OK && y < h; y++)
        for (size_t x = 0; x < w; x++) {
            p[y * w + x] = (double)a[y * stride + x];
            q[y * w + x] = (double)b[y * stride + x];
        }
    for (size_t i = 0; status == PEL_OK && i < CHUNK; i++)
        p[w * h + i] = q[w * h + i] = 0;
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
