/* ensemble.c - members of an ensemble lie as they should, and what is known of simple restorations comes out.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/conv.h>
#include <pellucid/ensemble.h>
#include <pellucid/geometry.h>

#include "check.h"

static pel_error error;
static const pel_context ctx = {.error = &error};

static pel_frame *frame_of(const char *role, pel_size size, uint32_t seed)
{
    pel_frame *f;
    if (pel_frame_new(role, PEL_F32, size, &f, &error) != PEL_OK)
        exit(99);
    for (size_t i = 0; i < pel_size_count(size); i++)
        pel_frame_floats(f)[i] = 0.1f + check_random(&seed);
    return f;
}

static void put(pel_bundle *b, pel_frame *f)
{
    CHECK(pel_bundle_put(b, f, &error) == PEL_OK);
    pel_frame_unref(f);
}

static pel_frame *constant(const char *role, pel_size size, float value)
{
    pel_frame *f = frame_of(role, size, 1);
    for (size_t i = 0; i < pel_size_count(size); i++)
        pel_frame_floats(f)[i] = value;
    return f;
}

static bool same(const pel_frame *a, const pel_frame *b, float factor, double tolerance)
{
    bool good = pel_size_equal(a->size, b->size);
    for (size_t i = 0; good && i < pel_size_count(a->size); i++)
        good = fabs((double)pel_frame_floats(a)[i] - (double)(factor * pel_frame_floats(b)[i])) <= tolerance;
    return good;
}

/* Maps, masks, references and data lie as the image does, and turning back is exact; noise goes to the measurement. */
static void test_members(void)
{
    const pel_size size = {13, 9, 2, 3}, one = {13, 9, 2, 1};
    static const char *const roles[] = {"mask", "reference", "truth", "data"};
    pel_bundle b = {frame_of("image", size, 1), NULL, 0};
    pel_frame *sigma = frame_of("sigma", one, 9), *result = frame_of("image", size, 2);
    for (uint32_t k = 0; k < 4; k++)
        put(&b, frame_of(roles[k], k == 0 ? one : size, 3 + k));
    pel_ensemble e;
    CHECK(pel_ensemble_open(&ctx, &b, result, sigma, &(pel_ensemble_params){.part = 0.75}, &e) == PEL_OK);
    for (size_t m = 0; m < PEL_ENSEMBLE_MEMBERS; m++) {
        pel_bundle turned = {NULL, NULL, 0};
        pel_frame *back;
        CHECK(pel_ensemble_member(&e, m, &turned) == PEL_OK, "(%s)", error.text);
        CHECK(turned.image->size.w == (m < 4 ? 13 : 9) && turned.image->size.h == (m < 4 ? 9 : 13));
        for (size_t k = 0; k < 5; k++) {
            const pel_frame *was = k == 4 ? b.image : pel_bundle_find(&b, roles[k], NULL);
            const pel_frame *is = k == 4 ? turned.image : pel_bundle_find(&turned, roles[k], NULL);
            CHECK(pel_geometry_turn(is, pel_ensemble_back(m), &back, &error) == PEL_OK);
            CHECK(same(back, was, 1, 0) == (k != 3), "member %zu: %s", m, k == 4 ? "image" : roles[k]);
            pel_frame_unref(back);
        }
        CHECK(pel_geometry_turn(pel_bundle_find(&turned, "sigma", NULL), pel_ensemble_back(m), &back, &error) == PEL_OK);
        CHECK(same(back, sigma, 1.25f, 1e-6), "member %zu: sigma", m);
        pel_frame_unref(back);
        pel_bundle_clear(&turned);
    }
    pel_ensemble_close(&e);
    pel_frame_unref(result);
    pel_frame_unref(sigma);
    pel_bundle_clear(&b);
}

/* The mean of an array, of its finite samples. */
static double mean(const float *v, size_t count)
{
    double sum = 0, n = 0;
    for (size_t i = 0; i < count; i++)
        if (isfinite(v[i])) {
            sum += (double)v[i];
            n++;
        }
    return sum / n;
}

typedef struct {
    double spread, response;
    float *raw;
} figures;

static double surroundings; /* of the next run */

