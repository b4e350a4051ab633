/* options.c - parses options by table and prints what the table says.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pellucid/number.h>
#include <pellucid/options.h>

#define MOST_OPTIONS 64

static bool takes_auto(const pel_option *option)
{
    return option->kind == PEL_OPT_INTEGER_AUTO || option->kind == PEL_OPT_REAL_AUTO ||
           option->kind == PEL_OPT_RANGE_AUTO;
}

/* May its value be left out? */
static bool is_optional(const pel_option *option) { return option->argument != NULL && option->argument[0] == '['; }

static pel_status out_of_range(const pel_option *option, const char *text, pel_error *error)
{
    char low[32], high[32];
    pel_number_format(option->min, low);
    pel_number_format(option->max, high);
    bool range = option->kind == PEL_OPT_RANGE || option->kind == PEL_OPT_RANGE_AUTO;
    bool whole = option->kind == PEL_OPT_INTEGER || option->kind == PEL_OPT_INTEGER_AUTO;
    return pel_error_set(error, PEL_EUSAGE, "--%s '%s': a%s number from %s to %s%s%s is needed",
                         option->name, text, whole ? " whole" : "", low, high,
                         range ? ", or a range A..B of such" : "",
                         takes_auto(option) ? ", or auto," : "");
}

/* Position of `text` in "a|b|c", or -1. */
static int choice_index(const char *choices, const char *text)
{
    size_t length = strlen(text);
    for (int i = 0;; i++) {
        const char *bar = strchr(choices, '|');
        size_t n = bar != NULL ? (size_t)(bar - choices) : strlen(choices);
        if (n == length && memcmp(choices, text, n) == 0)
            return i;
        if (bar == NULL)
            return -1;
        choices = bar + 1;
    }
}

static pel_status set_integer(const pel_option *option, const char *text, long *to,
                              pel_error *error)
{
    long long v;
    if (option->kind == PEL_OPT_INTEGER_AUTO && strcmp(text, "auto") == 0) {
        *to = -1;
        return PEL_OK;
    }
    if (!pel_number_integer(text, &v) || (double)v < option->min || (double)v > option->max)
        return out_of_range(option, text, error);
    *to = (long)v;
    return PEL_OK;
}

static pel_status set_real(const pel_option *option, const char *text, double *to,
                           pel_error *error)
{
    double v;
    if (option->kind == PEL_OPT_REAL_AUTO && strcmp(text, "auto") == 0) {
        *to = (double)NAN;
        return PEL_OK;
    }
    if (!pel_number_real(text, &v) || v < option->min || v > option->max)
        return out_of_range(option, text, error);
    *to = v;
    return PEL_OK;
}

static pel_status set_range(const pel_option *option, const char *text, pel_range *to,
                            pel_error *error)
{
    pel_range r;
    if (option->kind == PEL_OPT_RANGE_AUTO && strcmp(text, "auto") == 0) {
        to->low = to->high = (double)NAN;
        return PEL_OK;
    }
    if (!pel_number_range(text, &r.low, &r.high) || r.low < option->min || r.high > option->max)
        return out_of_range(option, text, error);
    *to = r;
    return PEL_OK;
}

static pel_status add_text(const pel_option *option, const char *text, pel_texts *to,
                           pel_error *error)
{
    const size_t most = sizeof to->at / sizeof to->at[0];
    if (to->count == most)
        return pel_error_set(error, PEL_EUSAGE, "--%s: given more than %zu times", option->name,
                             most);
    to->at[to->count++] = text;
    return PEL_OK;
}

