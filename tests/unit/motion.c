/* motion.c - pictures blurred by movements: against formulas, what is kept, what does not depend on what.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/motion.h>
#include <pellucid/pool.h>

#include "check.h"

static pel_error error;
static pel_context context = {.error = &error, .plan_estimate = true};
static pel_transfer *linear, *srgb;

/* ---- Curves */

static void test_transfer(double gamma)
{
    pel_transfer *t;
    CHECK(pel_transfer_new(gamma, &t, &error) == PEL_OK);
    for (int i = -300; i <= 1300; i++) {
        float code = (float)i / 1000, scaled = 10 + 200 * code, light, back;
        double a = fabs((double)code), formula = gamma > 0 ? pow(a, gamma) : (double)pel_srgb_to_linear((float)a);
        pel_transfer_to_light(t, &scaled, 1, 10, 210, &light);
        CHECK_NEAR((double)light, copysign(formula, (double)code), 2e-6);
        pel_transfer_to_codes(t, &light, 1, 10, 210, &back);
        CHECK_NEAR((double)back, (double)scaled, 1e-3); /* 5e-6 of the range: powers are steep from black */
    }
    pel_transfer_free(t);
}

/* ---- Pictures */

enum { W = 60, H = 50 };

static float wave(double x, double y, int c)
{
    return (float)(0.5 + 0.3 * sin(0.2 * x + c) * cos(0.15 * y));
}

static float *make_waves(size_t w, size_t h, size_t channels)
{
    float *v = pel_alloc_floats(w * h * channels);
    for (size_t i = 0; i < w * h * channels; i++)
        v[i] = wave((double)(i % w), (double)(i / w % h), (int)(i / (w * h)));
    return v;
}

/* A dot of 1 at (x, y) on 0.2; a dark one in the corner, which moments_of leaves out, so that the range of the
 * picture cuts nothing off. */
static float *make_dot(size_t x, size_t y)
{
    float *v = pel_alloc_floats(W * H);
    for (size_t i = 0; i < W * H; i++)
        v[i] = i == y * W + x ? 1.2f : i == 0 ? 0 : 0.2f;
    return v;
}

static float *blur_light(const pel_exposure *e, size_t instants, const float *from, pel_size size, pel_light light,
                         pel_border border, pel_region *region)
{
    pel_still still = {from, size, NULL, 0};
    CHECK(pel_exposure_region(e, size, instants, border, region, &error) == PEL_OK, "%s", error.text);
    float *to = pel_alloc_floats(region->size.w * region->size.h * size.c);
    CHECK(pel_exposure_blur(&context, e, instants, &still, &light, *region, to, NULL) == PEL_OK, "%s", error.text);
    return to;
}

static float *blur(const pel_exposure *e, const float *from, pel_size size)
{
    pel_region region;
    return blur_light(e, pel_exposure_instants(e, size, 0.7), from, size, (pel_light){linear, 0, 1, 1},
                      PEL_BORDER_REFLECT, &region);
}

typedef struct {
    double sum, x, y, xx, yy;
} moments;

static moments moments_of(const float *v)
{
    moments m = {0, 0, 0, 0, 0};
    for (size_t i = 0; i < W * H; i++) {
        double d = (double)(v[i] - 0.2f), x = (double)(i % W), y = (double)(i / W);
        if ((x < 20 && y < 20) || fabs(d) < 1e-6)
            continue;
        m.sum += d;
        m.x += d * x;
        m.y += d * y;
        m.xx += d * x * x;
        m.yy += d * y * y;
    }
    m.x /= m.sum;
    m.y /= m.sum;
    m.xx = m.xx / m.sum - m.x * m.x;
    m.yy = m.yy / m.sum - m.y * m.y;
    return m;
}

static moments blur_dot(const pel_exposure *e, size_t x, size_t y)
{
    float *dot = make_dot(x, y), *to = blur(e, dot, pel_size_make(W, H, 1, 1));
    moments m = moments_of(to);
    pel_free(dot);
    pel_free(to);
    return m;
}

/* ---- Movements of the camera */

static void test_still(void)
{
    static pel_exposure none;
    pel_size size = {W, H, 1, 2};
    pel_region region;
    float *from = make_waves(W, H, 2);
    CHECK(pel_exposure_instants(&none, size, 0.7) == 1);
    float *to = blur_light(&none, 1, from, size, (pel_light){srgb, 0, 1, 1}, PEL_BORDER_VALID, &region);
    CHECK(pel_size_equal(region.size, size) && region.x == 0 && region.y == 0);
    for (size_t i = 0; i < 2 * W * H; i++)
        CHECK_NEAR((double)to[i], (double)from[i], 1e-6);
    pel_free(from);
    pel_free(to);
}

