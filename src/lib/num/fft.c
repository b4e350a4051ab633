/* fft.c - FFTW's real transforms on our threads.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <fftw3.h>

#include <pellucid/fft.h>
#include <pellucid/pool.h>

#include "wisdom.h"

/* A forward and a backward plan with what they were made for. */
typedef struct {
    size_t n[3]; /* w, h, d; of tiles side, row, 0 */
    size_t threads;
    bool estimate;
    bool guessed; /* the plans were not measured, but may be */
    fftwf_plan forward, backward;
} plans;

struct pel_fft {
    size_t w, h, d;
    pel_pool *pool;
    plans plans;
    atomic_size_t uses; /* transforms executed */
};

/* FFTW's planner has one state for the process. */
static pthread_mutex_t planner = PTHREAD_MUTEX_INITIALIZER;

/* Plans that nobody uses at present, kept for who wants the same again: in a stream of small pictures,
 * each with a PSF of its own, planning would take longer than the transforms.  Under the planner's lock. */
#define KEPT 16
static struct {
    plans plans[KEPT];
    size_t next; /* to be given up */
} kept;

static void destroy(plans *p)
{
    if (p->forward != NULL)
        fftwf_destroy_plan(p->forward);
    if (p->backward != NULL)
        fftwf_destroy_plan(p->backward);
    p->forward = p->backward = NULL;
}

/* Completes `wanted` from what is kept, for this caller alone. */
static bool take_kept(plans *wanted)
{
    for (size_t i = 0; i < KEPT; i++) {
        plans *p = &kept.plans[i];
        if (p->forward != NULL && p->backward != NULL && p->n[0] == wanted->n[0] &&
            p->n[1] == wanted->n[1] && p->n[2] == wanted->n[2] && p->threads == wanted->threads &&
            p->estimate == wanted->estimate) {
            *wanted = *p;
            p->forward = p->backward = NULL;
            return true;
        }
    }
    return false;
}

static void keep(const plans *p)
{
    size_t i = 0;
    while (i < KEPT && kept.plans[i].forward != NULL)
        i++;
    if (i == KEPT) {
        i = kept.next;
        kept.next = (kept.next + 1) % KEPT;
        destroy(&kept.plans[i]);
    }
    kept.plans[i] = *p;
}

/* FFTW asks for its threads through one callback of the process; the pool of the transform that
 * this thread executes is found here. */
static _Thread_local pel_pool *executing;

typedef struct {
    void *(*work)(char *);
    char *data;
    size_t stride;
} loop;

static void loop_piece(void *arg, size_t index, size_t worker)
{
    const loop *l = arg;
    (void)worker;
    l->work(l->data + index * l->stride);
}

