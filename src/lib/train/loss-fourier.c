/* loss-fourier.c - fft-l1: the error's spectrum, in the L1 norm.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * S.-J. Cho, S.-W. Ji, J.-P. Hong, S.-W. Jung & S.-J. Ko, "Rethinking coarse-to-fine approach in single image
 * deblurring" (ICCV 2021), eq. 7.  With E(k) = sum_x e(x) exp(-2 pi i k x / n), the derivative of sum_k |Re E| + |Im E|
 * by e(x) is sum_k sgn(Re E) cos(2 pi k x / n) - sgn(Im E) sin(2 pi k x / n): the backward transform of
 * sgn(Re E) + i sgn(Im E), which is Hermitian as E is. */
#include "config.h"

#include <math.h>

#include <pellucid/fft.h>

#include "loss-internal.h"

typedef struct {
    float *plane;
    pel_complex *spectrum;
} fourier;

static pel_status prepare(const pel_context *ctx, loss_term *term)
{
    /* In the caller's thread; and a training that was killed and goes on must not find better plans then. */
    pel_context alone = *ctx;
    pel_fft *fft = NULL;
    alone.pool = NULL;
    alone.plan_estimate = true;
    pel_status status = pel_fft_new(&alone, term->size.w, term->size.h, 1, &fft);
    term->data = fft;
    return status;
}

static void retire(loss_term *term)
{
    pel_fft_free(term->data);
    term->data = NULL;
}

static pel_status open_scratch(const pel_context *ctx, const loss_term *term, void **scratch)
{
    fourier *f = *scratch = pel_alloc(sizeof *f);
    if (f != NULL) {
        f->plane = pel_alloc_floats(term->size.w * term->size.h);
        f->spectrum = pel_alloc(pel_fft_count(term->data) * sizeof *f->spectrum);
    }
    if (f == NULL || f->plane == NULL || f->spectrum == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    return PEL_OK;
}

static void close_scratch(void *scratch)
{
    fourier *f = scratch;
    if (f == NULL)
        return;
    pel_free(f->plane);
    pel_free(f->spectrum);
    pel_free(f);
}

/* Columns of the half spectrum that are not there a second time, as conjugates. */
static double column(const pel_complex *spectrum, size_t w, size_t h, size_t x)
{
    double sum = 0;
    for (size_t y = 0; y < h; y++) {
        const float *v = spectrum[y * (w / 2 + 1) + x];
        sum += (double)fabsf(v[0]) + (double)fabsf(v[1]);
    }
    return sum;
}

/* The sum of magnitudes of n numbers, which become their signs. */
static double signs(float *v, size_t n)
{
    double sums[LOSS_LANES] = {0};
    size_t i = 0;
    for (; i + LOSS_LANES <= n; i += LOSS_LANES)
        for (size_t j = 0; j < LOSS_LANES; j++) {
            float x = v[i + j];
            sums[j] += (double)fabsf(x);
            v[i + j] = (float)(x > 0) - (float)(x < 0);
        }
    for (; i < n; i++) {
        sums[0] += (double)fabsf(v[i]);
        v[i] = (float)(v[i] > 0) - (float)(v[i] < 0);
    }
    return loss_lanes_sum(sums);
}

/* The sum over one plane; adds k times its gradient. */
static double plane(const pel_fft *fft, fourier *f, pel_size size, const loss_sample *s, size_t first, float k)
{
    size_t n = size.w * size.h;
    for (size_t i = 0; i < n; i++)
        f->plane[i] = s->estimate[first + i] - s->truth[first + i];
    pel_fft_forward(fft, f->plane, f->spectrum);
    double single = column(f->spectrum, size.w, size.h, 0);
    if (size.w % 2 == 0)
        single += column(f->spectrum, size.w, size.h, size.w / 2);
    double sum = 2 * signs(f->spectrum[0], 2 * pel_fft_count(fft)) - single;
    pel_fft_backward(fft, f->spectrum, f->plane);
    for (size_t i = 0; i < n; i++)
        s->gradient[first + i] += k * f->plane[i];
    return sum;
}

static pel_status evaluate(const loss_term *term, void *scratch, const loss_sample *s, double *value, pel_error *error)
{
    size_t n = term->size.w * term->size.h, all = pel_size_count(term->size);
    double scale = 1 / (sqrt((double)n) * (double)all), sum = 0;
    (void)error;
    for (size_t first = 0; first < all; first += n)
        sum += plane(term->data, scratch, term->size, s, first, (float)(s->weight * scale));
    *value = sum * scale;
    return PEL_OK;
}

const loss_kind loss_fft_l1 = {.name = "fft-l1",
                               .prepare = prepare,
                               .retire = retire,
                               .open_scratch = open_scratch,
                               .close_scratch = close_scratch,
                               .evaluate = evaluate};
