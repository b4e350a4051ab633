/* tv.c - total variation and the hyper-Laplacian against minima that are known or found plainly.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/deconv.h>
#include <pellucid/fft.h>
#include <pellucid/pool.h>

#include "check.h"

/* With a PSF of one sample the periodic grid is the picture itself: its sizes transform fast. */
#define W 16
#define H 12
#define COUNT (W * H)

static pel_context context;
static const float delta = 1;

static pel_problem problem_of(const float *data, const float *mask)
{
    return (pel_problem){.size = pel_size_make(W, H, 1, 1), .data = data, .mask = mask,
                         .mask_channels = 1, .psf = &delta, .psf_size = pel_size_make(1, 1, 1, 1)};
}

static void solve(const float *data, const float *mask, pel_tv_prior prior, double strength,
                  long iterations, float *estimate)
{
    pel_problem p = problem_of(data, mask);
    pel_tv_params params = {prior, strength, iterations, 0};
    pel_tv_report report;
    CHECK(pel_tv(&context, &p, &params, estimate, &report) == PEL_OK);
    CHECK_NEAR(report.strength, strength, 1e-9);
    CHECK(report.iterations == iterations);
}

/* sum |grad x|^p + (m/2) (x - y)^2, forward differences on the periodic grid. */
static double objective(const double *x, const float *data, const float *mask, double strength)
{
    double sum = 0;
    for (size_t i = 0; i < COUNT; i++) {
        size_t right = i / W * W + (i + 1) % W, below = (i + W) % COUNT;
        double d = x[i] - (double)data[i], m = mask != NULL ? (double)mask[i] : 1;
        sum += 0.5 * m * d * d + strength * hypot(x[right] - x[i], x[below] - x[i]);
    }
    return sum;
}

/* The same minimum by plain gradient descent on |g| smoothed to sqrt(g^2 + e^2). */
static void descend(const float *data, const float *mask, double strength, double *x)
{
    const double e = 2e-3;
    for (size_t i = 0; i < COUNT; i++)
        x[i] = (double)data[i];
    for (int k = 0; k < 40000; k++) {
        double g[COUNT];
        for (size_t i = 0; i < COUNT; i++)
            g[i] = (mask != NULL ? (double)mask[i] : 1) * (x[i] - (double)data[i]);
        for (size_t i = 0; i < COUNT; i++) {
            size_t right = i / W * W + (i + 1) % W, below = (i + W) % COUNT;
            double gx = x[right] - x[i], gy = x[below] - x[i];
            double over = strength / sqrt(gx * gx + gy * gy + e * e);
            g[i] -= (gx + gy) * over;
            g[right] += gx * over;
            g[below] += gy * over;
        }
        for (size_t i = 0; i < COUNT; i++)
            x[i] -= g[i] * (1 / (1 + 8 * strength / e));
    }
}

static void test_minimum(void)
{
    float data[COUNT], mask[COUNT], got[COUNT];
    uint32_t seed = 5;
    for (size_t i = 0; i < COUNT; i++) {
        data[i] = (i % W > 4 && i / W > 3 ? 0.8f : 0.2f) + 0.2f * (check_random(&seed) - 0.5f);
        mask[i] = i % 13 == 4 ? 0 : i % 5 == 1 ? 0.5f : 1;
    }
    for (int masked = 0; masked < 2; masked++) {
        const float *m = masked ? mask : NULL;
        double plain[COUNT], ours[COUNT], worst = 0;
        solve(data, m, PEL_PRIOR_TV, 0.05, 3000, got);
        descend(data, m, 0.05, plain);
        for (size_t i = 0; i < COUNT; i++) {
            ours[i] = (double)got[i];
            worst = fmax(worst, fabs(ours[i] - plain[i]));
        }
        double least = objective(plain, data, m, 0.05), reached = objective(ours, data, m, 0.05);
        CHECK(reached < least * 1.001, "masked %d: %g, and %g is possible", masked, reached, least);
        CHECK(worst < 0.02, "masked %d: off by %g", masked, worst);
    }
}

/* Two levels, each over half the columns: what moves is only how far apart they are.  With n columns a
 * level and a jump j at both ends, n d^2 + 2 strength (1 - 2 d)^p is least. */
static void test_step(void)
{
    float data[COUNT], got[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        data[i] = i % W < W / 2 ? 0 : 1;
    for (int prior = 0; prior < 2; prior++) {
        double strength = 0.2, p = prior == PEL_PRIOR_TV ? 1 : 0.8, best = 0, least = HUGE_VAL;
        for (double d = 0; d < 0.5; d += 1e-5) {
            double f = W / 2 * d * d + 2 * strength * pow(1 - 2 * d, p);
            best = f < least ? d : best;
            least = fmin(f, least);
        }
        solve(data, NULL, (pel_tv_prior)prior, strength, 3000, got);
        for (size_t i = 0; i < COUNT; i++)
            CHECK_NEAR((double)got[i], i % W < W / 2 ? best : 1 - best, 2e-3);
    }
}

static void test_constant(void)
{
    float data[COUNT], mask[COUNT], got[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        mask[i] = i % 7 == 3 ? 0 : 1;
        data[i] = mask[i] > 0 ? 0.7f : 9;
    }
    for (int prior = 0; prior < 2; prior++) {
        solve(data, mask, (pel_tv_prior)prior, 0.1, 300, got);
        for (size_t i = 0; i < COUNT; i++)
            CHECK_NEAR((double)got[i], 0.7, 1e-3);
    }
}

/* The same picture in other units, of which it was told, has the same estimate in these. */
static void test_range(void)
{
    float data[COUNT], other[COUNT], got[COUNT], scaled[COUNT];
    uint32_t seed = 6;
    for (size_t i = 0; i < COUNT; i++) {
        data[i] = (i % W > 4 ? 0.8f : 0.2f) + 0.1f * (check_random(&seed) - 0.5f);
        other[i] = 1024 * data[i];
    }
    for (int prior = 0; prior < 2; prior++) {
        pel_problem p = problem_of(data, NULL), q = problem_of(other, NULL);
        pel_tv_params params = {(pel_tv_prior)prior, (double)NAN, 60, 0}, of_range = params;
        pel_tv_report report, scaled_report;
        p.sigma = 0.03;
        q.sigma = 1024 * p.sigma;
        of_range.range = 1024;
        CHECK(pel_tv(&context, &p, &params, got, &report) == PEL_OK);
        CHECK(pel_tv(&context, &q, &of_range, scaled, &scaled_report) == PEL_OK);
        CHECK_NEAR(scaled_report.strength / report.strength, pow(1024, prior == PEL_PRIOR_TV ? 1 : 1.2), 0.1);
        for (size_t i = 0; i < COUNT; i++)
            CHECK_NEAR((double)scaled[i] / 1024, (double)got[i], 1e-4);
    }
}

int main(void)
{
    pel_error error = {PEL_OK, ""};
    pel_pool *pool;
    if (pel_pool_new(2, &pool, &error) != PEL_OK)
        return EXIT_FAILURE;
    context = (pel_context){.pool = pool, .error = &error, .plan_estimate = true};
    CHECK(pel_fft_good_size(W) == W && pel_fft_good_size(H) == H);
    test_constant();
    test_step();
    test_minimum();
    test_range();
    pel_pool_free(pool);
    return check_done();
}
