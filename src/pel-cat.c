/* pel-cat.c - joins streams, selects their images and shuffles them.
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
    long shuffle;
} settings;

enum { MOST_RANGES = 256 };

typedef struct {
    struct {
        uint64_t first, last;
    } ranges[MOST_RANGES];
    size_t count;
    uint64_t emitted;
    pel_bundle *window; /* of --shuffle */
    size_t held, bytes; /* images in it, and the bytes of what is theirs alone */
    pel_rng *rng;
} state;

#define AT(member) offsetof(settings, member)
static const pel_option options[] = {
    {"images", 0, PEL_OPT_TEXT, AT(images), 0, 0, NULL, "A-B,C,D-", NULL,
     "only these images, counted from 0 over all inputs (default: all)"},
    {"shuffle", 0, PEL_OPT_INTEGER, AT(shuffle), 2, 1e7, NULL, "N", NULL,
     "hold N images, and let a random one of them go for each that comes"},
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

static pel_status parse_images(pel_run *run)
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

static pel_status start(pel_run *run)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    pel_status status = parse_images(run);
    if (status != PEL_OK || s->shuffle == 0)
        return status;
    st->window = calloc((size_t)s->shuffle, sizeof *st->window);
    st->rng = pel_run_rng(run, 0);
    if (st->window == NULL || st->rng == NULL)
        return pel_error_set(pel_run_error(run), PEL_ENOMEM, "out of memory");
    return PEL_OK;
}

static void stop(pel_run *run)
{
    state *st = pel_run_state(run);
    for (size_t i = 0; i < st->held; i++)
        pel_bundle_clear(&st->window[i]);
    free(st->window);
    pel_rng_free(st->rng);
}

/* ---- The window of --shuffle */

/* What a bundle in the window takes: companions that hold for many images are shared. */
static size_t bytes_of(const pel_bundle *bundle)
{
    size_t bytes = bundle->image->bytes;
    for (size_t i = 0; i < bundle->count; i++)
        if (!pel_role_find(bundle->companions[i]->role)->sticky)
            bytes += bundle->companions[i]->bytes;
    return bytes;
}

/* Lets a random one go; the last one takes its place. */
static pel_status release(pel_run *run)
{
    state *st = pel_run_state(run);
    pel_bundle *one = &st->window[pel_rng_below(st->rng, st->held)], gone = *one;
    *one = st->window[--st->held];
    st->bytes -= bytes_of(&gone);
    pel_status status = pel_emit(run, &gone);
    pel_bundle_clear(&gone);
    return status;
}

static pel_status hold(pel_run *run, const pel_bundle *bundle)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    pel_status status = pel_bundle_copy(&st->window[st->held], bundle, pel_run_error(run));
    if (status != PEL_OK)
        return status;
    st->held++;
    st->bytes += bytes_of(bundle);
    if (st->bytes > pel_run_memory(run))
        return pel_error_set(pel_run_error(run), PEL_ELIMIT,
                             "--shuffle %ld: %zu images are more than the memory cap already",
                             s->shuffle, st->held);
    return st->held == (size_t)s->shuffle ? release(run) : PEL_OK;
}

/* ---- Selecting */

static pel_status image(pel_run *run, const pel_bundle *bundle)
{
    state *st = pel_run_state(run);
    uint64_t number = pel_run_index(run);
    bool wanted = st->count == 0;
    for (size_t i = 0; i < st->count && !wanted; i++)
        wanted = number >= st->ranges[i].first && number <= st->ranges[i].last;
    st->emitted += wanted;
    if (!wanted)
        return PEL_OK;
    return st->window != NULL ? hold(run, bundle) : pel_emit(run, bundle);
}

/* Selecting nothing is a mistake that a stage further on would only find puzzling. */
static pel_status drain(pel_run *run)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    pel_status status = PEL_OK;
    while (st->held > 0 && status == PEL_OK)
        status = release(run);
    if (st->count == 0 || st->emitted > 0)
        return status;
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
    .summary = "join streams, select their images, shuffle them",
    .operands = "[FILE...]",
    .details = "Writes the frames of all streams in FILE... (- or none: stdin) as one stream.\n"
               "Example: pel-cat night.pel day.pel --images 0-9 | pel-write out%d.tif\n",
    .options = options,
    .settings_size = sizeof(settings),
    .state_size = sizeof(state),
    .flags = PEL_SOURCE | PEL_FILES | PEL_SEEDED,
    .start = start,
    .source = source,
    .image = image,
    .drain = drain,
    .stop = stop,
};

int main(int argc, char **argv)
{
    return pel_main(&program, argc, argv);
}
