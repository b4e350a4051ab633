/* pool.c - worker threads that take pieces of a loop in order, and sleep when there is none for a moment.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <pellucid/pool.h>

typedef struct {
    pel_pool *pool;
    size_t worker;
    pthread_t thread;
} member;

struct pel_pool {
    size_t threads;
    size_t started; /* members whose thread runs: threads - 1 but while starting */
    member *members;
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    /* The loop at hand, under `lock` except for what is atomic. */
    atomic_uint_fast64_t generation;
    bool open;          /* workers may still join */
    pel_job job;
    void *arg;
    size_t count;
    atomic_size_t next;
    atomic_size_t busy; /* workers that have joined: raised under `lock` */
    size_t sleeping;
    bool quit;
};

/* Steps of an algorithm follow each other within microseconds, and to wake a thread takes longer: before it
 * sleeps it looks out for the next job so many times, some ten microseconds.  No longer: the programs of a pipe share
 * the cores. */
#define LOOKS 400

static void look_away(void)
{
#ifdef PEL_X86
    __builtin_ia32_pause();
#endif
}

/* Tells a nested call that this thread is a worker of that pool already. */
static _Thread_local const pel_pool *inside;
static _Thread_local size_t inside_worker;

static void take_pieces(pel_pool *pool, size_t worker)
{
    const pel_pool *outer = inside;
    size_t outer_worker = inside_worker;
    inside = pool;
    inside_worker = worker;
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (i >= pool->count)
            break;
        pool->job(pool->arg, i, worker);
    }
    inside = outer;
    inside_worker = outer_worker;
}

/* Waits for a job that worker has not seen, and joins it if it still may; false: the end. */
static bool join(pel_pool *pool, uint64_t *seen)
{
    for (int i = 0; i < LOOKS && atomic_load_explicit(&pool->generation, memory_order_relaxed) == *seen; i++)
        look_away();
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (pool->generation == *seen && !pool->quit) {
            pool->sleeping++;
            pthread_cond_wait(&pool->work, &pool->lock);
            pool->sleeping--;
        }
        *seen = pool->generation;
        if (pool->quit || pool->open)
            break;
    }
    bool joins = !pool->quit;
    if (joins)
        atomic_fetch_add(&pool->busy, 1);
    pthread_mutex_unlock(&pool->lock);
    return joins;
}

static void *work(void *arg)
{
    const member *self = arg;
    pel_pool *pool = self->pool;
    uint64_t seen = 0;
    while (join(pool, &seen)) {
        take_pieces(pool, self->worker);
        if (atomic_fetch_sub(&pool->busy, 1) == 1) {
            pthread_mutex_lock(&pool->lock);
            pthread_cond_signal(&pool->done);
            pthread_mutex_unlock(&pool->lock);
        }
    }
    return NULL;
}

static size_t processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return (size_t)CPU_COUNT(&set);
    return 1;
}

pel_status pel_pool_new(size_t threads, pel_pool **out, pel_error *error)
{
    if (threads == 0)
        threads = processors();
    if (threads > 1024)
        return pel_error_set(error, PEL_EINVAL, "%zu threads: 1 to 1024 are possible", threads);
    pel_pool *pool = calloc(1, sizeof *pool);
    member *members = calloc(threads, sizeof *members);
    if (pool == NULL || members == NULL) {
        free(pool);
        free(members);
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    }
    pool->threads = threads;
    pool->members = members;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->done, NULL);
    /* Signals go to the program's own thread. */
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = 0;
    for (size_t i = 1; i < threads && failed == 0; i++) {
        members[i].pool = pool;
        members[i].worker = i;
        failed = pthread_create(&members[i].thread, NULL, work, &members[i]);
        if (failed == 0)
            pool->started++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failed != 0) {
        pel_pool_free(pool);
        return pel_error_set(error, PEL_ENOMEM, "cannot start %zu threads", threads);
    }
    *out = pool;
    return PEL_OK;
}

void pel_pool_free(pel_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->quit = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 1; i <= pool->started; i++)
        pthread_join(pool->members[i].thread, NULL);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->done);
    pthread_mutex_destroy(&pool->lock);
    free(pool->members);
    free(pool);
}

size_t pel_pool_threads(const pel_pool *pool)
{
    return pool == NULL ? 1 : pool->threads;
}

void pel_pool_run(pel_pool *pool, size_t count, pel_job job, void *arg)
{
    if (pool == NULL || pool->threads == 1 || count <= 1 || inside == pool) {
        size_t worker = pool != NULL && inside == pool ? inside_worker : 0;
        for (size_t i = 0; i < count; i++)
            job(arg, i, worker);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->job = job;
    pool->arg = arg;
    pool->count = count;
    pool->open = true;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    atomic_fetch_add(&pool->generation, 1);
    if (pool->sleeping > 0)
        pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    take_pieces(pool, 0);
    /* Workers that come now would find nothing left: they are not waited for. */
    pthread_mutex_lock(&pool->lock);
    pool->open = false;
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < LOOKS && atomic_load(&pool->busy) > 0; i++)
        look_away();
    pthread_mutex_lock(&pool->lock);
    while (atomic_load(&pool->busy) > 0)
        pthread_cond_wait(&pool->done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}
