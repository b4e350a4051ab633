/* ranks.h - processes that train one model together, on one machine or several: what they say to each other.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rank 0 leads.  The others serve: they wait for an order, do it, and tell when all meet for the next how it went.  So
 * a failure on any rank is known to all before anybody waits for data that will not come, and rank 0 alone tells of it.
 *
 * All functions but pel_ranks_open take NULL for a process that is alone.  Open MPI ends all ranks by itself when one
 * of them crashes, is killed, or cannot be reached.
 */
#ifndef PELLUCID_RANKS_H
#define PELLUCID_RANKS_H

#include <pellucid/base.h>

typedef struct pel_ranks pel_ranks;

enum { PEL_RANKS_END }; /* the order that is known here; the others are the callers' */

/* Joins those that mpirun started with this process; *ranks is NULL where it did not start any.  PEL_EUSAGE: it did,
 * but this build is without MPI. */
pel_status pel_ranks_open(pel_ranks **ranks, pel_error *error);
/* Meets the others for the last time, unless that has been: the end as ordered by rank 0, or because of the failure
 * `status`, of which `text` tells. */
void pel_ranks_close(pel_ranks *ranks, pel_status status, const char *text);

/* How many they are, and this one's number. */
size_t pel_ranks_count(const pel_ranks *ranks);
size_t pel_ranks_own(const pel_ranks *ranks);
/* This one's part of `items` in a row, as even as can be: *first to *first + the result. */
size_t pel_ranks_share(const pel_ranks *ranks, size_t items, size_t *first);

/* All ranks meet: each brings how it went (`status`, `error`), and gets rank 0's order.  Those that wait sleep.  A
 * failure, the same on all, is that of the lowest rank which failed; rank 0 gets its text, and where it was.  After a
 * failure, or PEL_RANKS_END, nothing is left to say but pel_ranks_close. */
pel_status pel_ranks_meet(pel_ranks *ranks, int *order, pel_status status, pel_error *error);

/* What all ranks call at the same time, after they met: bytes of rank 0 for all; items, each rank's share of all that
 * rank 0 has, and back to it. */
void pel_ranks_tell(pel_ranks *ranks, void *data, size_t bytes);
void pel_ranks_deal(pel_ranks *ranks, void *items, size_t item_bytes, size_t count);
void pel_ranks_gather(pel_ranks *ranks, void *items, size_t item_bytes, size_t count);
/* The sum of all ranks' values, in rank 0's (the others' are spoilt).  They are added along a binary tree of ranks,
 * that depends on their number alone: the same values give the same bits. */
void pel_ranks_sum(pel_ranks *ranks, float *values, size_t count);

#endif
