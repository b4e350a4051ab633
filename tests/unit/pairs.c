/* pairs.c - samples to train with: what models get of a bundle is what pel-cnn gives them, and the truth beside it.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/cnn.h>

#include "check.h"

enum { W = 6, H = 4, PLANE = W * H };

static pel_frame *frame(const char *role, size_t w, size_t h, size_t c, uint32_t seed)
{
    pel_frame *f;
    CHECK(pel_frame_new(role, PEL_F32, pel_size_make(w, h, 1, c), &f, NULL) == PEL_OK);
    for (size_t i = 0; i < w * h * c; i++)
        pel_frame_floats(f)[i] = 100 + 200 * check_random(&seed);
    return f;
}

static void put(pel_bundle *b, pel_frame *f)
{
    CHECK(pel_bundle_put(b, f, NULL) == PEL_OK);
    pel_frame_unref(f);
}

/* Black is 100 and white 300 in the stream. */
static void make_bundle(pel_bundle *b, size_t channels)
{
    pel_frame *image = frame("image", W, H, channels, 1), *sigma = frame("sigma", 1, 1, 1, 9);
    *b = (pel_bundle){NULL, NULL, 0};
    CHECK(pel_frame_set(image, "black", "100", NULL) == PEL_OK && pel_frame_set(image, "white", "300", NULL) == PEL_OK);
    pel_frame_floats(sigma)[0] = 20;
    put(b, sigma);
    put(b, frame("truth", W, H, channels, 2));
    put(b, frame("psf", 3, 3, 1, 3));
    pel_bundle_set_image(b, image);
    pel_frame_unref(image);
}

static pel_model *make_model(int64_t channels)
{
    pel_model *m = pel_model_new("pairs", 17);
    pel_model_add_input(m, "psf", 1);
    pel_model_add_input(m, "image", channels);
    pel_model_add_input(m, "sigma", 1);
    pel_model_add_output(m, "output", channels);
    pel_model_add_node(m, "Identity", "image", "output");
    pel_model_set_metadata(m, "pellucid.range", "255");
    CHECK(pel_model_finish(m, NULL) == PEL_OK);
    return m;
}

static void test_values(size_t channels, int64_t of_model)
{
    pel_error error = {PEL_OK, ""};
    pel_context ctx = {.error = &error};
    pel_model *m = make_model(of_model);
    pel_cnn *cnn;
    pel_cnn_pair pair;
    pel_bundle b;
    static float psf[9], image[3 * PLANE], sigma[PLANE], target[3 * PLANE];
    float *inputs[] = {psf, image, sigma};
    make_bundle(&b, channels);
    pel_frame_floats(b.image)[5] = NAN;
    float *truth = pel_frame_floats(pel_bundle_find(&b, "truth", NULL));
    truth[7] = NAN;
    CHECK(pel_cnn_new(m, &cnn, &error) == PEL_OK);
    CHECK(pel_cnn_pair_sizes(&ctx, cnn, &b, &pair) == PEL_OK, "%s", error.text);
    CHECK(pair.samples == channels / (size_t)of_model && pair.input_count == 3);
    CHECK(pel_size_equal(pair.inputs[0], pel_size_make(3, 3, 1, 1)));
    CHECK(pel_size_equal(pair.inputs[1], pel_size_make(W, H, 1, (size_t)of_model)));
    CHECK(pel_size_equal(pair.inputs[2], pel_size_make(W, H, 1, 1)));
    CHECK(pel_size_equal(pair.target, pair.inputs[1]));
    for (size_t s = 0; s < pair.samples; s++) {
        CHECK(pel_cnn_pair_take(&ctx, cnn, &b, &pair, s, inputs, target) == PEL_OK, "%s", error.text);
        for (size_t i = 0; i < PLANE * (size_t)of_model; i++) {
            size_t at = s * PLANE + i;
            if (at != 5)
                CHECK_NEAR(image[i], ((double)pel_frame_floats(b.image)[at] - 100) / 200 * 255, 1e-3);
            if (at != 7)
                CHECK_NEAR(target[i], ((double)truth[at] - 100) / 200 * 255, 1e-3);
            CHECK(isfinite(image[i]) && (at == 7) == !isfinite(target[i]));
        }
        CHECK_NEAR(sigma[PLANE - 1], 20.0 / 200 * 255, 1e-3);
        CHECK(memcmp(psf, pel_frame_floats(pel_bundle_find(&b, "psf", NULL)), sizeof psf) == 0);
    }
    pel_bundle_remove(&b, "psf", NULL);
    CHECK(pel_cnn_pair_sizes(&ctx, cnn, &b, &pair) == PEL_EINVAL);
    pel_bundle_remove(&b, "truth", NULL);
    CHECK(pel_cnn_pair_sizes(&ctx, cnn, &b, &pair) == PEL_EINVAL && strstr(error.text, "truth") != NULL);
    pel_bundle_clear(&b);
    pel_cnn_free(cnn);
    pel_model_free(m);
}

int main(void)
{
    test_values(1, 1);
    test_values(3, 3);
    test_values(3, 1);
    return check_done();
}
