/* sources.c - PSFs found again in fields of stars and beads, and what is left out of them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/pool.h>
#include <pellucid/rng.h>
#include <pellucid/sources.h>

#include "check.h"

#define W 512
#define H 400
#define STARS 90

static pel_context context;

/* An elliptical profile, integrated over the pixel by many points: FWHM a along `angle`, b across, in
 * degrees counter-clockwise as seen on screen; beta 0: Gaussian. */
typedef struct {
    double a, b, angle, beta;
} shape;

static double value_at(const shape *s, double x, double y)
{
    double sum = 0, c = cos(s->angle * M_PI / 180), n = sin(s->angle * M_PI / 180);
    double core = s->beta > 0 ? pow(2, 1 / s->beta) - 1 : M_LN2;
    for (int j = 0; j < 7; j++)
        for (int i = 0; i < 7; i++) {
            double dx = x + (i - 3) / 7.0, dy = -(y + (j - 3) / 7.0);
            double u = (c * dx + n * dy) / (s->a / 2), v = (c * dy - n * dx) / (s->b / 2);
            double q = core * (u * u + v * v);
            sum += s->beta > 0 ? pow(1 + q, -s->beta) : exp(-q);
        }
    return sum / 49;
}

static void add_star(float *v, const shape *s, double x, double y, double peak)
{
    for (int j = (int)fmax(y - 40, 0); j < fmin(y + 40, H); j++)
        for (int i = (int)fmax(x - 40, 0); i < fmin(x + 40, W); i++)
            v[j * W + i] += (float)(peak * value_at(s, i - x, j - y));
}

/* Stars of peaks 50 to 50000 anywhere, on a sloping sky; photon noise and 3 of readout.  Those above 30000 are
 * cut off there, and masked. */
static size_t make_field(const shape *s, float *v, float *mask)
{
    size_t saturated = 0;
    pel_rng *rng = pel_rng_new(5, 0);
    for (size_t i = 0; i < W * H; i++)
        v[i] = 100 + 0.02f * (float)(i % W);
    for (int n = 0; n < STARS; n++) {
        double x = W * pel_rng_uniform(rng), y = H * pel_rng_uniform(rng);
        add_star(v, s, x, y, 50 * pow(1000, pel_rng_uniform(rng)));
    }
    for (size_t i = 0; i < W * H; i++) {
        v[i] = (float)(pel_rng_poisson(rng, (double)v[i]) + pel_rng_gaussian(rng, 3));
        mask[i] = v[i] < 30000 ? 1 : 0;
        saturated += v[i] >= 30000;
        v[i] = fminf(v[i], 30000);
    }
    pel_rng_free(rng);
    return saturated;
}

/* sqrt(sum (psf - truth)^2 / sum truth^2), both of sum 1. */
static double shape_error(const pel_psf *psf, const shape *s)
{
    double sum = 0, rest = 0, square = 0;
    ptrdiff_t w = (ptrdiff_t)psf->size.w, h = (ptrdiff_t)psf->size.h;
    for (int pass = 0; pass < 2; pass++)
        for (ptrdiff_t i = 0; i < w * h; i++) {
            double v = value_at(s, (double)(i % w - w / 2), (double)(i / w - h / 2));
            if (pass == 0)
                sum += v;
            else {
                rest += pow((double)psf->samples[i] - v / sum, 2);
                square += pow(v / sum, 2);
            }
        }
    return sqrt(rest / square);
}

static void test_field(shape s, pel_fit_model model)
{
    static float v[W * H], mask[W * H];
    pel_psf psf;
    pel_sources_report report;
    pel_fit_report fit;
    size_t saturated = make_field(&s, v, mask);
    CHECK(saturated > 0);
    CHECK(pel_psf_from_sources(&context, v, mask, pel_size_make(W, H, 1, 1), 0, &psf, &report) == PEL_OK,
          "%s", context.error->text);
    CHECK(report.used >= 10 && report.saturated > 0 && report.blended > 0 && report.edge > 0);
    CHECK(report.found == report.edge + report.saturated + report.blended + report.unlike + report.used);
    CHECK(report.agreement > 0.99, "%.4f", report.agreement);
    double error = shape_error(&psf, &s);
    CHECK(error < 0.02, "shape error %.4f with %zu of %zu", error, report.used, report.found);
    CHECK(pel_psf_fit(&context, model, &psf, &fit) == PEL_OK, "%s", context.error->text);
    CHECK_NEAR(fit.fwhm[0], s.a, 0.01 * s.a);
    CHECK_NEAR(fit.fwhm[1], s.b, 0.01 * s.b);
    if (s.a > 1.05 * s.b)
        CHECK_NEAR(fit.angle, s.angle, 2);
    if (s.beta > 0)
        CHECK_NEAR(fit.beta, s.beta, 0.1 * s.beta);
    error = shape_error(&psf, &s);
    CHECK(error < 0.015, "shape error after the fit %.4f", error);
    pel_psf_clear(&psf);
}

