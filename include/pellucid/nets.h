/* nets.h - architectures: untrained models, with seeded initial weights.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PELLUCID_NETS_H
#define PELLUCID_NETS_H

#include <pellucid/model.h>

PEL_BEGIN_DECLS

#define PEL_NET_MOST_LEVELS 5 /* of drunet */

/* 0 (NULL) stands for the architecture's own. */
typedef struct {
    int64_t width;    /* channels of the first layers */
    int64_t depth;    /* layers, blocks, levels or stages: as the architecture counts */
    int64_t channels; /* of the picture: 1 or 3 */
    uint64_t seed;
    bool batch_norm;  /* dncnn: with batch normalisation after each convolution */
    bool features;    /* vgg: VGG-16's layers alone, with outputs after each block */
    /* drunet: channels of each level (in place of width and depth), residual blocks before and behind each, the side of
     * the blocks of samples that become channels first (1, 2 or 4), and the inputs' roles with commas between; the result
     * is added to the first.  Those of `sigma` and `mask` have one channel, others the picture's. */
    int64_t widths[PEL_NET_MOST_LEVELS], blocks, fold;
    const char *inputs;
} pel_net_params;

typedef struct {
    const char *name;
    const char *summary; /* one line, with the paper */
    int64_t width, depth, channels; /* its own */
    const char *counts;  /* what depth counts */
} pel_net_info;

/* Architecture `index` from 0, or NULL behind the last. */
const pel_net_info *pel_net_find(size_t index);

/* An untrained model: convolutions by K. He et al. (Delving deep into rectifiers, ICCV 2015: normal, variance 2 over the
 * inputs), the last one of a net that corrects its input a tenth of that, so that it begins with a small correction.
 * PEL_EINVAL for a name that is none, or parameters that do not suit it. */
pel_status pel_net_build(const char *name, const pel_net_params *params, pel_model **model, pel_error *error);

/* Copies weights from another model, to begin with: floating-point tensors are matched by their order, and those of
 * another shape keep what they have; `taken` of `count` were copied.  Where the model has the inputs of the other one and more
 * behind them, the first convolution takes its weights too, and 0 for the new channels: it begins as the other one.
 * PEL_EINVAL if the models have different numbers of tensors, or none fits. */
pel_status pel_net_take_weights(pel_model *model, const pel_model *from, size_t *taken, size_t *count, pel_error *error);

PEL_END_DECLS
#endif
