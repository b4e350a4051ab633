/* pel-file.c - a stream kept in a file: its frames are handed on as they are.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pellucid/stream.h>

#include "format.h"

static bool sniff(const uint8_t *head, size_t size)
{
    return size >= 5 && memcmp(head, "PEL1 ", 5) == 0;
}

static pel_status read_frames(io_source *source, pel_reader *reader)
{
    pel_bundle bundle = {NULL, NULL, 0};
    pel_status status;
    bool images = false;
    for (;;) {
        pel_frame *frame;
        bool ended;
        status = pel_reader_next(reader, &frame, &ended, source->error);
        if (status != PEL_OK || (frame == NULL && !ended))
            break;
        if (ended) {
            /* What no image followed stands alone: a PSF. */
            if (!images && bundle.count > 0)
                status = source->params->emit(source->params->arg, &bundle);
            pel_bundle_clear(&bundle);
            images = false;
        } else if (strcmp(frame->role, "image") == 0) {
            pel_bundle_set_image(&bundle, frame);
            status = source->params->emit(source->params->arg, &bundle);
            pel_bundle_next(&bundle);
            images = true;
        } else {
            status = pel_bundle_put(&bundle, frame, source->error);
        }
        pel_frame_unref(frame);
        if (status != PEL_OK)
            break;
    }
    pel_bundle_clear(&bundle);
    return status;
}

static pel_status read_file(io_source *source)
{
    int fd = open(source->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return io_error(source, PEL_EIO, "%s", strerror(errno));
    pel_reader *reader;
    pel_status status =
        pel_reader_new(fd, source->params->memory_cap, &reader, source->error);
    if (status == PEL_OK) {
        status = read_frames(source, reader);
        pel_reader_free(reader);
    }
    close(fd);
    return status;
}

typedef struct {
    int fd;
    pel_writer *writer;
} state;

static pel_status append(io_sink *sink, const pel_bundle *bundle)
{
    state *s = sink->state;
    if (s == NULL) {
        s = sink->state = calloc(1, sizeof *s);
        if (s == NULL)
            return pel_error_set(sink->error, PEL_ENOMEM, "out of memory");
        s->fd = open(sink->temporary, O_WRONLY | O_TRUNC | O_CLOEXEC);
        if (s->fd < 0)
            return pel_error_set(sink->error, PEL_EIO, "cannot write: %s", strerror(errno));
        pel_status status = pel_writer_new(s->fd, &s->writer, sink->error);
        if (status != PEL_OK)
            return status;
    }
    return pel_writer_bundle(s->writer, bundle, sink->error);
}

static pel_status finish(io_sink *sink)
{
    state *s = sink->state;
    return pel_writer_end(s->writer, sink->error);
}

static void discard(io_sink *sink)
{
    state *s = sink->state;
    if (s == NULL)
        return;
    pel_writer_free(s->writer);
    if (s->fd >= 0)
        close(s->fd);
    free(s);
}

const pel_format io_pel = {"pel", "pel", true, sniff, read_file, append, finish, discard};
