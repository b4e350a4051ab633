/* score-table.h - pel-score's table: rows of numbers and their means, as text or JSON, on stdout or in a file that takes its
 * name when a stream has come to its end.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_SCORE_TABLE_H
#define PELLUCID_SCORE_TABLE_H

#include <stdio.h>
#include <sys/stat.h>

#include <pellucid/driver.h>

enum { SCORE_COLUMNS = 24 }; /* most */

typedef struct {
    const char *name;
    int digits; /* behind the point; or, below 0, so many significant ones */
    bool mean;  /* the mean of such numbers means something */
} score_column;

typedef struct {
    bool json;
    const char *output; /* -o, or NULL */
    score_column columns[SCORE_COLUMNS];
    size_t count;
    /* private */
    FILE *to;         /* stdout, or with -o memory: text, length */
    char *text;
    size_t length;
    char *target;     /* with -o: the file, behind symbolic links */
    char *temporary;  /* its temporary name; NULL when it is none, or has its own name already */
    size_t written;   /* of text, to a file that is not replaced */
    mode_t mode;      /* permissions of the file that is replaced; 0: there is none */
    FILE *file;
    double sums[SCORE_COLUMNS];
    uint64_t counts[SCORE_COLUMNS], rows, lines;
} score_table;

/* json and output are set before; columns may be added until the first row. */
pel_status score_table_start(pel_run *run, score_table *table);
void score_table_add(score_table *table, const score_column *columns, size_t count);
/* The run's image, with a number for each column: NaN is shown as "-", and left out of the mean. */
void score_table_row(pel_run *run, score_table *table, const pel_frame *image, const double *values);
/* A line of its own, in place of rows. */
void score_table_line(score_table *table, const char *text);
/* The row of means, where there were rows; with -o the file.  PEL_EINVAL: there was nothing. */
pel_status score_table_end(pel_run *run, score_table *table);
void score_table_stop(score_table *table);

#endif
