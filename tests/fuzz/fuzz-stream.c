/* fuzz-stream.c - libFuzzer on the stream reader (configure CC=clang --enable-fuzz).
 * Usage: tests/fuzz/fuzz-stream CORPUS
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <pellucid/stream.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    int fd = memfd_create("stream", 0);
    if (fd < 0 || write(fd, bytes, count) != (ssize_t)count || lseek(fd, 0, SEEK_SET) != 0)
        abort();
    pel_reader *reader;
    pel_error error;
    if (pel_reader_new(fd, 1 << 20, &reader, &error) != PEL_OK)
        abort();
    for (;;) {
        pel_frame *frame;
        bool ended;
        pel_status status = pel_reader_next(reader, &frame, &ended, &error);
        if (status != PEL_OK || (frame == NULL && !ended))
            break;
        pel_frame_unref(frame);
    }
    pel_reader_free(reader);
    close(fd);
    return 0;
}
