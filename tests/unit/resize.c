/* resize.c - pictures at another size: constants, ramps, means, what is refused.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/pool.h>
#include <pellucid/resize.h>

#include "check.h"

static pel_context context;

static void test_ramp(size_t w, size_t h, size_t tw, size_t th)
{
    float *from = pel_alloc_floats(2 * w * h), *to = pel_alloc_floats(2 * tw * th);
    for (size_t i = 0; i < 2 * w * h; i++)
        from[i] = (float)(i / (w * h)) + 0.25f * (float)(i % w) - 0.5f * (float)(i / w % h);
    CHECK(pel_resize(&context, from, pel_size_make(w, h, 1, 2), to, pel_size_make(tw, th, 1, 2)) ==
          PEL_OK);
    /* Away from the edges a ramp stays one, to what sampling the triangle costs: sample i of the result lies at (i + 1/2) w/tw - 1/2. */
    for (size_t i = 0; i < 2 * tw * th; i++) {
        double x = ((double)(i % tw) + 0.5) * (double)w / (double)tw - 0.5;
        double y = ((double)(i / tw % th) + 0.5) * (double)h / (double)th - 0.5;
        double rx = fmax((double)w / (double)tw, 1), ry = fmax((double)h / (double)th, 1);
        if (x >= rx && y >= ry && x <= (double)w - 1 - rx && y <= (double)h - 1 - ry)
            CHECK_NEAR((double)to[i], (double)(i / (tw * th)) + 0.25 * x - 0.5 * y, 5e-2);
    }
    pel_free(from);
    pel_free(to);
}

static void test_constant_and_identity(void)
{
    float from[35], to[12 * 9], same[35];
    uint32_t seed = 3;
    for (int i = 0; i < 35; i++)
        from[i] = 0.7f;
    CHECK(pel_resize(&context, from, pel_size_make(7, 5, 1, 1), to, pel_size_make(12, 9, 1, 1)) ==
          PEL_OK);
    for (int i = 0; i < 12 * 9; i++)
        CHECK_NEAR((double)to[i], 0.7, 1e-6);
    for (int i = 0; i < 35; i++)
        from[i] = check_random(&seed);
    CHECK(pel_resize(&context, from, pel_size_make(7, 5, 1, 1), same, pel_size_make(7, 5, 1, 1)) ==
          PEL_OK);
    for (int i = 0; i < 35; i++)
        CHECK_NEAR((double)same[i], (double)from[i], 1e-6);
}

/* The finest checkerboard becomes grey, not a coarser pattern. */
static void test_alias(void)
{
    float from[64 * 64], to[20 * 20];
    for (size_t i = 0; i < 64 * 64; i++)
        from[i] = (float)((i + i / 64) % 2);
    CHECK(pel_resize(&context, from, pel_size_make(64, 64, 1, 1), to, pel_size_make(20, 20, 1, 1)) ==
          PEL_OK);
    for (size_t i = 0; i < 400; i++)
        CHECK_NEAR((double)to[i], 0.5, 0.05);
}

int main(void)
{
    pel_error error = {PEL_OK, ""};
    pel_pool *pool;
    float a[4] = {0}, b[4];
    if (pel_pool_new(2, &pool, &error) != PEL_OK)
        return EXIT_FAILURE;
    context = (pel_context){.pool = pool, .error = &error, .plan_estimate = true};
    test_ramp(50, 40, 35, 28);
    test_ramp(50, 40, 71, 33);
    test_ramp(9, 9, 3, 3);
    test_constant_and_identity();
    test_alias();
    CHECK(pel_resize(&context, a, pel_size_make(2, 2, 1, 1), b, pel_size_make(0, 2, 1, 1)) == PEL_EINVAL);
    CHECK(pel_resize(&context, a, pel_size_make(1, 1, 4, 1), b, pel_size_make(1, 1, 4, 1)) == PEL_EINVAL);
    pel_pool_free(pool);
    return check_done();
}
