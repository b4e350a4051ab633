/* frame.h - frames, their keys and roles, and an image together with its companions.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A frame is shared by counting references and is not changed once somebody else can see it: who
 * wants other keys or another role makes a copy of the header (pel_frame_copy), which shares the
 * samples.  Counting is atomic; a frame itself is built by one thread.
 */
#ifndef PELLUCID_FRAME_H
#define PELLUCID_FRAME_H

#include <pellucid/base.h>

PEL_BEGIN_DECLS

typedef enum { PEL_F32, PEL_U8 } pel_type; /* samples; u8 is for `meta` only */

typedef struct {
    char *name, *value; /* value: decoded bytes, NUL-terminated, holds no NUL */
} pel_key;

typedef struct pel_buffer pel_buffer;

typedef struct pel_frame {
    char role[32];     /* "image", "data", "psf", ... or one that this version does not know */
    pel_type type;
    pel_size size;     /* 0x0x0x0: clears the companion of this role and slot */
    size_t bytes;      /* of the samples, without padding */
    pel_key *keys;     /* in the order of the header line */
    size_t key_count;
    pel_buffer *buffer; /* owner of the samples; NULL for a frame of no samples */
    int refs;          /* private */
} pel_frame;

/* What is known of a role.  Unknown roles hold until replaced and do not follow the geometry. */
typedef struct {
    const char *name;
    bool sticky;    /* holds until replaced; else it belongs to the next image only */
    bool geometric; /* crop, tile, align treat it like the image, if it has the image's size */
} pel_role;
const pel_role *pel_role_find(const char *name); /* never NULL: unknown ones get the above */

/* A new frame with one reference, samples not cleared (aligned to 64 bytes).  The size's product
 * may be 0 only as 0x0x0x0.  PEL_EINVAL for a bad role name (a letter, then letters, digits, '-'
 * and '_', at most 31) or a size that is partly 0; PEL_ENOMEM, PEL_ELIMIT. */
pel_status pel_frame_new(const char *role, pel_type type, pel_size size, pel_frame **frame,
                         pel_error *error);
/* A frame of the same samples (shared) and keys under `role` (NULL: the same role). */
pel_status pel_frame_copy(const pel_frame *from, const char *role, pel_frame **frame,
                          pel_error *error);
/* A frame of fresh samples of `size` with the keys of `from` (float32): the way to make a result
 * from an input. */
pel_status pel_frame_like(const pel_frame *from, const char *role, pel_size size,
                          pel_frame **frame, pel_error *error);
/* `meta` of u8: `slot` (may be NULL) and bytes, copied. */
pel_status pel_frame_meta(const char *slot, const void *bytes, size_t count, pel_frame **frame,
                          pel_error *error);

pel_frame *pel_frame_ref(pel_frame *frame); /* returns frame */
void pel_frame_unref(pel_frame *frame);     /* takes NULL */

/* The samples: writable only by who made the frame, before anybody else has a reference to its
 * samples.  NULL for a frame of no samples. */
float *pel_frame_floats(const pel_frame *frame);
uint8_t *pel_frame_bytes(const pel_frame *frame);

/* The value of a key, or NULL.  Owned by the frame. */
const char *pel_frame_key(const pel_frame *frame, const char *name);
/* A key's value as a real number; `otherwise` when the key is missing or no number. */
double pel_frame_real(const pel_frame *frame, const char *name, double otherwise);
/* Full scale: the keys black (else 0) and white; without a white above black the greatest finite sample, or, where that is
 * not above black either, black + 1.  True when white was guessed so.  For frames of float32. */
bool pel_frame_scale(const pel_frame *frame, double *black, double *white);
/* Sets, replaces or (value NULL) removes a key.  PEL_EINVAL when the name is not
 * [A-Za-z_][A-Za-z0-9_.-]* or is `h`, `bytes` or `crc`. */
pel_status pel_frame_set(pel_frame *frame, const char *name, const char *value, pel_error *error);
pel_status pel_frame_set_real(pel_frame *frame, const char *name, double value, pel_error *error);
/* Copies all keys of `from` that `to` lacks. */
pel_status pel_frame_inherit(pel_frame *to, const pel_frame *from, pel_error *error);

/* `slot` of a frame, "" when it has none: a companion is known by role and slot. */
const char *pel_frame_slot(const pel_frame *frame);

/* An image and the companions that hold for it: what a stage gets and what it emits.  Holds a
 * reference to each. */
typedef struct {
    pel_frame *image; /* may be NULL */
    pel_frame **companions;
    size_t count;
} pel_bundle;

void pel_bundle_clear(pel_bundle *bundle); /* drops all references; the bundle is empty after it */
pel_status pel_bundle_copy(pel_bundle *to, const pel_bundle *from, pel_error *error);
/* The companion of role and slot (NULL: the first of that role), or NULL.  Not a new reference. */
pel_frame *pel_bundle_find(const pel_bundle *bundle, const char *role, const char *slot);
/* Puts a companion in, in place of the one of the same role and slot; takes a reference of its own.
 * A frame of no samples removes that companion instead. */
pel_status pel_bundle_put(pel_bundle *bundle, pel_frame *companion, pel_error *error);
void pel_bundle_remove(pel_bundle *bundle, const char *role, const char *slot);
/* Sets the image; takes a reference of its own. */
void pel_bundle_set_image(pel_bundle *bundle, pel_frame *image);
/* Drops the image and the companions that were for it alone (data, truth, uncertainty). */
void pel_bundle_next(pel_bundle *bundle);

PEL_END_DECLS
#endif
