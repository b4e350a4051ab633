/* feed.c - reads pairs from a stream, or from the streams of commands in turns.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pellucid/stream.h>

#include "feed.h"

extern char **environ;

typedef struct {
    const char *command; /* NULL: the descriptor was given */
    int fd;              /* -1: not started */
    pid_t pid;
    pel_reader *reader;
    pel_bundle holds;    /* companions */
    pel_feed_position at;
} source;

struct pel_feed {
    source *sources;
    size_t count, turn, memory;
    uint64_t seed;
};

#define PIPE_BYTES (1 << 20) /* what a command can be ahead; Linux gives that much to anybody */

/* ---- Commands */

/* The environment with SEED=`seed` in front; entries behind of that name are left out. */
static char **with_seed(char *seed)
{
    size_t count = 0, n = 0;
    while (environ[count] != NULL)
        count++;
    char **all = malloc((count + 2) * sizeof *all);
    if (all == NULL)
        return NULL;
    all[n++] = seed;
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], "SEED=", 5) != 0)
            all[n++] = environ[i];
    all[n] = NULL;
    return all;
}

/* A process group of its own, so that it can be stopped as a whole; SIGPIPE as usual, though we ignore it; nothing on
 * stdin. */
static int spawn_with(source *s, char *command, char **environment, int out, posix_spawnattr_t *how,
                      posix_spawn_file_actions_t *files)
{
    char *arguments[] = {(char[]){"sh"}, (char[]){"-c"}, command, NULL};
    sigset_t usual;
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    (void)posix_spawnattr_setsigdefault(how, &usual);
    (void)posix_spawnattr_setflags(how, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    int failed = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (failed == 0)
        failed = posix_spawn_file_actions_adddup2(files, out, STDOUT_FILENO);
    return failed != 0 ? failed : posix_spawn(&s->pid, "/bin/sh", files, how, arguments, environment);
}

static int spawn(source *s, char **environment, int out)
{
    posix_spawnattr_t how;
    posix_spawn_file_actions_t files;
    char *command = strdup(s->command);
    int failed = command == NULL ? ENOMEM : posix_spawnattr_init(&how);
    if (failed == 0) {
        failed = posix_spawn_file_actions_init(&files);
        if (failed == 0) {
            failed = spawn_with(s, command, environment, out, &how, &files);
            posix_spawn_file_actions_destroy(&files);
        }
        posix_spawnattr_destroy(&how);
    }
    free(command);
    return failed;
}

/* Where it is a pipe, and the system knows how. */
static void widen(int fd)
{
#ifdef F_SETPIPE_SZ
    (void)fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES);
#else
    (void)fd;
#endif
}

static pel_status start(pel_feed *f, source *s, pel_error *error)
{
    int ends[2] = {-1, -1};
    char seed[40];
    snprintf(seed, sizeof seed, "SEED=%" PRIu64, f->seed + s->at.epoch * f->count + (uint64_t)(s - f->sources));
    char **environment = with_seed(seed);
    int failed = environment == NULL ? ENOMEM : pipe2(ends, O_CLOEXEC) != 0 ? errno : spawn(s, environment, ends[1]);
    free(environment);
    if (ends[1] >= 0)
        close(ends[1]);
    if (failed != 0) {
        if (ends[0] >= 0)
            close(ends[0]);
        return pel_error_set(error, PEL_EIO, "cannot start '%.200s': %s", s->command, strerror(failed));
    }
    s->fd = ends[0];
    widen(s->fd);
    return pel_reader_new(s->fd, f->memory, &s->reader, error);
}

/* Closes the command's stream; its exit status as of waitpid. */
static int finish(source *s)
{
    int status = 0;
    pel_reader_free(s->reader);
    s->reader = NULL;
    pel_bundle_clear(&s->holds);
    if (s->command == NULL || s->fd < 0)
        return 0;
    close(s->fd);
    s->fd = -1;
    while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR)
        ;
    s->pid = 0;
    return status;
}

static pel_status failed_with(const source *s, int how, pel_error *error)
{
    return pel_error_set(error, PEL_EIO, "'%.200s' failed with status %d", s->command, WEXITSTATUS(how));
}

/* Names the source of a broken stream.  That the command failed says more than that its stream is cut off; but that
 * it died of our closing the pipe says nothing. */
static pel_status quote(source *s, pel_status status, pel_error *error)
{
    if (s->command == NULL) {
        pel_error_prefix(error, "pair %" PRIu64, s->at.bundles);
        return status;
    }
    int how = finish(s);
    if (WIFEXITED(how) && WEXITSTATUS(how) != 0 && WEXITSTATUS(how) != 128 + SIGPIPE)
        return failed_with(s, how, error);
    pel_error_prefix(error, "'%.200s'", s->command);
    return status;
}

