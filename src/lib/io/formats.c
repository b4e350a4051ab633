/* formats.c - the table of formats; reading a file; writing one under a temporary name.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format.h"

/* Text comes last: nearly anything could be taken for it. */
static const pel_format *const formats[] = {&io_tiff, &io_png,  &io_jpeg, &io_fits,
                                            &io_y4m,  &io_pel, &io_pnm,  &io_text};
#define FORMATS (sizeof formats / sizeof formats[0])

const char pel_file_formats_help[] =
    "TIFF, PNG, JPEG, PNM/PFM/PAM, FITS (.fz too), y4m, .pel streams, text matrices";

static const pel_format *find_format(const char *name)
{
    for (size_t i = 0; i < FORMATS; i++)
        if (strcmp(formats[i]->name, name) == 0)
            return formats[i];
    return NULL;
}

const char *pel_file_format(const char *path)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash != NULL ? slash : path, '.');
    if (dot == NULL)
        return NULL;
    size_t n = strlen(dot + 1);
    for (size_t i = 0; i < FORMATS; i++)
        for (const char *e = formats[i]->extensions; *e != '\0';) {
            size_t length = strcspn(e, " ");
            if (length == n && strncasecmp(e, dot + 1, n) == 0)
                return formats[i]->name;
            e += length + (e[length] == ' ');
        }
    return NULL;
}

bool pel_file_format_sequence(const char *format)
{
    const pel_format *f = find_format(format);
    return f != NULL && f->sequence;
}

/* ---- Reading ------------------------------------------------------------------------------------ */

pel_status pel_file_read(const char *path, const pel_read_params *params, pel_error *error)
{
    io_source source = {.path = path, .params = params, .error = error};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        int cause = errno;
        if (fd >= 0)
            close(fd);
        return pel_error_set(error, PEL_EIO, "%s: %s", path, strerror(cause));
    }
    if (!S_ISREG(st.st_mode)) {
        close(fd);
        return pel_error_set(error, PEL_EIO, "%s: no regular file", path);
    }
    source.file_size = (uint64_t)st.st_size;
    ssize_t n = read(fd, source.head, sizeof source.head);
    close(fd);
    if (n <= 0)
        return pel_error_set(error, n < 0 ? PEL_EIO : PEL_EFORMAT, "%s: %s", path,
                             n < 0 ? strerror(errno) : "the file is empty");
    source.head_size = (size_t)n;
    for (size_t i = 0; i < FORMATS; i++) {
        if (!formats[i]->sniff(source.head, source.head_size))
            continue;
        pel_status status = formats[i]->read(&source);
        /* PEL_ECLOSED and usage are not the file's fault. */
        if (status != PEL_OK && status != PEL_ECLOSED && status != PEL_EUSAGE)
            pel_error_prefix(error, "%s", path);
        return status;
    }
    return pel_error_set(error, PEL_EFORMAT, "%s: not a format that is known here (%s)", path,
                         pel_file_formats_help);
}

/* ---- Writing ------------------------------------------------------------------------------------ */

struct pel_file_writer {
    char *path, *temporary; /* path NULL: stdout */
    bool in_place;          /* a device or a pipe: bytes go into it, no name is replaced */
    const pel_format *format;
    pel_write_params params;
    io_sink sink;
    mode_t mode;
    bool finished;
};

/* A new file beside `path` (or in the folder for temporary files), with the access that a file made
 * by a redirection would have, or that the old one has. */
static pel_status make_temporary(pel_file_writer *w, pel_error *error)
{
    const char *folder = getenv("TMPDIR");
    bool beside = w->path != NULL && !w->in_place;
    size_t room = (beside ? strlen(w->path) : strlen(folder != NULL ? folder : "/tmp")) + 32;
    w->temporary = malloc(room);
    if (w->temporary == NULL)
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    if (beside) {
        const char *slash = strrchr(w->path, '/');
        int n = slash != NULL ? (int)(slash - w->path + 1) : 0;
        snprintf(w->temporary, room, "%.*s.pellucid-XXXXXX", n, w->path);
    } else {
        snprintf(w->temporary, room, "%s/pellucid-XXXXXX", folder != NULL ? folder : "/tmp");
    }
    int fd = mkstemp(w->temporary);
    if (fd < 0) {
        int cause = errno;
        free(w->temporary);
        w->temporary = NULL;
        return pel_error_set(error, PEL_EIO, "cannot write %s: %s",
                             w->path != NULL ? w->path : "a temporary file", strerror(cause));
    }
    mode_t mask = umask(0);
    umask(mask);
    struct stat old;
    w->mode = !beside                     ? 0600
              : stat(w->path, &old) == 0 ? old.st_mode & 0777
                                         : 0666 & ~mask;
    close(fd);
    return PEL_OK;
}

/* A link stays a link: what it points to is replaced.  A device is never replaced by a file. */
static pel_status set_path(pel_file_writer *w, const char *path, pel_error *error)
{
    struct stat st;
    if (strcmp(path, "-") == 0)
        return PEL_OK;
    bool exists = stat(path, &st) == 0;
    w->in_place = exists && !S_ISREG(st.st_mode);
    w->path = exists && !w->in_place ? realpath(path, NULL) : strdup(path);
    return w->path != NULL ? PEL_OK
                           : pel_error_set(error, PEL_EIO, "%s: %s", path, strerror(errno));
}

