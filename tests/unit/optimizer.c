/* optimizer.c - learning rates and Adam against numbers by hand and a plain loop in double.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/pool.h>

#include "check.h"
#include "src/lib/train/optimizer.h"

static void test_rates(void)
{
    pel_error error = {PEL_OK, ""};
    pel_schedule s = {.rate = 0.8};
    CHECK(pel_schedule_parse("constant", &s, &error) == PEL_OK);
    CHECK_NEAR(pel_schedule_rate(&s, 1, 0), 0.8, 0);
    CHECK_NEAR(pel_schedule_rate(&s, 1000, 1), 0.8, 0);
    CHECK(pel_schedule_parse("cosine", &s, &error) == PEL_OK);
    CHECK_NEAR(pel_schedule_rate(&s, 1, 0), 0.8, 1e-15);
    CHECK_NEAR(pel_schedule_rate(&s, 9, 1.0 / 3), 0.6, 1e-15);
    CHECK_NEAR(pel_schedule_rate(&s, 9, 1), 0, 1e-15);
    CHECK_NEAR(pel_schedule_rate(&s, 9, 1.5), 0, 1e-15);
    CHECK(pel_schedule_parse("step:10", &s, &error) == PEL_OK);
    CHECK_NEAR(pel_schedule_rate(&s, 10, 0), 0.8, 1e-15);
    CHECK_NEAR(pel_schedule_rate(&s, 11, 0), 0.4, 1e-15);
    CHECK(pel_schedule_parse("step:3,0.1", &s, &error) == PEL_OK);
    CHECK_NEAR(pel_schedule_rate(&s, 7, 0), 0.008, 1e-15);
    s.warmup = 4;
    CHECK_NEAR(pel_schedule_rate(&s, 1, 0), 0.2, 1e-15);
    CHECK_NEAR(pel_schedule_rate(&s, 3, 0), 0.6, 1e-15);
    CHECK_NEAR(pel_schedule_rate(&s, 4, 0), 0.08, 1e-15);
    const char *const wrong[] = {"", "cos", "step", "step:", "step:0", "step:-3", "step:5,", "step:5,0", "step:5,1.5",
                                 "step:5,0.5,2", "step:99999999999999999999999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CHECK(pel_schedule_parse(wrong[i], &s, &error) == PEL_EUSAGE, "'%s'", wrong[i]);
}

/* Two weights, two steps: numbers by hand.  After step 1, m' = g and v' = g^2: each weight moves by the rate. */
static void test_by_hand(void)
{
    pel_context ctx = {.error = NULL};
    pel_adam adam = PEL_ADAM_USUAL;
    float w[2] = {1, -2}, m[2] = {0}, v[2] = {0}, mean[2] = {1, -2};
    pel_adam_step(&ctx, &adam, 1, 0.1, 2, (float[]){4, -0.5f}, 0.5, w, m, v);
    CHECK_NEAR(w[0], 0.9, 1e-7);
    CHECK_NEAR(w[1], -1.9, 3e-7);
    CHECK_NEAR(m[0], 0.2, 1e-7);
    CHECK_NEAR(v[0], 0.004, 1e-9);
    /* m = 0.9*0.2 + 0.1*1 = 0.28, m' = 0.28/0.19; v = 0.999*0.004 + 0.001 = 0.004996, v' = v/0.001999 */
    pel_adam_step(&ctx, &adam, 2, 0.1, 2, (float[]){1, 0}, 1, w, m, v);
    CHECK_NEAR(w[0], 0.9 - 0.1 * (0.28 / 0.19) / sqrt(0.004996 / 0.001999), 3e-7);
    pel_average_step(&ctx, 0.999, 0, 2, w, mean); /* (1 + 0) / (10 + 0): nine tenths of the way */
    CHECK_NEAR(mean[0], 0.1 + 0.9 * (double)w[0], 1e-6);
    mean[0] = 3;
    pel_average_step(&ctx, 0.5, 1000, 2, w, mean);
    CHECK_NEAR(mean[0], 0.5 * (3 + (double)w[0]), 1e-6);
    /* No gradient: decay alone. */
    float x[1] = {2}, zero[3] = {0};
    adam.decay = 0.1;
    pel_adam_step(&ctx, &adam, 1, 0.5, 1, zero, 1, x, zero + 1, zero + 2);
    CHECK_NEAR(x[0], 2 * (1 - 0.05), 1e-6);
    CHECK_NEAR(pel_norm(&ctx, 2, (float[]){3, -4}), 5, 0);
    CHECK_NEAR(pel_norm(&ctx, 0, NULL), 0, 0);
}

