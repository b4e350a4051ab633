/* consistency.c - residuals against the measurement and what keeps to them, against plain loops.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/consistency.h>
#include <pellucid/conv.h>

#include "check.h"

static pel_error error;
static const pel_context ctx = {.error = &error};

static float *noise(size_t count, float scale, uint32_t seed)
{
    float *v = pel_alloc_floats(count);
    if (v == NULL)
        exit(99);
    for (size_t i = 0; i < count; i++) { /* the sum of twelve: near to Gaussian, variance 1 */
        float sum = -6;
        for (int k = 0; k < 12; k++)
            sum += check_random(&seed);
        v[i] = scale * sum;
    }
    return v;
}

/* r at a sample by the definition, NaN where it does not count. */
static double plain_residual(const pel_problem *p, const float *x, size_t c, const size_t at[3])
{
    const pel_size s = p->size, k = p->psf_size;
    size_t plane = pel_size_plane(s), here = (at[2] * s.h + at[1]) * s.w + at[0];
    double sum = 0, sigma = p->sigma_map != NULL ? (double)p->sigma_map[here] : p->sigma;
    const float *psf = p->psf + (k.c > 1 ? c : 0) * pel_size_plane(k);
    for (size_t z = 0; z < k.d; z++)
        for (size_t y = 0; y < k.h; y++)
            for (size_t i = 0; i < k.w; i++) {
                size_t fx = at[0] + k.w / 2 - i, fy = at[1] + k.h / 2 - y, fz = at[2] + k.d / 2 - z;
                if (fx >= s.w || fy >= s.h || fz >= s.d)
                    return (double)NAN;
                sum += (double)psf[(z * k.h + y) * k.w + i] * (double)x[c * plane + (fz * s.h + fy) * s.w + fx];
            }
    double weight = p->mask != NULL ? (double)p->mask[here] : 1;
    return weight > 0 ? ((double)p->data[c * plane + here] - sum) / sigma * sqrt(weight) : (double)NAN;
}

typedef struct {
    double rms, worst;
    size_t samples, at[4];
} plain;

static plain plain_measure(const pel_problem *p, const float *x, size_t window)
{
    plain m = {0, -1, 0, {0, 0, 0, 0}};
    const pel_size s = p->size;
    for (size_t c = 0; c < s.c; c++)
        for (size_t i = 0; i < pel_size_plane(s); i++) {
            const size_t at[3] = {i % s.w, i / s.w % s.h, i / s.w / s.h};
            double r = plain_residual(p, x, c, at), sum = 0;
            size_t count = 0;
            if (isfinite(r)) {
                m.rms += r * r;
                m.samples++;
            }
            for (size_t v = 0; v < window; v++)
                for (size_t u = 0; u < window; u++) {
                    const size_t to[3] = {at[0] + u - window / 2, at[1] + v - window / 2, at[2]};
                    double q = to[0] < s.w && to[1] < s.h ? plain_residual(p, x, c, to) : (double)NAN;
                    sum += isfinite(q) ? q * q : 0;
                    count += isfinite(q);
                }
            if (2 * count < window * window || sqrt(sum / (double)count) <= m.worst)
                continue;
            m.worst = sqrt(sum / (double)count);
            m.at[0] = at[0], m.at[1] = at[1], m.at[2] = at[2], m.at[3] = c;
        }
    m.rms = sqrt(m.rms / (double)m.samples);
    return m;
}

/* PSFs of even and odd sides, a volume, masks, a map of sigma, two channels with their own PSFs. */
static void test_measure(void)
{
    const pel_size size = {19, 17, 4, 2}, psf_size = {4, 3, 2, 2};
    const size_t count = pel_size_count(size), plane = pel_size_plane(size);
    float *data = noise(count, 1, 1), *x = noise(count, 1, 2), *psf = noise(48, 1, 3), *mask = noise(plane, 1, 4),
          *map = noise(plane, 1, 5);
    for (size_t i = 0; i < plane; i++) {
        mask[i] = mask[i] < -1 ? 0 : mask[i] > 1 ? 0.5f : 1;
        map[i] = 1 + fabsf(map[i]);
    }
    data[5 * 19 + 7] = NAN;
    x[2 * 19 * 17 + 9 * 19 + 9] = INFINITY;
    pel_problem p = {.size = size, .data = data, .mask = mask, .mask_channels = 1, .psf = psf, .psf_size = psf_size,
                     .sigma = 1, .sigma_map = map, .sigma_channels = 1};
    plain expected = plain_measure(&p, x, 5);
    pel_consistency found;
    CHECK(pel_consistency_measure(&ctx, &p, x, 5, &found) == PEL_OK, "(%s)", error.text);
    CHECK(found.samples == expected.samples && expected.samples > 500, "%zu, %zu", found.samples, expected.samples);
    CHECK_NEAR(found.rms, expected.rms, 1e-4 * expected.rms);
    CHECK_NEAR(found.worst, expected.worst, 1e-4 * expected.worst);
    for (int k = 0; k < 4; k++)
        CHECK(found.at[k] == expected.at[k], "axis %d: %zu, %zu", k, found.at[k], expected.at[k]);
    pel_free(data);
    pel_free(x);
    pel_free(psf);
    pel_free(mask);
    pel_free(map);
}

