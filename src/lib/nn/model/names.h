/* names.h - from the names of a model's values to their numbers: a hash table.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PEL_NN_NAMES_H
#define PEL_NN_NAMES_H

#include <stdbool.h>
#include <stddef.h>

typedef struct nn_names nn_names;

nn_names *nn_names_new(void); /* NULL: out of memory */
void nn_names_free(nn_names *names);
/* Names are not copied.  A name that is there gets the new number.  false: out of memory. */
bool nn_names_put(nn_names *names, const char *name, size_t number);
/* false: not there, *number as it was. */
bool nn_names_get(const nn_names *names, const char *name, size_t *number);

#endif
