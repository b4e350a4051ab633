/* models.c - PSFs with a formula: Gaussian, Moffat, Airy, disc.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Each sample is the integral of the model over its pixel. */
#include "config.h"

#include <math.h>
#include <string.h>

#include <gsl/gsl_errno.h>
#include <gsl/gsl_sf_bessel.h>

#include "models.h"

#define FWHM_PER_SIGMA 2.3548200450309493 /* 2 sqrt(2 ln 2) */
#define MOST_RADIUS 511
#define MOST_SAMPLES ((size_t)1 << 26) /* of a 3-D PSF: 256 MiB */

pel_status pel_psf_zeros(size_t w, size_t h, size_t d, pel_psf *psf, pel_error *error)
{
    psf->size = pel_size_make(w, h, d, 1);
    psf->samples = pel_calloc_floats(w * h * d);
    return psf->samples != NULL ? PEL_OK : pel_error_set(error, PEL_ENOMEM, "out of memory");
}

/* The Gaussian's integral over pixel i: a difference of error functions. */
static double gauss_pixel(double i, double sigma)
{
    double s = sigma * M_SQRT2;
    return 0.5 * (erf((i + 0.5) / s) - erf((i - 0.5) / s));
}

/* Cut at 4 sigma: 1e-4 of the energy. */
static size_t gauss_radius(double sigma)
{
    return sigma > 0 ? (size_t)ceil(4 * sigma) : 0;
}

pel_status pel_make_gauss(const double *values, pel_psf *psf, pel_error *error)
{
    double sigma = values[0], sigma_z = values[1], fwhm = values[2];
    if ((sigma > 0) == (fwhm > 0))
        return pel_error_set(error, PEL_EUSAGE, "PSF gauss: either sigma or fwhm is needed");
    if (fwhm > 0)
        sigma = fwhm / FWHM_PER_SIGMA;
    size_t r = gauss_radius(sigma), rz = gauss_radius(sigma_z), n = 2 * r + 1;
    double side[2 * MOST_RADIUS + 1];
    if (n * n * (2 * rz + 1) > MOST_SAMPLES)
        return pel_error_set(error, PEL_EUSAGE, "PSF gauss: %zux%zux%zu samples are too many", n, n,
                             2 * rz + 1);
    pel_status status = pel_psf_zeros(n, n, 2 * rz + 1, psf, error);
    if (status != PEL_OK)
        return status;
    for (size_t x = 0; x < n; x++)
        side[x] = gauss_pixel((double)x - (double)r, sigma);
    float *to = psf->samples;
    for (size_t z = 0; z <= 2 * rz; z++) {
        double deep = sigma_z > 0 ? gauss_pixel((double)z - (double)rz, sigma_z) : 1;
        for (size_t y = 0; y < n; y++)
            for (size_t x = 0; x < n; x++)
                *to++ = (float)(deep * side[y] * side[x]);
    }
    return pel_psf_normalise(psf->samples, psf->size, error);
}

/* Fills a PSF of `radius` with the integrals of a function of the squared distance: Gauss-Legendre
 * of order 5 in each direction, on 9 x 9 parts of the pixels near the centre, where models are
 * steep, fewer further out. */
static void integrate(pel_psf *psf, size_t radius, double (*model)(double r2, const double *p),
                      const double *p)
{
    static const double node[3] = {0, 0.5384693101056831, 0.9061798459386640};
    static const double weight[3] = {0.5688888888888889, 0.4786286704993665, 0.2369268850561891};
    size_t n = 2 * radius + 1;
    /* One octant is enough: the models are round. */
    for (size_t y = 0; y <= radius; y++)
        for (size_t x = y; x <= radius; x++) {
            int parts = x < 8 ? 9 : x < 32 ? 3 : 1;
            double sum = 0, half = 0.5 / parts;
            for (int q = 0; q < parts * parts; q++) {
                double cx = (double)x - 0.5 + half * (2 * (q % parts) + 1);
                double cy = (double)y - 0.5 + half * (2 * (q / parts) + 1);
                for (int i = -2; i <= 2; i++)
                    for (int j = -2; j <= 2; j++) {
                        int a = i < 0 ? -i : i, b = j < 0 ? -j : j;
                        double u = cx + half * (i < 0 ? -node[a] : node[a]);
                        double v = cy + half * (j < 0 ? -node[b] : node[b]);
                        sum += weight[a] * weight[b] * model(u * u + v * v, p);
                    }
            }
            float value = (float)(sum * half * half);
            size_t at[2] = {x, y};
            for (int k = 0; k < 8; k++) {
                size_t ax = at[k & 1], ay = at[!(k & 1)];
                size_t px = k & 2 ? radius - ax : radius + ax;
                size_t py = k & 4 ? radius - ay : radius + ay;
                psf->samples[py * n + px] = value;
            }
        }
}

