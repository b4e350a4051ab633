/* options.h - one table describes the options of a program; parsing, range errors, --help, shell
 * completion and the OPTIONS section of the manual page are made from it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PELLUCID_OPTIONS_H
#define PELLUCID_OPTIONS_H

#include <stdio.h>

#include <pellucid/base.h>

PEL_BEGIN_DECLS

typedef enum {
    PEL_OPT_FLAG,         /* bool: true when given */
    PEL_OPT_INTEGER,      /* long: min..max */
    PEL_OPT_INTEGER_AUTO, /* long: min..max, or -1 for "auto" */
    PEL_OPT_REAL,         /* double: min..max; expressions allowed (2.55/255) */
    PEL_OPT_REAL_AUTO,    /* double: min..max, or NaN for "auto" */
    PEL_OPT_RANGE,        /* pel_range: both ends min..max; one number is both */
    PEL_OPT_RANGE_AUTO,   /* pel_range: as before, or NaN for "auto" */
    PEL_OPT_TEXT,         /* const char *: any text but the empty one; NULL when not given */
    PEL_OPT_CHOICE,       /* int: position in `choices` */
    PEL_OPT_BYTES,        /* size_t: "512M" */
    PEL_OPT_TEXTS,        /* pel_texts: an option that may be repeated */
} pel_option_kind;

typedef struct {
    size_t count;
    const char *at[64];
} pel_texts;

/* A value that may be drawn: A..B, low below high; else low == high. */
typedef struct {
    double low, high;
} pel_range;

/* One option.  Tables are static and end with an entry whose name is NULL.  One letter means one
 * thing in the whole suite: -k PSF, -m model, -n iterations, -s sigma, -t threads, -o output,
 * -q quiet, -v verbose. */
typedef struct {
    const char *name;        /* long name without dashes */
    char letter;             /* short name, or 0 */
    pel_option_kind kind;
    size_t offset;           /* offsetof in the settings struct: where the value goes */
    double min, max;         /* range of numbers, both ends allowed */
    const char *initial;     /* default, parsed as if given; NULL: false, 0, NULL */
    const char *argument;    /* what stands for the value in help: "SIGMA"; NULL for flags; "[=SIGMA]": --name=VALUE,
                                or --name alone for the second choice, or the number in `choices` */
    const char *choices;     /* "tv|hyper-laplacian" for PEL_OPT_CHOICE */
    const char *help;        /* one sentence, lower case, no full stop; says the unit */
} pel_option;

/* Fills the zeroed `settings` with the defaults of `table`. */
pel_status pel_options_defaults(const pel_option *table, void *settings, pel_error *error);

/* Sets one option from text; `text` is NULL for flags.  PEL_EUSAGE names the option, the text and
 * the allowed range or words. */
pel_status pel_option_set(const pel_option *option, const char *text, void *settings,
                          pel_error *error);

/* A table with the settings that it points into. */
typedef struct {
    const pel_option *table;
    void *settings;
} pel_option_block;

/* Parses argv[1..argc-1] (GNU style: options and operands may be mixed, "--" ends options) against
 * the tables.  Operands are left, in order, at the front of argv[1..]; *operands is their number.
 * `seen` (may be NULL) is told each option in the order given, with its text (NULL for flags).  A
 * numeric operand like -3 must come after "--".  One call at a time in a process (getopt). */
typedef void (*pel_option_seen)(void *arg, const pel_option *option, const char *text);
pel_status pel_options_parse(const pel_option_block *blocks, size_t count, int argc, char **argv,
                             pel_option_seen seen, void *arg, int *operands, pel_error *error);

/* Writes the options of the blocks as text for --help, as man(7) source for the manual page, or as
 * words for completion (one a line: the option, a tab, its choices). */
void pel_options_print_help(const pel_option_block *blocks, size_t count, FILE *to);
void pel_options_print_man(const pel_option_block *blocks, size_t count, FILE *to);
void pel_options_print_words(const pel_option_block *blocks, size_t count, FILE *to);

PEL_END_DECLS
#endif
