/* loss.c - losses against a naive implementation in double: values, gradients by central differences, many sizes;
 * text, threads, what is not known or not finite.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/loss.h>
#include <pellucid/metric.h>
#include <pellucid/pool.h>

#include "check.h"

#define PI 3.14159265358979323846
#define MOST (24 * 24 * 3)

static pel_error error;
static pel_context context = {.error = &error};

/* ---- The reference */

typedef double naive(const double *a, const double *b, pel_size size, double parameter);

static double naive_mse(const double *a, const double *b, pel_size size, double parameter)
{
    double sum = 0 * parameter;
    for (size_t i = 0; i < pel_size_count(size); i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum / (double)pel_size_count(size);
}

static double naive_l1(const double *a, const double *b, pel_size size, double parameter)
{
    double sum = 0 * parameter;
    for (size_t i = 0; i < pel_size_count(size); i++)
        sum += fabs(a[i] - b[i]);
    return sum / (double)pel_size_count(size);
}

static double naive_charbonnier(const double *a, const double *b, pel_size size, double epsilon)
{
    double sum = 0;
    for (size_t i = 0; i < pel_size_count(size); i++)
        sum += sqrt((a[i] - b[i]) * (a[i] - b[i]) + epsilon * epsilon);
    return sum / (double)pel_size_count(size);
}

static double naive_psnr(const double *a, const double *b, pel_size size, double floor)
{
    return 10 * log10(naive_mse(a, b, size, 0) + floor * floor);
}

/* Wang et al. 2004, eq. 13, of the window whose first sample is `at`. */
static double naive_window(const double *a, const double *b, size_t w, double range)
{
    double total = 0, ma = 0, mb = 0, aa = 0, bb = 0, ab = 0, c1 = 1e-4 * range * range, c2 = 9e-4 * range * range;
    for (int y = -5; y <= 5; y++)
        for (int x = -5; x <= 5; x++) {
            double t = exp(-(x * x + y * y) / 4.5), p = a[(size_t)(y + 5) * w + (size_t)(x + 5)];
            double q = b[(size_t)(y + 5) * w + (size_t)(x + 5)];
            total += t;
            ma += t * p;
            mb += t * q;
            aa += t * p * p;
            bb += t * q * q;
            ab += t * p * q;
        }
    ma /= total;
    mb /= total;
    return (2 * ma * mb + c1) * (2 * (ab / total - ma * mb) + c2) /
           ((ma * ma + mb * mb + c1) * (aa / total - ma * ma + bb / total - mb * mb + c2));
}

static double naive_ssim(const double *a, const double *b, pel_size size, double range)
{
    double sum = 0, count = 0;
    for (size_t p = 0; p < size.c * size.d; p++)
        for (size_t y = 0; y + 11 <= size.h; y++)
            for (size_t x = 0; x + 11 <= size.w; x++, count++)
                sum += naive_window(a + (p * size.h + y) * size.w + x, b + (p * size.h + y) * size.w + x, size.w,
                                    range);
    return 1 - sum / count;
}

static double naive_frequency(const double *a, const double *b, size_t w, size_t h, size_t kx, size_t ky)
{
    double re = 0, im = 0;
    for (size_t y = 0; y < h; y++)
        for (size_t x = 0; x < w; x++) {
            double angle = 2 * PI * ((double)(kx * x % w) / (double)w + (double)(ky * y % h) / (double)h);
            re += (a[y * w + x] - b[y * w + x]) * cos(angle);
            im -= (a[y * w + x] - b[y * w + x]) * sin(angle);
        }
    return fabs(re) + fabs(im);
}

static double naive_fft(const double *a, const double *b, pel_size size, double parameter)
{
    double sum = 0 * parameter;
    size_t n = size.w * size.h;
    for (size_t p = 0; p < size.c * size.d; p++)
        for (size_t k = 0; k < n; k++)
            sum += naive_frequency(a + p * n, b + p * n, size.w, size.h, k % size.w, k / size.w);
    return sum / sqrt((double)n) / (double)pel_size_count(size);
}

typedef struct {
    naive *f;
    double weight, parameter;
} part;

static const struct {
    const char *text;
    part parts[5];
} cases[] = {
    {"mse", {{naive_mse, 1, 0}}},
    {"l1:3", {{naive_l1, 3, 0}}},
    {"charbonnier", {{naive_charbonnier, 1, 1e-3}}},
    {"charbonnier:epsilon=0.2:1/2", {{naive_charbonnier, 0.5, 0.2}}},
    {"psnr", {{naive_psnr, 1, 1e-3}}},
    {"psnr:floor=0.3:1/2", {{naive_psnr, 0.5, 0.3}}},
    {"ssim", {{naive_ssim, 1, 1}}},
    {"ssim:2:range=3", {{naive_ssim, 2, 3}}},
    {"fft-l1:0.5", {{naive_fft, 0.5, 0}}},
    {"charbonnier:1,ssim:0.2,fft-l1:0.05", {{naive_charbonnier, 1, 1e-3}, {naive_ssim, 0.2, 1}, {naive_fft, 0.05, 0}}},
    {"fft-l1,mse:7,l1:0,ssim,charbonnier:3",
     {{naive_fft, 1, 0}, {naive_mse, 7, 0}, {naive_l1, 0, 0}, {naive_ssim, 1, 1}, {naive_charbonnier, 3, 1e-3}}},
};
#define CASES (sizeof cases / sizeof cases[0])

static double reference(size_t k, const double *a, const double *b, pel_size size)
{
    double sum = 0;
    for (size_t i = 0; i < 5 && cases[k].parts[i].f != NULL; i++)
        sum += cases[k].parts[i].weight * cases[k].parts[i].f(a, b, size, cases[k].parts[i].parameter);
    return sum;
}

/* ---- Pictures */

typedef struct {
    pel_size size;
    float a[MOST], b[MOST], gradient[MOST];
    double da[MOST], db[MOST];
} pair;

/* A smooth truth with some noise, and an estimate with an error of about `error_size`. */
static void fill(pair *p, pel_size size, float error_size, uint32_t seed)
{
    p->size = size;
    for (size_t i = 0; i < pel_size_count(size); i++) {
        float x = (float)(i % size.w), y = (float)(i / size.w);
        p->b[i] = 0.5f + 0.3f * sinf(0.4f * x + 0.1f * y) + 0.1f * check_random(&seed);
        p->a[i] = p->b[i] + error_size * (check_random(&seed) - 0.45f);
        p->da[i] = (double)p->a[i];
        p->db[i] = (double)p->b[i];
    }
}

static pel_loss *loss_of(const char *text, pel_size size, size_t callers)
{
    pel_loss *loss = NULL;
    CHECK(pel_loss_parse(text, &loss, &error) == PEL_OK, "%s: %s", text, error.text);
    CHECK(loss != NULL && pel_loss_prepare(&context, loss, size, callers) == PEL_OK, "%s: %s", text, error.text);
    return loss;
}

/* Bounds: relative to the value, and to the largest gradient. */
static void against_reference(size_t k, pel_size size, float error_size)
{
    static pair p;
    double terms[5], total = 0, largest = 0, worst = 0;
    fill(&p, size, error_size, (uint32_t)(size.w + k));
    pel_loss *loss = loss_of(cases[k].text, size, 1);
    CHECK(pel_loss_evaluate(loss, p.a, p.b, p.gradient, terms, &total, &error) == PEL_OK, "%s", error.text);
    double expected = reference(k, p.da, p.db, size);
    CHECK(fabs(total - expected) <= 2e-5 * fabs(expected), "%s, %zux%zux%zu: %.9g is not %.9g", cases[k].text, size.w, size.h,
          size.c, total, expected);
    double sum = 0;
    for (size_t i = 0; i < pel_loss_count(loss); i++)
        sum += pel_loss_weight(loss, i) * terms[i];
    CHECK_NEAR(sum, total, 1e-12 * fabs(total));
    size_t n = pel_size_count(size), step = n / 12 + 1;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs((double)p.gradient[i]));
    for (size_t i = 0; i < n; i += step) {
        double at = p.da[i], h = 1e-6;
        p.da[i] = at + h;
        double up = reference(k, p.da, p.db, size);
        p.da[i] = at - h;
        double slope = (up - reference(k, p.da, p.db, size)) / (2 * h);
        p.da[i] = at;
        worst = fmax(worst, fabs(slope - (double)p.gradient[i]));
    }
    CHECK(largest > 0 && worst <= 2e-4 * largest, "%s, %zux%zux%zu, error %g: gradient %.3g of %.3g off", cases[k].text,
          size.w, size.h, size.c, (double)error_size, worst, largest);
    pel_loss_free(loss);
}

