/* names.c - names of files: made from a pattern, found beside another, and of our own for what comes
 * through a pipe.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pellucid/io.h>

/* The base name of the picture that the frame came from, without its extension. */
static void source_name(const pel_frame *frame, char *to, size_t room)
{
    const char *name = pel_frame_key(frame, "name");
    if (name == NULL || *name == '\0')
        name = "frame";
    const char *slash = strrchr(name, '/'), *base = slash != NULL ? slash + 1 : name;
    snprintf(to, room, "%s", *base != '\0' ? base : "frame");
    char *dot = strrchr(to, '.');
    if (dot != NULL && dot != to)
        *dot = '\0';
}

/* One conversion at *p, behind its '%': %d, %04d, %n, %%.  Advances *p; false when it is none. */
static bool expand(const char **p, const pel_frame *frame, uint64_t number, char *to, size_t room)
{
    unsigned width = 0;
    const char *q = *p;
    while (*q >= '0' && *q <= '9' && q - *p < 4)
        width = width * 10 + (unsigned)(*q++ - '0');
    if (*q == 'd' && width <= 20 && (q == *p || **p == '0'))
        snprintf(to, room, "%0*llu", (int)width, (unsigned long long)number);
    else if (*q == 'n' && q == *p && frame != NULL)
        source_name(frame, to, room);
    else if (*q == 'n' && q == *p)
        snprintf(to, room, "n");
    else if (*q == '%' && q == *p)
        snprintf(to, room, "%%");
    else
        return false;
    *p = q + 1;
    return true;
}

pel_status pel_file_name(const char *pattern, const pel_frame *frame, uint64_t number, char **name,
                         bool *numbered, pel_error *error)
{
    char text[4096], piece[1024];
    size_t n = 0;
    *numbered = false;
    for (const char *p = pattern; *p != '\0';) {
        piece[0] = *p;
        piece[1] = '\0';
        if (*p++ == '%') {
            const char *at = p;
            if (!expand(&p, frame, number, piece, sizeof piece))
                return pel_error_set(error, PEL_EUSAGE, "'%s': after %% comes d, 04d, n or %%",
                                     pattern);
            *numbered = *numbered || *at != '%';
        }
        size_t length = strlen(piece);
        if (n + length >= sizeof text)
            return pel_error_set(error, PEL_EUSAGE, "the name '%.60s...' is too long", pattern);
        memcpy(text + n, piece, length + 1);
        n += length;
    }
    *name = strdup(text);
    return *name != NULL ? PEL_OK : pel_error_set(error, PEL_ENOMEM, "out of memory");
}

pel_status pel_file_sibling(const char *folder, const char *file, char *path, size_t room,
                            pel_error *error)
{
    const char *slash = strrchr(file, '/'), *base = slash != NULL ? slash + 1 : file;
    const char *dot = strrchr(base, '.');
    size_t stem = dot != NULL ? (size_t)(dot - base) : strlen(base);
    snprintf(path, room, "%s/%s", folder, base);
    if (access(path, F_OK) == 0)
        return PEL_OK;
    DIR *list = opendir(folder);
    if (list == NULL)
        return pel_error_set(error, PEL_EIO, "%s: %s", folder, strerror(errno));
    size_t matches = 0;
    for (const struct dirent *e = readdir(list); e != NULL; e = readdir(list))
        if (strncmp(e->d_name, base, stem) == 0 && strrchr(e->d_name, '.') == e->d_name + stem &&
            pel_file_format(e->d_name) != NULL) {
            snprintf(path, room, "%s/%s", folder, e->d_name);
            matches++;
        }
    closedir(list);
    if (matches == 1)
        return PEL_OK;
    return pel_error_set(error, PEL_EIO, "%s: %s file called %.*s.* in %s", file,
                         matches == 0 ? "no" : "more than one", (int)stem, base, folder);
}

pel_status pel_file_spool(FILE *from, const char *name, char *path, size_t room, pel_error *error)
{
    const char *folder = getenv("TMPDIR");
    char bytes[65536];
    snprintf(path, room, "%s/pellucid-XXXXXX", folder != NULL ? folder : "/tmp");
    int fd = mkstemp(path);
    if (fd < 0)
        return pel_error_set(error, PEL_EIO, "cannot write %s: %s", path, strerror(errno));
    FILE *to = fdopen(fd, "wb");
    size_t n;
    while (to != NULL && (n = fread(bytes, 1, sizeof bytes, from)) > 0 &&
           fwrite(bytes, 1, n, to) == n)
        continue;
    bool good = to != NULL && !ferror(from) && !ferror(to);
    if (to != NULL)
        good = fclose(to) == 0 && good;
    else
        close(fd);
    if (good)
        return PEL_OK;
    int cause = errno;
    (void)unlink(path);
    return pel_error_set(error, PEL_EIO, "%s: %s", name, strerror(cause));
}
