/* loss.h - what training makes small: weighted sums of distances between an estimate and the truth.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A loss is written as a list of terms, TERM{:WORD} with commas between:
 *
 *     charbonnier                             one term, of weight 1
 *     charbonnier:1:epsilon=1e-3,ssim:0.2,fft-l1:0.05
 *     l1,perceptual:vgg.onnx@relu2_2+relu3_3:0.1
 *
 * Words stand in any order.  A number is the term's weight (1 where there is none; with 0 a term is computed and told,
 * and has no part in the gradient), KEY=VALUE one of its parameters, another word the file that a term needs.  Names
 * of files therefore hold no comma and no colon.  A term is given once, but for perceptual.
 *
 * Each term is a mean over the samples of a picture (n = w h d c of them; e is estimate - truth):
 *
 *   mse          mean of e^2
 *   l1           mean of |e|; its gradient is 0 where e is
 *   charbonnier  mean of sqrt(e^2 + epsilon^2); epsilon=1e-3.  P. Charbonnier, L. Blanc-Feraud, G. Aubert &
 *                M. Barlaud, Two deterministic half-quadratic regularization algorithms for computed imaging, ICIP 1994
 *   psnr         10 log10 (mean of e^2 + floor^2), floor=1e-3: minus the PSNR where white is 1, in dB, so that a picture
 *                that is hard counts no more than one that is easy; below the floor there is little to gain
 *   ssim         1 - mean SSIM, as pel-score tells it; range=1 is full scale.  Z. Wang, A. Bovik, H. Sheikh &
 *                E. Simoncelli, Image quality assessment: from error visibility to structural similarity, IEEE TIP
 *                2004.  Pictures of less than 11 x 11 hold no window, and are refused
 *   fft-l1       sum of |Re E| + |Im E| over all n frequencies, divided by n; E is the 2-D Fourier transform of each
 *                channel of e, divided by sqrt(w h), so that it has the samples' units and noise of one strength costs
 *                the same at any size; the gradient is 0 where Re E (Im E) is.  S.-J. Cho et al., Rethinking
 *                coarse-to-fine approach in single image deblurring, ICCV 2021, eq. 7.  (There, E is not divided, and
 *                the mean counts Re and Im as two: a weight of 0.1 for their 256 x 256 is 0.1 256 / 2 = 12.8 here)
 *   perceptual   FILE[@LAYER{+LAYER}]: sum over layers of the mean squared difference of their features.  J. Johnson,
 *                A. Alahi & L. Fei-Fei, Perceptual losses for real-time style transfer and super-resolution, ECCV
 *                2016, eq. 2.  FILE is an ONNX model (or the name of an installed one) of one input, which gets the pictures as they are (one channel
 *                three times, where it wants three), and LAYER a value of its graph; without one the model's outputs
 *   gan, wgan    FILE: what a critic thinks of the estimate.  FILE is an ONNX model of one input and one output, whose
 *                numbers o are averaged (over patches, where it has many).  gan: mean of log(1 + exp(-o)), the
 *                non-saturating loss of I. Goodfellow et al., Generative adversarial nets, NIPS 2014.  wgan: -mean of
 *                o, M. Arjovsky, S. Chintala & L. Bottou, Wasserstein GAN, ICML 2017.  A loss has one critic at most
 *
 * A critic learns in turn with the model that it judges (pel_loss_learn), by Adam (rate=1e-4, beta1=0.5; beta2 is
 * 0.999 for gan, 0.9 for wgan), steps=1 times a batch, starting from the file's weights.  It makes this small (t a
 * truth, e an estimate; means over the batch):
 *
 *   gan          log(1 + exp(-o(t))) + log(1 + exp(o(e)))
 *   wgan         o(e) - o(t) + penalty (|grad o(x)| - 1)^2, penalty=10; x is a random point between t and e, another
 *                for each.  I. Gulrajani et al., Improved training of Wasserstein GANs, NIPS 2017, eq. 3.  Its gradient
 *                by the weights w has a second derivative, for which a first-order scheme stands: with v the unit
 *                vector along grad o(x), held fixed, grad_w |grad o(x)| is the derivative of grad_w o(x) along v, and
 *                that is taken as (grad_w o(x + h v) - grad_w o(x - h v)) / 2h, with an error of order h^2; by h v no
 *                sample moves by more than a hundredth of the largest in x
 */
#ifndef PELLUCID_LOSS_H
#define PELLUCID_LOSS_H

#include <pellucid/base.h>

PEL_BEGIN_DECLS

typedef struct pel_loss pel_loss;

/* The terms in a few lines, for a program's --help. */
extern const char pel_loss_help[];

/* Reads such a list, and the files that it names.  PEL_EUSAGE names the part that is wrong, and what there is. */
pel_status pel_loss_parse(const char *text, pel_loss **loss, pel_error *error);
void pel_loss_free(pel_loss *loss);

/* Its terms: how many, what they are called ("ssim", and "perceptual2" for a second one: names of a log's columns),
 * and their weights. */
size_t pel_loss_count(const pel_loss *loss);
const char *pel_loss_name(const pel_loss *loss, size_t term);
double pel_loss_weight(const pel_loss *loss, size_t term);

/* Makes room for `callers` evaluations at the same time of pictures of this size; when called again, for another size
 * instead.  PEL_EINVAL: the size does not suit a term, or a term's network.  What critics have learned is kept. */
pel_status pel_loss_prepare(const pel_context *ctx, pel_loss *loss, pel_size size, size_t callers);

/* The loss of one picture of the size prepared for, and its gradient by the estimate (all of it is set).  `terms` gets
 * each term, not weighted; *total the weighted sum.  Samples of the truth that are not finite are unknown: there the
 * estimate counts as right, and the gradient is 0.  PEL_ENUMERIC: a term is not finite.
 * All is done in the calling thread, and several may call at once: whoever comes when `callers` others are at work
 * waits for one of them.  The result depends on the pictures only. */
pel_status pel_loss_evaluate(pel_loss *loss, const float *estimate, const float *truth, float *gradient,
                             double *terms, double *total, pel_error *error);

/* ---- Critics: how to run a loss whose terms learn.  In a step of training, the model's run calls pel_loss_evaluate
 * for each sample, and the caller keeps the estimates; after the run, with no evaluation at work, it calls
 * pel_loss_learn, which works on ctx->pool.  Perceptual losses and critics own a network for each of the
 * callers prepared for, compiled for one thread: their memory grows with the callers. */
bool pel_loss_learns(const pel_loss *loss);

typedef struct {
    double loss;       /* what the critic makes small, of this batch before the last of its steps */
    double real, fake; /* means over truths and estimates: wgan, of o; gan, of the two parts of its loss */
    double slope;      /* wgan: the mean of |grad o(x)|, that should come to 1; gan: 0 */
} pel_loss_lesson;

/* One batch.  PEL_EINVAL: the loss has no critic, or is not prepared; PEL_ENUMERIC: the critic's gradient is not
 * finite.  The random points depend on the seed and on how many steps the critic has done.  The same threads, callers, input
 * and state give the same bits. */
pel_status pel_loss_learn(const pel_context *ctx, pel_loss *loss, size_t count, const float *const *estimates,
                          const float *const *truths, uint64_t seed, pel_loss_lesson *lesson);

/* All that the critic has learned, for a checkpoint: *count floats, once the loss is prepared, that belong to it; NULL
 * and 0 where there is none.  Who changes them calls pel_loss_restore. */
float *pel_loss_state(const pel_loss *loss, size_t *count);
pel_status pel_loss_restore(const pel_context *ctx, pel_loss *loss);

PEL_END_DECLS
#endif
