/* fft.h - planned real Fourier transforms on the process's thread pool (FFTW, single precision).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Plans of sizes that were used for long are measured, in an eighth of that time a direction, once
 * the work is done, and kept as wisdom in $XDG_CACHE_HOME/pellucid (or ~/.cache/pellucid) for the
 * next time; a damaged or foreign file is ignored and replaced, concurrent writers are safe (temporary file,
 * rename).  ctx->plan_estimate plans without measuring.  Making plans takes a lock; executing does
 * not, and one plan may be executed by several threads on different arrays.
 */
#ifndef PELLUCID_FFT_H
#define PELLUCID_FFT_H

#include <pellucid/base.h>

PEL_BEGIN_DECLS

typedef float pel_complex[2]; /* real, imaginary: FFTW's layout */
typedef struct pel_fft pel_fft;

/* Plans the transform of w x h x d real samples (d = 1: 2-D) on ctx->pool.  Free with pel_fft_free
 * (takes NULL); the plans are kept for the next one of this size. */
pel_status pel_fft_new(const pel_context *ctx, size_t w, size_t h, size_t d, pel_fft **fft);
void pel_fft_free(pel_fft *fft);

/* Complex numbers of a spectrum: (w/2 + 1) * h * d, x fastest: ((kz*h) + ky)*(w/2+1) + kx. */
size_t pel_fft_count(const pel_fft *fft);

/* Forward, not normalised: S(k) = sum_x s(x) exp(-2 pi i k x / n).  Arrays are aligned to 64 bytes
 * (pel_alloc); `samples` is kept. */
void pel_fft_forward(const pel_fft *fft, const float *samples, pel_complex *spectrum);
/* Backward, not normalised: a forward and a backward multiply by w*h*d.  `spectrum` is destroyed. */
void pel_fft_backward(const pel_fft *fft, pel_complex *spectrum, float *samples);

/* Complex transforms of side x side samples in place, rows `stride` >= side apart, in the calling
 * thread: two real tiles at a time, one as the real part and one as the imaginary.  The plan is not
 * measured: it costs nothing, and the result never differs.  Free with pel_fft_tile_free (takes
 * NULL). */
typedef struct pel_fft_tile pel_fft_tile;
pel_status pel_fft_tile_new(const pel_context *ctx, size_t side, size_t stride,
                            pel_fft_tile **tile);
void pel_fft_tile_free(pel_fft_tile *tile);
void pel_fft_tile_forward(const pel_fft_tile *tile, pel_complex *samples);
void pel_fft_tile_backward(const pel_fft_tile *tile, pel_complex *samples);

/* The smallest m >= n of the form 2^a 3^b 5^c 7^d (even if n > 1), for which FFTW is fast. */
size_t pel_fft_good_size(size_t n);

/* The spectrum of a PSF of size pw x ph x pd (one channel) for the transform `fft`: its centre
 * floor(n/2) is moved to sample 0, so that multiplying shifts nothing.  The PSF must fit. */
pel_status pel_fft_psf(const pel_context *ctx, const pel_fft *fft, const float *psf, pel_size size,
                       pel_complex *spectrum);

PEL_END_DECLS
#endif
