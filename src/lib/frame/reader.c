/* reader.c - takes frames from a descriptor, whole and checked, or says where the stream is broken.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pellucid/crc.h>
#include <pellucid/stream.h>

#include "frame-internal.h"

#define CHUNK ((size_t)256 << 10) /* read and summed at a time: stays in the L2 cache */
#define PIPE_BYTES (1 << 20)

struct pel_reader {
    int fd;
    size_t memory_cap;
    uint64_t offset; /* of the next byte that the parser has not taken */
    uint64_t frames; /* of the current stream */
    bool any;        /* an end line was seen */
    size_t from, to; /* what `ahead` holds */
    char *ahead;     /* read from fd but not yet taken */
    char *line;
};

static size_t physical_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (size_t)pages * (size_t)size : SIZE_MAX / 4;
}

pel_status pel_reader_new(int fd, size_t memory_cap, pel_reader **out, pel_error *error)
{
    pel_reader *reader = calloc(1, sizeof *reader);
    char *ahead = malloc(CHUNK), *line = malloc(PEL_HEADER_MAX);
    if (reader == NULL || ahead == NULL || line == NULL) {
        free(reader);
        free(ahead);
        free(line);
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    }
    reader->fd = fd;
    reader->memory_cap = memory_cap > 0 ? memory_cap : physical_memory();
    reader->ahead = ahead;
    reader->line = line;
#ifdef F_SETPIPE_SZ
    /* A hop costs a wake-up per pipe buffer: 1 MiB in place of 64 KiB.  No pipe, no harm. */
    (void)fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES);
#endif
    *out = reader;
    return PEL_OK;
}

void pel_reader_free(pel_reader *reader)
{
    if (reader == NULL)
        return;
    free(reader->ahead);
    free(reader->line);
    free(reader);
}

uint64_t pel_reader_frames(const pel_reader *reader)
{
    return reader->frames;
}

uint64_t pel_reader_offset(const pel_reader *reader)
{
    return reader->offset;
}

/* read(2) until something came; 0 at the end of the input. */
static pel_status read_some(pel_reader *reader, void *to, size_t most, size_t *got,
                            pel_error *error)
{
    ssize_t n;
    do
        n = read(reader->fd, to, most);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return pel_error_set(error, PEL_EIO, "cannot read the stream: %s", strerror(errno));
    *got = (size_t)n;
    return PEL_OK;
}

/* Takes up to `count` bytes: fewer only at the end of the input. */
static pel_status take(pel_reader *reader, char *to, size_t count, size_t *got, pel_error *error)
{
    size_t have = 0;
    while (have < count) {
        size_t n = reader->to - reader->from;
        if (n > 0) {
            n = n < count - have ? n : count - have;
            memcpy(to + have, reader->ahead + reader->from, n);
            reader->from += n;
        } else if (count - have >= CHUNK) { /* large payloads go where they belong at once */
            pel_status status = read_some(reader, to + have, count - have, &n, error);
            if (status != PEL_OK)
                return status;
            if (n == 0)
                break;
        } else {
            reader->from = 0;
            pel_status status = read_some(reader, reader->ahead, CHUNK, &reader->to, error);
            if (status != PEL_OK)
                return status;
            if (reader->to == 0)
                break;
            continue;
        }
        have += n;
    }
    reader->offset += have;
    *got = have;
    return PEL_OK;
}

static pel_status cut_off(const pel_reader *reader, pel_error *error)
{
    if (reader->frames == 0 && reader->offset == 0)
        return pel_error_set(error, PEL_EFORMAT, "the input is empty: no stream came");
    if (reader->frames == 0)
        return pel_error_set(error, PEL_EFORMAT,
                             "the stream is cut off before its first frame was whole "
                             "(at byte %" PRIu64 ")", reader->offset);
    return pel_error_set(error, PEL_EFORMAT,
                         "the stream is cut off after frame %" PRIu64 " (at byte %" PRIu64 ")",
                         reader->frames - 1, reader->offset);
}