/* As the paper writes it. */
static void plain_adam(const pel_adam *a, int t, double rate, size_t count, const float *g, double *w, double *m,
                       double *v)
{
    for (size_t i = 0; i < count; i++) {
        m[i] = a->beta1 * m[i] + (1 - a->beta1) * (double)g[i];
        v[i] = a->beta2 * v[i] + (1 - a->beta2) * (double)g[i] * (double)g[i];
        double m1 = m[i] / (1 - pow(a->beta1, t)), v1 = v[i] / (1 - pow(a->beta2, t));
        w[i] -= rate * (m1 / (sqrt(v1) + a->epsilon) + a->decay * w[i]);
    }
}

enum { COUNT = 70001, STEPS = 30 };

static void run_float(pel_pool *pool, const pel_adam *adam, float *w, float *mean, double *norm)
{
    pel_context ctx = {.pool = pool};
    float *g = pel_alloc_floats(COUNT), *m = pel_calloc_floats(COUNT), *v = pel_calloc_floats(COUNT);
    uint32_t random = 7;
    for (int t = 1; t <= STEPS; t++) {
        for (size_t i = 0; i < COUNT; i++)
            g[i] = check_random(&random) - 0.4f;
        *norm = pel_norm(&ctx, COUNT, g);
        pel_adam_step(&ctx, adam, (uint64_t)t, 0.01, COUNT, g, 1, w, m, v);
        pel_average_step(&ctx, 0.9, (uint64_t)t, COUNT, w, mean);
    }
    pel_free(g);
    pel_free(m);
    pel_free(v);
}

static void test_against_double(void)
{
    static float w[COUNT], mean[COUNT], again[COUNT], mean_again[COUNT], g[COUNT];
    static double w1[COUNT], m1[COUNT], v1[COUNT], mean1[COUNT];
    pel_adam adam = PEL_ADAM_USUAL;
    pel_pool *pool;
    double norm, norm_again, sum = 0, worst = 0, worst_mean = 0;
    uint32_t random = 3;
    adam.decay = 0.02;
    for (size_t i = 0; i < COUNT; i++)
        w1[i] = mean1[i] = (double)(w[i] = mean[i] = again[i] = mean_again[i] = check_random(&random));
    run_float(NULL, &adam, w, mean, &norm);
    random = 7;
    for (int t = 1; t <= STEPS; t++) {
        for (size_t i = 0; i < COUNT; i++)
            g[i] = check_random(&random) - 0.4f;
        plain_adam(&adam, t, 0.01, COUNT, g, w1, m1, v1);
        double d = fmin(0.9, (1 + (double)t) / (10 + (double)t));
        for (size_t i = 0; i < COUNT; i++)
            mean1[i] = d * mean1[i] + (1 - d) * w1[i];
    }
    for (size_t i = 0; i < COUNT; i++) {
        sum += (double)g[i] * (double)g[i];
        worst = fmax(worst, fabs((double)w[i] - w1[i]));
        worst_mean = fmax(worst_mean, fabs((double)mean[i] - mean1[i]));
    }
    CHECK(worst < 2e-6, "%g", worst);
    CHECK(worst_mean < 2e-6, "%g", worst_mean);
    CHECK_NEAR(norm, sqrt(sum), 1e-9);
    /* The same bits by three threads. */
    CHECK(pel_pool_new(3, &pool, NULL) == PEL_OK);
    run_float(pool, &adam, again, mean_again, &norm_again);
    CHECK(memcmp(w, again, sizeof w) == 0);
    CHECK(memcmp(mean, mean_again, sizeof mean) == 0);
    CHECK(norm == norm_again);
    pel_pool_free(pool);
}

int main(void)
{
    test_rates();
    test_by_hand();
    test_against_double();
    return check_done();
}
