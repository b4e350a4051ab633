/* nets.h - architectures: untrained models, with seeded initial weights.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PELLUCID_NETS_H
#define PELLUCID_NETS_H

#include <pellucid/model.h>

PEL_BEGIN_DECLS

/* 0 stands for the architecture's own. */
typedef struct {
    int64_t width;    /* channels of the first layers */
    int64_t depth;    /* layers, blocks, levels or stages: as the architecture counts */
    int64_t channels; /* of the picture: 1 or 3 */
    uint64_t seed;
    bool batch_norm;  /* dncnn: with batch normalisation after each convolution */
    bool features;    /* vgg: VGG-16's layers alone, with outputs after each block */
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

PEL_END_DECLS
#endif