/* The command is through: on to the next epoch. */
static pel_status next_epoch(source *s, pel_error *error)
{
    int how = finish(s);
    if (WIFEXITED(how) && WEXITSTATUS(how) != 0)
        return failed_with(s, how, error);
    if (WIFSIGNALED(how))
        return pel_error_set(error, PEL_EIO, "'%.200s' was killed by signal %d", s->command, WTERMSIG(how));
    if (s->at.bundles == 0)
        return pel_error_set(error, PEL_EINVAL, "'%.200s' makes no image", s->command);
    s->at = (pel_feed_position){s->at.epoch + 1, 0};
    return PEL_OK;
}

/* ---- Reading */

/* Frames up to the next image; *ended: there is none. */
static pel_status read_bundle(source *s, pel_bundle *bundle, bool *ended, pel_error *error)
{
    for (*ended = false;;) {
        pel_frame *frame;
        bool end;
        pel_status status = pel_reader_next(s->reader, &frame, &end, error);
        if (status != PEL_OK)
            return quote(s, status, error);
        if (frame == NULL) {
            pel_bundle_clear(&s->holds);
            *ended = !end;
            if (!end)
                return PEL_OK;
            continue;
        }
        bool image = strcmp(frame->role, "image") == 0;
        if (image)
            pel_bundle_set_image(&s->holds, frame);
        else
            status = pel_bundle_put(&s->holds, frame, error);
        pel_frame_unref(frame);
        if (image && status == PEL_OK)
            status = pel_bundle_copy(bundle, &s->holds, error);
        if (image)
            pel_bundle_next(&s->holds);
        if (image || status != PEL_OK)
            return status;
    }
}

static pel_status next_of(pel_feed *f, source *s, pel_bundle *bundle, bool *ended, pel_error *error)
{
    for (;;) {
        pel_status status = s->reader == NULL ? start(f, s, error) : PEL_OK;
        if (status == PEL_OK)
            status = read_bundle(s, bundle, ended, error);
        if (status == PEL_OK && !*ended)
            s->at.bundles++;
        if (status != PEL_OK || !*ended || s->command == NULL)
            return status;
        status = next_epoch(s, error);
        if (status != PEL_OK)
            return status;
    }
}

pel_status pel_feed_next(pel_feed *f, pel_bundle *bundle, bool *ended, pel_error *error)
{
    pel_status status = next_of(f, &f->sources[f->turn], bundle, ended, error);
    f->turn = (f->turn + 1) % f->count;
    return status;
}

/* ---- The whole */

pel_status pel_feed_new(int fd, const char *const *commands, size_t count, uint64_t seed, size_t memory,
                        pel_feed **feed, pel_error *error)
{
    pel_feed *f = calloc(1, sizeof *f);
    source *sources = calloc(count + 1, sizeof *sources);
    *feed = NULL;
    if (f == NULL || sources == NULL) {
        free(f);
        free(sources);
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    }
    *f = (pel_feed){.sources = sources, .count = count > 0 ? count : 1, .memory = memory, .seed = seed};
    for (size_t i = 0; i < f->count; i++)
        sources[i] = (source){.command = count > 0 ? commands[i] : NULL, .fd = count > 0 ? -1 : fd};
    *feed = f;
    if (count > 0)
        return PEL_OK;
    widen(fd);
    pel_status status = pel_reader_new(fd, memory, &sources[0].reader, error);
    if (status != PEL_OK) {
        pel_feed_free(f);
        *feed = NULL;
    }
    return status;
}

void pel_feed_free(pel_feed *f)
{
    if (f == NULL)
        return;
    for (size_t i = 0; i < f->count; i++) {
        if (f->sources[i].pid > 0)
            (void)kill(-f->sources[i].pid, SIGTERM);
        (void)finish(&f->sources[i]);
    }
    free(f->sources);
    free(f);
}

size_t pel_feed_sources(const pel_feed *f) { return f->count; }

void pel_feed_tell(const pel_feed *f, pel_feed_position *positions, uint64_t *turn)
{
    for (size_t i = 0; i < f->count; i++)
        positions[i] = f->sources[i].at;
    *turn = f->turn;
}

pel_status pel_feed_seek(pel_feed *f, const pel_feed_position *positions, uint64_t turn, pel_error *error)
{
    f->turn = (size_t)(turn % f->count);
    for (size_t i = 0; i < f->count; i++) {
        source *s = &f->sources[i];
        s->at.epoch = positions[i].epoch;
        while (s->at.bundles < positions[i].bundles) {
            pel_bundle bundle = {NULL, NULL, 0};
            bool ended;
            pel_status status = next_of(f, s, &bundle, &ended, error);
            pel_bundle_clear(&bundle);
            if (status == PEL_OK && (ended || s->at.epoch != positions[i].epoch))
                status = pel_error_set(error, PEL_EINVAL, "the pairs end before number %" PRIu64
                                       ", where the run had come to: they are others", positions[i].bundles);
            if (status != PEL_OK)
                return status;
        }
    }
    return PEL_OK;
}