/* A point that goes 10 samples along x: a line of that length, as bright as it is dark, of the same light. */
static void test_line(void)
{
    static pel_exposure along;
    pel_size size = {W, H, 1, 1};
    along.camera.x.rate[0] = 10;
    float *dot = make_dot(30, 20), *to = blur(&along, dot, size);
    moments m = moments_of(to);
    CHECK_NEAR(m.sum, 1, 1e-4);
    CHECK_NEAR(m.x, 30, 1e-3);
    CHECK_NEAR(m.y, 20, 1e-3);
    CHECK_NEAR(m.xx, 10.0 * 10 / 12, 0.1);
    CHECK_NEAR(m.yy, 0, 1e-3);
    for (size_t x = 27; x <= 33; x++)
        CHECK_NEAR((double)to[20 * W + x], 0.2 + 0.1, 2e-3);
    CHECK_NEAR((double)to[20 * W + 24] - 0.2, 0, 5e-3);
    CHECK_NEAR((double)to[20 * W + 36] - 0.2, 0, 5e-3);
    pel_free(dot);
    pel_free(to);
    /* Neighbouring instants are within a step: 10 samples in steps of 0.7. */
    CHECK(pel_exposure_instants(&along, size, 0.7) == 15);
}

/* What way is positive, and that the middle is where it was: odd terms move nothing on average. */
static void test_directions(void)
{
    static pel_exposure e;
    moments m;
    e.camera = (pel_motion){.x = {.rate = {6, 24, 0}}, .y = {.rate = {-3, -12, 4}}};
    m = blur_dot(&e, 30, 25);
    CHECK_NEAR(m.x, 30 + 24.0 / 12, 0.02); /* the mean of t^2 is 1/12 */
    CHECK_NEAR(m.y, 25 - 12.0 / 12, 0.02);
    e.camera = (pel_motion){.x = {.rate = {8, 0, 9}, .tremor = {1, 0.5, 0.2}}, .y = {.rate = {5, 0, -3}}};
    m = blur_dot(&e, 30, 25);
    CHECK_NEAR(m.x, 30, 0.05);
    CHECK_NEAR(m.y, 25, 0.05);
    CHECK_NEAR(m.sum, 1, 1e-3);
    e.camera = (pel_motion){.cx = 30, .cy = 25, .turn = {.rate = {0.1, 1.2, 0}}};
    m = blur_dot(&e, 50, 25); /* 0.1 rad counter-clockwise on average: up */
    CHECK_NEAR(m.y, 25 - 20 * 0.1, 0.1);
    CHECK_NEAR(m.sum, 1, 0.02);
    m = blur_dot(&e, 30, 25);
    CHECK_NEAR(m.yy, 0, 0.05);
    e.camera = (pel_motion){.cx = 30, .cy = 25, .zoom = {.rate = {0.1, 1.2, 0}}};
    m = blur_dot(&e, 45, 20); /* away from the centre, and larger */
    double sum = 0, way = 0;
    for (int i = -500; i <= 500; i++) {
        double grown = exp(0.1 * i / 1000 + 1.2 * i * i / 1e6);
        sum += grown * grown / 1001;
        way += grown * grown * grown / 1001;
    }
    CHECK_NEAR(m.sum, sum, 0.02);
    CHECK_NEAR(m.x, 30 + 15 * way / sum, 0.05);
    CHECK_NEAR(m.y, 25 - 5 * way / sum, 0.05);
}

/* All at once, of a picture that is a formula, at two instants. */
static void test_formula(void)
{
    static pel_exposure e;
    pel_size size = {W, H, 1, 3};
    pel_region region;
    e.camera = (pel_motion){.cx = 12, .cy = 31, .x = {.rate = {9, 2, 0}}, .y = {.rate = {-6, 0, 3}},
                            .turn = {.rate = {0.3, 0, 0}}, .zoom = {.rate = {0.2, 0.1, 0}}};
    float *from = make_waves(W, H, 3);
    float *to = blur_light(&e, 2, from, size, (pel_light){linear, 0, 1, 1}, PEL_BORDER_VALID, &region);
    CHECK(region.size.w < W && region.size.w > 20 && region.size.h < H && region.size.h > 20);
    for (size_t i = 0; i < region.size.w * region.size.h * 3; i++) {
        double qx = (double)(i % region.size.w + region.x), mean = 0;
        double qy = (double)(i / region.size.w % region.size.h + region.y);
        for (double t = -0.25; t < 0.5; t += 0.5) {
            double dx = qx - 12 - (9 * t + 2 * t * t), dy = qy - 31 - (-6 * t + 3 * t * t * t);
            double a = 0.3 * t, k = exp(-(0.2 * t + 0.1 * t * t));
            double x = 12 + k * (cos(a) * dx - sin(a) * dy), y = 31 + k * (sin(a) * dx + cos(a) * dy);
            CHECK(x > -1e-6 && x < W - 1 + 1e-6 && y > -1e-6 && y < H - 1 + 1e-6);
            mean += (double)wave(x, y, (int)(i / (region.size.w * region.size.h))) / 2;
        }
        CHECK_NEAR((double)to[i], mean, 1e-3);
    }
    pel_free(from);
    pel_free(to);
}

