/* fits-guard.c - compressed FITS is unpacked by a child process.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * cfitsio's decompressors trust the tiles that they unpack: damaged ones make them read and write
 * outside their buffers (seen with Rice coding, cfitsio 4.2), or loop for ever (seen with gzip).  A
 * child that crashes or is stopped costs nothing but an error. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fits-internal.h"

/* At the start of the memory that both share; the samples follow. */
typedef struct {
    volatile int done, code;
} shared;

/* The time that a child gets: a start, and a pace that the slowest decompressor beats ten times. */
enum { HEAD = 64, START_S = 5, SAMPLES_A_SECOND = 1000000 };

static void unpack(const char *path, int hdu, LONGLONG first, LONGLONG count, shared *s)
{
    const struct rlimit none = {0, 0};
    int quiet = open("/dev/null", O_WRONLY), code = 0, any;
    float nul = NAN, *to = (float *)(void *)((char *)s + HEAD);
    fitsfile *file;
    if (quiet >= 0)
        (void)dup2(quiet, STDERR_FILENO); /* what the C library says of a broken heap */
    (void)setrlimit(RLIMIT_CORE, &none);
    signal(SIGALRM, SIG_DFL);
    alarm(START_S + (unsigned)(count / SAMPLES_A_SECOND));
    /* A file of our own: the parent's position in its file must not move. */
    fits_open_diskfile(&file, path, READONLY, &code);
    fits_movabs_hdu(file, hdu, NULL, &code);
    fits_read_img(file, TFLOAT, first, count, &nul, to, &any, &code);
    s->code = code;
    s->done = 1;
    _exit(0);
}

pel_status io_fits_unpack(const io_source *source, int hdu, LONGLONG first, LONGLONG count, float *to)
{
    size_t bytes = (size_t)count * sizeof *to;
    shared *s = mmap(NULL, HEAD + bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s == MAP_FAILED)
        return io_error(source, PEL_ENOMEM, "out of memory");
    pid_t child = fork();
    if (child == 0)
        unpack(source->path, hdu, first, count, s);
    int result, cause = errno;
    while (child > 0 && waitpid(child, &result, 0) < 0 && errno == EINTR)
        continue;
    pel_status status = PEL_OK;
    if (child < 0)
        status = io_error(source, PEL_EIO, "no process to unpack with: %s", strerror(cause));
    else if (s->done == 0)
        status = io_error(source, PEL_EFORMAT, "the compressed samples are damaged");
    else if (s->code != 0)
        status = io_fits_error(source->error, s->code, "the samples cannot be unpacked");
    else
        memcpy(to, (const char *)s + HEAD, bytes);
    (void)munmap(s, HEAD + bytes);
    return status;
}