/* All members through `restore`, which changes the copy that it gets. */
static figures run(pel_bundle *b, const pel_frame *result, pel_frame *sigma, double part,
                   void (*restore)(const pel_bundle *member, pel_frame *copy))
{
    size_t count = pel_size_count(result->size);
    pel_ensemble e;
    figures f = {0, 0, pel_alloc_floats(count)};
    float *spread = pel_alloc_floats(2 * count), *response = spread + count;
    const pel_ensemble_params params = {part, surroundings, 5, 1};
    CHECK(pel_ensemble_open(&ctx, b, result, sigma, &params, &e) == PEL_OK, "(%s)", error.text);
    for (size_t m = 0; m < PEL_ENSEMBLE_MEMBERS; m++) {
        pel_bundle member = {NULL, NULL, 0};
        pel_frame *copy;
        CHECK(pel_ensemble_member(&e, m, &member) == PEL_OK, "(%s)", error.text);
        CHECK(pel_frame_like(member.image, NULL, member.image->size, &copy, &error) == PEL_OK);
        memcpy(pel_frame_floats(copy), pel_frame_floats(member.image), copy->bytes);
        restore(&member, copy);
        CHECK(pel_ensemble_take(&e, m, copy) == PEL_OK, "(%s)", error.text);
        pel_frame_unref(copy);
        pel_bundle_clear(&member);
    }
    CHECK(pel_ensemble_figures(&e, 1, 3, spread, response) == PEL_OK);
    CHECK(pel_ensemble_raw(&e, f.raw) == PEL_OK);
    f.spread = mean(spread, count);
    f.response = mean(response, count);
    pel_free(spread);
    pel_ensemble_close(&e);
    return f;
}

static void nothing(const pel_bundle *member, pel_frame *copy)
{
    (void)member;
    (void)copy;
}

static void half(const pel_bundle *member, pel_frame *copy)
{
    (void)member;
    for (size_t i = 0; i < pel_size_count(copy->size); i++)
        pel_frame_floats(copy)[i] *= 0.5f;
}

/* Brighter to the right, whichever side that is. */
static void ramp(const pel_bundle *member, pel_frame *copy)
{
    (void)member;
    for (size_t i = 0; i < pel_size_count(copy->size); i++)
        pel_frame_floats(copy)[i] += (float)(i % copy->size.w);
}

/* Linear restorations: the response is what they make of a change. */
static void test_figures(void)
{
    const pel_size size = {120, 90, 1, 2};
    pel_bundle b = {frame_of("image", size, 1), NULL, 0};
    pel_frame *sigma = constant("sigma", pel_size_make(1, 1, 1, 1), 0.2f), *map = constant("sigma", size, 0.2f);
    pel_frame *halved = frame_of("image", size, 1);
    half(NULL, halved);
    pel_frame_floats(b.image)[5 * 120 + 7] = NAN; /* of one sample nothing is known */
    figures f = run(&b, b.image, sigma, 0.5, nothing);
    CHECK_NEAR(f.response, 0.04, 0.0004);
    CHECK_NEAR(f.spread, 0.01, 0.0001);
    CHECK_NEAR(mean(f.raw, pel_size_count(size)), sqrt(0.01 + 0.1 * 0.04), 0.003);
    CHECK(isnan(f.raw[5 * 120 + 7]) && isfinite(f.raw[5 * 120 + 8]));
    pel_free(f.raw);
    f = run(&b, halved, sigma, 0.25, half);
    CHECK_NEAR(f.response, 0.02, 0.0004);
    CHECK_NEAR(f.spread, 0.04 * 0.0625 * 0.25, 1e-5);
    pel_free(f.raw);
    for (size_t i = 0; i < 120 * 90; i++) /* a map: the second channel has three times the noise */
        pel_frame_floats(map)[120 * 90 + i] = 0.6f;
    f = run(&b, b.image, map, 0.5, nothing);
    CHECK_NEAR(f.response, (0.04 + 0.36) / 2, 0.003);
    CHECK_NEAR(mean(f.raw + 120 * 90, 120 * 90) / mean(f.raw, 120 * 90), 3, 0.05);
    pel_free(f.raw);
    /* What depends on how the picture lies is spread: sides of 120, 90, 120, 90, each twice. */
    f = run(&b, b.image, sigma, 1e-3, ramp);
    CHECK(f.spread > 500, "%g", f.spread);
    pel_free(f.raw);
    pel_frame_unref(sigma);
    pel_frame_unref(map);
    pel_frame_unref(halved);
    pel_bundle_clear(&b);
}

/* The truth where the mask is 0; elsewhere the noise stays. */
static void mix(const pel_bundle *member, pel_frame *copy)
{
    const pel_frame *truth = pel_bundle_find(member, "truth", NULL), *mask = pel_bundle_find(member, "mask", NULL);
    for (size_t i = 0; i < pel_size_count(copy->size); i++)
        if (pel_frame_floats(mask)[i] == 0)
            pel_frame_floats(copy)[i] = pel_frame_floats(truth)[i];
}

/* Members agree in the left third: what differs beside it counts near by, at half the weight half as much, and not
 * unless asked for. */
