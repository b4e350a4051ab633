/* ranks.c - ranks on Open MPI; and, in a build without it, the process that is alone.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Errors of MPI itself are not looked for: by its own default they end all ranks with a message. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef PEL_MPI
#include <mpi.h>
#endif

#include "ranks.h"

struct pel_ranks {
    size_t count, own;
    bool over;    /* they have met for the last time */
    int *reports; /* of a meeting: status and order of each */
    float *piece; /* of another rank's values */
};

size_t pel_ranks_count(const pel_ranks *r) { return r != NULL ? r->count : 1; }
size_t pel_ranks_own(const pel_ranks *r) { return r != NULL ? r->own : 0; }

static size_t first_of(const pel_ranks *r, size_t rank, size_t items)
{
    size_t each = items / r->count, rest = items % r->count;
    return each * rank + (rest * rank) / r->count;
}

size_t pel_ranks_share(const pel_ranks *r, size_t items, size_t *first)
{
    *first = r != NULL ? first_of(r, r->own, items) : 0;
    return r != NULL ? first_of(r, r->own + 1, items) - *first : items;
}

#ifndef PEL_MPI

pel_status pel_ranks_open(pel_ranks **ranks, pel_error *error)
{
    const char *size = getenv("OMPI_COMM_WORLD_SIZE");
    *ranks = NULL;
    /* Each of them would train by itself, and write the same files. */
    if (size != NULL && strcmp(size, "1") != 0)
        return pel_error_set(error, PEL_EUSAGE, "started by mpirun, but built without MPI (configure --with-mpi)");
    return PEL_OK;
}

pel_status pel_ranks_meet(pel_ranks *r, int *order, pel_status status, pel_error *error)
{
    (void)r, (void)order, (void)error;
    return status;
}

void pel_ranks_close(pel_ranks *r, pel_status status, const char *text) { (void)r, (void)status, (void)text; }
void pel_ranks_tell(pel_ranks *r, void *data, size_t bytes) { (void)r, (void)data, (void)bytes; }
void pel_ranks_sum(pel_ranks *r, float *values, size_t count) { (void)r, (void)values, (void)count; }
void pel_ranks_deal(pel_ranks *r, void *items, size_t item_bytes, size_t count)
{
    (void)r, (void)items, (void)item_bytes, (void)count;
}
void pel_ranks_gather(pel_ranks *r, void *items, size_t item_bytes, size_t count)
{
    (void)r, (void)items, (void)item_bytes, (void)count;
}

#else

enum { PIECE = 1 << 20 }; /* bytes of a message: MPI counts in int, and a piece is added while the next is on its way */

/* ---- Beginning and end */

static pel_status join(pel_ranks *r, pel_error *error)
{
    int level, count, own;
    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level); /* the pool's threads do not call it */
    MPI_Comm_size(MPI_COMM_WORLD, &count);
    MPI_Comm_rank(MPI_COMM_WORLD, &own);
    r->count = (size_t)count;
    r->own = (size_t)own;
    r->reports = calloc(r->count, 2 * sizeof *r->reports);
    r->piece = pel_alloc(PIECE);
    if (r->reports == NULL || r->piece == NULL)
        MPI_Abort(MPI_COMM_WORLD, 1); /* too early for a meeting */
    if (level < MPI_THREAD_FUNNELED)
        return pel_error_set(error, PEL_EINVAL, "this MPI is not for programs with threads");
    return PEL_OK;
}

/* Without mpirun MPI is left alone: it would take its time to start. */
pel_status pel_ranks_open(pel_ranks **ranks, pel_error *error)
{
    *ranks = NULL;
    if (getenv("OMPI_COMM_WORLD_SIZE") == NULL && getenv("PMIX_RANK") == NULL)
        return PEL_OK;
    *ranks = calloc(1, sizeof **ranks);
    return *ranks == NULL ? pel_error_set(error, PEL_ENOMEM, "out of memory") : join(*ranks, error);
}

void pel_ranks_close(pel_ranks *r, pel_status status, const char *text)
{
    pel_error error = {PEL_OK, ""};
    int order = PEL_RANKS_END;
    if (r == NULL)
        return;
    pel_error_set(&error, status, "%s", text);
    if (!r->over)
        (void)pel_ranks_meet(r, &order, status, &error);
    if (!r->over) /* it is at its end, and rank 0 is not: their command lines differ */
        MPI_Abort(MPI_COMM_WORLD, 1);
    MPI_Finalize();
    pel_free(r->piece);
    free(r->reports);
    free(r);
}

/* ---- Meetings */

/* MPI waits in a loop that takes a whole processor.  Meetings may be long in coming (rank 0 reads, validates), and the
 * programs that make the pairs want to run. */
