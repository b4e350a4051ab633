/* parametric.c - PSFs of few numbers, found again in synthetic pictures.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/conv.h>
#include <pellucid/fft.h>
#include <pellucid/parametric.h>
#include <pellucid/pool.h>
#include <pellucid/rng.h>

#include "check.h"

#define W 320
#define H 256

static pel_context context;

/* A picture with the spectrum of natural ones: noise whose amplitude falls as f^-1.15. */
static void make_scene(float *v, size_t w, size_t h)
{
    pel_fft *fft;
    pel_rng *rng = pel_rng_new(17, 0);
    CHECK(pel_fft_new(&context, w, h, 1, &fft) == PEL_OK);
    pel_complex *s = pel_alloc(pel_fft_count(fft) * sizeof *s);
    for (size_t i = 0; i < w * h; i++)
        v[i] = (float)pel_rng_gaussian(rng, 1);
    pel_fft_forward(fft, v, s);
    for (size_t i = 0; i < h * (w / 2 + 1); i++) {
        double y = (double)(i / (w / 2 + 1)), fx = (double)(i % (w / 2 + 1)) / (double)w;
        double fy = (y > (double)h / 2 ? y - (double)h : y) / (double)h, f = hypot(fx, fy);
        float scale = f > 0 ? (float)(0.01 * pow(f, -1.15) / (double)(w * h)) : 0;
        s[i][0] *= scale;
        s[i][1] *= scale;
    }
    pel_fft_backward(fft, s, v);
    pel_free(s);
    pel_rng_free(rng);
    pel_fft_free(fft);
}

static void make_data(const char *spec, float *data)
{
    pel_psf psf;
    CHECK(pel_psf_make(spec, &psf, context.error) == PEL_OK);
    size_t w = W + psf.size.w - 1, h = H + psf.size.h - 1;
    float *scene = pel_alloc_floats(w * h);
    pel_rng *rng = pel_rng_new(2, 0);
    make_scene(scene, w, h);
    CHECK(pel_convolve(&context, scene, pel_size_make(w, h, 1, 1), psf.samples, psf.size,
                       PEL_BORDER_VALID, data) == PEL_OK);
    for (size_t i = 0; i < W * H; i++)
        data[i] += (float)pel_rng_gaussian(rng, 0.003);
    pel_rng_free(rng);
    pel_free(scene);
    pel_psf_clear(&psf);
}

/* The number behind `key` in a spec. */
static double number(const char *spec, const char *key)
{
    const char *at = strstr(spec, key);
    CHECK(at != NULL, "%s in %s", key, spec);
    return at != NULL ? strtod(at + strlen(key), NULL) : 0;
}

static void test_model(const char *spec, pel_parametric_model model, const char *key, double tolerance)
{
    static float data[W * H], mask[W * H];
    pel_psf psf;
    pel_parametric_report report;
    make_data(spec, data);
    for (size_t i = 0; i < W * H; i++) /* a hole, with rubbish in it */
        mask[i] = i % W > 20 && i % W < 40 && i / W > 30 && i / W < 60 ? 0 : 1;
    for (size_t i = 0; i < W * H; i++)
        data[i] = mask[i] > 0 ? data[i] : (float)NAN;
    pel_status status = pel_parametric_psf(&context, data, mask, pel_size_make(W, H, 1, 1), model, &psf,
                                           &report);
    CHECK(status == PEL_OK, "%s", context.error->text);
    double truth = number(spec, key);
    CHECK_NEAR(number(report.spec, key), truth, tolerance * truth);
    CHECK(report.confidence > 0.8, "%s: %.3f", spec, report.confidence);
    if (model == PEL_PARAMETRIC_MOTION)
        CHECK_NEAR(remainder(number(report.spec, "angle=") - number(spec, "angle="), 180), 0, 3);
    CHECK(psf.size.w % 2 == 1);
    pel_psf_clear(&psf);
}

static void test_nothing(void)
{
    static float data[W * H];
    pel_psf psf;
    pel_parametric_report report;
    pel_rng *rng = pel_rng_new(3, 0);
    const pel_size size = pel_size_make(W, H, 1, 1);
    for (size_t i = 0; i < W * H; i++)
        data[i] = 0.3f;
    CHECK(pel_parametric_psf(&context, data, NULL, size, PEL_PARAMETRIC_GAUSS, &psf, &report) == PEL_OK);
    CHECK(report.confidence < 0.01 && psf.size.w == 1, "flat: %.3f", report.confidence);
    pel_psf_clear(&psf);
    for (size_t i = 0; i < W * H; i++)
        data[i] = (float)pel_rng_gaussian(rng, 0.1);
    CHECK(pel_parametric_psf(&context, data, NULL, size, PEL_PARAMETRIC_DISC, &psf, &report) == PEL_OK);
    CHECK(report.confidence < 0.3, "noise: %.3f", report.confidence);
    pel_psf_clear(&psf);
    CHECK(pel_parametric_psf(&context, data, NULL, pel_size_make(31, 40, 1, 1), PEL_PARAMETRIC_GAUSS, &psf,
                             &report) == PEL_EINVAL);
    CHECK(pel_parametric_psf(&context, data, NULL, pel_size_make(40, 40, 2, 1), PEL_PARAMETRIC_GAUSS, &psf,
                             &report) == PEL_EINVAL);
    pel_rng_free(rng);
}

int main(void)
{
    pel_error error = {PEL_OK, ""};
    pel_pool *pool;
    if (pel_pool_new(2, &pool, &error) != PEL_OK)
        return EXIT_FAILURE;
    context = (pel_context){.pool = pool, .error = &error, .plan_estimate = true};
    test_model("gauss:sigma=1.2", PEL_PARAMETRIC_GAUSS, "sigma=", 0.05);
    test_model("gauss:sigma=4", PEL_PARAMETRIC_GAUSS, "sigma=", 0.1);
    test_model("disc:radius=4.3", PEL_PARAMETRIC_DISC, "radius=", 0.02);
    test_model("motion:length=11,angle=35", PEL_PARAMETRIC_MOTION, "length=", 0.03);
    test_model("moffat:fwhm=4,beta=3", PEL_PARAMETRIC_MOFFAT, "fwhm=", 0.1);
    test_nothing();
    pel_pool_free(pool);
    return check_done();
}
