/* table.c - reads columns of numbers.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pellucid/number.h>

#include "table.h"

static pel_status bad_line(const char *path, size_t line, const char *why, pel_error *error)
{
    return pel_error_set(error, PEL_EFORMAT, "%s, line %zu: %s", path, line, why);
}

static pel_status read_names(const char *path, char *line, pel_table *t, pel_error *error)
{
    for (char *word = line, *next; word != NULL; word = next) {
        next = strchr(word, '\t');
        if (next != NULL)
            *next++ = '\0';
        if (*word == '\0' || strlen(word) >= sizeof t->names[0] || t->columns == PEL_TABLE_COLUMNS)
            return bad_line(path, 1, "these are no names of columns", error);
        snprintf(t->names[t->columns++], sizeof t->names[0], "%s", word);
    }
    return PEL_OK;
}

static pel_status read_row(const char *path, size_t number, char *line, pel_table *t, pel_error *error)
{
    size_t column = 0;
    if ((t->rows & (t->rows - 1)) == 0) { /* full at each power of two */
        size_t room = t->rows == 0 ? 1 : 2 * t->rows;
        double *more = realloc(t->values, room * t->columns * sizeof *more);
        if (more == NULL)
            return pel_error_set(error, PEL_ENOMEM, "out of memory");
        t->values = more;
    }
    for (char *word = line, *next; word != NULL; word = next, column++) {
        next = strchr(word, '\t');
        if (next != NULL)
            *next++ = '\0';
        if (column == t->columns)
            return bad_line(path, number, "more fields than names", error);
        double *to = &t->values[t->rows * t->columns + column];
        *to = (double)NAN;
        if (strcmp(word, "-") != 0 && !pel_number_real(word, to))
            return bad_line(path, number, "a field is no number", error);
    }
    if (column < t->columns)
        return bad_line(path, number, "fewer fields than names", error);
    t->rows++;
    return PEL_OK;
}

static pel_status read_all(const char *path, FILE *from, pel_table *t, pel_error *error)
{
    char *line = NULL;
    size_t room = 0, number = 0;
    ssize_t length;
    pel_status status = PEL_OK;
    while (status == PEL_OK && (length = getline(&line, &room, from)) >= 0) {
        number++;
        if (length > 0 && line[length - 1] == '\n')
            line[length - 1] = '\0';
        status = number == 1 ? read_names(path, line, t, error) : read_row(path, number, line, t, error);
    }
    if (status == PEL_OK && ferror(from))
        status = pel_error_set(error, PEL_EIO, "cannot read %s: %s", path, strerror(errno));
    if (status == PEL_OK && t->rows == 0)
        status = pel_error_set(error, PEL_EFORMAT, "%s has no rows", path);
    free(line);
    return status;
}

pel_status pel_table_read(const char *path, pel_table *t, pel_error *error)
{
    memset(t, 0, sizeof *t);
    FILE *from = fopen(path, "re");
    if (from == NULL)
        return pel_error_set(error, PEL_EIO, "cannot read %s: %s", path, strerror(errno));
    pel_status status = read_all(path, from, t, error);
    fclose(from);
    return status;
}

void pel_table_clear(pel_table *t)
{
    free(t->values);
    memset(t, 0, sizeof *t);
}

size_t pel_table_find(const pel_table *t, const char *name)
{
    size_t k = 0;
    while (k < t->columns && strcmp(t->names[k], name) != 0)
        k++;
    return k;
}
