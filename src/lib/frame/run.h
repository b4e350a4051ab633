/* run.h - one run of a program: what driver.c, messages.c and history.c share.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_RUN_H
#define PELLUCID_RUN_H

#include <pellucid/driver.h>

/* The options that every program has. */
typedef struct {
    long threads;
    size_t memory;
    long seed;
    bool quiet, verbose, help, version;
    bool print_man, print_words;
} common_settings;

/* The progress line on stderr. */
typedef struct {
    bool possible;     /* stderr is a terminal and --quiet was not given */
    bool ours;         /* we hold the lock on the terminal and have drawn */
    double started_s, drawn_s;
    uint64_t expected; /* images, 0: not known */
    char told[96];     /* by pel_run_progress, in place of images */
    double first;      /* the part done when it was called first; after a resumption it is not 0 */
} progress;

struct pel_run {
    const pel_program *program;
    common_settings common;
    void *settings, *state;
    char **operands;
    size_t operand_count;
    pel_error error;
    pel_context context;
    pel_writer *writer;  /* NULL: a sink */
    pel_bundle input;    /* the companions that hold, while reading */
    pel_bundle late;     /* those that came after the last image */
    uint64_t images;     /* read, over all streams */
    uint64_t stream_images; /* read of this stream */
    bool ended;          /* the last thing written was an end line */
    bool emitted;        /* something of the current stream was written */
    progress progress;
    char *command;       /* canonical command line, for the history */
    pel_frame *history_in, *history_out; /* the last history seen and what it became */
};

/* history.c: appends an option to run->command as it is parsed; an operand; and gives the history
 * that goes out for the one that came in (NULL: none came).  *out is not a new reference. */
void pel_history_option(void *run, const pel_option *option, const char *text);
void pel_history_operand(pel_run *run, const char *text);
pel_status pel_history_next(pel_run *run, pel_frame *in, pel_frame **out);

/* messages.c */
void pel_message(pel_run *run, const char *text);
void pel_progress_open(pel_run *run);
bool pel_progress_tick(void *run, double fraction); /* a pel_tick */
void pel_progress_close(pel_run *run);

#endif
