/* iterate.c - what one Richardson-Lucy iteration costs, beside the transforms that a plain program needs.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An iteration by whole-image transforms takes four of them (two convolutions) and pointwise work.
 * Both are timed in turn, in one run, with the same threads, so that a busy machine slows both:
 *     whole    two forward and two backward bare FFTW transforms, FFTW_MEASURE, of the best of some
 *              padded sizes, on FFTW's own threads
 *     pel_rl   an iteration: (time of `many` iterations - time of one) / (many - 1)
 * A row a case: picture, PSF, threads, ms of both (medians), and their ratio (median of the ratios
 * of the rounds).  Usage: iterate [-e] [THREADS [ROUNDS]]; -e: acceleration on. */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <fftw3.h>

#include <pellucid/conv.h>
#include <pellucid/deconv.h>
#include <pellucid/fft.h>
#include <pellucid/pool.h>

#define MOST_ROUNDS 99
#define CANDIDATES 4

static const struct {
    size_t side, psf;
    bool gauss;
    long many;
} cases[] = {
    {1024, 15, false, 9}, {1024, 41, false, 9},  {2048, 15, false, 5},
    {2048, 41, false, 5}, {1024, 15, true, 17}, {1024, 31, true, 17},
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *need(void *memory)
{
    if (memory == NULL) {
        fputs("iterate: out of memory\n", stderr);
        exit(EXIT_FAILURE);
    }
    return memory;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *values, size_t count)
{
    double sorted[MOST_ROUNDS];
    memcpy(sorted, values, count * sizeof *values);
    qsort(sorted, count, sizeof *sorted, by_size);
    return sorted[count / 2];
}

/* ---- Bare transforms ---------------------------------------------------------------------------- */

typedef struct {
    fftwf_plan forward, backward;
    float *samples;
    pel_complex *spectrum;
    size_t side;
} bare;

static void bare_open(bare *b, size_t side, int threads)
{
    int n = (int)side;
    b->side = side;
    b->samples = need(pel_calloc_floats(side * side));
    b->spectrum = need(pel_alloc((side / 2 + 1) * side * sizeof *b->spectrum));
    fftwf_plan_with_nthreads(threads);
    b->forward = need(fftwf_plan_dft_r2c_2d(n, n, b->samples, b->spectrum, FFTW_MEASURE));
    b->backward = need(fftwf_plan_dft_c2r_2d(n, n, b->spectrum, b->samples, FFTW_MEASURE));
    memset(b->samples, 0, side * side * sizeof *b->samples);
}

static void bare_close(bare *b)
{
    fftwf_destroy_plan(b->forward);
    fftwf_destroy_plan(b->backward);
    pel_free(b->samples);
    pel_free(b->spectrum);
}

static double bare_time(const bare *b)
{
    double start = now();
    for (int i = 0; i < 2; i++) {
        fftwf_execute(b->forward);
        fftwf_execute(b->backward);
    }
    return now() - start;
}

/* The fastest of the next sizes that FFTW likes. */
static void bare_best(bare *best, size_t least, int threads)
{
    double fastest = HUGE_VAL;
    size_t side = least;
    for (int i = 0; i < CANDIDATES; i++, side++) {
        bare b;
        side = pel_fft_good_size(side);
        bare_open(&b, side, threads);
        double t = bare_time(&b);
        for (int k = 0; k < 4; k++)
            t = fmin(t, bare_time(&b));
        if (t < fastest) {
            if (fastest < HUGE_VAL)
                bare_close(best);
            *best = b;
            fastest = t;
        } else {
            bare_close(&b);
        }
    }
}

/* ---- Iterations --------------------------------------------------------------------------------- */

static uint32_t seed = 12345;
static float random_sample(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (float)(seed >> 8) / 16777216.0f;
}

static void make_psf(float *psf, size_t n, bool gauss)
{
    double sum = 0, s = (double)n / 6;
    for (size_t i = 0; i < n * n; i++) {
        double x = (double)(i % n) - (double)(n / 2), y = (double)(i / n) - (double)(n / 2);
        psf[i] = gauss ? (float)exp(-(x * x + y * y) / (2 * s * s)) : random_sample();
        sum += (double)psf[i];
    }
    for (size_t i = 0; i < n * n; i++)
        psf[i] = (float)((double)psf[i] / sum);
}

static double solve(const pel_context *ctx, const pel_problem *problem, long iterations,
                    bool accelerate, float *estimate)
{
    pel_rl_params params = {.iterations = iterations, .accelerate = accelerate};
    pel_rl_report report;
    double start = now();
    if (pel_rl(ctx, problem, &params, estimate, &report) != PEL_OK) {
        fprintf(stderr, "iterate: %s\n", ctx->error->text);
        exit(EXIT_FAILURE);
    }
    return now() - start;
}

static void run_case(const pel_context *ctx, size_t index, size_t rounds, bool accelerate)
{
    size_t side = cases[index].side, n = cases[index].psf, count = side * side;
    int threads = (int)pel_pool_threads(ctx->pool);
    long many = cases[index].many;
    float *data = need(pel_alloc_floats(count)), *estimate = need(pel_alloc_floats(count));
    float *psf = need(pel_alloc_floats(n * n));
    for (size_t i = 0; i < count; i++)
        data[i] = 0.1f + random_sample();
    make_psf(psf, n, cases[index].gauss);
    pel_problem problem = {.size = pel_size_make(side, side, 1, 1),
                           .data = data,
                           .psf = psf,
                           .psf_size = pel_size_make(n, n, 1, 1)};
    double whole[MOST_ROUNDS], ours[MOST_ROUNDS], ratio[MOST_ROUNDS];
    (void)solve(ctx, &problem, 2, accelerate, estimate); /* plans are made here */
    fftwf_threads_set_callback(NULL, NULL);
    bare b = {0};
    bare_best(&b, side + n - 1, threads);
    for (size_t r = 0; r < rounds; r++) {
        whole[r] = fmin(bare_time(&b), bare_time(&b));
        double one = solve(ctx, &problem, 1, accelerate, estimate);
        ours[r] = (solve(ctx, &problem, many, accelerate, estimate) - one) / (double)(many - 1);
        ratio[r] = ours[r] / whole[r];
    }
    printf("%zux%zu\t%zux%zu%s\t%d\t%.2f (%zu)\t%.2f\t%.2f\n", side, side, n, n,
           cases[index].gauss ? " gauss" : "", threads, 1e3 * median(whole, rounds), b.side,
           1e3 * median(ours, rounds), median(ratio, rounds));
    fflush(stdout);
    bare_close(&b);
    pel_free(data);
    pel_free(estimate);
    pel_free(psf);
}

int main(int argc, char **argv)
{
    bool accelerate = argc > 1 && strcmp(argv[1], "-e") == 0;
    argc -= accelerate;
    argv += accelerate;
    size_t threads = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
    size_t rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 7;
    rounds = rounds < 1 ? 1 : rounds > MOST_ROUNDS ? MOST_ROUNDS : rounds;
    pel_error error = {PEL_OK, ""};
    pel_pool *pool;
    if (pel_pool_new(threads, &pool, &error) != PEL_OK) {
        fprintf(stderr, "iterate: %s\n", error.text);
        return EXIT_FAILURE;
    }
    pel_context ctx = {.pool = pool, .error = &error};
    printf("picture\tpsf\tthreads\t4 transforms ms (size)\titeration ms\tratio\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        run_case(&ctx, i, rounds, accelerate);
    pel_pool_free(pool);
    return EXIT_SUCCESS;
}
