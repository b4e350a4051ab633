/* metric.c - scores: against values from scikit-image 0.19.3 and numpy, and against plain loops.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/metric.h>
#include <pellucid/pool.h>

#include "check.h"

static pel_error error;
static pel_context ctx = {.error = &error};
static const pel_score_params plain = {1, 0, PEL_SHIFT_NONE, 8};

typedef struct {
    pel_size size;
    float *truth, *estimate;
} pair;

/* tests/peers/score_skimage.py makes the same pictures. */
static pair make_pair(size_t w, size_t h, size_t c, uint32_t seed)
{
    pair p = {pel_size_make(w, h, 1, c), pel_alloc_floats(w * h * c), pel_alloc_floats(w * h * c)};
    if (p.truth == NULL || p.estimate == NULL)
        exit(99);
    for (size_t k = 0, i = 0; k < c; k++)
        for (size_t y = 0; y < h; y++)
            for (size_t x = 0; x < w; x++, i++) {
                double t = 0.4 + 0.25 * sin(0.11 * (double)x + 0.07 * (double)y + (double)k) *
                                     cos(0.05 * (double)y);
                t += 0.1 * (double)((x / 9 + y / 7) % 2);
                p.truth[i] = (float)(t + 0.03 * (double)check_random(&seed));
                p.estimate[i] = (float)(0.9 * t + 0.03 + 0.08 * (double)check_random(&seed));
            }
    return p;
}

static void free_pair(pair *p)
{
    pel_free(p->truth);
    pel_free(p->estimate);
}

static pel_score score_of(const pair *p, const pel_score_params *params)
{
    pel_score s;
    error.text[0] = '\0';
    pel_status status = pel_score_pair(&ctx, p->estimate, p->truth, p->size, params, &s);
    CHECK(status == PEL_OK, "(%s)", error.text);
    return s;
}

static void test_reference(void)
{
    pair p = make_pair(57, 43, 3, 7);
    pel_score s = score_of(&p, &plain);
    CHECK_NEAR(s.psnr, 30.544185, 1e-4);
    CHECK_NEAR(s.mse, 0.00088222943, 1e-9);
    CHECK_NEAR(s.mae, 0.0244073816, 1e-8);
    CHECK_NEAR(s.ssim, 0.8693872115, 1e-6);
    CHECK(isnan(s.ms_ssim));
    CHECK(s.samples == 57 * 43 * 3);
    free_pair(&p);
    p = make_pair(193, 177, 1, 11);
    pel_score_params params = plain;
    params.range = 0.8;
    s = score_of(&p, &params);
    CHECK_NEAR(s.psnr, 28.619094, 1e-4);
    CHECK_NEAR(s.ssim, 0.8610520257, 1e-6);
    CHECK_NEAR(s.ms_ssim, 0.9809141599, 1e-6);
    /* All of it scales with the range. */
    for (size_t i = 0; i < pel_size_count(p.size); i++) {
        p.truth[i] *= 256;
        p.estimate[i] *= 256;
    }
    params.range *= 256;
    pel_score t = score_of(&p, &params);
    CHECK_NEAR(t.psnr, s.psnr, 1e-9);
    CHECK_NEAR(t.ssim, s.ssim, 1e-9);
    CHECK_NEAR(t.ms_ssim, s.ms_ssim, 1e-9);
    free_pair(&p);
}

static void test_equal(void)
{
    pair p = make_pair(177, 180, 1, 3);
    memcpy(p.estimate, p.truth, pel_size_count(p.size) * sizeof *p.truth);
    pel_score s = score_of(&p, &plain);
    CHECK(isinf(s.psnr) && s.psnr > 0);
    CHECK(s.mse == 0 && s.mae == 0);
    CHECK_NEAR(s.ssim, 1, 1e-12);
    CHECK_NEAR(s.ms_ssim, 1, 1e-12);
    /* An inverted picture has negative structure: MS-SSIM is 0, not NaN. */
    for (size_t i = 0; i < pel_size_count(p.size); i++)
        p.estimate[i] = 1 - p.truth[i];
    s = score_of(&p, &plain);
    CHECK(s.ssim < 0.2);
    CHECK(s.ms_ssim >= 0 && s.ms_ssim < 0.2, "%g", s.ms_ssim);
    free_pair(&p);
}