static void wait_asleep(MPI_Request *request)
{
    const struct timespec nap = {0, 100000};
    int done = 0;
    for (int i = 0;; i++) {
        MPI_Test(request, &done, MPI_STATUS_IGNORE);
        if (done)
            return;
        if (i > 1000) /* a fraction of a millisecond: those that are nearly there */
            nanosleep(&nap, NULL);
    }
}

/* The text of rank `failed` goes to rank 0. */
static void bring_text(const pel_ranks *r, size_t failed, pel_status status, pel_error *error)
{
    char host[MPI_MAX_PROCESSOR_NAME];
    int length;
    if (r->own == failed && failed != 0) {
        MPI_Get_processor_name(host, &length);
        pel_error_prefix(error, "rank %zu (%s)", r->own, host);
        MPI_Send(error->text, (int)sizeof error->text, MPI_CHAR, 0, 0, MPI_COMM_WORLD);
    } else if (r->own == 0 && failed != 0) {
        MPI_Recv(error->text, (int)sizeof error->text, MPI_CHAR, (int)failed, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        error->status = status;
    } else if (r->own != failed) {
        pel_error_set(error, status, "rank %zu failed", failed);
    }
}

pel_status pel_ranks_meet(pel_ranks *r, int *order, pel_status status, pel_error *error)
{
    if (r == NULL)
        return status;
    const int own[2] = {(int)status, *order};
    MPI_Request request;
    MPI_Iallgather(own, 2, MPI_INT, r->reports, 2, MPI_INT, MPI_COMM_WORLD, &request);
    wait_asleep(&request);
    *order = r->reports[1];
    size_t failed = 0;
    while (failed < r->count && r->reports[2 * failed] == PEL_OK)
        failed++;
    r->over = failed < r->count || *order == PEL_RANKS_END;
    if (failed == r->count)
        return PEL_OK;
    status = (pel_status)r->reports[2 * failed];
    bring_text(r, failed, status, error);
    return status;
}

/* ---- Data */

static int piece_of(size_t bytes, size_t at) { return (int)(bytes - at < PIECE ? bytes - at : PIECE); }

static void send(const void *data, size_t bytes, size_t to)
{
    for (size_t at = 0; at < bytes; at += PIECE)
        MPI_Send((const char *)data + at, piece_of(bytes, at), MPI_BYTE, (int)to, 0, MPI_COMM_WORLD);
}

static void receive(void *data, size_t bytes, size_t from)
{
    for (size_t at = 0; at < bytes; at += PIECE)
        MPI_Recv((char *)data + at, piece_of(bytes, at), MPI_BYTE, (int)from, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

void pel_ranks_tell(pel_ranks *r, void *data, size_t bytes)
{
    for (size_t at = 0; r != NULL && at < bytes; at += PIECE)
        MPI_Bcast((char *)data + at, piece_of(bytes, at), MPI_BYTE, 0, MPI_COMM_WORLD);
}

/* A rank's share among rank 0's items. */
static char *share_of(const pel_ranks *r, size_t rank, void *items, size_t item_bytes, size_t count, size_t *bytes)
{
    size_t first = first_of(r, rank, count);
    *bytes = (first_of(r, rank + 1, count) - first) * item_bytes;
    return (char *)items + (r->own == 0 ? first * item_bytes : 0);
}

void pel_ranks_deal(pel_ranks *r, void *items, size_t item_bytes, size_t count)
{
    size_t bytes;
    for (size_t k = 1; r != NULL && k < r->count; k++) {
        char *share = share_of(r, k, items, item_bytes, count, &bytes);
        if (r->own == 0)
            send(share, bytes, k);
        else if (r->own == k)
            receive(share, bytes, 0);
    }
}

void pel_ranks_gather(pel_ranks *r, void *items, size_t item_bytes, size_t count)
{
    size_t bytes;
    for (size_t k = 1; r != NULL && k < r->count; k++) {
        char *share = share_of(r, k, items, item_bytes, count, &bytes);
        if (r->own == 0)
            receive(share, bytes, k);
        else if (r->own == k)
            send(share, bytes, 0);
    }
}

static void add_from(const pel_ranks *r, size_t other, float *values, size_t count)
{
    size_t bytes = count * sizeof *values;
    for (size_t at = 0; at < bytes; at += PIECE) {
        size_t n = (size_t)piece_of(bytes, at) / sizeof *values;
        float *to = values + at / sizeof *values;
        receive(r->piece, n * sizeof *values, other);
        for (size_t i = 0; i < n; i++)
            to[i] += r->piece[i];
    }
}

/* Ranks 1, 3, 5... give theirs to 0, 2, 4..., then 2, 6... to 0, 4..., and so on. */
void pel_ranks_sum(pel_ranks *r, float *values, size_t count)
{
    for (size_t step = 1; r != NULL && step < r->count; step *= 2) {
        if (r->own % (2 * step) == step) {
            send(values, count * sizeof *values, r->own - step);
            return;
        }
        if (r->own + step < r->count)
            add_from(r, r->own + step, values, count);
    }
}

#endif
