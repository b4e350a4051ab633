/* checkpoint.h - all that a training run is, in memory and in a file that it can go on from.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PELLUCID_CHECKPOINT_H
#define PELLUCID_CHECKPOINT_H

#include <pellucid/cnn.h>

#define PEL_TRAIN_SUMS 16 /* the loss and its terms, at most */

/* How far a source of pairs was read: whole epochs, and bundles of this one. */
typedef struct {
    uint64_t epoch, bundles;
} pel_feed_position;

typedef struct {
    uint64_t step;      /* done */
    uint64_t best_step; /* of the best validation; 0: there was none */
    uint64_t turn;      /* the source that is read next */
    uint64_t log_bytes; /* of the log so far */
    uint64_t summed;    /* steps in the sums */
    uint64_t validated; /* the last step that was */
    double seconds;     /* of training so far */
    double best_psnr, last_psnr; /* dB */
    double usual_loss;  /* its running mean */
    double sums[PEL_TRAIN_SUMS]; /* since that row */
    char data[4096];    /* where the pairs come from: history of the first of each source; ends in zeros */
} pel_train_numbers;

typedef struct {
    pel_train_numbers now;
    pel_cnn_pair pair;    /* sizes of the samples */
    const char *settings; /* "name=value" lines that a run which goes on must have as well; not owned */
    size_t feed_count;
    pel_feed_position *feeds;
    size_t count;         /* weights */
    float *weights, *first, *second; /* and the moments of their gradients */
    float *average, *best;           /* the averaged weights, and those of the best validation */
    size_t extra_count;   /* floats that belong to the loss (a critic) */
    float *extra;
} pel_train_state;

/* Arrays for so many weights, sources and floats of the loss, all 0, in a zeroed state.  Free with
 * pel_train_state_free, also after a failure. */
pel_status pel_train_state_new(size_t count, size_t feeds, size_t extra, pel_train_state *state, pel_error *error);
void pel_train_state_free(pel_train_state *state);

/* Writes a checkpoint under another name, brings it to the disk, and renames it: at any moment there is a whole one. */
pel_status pel_checkpoint_write(const char *path, const pel_train_state *state, pel_error *error);
/* Reads one into a zeroed state but for settings and feed_count, which must be the same.
 * PEL_EFORMAT: no checkpoint, or damaged; PEL_EINVAL: of another run (the first setting that differs is named).  Free it
 * also after a failure. */
pel_status pel_checkpoint_read(const char *path, pel_train_state *state, pel_error *error);

#endif
