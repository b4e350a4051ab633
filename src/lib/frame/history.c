/* history.c - the history of a stream: one line a program, without the names of files.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

static const char plain[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+=:,./@%^";

/* Appends a word, quoted for a shell where that is needed.  Out of memory leaves the word out: the
 * history is not worth failing for. */
static void append(pel_run *run, const char *word)
{
    size_t old = run->command != NULL ? strlen(run->command) : 0;
    char *command = realloc(run->command, old + 4 * strlen(word) + 4);
    if (command == NULL)
        return;
    run->command = command;
    char *to = command + old;
    if (old > 0)
        *to++ = ' ';
    bool quote = *word == '\0' || strspn(word, plain) != strlen(word);
    if (quote)
        *to++ = '\'';
    for (; *word != '\0'; word++) {
        unsigned char c = (unsigned char)*word;
        if (c == '\'') {
            memcpy(to, "'\\''", 4);
            to += 4;
        } else {
            *to++ = c < 0x20 || c == 0x7f ? '?' : *word; /* the history is a line */
        }
    }
    if (quote)
        *to++ = '\'';
    *to = '\0';
}

void pel_history_option(void *arg, const pel_option *option, const char *text)
{
    static const char *const unsaid[] = {"threads", "memory", "quiet", "verbose", "output",
                                         "checkpoint", "checkpoint-every", "resume", "log", "log-every", "pairs-from"};
    for (size_t i = 0; i < sizeof unsaid / sizeof unsaid[0]; i++)
        if (strcmp(option->name, unsaid[i]) == 0)
            return;
    char word[512];
    if (text == NULL) {
        snprintf(word, sizeof word, "--%s", option->name);
    } else {
        /* Of a file, the name without its folders: where a person keeps things is their affair. */
        bool name = option->kind == PEL_OPT_TEXT || option->kind == PEL_OPT_TEXTS;
        const char *slash = name ? strrchr(text, '/') : NULL;
        snprintf(word, sizeof word, "--%s=%s", option->name,
                 slash != NULL && slash[1] != '\0' ? slash + 1 : text);
    }
    append(arg, word);
}

void pel_history_operand(pel_run *run, const char *text)
{
    append(run, text);
}

pel_status pel_history_next(pel_run *run, pel_frame *in, pel_frame **out)
{
    if (run->history_out != NULL && run->history_in == in) {
        *out = run->history_out;
        return PEL_OK;
    }
    size_t old = in != NULL ? in->bytes : 0;
    const char *command = run->command != NULL ? run->command : "";
    size_t room = old + strlen(command) + strlen(run->program->name) + 64;
    char *text = malloc(room);
    if (text == NULL)
        return pel_error_set(&run->error, PEL_ENOMEM, "out of memory");
    if (old > 0)
        memcpy(text, pel_frame_bytes(in), old);
    if (old > 0 && text[old - 1] != '\n')
        text[old++] = '\n';
    int n = snprintf(text + old, room - old, "%s%s%s  # %s\n", run->program->name,
                     *command != '\0' ? " " : "", command, pel_version());
    pel_frame *made;
    pel_status status =
        pel_frame_meta("history", text, old + (size_t)n, &made, &run->error);
    free(text);
    if (status != PEL_OK)
        return status;
    pel_frame_unref(run->history_in);
    pel_frame_unref(run->history_out);
    run->history_in = in != NULL ? pel_frame_ref(in) : NULL;
    run->history_out = made;
    *out = made;
    return PEL_OK;
}