/* What is valid does not look at the border: the same samples as with the picture mirrored. */
static void test_borders(void)
{
    static pel_exposure e;
    pel_size size = {W, H, 1, 1};
    pel_region valid, all;
    e.camera = (pel_motion){.x = {.rate = {10, 0, 0}}, .y = {.rate = {0, 12, 0}}};
    size_t n = pel_exposure_instants(&e, size, 0.7);
    float *from = make_waves(W, H, 1);
    pel_light light = {srgb, 0, 1, 1};
    float *inner = blur_light(&e, n, from, size, light, PEL_BORDER_VALID, &valid);
    float *whole = blur_light(&e, n, from, size, light, PEL_BORDER_REFLECT, &all);
    CHECK(valid.x == 5 && valid.size.w == W - 10 && valid.y == 3 && valid.size.h == H - 3);
    for (size_t y = 0; y < valid.size.h; y++)
        for (size_t x = 0; x < valid.size.w; x++)
            CHECK_NEAR((double)inner[y * valid.size.w + x], (double)whole[(y + valid.y) * W + x + valid.x], 1e-6);
    e.camera.x.rate[0] = 70;
    CHECK(pel_exposure_region(&e, size, n, PEL_BORDER_VALID, &valid, &error) == PEL_EINVAL);
    /* Mirrored several times over. */
    pel_free(whole);
    e.camera.x.rate[0] = 500;
    whole = blur_light(&e, 300, from, size, light, PEL_BORDER_REFLECT, &all);
    for (size_t i = 0; i < W * H; i++)
        CHECK(whole[i] > 0.1f && whole[i] < 0.9f);
    pel_free(from);
    pel_free(inner);
    pel_free(whole);
}

/* ---- Light, masks, layers */

static void test_highlights(void)
{
    static pel_exposure e;
    pel_size size = {W, H, 1, 1};
    pel_region region;
    e.camera.x.rate[0] = 10;
    float *from = make_dot(30, 20), *to;
    from[20 * W + 30] = 1;
    to = blur_light(&e, 40, from, size, (pel_light){linear, 0, 1, 4}, PEL_BORDER_REFLECT, &region);
    CHECK_NEAR(moments_of(to).sum, 0.8 + 3, 0.01);
    CHECK_NEAR((double)to[20 * W + 30], 0.2 + 0.38, 0.01);
    pel_free(to);
    to = blur_light(&e, 40, from, size, (pel_light){linear, 0, 1, 100}, PEL_BORDER_REFLECT, &region);
    CHECK(to[20 * W + 30] == 1 && to[20 * W + 27] == 1);
    CHECK(pel_exposure_middle(&context, &e, &(pel_light){linear, 0, 1, 100}, from, size) == PEL_OK);
    CHECK(from[20 * W + 30] == 1 && from[20 * W + 29] == 0.2f);
    pel_free(from);
    pel_free(to);
}

static void test_mask(void)
{
    static pel_exposure e;
    pel_size size = {W, H, 1, 1};
    pel_region region = {0, 0, 0, size};
    pel_light light = {linear, 0, 1, 1};
    e.camera.x.rate[0] = 10;
    float *from = make_waves(W, H, 1), mask[W * H], seen[W * H], *to = pel_alloc_floats(W * H);
    for (size_t i = 0; i < W * H; i++)
        mask[i] = i == 20 * W + 30 ? 0 : 0.5f;
    pel_still still = {from, size, mask, 1};
    CHECK(pel_exposure_blur(&context, &e, 41, &still, &light, region, to, seen) == PEL_OK);
    for (size_t x = 0; x < W; x++) {
        CHECK_NEAR((double)seen[21 * W + x], 0.5, 1e-6);
        if (x >= 26 && x <= 34)
            CHECK_NEAR((double)seen[20 * W + x], 0, 0.13);
        else if (x < 24 || x > 36)
            CHECK_NEAR((double)seen[20 * W + x], 0.5, 1e-6);
    }
    pel_free(from);
    pel_free(to);
}

