/* names.c - a hash table from names to numbers: open addressing, FNV-1a, at most half full.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdint.h>
#include <string.h>

#include <pellucid/base.h>

#include "names.h"

typedef struct {
    const char *name;
    size_t number;
} entry;

struct nn_names {
    entry *entries; /* `room` of them, a power of two; those without a name are free */
    size_t room, count;
};

nn_names *nn_names_new(void)
{
    nn_names *names = pel_alloc(sizeof *names);
    if (names == NULL)
        return NULL;
    *names = (nn_names){.room = 64};
    names->entries = pel_alloc(names->room * sizeof *names->entries);
    if (names->entries == NULL) {
        pel_free(names);
        return NULL;
    }
    memset(names->entries, 0, names->room * sizeof *names->entries);
    return names;
}

void nn_names_free(nn_names *names)
{
    if (names != NULL)
        pel_free(names->entries);
    pel_free(names);
}

/* Where the name is, or would go. */
static entry *find(const nn_names *names, const char *name)
{
    uint64_t hash = 14695981039346656037u;
    for (const char *p = name; *p != '\0'; p++)
        hash = (hash ^ (unsigned char)*p) * 1099511628211u;
    size_t at = (size_t)(hash ^ hash >> 32) & (names->room - 1);
    while (names->entries[at].name != NULL && strcmp(names->entries[at].name, name) != 0)
        at = (at + 1) & (names->room - 1);
    return &names->entries[at];
}

static bool grow(nn_names *names)
{
    nn_names larger = {.room = 2 * names->room, .count = names->count};
    larger.entries = pel_alloc(larger.room * sizeof *larger.entries);
    if (larger.entries == NULL)
        return false;
    memset(larger.entries, 0, larger.room * sizeof *larger.entries);
    for (size_t i = 0; i < names->room; i++)
        if (names->entries[i].name != NULL)
            *find(&larger, names->entries[i].name) = names->entries[i];
    pel_free(names->entries);
    *names = larger;
    return true;
}

bool nn_names_put(nn_names *names, const char *name, size_t number)
{
    if (2 * names->count >= names->room && !grow(names))
        return false;
    entry *e = find(names, name);
    names->count += e->name == NULL;
    *e = (entry){name, number};
    return true;
}

bool nn_names_get(const nn_names *names, const char *name, size_t *number)
{
    const entry *e = find(names, name);
    if (e->name == NULL)
        return false;
    *number = e->number;
    return true;
}
