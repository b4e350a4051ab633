/* conv.c - every method of convolution against the formula, its adjoint, borders; the transforms.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/conv.h>
#include <pellucid/fft.h>
#include <pellucid/pool.h>

#include "check.h"

static pel_context context;

static float *random_array(size_t count, uint32_t seed)
{
    float *a = pel_alloc_floats(count);
    for (size_t i = 0; i < count; i++)
        a[i] = check_random(&seed) - 0.3f;
    return a;
}

static double dot(const float *a, const float *b, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static double worst(const float *a, const float *b, size_t count)
{
    double most = 0;
    for (size_t i = 0; i < count; i++)
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
    return most;
}

/* y(i) = sum_k psf(k) s(i + offset + centre - k), in double. */
static void formula(const pel_conv_spec *s, const float *from, float *to)
{
    ptrdiff_t n[3] = {(ptrdiff_t)s->psf_size.w, (ptrdiff_t)s->psf_size.h, (ptrdiff_t)s->psf_size.d};
    for (ptrdiff_t z = 0; z < (ptrdiff_t)s->out.d; z++)
        for (ptrdiff_t y = 0; y < (ptrdiff_t)s->out.h; y++)
            for (ptrdiff_t x = 0; x < (ptrdiff_t)s->out.w; x++) {
                double sum = 0;
                for (ptrdiff_t k = 0; k < n[0] * n[1] * n[2]; k++) {
                    ptrdiff_t px = x + s->offset[0] + n[0] / 2 - k % n[0];
                    ptrdiff_t py = y + s->offset[1] + n[1] / 2 - k / n[0] % n[1];
                    ptrdiff_t pz = z + s->offset[2] + n[2] / 2 - k / n[0] / n[1];
                    if (px >= 0 && px < (ptrdiff_t)s->in.w && py >= 0 && py < (ptrdiff_t)s->in.h &&
                        pz >= 0 && pz < (ptrdiff_t)s->in.d)
                        sum += (double)s->psf[k] *
                               (double)from[(pz * (ptrdiff_t)s->in.h + py) * (ptrdiff_t)s->in.w + px];
                }
                to[(z * (ptrdiff_t)s->out.h + y) * (ptrdiff_t)s->out.w + x] = (float)sum;
            }
}

static void test_map(pel_conv_spec spec, const char *what)
{
    size_t ins = pel_size_plane(spec.in), outs = pel_size_plane(spec.out);
    float *s = random_array(ins, 3), *t = random_array(outs, 4);
    float *expected = pel_alloc_floats(outs), *got = pel_alloc_floats(outs);
    float *back = pel_alloc_floats(ins);
    formula(&spec, s, expected);
    pel_conv *conv = NULL;
    CHECK(pel_conv_new(&context, &spec, &conv) == PEL_OK, "%s", what);
    if (conv != NULL) {
        CHECK(spec.method == PEL_CONV_AUTO || pel_conv_method_used(conv) == spec.method);
        memset(got, 0x7f, outs * sizeof *got);
        pel_conv_apply(conv, s, got, NULL, NULL);
        CHECK(worst(got, expected, outs) < 3e-6, "%s method %d: off by %g", what, spec.method,
              worst(got, expected, outs));
        pel_conv_adjoint(conv, t, back, NULL, NULL);
        double left = dot(got, t, outs), right = dot(s, back, ins);
        CHECK(fabs(left - right) < 1e-5 * (1 + fabs(left)), "%s method %d: <Hx,y> %g <x,H'y> %g",
              what, spec.method, left, right);
        pel_conv_free(conv);
    }
    pel_free(s);
    pel_free(t);
    pel_free(expected);
    pel_free(got);
    pel_free(back);
}

static void gaussian(float *psf, size_t w, size_t h)
{
    double sum = 0;
    for (size_t i = 0; i < w * h; i++) {
        double x = (double)(i % w) - (double)(w / 2) + 0.2, y = (double)(i / w) - (double)(h / 2);
        sum += psf[i] = (float)exp(-0.1 * x * x - 0.2 * y * y);
    }
    for (size_t i = 0; i < w * h; i++)
        psf[i] = (float)((double)psf[i] / sum);
}

