/* score-table.c - pel-score's table, on stdout or in a file.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "score-table.h"

static pel_status cannot_write(pel_run *run, const score_table *t)
{
    return pel_error_set(pel_run_error(run), errno == EPIPE ? PEL_ECLOSED : PEL_EIO,
                         "cannot write %s: %s", t->output != NULL ? t->output : "the table",
                         strerror(errno));
}

static pel_status open_temporary(pel_run *run, score_table *t)
{
    size_t room = strlen(t->target) + 16;
    t->temporary = malloc(room);
    if (t->temporary == NULL)
        return pel_error_set(pel_run_error(run), PEL_ENOMEM, "out of memory");
    snprintf(t->temporary, room, "%s.XXXXXX", t->target);
    int fd = mkostemp(t->temporary, O_CLOEXEC);
    t->file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (t->file != NULL)
        return PEL_OK;
    free(t->temporary);
    t->temporary = NULL;
    return cannot_write(run, t);
}

/* What -o names is replaced when a stream has come to its end; a device or a FIFO is written to, and
 * a symbolic link stays one. */
pel_status score_table_start(pel_run *run, score_table *t)
{
    t->to = stdout;
    if (t->output == NULL)
        return PEL_OK;
    if (strcmp(t->output, "-") == 0)
        return pel_error_set(pel_run_error(run), PEL_EUSAGE,
                             "-o -: the stream goes to stdout; without -o the table does");
    pel_run_output(run);
    struct stat there;
    bool exists = stat(t->output, &there) == 0;
    t->mode = exists ? there.st_mode & 0777 : 0;
    t->to = open_memstream(&t->text, &t->length);
    t->target = exists ? realpath(t->output, NULL) : strdup(t->output);
    if (t->to == NULL || t->target == NULL)
        return pel_error_set(pel_run_error(run), PEL_ENOMEM, "out of memory");
    if (!exists || S_ISREG(there.st_mode))
        return open_temporary(run, t);
    t->file = fopen(t->output, "we");
    return t->file != NULL ? PEL_OK : cannot_write(run, t);
}

void score_table_stop(score_table *t)
{
    if (t->file != NULL)
        fclose(t->file);
    if (t->temporary != NULL)
        (void)unlink(t->temporary);
    if (t->to != NULL && t->to != stdout)
        fclose(t->to);
    free(t->temporary);
    free(t->target);
    free(t->text);
}

/* JSON has no NaN or infinity: null.  Text is escaped as RFC 8259 asks. */
static void put_text(FILE *to, const char *text, bool json)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (json && (c == '"' || c == '\\'))
            fprintf(to, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(to, json ? "\\u%04x" : "?", c);
        else
            putc(c, to);
    }
}

static void put_row(score_table *t, const char *frame, const char *name, const double *values)
{
    FILE *to = t->to;
    if (t->json) {
        fprintf(to, "{\"frame\":\"%s\",\"name\":\"", frame);
        put_text(to, name, true);
        putc('"', to);
    } else {
        fprintf(to, "%s\t", frame);
        put_text(to, name, false);
    }
    for (size_t i = 0; i < t->count; i++) {
        if (t->json)
            fprintf(to, ",\"%s\":", t->columns[i].name);
        else
            putc('\t', to);
        if (t->json && !isfinite(values[i]))
            fputs("null", to);
        else if (isnan(values[i]))
            fputs("-", to);
        else
            fprintf(to, t->columns[i].digits < 0 ? "%.*g" : "%.*f", abs(t->columns[i].digits), values[i]);
    }
    fputs(t->json ? "}\n" : "\n", to);
}

void score_table_add(score_table *t, const score_column *columns, size_t count)
{
    for (size_t i = 0; i < count && t->count < SCORE_COLUMNS; i++)
        t->columns[t->count++] = columns[i];
}

void score_table_row(pel_run *run, score_table *t, const pel_frame *image, const double *values)
{
    char number[24];
    if (t->rows++ == 0 && !t->json) {
        fputs("frame\tname", t->to);
        for (size_t i = 0; i < t->count; i++)
            fprintf(t->to, "\t%s", t->columns[i].name);
        putc('\n', t->to);
    }
    snprintf(number, sizeof number, "%llu", (unsigned long long)pel_run_index(run));
    const char *name = pel_frame_key(image, "name");
    put_row(t, number, name != NULL ? name : "-", values);
    for (size_t i = 0; i < t->count; i++)
        if (!isnan(values[i]) && t->columns[i].mean) {
            t->sums[i] += values[i];
            t->counts[i]++;
        }
}

/* The table so far goes to its file: streams that follow one another share a table. */
static pel_status publish(pel_run *run, score_table *t)
{
    pel_status status = t->file == NULL ? open_temporary(run, t) : PEL_OK;
    if (status != PEL_OK)
        return status;
    size_t from = t->temporary != NULL ? 0 : t->written; /* a FIFO has the rest already */
    bool good = fwrite(t->text + from, 1, t->length - from, t->file) == t->length - from &&
                fflush(t->file) == 0;
    t->written = t->length;
    if (!good)
        return cannot_write(run, t);
    if (t->temporary == NULL)
        return PEL_OK;
    mode_t mask = umask(0);
    (void)umask(mask);
    (void)fchmod(fileno(t->file), t->mode != 0 ? t->mode : 0666 & ~mask);
    good = fclose(t->file) == 0;
    t->file = NULL;
    if (!good || rename(t->temporary, t->target) != 0)
        return cannot_write(run, t);
    free(t->temporary);
    t->temporary = NULL;
    return PEL_OK;
}

void score_table_line(score_table *t, const char *text)
{
    fprintf(t->to, "%s\n", text);
    t->lines++;
}

pel_status score_table_end(pel_run *run, score_table *t)
{
    double means[SCORE_COLUMNS];
    if (t->rows == 0 && t->lines == 0)
        return pel_error_set(pel_run_error(run), PEL_EINVAL, "no image in the stream: nothing to score");
    for (size_t i = 0; i < t->count; i++)
        means[i] = t->counts[i] > 0 ? t->sums[i] / (double)t->counts[i] : (double)NAN;
    if (t->rows > 0)
        put_row(t, "mean", "-", means);
    if (fflush(t->to) != 0 || ferror(t->to))
        return cannot_write(run, t);
    memset(t->sums, 0, sizeof t->sums);
    memset(t->counts, 0, sizeof t->counts);
    t->rows = t->lines = 0;
    return t->output != NULL ? publish(run, t) : PEL_OK;
}
