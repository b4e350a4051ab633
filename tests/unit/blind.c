/* blind.c - kernels found again in synthetic pictures, and what there is to say when there is none.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/blind.h>
#include <pellucid/conv.h>
#include <pellucid/pool.h>
#include <pellucid/psf.h>

#include "check.h"

#define W 150
#define H 132

static pel_context context;

/* Overlapping discs and boxes of any grey: edges in all directions at all sizes. */
static void make_scene(float *v, size_t w, size_t h, uint32_t seed)
{
    for (size_t i = 0; i < w * h; i++)
        v[i] = 0.5f;
    for (int n = 0; n < 400; n++) {
        double x = (double)check_random(&seed) * (double)w, y = (double)check_random(&seed) * (double)h;
        double r = 3 + 30 * pow((double)check_random(&seed), 3);
        float grey = 0.05f + 0.9f * check_random(&seed);
        bool disc = check_random(&seed) < 0.5f;
        for (size_t i = 0; i < w * h; i++) {
            double dx = fabs((double)(i % w) - x), dy = fabs((double)(i / w) - y);
            if (disc ? hypot(dx, dy) < r : dx < r && dy < 0.6 * r)
                v[i] = grey;
        }
    }
}

static double gauss(uint32_t *seed)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += (double)check_random(seed);
    return sum;
}

static void make_data(const char *spec, double noise, pel_psf *psf, float *data)
{
    CHECK(pel_psf_make(spec, psf, context.error) == PEL_OK);
    size_t w = W + psf->size.w - 1, h = H + psf->size.h - 1;
    float *scene = pel_alloc_floats(w * h);
    uint32_t seed = 21;
    make_scene(scene, w, h, 8);
    CHECK(pel_convolve(&context, scene, pel_size_make(w, h, 1, 1), psf->samples, psf->size,
                       PEL_BORDER_VALID, data) == PEL_OK);
    for (size_t i = 0; i < W * H; i++)
        data[i] += (float)(noise * gauss(&seed));
    pel_free(scene);
}

/* The greatest normalised correlation of a kernel of side n with a PSF over all shifts; `turned`: with
 * the PSF turned by 180 degrees. */
static double likeness(const float *a, size_t side, const pel_psf *psf, bool turned)
{
    double best = 0, aa = 0, bb = 0;
    long n = (long)side, w = (long)psf->size.w, h = (long)psf->size.h;
    for (long i = 0; i < n * n; i++)
        aa += (double)a[i] * (double)a[i];
    for (long i = 0; i < w * h; i++)
        bb += (double)psf->samples[i] * (double)psf->samples[i];
    for (long dy = -h; dy <= n; dy++)
        for (long dx = -w; dx <= n; dx++) {
            double sum = 0;
            for (long y = 0; y < h; y++)
                for (long x = 0; x < w; x++)
                    if (x + dx >= 0 && x + dx < n && y + dy >= 0 && y + dy < n)
                        sum += (double)psf->samples[turned ? w * h - 1 - y * w - x : y * w + x] *
                               (double)a[(y + dy) * n + x + dx];
            best = fmax(best, sum);
        }
    return best / sqrt(aa * bb);
}

static float *estimate(const float *data, const float *mask, pel_blind_params params,
                       pel_blind_report *report)
{
    float *psf = NULL;
    pel_status status =
        pel_blind(&context, data, mask, pel_size_make(W, H, 1, 1), &params, &psf, report);
    CHECK(status == PEL_OK, "%s", context.error->text);
    if (status != PEL_OK)
        exit(EXIT_FAILURE);
    double sum = 0, cx = 0, cy = 0;
    for (size_t i = 0; i < report->side * report->side; i++) {
        CHECK(psf[i] >= 0);
        sum += (double)psf[i];
        cx += (double)psf[i] * (double)(i % report->side);
        cy += (double)psf[i] * (double)(i / report->side);
    }
    CHECK_NEAR(sum, 1, 1e-5);
    CHECK(fabs(cx - (double)(report->side / 2)) <= 0.51 && fabs(cy - (double)(report->side / 2)) <= 0.51);
    return psf;
}

static void test_known(const char *spec, pel_blind_method method, size_t side, double least)
{
    static float data[W * H];
    pel_psf truth;
    pel_blind_report report;
    make_data(spec, 0.002, &truth, data);
    float *psf = estimate(data, NULL, (pel_blind_params){method, side, -1, NULL, 0}, &report);
    double same = likeness(psf, report.side, &truth, false);
    double other = likeness(psf, report.side, &truth, true);
    CHECK(same > least, "%s: %.3f", spec, same);
    if (strncmp(spec, "shake", 5) == 0) /* without symmetry: it is the kernel of a convolution */
        CHECK(same > other + (least > 0.8 ? 0.1 : 0), "%s: %.3f, turned %.3f", spec, same, other);
    CHECK(report.confidence > (least > 0.8 ? 0.7 : 0.3), "%s: %.3f", spec, report.confidence);
    CHECK(report.residual > 5e-4 && report.residual < 0.02, "%s: %g", spec, report.residual);
    if (side != 0)
        CHECK(report.side == side);
    else
        CHECK(report.side >= 9 && report.side <= 25, "%s: side %zu", spec, report.side);
    pel_free(psf);
    pel_psf_clear(&truth);
}