static double moffat(double r2, const double *p)
{
    return pow(1 + r2 / (p[0] * p[0]), -p[1]);
}

/* A. Moffat (A&A 3, 1969): (1 + r^2/alpha^2)^-beta, FWHM = 2 alpha sqrt(2^(1/beta) - 1).  The wings
 * are cut where 1 % of the energy, (1 + R^2/alpha^2)^(1-beta), is outside, or at 8 FWHM. */
pel_status pel_make_moffat(const double *values, pel_psf *psf, pel_error *error)
{
    double fwhm = values[0], beta = values[1];
    double alpha = fwhm / (2 * sqrt(pow(2, 1 / beta) - 1));
    double reach = alpha * sqrt(pow(0.01, 1 / (1 - beta)) - 1);
    reach = fmin(fmax(reach, 3 * fwhm), 8 * fwhm);
    size_t radius = (size_t)fmin(ceil(reach), MOST_RADIUS);
    pel_status status = pel_psf_zeros(2 * radius + 1, 2 * radius + 1, 1, psf, error);
    if (status != PEL_OK)
        return status;
    const double p[2] = {alpha, beta};
    integrate(psf, radius, moffat, p);
    return pel_psf_normalise(psf->samples, psf->size, error);
}

static double airy(double r2, const double *p)
{
    double x = sqrt(r2) * p[0];
    if (x < 1e-4)
        return 0.25;
    gsl_sf_result j;
    if (gsl_sf_bessel_J1_e(x, &j) != GSL_SUCCESS)
        return 0;
    return j.val * j.val / (x * x);
}

/* (2 J1(x)/x)^2; its half maximum is at x = 1.6163399.  Cut after 10 FWHM, where 2 % of the energy is
 * outside (the rings fall off as r^-3). */
pel_status pel_make_airy(const double *values, pel_psf *psf, pel_error *error)
{
    size_t radius = (size_t)fmin(ceil(10 * values[0]), MOST_RADIUS);
    pel_status status = pel_psf_zeros(2 * radius + 1, 2 * radius + 1, 1, psf, error);
    if (status != PEL_OK)
        return status;
    gsl_error_handler_t *handler = gsl_set_error_handler_off();
    const double p[1] = {1.6163399 / (values[0] / 2)};
    integrate(psf, radius, airy, p);
    gsl_set_error_handler(handler);
    return pel_psf_normalise(psf->samples, psf->size, error);
}

/* Area of the part of a disc of radius r at the origin with 0 <= u <= x, 0 <= v <= y (x, y >= 0). */
static double quarter_area(double x, double y, double r)
{
    x = fmin(x, r);
    y = fmin(y, r);
    if (x * x + y * y <= r * r)
        return x * y;
    /* Up to a the top is y, from a to x it is the circle. */
    double a = sqrt(r * r - y * y);
    double from = a * sqrt(r * r - a * a) + r * r * asin(fmin(a / r, 1));
    double to = x * sqrt(fmax(r * r - x * x, 0)) + r * r * asin(fmin(x / r, 1));
    return a * y + 0.5 * (to - from);
}

static double signed_area(double x, double y, double r)
{
    double a = quarter_area(fabs(x), fabs(y), r);
    return (x < 0) != (y < 0) ? -a : a;
}

/* Defocus in geometrical optics: exact areas of pixel and disc. */
pel_status pel_make_disc(const double *values, pel_psf *psf, pel_error *error)
{
    double r = values[0];
    size_t radius = (size_t)ceil(r - 0.5), n = 2 * radius + 1;
    pel_status status = pel_psf_zeros(n, n, 1, psf, error);
    if (status != PEL_OK)
        return status;
    for (size_t y = 0; y < n; y++)
        for (size_t x = 0; x < n; x++) {
            double x0 = (double)x - (double)radius - 0.5, y0 = (double)y - (double)radius - 0.5;
            double area = signed_area(x0 + 1, y0 + 1, r) - signed_area(x0, y0 + 1, r) -
                          signed_area(x0 + 1, y0, r) + signed_area(x0, y0, r);
            psf->samples[y * n + x] = (float)fmax(area, 0);
        }
    return pel_psf_normalise(psf->samples, psf->size, error);
}