static void test_methods(void)
{
    static const struct {
        pel_size in, out, psf;
        ptrdiff_t offset[3];
    } shapes[] = {
        {{61, 47, 1, 1}, {61, 47, 1, 1}, {7, 5, 1, 1}, {0, 0, 0}},
        {{61, 47, 1, 1}, {55, 43, 1, 1}, {7, 5, 1, 1}, {3, 2, 0}},
        {{61, 47, 1, 1}, {61, 47, 1, 1}, {6, 4, 1, 1}, {0, 0, 0}},
        {{40, 30, 1, 1}, {70, 20, 1, 1}, {5, 3, 1, 1}, {-17, 4, 0}},
        {{130, 90, 3, 1}, {130, 90, 3, 1}, {9, 11, 1, 1}, {0, 0, 0}},
        {{8, 5, 1, 1}, {8, 5, 1, 1}, {11, 9, 1, 1}, {0, 0, 0}},
        {{1, 1, 1, 1}, {3, 3, 1, 1}, {3, 3, 1, 1}, {-1, -1, 0}},
        {{20, 18, 9, 1}, {20, 18, 9, 1}, {5, 4, 3, 1}, {0, 0, 0}},
        {{20, 18, 9, 1}, {16, 15, 7, 1}, {5, 4, 3, 1}, {2, 1, 1}},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        float psf[400];
        uint32_t seed = 8;
        size_t taps = pel_size_plane(shapes[i].psf);
        for (size_t k = 0; k < taps; k++)
            psf[k] = check_random(&seed) / (float)taps;
        pel_conv_spec spec = {shapes[i].in, shapes[i].out,
                              {shapes[i].offset[0], shapes[i].offset[1], shapes[i].offset[2]},
                              psf, shapes[i].psf, PEL_CONV_AUTO};
        static const pel_conv_method all[] = {PEL_CONV_AUTO, PEL_CONV_DIRECT, PEL_CONV_TILED,
                                              PEL_CONV_WHOLE};
        for (size_t m = 0; m < 4; m++)
            if (all[m] != PEL_CONV_TILED || shapes[i].psf.d == 1) {
                spec.method = all[m];
                test_map(spec, "random kernel");
            }
        if (shapes[i].psf.d > 1)
            continue;
        pel_conv *none;
        spec.method = PEL_CONV_SEPARABLE;
        CHECK(pel_conv_new(&context, &spec, &none) == PEL_EINVAL);
        gaussian(psf, shapes[i].psf.w, shapes[i].psf.h);
        test_map(spec, "separable kernel");
    }
}

/* The paths of conv-separable and conv-tiled for this processor against the portable ones. */
static void test_processors(void)
{
    const pel_size size = {300, 211, 1, 1}, psf_size = {13, 9, 1, 1};
    const pel_conv_method methods[] = {PEL_CONV_SEPARABLE, PEL_CONV_TILED};
    float psf[13 * 9], *from = random_array(pel_size_plane(size), 21);
    float *got[2] = {pel_alloc_floats(pel_size_plane(size)), pel_alloc_floats(pel_size_plane(size))};
    gaussian(psf, 13, 9);
    for (size_t m = 0; m < 2; m++) {
        for (int portable = 0; portable < 2; portable++) {
            pel_conv_spec spec = {size, size, {0, 0, 0}, psf, psf_size, methods[m]};
            pel_conv *conv;
            setenv("PELLUCID_CPU", portable ? "portable" : "", 1);
            CHECK(pel_conv_new(&context, &spec, &conv) == PEL_OK);
            pel_conv_apply(conv, from, got[portable], NULL, NULL);
            pel_conv_free(conv);
        }
        CHECK(worst(got[0], got[1], pel_size_plane(size)) < 1e-6, "method %d: %g", methods[m],
              worst(got[0], got[1], pel_size_plane(size)));
    }
    pel_conv_spec spec = {size, size, {0, 0, 0}, psf, psf_size, PEL_CONV_AUTO};
    pel_conv *none;
    setenv("PELLUCID_CPU", "abacus", 1);
    CHECK(pel_conv_new(&context, &spec, &none) == PEL_EINVAL);
    setenv("PELLUCID_CPU", "portable", 1);
    test_methods();
    unsetenv("PELLUCID_CPU");
    pel_free(from);
    pel_free(got[0]);
    pel_free(got[1]);
}

