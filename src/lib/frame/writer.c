/* writer.c - puts frames onto a descriptor; knows which companions the reader has already got.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <pellucid/crc.h>
#include <pellucid/stream.h>

#include "frame-internal.h"

#define PIPE_BYTES (1 << 20)

struct pel_writer {
    int fd;
    uint64_t frames;
    pel_bundle sent; /* the sticky companions that hold for the reader now */
    char *line;
};

pel_status pel_writer_new(int fd, pel_writer **out, pel_error *error)
{
    pel_writer *writer = calloc(1, sizeof *writer);
    char *line = malloc(PEL_HEADER_MAX);
    if (writer == NULL || line == NULL) {
        free(writer);
        free(line);
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    }
    writer->fd = fd;
    writer->line = line;
#ifdef F_SETPIPE_SZ
    (void)fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES);
#endif
    *out = writer;
    return PEL_OK;
}

void pel_writer_free(pel_writer *writer)
{
    if (writer == NULL)
        return;
    pel_bundle_clear(&writer->sent);
    free(writer->line);
    free(writer);
}

static pel_status write_all(pel_writer *writer, struct iovec *part, int count, pel_error *error)
{
    while (count > 0) {
        if (part->iov_len == 0) {
            part++;
            count--;
            continue;
        }
        ssize_t n = writev(writer->fd, part, count);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EPIPE)
            return pel_error_set(error, PEL_ECLOSED, "the reader of the output has gone");
        if (n < 0)
            return pel_error_set(error, PEL_EIO, "cannot write the stream: %s", strerror(errno));
        for (size_t done = (size_t)n; done > 0;) {
            size_t step = done < part->iov_len ? done : part->iov_len;
            part->iov_base = (char *)part->iov_base + step;
            part->iov_len -= step;
            done -= step;
            if (part->iov_len == 0) {
                part++;
                count--;
            }
        }
    }
    return PEL_OK;
}

pel_status pel_writer_frame(pel_writer *writer, const pel_frame *frame, pel_error *error)
{
    static char zeros[PEL_BLOCK];
    pel_buffer *buffer = frame->buffer;
    uint32_t crc = 0;
    if (buffer != NULL) {
        crc = buffer->crc_known ? buffer->crc : pel_crc32(0, buffer->memory, frame->bytes);
        buffer->crc = crc;
        buffer->crc_known = true;
    }
    size_t length;
    pel_status status = pel_header_format(frame, crc, writer->line, &length, error);
    if (status != PEL_OK)
        return status;
    struct iovec parts[3] = {
        {writer->line, length},
        {buffer != NULL ? buffer->memory : NULL, frame->bytes},
        {zeros, (PEL_BLOCK - frame->bytes % PEL_BLOCK) % PEL_BLOCK},
    };
    status = write_all(writer, parts, 3, error);
    if (status == PEL_OK)
        writer->frames++;
    return status;
}

pel_status pel_writer_end(pel_writer *writer, pel_error *error)
{
    size_t length;
    pel_status status = pel_header_format_end(writer->frames, writer->line, &length, error);
    if (status != PEL_OK)
        return status;
    struct iovec part = {writer->line, length};
    status = write_all(writer, &part, 1, error);
    writer->frames = 0;
    pel_bundle_clear(&writer->sent);
    return status;
}

static pel_status write_clear(pel_writer *writer, const pel_frame *gone, pel_error *error)
{
    pel_frame *empty;
    pel_status status = pel_frame_new(gone->role, gone->type, pel_size_make(0, 0, 0, 0), &empty,
                                      error);
    if (status != PEL_OK)
        return status;
    const char *slot = pel_frame_key(gone, "slot");
    if (slot != NULL)
        status = pel_frame_set(empty, "slot", slot, error);
    if (status == PEL_OK)
        status = pel_writer_frame(writer, empty, error);
    if (status == PEL_OK)
        status = pel_bundle_put(&writer->sent, empty, error); /* drops the one that was sent */
    pel_frame_unref(empty);
    return status;
}

/* Companions that hold for the reader but not for this bundle. */
static pel_status clear_missing(pel_writer *writer, const pel_bundle *bundle, pel_error *error)
{
    for (size_t i = writer->sent.count; i-- > 0;) {
        pel_frame *old = writer->sent.companions[i];
        if (pel_bundle_find(bundle, old->role, pel_frame_slot(old)) != NULL)
            continue;
        pel_status status = write_clear(writer, old, error);
        if (status != PEL_OK)
            return status;
    }
    return PEL_OK;
}

static pel_status write_companions(pel_writer *writer, const pel_bundle *bundle, bool sticky,
                                   pel_error *error)
{
    for (size_t i = 0; i < bundle->count; i++) {
        pel_frame *frame = bundle->companions[i];
        if (pel_role_find(frame->role)->sticky != sticky)
            continue;
        if (sticky) {
            pel_frame *old = pel_bundle_find(&writer->sent, frame->role, pel_frame_slot(frame));
            if (old != NULL && pel_frame_same(old, frame))
                continue;
        }
        pel_status status = pel_writer_frame(writer, frame, error);
        if (status == PEL_OK && sticky)
            status = pel_bundle_put(&writer->sent, frame, error);
        if (status != PEL_OK)
            return status;
    }
    return PEL_OK;
}

pel_status pel_writer_bundle(pel_writer *writer, const pel_bundle *bundle, pel_error *error)
{
    pel_status status = clear_missing(writer, bundle, error);
    if (status == PEL_OK)
        status = write_companions(writer, bundle, true, error);
    if (status == PEL_OK)
        status = write_companions(writer, bundle, false, error);
    if (status == PEL_OK && bundle->image != NULL)
        status = pel_writer_frame(writer, bundle->image, error);
    return status;
}