static void test_surroundings(void)
{
    const pel_size size = {120, 90, 1, 1};
    pel_bundle b = {frame_of("image", size, 1), NULL, 0};
    pel_frame *sigma = constant("sigma", pel_size_make(1, 1, 1, 1), 0.2f), *mask = constant("mask", size, 1);
    for (size_t y = 0; y < 90; y++)
        memset(pel_frame_floats(mask) + y * 120, 0, 40 * sizeof(float));
    put(&b, frame_of("truth", size, 1));
    put(&b, mask);
    float beside[2], far[2];
    for (int k = 0; k < 2; k++) { /* the response reaches 7 samples */
        surroundings = 0.5 + 0.5 * k;
        figures f = run(&b, b.image, sigma, 0.5, mix);
        beside[k] = f.raw[45 * 120 + 31];
        far[k] = f.raw[45 * 120 + 20];
        CHECK(f.raw[45 * 120 + 100] > 0.09, "%g", (double)f.raw[45 * 120 + 100]);
        pel_free(f.raw);
    }
    CHECK_NEAR((double)(beside[1] * beside[1]), 0.01 * 7 / 31, 4e-4);
    CHECK_NEAR((double)(beside[0] / beside[1]), sqrt(0.5), 1e-4);
    CHECK(far[0] < 1e-3f && far[1] < 1e-3f, "%g", (double)far[1]);
    surroundings = 0;
    figures f = run(&b, b.image, sigma, 0.5, mix);
    CHECK(f.raw[45 * 120 + 31] < 1e-3f, "%g", (double)f.raw[45 * 120 + 31]);
    pel_free(f.raw);
    pel_frame_unref(sigma);
    pel_bundle_clear(&b);
}

static void blur(const pel_bundle *member, pel_frame *copy)
{
    const pel_frame *psf = pel_bundle_find(member, "psf", NULL);
    CHECK(pel_convolve(&ctx, pel_frame_floats(member->image), copy->size, pel_frame_floats(psf), psf->size,
                       PEL_BORDER_REFLECT, pel_frame_floats(copy)) == PEL_OK);
}

/* A PSF of even and odd sides turns with the picture, so that blurring makes no difference. */
static void test_psf(void)
{
    const pel_size size = {40, 31, 1, 1};
    pel_bundle b = {frame_of("image", size, 1), NULL, 0};
    pel_frame *sigma = constant("sigma", pel_size_make(1, 1, 1, 1), 1e-4f), *result = frame_of("image", size, 1);
    put(&b, frame_of("psf", pel_size_make(4, 3, 1, 1), 6));
    blur(&b, result);
    figures f = run(&b, result, sigma, 0.1, blur);
    CHECK(f.spread < 1e-9, "%g", f.spread);
    pel_free(f.raw);
    pel_frame_unref(sigma);
    pel_frame_unref(result);
    pel_bundle_clear(&b);
}

static void test_refused(void)
{
    const pel_size size = {8, 8, 1, 1};
    pel_bundle b = {frame_of("image", size, 1), NULL, 0};
    pel_frame *zero = constant("sigma", pel_size_make(1, 1, 1, 1), 0), *sigma = constant("sigma", zero->size, 1);
    pel_frame *map = constant("sigma", pel_size_make(7, 8, 1, 1), 1), *other = frame_of("image", map->size, 1);
    pel_ensemble e;
    float raw[64];
    const pel_ensemble_params good = {.part = 1}, bad = {.part = 0};
    CHECK(pel_ensemble_open(&ctx, &b, b.image, zero, &good, &e) == PEL_EINVAL);
    pel_ensemble_close(&e);
    CHECK(pel_ensemble_open(&ctx, &b, b.image, map, &good, &e) == PEL_EINVAL);
    pel_ensemble_close(&e);
    CHECK(pel_ensemble_open(&ctx, &b, b.image, sigma, &bad, &e) == PEL_EINVAL);
    pel_ensemble_close(&e);
    CHECK(pel_ensemble_open(&ctx, &b, other, sigma, &good, &e) == PEL_EINVAL);
    pel_ensemble_close(&e);
    CHECK(pel_ensemble_open(&ctx, &b, b.image, sigma, &good, &e) == PEL_OK);
    CHECK(pel_ensemble_take(&e, 0, other) == PEL_EINVAL && e.members == 0);
    CHECK(pel_ensemble_take(&e, 0, b.image) == PEL_OK && e.members == 1);
    CHECK(pel_ensemble_raw(&e, raw) == PEL_EINVAL);
    pel_ensemble_close(&e);
    pel_frame_unref(zero);
    pel_frame_unref(sigma);
    pel_frame_unref(map);
    pel_frame_unref(other);
    pel_bundle_clear(&b);
}

int main(void)
{
    test_members();
    test_figures();
    test_surroundings();
    test_psf();
    test_refused();
    return check_done();
}
