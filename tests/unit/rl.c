/* rl.c - Richardson-Lucy: flux, positivity, the iteration against its formula, masks, a saturated star, the rule that stops.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/conv.h>
#include <pellucid/deconv.h>
#include <pellucid/pool.h>

#include "check.h"

#define W 70
#define H 52
#define N 7 /* of the PSF */
#define TAPS (N * N)

static pel_context context;
static float psf[TAPS];

/* Without symmetry, so that a kernel turned round is seen. */
static void make_psf(void)
{
    double sum = 0;
    for (int i = 0; i < TAPS; i++) {
        double x = i % N - 2.6, y = i / N - 3.4;
        sum += psf[i] = (float)exp(-0.3 * x * x - 0.15 * y * y - 0.1 * x * y);
    }
    for (int i = 0; i < TAPS; i++)
        psf[i] = (float)((double)psf[i] / sum);
}

static double gauss(uint32_t *seed)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += (double)check_random(seed);
    return sum;
}

/* A scene on the extended domain, blurred on to W x H, plus noise. */
static void make_data(float *data, double level, double noise)
{
    size_t ew = W + N - 1, eh = H + N - 1;
    float *scene = pel_alloc_floats(ew * eh);
    for (size_t i = 0; i < ew * eh; i++) {
        double x = (double)(i % ew), y = (double)(i / ew);
        scene[i] = (float)(level * (1 + 0.6 * sin(0.31 * x + 0.05 * y) * cos(0.23 * y)));
    }
    scene[25 * ew + 30] += (float)(40 * level);
    pel_conv_spec spec = {pel_size_make(ew, eh, 1, 1), pel_size_make(W, H, 1, 1),
                          {N - 1 - N / 2, N - 1 - N / 2, 0}, psf, pel_size_make(N, N, 1, 1),
                          PEL_CONV_DIRECT};
    pel_conv *conv = NULL;
    CHECK(pel_conv_new(&context, &spec, &conv) == PEL_OK);
    pel_conv_apply(conv, scene, data, NULL, NULL);
    uint32_t seed = 77;
    for (size_t i = 0; i < W * H; i++)
        data[i] += (float)(noise * gauss(&seed));
    pel_conv_free(conv);
    pel_free(scene);
}

static pel_problem problem_of(const float *data)
{
    return (pel_problem){.size = pel_size_make(W, H, 1, 1),
                         .data = data,
                         .psf = psf,
                         .psf_size = pel_size_make(N, N, 1, 1),
                         .mask_channels = 1};
}

static double rms(const float *a, const float *b, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sqrt(sum / (double)count);
}

/* Two iterations written out in double. */
static void formula(const float *data, int iterations, float *estimate)
{
    enum { EW = W + N - 1, EH = H + N - 1, AT = N - 1 - N / 2 };
    double *x = calloc(EW * EH, sizeof *x), *a = calloc(EW * EH, sizeof *a);
    double *back = calloc(EW * EH, sizeof *back), mean = 0;
    /* Data sample (u, v) sees scene sample (u + N-1 - k, v + N-1 - l). */
    for (int i = 0; i < W * H; i++) {
        mean += (double)data[i] / (W * H);
        for (int k = 0; k < TAPS; k++)
            a[(i / W + N - 1 - k / N) * EW + i % W + N - 1 - k % N] += (double)psf[k];
    }
    for (int i = 0; i < EW * EH; i++)
        x[i] = a[i] > 1e-2 ? mean : 0;
    for (int n = 0; n < iterations; n++) {
        memset(back, 0, EW * EH * sizeof *back);
        for (int i = 0; i < W * H; i++) {
            int first = (i / W + N - 1) * EW + i % W + N - 1;
            double model = 0;
            for (int k = 0; k < TAPS; k++)
                model += (double)psf[k] * x[first - k / N * EW - k % N];
            for (int k = 0; k < TAPS; k++)
                back[first - k / N * EW - k % N] += (double)psf[k] * (double)data[i] / model;
        }
        for (int i = 0; i < EW * EH; i++)
            x[i] = a[i] > 1e-2 ? x[i] * back[i] / a[i] : 0;
    }
    for (int i = 0; i < W * H; i++)
        estimate[i] = (float)x[(i / W + AT) * EW + i % W + AT];
    free(x);
    free(a);
    free(back);
}

static void test_formula(void)
{
    float *data = pel_alloc_floats(W * H), *expected = pel_alloc_floats(W * H);
    float *got = pel_alloc_floats(W * H);
    make_data(data, 3, 0);
    formula(data, 2, expected);
    pel_problem p = problem_of(data);
    pel_rl_params params = {.iterations = 2};
    pel_rl_report report;
    CHECK(pel_rl(&context, &p, &params, got, &report) == PEL_OK);
    CHECK(rms(got, expected, W * H) < 1e-5, "rms %g", rms(got, expected, W * H));
    CHECK(report.iterations == 2);
    CHECK(!isfinite(report.residual));
    pel_free(data);
    pel_free(expected);
    pel_free(got);
}

