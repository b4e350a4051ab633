/* calibration.c - a curve from raw uncertainties to errors: what was put in is found again.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/calibration.h>
#include <pellucid/rng.h>

#include "check.h"

static pel_error error;
static const pel_context ctx = {.error = &error};

static void test_text(void)
{
    static const char *const bad[] = {"", "  ", "1", "1:", ":1", "1:2:3", "0:1", "1:0", "-1:1", "1:1 1:2", "2:1 1:2",
                                      "1:2 2:1", "1:1 x", "1:nan", "1:1,2:2",
                                      "1:1 2:1 3:1 4:1 5:1 6:1 7:1 8:1 9:1 10:1 11:1 12:1 13:1 14:1 15:1 16:1 17:1"};
    pel_calibration c, again;
    char text[PEL_CALIBRATION_TEXT];
    CHECK(pel_calibration_parse(" 0.5:1  2:3 4.25:3", &c, &error) == PEL_OK && c.count == 3);
    CHECK(c.x[2] == 4.25 && c.y[1] == 3);
    pel_calibration_format(&c, text);
    CHECK_TEXT(text, "0.5:1 2:3 4.25:3");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(pel_calibration_parse(bad[i], &c, &error) == PEL_EFORMAT, "'%s'", bad[i]);
    c.count = PEL_CALIBRATION_KNOTS; /* the longest numbers fit */
    for (size_t i = 0; i < c.count; i++)
        c.x[i] = c.y[i] = 1.2345678e-20 * (double)(i + 1);
    pel_calibration_format(&c, text);
    CHECK(pel_calibration_parse(text, &again, &error) == PEL_OK && again.count == PEL_CALIBRATION_KNOTS);
}

static void test_apply(void)
{
    pel_calibration c = {3, {1, 2, 4}, {10, 20, 20}};
    CHECK_NEAR(pel_calibration_apply(&c, 0, 1), 10, 1e-12);
    CHECK_NEAR(pel_calibration_apply(&c, 1.5, 1), 15, 1e-12);
    CHECK_NEAR(pel_calibration_apply(&c, 3, 1), 20, 1e-12);
    CHECK_NEAR(pel_calibration_apply(&c, 8, 1), 40, 1e-12);
    CHECK_NEAR(pel_calibration_apply(&c, 0.15, 0.1), 1.5, 1e-12); /* all in units of sigma */
    CHECK(isnan(pel_calibration_apply(&c, (double)NAN, 1)));
    c.count = 1;
    CHECK_NEAR(pel_calibration_apply(&c, 0.5, 1), 10, 1e-12);
    CHECK_NEAR(pel_calibration_apply(&c, 3, 1), 30, 1e-12);
}

enum { PAIRS = 100000 };

/* Errors whose 68 % quantile is 0.1 + 0.5 q: Gaussian, or Laplacian, with longer tails. */
static void test_fit(bool tails)
{
    pel_calibration_pair *pairs = pel_alloc(PAIRS * sizeof *pairs);
    float *values = pel_calloc_floats(3 * PAIRS), *u = values + PAIRS, *zero = values + 2 * PAIRS;
    pel_rng *rng = pel_rng_new(1, tails);
    pel_calibration c;
    pel_coverage coverage;
    for (size_t i = 0; i < PAIRS; i++) {
        double q = 0.2 + 2 * pel_rng_uniform(rng), size = 0.1 + 0.5 * q, e = pel_rng_gaussian(rng, size);
        if (tails)
            e = size * log(1 - pel_rng_uniform(rng)) / log(1 - PEL_CALIBRATION_SHARE);
        pairs[i] = (pel_calibration_pair){(float)q, (float)fabs(e)};
        values[i] = (float)e;
    }
    float *raw = pel_alloc_floats(PAIRS);
    for (size_t i = 0; i < PAIRS; i++)
        raw[i] = pairs[i].raw;
    CHECK(pel_calibration_fit(&ctx, pairs, PAIRS, &c) == PEL_OK && c.count >= PEL_CALIBRATION_KNOTS - 2);
    for (size_t k = 0; k < c.count; k++)
        CHECK_NEAR(c.y[k] / (0.1 + 0.5 * c.x[k]), 1, 0.05);
    for (size_t i = 0; i < PAIRS; i++)
        u[i] = (float)pel_calibration_apply(&c, (double)raw[i], 1);
    CHECK(pel_coverage_measure(&ctx, values, zero, u, PAIRS, &coverage) == PEL_OK && coverage.samples == PAIRS);
    CHECK_NEAR(coverage.within, PEL_CALIBRATION_SHARE, 0.01);
    CHECK_NEAR(coverage.scale, 1, 0.02);
    for (int k = 0; k < PEL_COVERAGE_PARTS; k++)
        CHECK_NEAR(coverage.parts[k], PEL_CALIBRATION_SHARE, 0.02);
    pel_free(raw);
    pel_rng_free(rng);
    pel_free(values);
    pel_free(pairs);
}