/* Garbage under the mask does nothing; a warm start keeps what is right. */
static void test_mask_and_start(void)
{
    static float data[W * H], mask[W * H];
    pel_psf truth;
    pel_blind_report report;
    make_data("shake:11,5", 0.002, &truth, data);
    for (size_t i = 0; i < W * H; i++)
        mask[i] = i % W > 40 && i % W < 60 && i / W > 50 && i / W < 80 ? 0 : 1;
    pel_blind_params params = {PEL_BLIND_L0, 13, -1, NULL, 0};
    float *before = estimate(data, mask, params, &report);
    for (size_t i = 0; i < W * H; i++)
        if (!(mask[i] > 0))
            data[i] = i % 2 == 0 ? (float)NAN : 1e30f;
    float *after = estimate(data, mask, params, &report);
    CHECK(memcmp(before, after, 13 * 13 * sizeof *before) == 0);
    double same = likeness(after, report.side, &truth, false);
    CHECK(same > 0.9, "%.3f", same);
    params.start = truth.samples;
    params.start_side = truth.size.w;
    params.iterations = 1;
    float *warm = estimate(data, mask, params, &report);
    same = likeness(warm, report.side, &truth, false);
    CHECK(same > 0.9, "%.3f", same);
    pel_free(before);
    pel_free(after);
    pel_free(warm);
    pel_psf_clear(&truth);
}

static void test_nothing(void)
{
    static float data[W * H];
    uint32_t seed = 4;
    pel_blind_report report;
    pel_blind_params params = {PEL_BLIND_L0, 9, -1, NULL, 0};
    for (size_t i = 0; i < W * H; i++)
        data[i] = 0.4f;
    pel_free(estimate(data, NULL, params, &report));
    CHECK(report.confidence < 0.1, "flat: %.3f", report.confidence);
    for (size_t i = 0; i < W * H; i++)
        data[i] = 0.4f + (float)(0.01 * gauss(&seed));
    pel_free(estimate(data, NULL, params, &report));
    CHECK(report.confidence < 0.3, "noise: %.3f", report.confidence);
}

static void test_refused(void)
{
    static float data[W * H];
    float mask[64] = {0}, *psf = NULL;
    pel_blind_report report;
    pel_blind_params params = {PEL_BLIND_L0, 9, -1, NULL, 0};
    CHECK(pel_blind(&context, data, NULL, pel_size_make(7, 40, 1, 1), &params, &psf, &report) == PEL_EINVAL);
    CHECK(pel_blind(&context, data, NULL, pel_size_make(8, 8, 2, 1), &params, &psf, &report) == PEL_EINVAL);
    CHECK(pel_blind(&context, data, NULL, pel_size_make(8, 8, 1, 1), &params, &psf, &report) == PEL_EINVAL);
    params.side = 4;
    CHECK(pel_blind(&context, data, NULL, pel_size_make(40, 40, 1, 1), &params, &psf, &report) == PEL_EINVAL);
    params.side = 5;
    CHECK(pel_blind(&context, data, mask, pel_size_make(8, 8, 1, 1), &params, &psf, &report) == PEL_EINVAL);
    /* The smallest picture, and a kernel as large as the picture: no crash, a kernel that sums to 1. */
    params.side = 7;
    CHECK(pel_blind(&context, data, NULL, pel_size_make(8, 8, 1, 1), &params, &psf, &report) == PEL_OK);
    pel_free(psf);
}

/* The only detail of a large picture lies in one place. */
static void test_window(void)
{
    static float data[W * H];
    pel_blind_window window;
    uint32_t seed = 9;
    for (size_t i = 0; i < W * H; i++)
        data[i] = 0.002f * (float)(i % W); /* a ramp has gradients, but of one direction */
    for (size_t y = 70; y < 90; y++)
        for (size_t x = 100; x < 130; x++)
            data[y * W + x] = check_random(&seed);
    CHECK(pel_blind_find_window(&context, data, NULL, pel_size_make(W, H, 1, 1), 48, &window) == PEL_OK);
    CHECK(window.w == 48 && window.h == 48);
    CHECK(window.x <= 100 && window.x + 48 >= 130 && window.y <= 70 && window.y + 48 >= 90,
          "at %zu,%zu", window.x, window.y);
    CHECK(pel_blind_find_window(&context, data, NULL, pel_size_make(W, H, 1, 1), 500, &window) == PEL_OK);
    CHECK(window.x == 0 && window.y == 0 && window.w == W && window.h == H);
}

int main(void)
{
    pel_error error = {PEL_OK, ""};
    pel_pool *pool;
    if (pel_pool_new(2, &pool, &error) != PEL_OK)
        return EXIT_FAILURE;
    context = (pel_context){.pool = pool, .error = &error, .plan_estimate = true};
    test_known("shake:13,2", PEL_BLIND_L0, 17, 0.9);
    test_known("shake:13,2", PEL_BLIND_PMP, 17, 0.9);
    test_known("shake:13,2", PEL_BLIND_DARK, 17, 0.9);
    test_known("shake:13,2", PEL_BLIND_EDGE, 17, 0.9);
    test_known("shake:13,2", PEL_BLIND_SPARSE, 17, 0.7);
    test_known("shake:13,2", PEL_BLIND_RL, 17, 0.7);
    test_known("shake:13,2", PEL_BLIND_L0, 0, 0.85);
    test_known("motion:9,30", PEL_BLIND_L0, 13, 0.9);
    test_known("disc:3", PEL_BLIND_L0, 11, 0.9);
    test_mask_and_start();
    test_nothing();
    test_refused();
    test_window();
    pel_pool_free(pool);
    return check_done();
}