static pel_layer layer_at(ptrdiff_t x, ptrdiff_t y)
{
    pel_layer l = {.side = 20, .x = x, .y = y, .from_x = 3, .from_y = 25, .lie = 5, .edge = 2,
                   .wave = {0.2, 0.1}, .phase = {1, 2}};
    l.motion.cx = (double)x + 9.5;
    l.motion.cy = (double)y + 9.5;
    return l;
}

/* Nothing moves: the picture is the truth, in all channels, layers and all.  One moves: the rest stays. */
static void test_layers(void)
{
    static pel_exposure e;
    pel_size size = {W, H, 1, 2};
    pel_region region;
    pel_light light = {srgb, 0, 1, 3};
    float *from = make_waves(W, H, 2), *truth = pel_alloc_floats(2 * W * H);
    for (size_t i = 0; i < 40; i++)
        from[i * 71] = 1;
    memcpy(truth, from, 2 * W * H * sizeof *truth);
    e.layer_count = 3;
    e.layers[0] = layer_at(30, 20);
    e.layers[1] = layer_at(-7, -9);
    e.layers[2] = layer_at(25, 36);
    CHECK(pel_exposure_middle(&context, &e, &light, truth, size) == PEL_OK);
    float *to = blur_light(&e, 1, from, size, light, PEL_BORDER_VALID, &region);
    size_t other = 0;
    for (size_t i = 0; i < 2 * W * H; i++) {
        CHECK_NEAR((double)to[i], (double)truth[i], 1e-5);
        other += fabsf(truth[i] - from[i]) > 1e-3f;
    }
    CHECK(other > 2 * 300 && other < 2 * 800);
    /* Its middle is the picture's place (4, 5) of the square, columns as rows and those backwards. */
    size_t fx = 3 + 19 - 10, fy = 25 + 10;
    CHECK_NEAR((double)truth[30 * W + 40], (double)from[fy * W + fx], 1e-5);
    pel_free(to);
    e.layer_count = 1;
    e.layers[0].motion.x.rate[0] = 8;
    e.layers[0].motion.turn.rate[0] = 0.2;
    to = blur_light(&e, 30, from, size, light, PEL_BORDER_VALID, &region);
    other = 0;
    for (size_t i = 0; i < W * H; i++)
        if (i % W < 24 || i % W >= 56 || i / W < 16 || i / W >= 44)
            CHECK_NEAR((double)to[i], (double)from[i], 1e-5);
        else
            other += fabsf(to[i] - truth[i]) > 1e-2f;
    CHECK(other > 100);
    pel_free(from);
    pel_free(truth);
    pel_free(to);
}

/* Weights add up: a grey thing before a grey picture is not seen, however it moves. */
static void test_grey(void)
{
    static pel_exposure e;
    float *from = pel_alloc_floats(W * H), *to;
    for (size_t i = 0; i < W * H; i++)
        from[i] = 0.4f;
    e.camera.x.rate[0] = 7;
    e.layer_count = 1;
    e.layers[0] = layer_at(30, 20);
    e.layers[0].motion.y.rate[0] = 9;
    e.layers[0].motion.turn.rate[0] = -0.5;
    to = blur(&e, from, pel_size_make(W, H, 1, 1));
    for (size_t i = 0; i < W * H; i++)
        CHECK_NEAR((double)to[i], 0.4, 1e-6);
    pel_free(from);
    pel_free(to);
}

/* ---- Random ones */

static void draw_bent(uint64_t stream, double low, double high, pel_size size, pel_exposure *e, pel_extent *extents)
{
    pel_exposure_ranges ranges = {{3, 12}, {0.5, 4}, {0.01, 0.1}, {low, high}, {1, 3}};
    pel_rng *rng = pel_rng_new(5, stream);
    pel_exposure_draw(&ranges, size, rng, e, extents);
    pel_rng_free(rng);
}

static void draw(uint64_t stream, pel_size size, pel_exposure *e, pel_extent *extents)
{
    draw_bent(stream, 0, 1, size, e, extents);
}

