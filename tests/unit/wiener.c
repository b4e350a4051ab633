/* wiener.c - Wiener deconvolution against the normal equations solved directly; what is unobserved.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/deconv.h>
#include <pellucid/fft.h>
#include <pellucid/pool.h>

#include "check.h"

#define W 8
#define H 6
#define N 3
#define GW (W + N - 1) /* the periodic grid: sizes that transforms like as they are */
#define GH (H + N - 1)
#define COUNT (GW * GH)

static pel_context context;

static size_t at(ptrdiff_t x, ptrdiff_t y)
{
    return (size_t)((y + GH) % GH * GW + (x + GW) % GW);
}

/* Gaussian elimination with pivots: a x = b, in place. */
static void eliminate(double (*a)[COUNT], double *b)
{
    for (size_t c = 0; c < COUNT; c++) {
        size_t pivot = c;
        for (size_t r = c + 1; r < COUNT; r++)
            pivot = fabs(a[r][c]) > fabs(a[pivot][c]) ? r : pivot;
        for (size_t k = 0; k < COUNT; k++) {
            double t = a[c][k];
            a[c][k] = a[pivot][k];
            a[pivot][k] = t;
        }
        double t = b[c];
        b[c] = b[pivot];
        b[pivot] = t;
        for (size_t r = 0; r < COUNT; r++) {
            double f = r == c ? 0 : a[r][c] / a[c][c];
            for (size_t k = c; k < COUNT && f != 0; k++)
                a[r][k] -= f * a[c][k];
            b[r] -= f * b[c];
        }
    }
    for (size_t c = 0; c < COUNT; c++)
        b[c] /= a[c][c];
}

/* The minimum of sum m (y - Kx)^2 + strength |Lx|^2, the data in the corner of the grid. */
static void reference(const pel_problem *p, double strength, bool laplace, float *estimate)
{
    static double a[COUNT][COUNT], b[COUNT];
    memset(a, 0, sizeof a);
    memset(b, 0, sizeof b);
    for (ptrdiff_t i = 0; i < W * H; i++) {
        double m = p->mask != NULL ? (double)p->mask[i] : 1;
        for (ptrdiff_t k = 0; k < N * N && m > 0; k++) {
            size_t u = at(i % W + N / 2 - k % N, i / W + N / 2 - k / N);
            b[u] += m * (double)p->psf[k] * (double)p->data[i];
            for (ptrdiff_t l = 0; l < N * N; l++)
                a[u][at(i % W + N / 2 - l % N, i / W + N / 2 - l / N)] +=
                    m * (double)p->psf[k] * (double)p->psf[l];
        }
    }
    static const ptrdiff_t dx[] = {0, 1, -1, 0, 0}, dy[] = {0, 0, 0, 1, -1};
    static const double weight[] = {4, -1, -1, -1, -1};
    for (ptrdiff_t i = 0; i < COUNT; i++) {
        for (int k = 0; k < 5 && laplace; k++)
            for (int l = 0; l < 5; l++)
                a[at(i % GW + dx[k], i / GW + dy[k])][at(i % GW + dx[l], i / GW + dy[l])] +=
                    strength * weight[k] * weight[l];
        if (!laplace)
            a[i][i] += strength;
    }
    eliminate(a, b);
    for (ptrdiff_t i = 0; i < W * H; i++)
        estimate[i] = (float)b[at(i % W, i / W)];
}

static void test_minimum(void)
{
    CHECK(pel_fft_good_size(GW) == GW && pel_fft_good_size(GH) == GH);
    float data[W * H], mask[W * H], psf[N * N], got[W * H], expected[W * H];
    uint32_t seed = 11;
    double sum = 0;
    for (size_t i = 0; i < W * H; i++) {
        data[i] = check_random(&seed);
        mask[i] = i % 11 == 3 ? 0 : i % 7 == 2 ? 0.5f : 1;
    }
    for (size_t i = 0; i < N * N; i++)
        sum += (double)(psf[i] = check_random(&seed));
    for (size_t i = 0; i < N * N; i++)
        psf[i] = (float)((double)psf[i] / sum);
    pel_problem p = {.size = pel_size_make(W, H, 1, 1), .data = data, .mask_channels = 1, .psf = psf,
                     .psf_size = pel_size_make(N, N, 1, 1)};
    for (int masked = 0; masked < 2; masked++)
        for (int laplace = 0; laplace < 2; laplace++) {
            p.mask = masked ? mask : NULL;
            pel_wiener_params params = {laplace ? PEL_WIENER_LAPLACE : PEL_WIENER_TIKHONOV, 0.05,
                                        PEL_RULE_GCV, false, 0};
            pel_wiener_report report;
            CHECK(pel_wiener(&context, &p, &params, got, &report) == PEL_OK);
            reference(&p, 0.05, laplace, expected);
            double worst = 0;
            for (size_t i = 0; i < W * H; i++)
                worst = fmax(worst, fabs((double)got[i] - (double)expected[i]));
            CHECK(worst < 0.01, "masked %d laplace %d: off by %g", masked, laplace, worst);
            CHECK_NEAR(report.strength, 0.05, 1e-6);
            /* What is masked does not matter. */
            for (size_t i = 0; i < W * H && masked; i++)
                if (!(mask[i] > 0))
                    data[i] += 3;
            float again[W * H];
            CHECK(pel_wiener(&context, &p, &params, again, &report) == PEL_OK);
            CHECK(memcmp(got, again, sizeof got) == 0);
        }
}