static void values_and_gradients(void)
{
    static const pel_size sizes[] = {{16, 16, 1, 1}, {11, 11, 1, 1}, {13, 12, 1, 2}, {12, 19, 1, 3}, {17, 11, 2, 1}};
    for (size_t k = 0; k < CASES; k++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
            against_reference(k, sizes[s], s % 2 == 0 ? 0.3f : 0.01f);
}

/* Sizes that only SSIM minds. */
static void small_sizes(void)
{
    static const pel_size sizes[] = {{1, 1, 1, 1}, {2, 1, 1, 3}, {1, 5, 1, 1}, {7, 3, 1, 2}};
    static const char *const text[] = {"mse", "l1:3", "charbonnier", "fft-l1:0.5"};
    for (size_t s = 0; s < 4; s++)
        for (size_t k = 0; k < CASES; k++)
            for (size_t t = 0; t < 4; t++)
                if (strcmp(cases[k].text, text[t]) == 0)
                    against_reference(k, sizes[s], 0.3f);
    pel_loss *loss = NULL;
    CHECK(pel_loss_parse("l1,ssim", &loss, &error) == PEL_OK);
    CHECK(pel_loss_prepare(&context, loss, pel_size_make(64, 10, 1, 3), 1) == PEL_EINVAL);
    CHECK_TEXT(error.text, "loss ssim: pictures of 64x10 are smaller than its window, 11x11");
    float a = 0, b = 0, g;
    double terms[2], total;
    CHECK(pel_loss_evaluate(loss, &a, &b, &g, terms, &total, &error) == PEL_EINVAL);
    CHECK(pel_loss_prepare(&context, loss, pel_size_make(64, 64, 1, 3), 0) == PEL_EINVAL);
    CHECK(pel_loss_prepare(&context, loss, pel_size_make(0, 64, 1, 3), 1) == PEL_EINVAL);
    pel_loss_free(loss);
}

/* The same number as pel-score's, in other units too. */
static void ssim_is_the_metric(void)
{
    static pair p;
    for (int k = 0; k < 2; k++) {
        double range = k == 0 ? 1 : 4000, terms[1], total;
        fill(&p, pel_size_make(24, 21, 1, 3), 0.05f, 9);
        for (size_t i = 0; k == 1 && i < pel_size_count(p.size); i++) {
            p.a[i] = 4000 * p.a[i] + 900;
            p.b[i] = 4000 * p.b[i] + 900;
        }
        pel_score_params params = {.range = range};
        pel_score score;
        pel_loss *loss = loss_of(k == 0 ? "ssim" : "ssim:range=4000", p.size, 1);
        CHECK(pel_score_pair(&context, p.a, p.b, p.size, &params, &score) == PEL_OK);
        CHECK(pel_loss_evaluate(loss, p.a, p.b, p.gradient, terms, &total, &error) == PEL_OK);
        CHECK_NEAR(total, 1 - score.ssim, 1e-5 * (1 - score.ssim));
        pel_loss_free(loss);
    }
}

/* The paths for particular processors differ in nothing. */
static void processors(void)
{
    static pair p, q;
    double terms[1], total, portable;
    fill(&p, pel_size_make(23, 22, 1, 3), 0.1f, 2);
    pel_loss *loss = loss_of("ssim", p.size, 1);
    CHECK(pel_loss_evaluate(loss, p.a, p.b, p.gradient, terms, &total, &error) == PEL_OK);
    pel_loss_free(loss);
    fill(&q, pel_size_make(23, 22, 1, 3), 0.1f, 2);
    setenv("PELLUCID_CPU", "portable", 1);
    loss = loss_of("ssim", q.size, 1);
    unsetenv("PELLUCID_CPU");
    CHECK(pel_loss_evaluate(loss, q.a, q.b, q.gradient, terms, &portable, &error) == PEL_OK);
    CHECK(total == portable && memcmp(&p, &q, sizeof p) == 0);
    pel_loss_free(loss);
}

/* Where nothing is wrong, every loss is at its least and its gradient 0. */
static void equal_pictures(void)
{
    static pair p;
    double terms[5], total;
    for (size_t k = 0; k < CASES; k++) {
        fill(&p, pel_size_make(15, 14, 1, 2), 0, 5);
        pel_loss *loss = loss_of(cases[k].text, p.size, 1);
        CHECK(pel_loss_evaluate(loss, p.a, p.b, p.gradient, terms, &total, &error) == PEL_OK);
        double steepest = 0;
        for (size_t i = 0; i < pel_size_count(p.size); i++)
            steepest = fmax(steepest, fabs((double)p.gradient[i]));
        CHECK(steepest == 0, "%s: %g", cases[k].text, steepest);
        double least = reference(k, p.da, p.db, p.size);
        CHECK_NEAR(total, least, 1e-7 * fabs(least));
        pel_loss_free(loss);
    }
}

static void unknown_and_broken(void)
{
    static pair p;
    double terms[5], total, expected;
    fill(&p, pel_size_make(20, 13, 1, 1), 0.3f, 4);
    pel_loss *loss = loss_of("l1,ssim,fft-l1", p.size, 1);
    float right = p.b[33];
    p.b[33] = p.a[33];
    CHECK(pel_loss_evaluate(loss, p.a, p.b, p.gradient, terms, &expected, &error) == PEL_OK);
    p.b[33] = NAN;
    CHECK(pel_loss_evaluate(loss, p.a, p.b, p.gradient, terms, &total, &error) == PEL_OK);
    CHECK(total == expected && p.gradient[33] == 0 && p.gradient[34] != 0);
    p.b[33] = right;
    p.a[200] = NAN;
    CHECK(pel_loss_evaluate(loss, p.a, p.b, p.gradient, terms, &total, &error) == PEL_ENUMERIC);
    CHECK_TEXT(error.text, "loss l1 is not finite");
    pel_loss_free(loss);
}

static void text(void)
{
#define NETS "perceptual, gan, wgan)"
    static const struct {
        const char *text, *error;
    } wrong[] = {
        {"", "loss: '' is no term (there are mse, l1, charbonnier, psnr, ssim, fft-l1, " NETS},
        {"l2:1", "loss: 'l2' is no term (there are mse, l1, charbonnier, psnr, ssim, fft-l1, " NETS},
        {"mse,,l1", "loss: '' is no term (there are mse, l1, charbonnier, psnr, ssim, fft-l1, " NETS},
        {"mse:x", "loss mse: weight 'x' is no number"},
        {"mse:1:2", "loss mse: two weights"},
        {"mse:-1", "loss mse: weight -1 is not from 0 to 1e+09"},
        {"mse:", "loss mse: nothing stands behind a colon"},
        {"mse:epsilon=1", "loss mse: 'epsilon=1' is no parameter (it has none)"},
        {"l1,charbonnier:eps=1", "loss charbonnier: 'eps=1' is no parameter (it has epsilon)"},
        {"charbonnier:epsilon=0", "loss charbonnier: epsilon '0' is no number from 1e-12 to 1e+06"},
        {"charbonnier:epsilon=1:epsilon=1", "loss charbonnier: epsilon is given twice"},
        {"l1:0.5,mse,l1:0.5", "loss: l1 is given twice"},
    };
    pel_loss *loss = NULL;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK(pel_loss_parse(wrong[i].text, &loss, &error) == PEL_EUSAGE && loss == NULL, "%s", wrong[i].text);
        CHECK_TEXT(error.text, wrong[i].error);
    }
    loss = loss_of("charbonnier:epsilon=1e-2:2.55/255,ssim", pel_size_make(11, 11, 1, 1), 1);
    CHECK(pel_loss_count(loss) == 2);
    CHECK_TEXT(pel_loss_name(loss, 0), "charbonnier");
    CHECK_TEXT(pel_loss_name(loss, 1), "ssim");
    CHECK_NEAR(pel_loss_weight(loss, 0), 0.01, 1e-12);
    CHECK_NEAR(pel_loss_weight(loss, 1), 1, 0);
    pel_loss_free(loss);
    pel_loss_free(NULL);
}