static void test_flux(void)
{
    static const struct {
        pel_rl_params params;
        double background;
        const char *what;
    } runs[] = {
        {{.iterations = 1}, 0, "one iteration"},
        {{.iterations = 40}, 0, "forty"},
        {{.iterations = 40, .accelerate = true}, 0, "accelerated"},
    };
    float *data = pel_alloc_floats(W * H), *got = pel_alloc_floats(W * H);
    make_data(data, 3, 0.1);
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        pel_problem p = problem_of(data);
        p.background = runs[i].background;
        p.sigma = 0.1;
        pel_rl_report report;
        CHECK(pel_rl(&context, &p, &runs[i].params, got, &report) == PEL_OK);
        CHECK(fabs(report.flux_estimate / report.flux_data - 1) < 1e-4, "%s: %g of %g",
              runs[i].what, report.flux_estimate, report.flux_data);
        for (size_t k = 0; k < W * H; k++)
            if (!(got[k] >= 0) || !isfinite(got[k])) {
                CHECK(false, "%s: sample %zu is %g", runs[i].what, k, (double)got[k]);
                break;
            }
    }
    pel_free(data);
    pel_free(got);
}

static double residual_of(const float *data, pel_rl_params params)
{
    float *got = pel_alloc_floats(W * H);
    pel_problem p = problem_of(data);
    p.sigma = 0.02;
    pel_rl_report report = {0};
    CHECK(pel_rl(&context, &p, &params, got, &report) == PEL_OK);
    pel_free(got);
    return report.residual;
}

/* Acceleration gets further, TV and damping less far, than plain iterations. */
static void test_variants(void)
{
    float *data = pel_alloc_floats(W * H);
    make_data(data, 3, 0.02);
    double plain = residual_of(data, (pel_rl_params){.iterations = 30});
    CHECK(residual_of(data, (pel_rl_params){.iterations = 30, .accelerate = true}) < 0.8 * plain);
    CHECK(residual_of(data, (pel_rl_params){.iterations = 30, .tv = 0.05}) > 1.02 * plain);
    CHECK(residual_of(data, (pel_rl_params){.iterations = 400, .damping = 4}) >
          1.02 * residual_of(data, (pel_rl_params){.iterations = 400}));
    pel_free(data);
}

static void test_auto(void)
{
    float *data = pel_alloc_floats(W * H), *got = pel_alloc_floats(W * H);
    pel_rl_params params = {.iterations = -1, .max_iterations = 400};
    pel_rl_report few, many;
    pel_problem p = problem_of(data);
    make_data(data, 3, 0.2);
    p.sigma = 0.2;
    CHECK(pel_rl(&context, &p, &params, got, &few) == PEL_OK);
    CHECK(few.residual < 1 && few.residual > 0.5, "residual %g", few.residual);
    make_data(data, 3, 0.05);
    p.sigma = 0.05;
    CHECK(pel_rl(&context, &p, &params, got, &many) == PEL_OK);
    CHECK(many.iterations > few.iterations && many.iterations < 400, "%ld, %ld", few.iterations,
          many.iterations);
    params.max_iterations = 3;
    CHECK(pel_rl(&context, &p, &params, got, &many) == PEL_OK && many.iterations == 3);
    p.sigma = 0;
    CHECK(pel_rl(&context, &p, &params, got, &many) == PEL_EINVAL);
    pel_free(data);
    pel_free(got);
}

/* What lies under a mask of 0, NaN included, changes nothing. */
static void test_mask(void)
{
    float *data = pel_alloc_floats(W * H), *mask = pel_alloc_floats(W * H);
    float *a = pel_alloc_floats(W * H), *b = pel_alloc_floats(W * H), *whole = pel_alloc_floats(W * H);
    make_data(data, 3, 0.02);
    pel_problem p = problem_of(data);
    p.sigma = 0.02;
    pel_rl_params params = {.iterations = 40};
    pel_rl_report report;
    CHECK(pel_rl(&context, &p, &params, whole, &report) == PEL_OK);
    for (size_t i = 0; i < W * H; i++)
        mask[i] = i % 97 == 5 ? 0 : 1;
    p.mask = mask;
    CHECK(pel_rl(&context, &p, &params, a, &report) == PEL_OK);
    for (size_t i = 0; i < W * H; i++)
        if (i % 97 == 5)
            data[i] = i % 2 == 0 ? NAN : 1e30f;
    CHECK(pel_rl(&context, &p, &params, b, &report) == PEL_OK);
    CHECK(memcmp(a, b, W * H * sizeof *a) == 0);
    CHECK(rms(a, whole, W * H) < 0.2, "1 %% masked moves the estimate by %g", rms(a, whole, W * H));
    CHECK(fabs(report.flux_estimate / report.flux_data - 1) < 1e-4);
    pel_free(data);
    pel_free(mask);
    pel_free(a);
    pel_free(b);
    pel_free(whole);
}

