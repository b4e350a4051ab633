/* error.c - one line of text for a failure.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <pellucid/base.h>

/* A file name or a library's message may hold anything: an error stays one printable line. */
static void make_one_line(char *text)
{
    for (char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
}

pel_status pel_error_set(pel_error *error, pel_status status, const char *format, ...)
{
    if (error == NULL)
        return status;
    va_list list;
    va_start(list, format);
    vsnprintf(error->text, sizeof error->text, format, list);
    va_end(list);
    make_one_line(error->text);
    error->status = status;
    return status;
}

pel_status pel_error_prefix(pel_error *error, const char *format, ...)
{
    if (error == NULL)
        return PEL_EINVAL;
    char cause[sizeof error->text], prefix[sizeof error->text];
    memcpy(cause, error->text, sizeof cause);
    va_list list;
    va_start(list, format);
    vsnprintf(prefix, sizeof prefix, format, list);
    va_end(list);
    /* Keep the cause whole: it is the prefix (a long file name) that may be cut. */
    size_t length = strlen(cause), room = sizeof error->text - 1 - length;
    if (room > 2) {
        size_t front = strnlen(prefix, room - 2);
        memcpy(error->text, prefix, front);
        memcpy(error->text + front, ": ", 2);
        memcpy(error->text + front + 2, cause, length + 1);
    }
    make_one_line(error->text);
    return error->status;
}

const char *pel_version(void)
{
    return PACKAGE_VERSION;
}
