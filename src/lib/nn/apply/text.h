/* text.h - a text that grows.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PEL_NN_TEXT_H
#define PEL_NN_TEXT_H

#include <pellucid/base.h>

typedef struct {
    char *at; /* ends in a zero byte, or is NULL; free with pel_free */
    size_t length, room;
    bool failed; /* out of memory, at some time */
} text;

void text_add(text *t, const char *format, ...) PEL_PRINTF(2, 3);
/* The text becomes the caller's; control characters but tabs and line feeds, which a terminal might heed, become '?'.
 * PEL_ENOMEM. */
pel_status text_finish(text *t, char **to, pel_error *error);

#endif
