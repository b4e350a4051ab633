/* kernels.h - the inner loops of the engine, once for each kind of processor.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Pictures are stored channels last: the channels of a pixel are neighbours in memory, pixels of a row follow
 * each other at `ld` floats (ld > channels where a picture is a part of another's channels).  So one tile of a
 * matrix product serves every convolution: pixels of an output row are its rows, output channels its
 * columns, and what a pixel sees is a list of contiguous runs in memory ("segments": one a tap, or one a
 * row of taps), with the same stride from pixel to pixel.  No copy of the input (im2col) is made.
 *
 * Pictures that only convolutions in bf16 read are stored as bf16.  The strides of a tile are in samples, whichever
 * they are.
 *
 * kernels-body.h is compiled once for each level of processor, with its vector length.
 */
#ifndef PEL_NN_KERNELS_H
#define PEL_NN_KERNELS_H

#include <stddef.h>

#include <pellucid/base.h>

typedef uint16_t bf16; /* bfloat16: the upper half of a float, rounded to even */

#define KERNEL_SLACK 16 /* floats that may be read, not written, behind any row */

/* Pointwise functions: of x alone (with parameters p and q), then of x and y. */
typedef enum {
    POINT_RELU, POINT_LEAKY, /* p: the slope below 0 */
    POINT_SIGMOID, POINT_HARD_SIGMOID, /* p x + q, cut to 0..1 */
    POINT_TANH, POINT_EXP, POINT_LOG, POINT_SQRT, POINT_RECIPROCAL, POINT_ABS, POINT_NEG, POINT_ERF,
    POINT_GELU, POINT_SOFTPLUS, POINT_ELU, /* p */
    POINT_CLIP,                        /* p to q */
    POINT_ADD, POINT_SUB, POINT_MUL, POINT_DIV, POINT_POW, POINT_MAX, POINT_MIN,
    POINT_PRELU, /* y: the slope */
    /* x times the derivative of an activation whose output is y */
    POINT_RELU_GRADIENT, POINT_LEAKY_GRADIENT, /* p */
    POINT_SIGMOID_GRADIENT, POINT_TANH_GRADIENT,
} nn_point;

/* What is done to sums before they are stored:
 *     y = f(sum + bias + r) or f(sum + bias) + r,  f(x) = x for x > 0, slope * x below. */
typedef struct {
    const float *bias;     /* by column; NULL: 0 */
    const float *slopes;   /* by column; NULL: f is the identity */
    const float *residual; /* as the output; NULL: none */
    size_t residual_stride;
    int residual_last;
    int half;              /* they are stored as bf16 */
} kernel_epilogue;

typedef struct {
    size_t segments, length;    /* sums of segments * length products */
    const void *const *segment; /* of the first pixel */
    size_t a_stride;            /* samples from pixel to pixel, in all segments */
    const void *weights;        /* one panel: segments * length rows of as many numbers as columns fit */
    void *out;
    size_t out_stride;
    kernel_epilogue epilogue;
} kernel_tile;

/* An operand of a pointwise function in one row: floats from pixel to pixel, and from channel to channel. */
typedef struct {
    const float *at;
    size_t stride, step;
} kernel_operand;

