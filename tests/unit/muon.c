/* muon.c - orthogonal steps against their singular values, and a step against plain loops in double.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/pool.h>

#include "check.h"
#include "src/lib/train/muon.h"

static void test_takes(void)
{
    pel_muon_matrix m;
    pel_model_tensor t = {.rank = 4, .dims = {48, 32, 3, 3}};
    CHECK(pel_muon_takes(&t, &m) && m.rows == 48 && m.columns == 288);
    t = (pel_model_tensor){.rank = 2, .dims = {16, 16}};
    CHECK(pel_muon_takes(&t, &m) && m.rows == 16 && m.columns == 16);
    t = (pel_model_tensor){.rank = 4, .dims = {48, 1, 3, 3}}; /* depthwise */
    CHECK(!pel_muon_takes(&t, &m));
    t = (pel_model_tensor){.rank = 4, .dims = {3, 64, 3, 3}}; /* puts out colours */
    CHECK(!pel_muon_takes(&t, &m));
    t = (pel_model_tensor){.rank = 1, .dims = {4096}};
    CHECK(!pel_muon_takes(&t, &m));
}

/* U, of m orthogonal rows of n: by Gram and Schmidt. */
static void random_rows(size_t m, size_t n, double *u, uint32_t *random)
{
    for (size_t i = 0; i < m; i++) {
        double *row = u + i * n, norm = 0;
        for (size_t k = 0; k < n; k++)
            row[k] = (double)check_random(random) - 0.5;
        for (size_t j = 0; j < i; j++) {
            double dot = 0;
            for (size_t k = 0; k < n; k++)
                dot += row[k] * u[j * n + k];
            for (size_t k = 0; k < n; k++)
                row[k] -= dot * u[j * n + k];
        }
        for (size_t k = 0; k < n; k++)
            norm += row[k] * row[k];
        for (size_t k = 0; k < n; k++)
            row[k] /= sqrt(norm);
    }
}

/* What five steps of the polynomial make of a singular value. */
static double plain_value(double s)
{
    for (int i = 0; i < 5; i++)
        s = 3.4445 * s - 4.7750 * pow(s, 3) + 2.0315 * pow(s, 5);
    return s;
}

enum { M = 19, N = 83 };
static double u[M * M], v[M * N], made[M * N], expected[M * N];

/* A matrix of known singular values; `made` and `expected` are M x N. */
static void make(uint32_t *random)
{
    double norm = 0, s[M];
    random_rows(M, M, u, random);
    random_rows(M, N, v, random);
    for (size_t i = 0; i < M; i++) {
        s[i] = 7 * pow(0.8, (double)i);
        norm += s[i] * s[i];
    }
    memset(made, 0, sizeof made);
    memset(expected, 0, sizeof expected);
    for (size_t i = 0; i < M; i++)
        for (size_t r = 0; r < M; r++)
            for (size_t k = 0; k < N; k++) {
                double outer = u[i * M + r] * v[i * N + k];
                made[r * N + k] += s[i] * outer;
                expected[r * N + k] += plain_value(s[i] / sqrt(norm)) * outer;
            }
}

static void test_singular_values(void)
{
    static float in[M * N], out[M * N], turned[N * M];
    uint32_t random = 5;
    double worst = 0, worst_turned = 0;
    make(&random);
    for (size_t i = 0; i < M * N; i++)
        in[i] = (float)made[i];
    CHECK(pel_muon_orthogonalise(M, N, in, out, NULL) == PEL_OK);
    for (size_t r = 0; r < M; r++)
        for (size_t k = 0; k < N; k++)
            turned[k * M + r] = in[r * N + k];
    CHECK(pel_muon_orthogonalise(N, M, turned, turned, NULL) == PEL_OK);
    for (size_t r = 0; r < M; r++)
        for (size_t k = 0; k < N; k++) {
            worst = fmax(worst, fabs((double)out[r * N + k] - expected[r * N + k]));
            worst_turned = fmax(worst_turned, fabs((double)turned[k * M + r] - expected[r * N + k]));
        }
    CHECK(worst < 5e-3, "%g", worst); /* of 1: what rounding does to the smallest, which grow twelvefold a step */
    CHECK(worst_turned < 5e-3, "%g", worst_turned);
    for (double s = 0.02; s < 1; s += 0.01)
        CHECK(plain_value(s) > 0.65 && plain_value(s) < 1.25, "%g: %g", s, plain_value(s));
    /* Rows that are next to nothing stay so, and the others do not see them. */
    for (size_t k = 0; k < N; k++) {
        in[3 * N + k] *= 1e-20f;
        in[7 * N + k] = 0;
    }
    CHECK(pel_muon_orthogonalise(M, N, in, out, NULL) == PEL_OK);
    for (size_t k = 0; k < N; k++)
        in[3 * N + k] = 0;
    CHECK(pel_muon_orthogonalise(M, N, in, in, NULL) == PEL_OK);
    CHECK(memcmp(in, out, sizeof in) == 0);
    float zeros[16 * 16] = {0};
    CHECK(pel_muon_orthogonalise(16, 16, zeros, zeros, NULL) == PEL_OK);
    CHECK_NEAR(zeros[17], 0, 0);
}

