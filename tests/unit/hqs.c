/* hqs.c - plug-and-play restoration against plain solutions in double, with denoisers that are simple.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/conv.h>
#include <pellucid/deconv.h>
#include <pellucid/pool.h>

#include "check.h"

#define W 16
#define H 12
#define COUNT (W * H)
#define LAMBDA 0.23

static pel_context context;

/* ---- Denoisers */

typedef struct {
    double levels[64];
    int calls;
    pel_size size;
    pel_status fail;
} record;

static pel_status leave(void *arg, const pel_context *ctx, pel_size size, double sigma, float *picture)
{
    record *r = arg;
    (void)ctx;
    (void)picture;
    if (r == NULL)
        return PEL_OK;
    r->levels[r->calls++] = sigma;
    r->size = size;
    return r->fail;
}

/* Each sample and its right neighbour on a ring, more of it where there is more noise. */
static double smooth_weight(double sigma) { return fmin(0.5, 5 * sigma); }
static pel_status smooth(void *arg, const pel_context *ctx, pel_size size, double sigma, float *picture)
{
    float weight = (float)smooth_weight(sigma);
    (void)arg;
    (void)ctx;
    for (size_t r = 0; r < pel_size_count(size) / size.w; r++) {
        float *row = picture + r * size.w, first = row[0];
        for (size_t x = 0; x < size.w; x++)
            row[x] = (1 - weight) * row[x] + weight * (x + 1 < size.w ? row[x + 1] : first);
    }
    return PEL_OK;
}

static pel_hqs_params params_of(pel_denoise denoise, long iterations)
{
    return (pel_hqs_params){.denoise = denoise, .multiple = 1, .iterations = iterations, .lambda = LAMBDA,
                            .sigma_first = 0.2, .last = 1.5, .start = PEL_HQS_FROM_DATA};
}

static void fill(float *picture, size_t count, uint32_t seed)
{
    for (size_t i = 0; i < count; i++)
        picture[i] = (i % W > 5 ? 0.7f : 0.3f) + 0.2f * (check_random(&seed) - 0.5f);
}

/* ---- A periodic picture, K as a matrix */

static const float psf[9] = {0.05f, 0.1f, 0.05f, 0.1f, 0.3f, 0.2f, 0, 0.15f, 0.05f};

static void make_matrix(double k[COUNT][COUNT])
{
    memset(k, 0, sizeof(double[COUNT][COUNT]));
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < 9; j++) {
            int x = (i % W - (j % 3 - 1) + W) % W, y = (i / W - (j / 3 - 1) + H) % H;
            k[i][y * W + x] += (double)psf[j];
        }
}

/* a x = b by Gauss and Jordan, x in b; a is positive definite. */
static void eliminate(double a[COUNT][COUNT], double *b)
{
    for (int p = 0; p < COUNT; p++)
        for (int i = 0; i < COUNT; i++) {
            double f = i == p ? 0 : a[i][p] / a[p][p];
            for (int j = p; j < COUNT && f != 0; j++)
                a[i][j] -= f * a[p][j];
            b[i] -= f * b[p];
        }
    for (int p = 0; p < COUNT; p++)
        b[p] /= a[p][p];
}

/* z = argmin sum m (y - Kx)^2 + rho |x - z|^2 */
static void plain_step(double k[COUNT][COUNT], const float *y, const float *m, double rho, double *z)
{
    static double a[COUNT][COUNT], b[COUNT];
    for (int i = 0; i < COUNT; i++) {
        b[i] = rho * z[i];
        for (int n = 0; n < COUNT; n++)
            b[i] += k[n][i] * (m != NULL ? (double)m[n] : 1) * (double)y[n];
        for (int j = 0; j < COUNT; j++) {
            a[i][j] = i == j ? rho : 0;
            for (int n = 0; n < COUNT; n++)
                a[i][j] += k[n][i] * (m != NULL ? (double)m[n] : 1) * k[n][j];
        }
    }
    eliminate(a, b);
    memcpy(z, b, sizeof b);
}

static double level_of(long k, long n, double first, double last) { return first * pow(last / first, (double)k / (double)(n - 1)); }