/* Errors that fall where the raw uncertainty grows: the curve does not. */
static void test_monotone(void)
{
    pel_calibration_pair pairs[1600];
    pel_calibration c;
    for (size_t i = 0; i < 1600; i++)
        pairs[i] = (pel_calibration_pair){(float)(i + 1), i / 100 == 7 ? 0.5f : 1 + (float)(i / 100)};
    CHECK(pel_calibration_fit(&ctx, pairs, 1600, &c) == PEL_OK);
    CHECK(c.count > 5 && c.count < PEL_CALIBRATION_KNOTS, "%zu", c.count);
    for (size_t k = 1; k < c.count; k++)
        CHECK(c.y[k] >= c.y[k - 1] && c.x[k] > c.x[k - 1]);
    for (size_t i = 0; i < 1600; i++) /* all alike: one knot */
        pairs[i] = (pel_calibration_pair){2, 3};
    CHECK(pel_calibration_fit(&ctx, pairs, 1600, &c) == PEL_OK && c.count == 1 && c.x[0] == 2 && c.y[0] == 3);
    CHECK(pel_calibration_fit(&ctx, pairs, 99, &c) == PEL_EINVAL);
    CHECK(pel_calibration_fit(&ctx, pairs, 100, &c) == PEL_OK);
    for (size_t i = 0; i < 1600; i++)
        pairs[i].error = 0;
    CHECK(pel_calibration_fit(&ctx, pairs, 1600, &c) == PEL_EINVAL);
}

static void test_coverage(void)
{
    float estimate[10], truth[10] = {0}, u[10];
    pel_coverage c;
    for (int i = 0; i < 10; i++) { /* within for the larger five uncertainties only */
        u[i] = (float)(i + 1);
        estimate[i] = i < 5 ? 2 * u[i] : -0.5f * u[i];
    }
    CHECK(pel_coverage_measure(&ctx, estimate, truth, u, 10, &c) == PEL_OK);
    CHECK(c.samples == 10 && c.within == 0.5 && c.scale > 1);
    CHECK(c.parts[0] == 0 && c.parts[1] == 0 && c.parts[2] == 0.5 && c.parts[3] == 1 && c.parts[4] == 1);
    for (int i = 0; i < 7; i++)
        estimate[i] = i < 3 ? NAN : INFINITY;
    CHECK(pel_coverage_measure(&ctx, estimate, truth, u, 10, &c) == PEL_OK);
    CHECK(c.samples == 3 && c.within == 1 && isnan(c.parts[0]));
    for (int i = 0; i < 10; i++)
        u[i] = NAN;
    CHECK(pel_coverage_measure(&ctx, estimate, truth, u, 10, &c) == PEL_OK);
    CHECK(c.samples == 0 && isnan(c.within) && isnan(c.scale));
}

int main(void)
{
    test_text();
    test_apply();
    test_fit(false);
    test_fit(true);
    test_monotone();
    test_coverage();
    return check_done();
}