/* Weights before, between and behind two matrices. */
enum { FIRST = 5, SECOND = FIRST + M * N + 3, COUNT = SECOND + M * N + 2, TURNS = 3 };
static const pel_muon_matrix matrices[] = {{FIRST, M, N}, {SECOND, N, M}};

static void run_float(pel_pool *pool, const float *g, float *w)
{
    pel_context ctx = {.pool = pool};
    pel_adam adam = PEL_ADAM_USUAL;
    float *m = pel_calloc_floats(COUNT), *s = pel_calloc_floats(COUNT);
    adam.decay = 0.02;
    for (uint64_t t = 1; t <= TURNS; t++)
        CHECK(pel_muon_step(&ctx, &adam, t, 0.01, COUNT, matrices, 2, g + (t - 1) * COUNT, 0.25, w, m, s) == PEL_OK);
    pel_free(m);
    pel_free(s);
}

/* Weights that are no part of a matrix are Adam's alone; those of a matrix as the paper writes it. */
static void plain(const float *g, float *w)
{
    pel_context ctx = {.pool = NULL};
    pel_adam adam = PEL_ADAM_USUAL;
    static float alone[COUNT], m[COUNT], s[COUNT], along[M * N];
    static double momentum[COUNT];
    adam.decay = 0.02;
    memcpy(alone, w, sizeof alone);
    for (uint64_t t = 1; t <= TURNS; t++, g += COUNT) {
        pel_adam_step(&ctx, &adam, t, 0.01, COUNT, g, 0.25, alone, m, s);
        for (size_t k = 0; k < 2; k++) {
            const pel_muon_matrix *x = &matrices[k];
            for (size_t i = 0; i < M * N; i++) {
                double slope = 0.25 * (double)g[x->offset + i];
                momentum[x->offset + i] = 0.95 * momentum[x->offset + i] + slope;
                along[i] = (float)(slope + 0.95 * momentum[x->offset + i]);
            }
            CHECK(pel_muon_orthogonalise(x->rows, x->columns, along, along, NULL) == PEL_OK);
            for (size_t i = 0; i < M * N; i++)
                w[x->offset + i] = (float)((double)w[x->offset + i] * (1 - 0.01 * 0.02) -
                                           0.01 * 0.2 * sqrt(N) * (double)along[i]);
        }
    }
    for (size_t i = 0; i < COUNT; i++)
        if (!(i >= FIRST && i < FIRST + M * N) && !(i >= SECOND && i < SECOND + M * N))
            w[i] = alone[i];
}

static void test_step(void)
{
    static float w[COUNT], again[COUNT], expect[COUNT], g[TURNS * COUNT];
    uint32_t random = 11;
    double worst = 0;
    pel_pool *pool;
    for (size_t i = 0; i < TURNS * COUNT; i++)
        g[i] = check_random(&random) - 0.4f;
    for (size_t i = 0; i < COUNT; i++)
        w[i] = again[i] = expect[i] = check_random(&random);
    run_float(NULL, g, w);
    plain(g, expect);
    for (size_t i = 0; i < COUNT; i++)
        worst = fmax(worst, fabs((double)w[i] - (double)expect[i]));
    CHECK(worst < 2e-5, "%g", worst); /* a hundredth of a step: what rounding becomes in the smallest singular values */
    CHECK(pel_pool_new(3, &pool, NULL) == PEL_OK);
    run_float(pool, g, again);
    CHECK(memcmp(w, again, sizeof w) == 0);
    pel_pool_free(pool);
}

int main(void)
{
    test_takes();
    test_singular_values();
    test_step();
    return check_done();
}
