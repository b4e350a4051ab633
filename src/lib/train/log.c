/* log.c - writes the table of a training run.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

struct pel_log {
    FILE *file;
    char *path;
    size_t terms; /* and a critic's loss among them */
};

static pel_status cannot(const pel_log *log, const char *what, pel_error *error)
{
    return pel_error_set(error, PEL_EIO, "cannot %s %s: %s", what, log->path, strerror(errno));
}

static pel_status begin(pel_log *log, const pel_loss *loss, pel_error *error)
{
    fputs("step\tloss", log->file);
    for (size_t i = 0; i < pel_loss_count(loss); i++) {
        const char *name = pel_loss_name(loss, i);
        fprintf(log->file, "\t%s%s", strcmp(name, "psnr") == 0 ? "-" : "", name); /* psnr alone is the validation's */
    }
    fputs(pel_loss_learns(loss) ? "\tcritic" : "", log->file);
    fputs("\trate\tpsnr\tnorm\tsamples_s\twaiting\n", log->file);
    return fflush(log->file) == 0 ? PEL_OK : cannot(log, "write", error);
}

static pel_status go_on(pel_log *log, uint64_t bytes, pel_error *error)
{
    if (fseeko(log->file, 0, SEEK_END) != 0)
        return cannot(log, "read", error);
    off_t there = ftello(log->file);
    if (there < 0 || (uint64_t)there < bytes)
        return pel_error_set(error, PEL_EINVAL, "%s is not the log of this run: it is too short", log->path);
    if (ftruncate(fileno(log->file), (off_t)bytes) != 0 || fseeko(log->file, (off_t)bytes, SEEK_SET) != 0)
        return cannot(log, "cut", error);
    return PEL_OK;
}

pel_status pel_log_open(const char *path, const pel_loss *loss, uint64_t bytes, pel_log **to, pel_error *error)
{
    pel_log *log = calloc(1, sizeof *log);
    *to = NULL;
    if (log != NULL)
        log->path = strdup(path);
    if (log == NULL || log->path == NULL) {
        free(log);
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    }
    log->terms = pel_loss_count(loss) + (pel_loss_learns(loss) ? 1 : 0);
    log->file = fopen(path, bytes > 0 ? "r+e" : "we");
    pel_status status = log->file == NULL ? cannot(log, "write", error)
                        : bytes > 0       ? go_on(log, bytes, error)
                                          : begin(log, loss, error);
    if (status == PEL_OK)
        *to = log;
    else
        pel_log_close(log);
    return status;
}

static void put(FILE *to, int digits, double value)
{
    putc('\t', to);
    if (isnan(value))
        putc('-', to);
    else
        fprintf(to, "%.*g", digits, value);
}

pel_status pel_log_write(pel_log *log, const pel_log_row *row, uint64_t *bytes, pel_error *error)
{
    fprintf(log->file, "%llu", (unsigned long long)row->step);
    for (size_t i = 0; i <= log->terms; i++)
        put(log->file, 6, row->values != NULL ? row->values[i] : (double)NAN);
    put(log->file, 6, row->rate);
    put(log->file, 6, row->psnr);
    put(log->file, 3, row->norm);
    put(log->file, 4, row->samples_s);
    put(log->file, 3, row->waiting);
    putc('\n', log->file);
    if (fflush(log->file) != 0 || ferror(log->file))
        return cannot(log, "write", error);
    off_t at = ftello(log->file);
    *bytes = at > 0 ? (uint64_t)at : 0;
    return PEL_OK;
}

void pel_log_close(pel_log *log)
{
    if (log->file != NULL)
        fclose(log->file);
    free(log->path);
    free(log);
}