/* ---- Threads */

#define PAIRS 40

typedef struct {
    pel_loss *loss;
    pair *pairs;
    double total[PAIRS];
} crowd;

static void one(void *arg, size_t index, size_t worker)
{
    crowd *c = arg;
    pair *p = &c->pairs[index];
    double terms[5];
    (void)worker;
    if (pel_loss_evaluate(c->loss, p->a, p->b, p->gradient, terms, &c->total[index], NULL) != PEL_OK)
        c->total[index] = -1;
}

/* More threads than were said wait for each other; the bits are the same. */
static void threads(void)
{
    pel_size size = pel_size_make(24, 20, 1, 3);
    pair *once = malloc(PAIRS * sizeof *once), *again = malloc(PAIRS * sizeof *again);
    crowd alone = {loss_of("charbonnier,ssim:0.3,fft-l1:0.1", size, 1), once, {0}};
    pel_pool *pool = NULL;
    CHECK(pel_pool_new(4, &pool, &error) == PEL_OK);
    for (size_t i = 0; i < PAIRS; i++)
        fill(&once[i], size, 0.1f, (uint32_t)i);
    pel_pool_run(NULL, PAIRS, one, &alone);
    for (size_t callers = 1; callers <= 4; callers++) {
        crowd many = {loss_of("charbonnier,ssim:0.3,fft-l1:0.1", size, callers), again, {0}};
        for (size_t i = 0; i < PAIRS; i++)
            fill(&again[i], size, 0.1f, (uint32_t)i);
        pel_pool_run(pool, PAIRS, one, &many);
        CHECK(memcmp(once, again, PAIRS * sizeof *once) == 0, "%zu callers", callers);
        CHECK(memcmp(alone.total, many.total, sizeof alone.total) == 0 && alone.total[PAIRS - 1] > 0);
        pel_loss_free(many.loss);
    }
    pel_loss_free(alone.loss);
    pel_pool_free(pool);
    free(once);
    free(again);
}

int main(void)
{
    values_and_gradients();
    small_sizes();
    ssim_is_the_metric();
    processors();
    equal_pictures();
    unknown_and_broken();
    text();
    threads();
    return check_done();
}
