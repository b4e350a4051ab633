/* turn.c - the blur of a camera that turns about its axis and drifts a little, for the tests.
 *
 * Usage: turn DEGREES.  Each image becomes the mean of itself turned by -DEGREES to DEGREES about its
 * centre and moved along an arc, the mean position being none; what it was becomes the truth.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include <pellucid/driver.h>

#define POSES 41

static float at(const float *v, pel_size size, double x, double y)
{
    x = fmin(fmax(x, 0), (double)size.w - 1.001);
    y = fmin(fmax(y, 0), (double)size.h - 1.001);
    size_t i = (size_t)x, j = (size_t)y;
    float a = (float)(x - (double)i), b = (float)(y - (double)j);
    const float *p = v + j * size.w + i;
    return (1 - b) * ((1 - a) * p[0] + a * p[1]) + b * ((1 - a) * p[size.w] + a * p[size.w + 1]);
}

static void shake(const float *v, pel_size size, double degrees, float *to)
{
    double cx = (double)size.w / 2, cy = (double)size.h / 2;
    for (size_t i = 0; i < size.w * size.h; i++) {
        double dx = (double)(i % size.w) - cx, dy = (double)(i / size.w) - cy, sum = 0;
        for (int n = 0; n < POSES; n++) {
            double t = 2.0 * n / (POSES - 1) - 1, angle = t * degrees * M_PI / 180;
            double x = cx + cos(angle) * dx - sin(angle) * dy + t;
            double y = cy + sin(angle) * dx + cos(angle) * dy + 2 * (t * t - 1.0 / 3);
            sum += (double)at(v, size, x, y);
        }
        to[i] = (float)(sum / POSES);
    }
}

static pel_status image(pel_run *run, const pel_bundle *bundle)
{
    char **operands;
    if (pel_run_operands(run, &operands) != 1 || bundle->image->size.d != 1)
        return pel_error_set(pel_run_error(run), PEL_EUSAGE, "usage: turn DEGREES, for pictures");
    const pel_size size = bundle->image->size;
    pel_frame *shaken, *truth;
    pel_bundle out = {NULL, NULL, 0};
    pel_status status = pel_frame_like(bundle->image, NULL, size, &shaken, pel_run_error(run));
    if (status != PEL_OK)
        return status;
    for (size_t c = 0; c < size.c; c++)
        shake(pel_frame_floats(bundle->image) + c * size.w * size.h, size, strtod(operands[0], NULL),
              pel_frame_floats(shaken) + c * size.w * size.h);
    status = pel_frame_copy(bundle->image, "truth", &truth, pel_run_error(run));
    if (status == PEL_OK) {
        pel_bundle_set_image(&out, shaken);
        status = pel_bundle_put(&out, truth, pel_run_error(run));
        if (status == PEL_OK)
            status = pel_emit(run, &out);
        pel_frame_unref(truth);
    }
    pel_bundle_clear(&out);
    pel_frame_unref(shaken);
    return status;
}

int main(int argc, char **argv)
{
    static const pel_program program = {
        .name = "turn", .summary = "blur by a turning camera", .operands = "DEGREES", .image = image};
    return pel_main(&program, argc, argv);
}
