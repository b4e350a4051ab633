/* parametric.c - the few numbers of a PSF whose kind is known, from the picture's spectrum.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The logarithms of the mean periodogram and of the model (parametric.h) agree by least squares, from many
 * starts.  The model is smeared as Hann's window smears a spectrum, or zeros of the PSF's transform would
 * seem deeper than they can be in data. */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <gsl/gsl_blas.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_multifit_nlinear.h>
#include <gsl/gsl_sf_bessel.h>
#include <gsl/gsl_sf_gamma.h>

#include <pellucid/pool.h>

#include <pellucid/fill.h>
#include "parametric-internal.h"

#define LOWEST 3.0     /* bins: below them the window hides the spectrum */
#define TABLE 512      /* samples of |K|^2 along the radius */
#define FARTHEST 0.75  /* its last frequency */

/* The parameters: the numbers of the PSF first (logarithms, but for the angle). */
enum { FIRST, SECOND, LOG_NOISE, LOG_LEVEL, ALPHA, COS2, SIN2, PARAMETERS };

typedef struct {
    pel_parametric_model model;
    const blind_periodogram *data;
    size_t *bins, count; /* which of the periodogram's are fitted */
    struct bin {         /* what does not change of each of the periodogram's */
        double fx, fy, radius, log_radius, cos2, sin2, pixel;
    } *all;
    size_t all_count;
} spectrum_task;

/* ---- The transforms of the PSFs */

static double sinc(double x)
{
    return fabs(x) < 1e-8 ? 1 : sin(M_PI * x) / (M_PI * x);
}

/* Of the numbers p (not logarithms), at a radius in cycles a sample; each is 1 at 0. */
static double radial(pel_parametric_model model, const double *p, double f)
{
    gsl_sf_result value;
    if (model == PEL_PARAMETRIC_GAUSS)
        return exp(-2 * M_PI * M_PI * p[0] * p[0] * f * f);
    if (model == PEL_PARAMETRIC_DISC) {
        double z = 2 * M_PI * p[0] * f;
        return z > 1e-6 && gsl_sf_bessel_J1_e(z, &value) == GSL_SUCCESS ? 2 * value.val / z : 1;
    }
    /* Moffat: the Hankel transform of (1 + r^2/a^2)^-beta, with z = 2 pi a f, is
     * 2 (z/2)^(beta-1) K_(beta-1)(z) / Gamma(beta-1). */
    double order = p[1] - 1, a = p[0] / (2 * sqrt(pow(2, 1 / p[1]) - 1)), z = 2 * M_PI * a * f;
    if (z < 1e-6)
        return 1;
    if (z > 600 || gsl_sf_bessel_lnKnu_e(order, z, &value) != GSL_SUCCESS)
        return 0;
    return exp(M_LN2 + order * log(z / 2) + value.val - gsl_sf_lngamma(order));
}

/* p holds the parameters; numbers gets what psf.h calls them. */
static void numbers_of(pel_parametric_model model, const double *p, double numbers[2])
{
    numbers[0] = exp(fmin(fmax(p[FIRST], -5), 7));
    numbers[1] = model == PEL_PARAMETRIC_MOFFAT ? 1.2 + exp(fmin(p[SECOND], 3)) : p[SECOND];
}

static void frequency(const blind_periodogram *d, size_t bin, double *fx, double *fy)
{
    size_t w = d->side / 2 + 1, j = bin / w;
    *fx = (double)(bin % w) / (double)d->side;
    *fy = ((double)j - (j > d->side / 2 ? (double)d->side : 0)) / (double)d->side;
}

/* |K|^2 at all bins. */
static void transform(const spectrum_task *t, const double *p, double *power)
{
    double numbers[2], table[TABLE + 1];
    numbers_of(t->model, p, numbers);
    for (size_t k = 0; k <= TABLE && t->model != PEL_PARAMETRIC_MOTION; k++) {
        double v = radial(t->model, numbers, FARTHEST * (double)k / TABLE);
        table[k] = v * v;
    }
    const double cosine = cos(numbers[1]), sine = sin(numbers[1]);
    for (size_t i = 0; i < t->all_count; i++) {
        const struct bin *b = &t->all[i];
        double v;
        if (t->model == PEL_PARAMETRIC_MOTION) {
            v = sinc(numbers[0] * (cosine * b->fx - sine * b->fy)); /* y runs down, angles up */
            v *= v;
        } else {
            double at = b->radius / FARTHEST * TABLE;
            size_t k = at < TABLE ? (size_t)at : TABLE - 1;
            v = table[k] + (at - (double)k) * (table[k + 1] - table[k]);
        }
        power[i] = v * b->pixel;
    }
}