static void test_borders(void)
{
    static const pel_border borders[] = {PEL_BORDER_REFLECT, PEL_BORDER_PERIODIC, PEL_BORDER_ZERO,
                                         PEL_BORDER_VALID};
    static const ptrdiff_t reflected[] = {1, 2, 2, 1, 0, 0, 1, 2, 2, 1};
    for (ptrdiff_t i = -5; i < 5; i++)
        CHECK(pel_border_index(i, 3, PEL_BORDER_REFLECT) == reflected[i + 5]);
    CHECK(pel_border_index(-4, 3, PEL_BORDER_PERIODIC) == 2);
    CHECK(pel_border_index(7, 3, PEL_BORDER_PERIODIC) == 1);
    CHECK(pel_border_index(-1, 3, PEL_BORDER_ZERO) == -1 && pel_border_index(3, 3, PEL_BORDER_VALID) == -1);
    float psf[2 * 35];
    uint32_t seed = 5;
    for (size_t k = 0; k < 70; k++)
        psf[k] = check_random(&seed) / 35;
    pel_size size = {23, 17, 1, 2}, psf_size = {7, 5, 1, 2}, result;
    float *from = random_array(pel_size_count(size), 6), *to = pel_alloc_floats(pel_size_count(size));
    for (size_t b = 0; b < 4; b++) {
        CHECK(pel_convolved_size(size, psf_size, borders[b], &result));
        CHECK(pel_convolve(&context, from, size, psf, psf_size, borders[b], to) == PEL_OK);
        ptrdiff_t move = borders[b] == PEL_BORDER_VALID;
        double most = 0;
        for (size_t c = 0; c < 2; c++)
            for (ptrdiff_t y = 0; y < (ptrdiff_t)result.h; y++)
                for (ptrdiff_t x = 0; x < (ptrdiff_t)result.w; x++) {
                    double sum = 0;
                    for (ptrdiff_t k = 0; k < 35; k++) {
                        ptrdiff_t px = pel_border_index(x + 3 * move + 3 - k % 7, 23, borders[b]);
                        ptrdiff_t py = pel_border_index(y + 2 * move + 2 - k / 7, 17, borders[b]);
                        if (px >= 0 && py >= 0)
                            sum += (double)psf[c * 35 + (size_t)k] *
                                   (double)from[(c * 17 + (size_t)py) * 23 + (size_t)px];
                    }
                    most = fmax(most, fabs(sum - (double)to[(c * result.h + (size_t)y) * result.w + (size_t)x]));
                }
        CHECK(most < 1e-6, "border %zu: %g", b, most);
    }
    pel_size small = {3, 3, 1, 2};
    CHECK(pel_convolve(&context, from, small, psf, psf_size, PEL_BORDER_VALID, to) == PEL_EINVAL);
    pel_free(from);
    pel_free(to);
}

/* The channels of a small picture, convolved together where that is cheaper, are what each is alone; and what
 * comes from plans that were kept is the same to the bit. */
static void test_channels(void)
{
    const pel_size size = {64, 60, 2, 3}, psf_size = {25, 21, 1, 1};
    pel_size one = size;
    one.c = 1;
    size_t plane = pel_size_plane(size), count = pel_size_count(size);
    float *from = random_array(count, 3), *psf = random_array(pel_size_count(psf_size), 4);
    float *together = pel_alloc_floats(count), *again = pel_alloc_floats(count), *alone = pel_alloc_floats(plane);
    for (size_t k = 0; k < pel_size_count(psf_size); k++)
        psf[k] /= 525;
    for (int b = PEL_BORDER_VALID; b <= PEL_BORDER_ZERO; b++) {
        pel_size result;
        CHECK(pel_convolved_size(size, psf_size, (pel_border)b, &result));
        size_t out = pel_size_plane(result);
        CHECK(pel_convolve(&context, from, size, psf, psf_size, (pel_border)b, together) == PEL_OK);
        CHECK(pel_convolve(&context, from, size, psf, psf_size, (pel_border)b, again) == PEL_OK);
        CHECK(memcmp(together, again, 3 * out * sizeof *again) == 0);
        for (size_t c = 0; c < 3; c++) {
            CHECK(pel_convolve(&context, from + c * plane, one, psf, psf_size, (pel_border)b, alone) == PEL_OK);
            CHECK(worst(alone, together + c * out, out) < 1e-6);
        }
    }
    pel_free(from);
    pel_free(psf);
    pel_free(together);
    pel_free(again);
    pel_free(alone);
}

