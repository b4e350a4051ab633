/* fuzz-file.c - libFuzzer on the readers of all picture formats (configure CC=clang --enable-fuzz).
 * Usage: tests/fuzz/fuzz-file CORPUS, with a corpus of small files of the format in question
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <pellucid/io.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static pel_status take(void *arg, const pel_bundle *bundle)
{
    (void)arg;
    (void)bundle;
    return PEL_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    char path[64];
    int fd = memfd_create("file", 0);
    if (fd < 0 || write(fd, bytes, count) != (ssize_t)count)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    pel_error error;
    pel_read_params params = {.role = "image", .memory_cap = 16 << 20, .emit = take};
    for (int volume = 0; volume < 2; volume++) {
        params.volume = volume != 0;
        (void)pel_file_read(path, &params, &error);
    }
    close(fd);
    return 0;
}