/* ---- The model of the spectrum */

/* power = (1/6, 2/3, 1/6) * power along both axes: Hann's window, for what is smooth otherwise. */
static void smear(size_t side, double *power, double *scratch)
{
    const size_t w = side / 2 + 1;
    for (size_t j = 0; j < side; j++)
        for (size_t i = 0; i < w; i++) {
            size_t l = i > 0 ? i - 1 : 1, r = i + 1 < w ? i + 1 : i - 1;
            /* a real picture: what is left of column 0 is column 1 turned by 180 degrees */
            size_t row = i > 0 ? j : (side - j) % side;
            scratch[j * w + i] =
                (power[row * w + l] + 4 * power[j * w + i] + power[j * w + r]) / 6;
        }
    for (size_t j = 0; j < side; j++)
        for (size_t i = 0; i < w; i++)
            power[j * w + i] = (scratch[(j + side - 1) % side * w + i] + 4 * scratch[j * w + i] +
                                scratch[(j + 1) % side * w + i]) / 6;
}

/* All bins, into `power`; `scratch` is as large. */
static void model_spectrum(const spectrum_task *t, const double *p, double *power, double *scratch)
{
    const double noise = exp(p[LOG_NOISE]);
    transform(t, p, power);
    for (size_t i = 0; i < t->all_count; i++) {
        const struct bin *b = &t->all[i];
        power[i] *= exp(p[LOG_LEVEL] - p[ALPHA] * b->log_radius + p[COS2] * b->cos2 + p[SIN2] * b->sin2);
    }
    smear(t->data->side, power, scratch);
    for (size_t i = 0; i < t->all_count; i++)
        power[i] += noise;
}

static bool has_second(pel_parametric_model model)
{
    return model == PEL_PARAMETRIC_MOTION || model == PEL_PARAMETRIC_MOFFAT;
}

/* GSL's vector holds the parameters without SECOND where the model has none. */
static void unpack(const spectrum_task *t, const gsl_vector *v, double *p)
{
    p[SECOND] = 0;
    for (size_t k = 0, n = 0; k < PARAMETERS; k++)
        if (k != SECOND || has_second(t->model))
            p[k] = gsl_vector_get(v, n++);
}

#define ALPHA_MEAN 2.3   /* of natural pictures: measured on seven photographs, as are its spread ... */
#define ALPHA_SPREAD 0.35
#define PRIOR 0.02       /* ... and its weight over the spectrum's */

static int residuals(const gsl_vector *v, void *arg, gsl_vector *f)
{
    const spectrum_task *t = arg;
    double p[PARAMETERS], *power = pel_alloc(2 * t->all_count * sizeof *power);
    if (power == NULL)
        return GSL_ENOMEM;
    unpack(t, v, p);
    model_spectrum(t, p, power, power + t->all_count);
    for (size_t i = 0; i < t->count; i++) {
        double r = log(fmax(t->data->power[t->bins[i]], 1e-300)) - log(fmax(power[t->bins[i]], 1e-300));
        gsl_vector_set(f, i, fmin(fmax(r, -3), 3)); /* one strange bin is not to decide */
    }
    /* Without it, the power law may take the part of a PSF with wide wings. */
    gsl_vector_set(f, t->count, PRIOR * sqrt((double)t->count) * (p[ALPHA] - ALPHA_MEAN) / ALPHA_SPREAD);
    pel_free(power);
    return GSL_SUCCESS;
}