/* A small thing that is not there: hardly in the whole, plainly in its window. */
static void test_small(void)
{
    const pel_size size = {200, 150, 1, 1};
    float *data = noise(200 * 150, 0.1f, 1), *x = pel_calloc_floats(200 * 150);
    pel_problem p = {.size = size, .data = data, .sigma = 0.1};
    pel_consistency found;
    CHECK(pel_consistency_measure(&ctx, &p, x, 16, &found) == PEL_OK);
    CHECK_NEAR(found.rms, 1, 0.02);
    CHECK_NEAR(found.worst, 1.2, 0.1);
    for (size_t y = 70; y < 75; y++)
        for (size_t i = 120; i < 125; i++)
            x[y * 200 + i] = 0.5f;
    CHECK(pel_consistency_measure(&ctx, &p, x, 16, &found) == PEL_OK);
    CHECK_NEAR(found.rms, 1, 0.03);
    CHECK(found.worst > 1.6, "%g", found.worst);
    CHECK_NEAR((double)found.at[0], 122, 8);
    CHECK_NEAR((double)found.at[1], 72, 8);
    for (size_t i = 0; i < 200 * 150; i++)
        x[i] = NAN;
    CHECK(pel_consistency_measure(&ctx, &p, x, 16, &found) == PEL_OK);
    CHECK(found.samples == 0 && isnan(found.rms) && isnan(found.worst));
    pel_free(data);
    pel_free(x);
}

static void test_refused(void)
{
    float data[64] = {0}, psf[9 * 9] = {0}, x[64] = {0};
    pel_consistency found;
    pel_keep_report report;
    pel_problem p = {.size = {8, 8, 1, 1}, .data = data};
    CHECK(pel_consistency_measure(&ctx, &p, x, 4, &found) == PEL_EINVAL);
    CHECK(strstr(error.text, "noise level is 0") != NULL, "%s", error.text);
    p.sigma = 1;
    CHECK(pel_consistency_measure(&ctx, &p, x, 1, &found) == PEL_EINVAL);
    CHECK(pel_consistency_keep(&ctx, &p, x, &(pel_keep_params){1, 1}, data, &report) == PEL_EINVAL);
    CHECK(pel_consistency_keep(&ctx, &p, x, &(pel_keep_params){4, -1}, data, &report) == PEL_EINVAL);
    p.psf = psf;
    p.psf_size = pel_size_make(9, 9, 1, 1);
    CHECK(pel_consistency_measure(&ctx, &p, x, 4, &found) == PEL_EINVAL);
    CHECK(strstr(error.text, "PSF of 9x9x1") != NULL, "%s", error.text);
    p.psf_size = pel_size_make(3, 3, 1, 2);
    CHECK(pel_consistency_measure(&ctx, &p, x, 4, &found) == PEL_EINVAL);
}

/* ---- Keeping to it */

typedef struct {
    pel_problem p;
    float *truth, *data, *psf, *from, *net;
    size_t count;
} scene;

/* A smooth picture, measured through a box of `side` with noise of 0.02; what came is the truth with errors. */
static scene make_scene(size_t w, size_t h, size_t channels, size_t side)
{
    scene s = {.count = w * h * channels};
    s.p.size = pel_size_make(w, h, 1, channels);
    s.truth = pel_alloc_floats(s.count);
    s.psf = pel_alloc_floats(side * side);
    for (size_t i = 0; i < s.count; i++)
        s.truth[i] = 0.5f + 0.3f * sinf(0.1f * (float)(i % w)) * cosf(0.08f * (float)(i / w));
    for (size_t i = 0; i < side * side; i++)
        s.psf[i] = 1 / (float)(side * side);
    s.data = noise(s.count, 0.02f, 1);
    s.from = noise(s.count, 0.02f, 2);
    s.net = noise(s.count, 0.01f, 3);
    float *blurred = pel_alloc_floats(s.count);
    s.p.psf_size = pel_size_make(side, side, 1, 1);
    CHECK(pel_convolve(&ctx, s.truth, s.p.size, s.psf, s.p.psf_size, PEL_BORDER_REFLECT, blurred) == PEL_OK);
    for (size_t i = 0; i < s.count; i++) {
        s.data[i] += blurred[i];
        s.from[i] += s.truth[i];
        s.net[i] += s.truth[i];
    }
    pel_free(blurred);
    s.p.data = s.data;
    s.p.psf = s.psf;
    s.p.sigma = 0.02;
    return s;
}

static void free_scene(scene *s)
{
    pel_free(s->truth);
    pel_free(s->data);
    pel_free(s->psf);
    pel_free(s->from);
    pel_free(s->net);
}

