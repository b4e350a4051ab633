/* frame-internal.h - what the frame layer shares within itself.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_FRAME_INTERNAL_H
#define PELLUCID_FRAME_INTERNAL_H

#include <pellucid/frame.h>

/* Samples, shared by the frames that differ in header only.  The CRC is kept once it is known: a
 * stage that passes a frame on does not compute it again, and a bit that flips in its memory is
 * found by the next stage. */
struct pel_buffer {
    int refs; /* atomic */
    bool crc_known;
    uint32_t crc;
    void *memory;
};

bool pel_role_name_valid(const char *name, size_t length);
bool pel_key_name_valid(const char *name, size_t length);

/* One header line, parsed: a frame without samples yet, or the end line. */
typedef struct {
    pel_frame *frame; /* buffer NULL, size and keys set; NULL for an end line */
    uint32_t crc;     /* of the payload to come */
    uint64_t frames;  /* of an end line */
} pel_header;

/* Parses `length` bytes (a multiple of PEL_BLOCK that ends in the only newline).  Accepts the one
 * spelling that pel_header_format writes.  Samples of more than `memory_cap` bytes are
 * PEL_ELIMIT. */
pel_status pel_header_parse(const char *line, size_t length, size_t memory_cap, pel_header *header,
                            pel_error *error);

/* The end line for a stream of `frames` frames. */
pel_status pel_header_format_end(uint64_t frames, char *line, size_t *length, pel_error *error);

/* Gives a frame without samples its memory. */
pel_status pel_frame_take_memory(pel_frame *frame, pel_error *error);

/* True when a reader could not tell the frames apart: role, size, keys and samples. */
bool pel_frame_same(const pel_frame *a, const pel_frame *b);

#endif
