/* pel-cat.c - joins streams and selects their images.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pellucid/driver.h>

typedef struct {
    const char *images;
} settings;

enum { MOST_RANGES = 256 };

typedef struct {
    struct {
        uint64_t first, last;
    } ranges[MOST_RANGES];
    size_t count;
    uint64_t emitted;
} state;

static const pel_option options[] = {
    {"images", 0, PEL_OPT_TEXT, offsetof(settings, images), 0, 0, NULL, "A-B,C,D-", NULL,
     "only these images, counted from 0 over all inputs (default: all)"},
    {NULL}};

static bool take_number(const char **text, uint64_t *value)
{
    if (**text < '0' || **text > '9')
        return false;
    char *end;
    errno = 0;
    *value = strtoull(*text, &end, 10);
    *text = end;
    return errno == 0;
}

static pel_status start(pel_run *run)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    for (const char *p = s->images; p != NULL;) {
        uint64_t first, last;
        bool good = st->count < MOST_RANGES && take_number(&p, &first);
        last = first;
        if (good && *p == '-') {
            p++;
            last = UINT64_MAX;
            if (*p != ',' && *p != '\0')
                good = take_number(&p, &last) && last >= first;
        }
        if (!good || (*p != ',' && *p != '\0'))
            return pel_error_set(pel_run_error(run), PEL_EUSAGE,
                                 "--images '%s': numbers and ranges such as 0,3-5,9- are needed",
                                 s->images);
        st->ranges[st->count].first = first;
        st->ranges[st->count++].last = last;
        p = *p == ',' ? p + 1 : NULL;
    }
    return PEL_OK;
}

static pel_status image(pel_run *run, const pel_bundle *bundle)
{
    state *st = pel_run_state(run);
    uint64_t number = pel_run_index(run);
    bool wanted = st->count == 0;
    for (size_t i = 0; i < st->count && !wanted; i++)
        wanted = number >= st->ranges[i].first && number <= st->ranges[i].last;
    st->emitted += wanted;
    return wanted ? pel_emit(run, bundle) : PEL_OK;
}

/* Selecting nothing is a mistake that a stage further on would only find puzzling. */
static pel_status drain(pel_run *run)
{
    const settings *s = pel_run_settings(run);
    const state *st = pel_run_state(run);
    if (st->count == 0 || st->emitted > 0)
        return PEL_OK;
    return pel_error_set(pel_run_error(run), PEL_EINVAL, "--images %s: there are only %llu images",
                         s->images, (unsigned long long)pel_run_index(run));
}

static pel_status read_operand(pel_run *run, const char *name)
{
    if (strcmp(name, "-") == 0)
        return pel_run_read(run, STDIN_FILENO, false);
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return pel_error_set(pel_run_error(run), PEL_EIO, "%s: %s", name, strerror(errno));
    pel_status status = pel_run_read(run, fd, false);
    if (status != PEL_OK && status != PEL_ECLOSED)
        pel_error_prefix(pel_run_error(run), "%s", name);
    close(fd);
    return status;
}

static pel_status source(pel_run *run)
{
    char **operands;
    size_t count = pel_run_operands(run, &operands);
    if (count == 0)
        return read_operand(run, "-");
    pel_status status = PEL_OK;
    for (size_t i = 0; i < count && status == PEL_OK; i++)
        status = read_operand(run, operands[i]);
    return status;
}

static const pel_program program = {
    .name = "pel-cat",
    .summary = "join streams and select their images",
    .operands = "[FILE...]",
    .details = "Writes the frames of all streams in FILE... (- or none: stdin) as one stream.\n"
               "Example: pel-cat night.pel day.pel --images 0-9 | pel-write out%d.tif\n",
    .options = options,
    .settings_size = sizeof(settings),
    .state_size = sizeof(state),
    .flags = PEL_SOURCE | PEL_FILES,
    .start = start,
    .source = source,
    .image = image,
    .drain = drain,
};

int main(int argc, char **argv)
{
    return pel_main(&program, argc, argv);
}