/* From p to the nearest minimum in at most `steps`; returns its sum of squares, or HUGE_VAL. */
static double minimise(spectrum_task *t, double *p, size_t steps)
{
    gsl_multifit_nlinear_parameters how = gsl_multifit_nlinear_default_parameters();
    gsl_multifit_nlinear_fdf system = {.f = residuals, .n = t->count + 1,
                                       .p = has_second(t->model) ? PARAMETERS : PARAMETERS - 1,
                                       .params = t};
    if (t->count <= system.p)
        return HUGE_VAL;
    gsl_multifit_nlinear_workspace *w =
        gsl_multifit_nlinear_alloc(gsl_multifit_nlinear_trust, &how, system.n, system.p);
    gsl_vector *start = gsl_vector_alloc(system.p);
    double cost = HUGE_VAL;
    if (w != NULL && start != NULL) {
        int info, status;
        for (size_t k = 0, n = 0; k < PARAMETERS; k++)
            if (k != SECOND || has_second(t->model))
                gsl_vector_set(start, n++, p[k]);
        status = gsl_multifit_nlinear_init(start, &system, w);
        if (status == GSL_SUCCESS)
            status = gsl_multifit_nlinear_driver(steps, 1e-5, 1e-5, 0, NULL, NULL, &info, w);
        if (status == GSL_SUCCESS || status == GSL_EMAXITER || status == GSL_ENOPROG) {
            double norm = gsl_blas_dnrm2(gsl_multifit_nlinear_residual(w));
            unpack(t, gsl_multifit_nlinear_position(w), p);
            cost = isfinite(norm) ? norm * norm : HUGE_VAL;
        }
    }
    gsl_vector_free(start);
    gsl_multifit_nlinear_free(w);
    return cost;
}

/* ---- Starts */

#define MOST_STARTS 256
#define FIRST_STEPS 4
#define ANGLES 12

typedef struct {
    spectrum_task *task;
    double p[MOST_STARTS][PARAMETERS], cost[MOST_STARTS];
    size_t count;
} starts;

/* Levels to begin with: noise from the highest frequencies, the rest from the lowest. */
static void guess(const spectrum_task *t, double *p)
{
    double high = 0, low = 0, highs = 0, lows = 0, edge = 3 * LOWEST / (double)t->data->side;
    for (size_t i = 0; i < t->count; i++) {
        double f = t->all[t->bins[i]].radius, v = t->data->power[t->bins[i]];
        if (f > 0.45) {
            high += v;
            highs++;
        } else if (f < edge) {
            low += v * f * f;
            lows++;
        }
    }
    p[LOG_NOISE] = log(fmax(0.5 * high / fmax(highs, 1), 1e-30));
    p[LOG_LEVEL] = log(fmax(low / fmax(lows, 1), 1e-30));
    p[ALPHA] = 2;
    p[COS2] = p[SIN2] = 0;
}

static void run_start(void *arg, size_t index, size_t worker)
{
    starts *s = arg;
    (void)worker;
    s->cost[index] = minimise(s->task, s->p[index], FIRST_STEPS);
}

static void add_start(starts *s, const double *levels, double first, double second)
{
    if (s->count == MOST_STARTS)
        return;
    memcpy(s->p[s->count], levels, PARAMETERS * sizeof *levels);
    s->p[s->count][FIRST] = log(first);
    s->p[s->count++][SECOND] = second;
}

static void make_starts(starts *s)
{
    double levels[PARAMETERS] = {0}, side = (double)s->task->data->side;
    guess(s->task, levels);
    switch (s->task->model) {
    case PEL_PARAMETRIC_GAUSS:
        for (double sigma = 0.4; sigma < side / 8; sigma *= 2)
            add_start(s, levels, sigma, 0);
        break;
    case PEL_PARAMETRIC_DISC: /* the cost has a minimum for every match of zeros */
        for (double radius = 0.6; radius < side / 5; radius *= 1.15)
            add_start(s, levels, radius, 0);
        break;
    case PEL_PARAMETRIC_MOTION:
        for (double length = 1.5; length < side / 3; length *= 1.35)
            for (int a = 0; a < ANGLES; a++)
                add_start(s, levels, length, a * M_PI / ANGLES);
        break;
    case PEL_PARAMETRIC_MOFFAT:
        for (double fwhm = 1; fwhm < side / 4; fwhm *= 2)
            for (int b = 0; b < 3; b++)
                add_start(s, levels, fwhm, b - 0.5);
        break;
    }
}

/* ---- The fit of one periodogram */