/* Gaussian beads in a volume, wider along z. */
static void test_beads(void)
{
    enum { N = 96, D = 48 };
    float *v = pel_alloc_floats(N * N * D);
    pel_rng *rng = pel_rng_new(9, 0);
    pel_psf psf;
    pel_sources_report report;
    for (size_t i = 0; i < N * N * D; i++)
        v[i] = (float)(20 + pel_rng_gaussian(rng, 1));
    for (int n = 0; n < 12; n++) {
        double x = 12 + 24 * (n % 4) + pel_rng_uniform(rng), y = 16 + 32 * (n / 4) + pel_rng_uniform(rng);
        double z = 24 + pel_rng_uniform(rng);
        for (int i = 0; i < N * N * D; i++) {
            double dx = i % N - x, dy = i / N % N - y, dz = i / N / N - z;
            v[i] += (float)(300 * exp(-4 * M_LN2 * ((dx * dx + dy * dy) / 6.25 + dz * dz / 25)));
        }
    }
    CHECK(pel_psf_from_sources(&context, v, NULL, pel_size_make(N, N, D, 1), 0, &psf, &report) == PEL_OK);
    CHECK(report.used == 12, "%zu", report.used);
    CHECK(report.agreement > 0.99, "%.4f", report.agreement);
    CHECK_NEAR(report.fwhm[2] / report.fwhm[0], 2, 0.2);
    double rest = 0, square = 0, sum = 0;
    size_t w = psf.size.w, h = psf.size.h;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < pel_size_plane(psf.size); i++) {
            double dx = (double)(i % w) - (double)(w / 2), dy = (double)(i / w % h) - (double)(h / 2);
            double dz = (double)(i / w / h) - (double)(psf.size.d / 2);
            double e = exp(-4 * M_LN2 * ((dx * dx + dy * dy) / 6.25 + dz * dz / 25));
            if (pass == 0)
                sum += e;
            else {
                rest += pow((double)psf.samples[i] - e / sum, 2);
                square += pow(e / sum, 2);
            }
        }
    CHECK(sqrt(rest / square) < 0.02, "shape error %.4f", sqrt(rest / square));
    pel_psf_clear(&psf);
    pel_rng_free(rng);
    pel_free(v);
}

/* A stack cropped to one bead, whose maximum lies beside its centre (spherical aberration): the box
 * takes what room there is. */
static void test_one_bead(void)
{
    const pel_size size = {40, 40, 40, 1};
    pel_rng *rng = pel_rng_new(11, 0);
    float *v = pel_alloc_floats(pel_size_plane(size));
    if (rng == NULL || v == NULL)
        abort();
    for (size_t i = 0; i < pel_size_plane(size); i++) {
        double x = (double)(i % 40) - 20, y = (double)(i / 40 % 40) - 20, z = (double)(i / 1600) - 18;
        double skew = exp(-z * z / 18) + 0.6 * exp(-(z - 5) * (z - 5) / 18);
        v[i] = (float)(300 + 2000 * skew * exp(-(x * x + y * y) / 12) + pel_rng_gaussian(rng, 2));
    }
    pel_psf psf;
    pel_sources_report report;
    CHECK(pel_psf_from_sources(&context, v, NULL, size, 0, &psf, &report) == PEL_OK);
    CHECK(report.used == 1);
    CHECK(report.agreement > 0.99);
    CHECK(psf.samples != NULL && psf.size.d >= 31 && psf.size.d <= 39);
    pel_psf_clear(&psf);
    pel_free(v);
    pel_rng_free(rng);
}

static void test_nothing(void)
{
    static float v[W * H];
    pel_psf psf;
    pel_sources_report report;
    pel_rng *rng = pel_rng_new(3, 0);
    const pel_size size = pel_size_make(W, H, 1, 1);
    for (size_t i = 0; i < W * H; i++)
        v[i] = 7;
    CHECK(pel_psf_from_sources(&context, v, NULL, size, 0, &psf, &report) == PEL_OK);
    CHECK(psf.samples == NULL && report.found == 0 && report.used == 0);
    for (size_t i = 0; i < W * H; i++)
        v[i] = (float)pel_rng_gaussian(rng, 3);
    CHECK(pel_psf_from_sources(&context, v, NULL, size, 0, &psf, &report) == PEL_OK);
    CHECK(psf.samples == NULL && report.used == 0);
    CHECK(pel_psf_from_sources(&context, v, NULL, pel_size_make(15, 40, 1, 1), 0, &psf, &report) == PEL_EINVAL);
    for (size_t i = 0; i < W * H; i++)
        v[i] = NAN;
    CHECK(pel_psf_from_sources(&context, v, NULL, size, 0, &psf, &report) == PEL_EINVAL);
    pel_rng_free(rng);
}

int main(void)
{
    pel_error error = {PEL_OK, ""};
    pel_pool *pool;
    if (pel_pool_new(2, &pool, &error) != PEL_OK)
        return EXIT_FAILURE;
    context = (pel_context){.pool = pool, .error = &error, .plan_estimate = true};
    test_field((shape){2.2, 2.2, 0, 0}, PEL_FIT_GAUSS);
    test_field((shape){3, 3, 0, 0}, PEL_FIT_GAUSS);
    test_field((shape){3.5, 3.5, 0, 2.5}, PEL_FIT_MOFFAT);
    test_field((shape){5.2, 4, 30, 3.5}, PEL_FIT_MOFFAT);
    test_beads();
    test_one_bead();
    test_nothing();
    pel_pool_free(pool);
    return check_done();
}