/* `holes`: the mask leaves the closed form for conjugate gradients, which few holes take to the same result. */
static void test_periodic(bool holes)
{
    static double k[COUNT][COUNT], z[COUNT];
    float data[COUNT], mask[COUNT], got[COUNT];
    const double sigma = 0.05;
    const long n = 4;
    fill(data, COUNT, 3);
    for (int i = 0; i < COUNT; i++) {
        mask[i] = i % 37 == 11 ? 0 : 1;
        z[i] = (double)data[i];
    }
    pel_problem p = {.size = pel_size_make(W, H, 1, 1), .data = data, .psf = psf, .psf_size = pel_size_make(3, 3, 1, 1),
                     .sigma = sigma, .mask = holes ? mask : NULL, .mask_channels = 1, .start = data};
    pel_hqs_params params = params_of(smooth, n);
    pel_hqs_report report;
    params.periodic = true;
    CHECK(pel_hqs(&context, &p, &params, got, &report) == PEL_OK);
    make_matrix(k);
    for (long i = 0; i < n; i++) {
        double level = level_of(i, n, 0.2, 1.5 * sigma), w = smooth_weight(level), next[COUNT];
        plain_step(k, data, holes ? mask : NULL, LAMBDA * sigma * sigma / (level * level), z);
        int right = i % 2 == 0 ? 1 : W - 1; /* the denoiser sees every other one from behind */
        for (int j = 0; j < COUNT; j++)
            next[j] = (1 - w) * z[j] + w * z[j / W * W + (j + right) % W];
        memcpy(z, next, sizeof z);
    }
    double worst = 0;
    for (int i = 0; i < COUNT; i++)
        worst = fmax(worst, fabs((double)got[i] - z[i]));
    CHECK(worst < (holes ? 5e-3 : 2e-5), "holes %d: off by %g", holes, worst);
}

/* ---- Weights: without a blur each sample stands alone, x = (m y + rho z) / (m + rho). */

static void test_weights(void)
{
    float data[2 * COUNT], mask[COUNT], map[2 * COUNT], start[2 * COUNT], got[2 * COUNT], again[2 * COUNT];
    const float delta = 1;
    const double sigma = 0.1;
    fill(data, 2 * COUNT, 7);
    fill(start, 2 * COUNT, 8);
    for (int i = 0; i < 2 * COUNT; i++) {
        mask[i % COUNT] = i % 11 == 4 ? 0 : i % 5 == 1 ? 0.5f : 1;
        map[i] = i < COUNT ? 0.1f : 0.2f;
    }
    pel_problem p = {.size = pel_size_make(W, H, 1, 2), .data = data, .psf = &delta, .psf_size = pel_size_make(1, 1, 1, 1),
                     .sigma = sigma, .mask = mask, .mask_channels = 1, .sigma_map = map, .sigma_channels = 2,
                     .start = start};
    pel_hqs_params params = params_of(leave, 1);
    pel_hqs_report report;
    params.last = 1;
    params.lambda = 1; /* rho = 1 */
    CHECK(pel_hqs(&context, &p, &params, got, &report) == PEL_OK);
    for (int i = 0; i < 2 * COUNT; i++) {
        double m = (double)mask[i % COUNT] * (i < COUNT ? 1 : 0.25);
        CHECK_NEAR((double)got[i], (m * (double)data[i] + (double)start[i]) / (m + 1), 2e-3);
    }
    /* What is masked does not matter. */
    for (int i = 0; i < 2 * COUNT; i++)
        data[i] = mask[i % COUNT] > 0 ? data[i] : 1e6f;
    CHECK(pel_hqs(&context, &p, &params, again, &report) == PEL_OK);
    CHECK(memcmp(got, again, sizeof got) == 0);
}

