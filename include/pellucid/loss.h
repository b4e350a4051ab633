/* loss.h - what training makes small: weighted sums of distances between an estimate and the truth.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A loss is written as a list of terms, TERM{:WORD} with commas between:
 *
 *     charbonnier                             one term, of weight 1
 *     charbonnier:1:epsilon=1e-3,ssim:0.2,fft-l1:0.05
 *
 * Words stand in any order.  A number is the term's weight (1 where there is none; with 0 a term is computed and told,
 * and has no part in the gradient), KEY=VALUE one of its parameters.  A term is given once.
 *
 * Each term is a mean over the samples of a picture (n = w h d c of them; e is estimate - truth):
 *
 *   mse          mean of e^2
 *   l1           mean of |e|; its gradient is 0 where e is
 *   charbonnier  mean of sqrt(e^2 + epsilon^2); epsilon=1e-3.  P. Charbonnier, L. Blanc-Feraud, G. Aubert &
 *                M. Barlaud, Two deterministic half-quadratic regularization algorithms for computed imaging, ICIP 1994
 *   ssim         1 - mean SSIM, as pel-score tells it; range=1 is full scale.  Z. Wang, A. Bovik, H. Sheikh &
 *                E. Simoncelli, Image quality assessment: from error visibility to structural similarity, IEEE TIP
 *                2004.  Pictures of less than 11 x 11 hold no window, and are refused
 *   fft-l1       sum of |Re E| + |Im E| over all n frequencies, divided by n; E is the 2-D Fourier transform of each
 *                channel of e, divided by sqrt(w h), so that it has the samples' units and noise of one strength costs
 *                the same at any size; the gradient is 0 where Re E (Im E) is.  S.-J. Cho et al., Rethinking
 *                coarse-to-fine approach in single image deblurring, ICCV 2021, eq. 7.  (There, E is not divided, and
 *                the mean counts Re and Im as two: a weight of 0.1 for their 256 x 256 is 0.1 256 / 2 = 12.8 here)
 */
#ifndef PELLUCID_LOSS_H
#define PELLUCID_LOSS_H

#include <pellucid/base.h>

PEL_BEGIN_DECLS

typedef struct pel_loss pel_loss;

/* The terms in a few lines, for a program's --help. */
extern const char pel_loss_help[];

/* Reads such a list.  PEL_EUSAGE names the part that is wrong, and what there is. */
pel_status pel_loss_parse(const char *text, pel_loss **loss, pel_error *error);
void pel_loss_free(pel_loss *loss);

/* Its terms: how many, what they are called ("ssim": names of a log's columns),
 * and their weights. */
size_t pel_loss_count(const pel_loss *loss);
const char *pel_loss_name(const pel_loss *loss, size_t term);
double pel_loss_weight(const pel_loss *loss, size_t term);

/* Makes room for `callers` evaluations at the same time of pictures of this size; when called again, for another size
 * instead.  PEL_EINVAL: the size does not suit a term. */
pel_status pel_loss_prepare(const pel_context *ctx, pel_loss *loss, pel_size size, size_t callers);

/* The loss of one picture of the size prepared for, and its gradient by the estimate (all of it is set).  `terms` gets
 * each term, not weighted; *total the weighted sum.  Samples of the truth that are not finite are unknown: there the
 * estimate counts as right, and the gradient is 0.  PEL_ENUMERIC: a term is not finite.
 * All is done in the calling thread, and several may call at once: whoever comes when `callers` others are at work
 * waits for one of them.  The result depends on the pictures only. */
pel_status pel_loss_evaluate(pel_loss *loss, const float *estimate, const float *truth, float *gradient,
                             double *terms, double *total, pel_error *error);

PEL_END_DECLS
#endif
