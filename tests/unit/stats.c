/* stats.c - moments, quantiles, noise estimate and added noise.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/degrade.h>
#include <pellucid/pool.h>
#include <pellucid/stats.h>

#include "check.h"

static pel_error error;
static pel_context context = {.error = &error};

static void test_moments(void)
{
    const float v[7] = {3, NAN, -1, 4, INFINITY, 10, -INFINITY};
    pel_stats s = pel_stats_of(v, 7);
    CHECK(s.good == 4 && s.bad == 3);
    CHECK_NEAR(s.min, -1, 0);
    CHECK_NEAR(s.max, 10, 0);
    CHECK_NEAR(s.mean, 4, 1e-12);
    CHECK_NEAR(s.sd, sqrt(15.5), 1e-12);
    CHECK(isnan(pel_stats_of(v + 1, 1).mean));
    double q;
    CHECK(pel_stats_quantile(&context, v, 7, 0.5, &q) == PEL_OK);
    CHECK_NEAR(q, 3.5, 1e-6);
    CHECK(pel_stats_quantile(&context, v, 7, 1, &q) == PEL_OK && q == 10);
    CHECK(pel_stats_quantile(&context, v + 1, 1, 0.5, &q) == PEL_OK && isnan(q));
    /* Against sorting, with many equal values. */
    float many[999], sorted[999];
    uint32_t seed = 3;
    for (int i = 0; i < 999; i++)
        many[i] = sorted[i] = floorf(40 * check_random(&seed));
    for (int i = 1; i < 999; i++)
        for (int j = i; j > 0 && sorted[j] < sorted[j - 1]; j--) {
            float t = sorted[j];
            sorted[j] = sorted[j - 1];
            sorted[j - 1] = t;
        }
    for (int k = 0; k < 999; k += 37) {
        CHECK(pel_stats_quantile(&context, many, 999, k / 998.0, &q) == PEL_OK);
        CHECK_NEAR(q, (double)sorted[k], 1e-6);
    }
}

/* A blurred picture, as solvers see them: what is left in the finest detail is noise. */
static void smooth_picture(float *to, size_t w, size_t h)
{
    for (size_t i = 0; i < w * h; i++) {
        double x = (double)(i % w), y = (double)(i / w);
        to[i] = (float)(0.5 + 0.3 * sin(0.2 * x) * cos(0.17 * y) + 0.1 * tanh(0.3 * (x - y)));
    }
}

static void test_noise(void)
{
    static float picture[200 * 150], mask[200 * 150], map[200 * 150];
    static const double sigmas[] = {0.002, 0.01, 0.05};
    for (size_t i = 0; i < 3; i++) {
        pel_noise_params p = {.sigma = sigmas[i], .seed = 4, .stream = i};
        double sigma;
        smooth_picture(picture, 200, 150);
        CHECK(pel_noise_add(&context, &p, picture, 200 * 150, NULL) == PEL_OK);
        CHECK(pel_noise_estimate(&context, picture, pel_size_make(200, 150, 1, 1), NULL, 1, &sigma) ==
              PEL_OK);
        CHECK_NEAR(sigma, sigmas[i], 0.06 * sigmas[i]);
        /* Masked and bad samples are left out. */
        for (size_t k = 0; k < 200 * 150; k++) {
            mask[k] = k % 200 < 150;
            if (k % 200 >= 150)
                picture[k] = (float)(k % 7);
            if (k % 1001 == 5)
                picture[k] = NAN;
        }
        CHECK(pel_noise_estimate(&context, picture, pel_size_make(200, 150, 1, 1), mask, 1, &sigma) ==
              PEL_OK);
        CHECK_NEAR(sigma, sigmas[i], 0.08 * sigmas[i]);
    }
    double sigma;
    CHECK(pel_noise_estimate(&context, picture, pel_size_make(2, 9, 1, 1), NULL, 1, &sigma) == PEL_EINVAL);
    CHECK(pel_noise_estimate(&context, picture, pel_size_make(4, 4, 1, 1), NULL, 1, &sigma) == PEL_EINVAL);
    /* Photon noise: variance v/gain + (readnoise/gain)^2, and the map says so. */
    for (size_t k = 0; k < 200 * 150; k++)
        picture[k] = 2;
    pel_noise_params p = {.poisson = true, .gain = 50, .readnoise = 5, .seed = 1};
    CHECK(pel_noise_add(&context, &p, picture, 200 * 150, map) == PEL_OK);
    pel_stats s = pel_stats_of(picture, 200 * 150);
    CHECK_NEAR(s.mean, 2, 0.01);
    CHECK_NEAR(s.sd, sqrt(2.0 / 50 + 0.01), 0.005);
    CHECK_NEAR(map[77], sqrt(2.0 / 50 + 0.01), 1e-6);
    p.gain = 0;
    CHECK(pel_noise_add(&context, &p, picture, 10, NULL) == PEL_EINVAL);
}

static void test_threads(void)
{
    static float one[30000], many[30000];
    pel_pool *pool;
    CHECK(pel_pool_new(3, &pool, &error) == PEL_OK);
    pel_context threaded = {.error = &error, .pool = pool};
    pel_noise_params p = {.sigma = 1, .seed = 9, .stream = 2};
    memset(one, 0, sizeof one);
    memset(many, 0, sizeof many);
    CHECK(pel_noise_add(&context, &p, one, 30000, NULL) == PEL_OK);
    CHECK(pel_noise_add(&threaded, &p, many, 30000, NULL) == PEL_OK);
    CHECK(memcmp(one, many, sizeof one) == 0);
    p.stream = 3;
    memset(many, 0, sizeof many);
    CHECK(pel_noise_add(&threaded, &p, many, 30000, NULL) == PEL_OK);
    CHECK(memcmp(one, many, sizeof one) != 0);
    pel_pool_free(pool);
}

int main(void)
{
    test_moments();
    test_noise();
    test_threads();
    return check_done();
}