/* What the blur takes away altogether, here columns that alternate, comes from the start. */
static void test_start(void)
{
    float data[COUNT], start[COUNT], got[COUNT];
    const float box[2] = {0.5f, 0.5f};
    double amplitude = 0, from_data = 0;
    for (int i = 0; i < COUNT; i++) {
        data[i] = 0.5f;
        start[i] = i % 2 == 0 ? 0.6f : 0.4f;
    }
    pel_problem p = {.size = pel_size_make(W, H, 1, 1), .data = data, .psf = box, .psf_size = pel_size_make(2, 1, 1, 1),
                     .sigma = 0.01, .start = start};
    pel_hqs_params params = params_of(leave, 3);
    pel_hqs_report report;
    params.periodic = true;
    CHECK(pel_hqs(&context, &p, &params, got, &report) == PEL_OK);
    for (int i = 0; i < COUNT; i++)
        amplitude += (i % 2 == 0 ? 1.0 : -1.0) * (double)got[i] / COUNT;
    CHECK_NEAR(amplitude, 0.1, 1e-5);
    p.start = NULL;
    CHECK(pel_hqs(&context, &p, &params, got, &report) == PEL_OK);
    for (int i = 0; i < COUNT; i++)
        from_data += (i % 2 == 0 ? 1.0 : -1.0) * (double)got[i] / COUNT;
    CHECK_NEAR(from_data, 0, 1e-5);
}

/* ---- The schedule, and what the denoiser gets */

static void test_schedule(void)
{
    float data[2 * COUNT], got[2 * COUNT];
    fill(data, 2 * COUNT, 2);
    record r = {.calls = 0};
    pel_problem p = {.size = pel_size_make(W, H, 1, 2), .data = data, .psf = psf, .psf_size = pel_size_make(3, 3, 1, 1),
                     .sigma = 0.02};
    pel_hqs_params params = params_of(leave, 5);
    pel_hqs_report report;
    params.denoise_arg = &r;
    params.multiple = 8;
    CHECK(pel_hqs(&context, &p, &params, got, &report) == PEL_OK);
    CHECK(r.calls == 5);
    for (int k = 0; k < 5; k++)
        CHECK_NEAR(r.levels[k], level_of(k, 5, 0.2, 0.03), 1e-9);
    CHECK_NEAR(report.sigma_first, 0.2, 1e-12);
    CHECK_NEAR(report.sigma_last, 0.03, 1e-12);
    CHECK(r.size.w % 8 == 0 && r.size.h % 8 == 0 && r.size.w >= W + 2 && r.size.h >= H + 2 && r.size.c == 2);
    r.calls = 0; /* one iteration is the last; more noise than the first level takes: none rises */
    params.iterations = 1;
    CHECK(pel_hqs(&context, &p, &params, got, &report) == PEL_OK);
    CHECK_NEAR(r.levels[0], 0.03, 1e-12);
    p.sigma = 0.5;
    params.iterations = 2;
    CHECK(pel_hqs(&context, &p, &params, got, &report) == PEL_OK);
    CHECK_NEAR(r.levels[1], 0.75, 1e-12);
    CHECK_NEAR(r.levels[2], 0.75, 1e-12);
    r.fail = PEL_ENUMERIC;
    CHECK(pel_hqs(&context, &p, &params, got, &report) == PEL_ENUMERIC);
}

static void test_refused(void)
{
    float data[COUNT], got[COUNT];
    pel_error error = {PEL_OK, ""};
    pel_context ctx = {.error = &error};
    fill(data, COUNT, 2);
    pel_problem p = {.size = pel_size_make(W, H, 1, 1), .data = data, .psf = psf, .psf_size = pel_size_make(3, 3, 1, 1)};
    pel_hqs_params params = params_of(leave, 2);
    pel_hqs_report report;
    CHECK(pel_hqs(&ctx, &p, &params, got, &report) == PEL_OK);
    CHECK(fabs(report.sigma_last - 1e-3 * params.last) < 1e-9, "%g", report.sigma_last);
    params.periodic = true;
    CHECK(pel_hqs(&ctx, &p, &params, got, &report) == PEL_EINVAL);
    CHECK(strstr(error.text, "sigma must be above 0") != NULL, "%s", error.text);
    params.periodic = false;
    p.sigma = 0.1;
    params.iterations = 0;
    CHECK(pel_hqs(&ctx, &p, &params, got, &report) == PEL_EINVAL);
    params.iterations = 2;
    p.size.w = 2; /* a period that is smaller than the PSF */
    params.periodic = true;
    CHECK(pel_hqs(&ctx, &p, &params, got, &report) == PEL_EINVAL);
}

