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
                                        PEL_RULE_GCV};
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

int main(void)
{
    pel_error error = {PEL_OK, ""};
    pel_pool *pool;
    if (pel_pool_new(2, &pool, &error) != PEL_OK)
        return EXIT_FAILURE;
    context = (pel_context){.pool = pool, .error = &error, .plan_estimate = true};
    test_minimum();
    pel_pool_free(pool);
    return check_done();
}
