/* conv.h - convolution with a PSF, 2-D and 3-D, and its adjoint.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * y(x) = sum_k psf(k) s(x + centre - k) with centre = floor(n/2) in each dimension.  Methods, by
 * what measures fastest for the sizes: direct sums (small PSFs), one pass a dimension (PSFs that
 * are products of 1-D ones), overlap-save in tiles whose transforms stay in the L2 cache (Oppenheim
 * & Schafer, Discrete-Time Signal Processing, 8.7), one transform of everything (large PSFs, 3-D).
 */
#ifndef PELLUCID_CONV_H
#define PELLUCID_CONV_H

#include <pellucid/base.h>
#include <pellucid/border.h>

PEL_BEGIN_DECLS

typedef enum {
    PEL_CONV_AUTO,
    PEL_CONV_DIRECT,
    PEL_CONV_SEPARABLE, /* PEL_EINVAL when the PSF is not separable to 1e-6 of its maximum */
    PEL_CONV_TILED,
    PEL_CONV_WHOLE,
} pel_conv_method;

typedef struct pel_conv pel_conv;

/* Plans the map from a domain of `in` samples (w,h,d; zero outside) to a window of `out` samples
 * that begins at sample (x,y,z) = `offset` of the input's grid (any sign):
 *     apply:   y(i) = sum_k psf(k) s(i + offset + centre - k)
 *     adjoint: the transpose of that matrix, from `out` samples to `in` samples.
 * "Same size" is out == in with offset 0; "valid" is out = in - psf + 1 with offset = psf - 1 -
 * centre.  `psf` has one channel.  The PSF is copied.  Free with pel_conv_free (takes NULL). */
typedef struct {
    pel_size in, out;
    ptrdiff_t offset[3];
    const float *psf;
    pel_size psf_size;
    pel_conv_method method;
} pel_conv_spec;
pel_status pel_conv_new(const pel_context *ctx, const pel_conv_spec *spec, pel_conv **conv);
void pel_conv_free(pel_conv *conv);
pel_conv_method pel_conv_method_used(const pel_conv *conv);

/* Gets `n` finished samples of a result, which begin at (x, y, z): pointwise work that follows a
 * convolution is done while they are in the cache.  Called once for every sample, from several
 * threads at a time.  `segment`, 0 to pel_conv_segments - 1, is the same for the same samples each
 * time, and the calls of one segment come from one thread in order: sums that are kept by segment
 * need no lock and do not depend on the number of threads. */
typedef void (*pel_conv_row)(void *arg, size_t segment, size_t x, size_t y, size_t z, size_t n,
                             const float *row);
size_t pel_conv_segments(const pel_conv *conv, bool adjoint);

/* One channel through the map or its adjoint.  The result goes to `row`, or where that is NULL to
 * `to`.  `from` and `to` must not overlap. */
void pel_conv_apply(pel_conv *conv, const float *from, float *to, pel_conv_row row, void *arg);
void pel_conv_adjoint(pel_conv *conv, const float *from, float *to, pel_conv_row row, void *arg);

/* Convolves all channels of a picture under a border; a PSF of one channel serves all, else channel
 * c goes with PSF channel c.  `to` has the picture's size, or for PEL_BORDER_VALID the size that
 * pel_convolved_size tells; it must not overlap `from`. */
pel_status pel_convolve(const pel_context *ctx, const float *from, pel_size size, const float *psf,
                        pel_size psf_size, pel_border border, float *to);
/* False when nothing is left (a PSF larger than the picture under PEL_BORDER_VALID). */
bool pel_convolved_size(pel_size size, pel_size psf_size, pel_border border, pel_size *result);

PEL_END_DECLS
#endif