/* Mean of the estimate, sky included, in a ring around a star of that flux whose core is saturated
 * and masked. */
static double ring_mean(double flux)
{
    float *data = pel_alloc_floats(W * H), *mask = pel_alloc_floats(W * H);
    float *got = pel_alloc_floats(W * H);
    uint32_t seed = 3;
    double ring = 0;
    int count = 0;
    for (size_t i = 0; i < W * H; i++) {
        ptrdiff_t kx = (ptrdiff_t)(i % W) - 35 + N / 2, ky = (ptrdiff_t)(i / W) - 26 + N / 2;
        bool on = kx >= 0 && kx < N && ky >= 0 && ky < N;
        double star = on ? flux * (double)psf[ky * N + kx] : 0;
        data[i] = (float)(200 + star + 2 * gauss(&seed));
        mask[i] = data[i] < 6e4f;
        data[i] = fminf(data[i], 6e4f);
    }
    pel_problem p = problem_of(data);
    p.mask = mask;
    p.sigma = 2;
    p.background = 200;
    pel_rl_params params = {.iterations = 50};
    pel_rl_report report;
    CHECK(pel_rl(&context, &p, &params, got, &report) == PEL_OK);
    for (int i = 0; i < W * H; i++) {
        double r = hypot(i % W - 35, i / W - 26);
        if (r > 5 && r < 9) {
            ring += 200 + (double)got[i];
            count++;
        }
    }
    pel_free(data);
    pel_free(mask);
    pel_free(got);
    return ring / count;
}

/* A star of 1e5 on a sky of 200 leaves no ring. */
static void test_star(void)
{
    double sky = ring_mean(0), ring = ring_mean(1e6);
    CHECK(fabs(ring / sky - 1) < 0.005, "ring %g, sky %g", ring, sky);
}

static pel_status count_calls(void *arg, long iteration, const float *estimate)
{
    long *calls = arg;
    (void)estimate;
    calls[0]++;
    calls[1] = iteration;
    return calls[0] == 3 ? PEL_ECLOSED : PEL_OK;
}

/* Volumes, channels with a PSF each, a warm start, estimates on the way, refusals. */
static void test_shapes(void)
{
    size_t plane = W * H;
    float *data = pel_alloc_floats(2 * plane), *got = pel_alloc_floats(2 * plane);
    float *one = pel_alloc_floats(plane), two[2 * TAPS];
    make_data(data, 3, 0);
    make_data(data + plane, 5, 0.1);
    memcpy(two, psf, sizeof psf);
    memcpy(two + TAPS, psf, sizeof psf);
    pel_problem p = problem_of(data);
    pel_rl_params params = {.iterations = 5};
    pel_rl_report report;
    CHECK(pel_rl(&context, &p, &params, one, &report) == PEL_OK);
    p.size.d = 2;
    CHECK(pel_rl(&context, &p, &params, got, &report) == PEL_OK);
    double volume = rms(got, one, plane);
    p.size = pel_size_make(W, H, 1, 2);
    p.psf = two;
    p.psf_size.c = 2;
    CHECK(pel_rl(&context, &p, &params, got, &report) == PEL_OK);
    CHECK(rms(got, one, plane) < 1e-6 && volume < 0.5, "%g %g", rms(got, one, plane), volume);
    p = problem_of(data);
    p.start = one;
    params.iterations = 1;
    CHECK(pel_rl(&context, &p, &params, got, &report) == PEL_OK);
    CHECK(rms(got, one, plane) < 0.3 && rms(got, one, plane) > 1e-4, "%g", rms(got, one, plane));
    long calls[2] = {0, 0};
    params = (pel_rl_params){.iterations = 20, .every = 4, .intermediate = count_calls,
                             .intermediate_arg = calls};
    CHECK(pel_rl(&context, &p, &params, got, &report) == PEL_ECLOSED);
    CHECK(calls[0] == 3 && calls[1] == 12);
    p.psf_size = pel_size_make(N, N, 1, 3);
    CHECK(pel_rl(&context, &p, &params, got, &report) == PEL_EINVAL);
    p.psf_size = pel_size_make(N, 1, N, 1);
    CHECK(pel_rl(&context, &p, &params, got, &report) == PEL_EINVAL);
    pel_free(data);
    pel_free(got);
    pel_free(one);
}

int main(void)
{
    pel_error error = {PEL_OK, ""};
    pel_pool *pool;
    if (pel_pool_new(2, &pool, &error) != PEL_OK)
        return EXIT_FAILURE;
    context = (pel_context){.pool = pool, .error = &error, .plan_estimate = true};
    make_psf();
    test_formula();
    test_flux();
    test_variants();
    test_auto();
    test_mask();
    test_star();
    test_shapes();
    pel_pool_free(pool);
    return check_done();
}