static void test_border(void)
{
    pair p = make_pair(40, 31, 1, 5), inner = make_pair(26, 17, 1, 5);
    for (size_t y = 0; y < 17; y++)
        for (size_t x = 0; x < 26; x++) {
            inner.truth[y * 26 + x] = p.truth[(y + 7) * 40 + x + 7];
            inner.estimate[y * 26 + x] = p.estimate[(y + 7) * 40 + x + 7];
        }
    pel_score_params params = plain;
    params.border = 7;
    pel_score a = score_of(&p, &params), b = score_of(&inner, &plain);
    CHECK_NEAR(a.mse, b.mse, 1e-15);
    CHECK_NEAR(a.mae, b.mae, 1e-15);
    CHECK_NEAR(a.ssim, b.ssim, 1e-15);
    CHECK(a.samples == 26 * 17);
    free_pair(&p);
    free_pair(&inner);
}

/* Planes of a volume are scored like channels, and the border counts in z where it fits. */
static void test_volume(void)
{
    pair p = make_pair(33, 29, 5, 9);
    pel_score a = score_of(&p, &plain);
    p.size = pel_size_make(33, 29, 5, 1);
    pel_score b = score_of(&p, &plain);
    CHECK_NEAR(a.mse, b.mse, 1e-15);
    CHECK_NEAR(a.ssim, b.ssim, 1e-15);
    pel_score_params params = plain;
    params.border = 2;
    CHECK(score_of(&p, &params).samples == 29 * 25 * 1);
    params.border = 3; /* five planes are no more than twice that: all are scored */
    CHECK(score_of(&p, &params).samples == 27 * 23 * 5);
    free_pair(&p);
}

/* A bad sample leaves out itself, and of SSIM the windows that hold it. */
static void test_bad_samples(void)
{
    pair p = make_pair(57, 43, 1, 13);
    pel_score clean = score_of(&p, &plain);
    size_t at = 20 * 57 + 30;
    double d = (double)p.estimate[at] - (double)p.truth[at];
    float kept = p.estimate[at];
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        p.estimate[at] = bad[i];
        pel_score s = score_of(&p, &plain);
        CHECK(s.samples == 57 * 43 - 1);
        CHECK_NEAR(s.mse, (clean.mse * 57 * 43 - d * d) / (57 * 43 - 1), 1e-12);
        CHECK(isfinite(s.ssim) && fabs(s.ssim - clean.ssim) < 0.05, "%g", s.ssim);
        pel_score_params params = plain;
        params.shift = PEL_SHIFT_QUARTER;
        s = score_of(&p, &params);
        CHECK(isfinite(s.psnr) && isfinite(s.ssim));
    }
    p.estimate[at] = kept;
    /* Truth and estimate that share no good sample: no number, and no crash. */
    for (size_t i = 0; i < pel_size_count(p.size); i++)
        p.estimate[i] = NAN;
    pel_score s = score_of(&p, &plain);
    CHECK(s.samples == 0 && isnan(s.psnr) && isnan(s.mse) && isnan(s.ssim));
    free_pair(&p);
}

/* A smooth picture, so that a cubic finds its values between samples. */
static double smooth(double x, double y)
{
    return 0.5 + 0.2 * sin(0.21 * x + 0.13 * y) + 0.15 * cos(0.17 * y - 0.05 * x) +
           0.1 * sin(0.3 * sqrt(x * x + 2 * y * y + 10));
}

static pair shifted(size_t w, size_t h, double dx, double dy)
{
    pair p = make_pair(w, h, 1, 1);
    for (size_t y = 0; y < h; y++)
        for (size_t x = 0; x < w; x++) {
            p.truth[y * w + x] = (float)smooth((double)x, (double)y);
            p.estimate[y * w + x] = (float)smooth((double)x - dx, (double)y - dy);
        }
    return p;
}

