/* scene.c - writes a stream with a synthetic picture, for the tests of the programs.
 *
 * Usage: scene WxHxDxC [frames N] [stars] [roles ROLE...]
 * Edges, gradients, texture and dots in 0..1; `stars`: points on a sky of 200. `roles` adds a
 * companion of each role: mask, sigma, truth, psf of fitting sizes, others of 3 samples.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <unistd.h>

#include <pellucid/stream.h>

#include "unit/check.h"

static void die(const char *text)
{
    fprintf(stderr, "scene: %s\n", text);
    exit(1);
}

static float scene_at(size_t x, size_t y, size_t z, size_t c, uint32_t *seed)
{
    float v = 0.2f + 0.3f * sinf(0.05f * (float)(x + 2 * y) + (float)c) * cosf(0.07f * (float)y);
    if ((x / 17 + y / 23 + z) % 3 == 0)
        v += 0.3f;
    if ((x * x + y * y + 7 * z) % 97 == 0)
        v += 0.2f;
    return fmaxf(v + 0.05f * check_random(seed), 0.02f);
}

static float star_at(size_t x, size_t y, size_t z, size_t c, uint32_t *seed)
{
    (void)c;
    (void)seed;
    return 200 + ((x * 7 + y * 13 + z) % 101 == 0 ? 900.0f : 0.0f);
}

static pel_frame *make(const char *role, pel_size size, int number, bool stars)
{
    pel_frame *frame;
    pel_error error;
    if (pel_frame_new(role, PEL_F32, size, &frame, &error) != PEL_OK)
        die(error.text);
    uint32_t seed = (uint32_t)number + 1;
    float *to = pel_frame_floats(frame);
    for (size_t c = 0; c < size.c; c++)
        for (size_t z = 0; z < size.d; z++)
            for (size_t y = 0; y < size.h; y++)
                for (size_t x = 0; x < size.w; x++)
                    *to++ = (stars ? star_at : scene_at)(x + (size_t)number, y, z, c, &seed);
    return frame;
}

static pel_frame *companion(const char *role, pel_size size)
{
    pel_frame *frame;
    if (strcmp(role, "truth") == 0)
        return make(role, size, 0, false);
    bool plane = strcmp(role, "mask") == 0 || strcmp(role, "sigma") == 0;
    size_t side = strcmp(role, "psf") == 0 ? 3 : 0;
    pel_size own = plane ? pel_size_make(size.w, size.h, size.d, 1)
                   : side > 0 ? pel_size_make(side, side, 1, 1)
                              : pel_size_make(3, 1, 1, 1);
    if (pel_frame_new(role, PEL_F32, own, &frame, NULL) != PEL_OK)
        die("no such role");
    float value = strcmp(role, "sigma") == 0 ? 0.02f : side > 0 ? 1.0f / 9 : 1;
    for (size_t i = 0; i < pel_size_count(own); i++)
        pel_frame_floats(frame)[i] = value;
    return frame;
}

int main(int argc, char **argv)
{
    pel_size size;
    int frames = 1, at = 2;
    bool stars = false;
    if (argc < 2 || sscanf(argv[1], "%zux%zux%zux%zu", &size.w, &size.h, &size.d, &size.c) != 4)
        die("usage: scene WxHxDxC [frames N] [stars] [roles ROLE...]");
    if (at + 1 < argc && strcmp(argv[at], "frames") == 0) {
        frames = atoi(argv[at + 1]);
        at += 2;
    }
    if (at < argc && strcmp(argv[at], "stars") == 0) {
        stars = true;
        at++;
    }
    pel_writer *writer;
    pel_error error;
    pel_status status = pel_writer_new(STDOUT_FILENO, &writer, &error);
    for (int n = 0; n < frames && status == PEL_OK; n++) {
        pel_bundle bundle = {make("image", size, n, stars), NULL, 0};
        char name[32];
        snprintf(name, sizeof name, "scene%d.tif", n);
        status = pel_frame_set(bundle.image, "name", name, &error);
        if (status == PEL_OK && !stars)
            status = pel_frame_set(bundle.image, "white", "1", &error);
        for (int i = at + 1; i < argc && status == PEL_OK; i++) {
            pel_frame *extra = companion(argv[i], size);
            status = pel_bundle_put(&bundle, extra, &error);
            pel_frame_unref(extra);
        }
        if (status == PEL_OK)
            status = pel_writer_bundle(writer, &bundle, &error);
        pel_bundle_clear(&bundle);
    }
    if (status == PEL_OK)
        status = pel_writer_end(writer, &error);
    pel_writer_free(writer);
    if (status != PEL_OK)
        die(error.text);
    return 0;
}
