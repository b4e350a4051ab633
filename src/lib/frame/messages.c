/* messages.c - lines on stderr, and the one progress line that the programs of a pipe share.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "run.h"

#define FIRST_AFTER_S 1.0 /* work shorter than this shows nothing */
#define REDRAW_S 0.2

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The lock belongs to the process (flock on an inherited stderr would be shared by the whole
 * pipe), so whoever has it draws, and the others keep still. */
static bool lock_terminal(short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    return fcntl(STDERR_FILENO, F_SETLK, &lock) == 0;
}

void pel_message(pel_run *run, const char *text)
{
    if (run->program->message != NULL) {
        run->program->message(text);
        return;
    }
    /* One write(2): lines of several programs do not mix.  On a terminal a progress line, ours or
     * another program's, is cleared first. */
    char line[700];
    int n = snprintf(line, sizeof line, "%s%s: %s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "",
                     run->program->name, text);
    size_t count = n < 0 ? 0 : (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
    if (write(STDERR_FILENO, line, count) < 0)
        return; /* nobody to tell */
}

void pel_warn(pel_run *run, const char *format, ...)
{
    if (run->common.quiet)
        return;
    char text[600];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    pel_message(run, text);
}

void pel_note(pel_run *run, const char *format, ...)
{
    if (!run->common.verbose)
        return;
    char text[600];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    pel_message(run, text);
}

void pel_progress_open(pel_run *run)
{
    progress *p = &run->progress;
    p->possible = isatty(STDERR_FILENO) && !run->common.quiet && run->program->message == NULL;
    p->started_s = now_s();
    p->drawn_s = 0;
}

static void draw(pel_run *run, double done, double elapsed_s)
{
    const progress *p = &run->progress;
    char text[256];
    int n = snprintf(text, sizeof text, "\r\033[K%s: ", run->program->name);
    if (p->told[0] != '\0')
        n += snprintf(text + n, sizeof text - (size_t)n, "%s", p->told);
    else if (p->expected > 1)
        n += snprintf(text + n, sizeof text - (size_t)n, "frame %.0f of %llu, %.2f frames/s", done,
                      (unsigned long long)p->expected, done / elapsed_s);
    else
        n += snprintf(text + n, sizeof text - (size_t)n, "%.0f s", elapsed_s);
    /* One image: its own fraction tells; many: how many there are. */
    double total = p->expected > 0 ? (double)p->expected : 1;
    double since = done - p->first;
    if (done > 0.01 * total && done <= total)
        n += snprintf(text + n, sizeof text - (size_t)n, ", %.0f %%, %.0f s left",
                      100 * done / total, since > 0 ? elapsed_s * (total - done) / since : 0);
    if (write(STDERR_FILENO, text, (size_t)n) < 0)
        run->progress.possible = false;
}

bool pel_progress_tick(void *arg, double fraction)
{
    pel_run *run = arg;
    progress *p = &run->progress;
    if (!p->possible)
        return true;
    double now = now_s();
    if (now - p->started_s < FIRST_AFTER_S || now - p->drawn_s < REDRAW_S)
        return true;
    p->drawn_s = now;
    if (!p->ours && !lock_terminal(F_WRLCK))
        return true;
    p->ours = true;
    draw(run, (double)run->images + fraction, now - p->started_s);
    return true;
}

void pel_run_progress(pel_run *run, double done, const char *format, ...)
{
    progress *p = &run->progress;
    bool first = p->told[0] == '\0';
    va_list list;
    va_start(list, format);
    vsnprintf(p->told, sizeof p->told, format, list);
    va_end(list);
    if (first)
        p->first = done;
    pel_progress_tick(run, done);
}

void pel_progress_close(pel_run *run)
{
    progress *p = &run->progress;
    static const char clear[] = "\r\033[K";
    if (p->ours && write(STDERR_FILENO, clear, sizeof clear - 1) > 0)
        lock_terminal(F_UNLCK);
    p->ours = false;
    p->possible = false;
}
