/* table.h - numbers in columns, from tab-separated text with a line of names.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_TABLE_H
#define PELLUCID_TABLE_H

#include <pellucid/base.h>

#define PEL_TABLE_COLUMNS 32

typedef struct {
    size_t columns, rows;
    char names[PEL_TABLE_COLUMNS][32];
    double *values; /* row by row; NaN for "-" */
} pel_table;

/* PEL_EIO, PEL_EFORMAT with the number of the line.  Clear it also after a failure. */
pel_status pel_table_read(const char *path, pel_table *table, pel_error *error);
void pel_table_clear(pel_table *table);
/* The column of that name, or table->columns. */
size_t pel_table_find(const pel_table *table, const char *name);

#endif