pel_status pel_option_set(const pel_option *option, const char *text, void *settings,
                          pel_error *error)
{
    void *to = (char *)settings + option->offset;
    if (option->kind == PEL_OPT_FLAG) {
        *(bool *)to = true;
        return PEL_OK;
    }
    if (text == NULL && is_optional(option) && option->kind == PEL_OPT_CHOICE) {
        *(int *)to = 1;
        return PEL_OK;
    }
    if (text == NULL && is_optional(option))
        text = option->choices;
    if (text == NULL)
        return pel_error_set(error, PEL_EUSAGE, "--%s: a value is needed", option->name);
    switch (option->kind) {
    case PEL_OPT_INTEGER:
    case PEL_OPT_INTEGER_AUTO:
        return set_integer(option, text, to, error);
    case PEL_OPT_REAL:
    case PEL_OPT_REAL_AUTO:
        return set_real(option, text, to, error);
    case PEL_OPT_RANGE:
    case PEL_OPT_RANGE_AUTO:
        return set_range(option, text, to, error);
    case PEL_OPT_TEXT:
        if (*text == '\0')
            return pel_error_set(error, PEL_EUSAGE, "--%s: the value is empty", option->name);
        *(const char **)to = text;
        return PEL_OK;
    case PEL_OPT_TEXTS:
        return add_text(option, text, to, error);
    case PEL_OPT_CHOICE: {
        int i = choice_index(option->choices, text);
        if (i < 0)
            return pel_error_set(error, PEL_EUSAGE, "--%s '%s': one of %s is needed",
                                 option->name, text, option->choices);
        *(int *)to = i;
        return PEL_OK;
    }
    case PEL_OPT_BYTES:
        if (!pel_number_bytes(text, to) || *(size_t *)to == 0)
            return pel_error_set(error, PEL_EUSAGE,
                                 "--%s '%s': a size in bytes such as 512M is needed",
                                 option->name, text);
        return PEL_OK;
    case PEL_OPT_FLAG:
        break;
    }
    return PEL_OK;
}

pel_status pel_options_defaults(const pel_option *table, void *settings, pel_error *error)
{
    for (const pel_option *o = table; o != NULL && o->name != NULL; o++)
        if (o->initial != NULL) {
            pel_status status = pel_option_set(o, o->initial, settings, error);
            if (status != PEL_OK)
                return status;
        }
    return PEL_OK;
}

/* The options of all blocks in one list, with where each belongs. */
typedef struct {
    size_t count;
    const pel_option *option[MOST_OPTIONS];
    void *settings[MOST_OPTIONS];
} flat;

static void flatten(const pel_option_block *blocks, size_t count, flat *all)
{
    all->count = 0;
    for (size_t b = 0; b < count; b++)
        for (const pel_option *o = blocks[b].table; o != NULL && o->name != NULL; o++)
            if (all->count < MOST_OPTIONS - 1) {
                all->option[all->count] = o;
                all->settings[all->count++] = blocks[b].settings;
            }
}

static void getopt_tables(const flat *all, struct option *longs, char *shorts)
{
    *shorts++ = ':';
    for (size_t i = 0; i < all->count; i++) {
        const pel_option *o = all->option[i];
        bool takes = o->kind != PEL_OPT_FLAG && !is_optional(o); /* in the next word */
        int argument = takes ? required_argument : is_optional(o) ? optional_argument : no_argument;
        longs[i] = (struct option){o->name, argument, NULL, 256 + (int)i};
        if (o->letter != 0) {
            *shorts++ = o->letter;
            if (takes)
                *shorts++ = ':';
        }
    }
    longs[all->count] = (struct option){NULL, 0, NULL, 0};
    *shorts = '\0';
}

static pel_status bad_option(int code, char **argv, const flat *all, pel_error *error)
{
    if (code == ':') {
        if (optopt >= 256)
            return pel_error_set(error, PEL_EUSAGE, "--%s: a value is needed (see --help)",
                                 all->option[optopt - 256]->name);
        return pel_error_set(error, PEL_EUSAGE, "-%c: a value is needed (see --help)", optopt);
    }
    if (optopt >= 256)
        return pel_error_set(error, PEL_EUSAGE, "--%s takes no value",
                             all->option[optopt - 256]->name);
    if (optopt != 0)
        return pel_error_set(error, PEL_EUSAGE, "unknown option -%c (see --help)", optopt);
    return pel_error_set(error, PEL_EUSAGE, "unknown option %s (see --help)", argv[optind - 1]);
}

