/* fit.c - a smooth profile in place of a PSF that was measured.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <gsl/gsl_errno.h>
#include <gsl/gsl_multifit_nlinear.h>

#include "sources-internal.h"

/* The parameters, all without bounds: logarithms keep widths positive and beta above 1. */
enum { AMPLITUDE, X, Y, LOG_A, LOG_B, ANGLE, LOG_BETA, PARAMETERS };

typedef struct {
    pel_fit_model model;
    const pel_psf *psf;
} fit_task;

/* Integral of the profile over the pixel at (x, y), by 3 x 3 points of Gauss and Legendre.  a and b are
 * half of the FWHM along the axes. */
static double profile(pel_fit_model model, const double *p, double x, double y)
{
    static const double at[3] = {-0.3872983346207417, 0, 0.3872983346207417};
    static const double weight[3] = {5.0 / 18, 8.0 / 18, 5.0 / 18};
    const double cosine = cos(p[ANGLE]), sine = sin(p[ANGLE]), beta = 1 + exp(p[LOG_BETA]);
    const double core = model == PEL_FIT_MOFFAT ? pow(2, 1 / beta) - 1 : M_LN2;
    double sum = 0;
    for (int j = 0; j < 3; j++)
        for (int i = 0; i < 3; i++) {
            double dx = x + at[i] - p[X], dy = y + at[j] - p[Y];
            double u = (cosine * dx + sine * dy) / exp(p[LOG_A]);
            double v = (cosine * dy - sine * dx) / exp(p[LOG_B]);
            double q = core * (u * u + v * v);
            sum += weight[i] * weight[j] * (model == PEL_FIT_MOFFAT ? pow(1 + q, -beta) : exp(-q));
        }
    return p[AMPLITUDE] * sum;
}

static double at_sample(const fit_task *t, const double *p, size_t i)
{
    const pel_size size = t->psf->size;
    return profile(t->model, p, (double)(i % size.w) - (double)(size.w / 2),
                   (double)(i / size.w) - (double)(size.h / 2));
}

static int residuals(const gsl_vector *p, void *arg, gsl_vector *f)
{
    const fit_task *t = arg;
    double all[PARAMETERS] = {0};
    for (size_t k = 0; k < p->size; k++)
        all[k] = gsl_vector_get(p, k);
    for (size_t i = 0; i < f->size; i++)
        gsl_vector_set(f, i, at_sample(t, all, i) - (double)t->psf->samples[i]);
    return GSL_SUCCESS;
}

/* From the width that the area above half of the maximum has. */
static void guess(const pel_psf *psf, double *p)
{
    size_t count = psf->size.w * psf->size.h, above = 0;
    double most = 0;
    for (size_t i = 0; i < count; i++)
        most = fmax(most, (double)psf->samples[i]);
    for (size_t i = 0; i < count; i++)
        above += (double)psf->samples[i] > most / 2;
    const double start[PARAMETERS] = {most, 0, 0, 0, 0, 0.3, log(2)};
    memcpy(p, start, sizeof start);
    p[LOG_A] = log(sqrt(fmax((double)above, 1) / M_PI) * 1.1); /* not a circle: it has no angle */
    p[LOG_B] = log(sqrt(fmax((double)above, 1) / M_PI) * 0.9);
}

static bool minimise(fit_task *t, double *p)
{
    gsl_multifit_nlinear_parameters how = gsl_multifit_nlinear_default_parameters();
    gsl_multifit_nlinear_fdf system = {.f = residuals,
                                       .n = t->psf->size.w * t->psf->size.h,
                                       .p = t->model == PEL_FIT_MOFFAT ? PARAMETERS : PARAMETERS - 1,
                                       .params = t};
    if (system.n < system.p)
        return false;
    gsl_multifit_nlinear_workspace *w =
        gsl_multifit_nlinear_alloc(gsl_multifit_nlinear_trust, &how, system.n, system.p);
    if (w == NULL)
        return false;
    gsl_vector_view start = gsl_vector_view_array(p, system.p);
    int info, status = gsl_multifit_nlinear_init(&start.vector, &system, w);
    if (status == GSL_SUCCESS)
        status = gsl_multifit_nlinear_driver(200, 1e-8, 1e-8, 0, NULL, NULL, &info, w);
    bool good = status == GSL_SUCCESS || status == GSL_ENOPROG; /* ENOPROG: as near as rounding lets */
    for (size_t k = 0; k < system.p; k++) {
        p[k] = gsl_vector_get(gsl_multifit_nlinear_position(w), k);
        good = good && isfinite(p[k]);
    }
    gsl_multifit_nlinear_free(w);
    return good;
}

static void tell(const pel_psf *psf, const fit_task *t, const double *p, pel_fit_report *report)
{
    double rest = 0, square = 0;
    for (size_t i = 0; i < psf->size.w * psf->size.h; i++) {
        double r = at_sample(t, p, i) - (double)psf->samples[i];
        rest += r * r;
        square += (double)psf->samples[i] * (double)psf->samples[i];
    }
    bool swap = p[LOG_B] > p[LOG_A];
    /* y runs down in a picture, and up on the screen's angles. */
    double angle = remainder(-p[ANGLE] * 180 / M_PI + (swap ? 90 : 0), 180);
    *report = (pel_fit_report){.fwhm = {2 * exp(fmax(p[LOG_A], p[LOG_B])),
                                        2 * exp(fmin(p[LOG_A], p[LOG_B]))},
                               .angle = angle < 0 ? angle + 180 : angle,
                               .beta = t->model == PEL_FIT_MOFFAT ? 1 + exp(p[LOG_BETA]) : 0,
                               .residual = sqrt(rest / square)};
}

pel_status pel_psf_fit(const pel_context *ctx, pel_fit_model model, pel_psf *psf,
                       pel_fit_report *report)
{
    double p[PARAMETERS], sum = 0;
    fit_task task = {model, psf};
    if (psf->size.d != 1 || psf->size.c != 1)
        return pel_error_set(ctx->error, PEL_EINVAL, "profiles are fitted to PSFs of pictures, not of volumes");
    guess(psf, p);
    gsl_error_handler_t *handler = gsl_set_error_handler_off();
    bool good = minimise(&task, p);
    gsl_set_error_handler(handler);
    /* A profile narrower than a part of a pixel, or wider than the PSF, is no fit. */
    double widest = fmax(p[LOG_A], p[LOG_B]), narrowest = fmin(p[LOG_A], p[LOG_B]);
    if (!good || !(p[AMPLITUDE] > 0) || narrowest < log(0.05) || widest > log((double)(psf->size.w + psf->size.h)))
        return pel_error_set(ctx->error, PEL_ENUMERIC, "the fit of a profile to the PSF does not converge");
    tell(psf, &task, p, report);
    p[X] = p[Y] = 0;
    for (size_t i = 0; i < psf->size.w * psf->size.h; i++)
        sum += at_sample(&task, p, i);
    for (size_t i = 0; i < psf->size.w * psf->size.h; i++)
        psf->samples[i] = (float)(at_sample(&task, p, i) / sum);
    return PEL_OK;
}
