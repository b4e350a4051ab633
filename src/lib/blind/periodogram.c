/* periodogram.c - the mean power spectrum of overlapping windows (Welch 1967).
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/fft.h>

#include "parametric-internal.h"

#define BAD_MOST 0.05

typedef struct {
    const float *picture, *mask;
    size_t stride, side;
    float *hann, *window;
    pel_complex *spectrum;
    pel_fft *fft;
} welch;

/* The window at `at`, less its mean, times Hann's window; false where too much is masked. */
static bool load(const welch *t, size_t at)
{
    size_t n = t->side, bad = 0;
    double sum = 0, weights = 0;
    for (size_t y = 0; y < n; y++)
        for (size_t x = 0; x < n; x++) {
            size_t i = at + y * t->stride + x;
            double w = (double)(t->hann[x] * t->hann[y]);
            sum += w * (double)t->picture[i];
            weights += w;
            bad += t->mask != NULL && !(t->mask[i] > 0);
        }
    float mean = (float)(sum / weights);
    for (size_t y = 0; y < n; y++)
        for (size_t x = 0; x < n; x++)
            t->window[y * n + x] =
                t->hann[x] * t->hann[y] * (t->picture[at + y * t->stride + x] - mean);
    return (double)bad <= BAD_MOST * (double)(n * n);
}

static void add(const welch *t, double *power, double scale)
{
    size_t count = t->side * (t->side / 2 + 1);
    pel_fft_forward(t->fft, t->window, t->spectrum);
    for (size_t i = 0; i < count; i++) {
        double re = (double)t->spectrum[i][0], im = (double)t->spectrum[i][1];
        power[i] += scale * (re * re + im * im);
    }
}

/* The windows begin every half side, evenly spread so that the last one ends where the data do. */
static size_t starts_of(size_t extent, size_t side)
{
    return extent <= side ? 1 : 1 + (2 * (extent - side) + side - 1) / side;
}

static size_t start_at(size_t k, size_t starts, size_t extent, size_t side)
{
    return starts < 2 ? 0 : k * (extent - side) / (starts - 1);
}

static void add_windows(const welch *t, pel_size size, size_t from, size_t w, blind_periodogram *p)
{
    size_t across = starts_of(w, t->side), down = starts_of(size.h, t->side), used = 0;
    size_t count = t->side * (t->side / 2 + 1);
    double square = 0, sum = 0;
    for (size_t i = 0; i < t->side; i++)
        square += (double)(t->hann[i] * t->hann[i]);
    for (size_t k = 0; k < across * down; k++) {
        size_t x = from + start_at(k % across, across, w, t->side);
        size_t y = start_at(k / across, down, size.h, t->side);
        if (!load(t, y * size.w + x))
            continue;
        add(t, p->power, 1 / (square * square));
        used++;
    }
    for (size_t i = 0; i < count && used > 0; i++) {
        p->power[i] /= (double)used;
        sum += p->power[i];
    }
    p->any = used > 0 && sum > 1e-12 * (double)count;
}

pel_status blind_periodogram_make(const pel_context *ctx, const float *picture, const float *mask,
                                  pel_size size, size_t from, size_t w, size_t side,
                                  blind_periodogram *p)
{
    size_t count = side * (side / 2 + 1);
    welch t = {picture, mask, size.w, side, NULL, NULL, NULL, NULL};
    *p = (blind_periodogram){side, pel_alloc(count * sizeof *p->power), false};
    t.hann = pel_alloc_floats(side);
    t.window = pel_alloc_floats(side * side);
    t.spectrum = pel_alloc(count * sizeof *t.spectrum);
    pel_status status = PEL_OK;
    if (p->power == NULL || t.hann == NULL || t.window == NULL || t.spectrum == NULL)
        status = pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    else {
        memset(p->power, 0, count * sizeof *p->power);
        status = pel_fft_new(ctx, side, side, 1, &t.fft);
    }
    if (status == PEL_OK) {
        for (size_t i = 0; i < side; i++)
            t.hann[i] = (float)(0.5 - 0.5 * cos(2 * M_PI * ((double)i + 0.5) / (double)side));
        add_windows(&t, size, from, w, p);
    }
    pel_fft_free(t.fft);
    pel_free(t.spectrum);
    pel_free(t.window);
    pel_free(t.hann);
    if (status != PEL_OK)
        blind_periodogram_clear(p);
    return status;
}

void blind_periodogram_clear(blind_periodogram *p)
{
    pel_free(p->power);
    p->power = NULL;
}
