/* pool.h - the one thread pool of a process: FFTs, convolutions and solvers share its threads.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Workers sleep between jobs, after they have looked out for another for some ten microseconds: steps of an
 * algorithm follow each other closely, but the programs of a pipe share the cores.
 */
#ifndef PELLUCID_POOL_H
#define PELLUCID_POOL_H

#include <pellucid/base.h>

PEL_BEGIN_DECLS

typedef struct pel_pool pel_pool;

/* Samples of a picture for which a pool is not worth waking, where a sample takes some ten nanoseconds. */
#define PEL_POOL_SMALL ((size_t)1 << 16)

/* One piece of a parallel loop: `index` is 0 .. count-1, `worker` is 0 .. threads-1 and is never in
 * use by two pieces at the same time, so that it can pick scratch memory. */
typedef void (*pel_job)(void *arg, size_t index, size_t worker);

/* A pool of `threads` (1 to 1024), the caller's among them: threads-1 are started.  threads == 0
 * takes the processors that this process may run on.  Free with pel_pool_free (takes NULL). */
pel_status pel_pool_new(size_t threads, pel_pool **pool, pel_error *error);
void pel_pool_free(pel_pool *pool);

/* Threads of the pool, the caller's included; 1 for NULL. */
size_t pel_pool_threads(const pel_pool *pool);

/* Runs job(arg, i, worker) for each i below count and returns when all are done.  Pieces are handed
 * out in order to whichever thread is free, so results must not depend on which worker runs which
 * piece.  A job that calls pel_pool_run on the same pool has its pieces run in its own thread, in
 * order.  pool may be NULL: all pieces run in the caller's thread. */
void pel_pool_run(pel_pool *pool, size_t count, pel_job job, void *arg);

PEL_END_DECLS
#endif