static pel_status choose_bins(const pel_context *ctx, spectrum_task *t)
{
    const size_t side = t->data->side;
    t->count = 0;
    t->all_count = side * (side / 2 + 1);
    t->bins = pel_alloc(t->all_count * sizeof *t->bins);
    t->all = pel_alloc(t->all_count * sizeof *t->all);
    if (t->bins == NULL || t->all == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    for (size_t i = 0; i < t->all_count; i++) {
        double fx, fy;
        frequency(t->data, i, &fx, &fy);
        double f = hypot(fx, fy), pixel = sinc(fx) * sinc(fy), above = fmax(f, 0.5 / (double)side);
        t->all[i] = (struct bin){fx, fy, f, log(above), (fx * fx - fy * fy) / (above * above),
                                 2 * fx * fy / (above * above), pixel * pixel};
        /* column 0 holds each of its frequencies twice */
        if (f * (double)side >= LOWEST && f <= 0.5 && (fx > 0 || fy > 0))
            t->bins[t->count++] = i;
    }
    return PEL_OK;
}

/* The sum of squares that white noise alone leaves. */
static double scatter(const spectrum_task *t)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < t->count; i++) {
        double v = log(fmax(t->data->power[t->bins[i]], 1e-300));
        sum += v;
        squares += v * v;
    }
    return fmax(squares - sum * sum / (double)t->count, 1e-30);
}

/* The best parameters for the data; *signal: the part of the scatter of the spectrum's logarithm that
 * they explain. */
static pel_status fit(const pel_context *ctx, const blind_periodogram *data, pel_parametric_model model,
                      double *p, double *signal)
{
    spectrum_task task = {.model = model, .data = data};
    double explained = 0;
    starts *s = pel_alloc(sizeof *s);
    pel_status status = s != NULL ? choose_bins(ctx, &task)
                                  : pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    if (status == PEL_OK) {
        s->task = &task;
        s->count = 0;
        make_starts(s);
        pel_pool_run(ctx->pool, s->count, run_start, s);
        double least = HUGE_VAL;
        for (int round = 0; round < 3; round++) { /* the three best go on */
            size_t best = 0;
            for (size_t k = 0; k < s->count; k++)
                best = s->cost[k] < s->cost[best] ? k : best;
            if (s->cost[best] == HUGE_VAL)
                break;
            double cost = minimise(&task, s->p[best], 60);
            if (cost < least) {
                least = cost;
                memcpy(p, s->p[best], sizeof s->p[best]);
            }
            s->cost[best] = HUGE_VAL;
        }
        explained = 1 - least / scatter(&task);
        if (!(least < HUGE_VAL))
            status = pel_error_set(ctx->error, PEL_ENUMERIC, "the fit to the spectrum does not converge");
    }
    *signal = explained;
    pel_free(task.all);
    pel_free(task.bins);
    pel_free(s);
    return status;
}

static void write_spec(pel_parametric_model model, const double *p, char *spec, size_t room)
{
    double numbers[2];
    numbers_of(model, p, numbers);
    switch (model) {
    case PEL_PARAMETRIC_GAUSS:
        snprintf(spec, room, "gauss:sigma=%.3f", fmin(fmax(numbers[0], 0.05), 120));
        break;
    case PEL_PARAMETRIC_DISC:
        snprintf(spec, room, "disc:radius=%.3f", fmin(fmax(numbers[0], 0.1), 500));
        break;
    case PEL_PARAMETRIC_MOTION: {
        double angle = fmod(numbers[1] * 180 / M_PI, 180);
        angle += angle < 0 ? 180 : 0;
        snprintf(spec, room, "motion:length=%.3f,angle=%.2f", fmin(numbers[0], 1000), angle);
        break;
    }
    case PEL_PARAMETRIC_MOFFAT:
        snprintf(spec, room, "moffat:fwhm=%.3f,beta=%.3f", fmin(fmax(numbers[0], 0.2), 100),
                 fmin(numbers[1], 50));
        break;
    }
}

