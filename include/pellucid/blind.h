/* blind.h - the blur kernel from the picture alone.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PELLUCID_BLIND_H
#define PELLUCID_BLIND_H

#include <pellucid/base.h>

PEL_BEGIN_DECLS

/* What the latent picture, the one without blur, is taken to be like. */
typedef enum {
    PEL_BLIND_L0,  /* few gradients: Xu et al. 2013, Pan et al. 2014 */
    PEL_BLIND_PMP, /* also patch-wise minimal pixels of 0: Wen et al. 2021 */
    PEL_BLIND_DARK, /* few gradients and a dark channel of few samples: Pan et al. 2016 */
    PEL_BLIND_EDGE, /* steps where edges are, predicted by shock filter: Cho & Lee 2009 */
    PEL_BLIND_SPARSE, /* a small norm of its gradients over their RMS: Krishnan et al. 2011 */
    PEL_BLIND_RL,  /* positive: Richardson-Lucy for picture and kernel in turn, Fish et al. 1995 */
} pel_blind_method;

typedef struct {
    pel_blind_method method;
    size_t side;        /* of the kernel, odd, >= 3; 0: estimated, then at most pel_blind_most_side */
    long iterations;    /* a scale, >= 1; -1: the default */
    const float *start; /* a kernel of start_side x start_side to go on from (the last frame's), or NULL:
                           then only the finest scale is worked on */
    size_t start_side;
} pel_blind_params;

typedef struct {
    size_t side;       /* of the kernel */
    double confidence; /* 0 to 1: see judge.c */
    double residual;   /* RMS of data - kernel * latent picture, in sample units: noise, and what the
                          kernel leaves unexplained */
} pel_blind_report;

/* The largest side that is tried for a picture of w x h when the side is estimated. */
size_t pel_blind_most_side(pel_size size);

/* Estimates the PSF of a picture of one channel (d = 1; weights 0..1 in `mask`, or NULL; samples with
 * weight 0 may be anything), coarse to fine (S. Cho & S. Lee, "Fast motion deblurring", ToG 28, 2009).
 * `psf` is allocated here for report->side squared samples, sums to 1, and is the caller's (pel_free).
 * PEL_EINVAL for pictures that are smaller than the kernel, or have no good sample. */
pel_status pel_blind(const pel_context *ctx, const float *picture, const float *mask, pel_size size,
                     const pel_blind_params *params, float **psf, pel_blind_report *report);

/* The window of at most side x side samples with the most detail in all directions, for pictures that
 * are too large to work on as a whole: the lesser eigenvalue of the summed structure tensor is
 * largest.  Sets x, y, w and h. */
typedef struct {
    size_t x, y, w, h;
} pel_blind_window;
pel_status pel_blind_find_window(const pel_context *ctx, const float *picture, const float *mask,
                                 pel_size size, size_t side, pel_blind_window *window);

PEL_END_DECLS
#endif
