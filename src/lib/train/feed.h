/* feed.h - where pairs come from: a stream on a descriptor, or programs that make one, epoch after epoch.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PELLUCID_FEED_H
#define PELLUCID_FEED_H

#include <pellucid/frame.h>

#include "checkpoint.h"

typedef struct pel_feed pel_feed;

/* Pairs of `count` shell commands, each of which writes a stream to its stdout; in turns.  One that ends is started
 * again for the next epoch.  It finds a number in its environment's SEED: seed + epoch * count + its place.
 * With count == 0 it is the stream on descriptor `fd`, which ends.  `commands` must outlive the feed. */
pel_status pel_feed_new(int fd, const char *const *commands, size_t count, uint64_t seed, size_t memory,
                        pel_feed **feed, pel_error *error);
/* Stops the commands. */
void pel_feed_free(pel_feed *feed);
/* The number of sources: the commands, or 1. */
size_t pel_feed_sources(const pel_feed *feed);

/* The next image with its companions, in an empty bundle; *ended (and no image): the stream has come to its proper end.
 * A command that fails, breaks its stream off, or makes no image is an error that quotes it. */
pel_status pel_feed_next(pel_feed *feed, pel_bundle *bundle, bool *ended, pel_error *error);

/* How far it has come: pel_feed_sources positions, and whose turn it is; and goes there, before the first
 * pel_feed_next.  PEL_EINVAL: the stream ends before. */
void pel_feed_tell(const pel_feed *feed, pel_feed_position *positions, uint64_t *turn);
pel_status pel_feed_seek(pel_feed *feed, const pel_feed_position *positions, uint64_t turn, pel_error *error);

#endif
