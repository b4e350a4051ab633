/* deconv.h - the restoration problem y = k * x + n that every non-blind method solves, and the
 * methods.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What lies outside the picture is unobserved: methods estimate on the extended domain, which is
 * larger than the data by the PSF's size minus 1, and return the part under the data.
 */
#ifndef PELLUCID_DECONV_H
#define PELLUCID_DECONV_H

#include <pellucid/base.h>

PEL_BEGIN_DECLS

typedef struct {
    pel_size size;         /* of data and estimate; d > 1 is a 3-D problem */
    const float *data;     /* finite wherever mask is not 0 (elsewhere anything, not used) */
    const float *mask;     /* weight of each sample 0..1, or NULL: all 1 */
    size_t mask_channels;  /* 1 or size.c */
    const float *psf;      /* each channel sums to 1 */
    pel_size psf_size;     /* c: 1 or size.c; d = 1 with size.d > 1: slice by slice */
    double sigma;          /* noise standard deviation in sample units; > 0 where a rule needs it */
    const float *sigma_map;/* of each sample (channels: sigma_channels), or NULL; sigma is its mean */
    size_t sigma_channels;
    const float *start;    /* warm start of `size`, finite, or NULL */
    double background;     /* constant that is part of the data but not of the object (RL) */
} pel_problem;

/* ---- Wiener --------------------------------------------------------------------------------- */

typedef enum {
    PEL_WIENER_LAPLACE,  /* |K|^2 + strength |L|^2 with the Laplacian L: the smoothness prior */
    PEL_WIENER_TIKHONOV, /* |K|^2 + strength */
} pel_wiener_prior;
typedef enum {
    PEL_RULE_LIKELIHOOD,  /* the data are likeliest under a Gaussian prior of that scale */
    PEL_RULE_GCV,         /* generalised cross-validation: needs no sigma */
    PEL_RULE_DISCREPANCY, /* the residual has the size of the noise (Morozov): smoother */
    PEL_RULE_ERROR,       /* around a start: from sigma and the size that errors of good estimates have */
} pel_strength_rule;

typedef struct {
    pel_wiener_prior prior;
    double strength;        /* > 0, or NaN: chosen by `rule` */
    pel_strength_rule rule;
    bool around_start;      /* problem->start is the mean of the prior, in place of 0 */
    double range;           /* white minus black, in sample units: for PEL_RULE_ERROR */
} pel_wiener_params;
typedef struct {
    double strength; /* what was used */
} pel_wiener_report;

/* `estimate` has problem->size.  With PEL_WIENER_TIKHONOV and a given strength this is the textbook
 * Wiener filter with a constant noise-to-signal ratio (Gonzalez & Woods, Digital Image Processing,
 * 5.8); PEL_WIENER_LAPLACE is their constrained least squares filter (5.9).  Around a start m it is m and the estimate of
 * x - m from y - Km: the data step of half-quadratic splitting (D. Geman & C. Yang, IEEE TIP 4, 1995), PEL_WIENER_TIKHONOV
 * its usual form.  Borders and rules as wiener.c and wiener-rule.c say. */
pel_status pel_wiener(const pel_context *ctx, const pel_problem *problem,
                      const pel_wiener_params *params, float *estimate, pel_wiener_report *report);

/* ---- Richardson-Lucy ------------------------------------------------------------------------ */

typedef struct {
    long iterations;   /* >= 1, or -1: stop by the noise, at most max_iterations */
    long max_iterations;
    bool accelerate;   /* Biggs & Andrews 1997 */
    double tv;         /* weight of the total variation of Dey et al. 2006; 0: none */
    double damping;    /* threshold in sigmas below which differences are damped (White 1994); 0: none */
    long every;        /* call `intermediate` each so many iterations; 0: never */
    pel_status (*intermediate)(void *arg, long iteration, const float *estimate);
    void *intermediate_arg;
} pel_rl_params;
typedef struct {
    long iterations;   /* done */
    double residual;   /* weighted RMS of data - model, in sigmas (NaN when sigma is unknown) */
    double flux_data, flux_estimate; /* totals: weighted data without background, and the estimate
                                        over the extended domain */
} pel_rl_report;

/* Weighted RL on the extended domain (Bertero & Boccacci 2005). Data below the background count as
 * 0. `estimate` has problem->size. */
pel_status pel_rl(const pel_context *ctx, const pel_problem *problem, const pel_rl_params *params,
                  float *estimate, pel_rl_report *report);

/* ---- Total variation and hyper-Laplacian priors ---------------------------------------------- */

typedef enum { PEL_PRIOR_TV, PEL_PRIOR_HYPER_LAPLACIAN } pel_tv_prior;
typedef struct {
    pel_tv_prior prior;
    double strength;  /* weight of the prior relative to 1/2 |y - Kx|^2, > 0, or NaN: from sigma */
    long iterations;  /* >= 1, or -1: the default of the method */
    double range;     /* white minus black, in sample units: what steps and rule are for; 0: 1 */
} pel_tv_params;
typedef struct {
    double strength;
    long iterations;
} pel_tv_report;

/* ADMM with a masked data term (Almeida & Figueiredo 2013), for total variation and for the prior
 * |grad x|^0.8 of Krishnan & Fergus (2009).  `estimate` has problem->size. */
pel_status pel_tv(const pel_context *ctx, const pel_problem *problem, const pel_tv_params *params,
                  float *estimate, pel_tv_report *report);

/* ---- Plug and play: a denoiser as the prior -------------------------------------------------- */

/* Removes white noise of standard deviation `sigma` (sample units) from a picture of `size`, in place; planes of
 * a volume one by one.  What it gets is the extended domain, whose sides are multiples of params->multiple, mirrored another
 * way each time. */
typedef pel_status (*pel_denoise)(void *arg, const pel_context *ctx, pel_size size, double sigma,
                                  float *picture);

typedef enum {
    PEL_HQS_FROM_TV,     /* pel_tv's estimate */
    PEL_HQS_FROM_WIENER, /* pel_wiener's */
    PEL_HQS_FROM_DATA,   /* the data themselves */
} pel_hqs_start;

typedef struct {
    pel_denoise denoise;
    void *denoise_arg;
    size_t multiple;      /* the denoiser likes sides that are multiples of it; 1: any */
    long iterations;      /* >= 1; 8 */
    double lambda;        /* > 0; 0.23 */
    double sigma_first;   /* of the first denoising, sample units; at least the last is used */
    double last;          /* of the last denoising, in units of the noise of the data; > 0 */
    bool periodic;        /* the data are one period of a picture without borders */
    pel_hqs_start start;  /* where the problem has none */
    double range;         /* as of pel_tv_params: for that start, and the least noise */
} pel_hqs_params;
typedef struct {
    double sigma_first, sigma_last; /* of the denoiser, sample units */
} pel_hqs_report;

/* Half-quadratic splitting with a denoiser in place of the prior's step (K. Zhang et al., "Plug-and-play image
 * restoration with deep denoiser prior", IEEE TPAMI 44, 2022).  problem->sigma >= 0; less than
 * a thousandth of the range counts as that, but where picture and border are periodic and all good, which needs sigma > 0.
 * Weights are the mask's, and the sigma map's.  `estimate` has problem->size. */
pel_status pel_hqs(const pel_context *ctx, const pel_problem *problem, const pel_hqs_params *params,
                   float *estimate, pel_hqs_report *report);

PEL_END_DECLS
#endif