static void spawn(void *(*work)(char *), char *data, size_t stride, int count, void *unused)
{
    loop l = {work, data, stride};
    (void)unused;
    pel_pool_run(executing, (size_t)count, loop_piece, &l);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void start_fftw(void)
{
    fftwf_init_threads();
    fftwf_threads_set_callback(spawn, NULL);
}

/* Called with the planner locked. */
static bool make_plans(plans *p, float *samples, pel_complex *spectrum, unsigned flags)
{
    int n[3] = {(int)p->n[2], (int)p->n[1], (int)p->n[0]};
    int rank = p->n[2] > 1 ? 3 : 2;
    p->forward = fftwf_plan_dft_r2c(rank, n + 3 - rank, samples, spectrum, flags);
    p->backward = fftwf_plan_dft_c2r(rank, n + 3 - rank, spectrum, samples, flags);
    return p->forward != NULL && p->backward != NULL;
}

/* Called with the planner locked.  Measuring overwrites the arrays: they are scratch. */
static bool plan_anew(pel_fft *fft, float *samples, pel_complex *spectrum)
{
    bool done;
    pthread_once(&once, start_fftw);
    executing = fft->pool;
    fftwf_plan_with_nthreads((int)pel_pool_threads(fft->pool));
    if (fft->plans.estimate) {
        done = make_plans(&fft->plans, samples, spectrum, FFTW_ESTIMATE);
    } else {
        pel_wisdom_load();
        done = make_plans(&fft->plans, samples, spectrum, FFTW_MEASURE | FFTW_WISDOM_ONLY);
        if (!done) {
            destroy(&fft->plans);
            done = fft->plans.guessed = make_plans(&fft->plans, samples, spectrum, FFTW_ESTIMATE);
        }
    }
    executing = NULL;
    return done;
}

static bool plan(const pel_context *ctx, pel_fft *fft)
{
    fft->plans = (plans){.n = {fft->w, fft->h, fft->d},
                         .threads = pel_pool_threads(fft->pool),
                         .estimate = ctx->plan_estimate};
    pthread_mutex_lock(&planner);
    bool done = take_kept(&fft->plans);
    if (!done) {
        float *samples = pel_alloc_floats(fft->w * fft->h * fft->d);
        pel_complex *spectrum = pel_alloc(pel_fft_count(fft) * sizeof *spectrum);
        if (samples != NULL && spectrum != NULL)
            done = plan_anew(fft, samples, spectrum);
        pel_free(samples);
        pel_free(spectrum);
    }
    pthread_mutex_unlock(&planner);
    return done;
}

pel_status pel_fft_new(const pel_context *ctx, size_t w, size_t h, size_t d, pel_fft **out)
{
    size_t bytes;
    if (w == 0 || h == 0 || d == 0 || w > (1u << 28) || h > (1u << 28) || d > (1u << 28) ||
        !pel_size_bytes(pel_size_make(w, h, d, 1), sizeof(float), &bytes))
        return pel_error_set(ctx->error, PEL_ELIMIT, "a transform of %zux%zux%zu is too large", w,
                             h, d);
    pel_fft *fft = pel_alloc(sizeof *fft);
    if (fft == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    *fft = (pel_fft){.w = w, .h = h, .d = d, .pool = ctx->pool};
    if (!plan(ctx, fft)) {
        pel_fft_free(fft);
        return pel_error_set(ctx->error, PEL_ENOMEM, "no memory for a transform of %zux%zux%zu", w,
                             h, d);
    }
    *out = fft;
    return PEL_OK;
}

/* Seconds that a transform took so far: 4 ns a sample is what half a forward and backward pair of
 * a large one costs.  An estimate, so that whether to measure does not depend on a clock. */
static double seconds_of(const pel_fft *fft)
{
    return 4e-9 * (double)(fft->w * fft->h * fft->d) * (double)atomic_load(&fft->uses);
}

/* FFTW measures for as long as thousands of transforms of a tile take, or hundreds of a picture:
 * only who has spent much more on a size profits, and what comes of it serves the next time.  Called
 * with the planner locked. */
static void measure(const pel_fft *fft)
{
    plans better = fft->plans;
    float *samples = pel_alloc_floats(fft->w * fft->h * fft->d);
    pel_complex *spectrum = pel_alloc(pel_fft_count(fft) * sizeof *spectrum);
    if (samples != NULL && spectrum != NULL) {
        executing = fft->pool;
        fftwf_plan_with_nthreads((int)pel_pool_threads(fft->pool));
        fftwf_set_timelimit(seconds_of(fft) / 8);
        (void)make_plans(&better, samples, spectrum, FFTW_MEASURE);
        fftwf_set_timelimit(FFTW_NO_TIMELIMIT);
        destroy(&better);
        if (make_plans(&better, samples, spectrum, FFTW_MEASURE | FFTW_WISDOM_ONLY))
            pel_wisdom_save();
        destroy(&better);
        executing = NULL;
    }
    pel_free(samples);
    pel_free(spectrum);
}

void pel_fft_free(pel_fft *fft)
{
    if (fft == NULL)
        return;
    pthread_mutex_lock(&planner);
    if (fft->plans.guessed && seconds_of(fft) > 8) {
        destroy(&fft->plans); /* a better one will be there */
        measure(fft);
    } else if (fft->plans.forward != NULL && fft->plans.backward != NULL) {
        keep(&fft->plans);
    } else {
        destroy(&fft->plans);
    }
    pthread_mutex_unlock(&planner);
    pel_free(fft);
}

size_t pel_fft_count(const pel_fft *fft)
{
    return (fft->w / 2 + 1) * fft->h * fft->d;
}

void pel_fft_forward(const pel_fft *fft, const float *samples, pel_complex *spectrum)
{
    executing = fft->pool;
    atomic_fetch_add(&((pel_fft *)(uintptr_t)fft)->uses, 1);
    /* FFTW keeps the input of an out-of-place r2c transform; its interface lacks the const. */
    fftwf_execute_dft_r2c(fft->plans.forward, (float *)(uintptr_t)samples, spectrum);
}

void pel_fft_backward(const pel_fft *fft, pel_complex *spectrum, float *samples)
{
    executing = fft->pool;
    atomic_fetch_add(&((pel_fft *)(uintptr_t)fft)->uses, 1);
    fftwf_execute_dft_c2r(fft->plans.backward, spectrum, samples);
}

/* ---- Tiles ------------------------------------------------------------------------------------- */

struct pel_fft_tile {
    plans plans;
};

/* Called with the planner locked. */
static bool plan_tile(plans *p)
{
    const int side = (int)p->n[0], n[2] = {side, side}, rows[2] = {side, (int)p->n[1]};
    pel_complex *samples = pel_alloc(p->n[0] * p->n[1] * sizeof *samples);
    if (samples == NULL)
        return false;
    pthread_once(&once, start_fftw);
    fftwf_plan_with_nthreads(1);
    p->forward = fftwf_plan_many_dft(2, n, 1, samples, rows, 1, 0, samples, rows, 1, 0,
                                     FFTW_FORWARD, FFTW_ESTIMATE);
    p->backward = fftwf_plan_many_dft(2, n, 1, samples, rows, 1, 0, samples, rows, 1, 0,
                                      FFTW_BACKWARD, FFTW_ESTIMATE);
    pel_free(samples);
    return p->forward != NULL && p->backward != NULL;
}

pel_status pel_fft_tile_new(const pel_context *ctx, size_t side, size_t stride,
                            pel_fft_tile **out)
{
    pel_fft_tile *tile = pel_alloc(sizeof *tile);
    *out = NULL;
    if (tile != NULL) {
        tile->plans = (plans){.n = {side, stride, 0}, .threads = 1, .estimate = true};
        pthread_mutex_lock(&planner);
        bool done = take_kept(&tile->plans) || plan_tile(&tile->plans);
        pthread_mutex_unlock(&planner);
        if (done)
            *out = tile;
        else
            pel_fft_tile_free(tile);
    }
    return *out != NULL ? PEL_OK
                        : pel_error_set(ctx->error, PEL_ENOMEM, "no memory for a tile of %zux%zu",
                                        side, side);
}

void pel_fft_tile_free(pel_fft_tile *tile)
{
    if (tile == NULL)
        return;
    pthread_mutex_lock(&planner);
    if (tile->plans.forward != NULL && tile->plans.backward != NULL)
        keep(&tile->plans);
    else
        destroy(&tile->plans);
    pthread_mutex_unlock(&planner);
    pel_free(tile);
}

void pel_fft_tile_forward(const pel_fft_tile *tile, pel_complex *samples)
{
    fftwf_execute_dft(tile->plans.forward, samples, samples);
}

void pel_fft_tile_backward(const pel_fft_tile *tile, pel_complex *samples)
{
    fftwf_execute_dft(tile->plans.backward, samples, samples);
}

size_t pel_fft_good_size(size_t n)
{
    if (n <= 1)
        return 1;
    for (size_t m = n + n % 2;; m += 2) {
        size_t rest = m;
        static const size_t primes[] = {2, 3, 5, 7};
        for (size_t i = 0; i < 4; i++)
            while (rest % primes[i] == 0)
                rest /= primes[i];
        if (rest == 1)
            return m;
    }
}

pel_status pel_fft_psf(const pel_context *ctx, const pel_fft *fft, const float *psf, pel_size size,
                       pel_complex *spectrum)
{
    if (size.w > fft->w || size.h > fft->h || size.d > fft->d)
        return pel_error_set(ctx->error, PEL_EINVAL,
                             "a PSF of %zux%zux%zu does not fit a transform of %zux%zux%zu", size.w,
                             size.h, size.d, fft->w, fft->h, fft->d);
    float *grid = pel_calloc_floats(fft->w * fft->h * fft->d);
    if (grid == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    for (size_t z = 0; z < size.d; z++)
        for (size_t y = 0; y < size.h; y++)
            for (size_t x = 0; x < size.w; x++) {
                size_t gx = (x + fft->w - size.w / 2) % fft->w;
                size_t gy = (y + fft->h - size.h / 2) % fft->h;
                size_t gz = (z + fft->d - size.d / 2) % fft->d;
                grid[(gz * fft->h + gy) * fft->w + gx] = psf[(z * size.h + y) * size.w + x];
            }
    pel_fft_forward(fft, grid, spectrum);
    pel_free(grid);
    return PEL_OK;
}