/* Correlation of two PSFs, centre on centre. */
static double correlate(const pel_psf *a, const pel_psf *b)
{
    double ab = 0, aa = 0, bb = 0;
    ptrdiff_t rx = (ptrdiff_t)(a->size.w / 2) - (ptrdiff_t)(b->size.w / 2);
    ptrdiff_t ry = (ptrdiff_t)(a->size.h / 2) - (ptrdiff_t)(b->size.h / 2);
    for (size_t i = 0; i < a->size.w * a->size.h; i++) {
        ptrdiff_t x = (ptrdiff_t)(i % a->size.w) - rx, y = (ptrdiff_t)(i / a->size.w) - ry;
        aa += (double)a->samples[i] * (double)a->samples[i];
        if (x >= 0 && y >= 0 && x < (ptrdiff_t)b->size.w && y < (ptrdiff_t)b->size.h)
            ab += (double)a->samples[i] * (double)b->samples[y * (ptrdiff_t)b->size.w + x];
    }
    for (size_t i = 0; i < b->size.w * b->size.h; i++)
        bb += (double)b->samples[i] * (double)b->samples[i];
    return ab / sqrt(aa * bb);
}

/* ---- The whole */

#define ENOUGH 0.5 /* part of the spectrum's scatter that a fit explains of pictures, never of noise */

typedef struct {
    const pel_context *ctx;
    const float *picture, *mask;
    pel_size size;
    pel_parametric_model model;
} parametric_task;

/* Of columns [from, from + w); `any` false: nothing to see, and the PSF is no blur. */
static pel_status fit_part(const parametric_task *t, size_t from, size_t w, size_t side, pel_psf *psf,
                           char *spec, size_t room, double *signal)
{
    blind_periodogram data;
    double p[PARAMETERS] = {0};
    *psf = (pel_psf){{0, 0, 0, 0}, NULL};
    *signal = 0;
    snprintf(spec, room, "delta");
    pel_status status = blind_periodogram_make(t->ctx, t->picture, t->mask, t->size, from, w, side, &data);
    if (status == PEL_OK && data.any) {
        gsl_error_handler_t *handler = gsl_set_error_handler_off();
        status = fit(t->ctx, &data, t->model, p, signal);
        gsl_set_error_handler(handler);
        if (status == PEL_OK)
            write_spec(t->model, p, spec, room);
    }
    blind_periodogram_clear(&data);
    return status == PEL_OK ? pel_psf_make(spec, psf, t->ctx->error) : status;
}

static size_t window_for(size_t least)
{
    return least >= 512 ? 256 : least >= 128 ? 128 : least >= 64 ? 64 : 32;
}

static pel_status fit_all(const parametric_task *t, pel_psf *psf, pel_parametric_report *report)
{
    pel_psf halves[2] = {{{0, 0, 0, 0}, NULL}, {{0, 0, 0, 0}, NULL}};
    char spec[sizeof report->spec];
    double signal, half_signal;
    size_t w = t->size.w / 2 > 32 ? t->size.w / 2 : 32, h = t->size.h;
    pel_status status = fit_part(t, 0, t->size.w, window_for(t->size.w < h ? t->size.w : h), psf,
                                 report->spec, sizeof report->spec, &signal);
    for (size_t k = 0; k < 2 && status == PEL_OK; k++)
        status = fit_part(t, k == 0 ? 0 : t->size.w - w, w, window_for(w < h ? w : h), &halves[k], spec,
                          sizeof spec, &half_signal);
    if (status == PEL_OK)
        report->confidence = fmin(signal / ENOUGH, 1) * correlate(&halves[0], &halves[1]);
    pel_psf_clear(&halves[0]);
    pel_psf_clear(&halves[1]);
    if (status != PEL_OK)
        pel_psf_clear(psf);
    return status;
}

pel_status pel_parametric_psf(const pel_context *ctx, const float *picture, const float *mask,
                              pel_size size, pel_parametric_model model, pel_psf *psf,
                              pel_parametric_report *report)
{
    *psf = (pel_psf){{0, 0, 0, 0}, NULL};
    if (size.d != 1 || size.c != 1 || size.w < 32 || size.h < 32)
        return pel_error_set(ctx->error, PEL_EINVAL,
                             "a picture of %zux%zux%zu: a fit to the spectrum needs 32x32 and one plane",
                             size.w, size.h, size.d);
    float *filled = pel_alloc_floats(size.w * size.h);
    if (filled == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    parametric_task task = {ctx, filled, mask, size, model};
    pel_status status = pel_fill_holes(ctx, picture, mask, size, filled);
    if (status == PEL_OK)
        status = fit_all(&task, psf, report);
    pel_free(filled);
    return status;
}
