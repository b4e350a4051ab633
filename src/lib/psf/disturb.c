/* disturb.c - a PSF with errors, as one that was measured or estimated has them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>

#include <gsl/gsl_linalg.h>

#include <pellucid/psf.h>

/* Discrete Laplacian, nothing flowing over the border: added to a PSF, it makes it wider and keeps its sum. */
static double laplacian(const float *h, pel_size n, size_t i)
{
    const size_t lengths[3] = {n.w, n.h, n.d};
    double sum = 0;
    size_t stride = 1;
    for (int a = 0; a < 3; a++) {
        size_t at = i / stride % lengths[a];
        sum += at > 0 ? (double)h[i - stride] - (double)h[i] : 0;
        sum += at + 1 < lengths[a] ? (double)h[i + stride] - (double)h[i] : 0;
        stride *= lengths[a];
    }
    return sum;
}

static double norm(const float *v, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)v[i] * (double)v[i];
    return sqrt(sum);
}

static void centroid(const float *h, pel_size n, double mean[3])
{
    double sum = 0;
    mean[0] = mean[1] = mean[2] = 0;
    for (size_t i = 0; i < pel_size_plane(n); i++) {
        double v = (double)h[i];
        sum += v;
        mean[0] += v * (double)(i % n.w);
        mean[1] += v * (double)(i / n.w % n.h);
        mean[2] += v * (double)(i / (n.w * n.h));
    }
    for (int a = 0; a < 3; a++)
        mean[a] /= sum;
}

/* Weighs one side more than the other, so that the centre of mass is at `target` again.  The weight 1 + t.(x - mean) moves it by
 * the covariance times t. */
static void move_centroid(float *h, pel_size n, const double target[3])
{
    double mean[3], covariance[9] = {0}, move[3], tilt[3], sum = 0;
    size_t plane = pel_size_plane(n);
    centroid(h, n, mean);
    for (size_t i = 0; i < plane; i++) {
        const double v = (double)h[i], at[3] = {(double)(i % n.w) - mean[0], (double)(i / n.w % n.h) - mean[1],
                                               (double)(i / (n.w * n.h)) - mean[2]};
        sum += v;
        for (int a = 0; a < 9; a++)
            covariance[a] += v * at[a / 3] * at[a % 3];
    }
    for (int a = 0; a < 9; a++)
        covariance[a] = covariance[a] / sum + (a % 4 == 0 ? 1e-6 : 0); /* a line has no width across */
    for (int a = 0; a < 3; a++)
        move[a] = target[a] - mean[a];
    gsl_matrix_view m = gsl_matrix_view_array(covariance, 3, 3);
    gsl_vector_view right = gsl_vector_view_array(move, 3), left = gsl_vector_view_array(tilt, 3);
    gsl_linalg_cholesky_decomp1(&m.matrix);
    gsl_linalg_cholesky_solve(&m.matrix, &right.vector, &left.vector);
    for (size_t i = 0; i < plane; i++) {
        double weight = 1 + tilt[0] * ((double)(i % n.w) - mean[0]) + tilt[1] * ((double)(i / n.w % n.h) - mean[1]) +
                        tilt[2] * ((double)(i / (n.w * n.h)) - mean[2]);
        h[i] *= (float)fmax(weight, 0);
    }
}

static void disturb(const float *h, pel_size n, double error, pel_rng *rng, float *out)
{
    size_t plane = pel_size_plane(n);
    double angle = M_PI / 2 * pel_rng_uniform(rng), wider = pel_rng_uniform(rng) < 0.5 ? -1 : 1, target[3];
    double size = norm(h, plane), width_size = 0;
    for (size_t i = 0; i < plane; i++) {
        double l = laplacian(h, n, i);
        width_size += l * l;
        out[i] = (float)((double)h[i] * pel_rng_gaussian(rng, 1));
    }
    double noise = error * cos(angle) * size / norm(out, plane);
    double width = width_size > 0 ? error * sin(angle) * wider * size / sqrt(width_size) : 0;
    for (size_t i = 0; i < plane; i++) {
        double wrong = (double)h[i] + noise * (double)out[i] + width * laplacian(h, n, i);
        out[i] = (float)fmax(wrong, 0);
    }
    centroid(h, n, target);
    move_centroid(out, n, target);
}

pel_status pel_psf_disturb(const pel_psf *psf, double error, pel_rng *rng, float *out, pel_error *e)
{
    size_t plane = pel_size_plane(psf->size);
    for (size_t c = 0; c < psf->size.c; c++)
        disturb(psf->samples + c * plane, psf->size, error, rng, out + c * plane);
    return pel_psf_normalise(out, psf->size, e);
}