/* More sizes than plans are kept, in use at once and freed in another order. */
static void test_kept_plans(void)
{
    enum { N = 24 };
    pel_fft *ffts[N];
    float *s = random_array(64 * 64, 9), *back = pel_alloc_floats(64 * 64);
    pel_complex *spectrum = pel_alloc(33 * 64 * sizeof *spectrum);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < N; i++) /* each size twice at the same time */
            CHECK(pel_fft_new(&context, 16 + i / 2 * 4, 12 + (size_t)round, 1, &ffts[i]) == PEL_OK);
        for (size_t i = N; i-- > 0;) {
            size_t count = (16 + i / 2 * 4) * (12 + (size_t)round);
            pel_fft_forward(ffts[i], s, spectrum);
            pel_fft_backward(ffts[i], spectrum, back);
            for (size_t k = 0; k < count; k++)
                back[k] /= (float)count;
            CHECK(worst(s, back, count) < 1e-5);
            pel_fft_free(ffts[i]);
        }
    }
    pel_free(s);
    pel_free(back);
    pel_free(spectrum);
}

static void test_fft(void)
{
    CHECK(pel_fft_good_size(1) == 1 && pel_fft_good_size(11) == 12 && pel_fft_good_size(1021) == 1024);
    pel_fft *fft;
    CHECK(pel_fft_new(&context, 12, 9, 4, &fft) == PEL_OK);
    CHECK(pel_fft_count(fft) == 7 * 9 * 4);
    float *s = random_array(12 * 9 * 4, 2), *back = pel_alloc_floats(12 * 9 * 4);
    pel_complex *spectrum = pel_alloc(7 * 9 * 4 * sizeof *spectrum);
    pel_fft_forward(fft, s, spectrum);
    double sum = 0, re = 0, im = 0;
    for (size_t i = 0; i < 12 * 9 * 4; i++) {
        sum += (double)s[i];
        double phase = -2 * M_PI * ((double)(i % 12) * 5 / 12 + (double)(i / 12 % 9) * 2 / 9 +
                                    (double)(i / 108) * 3 / 4);
        re += (double)s[i] * cos(phase);
        im += (double)s[i] * sin(phase);
    }
    CHECK_NEAR(spectrum[0][0], sum, 1e-4);
    CHECK_NEAR(spectrum[(3 * 9 + 2) * 7 + 5][0], re, 1e-4);
    CHECK_NEAR(spectrum[(3 * 9 + 2) * 7 + 5][1], im, 1e-4);
    pel_fft_backward(fft, spectrum, back);
    for (size_t i = 0; i < 12 * 9 * 4; i++)
        back[i] /= 12 * 9 * 4;
    CHECK(worst(s, back, 12 * 9 * 4) < 1e-6);
    float large[13 * 9];
    memset(large, 0, sizeof large);
    CHECK(pel_fft_psf(&context, fft, large, pel_size_make(13, 9, 1, 1), spectrum) == PEL_EINVAL);
    float delta[15] = {0};
    delta[1 * 5 + 2] = 1;
    CHECK(pel_fft_psf(&context, fft, delta, pel_size_make(5, 3, 1, 1), spectrum) == PEL_OK);
    CHECK_NEAR(spectrum[40][0], 1, 1e-6);
    CHECK_NEAR(spectrum[40][1], 0, 1e-6);
    pel_fft_free(fft);
    pel_fft_free(NULL);
    CHECK(pel_fft_new(&context, (size_t)1 << 40, 1, 1, &fft) == PEL_ELIMIT);
    pel_free(s);
    pel_free(back);
    pel_free(spectrum);
}

int main(void)
{
    pel_error error = {PEL_OK, ""};
    pel_pool *pool;
    if (pel_pool_new(3, &pool, &error) != PEL_OK)
        return EXIT_FAILURE;
    context = (pel_context){.pool = pool, .error = &error, .plan_estimate = true};
    test_fft();
    test_channels();
    test_kept_plans();
    test_methods();
    test_processors();
    test_borders();
    context.pool = NULL;
    test_methods();
    pel_pool_free(pool);
    return check_done();
}
