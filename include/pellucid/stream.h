/* stream.h - reads and writes the stream of frames that pel(5) describes.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Frames are read and written whole, in order.  The reader accepts one spelling only and checks
 * every number against its limits before it allocates; every flipped bit is found by a CRC.
 */
#ifndef PELLUCID_STREAM_H
#define PELLUCID_STREAM_H

#include <pellucid/base.h>
#include <pellucid/frame.h>

PEL_BEGIN_DECLS

#define PEL_HEADER_MAX 65536 /* bytes of a header line, padding and newline included */
#define PEL_BLOCK 64         /* header lines and payloads are padded to a multiple of this */

typedef struct pel_reader pel_reader;
typedef struct pel_writer pel_writer;

/* Reads from the descriptor (not closed by us).  `memory_cap` is the most bytes of samples that one
 * frame may have; 0 takes the machine's physical memory. */
pel_status pel_reader_new(int fd, size_t memory_cap, pel_reader **reader, pel_error *error);
void pel_reader_free(pel_reader *reader);

/* The next frame, with one reference for the caller.  At a stream's end line *frame is NULL and
 * *ended is true; when the input ends properly after an end line *frame is NULL and *ended is
 * false, and no call may follow.  An input without any stream, or that stops before the end line,
 * is PEL_EFORMAT ("cut off after frame 12"); PEL_EIO when read(2) fails. Error texts name the frame
 * by its number in the stream from 0, and the byte offset. */
pel_status pel_reader_next(pel_reader *reader, pel_frame **frame, bool *ended, pel_error *error);

/* Frames read of the current stream, and bytes read of the input. */
uint64_t pel_reader_frames(const pel_reader *reader);
uint64_t pel_reader_offset(const pel_reader *reader);

/* Writes to the descriptor (not closed by us). */
pel_status pel_writer_new(int fd, pel_writer **writer, pel_error *error);
void pel_writer_free(pel_writer *writer);
/* PEL_ECLOSED when the reader has gone (EPIPE; SIGPIPE must be ignored or is the caller's end). */
pel_status pel_writer_frame(pel_writer *writer, const pel_frame *frame, pel_error *error);
/* The end line; the next frame begins another stream. */
pel_status pel_writer_end(pel_writer *writer, pel_error *error);

/* Writes an image with its companions so that a reader sees exactly that bundle: sticky companions
 * only when they changed since the last call, cleared ones as frames of no samples, those that
 * belong to one image before each image.  Without an image, only what changed. */
pel_status pel_writer_bundle(pel_writer *writer, const pel_bundle *bundle, pel_error *error);

/* The header line of a frame, padded, as it stands in the stream, into line[PEL_HEADER_MAX];
 * *length is its length.  `crc` is the payload's.  PEL_ELIMIT when it does not fit. */
pel_status pel_header_format(const pel_frame *frame, uint32_t crc, char *line, size_t *length,
                             pel_error *error);

PEL_END_DECLS
#endif