static void set_extension(io_sink *sink, const char *path)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash != NULL ? slash : path, '.');
    if (dot == NULL || strlen(dot + 1) >= sizeof sink->extension)
        return;
    for (size_t i = 0; dot[i] != '\0'; i++)
        sink->extension[i] = (char)tolower((unsigned char)dot[i + 1]);
}

pel_status pel_file_create(const char *path, const char *format, const pel_write_params *params,
                           pel_file_writer **out, pel_error *error)
{
    const pel_format *f = format != NULL ? find_format(format) : NULL;
    if (f == NULL || f->append == NULL)
        return pel_error_set(error, PEL_EUSAGE, "%s: no format to write is known by that name (%s)",
                             format != NULL ? format : path, pel_file_formats_help);
    struct stat st;
    if (strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return pel_error_set(error, PEL_EIO, "cannot write %s: it is a folder", path);
    pel_file_writer *w = calloc(1, sizeof *w);
    if (w == NULL)
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    w->format = f;
    w->params = *params;
    pel_status status = set_path(w, path, error);
    if (status == PEL_OK)
        status = make_temporary(w, error);
    if (status != PEL_OK) {
        pel_file_writer_free(w);
        return status;
    }
    w->sink = (io_sink){.temporary = w->temporary, .params = &w->params};
    set_extension(&w->sink, path);
    *out = w;
    return PEL_OK;
}

pel_status pel_file_append(pel_file_writer *w, const pel_bundle *bundle, pel_error *error)
{
    if (w->sink.frames > 0 && !w->format->sequence)
        return pel_error_set(error, PEL_EUSAGE,
                             "a %s file holds one frame: use %%d in the name to number the files",
                             w->format->name);
    w->sink.error = error;
    pel_status status = w->format->append(&w->sink, bundle);
    w->sink.frames++;
    return status;
}

pel_status pel_file_finish(pel_file_writer *w, pel_write_report *report, pel_error *error)
{
    w->sink.error = error;
    if (w->sink.state == NULL)
        return pel_error_set(error, PEL_EINVAL, "no frame was written to %s",
                             w->path != NULL ? w->path : "stdout");
    pel_status status = w->format->finish(&w->sink);
    w->format->discard(&w->sink);
    w->sink.state = NULL;
    w->finished = true;
    if (status != PEL_OK)
        return status;
    if (report != NULL)
        *report = w->sink.report;
    int fd = open(w->temporary, O_RDONLY | O_CLOEXEC);
    /* Only now: a format may have made the file anew. */
    if (fd >= 0)
        (void)fchmod(fd, w->mode);
    bool synced = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
    int cause = errno;
    if (fd >= 0)
        close(fd);
    return synced ? PEL_OK
                  : pel_error_set(error, PEL_EIO, "cannot write %s: %s",
                                  w->path != NULL ? w->path : "a temporary file", strerror(cause));
}

static pel_status copy_to(pel_file_writer *w, int fd, pel_error *error)
{
    char bytes[65536];
    FILE *from = fopen(w->temporary, "rbe");
    size_t n;
    bool good = from != NULL;
    while (good && (n = fread(bytes, 1, sizeof bytes, from)) > 0)
        for (size_t done = 0; good && done < n;) {
            ssize_t k = write(fd, bytes + done, n - done);
            good = k > 0 || (k < 0 && errno == EINTR);
            done += k > 0 ? (size_t)k : 0;
        }
    int cause = errno;
    if (from != NULL)
        fclose(from);
    (void)unlink(w->temporary);
    if (good)
        return PEL_OK;
    return pel_error_set(error, cause == EPIPE ? PEL_ECLOSED : PEL_EIO, "cannot write: %s",
                         strerror(cause));
}

pel_status pel_file_publish(pel_file_writer *w, pel_error *error)
{
    pel_status status = PEL_OK;
    if (w->path == NULL) {
        status = copy_to(w, STDOUT_FILENO, error);
    } else if (w->in_place) {
        int fd = open(w->path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
            return pel_error_set(error, PEL_EIO, "cannot write %s: %s", w->path, strerror(errno));
        status = copy_to(w, fd, error);
        close(fd);
    } else if (rename(w->temporary, w->path) != 0) {
        return pel_error_set(error, PEL_EIO, "cannot write %s: %s", w->path, strerror(errno));
    }
    free(w->temporary);
    w->temporary = NULL;
    return status;
}

const char *pel_file_writer_temporary(const pel_file_writer *w)
{
    return w->temporary;
}

void pel_file_writer_free(pel_file_writer *w)
{
    if (w == NULL)
        return;
    if (!w->finished && w->sink.state != NULL)
        w->format->discard(&w->sink);
    if (w->temporary != NULL)
        (void)unlink(w->temporary);
    free(w->temporary);
    free(w->path);
    free(w);
}
