/* psf-option.c - what -k names: a model, or a file that pel-read reads for us.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The file formats load half a dozen libraries, which would triple the start of every solver; so a
 * file is read by a child process, as a shell would do it. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pellucid/psf.h>
#include <pellucid/stage.h>

extern char **environ;

/* pel-read beside the running program comes before one in PATH: a build tree uses its own. */
static void reader_path(char *path, size_t room)
{
    static const char name[] = "pel-read";
    char self[PATH_MAX];
    snprintf(path, room, "%s", name);
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0)
        return;
    self[n] = '\0';
    char *slash = strrchr(self, '/');
    if (slash == NULL)
        return;
    *slash = '\0';
    /* libtool keeps the real program in .libs, and its wrapper one above. */
    char *last = strrchr(self, '/');
    if (last != NULL && strcmp(last, "/.libs") == 0)
        *last = '\0';
    char beside[PATH_MAX + 16];
    snprintf(beside, sizeof beside, "%s/%s", self, name);
    if (access(beside, X_OK) == 0)
        snprintf(path, room, "%s", beside);
}

static pel_status take_psf(void *arg, pel_frame *frame)
{
    pel_frame **psf = arg;
    if (strcmp(frame->role, "psf") != 0 || frame->bytes == 0)
        return PEL_OK;
    pel_frame_unref(*psf);
    *psf = pel_frame_ref(frame);
    return PEL_OK;
}

static pel_status spawn_reader(pel_run *run, const char *file, int fds[2], pid_t *child)
{
    char path[PATH_MAX + 16], operand[PATH_MAX];
    reader_path(path, sizeof path);
    if ((size_t)snprintf(operand, sizeof operand, "psf:%s", file) >= sizeof operand)
        return pel_error_set(pel_run_error(run), PEL_EINVAL, "the name of the PSF's file is too long");
    char read_name[] = "pel-read", quiet[] = "--quiet", end[] = "--";
    char *argv[] = {read_name, quiet, end, operand, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, fds[0]);
    posix_spawn_file_actions_addclose(&actions, fds[1]);
    int failed = posix_spawnp(child, path, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0)
        return pel_error_set(pel_run_error(run), PEL_EIO, "cannot run pel-read for the PSF '%s': %s",
                             file, strerror(failed));
    return PEL_OK;
}

static pel_status read_psf(pel_run *run, const char *file, pel_frame **psf)
{
    /* Told here, so that the message is ours and not the child's. */
    if (access(file, R_OK) != 0)
        return pel_error_set(pel_run_error(run), PEL_EIO,
                             "the PSF '%s' is no model (see --help) and no file: %s", file,
                             strerror(errno));
    int fds[2];
    if (pipe(fds) != 0)
        return pel_error_set(pel_run_error(run), PEL_EIO, "no pipe: %s", strerror(errno));
    pid_t child;
    pel_status status = spawn_reader(run, file, fds, &child);
    close(fds[1]);
    if (status != PEL_OK) {
        close(fds[0]);
        return status;
    }
    *psf = NULL;
    status = pel_stream_each(fds[0], pel_run_memory(run), take_psf, psf, pel_run_error(run));
    close(fds[0]);
    int result = 0;
    while (waitpid(child, &result, 0) < 0 && errno == EINTR)
        continue;
    /* pel-read has said what is wrong with the file; its broken stream is a consequence. */
    if (!WIFEXITED(result) || WEXITSTATUS(result) != 0)
        status = pel_error_set(pel_run_error(run), PEL_EFORMAT, "the PSF '%s' could not be read",
                               file);
    else if (status == PEL_OK && *psf == NULL)
        status = pel_error_set(pel_run_error(run), PEL_EFORMAT, "there is no PSF in '%s'", file);
    if (status != PEL_OK) {
        pel_frame_unref(*psf);
        *psf = NULL;
    }
    return status;
}

pel_status pel_stage_psf(pel_run *run, const char *text, pel_frame **psf)
{
    if (!pel_psf_is_spec(text))
        return read_psf(run, text, psf);
    pel_psf made;
    pel_status status = pel_psf_make(text, &made, pel_run_error(run));
    if (status != PEL_OK)
        return status;
    status = pel_frame_new("psf", PEL_F32, made.size, psf, pel_run_error(run));
    if (status == PEL_OK) {
        memcpy(pel_frame_floats(*psf), made.samples, (*psf)->bytes);
        status = pel_frame_set(*psf, "spec", text, pel_run_error(run));
        if (status != PEL_OK)
            pel_frame_unref(*psf);
    }
    pel_psf_clear(&made);
    return status;
}
