/* base.h - what every layer uses: status and error, sizes, memory, the context of a computation.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * No function of the libraries prints or exits.  A function that can fail returns a pel_status and
 * leaves one line of text in the caller's pel_error; a status that is not PEL_OK means that its
 * outputs are not to be used, and that nothing is left to free unless its comment says otherwise.
 */
#ifndef PELLUCID_BASE_H
#define PELLUCID_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define PEL_BEGIN_DECLS extern "C" {
#define PEL_END_DECLS }
#else
#define PEL_BEGIN_DECLS
#define PEL_END_DECLS
#endif

#if defined(__GNUC__)
#define PEL_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define PEL_PRINTF(f, a)
#endif

PEL_BEGIN_DECLS

typedef enum {
    PEL_OK = 0,
    PEL_EINVAL,  /* an argument or option is out of its domain */
    PEL_EUSAGE,  /* the command line is wrong (a program exits with 2) */
    PEL_ENOMEM,  /* memory could not be had */
    PEL_ELIMIT,  /* a size is over a limit (memory cap, overflow) */
    PEL_EIO,     /* the operating system could not read or write */
    PEL_EFORMAT, /* a file or stream breaks its format, or is cut off */
    PEL_ENUMERIC,/* a computation did not come to a finite result */
    PEL_ECLOSED, /* the reader of our output has gone (SIGPIPE): end silently */
} pel_status;

/* One line of text, without the program's name and without a newline.  `text` is cut when it is
 * longer than the array. */
typedef struct {
    pel_status status;
    char text[480];
} pel_error;

/* Sets *error (which may be NULL) and returns `status`, so that a failure is one line:
 *     return pel_error_set(error, PEL_EFORMAT, "header line %zu is cut off", n); */
pel_status pel_error_set(pel_error *error, pel_status status, const char *format, ...)
    PEL_PRINTF(3, 4);

/* Puts "text: " in front of the text in *error (which may be NULL).  Returns error's status. */
pel_status pel_error_prefix(pel_error *error, const char *format, ...) PEL_PRINTF(2, 3);

/* Width, height, depth (planes of a volume), channels: the order is the same everywhere.  Samples
 * are planar, x fastest, then y, z, c: index = ((c*D + z)*H + y)*W + x. */
typedef struct {
    size_t w, h, d, c;
} pel_size;

static inline pel_size pel_size_make(size_t w, size_t h, size_t d, size_t c)
{
    pel_size s = {w, h, d, c};
    return s;
}

/* Samples of one channel, and of all channels.  No check of overflow: for sizes that were checked
 * by pel_size_bytes when they came in. */
static inline size_t pel_size_plane(pel_size s) { return s.w * s.h * s.d; }
static inline size_t pel_size_count(pel_size s) { return s.w * s.h * s.d * s.c; }
static inline bool pel_size_equal(pel_size a, pel_size b)
{
    return a.w == b.w && a.h == b.h && a.d == b.d && a.c == b.c;
}
/* As pel_size_equal, but any numbers of channels. */
static inline bool pel_size_same_plane(pel_size a, pel_size b)
{
    return a.w == b.w && a.h == b.h && a.d == b.d;
}

/* Bytes of w*h*d*c samples of `sample_bytes` each, in *bytes.  Returns false, with *bytes as it
 * was, when the product does not fit into a size_t below 2^62. */
bool pel_size_bytes(pel_size s, size_t sample_bytes, size_t *bytes);

/* Memory aligned to 64 bytes (a cache line, an AVX-512 register), not cleared; NULL when there is
 * none, or when bytes is over the address space.  Released by pel_free (which takes NULL). */
void *pel_alloc(size_t bytes);
void pel_free(void *memory);
/* `count` floats, or NULL. */
float *pel_alloc_floats(size_t count);
/* As pel_alloc_floats, all 0. */
float *pel_calloc_floats(size_t count);

/* Reports progress of a long computation: `fraction` is 0 to 1.  Called from the calling thread
 * only, often: it must be cheap.  Returns false to ask the computation to stop early with
 * PEL_ECLOSED. */
typedef bool (*pel_tick)(void *arg, double fraction);

struct pel_pool;

/* What a computation may use, and where it tells of trouble.  Never NULL where a function takes
 * one; its members may be, as said. */
typedef struct pel_context {
    struct pel_pool *pool; /* worker threads; NULL: the calling thread alone */
    pel_error *error;      /* where the text of a failure goes; may be NULL */
    size_t memory;         /* bytes that working storage should stay below; 0: no cap */
    bool plan_estimate;    /* FFT plans that never differ from machine to machine (PELLUCID_PLAN) */
    pel_tick tick;         /* progress; may be NULL */
    void *tick_arg;
} pel_context;

/* Calls ctx->tick if there is one. */
static inline bool pel_context_tick(const pel_context *ctx, double fraction)
{
    return ctx->tick == NULL || ctx->tick(ctx->tick_arg, fraction);
}

/* Version of the library, "MAJOR.MINOR.PATCH"; static storage. */
const char *pel_version(void);

PEL_END_DECLS
#endif
