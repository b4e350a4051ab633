/* psf.c - PSF models: sums, symmetry, widths, areas, directions; specifications that are refused.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/psf.h>

#include "check.h"

static pel_psf make(const char *spec)
{
    pel_psf psf = {{0, 0, 0, 0}, NULL};
    pel_error error = {PEL_OK, ""};
    CHECK(pel_psf_make(spec, &psf, &error) == PEL_OK, "%s: %s", spec, error.text);
    return psf;
}

/* Sum, centroid and second moments about the centre sample. */
typedef struct {
    double sum, x, y, xx, yy, xy;
} moments;

static moments moments_of(const pel_psf *psf)
{
    moments m = {0, 0, 0, 0, 0, 0};
    size_t plane = psf->size.w * psf->size.h;
    for (size_t i = 0; i < pel_size_plane(psf->size); i++) {
        double v = (double)psf->samples[i];
        double x = (double)(i % plane % psf->size.w) - (double)(psf->size.w / 2);
        double y = (double)(i % plane / psf->size.w) - (double)(psf->size.h / 2);
        m.sum += v;
        m.x += v * x;
        m.y += v * y;
        m.xx += v * x * x;
        m.yy += v * y * y;
        m.xy += v * x * y;
    }
    return m;
}

static void test_all(void)
{
    static const char *const specs[] = {"gauss:2.5", "gauss:fwhm=6", "gauss:sigma=2,sigma-z=1.5",
                                        "moffat:4", "moffat:fwhm=3,beta=4", "airy:3", "disc:5",
                                        "disc:radius=0.3", "motion:21,30", "motion:0", "shake:25,7",
                                        "shake:24,1", "delta"};
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        pel_psf psf = make(specs[i]);
        moments m = moments_of(&psf);
        CHECK_NEAR(m.sum, 1, 1e-6);
        CHECK(psf.size.w % 2 == 1 && psf.size.h % 2 == 1 && psf.size.d % 2 == 1, "%s", specs[i]);
        /* The shaken path is centred by its mean; all others are symmetric. */
        CHECK_NEAR(m.x, 0, strncmp(specs[i], "shake", 5) == 0 ? 0.05 : 1e-6);
        CHECK_NEAR(m.y, 0, strncmp(specs[i], "shake", 5) == 0 ? 0.05 : 1e-6);
        for (size_t k = 0; k < pel_size_plane(psf.size); k++)
            CHECK(psf.samples[k] >= 0);
        CHECK(pel_psf_is_spec(specs[i]));
        pel_psf_clear(&psf);
    }
}

/* Width at half maximum along the middle row, by linear interpolation. */
static double width(const pel_psf *psf)
{
    size_t w = psf->size.w, c = w / 2;
    const float *row = psf->samples + (psf->size.h / 2) * w;
    for (size_t x = c; x + 1 < w; x++)
        if (row[x + 1] < row[c] / 2)
            return 2 * ((double)(x - c) + (double)((row[x] - row[c] / 2) / (row[x] - row[x + 1])));
    return 0;
}

static void test_widths(void)
{
    pel_psf psf = make("gauss:2.5");
    moments m = moments_of(&psf);
    /* The pixel adds 1/12; the cut at 4 sigma takes 0.1 %. */
    CHECK_NEAR(m.xx, 2.5 * 2.5 + 1.0 / 12, 0.02);
    CHECK_NEAR(m.xx, m.yy, 1e-6);
    pel_psf_clear(&psf);
    static const struct {
        const char *spec;
        double fwhm;
    } wide[] = {{"gauss:fwhm=20", 20}, {"moffat:fwhm=20,beta=3", 20}, {"airy:fwhm=20", 20}};
    for (size_t i = 0; i < 3; i++) {
        psf = make(wide[i].spec);
        CHECK_NEAR(width(&psf), wide[i].fwhm, 0.005 * wide[i].fwhm);
        pel_psf_clear(&psf);
    }
    psf = make("disc:5.3");
    double area = 3.141592653589793 * 5.3 * 5.3;
    CHECK_NEAR(psf.samples[5 * psf.size.w + 5], 1 / area, 1e-7);
    CHECK_NEAR(moments_of(&psf).xx, 5.3 * 5.3 / 4 + 1.0 / 12, 0.05);
    pel_psf_clear(&psf);
    psf = make("gauss:sigma=1,sigma-z=2");
    CHECK(psf.size.w == 9 && psf.size.d == 17);
    pel_psf_clear(&psf);
}

