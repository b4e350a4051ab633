/* paths.c - PSFs that are paths of the camera: none, a straight one, a shaken one.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A point on the sensor spreads over a square pixel: what a path leaves in a sample is its length
 * under the bilinear roof of that sample, integrated exactly over the pixels that it crosses. */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pellucid/rng.h>

#include "models.h"

static void add(pel_psf *psf, ptrdiff_t x, ptrdiff_t y, double v)
{
    ptrdiff_t px = x + (ptrdiff_t)(psf->size.w / 2), py = y + (ptrdiff_t)(psf->size.h / 2);
    if (px >= 0 && py >= 0 && px < (ptrdiff_t)psf->size.w && py < (ptrdiff_t)psf->size.h)
        psf->samples[(size_t)py * psf->size.w + (size_t)px] += (float)v;
}

/* A piece that stays between four samples: each roof is quadratic along it, so that Simpson's rule
 * is exact. */
static void add_piece(pel_psf *psf, double x0, double y0, double x1, double y1, double weight)
{
    static const double simpson[3] = {1.0 / 6, 4.0 / 6, 1.0 / 6};
    double left = floor((x0 + x1) / 2), top = floor((y0 + y1) / 2);
    for (int k = 0; k < 3; k++) {
        double fx = x0 + (x1 - x0) * k / 2 - left, fy = y0 + (y1 - y0) * k / 2 - top;
        double w = weight * simpson[k];
        ptrdiff_t x = (ptrdiff_t)left, y = (ptrdiff_t)top;
        add(psf, x, y, w * (1 - fx) * (1 - fy));
        add(psf, x + 1, y, w * fx * (1 - fy));
        add(psf, x, y + 1, w * (1 - fx) * fy);
        add(psf, x + 1, y + 1, w * fx * fy);
    }
}

/* The next t above `t` at which a + t d is whole, or 1. */
static double next_crossing(double a, double d, double t)
{
    if (d == 0)
        return 1;
    double here = a + t * d;
    double line = d > 0 ? floor(here + 1e-9) + 1 : ceil(here - 1e-9) - 1;
    double at = (line - a) / d;
    return at < 1 ? at : 1;
}

void pel_psf_add_segment(pel_psf *psf, double x0, double y0, double x1, double y1, double weight)
{
    double dx = x1 - x0, dy = y1 - y0;
    for (double t = 0; t < 1;) {
        double u = fmin(next_crossing(x0, dx, t), next_crossing(y0, dy, t));
        if (!(u > t))
            u = 1;
        add_piece(psf, x0 + t * dx, y0 + t * dy, x0 + u * dx, y0 + u * dy, weight * (u - t));
        t = u;
    }
}

pel_status pel_make_delta(const double *values, pel_psf *psf, pel_error *error)
{
    (void)values;
    pel_status status = pel_psf_zeros(1, 1, 1, psf, error);
    if (status == PEL_OK)
        psf->samples[0] = 1;
    return status;
}

pel_status pel_make_motion(const double *values, pel_psf *psf, pel_error *error)
{
    double half = values[0] / 2, angle = values[1] * M_PI / 180;
    /* Row 0 is on top: counter-clockwise on the screen is towards smaller y. */
    double dx = half * cos(angle), dy = -half * sin(angle);
    if (fabs(dx) < 1e-9)
        dx = 0;
    if (fabs(dy) < 1e-9)
        dy = 0;
    size_t rx = (size_t)ceil(fabs(dx)), ry = (size_t)ceil(fabs(dy));
    pel_status status = pel_psf_zeros(2 * rx + 1, 2 * ry + 1, 1, psf, error);
    if (status != PEL_OK)
        return status;
    pel_psf_add_segment(psf, -dx, -dy, dx, dy, 1);
    return pel_psf_normalise(psf->samples, psf->size, error);
}

/* ---- Shake: a random walk of the velocity with inertia, a pull back to the centre and rare jerks, as
 * in G. Boracchi & A. Foi, "Modeling the performance of image restoration from motion blur" (IEEE
 * TIP 21, 2012), section II, with the constants of O. Kupyn et al. (DeblurGAN, CVPR 2018), alg. 1. */

#define STEPS 512

static void walk(pel_rng *rng, double x[STEPS], double y[STEPS])
{
    double centripetal = 0.7 * pel_rng_uniform(rng), jerk = 0.2 * pel_rng_uniform(rng);
    double gaussian = 10 * pel_rng_uniform(rng);
    double angle = 2 * M_PI * pel_rng_uniform(rng), step = 1.0 / (STEPS - 1);
    double vx = cos(angle) * step, vy = sin(angle) * step;
    if (jerk > 0) { /* the first direction may be a jerk already */
        vx *= 1 + gaussian * step;
        vy *= 1 + gaussian * step;
    }
    x[0] = y[0] = 0;
    for (int i = 1; i < STEPS; i++) {
        double kick = pel_rng_uniform(rng) < jerk * step * 5 ? 2 : 0;
        double ax = kick * (pel_rng_uniform(rng) - 0.5) * step * 20;
        double ay = kick * (pel_rng_uniform(rng) - 0.5) * step * 20;
        double noise = gaussian * step * step * 8;
        vx += ax + pel_rng_gaussian(rng, noise) - centripetal * step * x[i - 1];
        vy += ay + pel_rng_gaussian(rng, noise) - centripetal * step * y[i - 1];
        double speed = hypot(vx, vy);
        if (speed > 0) { /* the exposure is long, the path is not endless */
            vx *= step / speed * fmin(speed / step, 2);
            vy *= step / speed * fmin(speed / step, 2);
        }
        x[i] = x[i - 1] + vx;
        y[i] = y[i - 1] + vy;
    }
}

/* Centre of mass to the origin, and the largest extent to `reach`. */
static void fit(double x[STEPS], double y[STEPS], double reach)
{
    double cx = 0, cy = 0, most = 1e-12;
    for (int i = 0; i < STEPS; i++) {
        cx += x[i] / STEPS;
        cy += y[i] / STEPS;
    }
    for (int i = 0; i < STEPS; i++) {
        x[i] -= cx;
        y[i] -= cy;
        most = fmax(most, fmax(fabs(x[i]), fabs(y[i])));
    }
    for (int i = 0; i < STEPS; i++) {
        x[i] *= reach / most;
        y[i] *= reach / most;
    }
}

pel_status pel_make_shake(const double *values, pel_psf *psf, pel_error *error)
{
    size_t size = (size_t)values[0];
    if ((double)size != values[0] || values[1] != floor(values[1]))
        return pel_error_set(error, PEL_EUSAGE, "PSF shake: size and seed are whole numbers");
    size -= size % 2 == 0; /* odd: the centre is a sample */
    pel_rng *rng = pel_rng_new((uint64_t)values[1], 0);
    if (rng == NULL)
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    double x[STEPS], y[STEPS];
    walk(rng, x, y);
    pel_rng_free(rng);
    fit(x, y, (double)(size / 2) - 0.5);
    pel_status status = pel_psf_zeros(size, size, 1, psf, error);
    if (status != PEL_OK)
        return status;
    for (int i = 1; i < STEPS; i++)
        pel_psf_add_segment(psf, x[i - 1], y[i - 1], x[i], y[i], 1.0 / (STEPS - 1));
    return pel_psf_normalise(psf->samples, psf->size, error);
}