typedef struct {
    size_t lanes;  /* floats of a vector; a panel is 2 * lanes columns, or lanes at the end */
    size_t rows;   /* most pixels of a tile */

    /* `count` pixels (any number), `columns` (1 .. 2 * lanes) of the panel.  A panel with no more
     * than `lanes` columns is packed with `lanes` a row. */
    void (*multiply)(const kernel_tile *tile, size_t count, size_t columns);

    /* The same for segments of bf16, of even length; weights of bf16, a pair of rows interleaved: for each segment
     * length / 2 rows of columns * 2, zeros up to a multiple of `unit` in each segment. */
    void (*multiply_bf16)(const kernel_tile *tile, size_t count, size_t columns);
    size_t unit;
    bool direct_bf16; /* faster so than Winograd's transform in float */

    void (*to_bf16)(const float *from, size_t count, bf16 *to);

    /* Few output channels (up to 4): vectors run along the input channels.  Weights are
     * [column][segment][length]. */
    void (*dot)(const kernel_tile *tile, size_t count, size_t columns);

    /* Each channel by itself: weights [tap][channels], segment[tap] the pixel that the tap of the first
     * output pixel sees; length is the number of channels. */
    void (*depthwise)(const kernel_tile *tile, size_t count);

    /* out[i] = f(x[i * step], y[i * step]) for the `count` channels of each pixel, steps of 0 or 1; functions of x
     * alone leave y alone. */
    void (*pointwise)(nn_point f, size_t pixels, size_t count, kernel_operand x, kernel_operand y, float p,
                      float q, float *out, size_t out_stride);

    float (*sum)(const float *v, size_t count);

    /* Each pixel's channels: scale, shift, and what the epilogue says (without a bias). */
    void (*affine)(size_t pixels, size_t count, const float *from, size_t stride, const float *scale,
                   const float *shift, const kernel_epilogue *epilogue, void *out, size_t out_stride);

    /* scale * (v - mean) / sqrt(variance + epsilon) + shift, with each pixel's mean and variance. */
    void (*standardise)(size_t pixels, size_t count, const float *from, size_t stride, float epsilon,
                        const float *scale, const float *shift, float *out, size_t out_stride);

    /* Winograd F(4x4, 3x3) and F(2x2, 5x5).  A tile's 6 x 6 pixels of one vector of channels after another, `step` floats
     * from pixel to pixel of a row: 36 planes of `plane` floats at v. */
    void (*winograd_in)(const void *const rows[6], size_t step, size_t channels, float *v, size_t plane);
    void (*winograd_in_bf16)(const void *const rows[6], size_t step, size_t channels, float *v, size_t plane);
    /* 36 planes at m, `columns` channels, to ny x nx of the tile's size x size (4 or 2) pixels; residual_rows: as rows, or
     * NULL. */
    void (*winograd_out)(const float *m, size_t plane, size_t size, void *const rows[4], size_t step,
                         const float *const residual_rows[4], size_t residual_step, size_t ny, size_t nx,
                         size_t columns, const kernel_epilogue *epilogue);

    /* ---- For training (kernels-gradient.h) */

    /* The sums out[r * out_stride + c] += a[t * a_stride + r] * b[t * b_stride + c] over t < depth, for r < rows and
     * c < columns: a product of two pictures over their pixels. */
    void (*accumulate)(size_t depth, const float *a, size_t a_stride, size_t rows, const float *b, size_t b_stride,
                       size_t columns, float *out, size_t out_stride);
    /* sum[c] += a * b (b NULL: a) over the pixels, channel by channel. */
    void (*products)(size_t pixels, size_t count, const float *a, size_t a_stride, const float *b, size_t b_stride,
                     float *sum);
    /* The adjoint of winograd_out's transform: 36 planes from size x size pixels. */
    void (*winograd_back)(const float *const rows[4], size_t step, size_t size, size_t channels, float *m, size_t plane);
    /* The gradient dx of standardise (scale 1, shift 0), from x and the gradient dy by its output. */
    void (*standardise_back)(size_t pixels, size_t count, const float *x, size_t x_stride, const float *dy,
                             size_t dy_stride, float epsilon, float *dx, size_t dx_stride);
    /* Each pixel's channels: a * x + b * y + c, with a, b, c by channel. */
    void (*combine)(size_t pixels, size_t count, const float *x, size_t x_stride, const float *y, size_t y_stride,
                    const float *a, const float *b, const float *c, float *out, size_t out_stride);
} nn_kernels;

extern const nn_kernels nn_kernels_portable;
extern const nn_kernels nn_kernels_avx2;
extern const nn_kernels nn_kernels_avx512;
extern const nn_kernels nn_kernels_bf16;
extern const nn_kernels nn_kernels_amx;

/* Those of this processor's level (PELLUCID_CPU). */
pel_status nn_kernels_choose(const nn_kernels **kernels, pel_error *error);

#endif