static pel_status keep(void *arg, const pel_context *ctx, pel_size size, double sigma, float *picture)
{
    (void)arg, (void)ctx, (void)size, (void)sigma, (void)picture;
    return PEL_OK;
}

/* Around a start: the data step of half-quadratic splitting; the start where the prior is strong. */
static void test_around(void)
{
    enum { SIDE = 40, COUNT_OF = SIDE * SIDE };
    static float data[COUNT_OF], mask[COUNT_OF], start[COUNT_OF], got[COUNT_OF], step[COUNT_OF];
    float psf[N * N];
    uint32_t seed = 5;
    for (size_t i = 0; i < N * N; i++)
        psf[i] = i == 4 ? 0.36f : 0.08f;
    for (size_t i = 0; i < COUNT_OF; i++) {
        data[i] = 0.5f + 0.3f * sinf((float)(i % SIDE) / 3) + 0.05f * check_random(&seed);
        start[i] = 0.5f + 0.2f * sinf((float)(i % SIDE) / 3) + 0.1f * sinf((float)i / 7);
        mask[i] = i % 13 != 3;
    }
    pel_problem p = {.size = pel_size_make(SIDE, SIDE, 1, 1), .data = data, .mask = mask, .mask_channels = 1, .psf = psf,
                     .psf_size = pel_size_make(N, N, 1, 1), .sigma = 0.02};
    pel_wiener_report report;
    pel_wiener_params params = {PEL_WIENER_TIKHONOV, 0.2, PEL_RULE_ERROR, true, 1};
    CHECK(pel_wiener(&context, &p, &params, got, &report) == PEL_EINVAL);
    p.start = start;
    CHECK(pel_wiener(&context, &p, &params, got, &report) == PEL_OK);
    const pel_hqs_params hqs = {.denoise = keep, .multiple = 1, .iterations = 1, .lambda = 0.2, .sigma_first = 0.02,
                                .last = 1};
    pel_hqs_report levels;
    CHECK(pel_hqs(&context, &p, &hqs, step, &levels) == PEL_OK);
    double worst = 0, moved = 0;
    for (size_t i = 0; i < COUNT_OF; i++) {
        worst = fmax(worst, fabs((double)got[i] - (double)step[i]));
        moved = fmax(moved, fabs((double)got[i] - (double)start[i]));
    }
    CHECK(worst < 2e-3 && moved > 0.05, "off by %g, moved by %g", worst, moved);
    params.strength = 1e6;
    CHECK(pel_wiener(&context, &p, &params, got, &report) == PEL_OK);
    for (size_t i = 0; i < COUNT_OF; i++)
        CHECK(fabsf(got[i] - start[i]) < 1e-4f);
    params.strength = (double)NAN;
    CHECK(pel_wiener(&context, &p, &params, got, &report) == PEL_OK);
    CHECK_NEAR(report.strength, 1.1, 1e-6); /* 0.1 + (50 * 0.02)^2 */
    params.rule = PEL_RULE_ERROR;
    params.around_start = false;
    CHECK(pel_wiener(&context, &p, &params, got, &report) == PEL_EINVAL);
}

int main(void)
{
    pel_error error = {PEL_OK, ""};
    pel_pool *pool;
    if (pel_pool_new(2, &pool, &error) != PEL_OK)
        return EXIT_FAILURE;
    context = (pel_context){.pool = pool, .error = &error, .plan_estimate = true};
    test_minimum();
    test_around();
    pel_pool_free(pool);
    return check_done();
}