/* Blocks until one ends in a newline.  *length is 0 at a proper end of the input. */
static pel_status take_line(pel_reader *reader, size_t *length, pel_error *error)
{
    size_t n = 0;
    do {
        size_t got;
        if (n == PEL_HEADER_MAX)
            return pel_error_set(error, PEL_EFORMAT, "a header line of more than %d bytes",
                                 PEL_HEADER_MAX);
        pel_status status = take(reader, reader->line + n, PEL_BLOCK, &got, error);
        if (status != PEL_OK)
            return status;
        if (got == 0 && n == 0 && reader->any && reader->frames == 0) {
            *length = 0;
            return PEL_OK;
        }
        /* Tell a foreign file from a cut-off stream as soon as that is possible. */
        size_t magic = got < 5 ? got : 5;
        if (n == 0 && memcmp(reader->line, "PEL1 ", magic) != 0)
            return pel_error_set(error, PEL_EFORMAT,
                                 "no frame header (this is no pel stream, or it is damaged)");
        if (got < PEL_BLOCK)
            return cut_off(reader, error);
        if (memchr(reader->line + n, '\n', PEL_BLOCK - 1) != NULL)
            return pel_error_set(error, PEL_EFORMAT, "a newline inside the header line");
        n += PEL_BLOCK;
    } while (reader->line[n - 1] != '\n');
    *length = n;
    return PEL_OK;
}

static pel_status take_payload(pel_reader *reader, pel_frame *frame, uint32_t expected,
                               pel_error *error)
{
    pel_status status = pel_frame_take_memory(frame, error);
    if (status != PEL_OK || frame->bytes == 0)
        return status;
    char *to = frame->buffer->memory;
    uint32_t crc = 0;
    for (size_t done = 0; done < frame->bytes;) {
        size_t n = frame->bytes - done < CHUNK ? frame->bytes - done : CHUNK, got;
        status = take(reader, to + done, n, &got, error);
        if (status != PEL_OK)
            return status;
        if (got < n)
            return cut_off(reader, error);
        crc = pel_crc32(crc, to + done, n); /* while it is in the cache */
        done += n;
    }
    if (crc != expected)
        return pel_error_set(error, PEL_EFORMAT, "the samples are damaged (their CRC does not fit)");
    frame->buffer->crc = crc;
    frame->buffer->crc_known = true;
    char padding[PEL_BLOCK];
    size_t count = (PEL_BLOCK - frame->bytes % PEL_BLOCK) % PEL_BLOCK, got;
    status = take(reader, padding, count, &got, error);
    if (status != PEL_OK)
        return status;
    if (got < count)
        return cut_off(reader, error);
    for (size_t i = 0; i < count; i++)
        if (padding[i] != 0)
            return pel_error_set(error, PEL_EFORMAT, "the padding after the samples is not zero");
    return PEL_OK;
}

static pel_status next(pel_reader *reader, pel_frame **out, bool *ended, pel_error *error)
{
    size_t length;
    pel_status status = take_line(reader, &length, error);
    if (status != PEL_OK || length == 0)
        return status;
    pel_header header;
    status = pel_header_parse(reader->line, length, reader->memory_cap, &header, error);
    if (status != PEL_OK)
        return status;
    if (header.frame == NULL) {
        if (header.frames != reader->frames)
            return pel_error_set(error, PEL_EFORMAT,
                                 "the end line counts %" PRIu64 " frames, but %" PRIu64 " came",
                                 header.frames, reader->frames);
        reader->frames = 0;
        reader->any = true;
        *ended = true;
        return PEL_OK;
    }
    status = take_payload(reader, header.frame, header.crc, error);
    if (status != PEL_OK) {
        pel_frame_unref(header.frame);
        return status;
    }
    reader->frames++;
    *out = header.frame;
    return PEL_OK;
}

pel_status pel_reader_next(pel_reader *reader, pel_frame **frame, bool *ended, pel_error *error)
{
    *frame = NULL;
    *ended = false;
    uint64_t start = reader->offset;
    pel_error cause = {PEL_OK, ""};
    pel_status status = next(reader, frame, ended, &cause);
    if (status == PEL_OK)
        return PEL_OK;
    if (strstr(cause.text, "cut off") != NULL || strstr(cause.text, "is empty") != NULL)
        return pel_error_set(error, status, "%s", cause.text);
    return pel_error_set(error, status, "stream frame %" PRIu64 " at byte %" PRIu64 ": %s",
                         reader->frames, start, cause.text);
}