static void test_shift(void)
{
    static const double shifts[][2] = {{0, 0},        {3, -5},      {-8, 8},       {0.25, -0.5},
                                       {2.75, -6.25}, {-4.5, 1.25}, {-7.75, 7.75}, {5, 0.75}};
    for (size_t i = 0; i < sizeof shifts / sizeof shifts[0]; i++) {
        double dx = shifts[i][0], dy = shifts[i][1];
        pair p = shifted(83, 71, dx, dy);
        pel_score_params params = plain;
        params.shift = PEL_SHIFT_QUARTER;
        pel_score s = score_of(&p, &params);
        CHECK_NEAR(s.dx, dx, 0);
        CHECK_NEAR(s.dy, dy, 0);
        CHECK(s.psnr > 50, "%g dB at %g, %g", s.psnr, dx, dy);
        params.shift = PEL_SHIFT_INTEGER;
        s = score_of(&p, &params);
        CHECK(fabs(s.dx - dx) <= 0.5 && s.dx == floor(s.dx), "%g for %g", s.dx, dx);
        CHECK(fabs(s.dy - dy) <= 0.5 && s.dy == floor(s.dy), "%g for %g", s.dy, dy);
        if (floor(dx) == dx && floor(dy) == dy)
            CHECK(s.mse < 1e-12, "%g", s.mse);
        params.shift = PEL_SHIFT_NONE;
        s = score_of(&p, &params);
        CHECK(s.dx == 0 && s.dy == 0);
        free_pair(&p);
    }
}

/* More samples than the coarse search looks at, and a shift that it must hand on rightly. */
static void test_large_shift(void)
{
    pair p = shifted(900, 700, -3.5, 6.25);
    pel_score_params params = plain;
    params.shift = PEL_SHIFT_QUARTER;
    pel_score s = score_of(&p, &params);
    CHECK_NEAR(s.dx, -3.5, 0);
    CHECK_NEAR(s.dy, 6.25, 0);
    free_pair(&p);
}

static void test_threads(void)
{
    pair p = make_pair(193, 177, 3, 17);
    pel_score_params params = plain;
    params.shift = PEL_SHIFT_QUARTER;
    pel_score one = score_of(&p, &params), many;
    pel_context threaded = ctx;
    CHECK(pel_pool_new(3, &threaded.pool, &error) == PEL_OK);
    CHECK(pel_score_pair(&threaded, p.estimate, p.truth, p.size, &params, &many) == PEL_OK);
    CHECK(memcmp(&one, &many, sizeof one) == 0);
    pel_pool_free(threaded.pool);
    free_pair(&p);
}

static void test_errors(void)
{
    pair p = make_pair(20, 18, 1, 1);
    pel_score s;
    pel_score_params params = plain;
    static const double ranges[] = {0, -1, NAN};
    for (size_t i = 0; i < 3; i++) {
        params.range = ranges[i];
        CHECK(pel_score_pair(&ctx, p.estimate, p.truth, p.size, &params, &s) == PEL_EINVAL);
    }
    params = plain;
    params.border = 9;
    CHECK(pel_score_pair(&ctx, p.estimate, p.truth, p.size, &params, &s) == PEL_EINVAL);
    params.border = SIZE_MAX / 2 + 1;
    CHECK(pel_score_pair(&ctx, p.estimate, p.truth, p.size, &params, &s) == PEL_EINVAL);
    params.border = 8;
    CHECK(pel_score_pair(&ctx, p.estimate, p.truth, p.size, &params, &s) == PEL_OK);
    CHECK(s.samples == 8 && isnan(s.ssim)); /* no window of 11 fits into 4x2 */
    params = plain;
    params.shift = PEL_SHIFT_INTEGER;
    error.text[0] = '\0';
    CHECK(pel_score_pair(&ctx, p.estimate, p.truth, p.size, &params, &s) == PEL_EINVAL);
    CHECK(strstr(error.text, "20x18") != NULL, "(%s)", error.text);
    params.max_shift = 7;
    CHECK(pel_score_pair(&ctx, p.estimate, p.truth, p.size, &params, &s) == PEL_OK);
    free_pair(&p);
}

int main(void)
{
    test_reference();
    test_equal();
    test_border();
    test_volume();
    test_bad_samples();
    test_shift();
    test_large_shift();
    test_threads();
    test_errors();
    return check_done();
}