/* Bend 0: straight, evenly, in the direction and by the extent of the bent one. */
static void test_straight(void)
{
    pel_extent extents[PEL_LAYERS + 1], bent_extents[PEL_LAYERS + 1];
    pel_exposure e, bent;
    for (uint64_t n = 0; n < 20; n++) {
        draw_bent(n, 0, 0, pel_size_make(W, H, 1, 1), &e, extents);
        draw_bent(n, 1, 1, pel_size_make(W, H, 1, 1), &bent, bent_extents);
        const pel_motion *m = &e.layers[0].motion, *b = &bent.layers[0].motion;
        CHECK(extents[1].bend == 0 && bent_extents[1].bend == 1 && extents[1].length == bent_extents[1].length);
        CHECK_NEAR(hypot(m->x.rate[0], m->y.rate[0]), extents[1].length, 1e-9);
        CHECK_NEAR(m->x.rate[0] * b->y.rate[0], m->y.rate[0] * b->x.rate[0], 1e-9);
        for (double t = -0.5; t <= 0.5; t += 0.125) {
            CHECK_NEAR(pel_track_at(&m->x, t), m->x.rate[0] * t, 1e-12);
            CHECK_NEAR(pel_track_at(&m->turn, t) * 180 / M_PI, copysign(extents[1].turn, m->turn.rate[0]) * t, 1e-9);
        }
    }
}

static void test_draw(void)
{
    pel_extent extents[PEL_LAYERS + 1];
    size_t layers[4] = {0};
    for (uint64_t n = 0; n < 60; n++) {
        pel_exposure e;
        draw(n, pel_size_make(W, H, 1, 1), &e, extents);
        CHECK(e.layer_count >= 1 && e.layer_count <= 3);
        layers[e.layer_count]++;
        for (size_t k = 0; k <= e.layer_count; k++) {
            const pel_motion *m = k > 0 ? &e.layers[k - 1].motion : &e.camera;
            double length = 0, low = 0, high = 0;
            for (int i = -500; i < 500; i++) {
                double t = i / 1000.0, u = (i + 1) / 1000.0, turn = pel_track_at(&m->turn, u);
                length += hypot(pel_track_at(&m->x, u) - pel_track_at(&m->x, t),
                                pel_track_at(&m->y, u) - pel_track_at(&m->y, t));
                low = fmin(low, turn);
                high = fmax(high, turn);
            }
            CHECK(extents[k].bend >= 0 && extents[k].bend <= 1);
            CHECK(extents[k].length >= 3 && extents[k].length <= 12);
            CHECK_NEAR(length, extents[k].length, 0.01 * length);
            CHECK_NEAR((high - low) * 180 / M_PI, extents[k].turn, 0.01 * extents[k].turn);
            CHECK(pel_track_at(&m->x, 0) == 0 && pel_track_at(&m->turn, 0) == 0);
        }
        for (size_t k = 0; k < e.layer_count; k++)
            CHECK(e.layers[k].side >= H / 5 && e.layers[k].side <= H * 7 / 10 &&
                  e.layers[k].from_x + e.layers[k].side <= W && e.layers[k].from_y + e.layers[k].side <= H);
    }
    CHECK(layers[1] > 8 && layers[2] > 8 && layers[3] > 8);
}

/* Neither threads nor the level of the CPU have a part in the result. */
static void test_same_everywhere(void)
{
    pel_exposure e;
    pel_extent extents[PEL_LAYERS + 1];
    pel_size size = {170, 150, 1, 3};
    pel_pool *pool;
    draw(1, size, &e, extents);
    float *from = make_waves(170, 150, 3), *one = blur(&e, from, size);
    CHECK(pel_size_count(size) > PEL_POOL_SMALL && pel_pool_new(3, &pool, &error) == PEL_OK);
    context.pool = pool;
    float *three = blur(&e, from, size);
    CHECK(memcmp(one, three, 170 * 150 * 3 * sizeof *one) == 0);
    pel_free(three);
    setenv("PELLUCID_CPU", "portable", 1);
    three = blur(&e, from, size);
    CHECK(memcmp(one, three, 170 * 150 * 3 * sizeof *one) == 0);
    unsetenv("PELLUCID_CPU");
    context.pool = NULL;
    pel_pool_free(pool);
    pel_free(from);
    pel_free(one);
    pel_free(three);
}

int main(void)
{
    pel_transfer *none;
    test_transfer(PEL_TRANSFER_SRGB);
    test_transfer(PEL_TRANSFER_LINEAR);
    test_transfer(2.2);
    CHECK(pel_transfer_new(0.5, &none, &error) == PEL_EINVAL);
    if (pel_transfer_new(PEL_TRANSFER_LINEAR, &linear, &error) != PEL_OK ||
        pel_transfer_new(PEL_TRANSFER_SRGB, &srgb, &error) != PEL_OK)
        return EXIT_FAILURE;
    test_still();
    test_line();
    test_directions();
    test_formula();
    test_borders();
    test_highlights();
    test_mask();
    test_layers();
    test_grey();
    test_draw();
    test_straight();
    test_same_everywhere();
    pel_transfer_free(linear);
    pel_transfer_free(srgb);
    return check_done();
}
