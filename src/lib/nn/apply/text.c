/* text.c - a text that grows.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

static bool make_room(text *t, size_t more)
{
    size_t room = t->room < 256 ? 256 : t->room;
    while (room < t->length + more + 1)
        room *= 2;
    if (room == t->room)
        return true;
    char *at = pel_alloc(room);
    if (at == NULL)
        return false;
    if (t->at != NULL)
        memcpy(at, t->at, t->length + 1);
    pel_free(t->at);
    t->at = at;
    t->room = room;
    return true;
}

void text_add(text *t, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    t->failed = t->failed || length < 0 || !make_room(t, (size_t)length);
    if (!t->failed) {
        vsnprintf(t->at + t->length, t->room - t->length, format, again);
        t->length += (size_t)length;
    }
    va_end(again);
    va_end(arguments);
}

pel_status text_finish(text *t, char **to, pel_error *error)
{
    text_add(t, "%s", ""); /* there is one, even if nothing was added */
    *to = t->failed ? NULL : t->at;
    for (size_t i = 0; *to != NULL && i < t->length; i++)
        if (iscntrl((unsigned char)t->at[i]) && t->at[i] != '\t' && t->at[i] != '\n')
            t->at[i] = '?';
    if (!t->failed)
        return PEL_OK;
    pel_free(t->at);
    return pel_error_set(error, PEL_ENOMEM, "out of memory");
}