pel_status pel_options_parse(const pel_option_block *blocks, size_t count, int argc, char **argv,
                             pel_option_seen seen, void *arg, int *operands, pel_error *error)
{
    flat all;
    struct option longs[MOST_OPTIONS];
    char shorts[2 * MOST_OPTIONS + 2];
    flatten(blocks, count, &all);
    getopt_tables(&all, longs, shorts);
    optind = 0; /* glibc: start over, also for a second table */
    opterr = 0;
    int code;
    while ((code = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        if (code == '?' || code == ':')
            return bad_option(code, argv, &all, error);
        size_t i = code >= 256 ? (size_t)code - 256 : 0;
        if (code < 256)
            while (all.option[i]->letter != code)
                i++;
        pel_status status = pel_option_set(all.option[i], optarg, all.settings[i], error);
        if (status != PEL_OK)
            return status;
        if (seen != NULL)
            seen(arg, all.option[i], optarg);
    }
    *operands = argc - optind;
    memmove(argv + 1, argv + optind, (size_t)*operands * sizeof *argv);
    return PEL_OK;
}

/* "auto" and other defaults worth a word; flags and absent ones have none. */
static const char *shown_default(const pel_option *o)
{
    return o->kind == PEL_OPT_FLAG || is_optional(o) ? NULL : o->initial;
}

void pel_options_print_help(const pel_option_block *blocks, size_t count, FILE *to)
{
    flat all;
    flatten(blocks, count, &all);
    for (size_t i = 0; i < all.count; i++) {
        const pel_option *o = all.option[i];
        char left[160];
        int n = snprintf(left, sizeof left, "  %c%c%s--%s", o->letter ? '-' : ' ',
                         o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name);
        const char *argument = o->argument != NULL ? o->argument : o->choices;
        if (o->kind != PEL_OPT_FLAG && argument != NULL && n > 0 && (size_t)n < sizeof left)
            snprintf(left + n, sizeof left - (size_t)n, is_optional(o) ? "%s" : " %s", argument);
        const char *initial = shown_default(o);
        fprintf(to, strlen(left) > 29 ? "%s\n%31s" : "%-29s  %s", left,
                strlen(left) > 29 ? "" : "");
        fprintf(to, "%s%s%s%s\n", o->help, initial ? " [" : "", initial ? initial : "",
                initial ? "]" : "");
    }
}

/* roff: a hyphen that is typed is \-, a backslash is \e. */
static void print_roff(const char *text, FILE *to)
{
    for (; *text != '\0'; text++) {
        if (*text == '-')
            fputs("\\-", to);
        else if (*text == '\\')
            fputs("\\e", to);
        else
            fputc(*text, to);
    }
}

void pel_options_print_man(const pel_option_block *blocks, size_t count, FILE *to)
{
    flat all;
    flatten(blocks, count, &all);
    for (size_t i = 0; i < all.count; i++) {
        const pel_option *o = all.option[i];
        fputs(".TP\n\\fB", to);
        if (o->letter != 0)
            fprintf(to, "\\-%c\\fR, \\fB", o->letter);
        fputs("\\-\\-", to);
        print_roff(o->name, to);
        fputs("\\fR", to);
        const char *argument = o->argument != NULL ? o->argument : o->choices;
        if (o->kind != PEL_OPT_FLAG && argument != NULL) {
            fputs(is_optional(o) ? "\\fI" : " \\fI", to);
            print_roff(argument, to);
            fputs("\\fR", to);
        }
        fputc('\n', to);
        fputc(o->help[0] >= 'a' && o->help[0] <= 'z' ? o->help[0] - 'a' + 'A' : o->help[0], to);
        print_roff(o->help + 1, to);
        if (shown_default(o) != NULL) {
            fputs(" (default: ", to);
            print_roff(shown_default(o), to);
            fputs(")", to);
        }
        fputs(".\n", to);
    }
}

void pel_options_print_words(const pel_option_block *blocks, size_t count, FILE *to)
{
    flat all;
    flatten(blocks, count, &all);
    for (size_t i = 0; i < all.count; i++) {
        const pel_option *o = all.option[i];
        const char *value = o->kind == PEL_OPT_FLAG      ? ""
                            : is_optional(o)              ? ""
                            : o->choices != NULL          ? o->choices
                            : takes_auto(o)               ? "auto"
                                                          : "FILE";
        fprintf(to, "--%s\t%s\n", o->name, value);
        if (o->letter != 0)
            fprintf(to, "-%c\t%s\n", o->letter, value);
    }
}
