/* blind-internal.h - one scale of a blind estimation, and the parts that work on it.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_BLIND_INTERNAL_H
#define PELLUCID_BLIND_INTERNAL_H

#include <pellucid/blind.h>
#include <pellucid/fft.h>
#include <pellucid/pool.h>

#include "../num/grid.h"

/* Arrays of samples and spectra are on the grid, which is periodic and larger than the data. */
typedef struct {
    const pel_context *ctx;
    pel_grid grid;          /* of the scale's data and kernels of side x side */
    size_t side;
    float *kernel;          /* side x side, sums to 1 */
    pel_complex *transfer;  /* of the kernel */
    float *observed;        /* the data, continued over the grid */
    pel_complex *spectrum;  /* of `observed` */
    float *weight;          /* of the data's gradients; 0 where nothing was observed */
    pel_complex *data_gx, *data_gy; /* spectra of the data's gradients times weight */
    float *laplace[3];      /* |D|^2, by axis */
    float *latent;          /* the picture without blur, as the latent step sees it */
    float *gx, *gy;         /* its gradients, as far as the kernel step shall believe them */
    double lambda, mu;      /* weights of the latent step's priors; they fall as it goes on */
    bool started;           /* the latent picture goes on from the last step (rl) */
    float *work;            /* scratch, as are these: */
    pel_complex *a, *b, *c, *d;
} blind_scale;

/* A scale for `data` of size.w x size.h (weights 0..1 in `mask`, or NULL), which are copied. */
pel_status blind_scale_open(const pel_context *ctx, const float *data, const float *mask,
                            pel_size size, size_t side, blind_scale *s);
void blind_scale_close(blind_scale *s);
/* Sets s->transfer from s->kernel. */
pel_status blind_scale_transfer(blind_scale *s);
/* Moves s->transfer so that its PSF's centre of mass is exactly at the centre: the latent picture then
 * moves the other way, and the next kernel with it. */
void blind_scale_centre_transfer(blind_scale *s);

/* Runs `job` over bands of rows of the grid, with a task of its own or a blind_task of `value`: in it,
 * blind_band tells which. */
typedef struct {
    blind_scale *s;
    float value, other;
} blind_task;
void blind_run(const blind_scale *s, void *task, pel_job job);
void blind_in_bands(blind_scale *s, float value, pel_job job);
void blind_band(const blind_scale *s, size_t index, size_t *from, size_t *to);

/* ---- Latent steps: from s->transfer and the data to s->latent, s->gx, s->gy. */

/* What the blind methods differ in. */
typedef struct {
    pel_status (*latent)(blind_scale *s);
    pel_status (*kernel)(blind_scale *s);
    double lambda, mu;             /* at the start */
    double lambda_least, mu_least;
} blind_method;
const blind_method *blind_method_of(pel_blind_method method);

/* Where the continuation of the L0 splittings ends.  Published is 1e5: the kernels come out the same (32
 * pictures: 0.1 dB better), a third of the steps is saved. */
#define BLIND_BETA_MOST 1e3
pel_status blind_latent_l0(blind_scale *s);
pel_status blind_latent_pmp(blind_scale *s);
pel_status blind_latent_dark(blind_scale *s);
pel_status blind_latent_edge(blind_scale *s);
pel_status blind_latent_sparse(blind_scale *s);
pel_status blind_latent_rl(blind_scale *s);
/* Total variation of weight s->mu: no method of its own, but what the kernel is refined with. */
pel_status blind_latent_tv(blind_scale *s);

/* Forward differences of s->latent into gx, gy: 0 where |g|^2 < least. */
void blind_gradients(blind_scale *s, float least);
/* s->latent = (conj(K) Y + beta D*g + gamma B) / (|K|^2 + beta |D|^2 + gamma), with g in gx, gy and the
 * spectrum of u as B in s->b (not used where gamma is 0): the minimum of
 * |Kx - y|^2 + beta |Dx - g|^2 + gamma |x - u|^2. */
void blind_divide(blind_scale *s, double beta, double gamma);

/* ---- Kernel step */

/* to (+)= a b, or conj(a) b, of spectra. */
typedef struct {
    blind_scale *s;
    pel_complex *to;
    const pel_complex *a, *b;
    bool conjugate, add;
} blind_product;
void blind_multiply(blind_product product);

/* The kernel onto s->work, its centre at sample 0; and back, times 1/n of a transform. */
void blind_kernel_put(blind_scale *s, const float *kernel);
void blind_kernel_take(const blind_scale *s, float *kernel);

/* Zeroes all but the strongest gradients in gx, gy: those above the magnitude that leaves `keep` of
 * them in each of four directions (all of them where there are fewer). */
void blind_select(blind_scale *s, double keep);
/* By blind_select and then s->kernel = argmin sum_d weight (k * g_d - data_d)^2 + ridge (sum g^2) |k|^2, cleaned. */
pel_status blind_kernel_step(blind_scale *s);
/* By Richardson-Lucy steps: latent-rl.c. */
pel_status blind_kernel_rl(blind_scale *s);
/* False for a kernel that is as good as no blur. */
bool blind_kernel_is_blur(const float *kernel, size_t side);
/* Sets what is below `part` of the maximum to 0, removes 8-connected parts of less than `mass` of the
 * sum, normalises, and moves the centre of mass to the centre, by whole samples.  Where nothing is left
 * the kernel is no blur: the only one that claims nothing. */
pel_status blind_kernel_clean(const pel_context *ctx, float *kernel, size_t side, double part,
                              double mass);
/* The kernel `from` at 1/ratio times the scale. */
pel_status blind_kernel_enlarge(const pel_context *ctx, const float *from, size_t from_side,
                                double ratio, float *to, size_t side);

/* ---- Judgement: judge.c */

/* RMS of what the kernel and a last latent picture leave of the data, and the sharpness of the
 * likelihood times the detail in the picture.  Changes s->latent, gx, gy. */
pel_status blind_judge(blind_scale *s, double *residual, double *trust);
/* The greatest normalised cross-correlation of two kernels over shifts of up to 2 samples. */
double blind_agreement(const float *a, const float *b, size_t side);

#endif
