/* operands.h - files as they are named to pel-read, [ROLE:]FILE..., and in which order to read them.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PELLUCID_OPERANDS_H
#define PELLUCID_OPERANDS_H

#include <pellucid/base.h>
#include <pellucid/frame.h>
#include <pellucid/rng.h>

PEL_BEGIN_DECLS

typedef struct {
    const char *role; /* "image", or of a companion; static, or the caller's */
    const char *file; /* within the caller's text */
} pel_operand;

/* A picture with the companions that are read before it. */
typedef struct {
    size_t first, count; /* of the operands; the picture is the last */
} pel_operand_group;

/* Operands in the order in which they are to be read: `lead` companions that hold from the start,
 * then the groups.  Without any picture all operands are in the lead. */
typedef struct {
    pel_operand *operands;
    size_t count, lead;
    pel_operand_group *groups;
    size_t group_count;
} pel_operands;

/* True when the text's first `length` bytes are a role that a file can have. */
bool pel_operand_role(const char *text, size_t length, const char **role);

/* Takes texts apart; `role` is that of those that name none.  Companions belong to the picture after
 * them, or to the last one. */
pel_status pel_operands_new(char **texts, size_t count, const char *role, pel_operands *operands,
                            pel_error *error);
void pel_operands_clear(pel_operands *operands);

/* Puts the groups into a random order.  PEL_EUSAGE where a companion holds from one group on. */
pel_status pel_operands_shuffle(pel_operands *operands, pel_rng *rng, pel_error *error);

/* What a companion's file holds as the companion, in place of *frame: PSF, mask and sigma without keys
 * that tell of light, and of one channel if all are the same; a PSF sums to 1. */
pel_status pel_companion_prepare(pel_frame **frame, pel_error *error);

PEL_END_DECLS
#endif
