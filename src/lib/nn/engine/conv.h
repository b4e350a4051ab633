/* conv.h - convolutions as steps: what the algorithms share.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PEL_NN_CONV_H
#define PEL_NN_CONV_H

#include "plan.h"

#define MOST_TAPS 512 /* beyond it the reference does the work */

/* Outputs at (oy + k*step, ox + m*step) see inputs at (k*stride + dy, m*stride + dx) of each tap.  A convolution has one
 * phase with a step of 1; a transposed one has as many phases as its strides make, each a convolution. */
typedef struct {
    size_t oy, ox, taps;
    ptrdiff_t *dy, *dx;
    size_t *numbers;  /* of the taps, in ONNX's order */
    void *weights;    /* packed for the algorithm: floats, or bf16 */
} conv_phase;

typedef struct {
    size_t groups, cin, cout; /* channels of a group */
    bool rounds;              /* its input is in bf16, and so are its weights */
    size_t depth;             /* samples of a segment in bf16, rounded up */
    size_t stride_y, stride_x, step_y, step_x;
    size_t phases;
    conv_phase *phase;
    size_t joined;            /* taps of a row whose inputs are neighbours in memory, taken as one */
    size_t columns, panels;   /* of a group; a panel's columns */
    bool transposed;
    size_t kernel_taps;       /* of all phases */
    enum { PACK_PANELS, PACK_PAIRS, PACK_WINOGRAD, PACK_PLAIN, PACK_BY_TAP } packing;
    double *after;            /* what is fused: scale, shift, slope of each output channel (fuse.h) */
    size_t weights_at, bias_at; /* among the parameters, or NONE */
    float *bias, *slopes;     /* [group][panels * columns], or slopes NULL */
    bool has_residual, residual_last; /* the second input */
    size_t dilation, tile;    /* Winograd: the pixels of a tile's side, 4 or 2 */
    size_t tiles;             /* that a worker takes at a time, at most */
} conv;

/* Is it 3 x 3 or 5 x 5, without stride and groups, and with channels enough?  Sets c->tile. */
bool conv_suits_winograd(conv *c);
void conv_choose_winograd(builder *b, step *s);
extern const step_kind conv_winograd;

void conv_needs(const step *s, const plan *p, size_t k, int axis, size_t first, size_t end, ptrdiff_t *from,
                ptrdiff_t *to);
void conv_free(step *s);
bool conv_in_place(const step *s, size_t k); /* the residual */
void conv_set_margins(builder *b, const conv *c, size_t input, size_t width, size_t granule);
bool conv_is_depthwise(const conv *c);
/* Chooses the algorithm; in_rows: the taps are in order, row by row. */
void conv_choose(builder *b, step *s, bool in_rows);
/* conv-pack.c: weights and bias (or NULL) in ONNX's order to the algorithm's.  False: out of memory. */
bool conv_pack(step *s, const nn_kernels *kernels, const float *onnx);
/* T of U = T g T', for weights g of side x side. */
void conv_winograd_matrix(size_t side, double t[6][5]);
void conv_set_bias(step *s, const float *bias);
pel_status conv_reload(step *s, const plan *p, const float *parameters, pel_error *error);
extern const step_kind conv_multiply;
size_t conv_packed(const conv *c, size_t lanes);
/* The epilogue for the columns from `column` on (of all, padded), at an output row and pixel of the residual. */
kernel_epilogue conv_epilogue(const conv *c, size_t column);

#endif