static void add_blob(scene *s, size_t x, size_t y, size_t side, float value)
{
    for (size_t j = y; j < y + side; j++)
        for (size_t i = x; i < x + side; i++)
            s->net[j * s->p.size.w + i] += value;
}

static double far_from(const scene *s, const float *what)
{
    double sum = 0;
    for (size_t i = 0; i < s->count; i++)
        sum += pow((double)what[i] - (double)s->truth[i], 2);
    return sqrt(sum / (double)s->count);
}

static void test_harmless(void)
{
    scene s = make_scene(90, 70, 3, 3);
    float *before = pel_alloc_floats(s.count);
    pel_keep_report report;
    memcpy(before, s.net, s.count * sizeof *before);
    CHECK(pel_consistency_keep(&ctx, &s.p, s.from, &(pel_keep_params){16, 4}, s.net, &report) == PEL_OK);
    CHECK(report.kept == 1 && report.rounds == 0 && report.left == 0);
    CHECK(memcmp(before, s.net, s.count * sizeof *before) == 0);
    pel_free(before);
    free_scene(&s);
}

/* What is invented in one channel goes, and all else stays. */
static void test_blob(size_t channels, size_t side)
{
    scene s = make_scene(150, 120, channels, side);
    const pel_keep_params params = {16, 4};
    pel_keep_report report;
    pel_consistency was, is, first;
    CHECK(pel_consistency_measure(&ctx, &s.p, s.from, 16, &first) == PEL_OK);
    add_blob(&s, 70, 50, 7, 0.5f);
    float *before = pel_alloc_floats(s.count);
    memcpy(before, s.net, s.count * sizeof *before);
    double error_before = far_from(&s, s.net);
    CHECK(pel_consistency_measure(&ctx, &s.p, s.net, 16, &was) == PEL_OK);
    CHECK(pel_consistency_keep(&ctx, &s.p, s.from, &params, s.net, &report) == PEL_OK);
    CHECK(pel_consistency_measure(&ctx, &s.p, s.net, 16, &is) == PEL_OK);
    CHECK(was.worst > 2 && report.left == 0, "PSF %zu: worst was %g, %zu left", side, was.worst, report.left);
    CHECK(is.worst < fmax(first.worst, sqrt(1 + 4 * sqrt(2.0 / 128))) * 1.01, "PSF %zu: worst is %g", side, is.worst);
    CHECK(report.kept > 0.7 && report.kept < 1, "PSF %zu: kept %g", side, report.kept);
    CHECK(far_from(&s, s.net) < 0.65 * error_before, "PSF %zu: %g, %g", side, far_from(&s, s.net), error_before);
    CHECK(memcmp(before, s.net, 10 * 150 * sizeof *before) == 0);
    CHECK(s.net[53 * 150 + 73] < 0.5f * before[53 * 150 + 73] + 0.5f * s.truth[53 * 150 + 73]);
    pel_free(before);
    free_scene(&s);
}

/* Weak and everywhere: below the bound of small windows, above that of large ones. */
static void test_veil(void)
{
    scene s = make_scene(256, 256, 1, 1);
    const pel_keep_params params = {16, 4};
    pel_keep_report report;
    pel_consistency found;
    for (size_t i = 0; i < s.count; i++)
        s.net[i] = s.truth[i] + 0.007f * (i % 2 == 0 ? 1.0f : -1.0f);
    CHECK(pel_consistency_keep(&ctx, &s.p, s.data, &params, s.net, &report) == PEL_OK);
    CHECK(report.kept > 0.9 && report.kept < 0.995 && report.left == 0, "%g", report.kept);
    CHECK(pel_consistency_measure(&ctx, &s.p, s.net, 64, &found) == PEL_OK);
    CHECK(found.worst < sqrt(1 + 4 * sqrt(2.0 / 2048)) * 1.01, "%g", found.worst);
    free_scene(&s);
}

/* Where nothing was measured, or no blur is seen whole, nothing changes; NaN stay. */
static void test_unseen(void)
{
    scene s = make_scene(100, 100, 1, 9);
    pel_keep_report report;
    float *mask = pel_calloc_floats(s.count);
    for (size_t i = 0; i < s.count; i++)
        mask[i] = i % 100 < 50;
    s.p.mask = mask;
    s.p.mask_channels = 1;
    add_blob(&s, 80, 40, 7, 0.5f);
    s.net[45 * 100 + 60] = NAN;
    CHECK(pel_consistency_keep(&ctx, &s.p, s.from, &(pel_keep_params){16, 4}, s.net, &report) == PEL_OK);
    CHECK(report.kept == 1 && report.left == 0, "%g", report.kept);
    CHECK(isnan(s.net[45 * 100 + 60]));
    pel_free(mask);
    free_scene(&s);
}

int main(void)
{
    test_measure();
    test_small();
    test_refused();
    test_harmless();
    test_blob(1, 1);
    test_blob(3, 3);
    test_blob(1, 21); /* a PSF larger than the windows */
    test_veil();
    test_unseen();
    return check_done();
}
