/* wisdom.c - the cache of measured FFT plans: $XDG_CACHE_HOME/pellucid/wisdom.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One line "pellucid-wisdom 1 CRC32 LENGTH", then FFTW's text.  Written under a temporary name and
 * renamed, so that a reader sees an old file or a new one, never half of one. */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fftw3.h>

#include <pellucid/crc.h>

#include "wisdom.h"

#define MOST_BYTES ((size_t)8 << 20)

static bool cache_folder(char *path, size_t room)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n;
    if (cache != NULL && cache[0] == '/')
        n = snprintf(path, room, "%s", cache);
    else if (home != NULL && home[0] == '/')
        n = snprintf(path, room, "%s/.cache", home);
    else
        return false;
    return n > 0 && (size_t)n + 64 < room;
}

static bool write_all(int fd, const char *text, size_t count)
{
    while (count > 0) {
        ssize_t n = write(fd, text, count);
        if (n <= 0)
            return false;
        text += n;
        count -= (size_t)n;
    }
    return true;
}

static void import_file(void)
{
    char path[4096];
    if (!cache_folder(path, sizeof path))
        return;
    strcat(path, "/pellucid/wisdom");
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0)
        return;
    char *text = NULL;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
        (size_t)st.st_size < MOST_BYTES && (text = malloc((size_t)st.st_size + 1)) != NULL) {
        ssize_t n = read(fd, text, (size_t)st.st_size);
        text[n > 0 ? n : 0] = '\0';
        unsigned crc;
        size_t length;
        char *body = strchr(text, '\n');
        if (body != NULL && sscanf(text, "pellucid-wisdom 1 %8x %zu\n", &crc, &length) == 2 &&
            length == strlen(body + 1) && crc == pel_crc32(0, body + 1, length))
            (void)fftwf_import_wisdom_from_string(body + 1);
    }
    free(text);
    close(fd);
}

void pel_wisdom_load(void)
{
    static bool loaded;
    if (!loaded)
        import_file();
    loaded = true;
}

void pel_wisdom_save(void)
{
    char path[4096], temporary[4200];
    if (!cache_folder(path, sizeof path))
        return;
    (void)mkdir(path, 0700);
    strcat(path, "/pellucid");
    (void)mkdir(path, 0700);
    import_file();
    char *text = fftwf_export_wisdom_to_string();
    if (text == NULL)
        return;
    snprintf(temporary, sizeof temporary, "%s/wisdom.XXXXXX", path);
    int fd = mkstemp(temporary);
    if (fd >= 0) {
        char line[64];
        size_t length = strlen(text);
        int n = snprintf(line, sizeof line, "pellucid-wisdom 1 %08x %zu\n",
                         (unsigned)pel_crc32(0, text, length), length);
        strcat(path, "/wisdom");
        bool good = write_all(fd, line, (size_t)n) && write_all(fd, text, length);
        good = close(fd) == 0 && good;
        if (!good || rename(temporary, path) != 0)
            (void)unlink(temporary);
    }
    fftwf_free(text);
}
