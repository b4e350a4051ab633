/* driver.h - the one loop of all programs: read, hand over an image with its companions, emit,
 * end line; options, errors, history, progress and threads.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A program is one struct.  Push, emit, drain: `image` is called for each image of the input with
 * its companions, and may emit none, one or many bundles; `drain` is called before each end line.
 * A source has `source` in place of `image`; a sink has PEL_SINK and writes no stream unless it
 * emits.  What a program does not change it passes on by emitting the bundle that it got.
 */
#ifndef PELLUCID_DRIVER_H
#define PELLUCID_DRIVER_H

#include <pellucid/base.h>
#include <pellucid/frame.h>
#include <pellucid/options.h>
#include <pellucid/pool.h>
#include <pellucid/rng.h>
#include <pellucid/stream.h>

PEL_BEGIN_DECLS

typedef struct pel_run pel_run;

enum {
    PEL_SOURCE = 1,  /* reads no stream from stdin */
    PEL_SINK = 2,    /* writes no stream to stdout (until pel_run_output opens one) */
    PEL_SEEDED = 4,  /* has --seed */
    PEL_FILES = 8,   /* operands are names of files: the history leaves them out */
};

typedef struct {
    const char *name;          /* "pel-rl" */
    const char *summary;       /* one line, lower case: "Richardson-Lucy deconvolution" */
    const char *operands;      /* usage text of the operands: "FILE..."; NULL: takes none */
    const char *details;       /* further lines of --help (ends in a newline), or NULL */
    const pel_option *options; /* the program's own; NULL: none */
    size_t settings_size;      /* bytes of the struct that `options` point into */
    size_t state_size;         /* bytes of zeroed state, for pel_run_state */
    unsigned flags;
    /* Options that print and end the program, as --help does: asked after parsing.  True: there was one, *status
     * says how it went.  May be NULL. */
    bool (*print)(pel_run *run, pel_status *status);
    pel_status (*start)(pel_run *run);  /* after parsing, before reading; may be NULL */
    pel_status (*source)(pel_run *run); /* sources: emits everything */
    pel_status (*frame)(pel_run *run, pel_frame *frame); /* each frame as it comes; may be NULL */
    pel_status (*image)(pel_run *run, const pel_bundle *bundle); /* NULL: pass on */
    pel_status (*drain)(pel_run *run);  /* before each end line; may be NULL */
    void (*stop)(pel_run *run);         /* always, at the end, after start was called; may be NULL */
    /* Takes errors, warnings and notes, where another process speaks for this one; NULL: they go to stderr. */
    void (*message)(const char *text);
} pel_program;

/* The whole program; returns the exit status (0, 1 data or I/O or numerical failure, 2 usage). */
int pel_main(const pel_program *program, int argc, char **argv);

/* In a program: */
void *pel_run_settings(const pel_run *run);            /* the parsed options */
void *pel_run_state(const pel_run *run);
size_t pel_run_operands(const pel_run *run, char ***operands);
const pel_context *pel_run_context(const pel_run *run); /* pool, error, memory, progress */
pel_error *pel_run_error(const pel_run *run);
uint64_t pel_run_seed(const pel_run *run);
/* A generator for number `stream` of this program: programs of one pipe that share a seed, 0 as a
 * rule, draw different numbers.  NULL when memory is out. */
pel_rng *pel_run_rng(const pel_run *run, uint64_t stream);
uint64_t pel_run_index(const pel_run *run);             /* images read before this one, all streams */
bool pel_run_verbose(const pel_run *run);
bool pel_run_quiet(const pel_run *run);
size_t pel_run_memory(const pel_run *run);              /* cap in bytes, never 0 */
/* The options and operands as the history has them: without folders, and what has no part in the result. */
const char *pel_run_command(const pel_run *run);
/* Frames to come, for the progress line; 0 when not known. */
void pel_run_expect(pel_run *run, uint64_t images);
/* Work that is not counted in images: the part done (0 to 1; NaN: not known) and what the progress line
 * says of it. */
void pel_run_progress(pel_run *run, double done, const char *format, ...) PEL_PRINTF(3, 4);

/* Writes a bundle to stdout's stream.  Keeps its own references. */
pel_status pel_emit(pel_run *run, const pel_bundle *bundle);
/* Writes the end line of a stream now (sources that relay several streams; the last one is written
 * by the driver). */
pel_status pel_emit_end(pel_run *run);
/* A sink that passes the stream on after all (pel-score -o) calls this in `start`. */
void pel_run_output(pel_run *run);

/* A line on stderr, "pel-NAME: text", under the lock that progress lines respect: a warning (not
 * with --quiet), or a note (only with --verbose). */
void pel_warn(pel_run *run, const char *format, ...) PEL_PRINTF(2, 3);
void pel_note(pel_run *run, const char *format, ...) PEL_PRINTF(2, 3);

/* Reads the streams on descriptor `fd` as the driver reads stdin, handing over to the program's
 * `frame` and `image`: how a source takes in a stream of its own.  With `relay_ends` each end line
 * that comes is followed by `drain` and written on; else the streams run into one. */
pel_status pel_run_read(pel_run *run, int fd, bool relay_ends);

/* Reads all frames of a stream from descriptor `fd` until it ends, calling `each` (which takes its
 * own references): how pel-read and -k take in other streams. */
pel_status pel_stream_each(int fd, size_t memory_cap,
                           pel_status (*each)(void *arg, pel_frame *frame), void *arg,
                           pel_error *error);

PEL_END_DECLS
#endif