static void test_directions(void)
{
    pel_psf psf = make("motion:21,30");
    moments m = moments_of(&psf);
    /* Up to the right on the screen is towards smaller y. */
    CHECK(m.xy < 0);
    CHECK_NEAR(atan2(-m.xy, m.xx - 1.0 / 6) * 57.29577951308232, 30, 0.7);
    CHECK_NEAR(m.xx + m.yy, 21.0 * 21 / 12, 0.5);
    pel_psf_clear(&psf);
    psf = make("motion:length=8,angle=90");
    CHECK(psf.size.w == 1 && psf.size.h == 9);
    CHECK_NEAR(psf.samples[4], 0.125, 1e-6);
    CHECK_NEAR(psf.samples[0], 0.0625, 1e-6);
    pel_psf_clear(&psf);
    pel_psf a = make("shake:25,7"), b = make("shake:25,7"), c = make("shake:25,8");
    CHECK(memcmp(a.samples, b.samples, 625 * sizeof(float)) == 0);
    CHECK(memcmp(a.samples, c.samples, 625 * sizeof(float)) != 0);
    pel_psf_clear(&a);
    pel_psf_clear(&b);
    pel_psf_clear(&c);
}

static void test_refused(void)
{
    static const char *const specs[] = {
        "gauss", "gauss:", "gauss:0", "gauss:-1", "gauss:nan", "gauss:1e9", "gauss:sigma=2,fwhm=3",
        "gauss:sigma=2,sigma=3", "gauss:width=2", "gauss:1,2,3,4", "moffat", "moffat:4,1", "airy:0.1",
        "disc:", "disc:x", "disc:1e5", "motion", "motion:5,1e9", "shake:2", "shake:9.5", "shake:9,-1",
        "shake:1e6", "delta:3", "nothing:3", ""};
    pel_psf psf = {{0, 0, 0, 0}, NULL};
    pel_error error;
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        CHECK(pel_psf_make(specs[i], &psf, &error) == PEL_EUSAGE, "'%s'", specs[i]);
        CHECK(strlen(error.text) > 10);
    }
    CHECK(!pel_psf_is_spec("gauss.tif") && !pel_psf_is_spec("./delta") && !pel_psf_is_spec(""));
}

static void test_normalise_and_convolve(void)
{
    pel_error error = {PEL_OK, ""};
    pel_context context = {.error = &error, .plan_estimate = true};
    float good[4] = {1, 3, -1e-4f, 4}, negative[2] = {1, -0.5f}, zero[2] = {0, 0}, bad[2] = {1, NAN};
    CHECK(pel_psf_normalise(good, pel_size_make(4, 1, 1, 1), &error) == PEL_OK);
    CHECK_NEAR(good[1], 0.375, 1e-6);
    CHECK(good[2] == 0);
    CHECK(pel_psf_normalise(negative, pel_size_make(2, 1, 1, 1), &error) == PEL_EINVAL);
    CHECK(pel_psf_normalise(zero, pel_size_make(2, 1, 1, 1), &error) == PEL_EINVAL);
    CHECK(pel_psf_normalise(bad, pel_size_make(2, 1, 1, 1), &error) == PEL_EINVAL);
    pel_psf a = make("gauss:1.5"), b = make("motion:9,0"), both;
    CHECK(pel_psf_convolve(&context, &a, &b, &both) == PEL_OK);
    moments ma = moments_of(&a), mb = moments_of(&b), m = moments_of(&both);
    CHECK_NEAR(m.sum, 1, 1e-6);
    CHECK_NEAR(m.x, 0, 1e-5);
    CHECK_NEAR(m.xx, ma.xx + mb.xx, 1e-3);
    CHECK_NEAR(m.yy, ma.yy + mb.yy, 1e-3);
    pel_psf_clear(&a);
    pel_psf_clear(&b);
    pel_psf_clear(&both);
}

int main(void)
{
    test_all();
    test_widths();
    test_directions();
    test_refused();
    test_normalise_and_convolve();
    return check_done();
}