/* ---- Borders: of a picture whose blur came from what lies outside, all starts make more than a periodic one does. */

#define N 40
#define R 4
static void test_border(void)
{
    enum { OUTER = N + 2 * R, SIDE = 2 * R + 1 };
    float outer[OUTER * OUTER], data[N * N], got[N * N], box[SIDE * SIDE];
    uint32_t seed = 4;
    for (int i = 0; i < OUTER * OUTER; i++)
        outer[i] = 0.3f + 0.4f * (float)(i / OUTER) / OUTER + ((i % OUTER) / 7 % 2 ? 0.2f : 0);
    for (int i = 0; i < SIDE * SIDE; i++)
        box[i] = 1.0f / (SIDE * SIDE);
    CHECK(pel_convolve(&context, outer, pel_size_make(OUTER, OUTER, 1, 1), box, pel_size_make(SIDE, SIDE, 1, 1),
                       PEL_BORDER_VALID, data) == PEL_OK);
    for (int i = 0; i < N * N; i++)
        data[i] += 0.004f * (check_random(&seed) - 0.5f);
    pel_problem p = {.size = pel_size_make(N, N, 1, 1), .data = data, .psf = box, .psf_size = pel_size_make(SIDE, SIDE, 1, 1),
                     .sigma = 0.00115};
    pel_hqs_report report;
    double errors[4];
    for (int k = 0; k < 4; k++) {
        pel_hqs_params params = params_of(smooth, 8);
        params.sigma_first = 0.02;
        params.periodic = k == 3;
        params.start = (pel_hqs_start)(k % 3);
        CHECK(pel_hqs(&context, &p, &params, got, &report) == PEL_OK);
        errors[k] = 0;
        for (int i = 0; i < N * N; i++) {
            double e = (double)got[i] - (double)outer[(i / N + R) * OUTER + i % N + R];
            errors[k] += e * e / (N * N);
        }
    }
    for (int k = 0; k < 3; k++)
        CHECK(errors[k] < 0.25 * errors[3], "start %d: %g, periodic %g", k, errors[k], errors[3]);
}

/* A PSF of one plane takes the slices of a volume one by one; a PSF for each channel its own. */
static void test_slices(void)
{
    float volume[3 * COUNT], got[3 * COUNT], one[COUNT], psfs[18] = {0};
    fill(volume, 3 * COUNT, 9);
    memcpy(psfs, psf, sizeof psf);
    psfs[9 + 4] = 1;
    pel_problem p = {.size = pel_size_make(W, H, 3, 1), .data = volume, .psf = psfs, .psf_size = pel_size_make(3, 3, 1, 1),
                     .sigma = 0.02};
    pel_hqs_params params = params_of(smooth, 3);
    pel_hqs_report report;
    params.periodic = true;
    for (int channels = 0; channels < 2; channels++) {
        size_t planes = channels ? 2 : 3;
        p.size = channels ? pel_size_make(W, H, 1, 2) : pel_size_make(W, H, 3, 1);
        p.psf_size.c = channels ? 2 : 1;
        p.data = volume;
        CHECK(pel_hqs(&context, &p, &params, got, &report) == PEL_OK);
        for (size_t z = 0; z < planes; z++) {
            pel_problem q = p;
            q.size = pel_size_make(W, H, 1, 1);
            q.psf_size.c = 1;
            q.data = volume + z * COUNT;
            q.psf = channels ? psfs + 9 * z : psfs;
            CHECK(pel_hqs(&context, &q, &params, one, &report) == PEL_OK);
            for (int i = 0; i < COUNT; i++)
                CHECK_NEAR((double)got[z * COUNT + (size_t)i], (double)one[i], 1e-5);
        }
    }
}

int main(void)
{
    test_periodic(false);
    test_periodic(true);
    test_weights();
    test_start();
    test_schedule();
    test_refused();
    test_border();
    test_slices();
    return check_done();
}
