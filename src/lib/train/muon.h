/* muon.h - Muon: momentum whose matrices are made orthogonal, so that all directions of a layer learn alike.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * K. Jordan et al., Muon: an optimizer for hidden layers in neural networks, 2024 (kellerjordan.github.io/posts/muon),
 * with the scale of J. Liu et al., Muon is scalable for LLM training, arXiv:2502.16982, equation 4: a step's root mean
 * square is 0.2 of the rate, about what Adam's is, so that both take the same rates.  The kernel of a convolution is a
 * matrix of its first dimension by all others.
 */
#ifndef PELLUCID_MUON_H
#define PELLUCID_MUON_H

#include <pellucid/base.h>
#include <pellucid/model.h>

#include "optimizer.h"

/* A tensor among all weights, as a matrix; row by row. */
typedef struct {
    size_t offset, rows, columns;
} pel_muon_matrix;

/* Whether a tensor is one that Muon is for: of two dimensions or more, and no side below 16, where there would be little
 * to make orthogonal (biases, gains, depthwise kernels, the layer that puts out a picture).  Its offset is the caller's. */
bool pel_muon_takes(const pel_model_tensor *tensor, pel_muon_matrix *matrix);

/* U V' for a matrix U S V' (rows * columns floats), nearly: by five Newton-Schulz steps of the fifth order, which bring
 * all singular values of some size to between 0.7 and 1.2.  `out` may be `in`.  PEL_ENOMEM. */
pel_status pel_muon_orthogonalise(size_t rows, size_t columns, const float *in, float *out, pel_error *error);

/* One step of training along `gradient` times `scale`: the `matrix_count` matrices, in the order of their offsets, by Muon
 * with Nesterov momentum 0.95, all that lies between them by Adam.  For `adam`, `first` and `second` see pel_adam_step;
 * `first` is the momentum of the matrices too, `adam->decay` holds for all.  Results do not depend on the threads.
 * PEL_ENOMEM: weights and moments are as before. */
pel_status pel_muon_step(const pel_context *ctx, const pel_adam *adam, uint64_t step, double rate, size_t count,
                         const pel_muon_matrix *matrices, size_t matrix_count, const float *gradient, double scale,
                         float *weights, float *first, float *second);

#endif
