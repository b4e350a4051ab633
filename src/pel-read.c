/* pel-read.c - picture files to a stream of frames, with the companions that other files hold.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pellucid/driver.h>
#include <pellucid/io.h>
#include <pellucid/operands.h>

typedef struct {
    bool volume, linear, no_checks, shuffle;
    const char *role, *truth;
    long epochs;
} settings;

typedef struct {
    pel_bundle held;       /* companions from files of their own, for the images that follow */
    const char *file;      /* that is being read */
    const char *name;      /* that its frames get in place of its path, or NULL */
    const char *companion; /* the role that a companion's file is read for, or NULL */
    pel_frame *found;      /* that companion */
    uint64_t images;
    uint64_t expected;     /* 0: not known */
    bool one_file;         /* what it says of the number of its frames holds for the stream */
    bool unused;           /* there are companions that no image has followed yet */
} state;

#define AT(member) offsetof(settings, member)
static const pel_option options[] = {
    {"volume", 0, PEL_OPT_FLAG, AT(volume), 0, 0, NULL, NULL, NULL,
     "the pages or planes of a file are one volume, not a sequence of pictures"},
    {"linear", 0, PEL_OPT_FLAG, AT(linear), 0, 0, NULL, NULL, NULL,
     "undo the sRGB curve of pictures of integers, so that samples are proportional to light; "
     "pel-write redoes it"},
    {"truth", 0, PEL_OPT_TEXT, AT(truth), 0, 0, NULL, "FOLDER", NULL,
     "the true picture of each file is the file of the same base name in this folder"},
    {"role", 0, PEL_OPT_TEXT, AT(role), 0, 0, "image", "ROLE", NULL,
     "what files without a role in front are: image, psf, mask, sigma, truth, reference"},
    {"no-checks", 0, PEL_OPT_FLAG, AT(no_checks), 0, 0, NULL, NULL, NULL,
     "read FITS files although their checksums do not match"},
    {"shuffle", 0, PEL_OPT_FLAG, AT(shuffle), 0, 0, NULL, NULL, NULL,
     "read the pictures in a random order"},
    {"epochs", 0, PEL_OPT_INTEGER, AT(epochs), 0, 1e15, "1", "E", NULL,
     "read all files E times, shuffled anew each time; 0: until the reader closes"},
    {NULL}};

static void say(void *arg, const char *text)
{
    const state *st = pel_run_state(arg);
    pel_warn(arg, "%s: %s", st->file, text);
}

/* ---- Companions */

/* The frame of a companion's file: the companion itself (a .pel file may hold it), or a picture. */
static pel_status take_companion(pel_run *run, const pel_bundle *bundle)
{
    state *st = pel_run_state(run);
    pel_frame *from = pel_bundle_find(bundle, st->companion, NULL), *frame;
    if (from == NULL)
        from = bundle->image;
    if (from == NULL)
        return PEL_OK;
    if (st->found != NULL)
        return pel_error_set(pel_run_error(run), PEL_EFORMAT,
                             "more than one frame: a file for the role %s holds one (or a volume: "
                             "--volume)", st->companion);
    pel_status status = pel_frame_copy(from, st->companion, &frame, pel_run_error(run));
    if (status == PEL_OK)
        st->found = frame;
    return status;
}

static pel_status read_file(pel_run *run, const char *file, const char *name, const char *role);

static pel_status read_companion(pel_run *run, const char *file, const char *role)
{
    state *st = pel_run_state(run);
    const char *outer_file = st->file, *outer_name = st->name;
    st->companion = role;
    st->found = NULL;
    pel_status status = read_file(run, file, NULL, role);
    if (status == PEL_OK && st->found == NULL)
        status = pel_error_set(pel_run_error(run), PEL_EFORMAT, "%s: there is no %s in it", file, role);
    if (status == PEL_OK) {
        status = pel_companion_prepare(&st->found, pel_run_error(run));
        if (status != PEL_OK)
            pel_error_prefix(pel_run_error(run), "%s", file);
    }
    if (status == PEL_OK)
        status = pel_bundle_put(&st->held, st->found, pel_run_error(run));
    pel_frame_unref(st->found);
    st->found = NULL;
    st->companion = NULL;
    st->file = outer_file;
    st->name = outer_name;
    st->unused = true;
    return status;
}

/* ---- Images */

static pel_status set_keys(pel_run *run, pel_frame *image)
{
    state *st = pel_run_state(run);
    char number[24];
    snprintf(number, sizeof number, "%llu", (unsigned long long)st->images);
    pel_status status = pel_frame_set(image, "frame", number, pel_run_error(run));
    if (status == PEL_OK && st->name != NULL && pel_frame_key(image, "name") != NULL)
        status = pel_frame_set(image, "name", st->name, pel_run_error(run));
    snprintf(number, sizeof number, "%llu", (unsigned long long)st->expected);
    if (status == PEL_OK && (st->expected > 0 || !st->one_file))
        status = pel_frame_set(image, "of", st->expected > 0 ? number : NULL, pel_run_error(run));
    return status;
}

/* What stands on the command line comes before what the file says of itself. */
static pel_status take_image(pel_run *run, const pel_bundle *bundle)
{
    state *st = pel_run_state(run);
    pel_bundle out;
    pel_status status = pel_bundle_copy(&out, bundle, pel_run_error(run));
    for (size_t i = 0; i < st->held.count && status == PEL_OK; i++)
        status = pel_bundle_put(&out, st->held.companions[i], pel_run_error(run));
    if (status == PEL_OK && bundle->image != NULL) {
        pel_frame *image;
        status = pel_frame_copy(bundle->image, NULL, &image, pel_run_error(run));
        if (status == PEL_OK) {
            status = set_keys(run, image);
            pel_bundle_set_image(&out, image);
            pel_frame_unref(image);
        }
    }
    if (status == PEL_OK)
        status = pel_emit(run, &out);
    pel_bundle_clear(&out);
    if (bundle->image != NULL) {
        pel_bundle_next(&st->held);
        st->images++;
        st->unused = false;
    }
    return status;
}

static pel_status emit(void *arg, const pel_bundle *bundle)
{
    pel_run *run = arg;
    const state *st = pel_run_state(run);
    if (st->companion != NULL)
        return take_companion(run, bundle);
    return take_image(run, bundle);
}

static pel_status read_file(pel_run *run, const char *file, const char *name, const char *role)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    st->file = name != NULL ? name : file;
    st->name = name;
    bool light = strcmp(role, "psf") != 0 && strcmp(role, "mask") != 0 && strcmp(role, "sigma") != 0;
    pel_read_params params = {.role = role,
                              .volume = s->volume,
                              .linear = s->linear && light,
                              .no_checks = s->no_checks,
                              .memory_cap = pel_run_memory(run),
                              .emit = emit,
                              .say = say,
                              .arg = run};
    return pel_file_read(file, &params, pel_run_error(run));
}

/* Picture files are read with seeking: what comes on stdin goes through a file of ours. */
static pel_status read_stdin(pel_run *run)
{
    char path[4096];
    pel_status status = pel_file_spool(stdin, "stdin", path, sizeof path, pel_run_error(run));
    if (status != PEL_OK)
        return status;
    status = read_file(run, path, "stdin", "image");
    (void)unlink(path);
    return status;
}

static pel_status read_operand(pel_run *run, const pel_operand *operand)
{
    const settings *s = pel_run_settings(run);
    const char *file = operand->file;
    if (strcmp(operand->role, "image") != 0)
        return read_companion(run, file, operand->role);
    if (s->truth != NULL) {
        char path[4096];
        pel_status status =
            pel_file_sibling(s->truth, file, path, sizeof path, pel_run_error(run));
        if (status == PEL_OK)
            status = read_companion(run, path, "truth");
        if (status != PEL_OK)
            return status;
    }
    return strcmp(file, "-") == 0 ? read_stdin(run) : read_file(run, file, NULL, "image");
}

/* ---- All files, once or many times */

/* The number of images, where each file holds one. */
static uint64_t count_images(const settings *s, const pel_operands *o)
{
    for (size_t i = 0; i < o->group_count; i++) {
        const pel_operand_group *g = &o->groups[i];
        const char *format = pel_file_format(o->operands[g->first + g->count - 1].file);
        if (format == NULL || pel_file_format_sequence(format))
            return 0;
    }
    return o->group_count * (uint64_t)s->epochs;
}

static pel_status read_epoch(pel_run *run, pel_operands *o, uint64_t epoch)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    pel_status status = PEL_OK;
    if (s->shuffle) {
        pel_rng *rng = pel_run_rng(run, epoch);
        if (rng == NULL)
            return pel_error_set(pel_run_error(run), PEL_ENOMEM, "out of memory");
        status = pel_operands_shuffle(o, rng, pel_run_error(run));
        pel_rng_free(rng);
    }
    pel_bundle_clear(&st->held); /* what held at the end of the last epoch */
    for (size_t i = 0; i < o->lead && status == PEL_OK; i++)
        status = read_operand(run, &o->operands[i]);
    for (size_t g = 0; g < o->group_count && status == PEL_OK; g++)
        for (size_t i = 0; i < o->groups[g].count && status == PEL_OK; i++)
            status = read_operand(run, &o->operands[o->groups[g].first + i]);
    return status;
}

static pel_status read_epochs(pel_run *run, pel_operands *o)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    pel_status status = PEL_OK;
    for (uint64_t e = 0; (s->epochs == 0 || e < (uint64_t)s->epochs) && status == PEL_OK; e++) {
        uint64_t before = st->images;
        status = read_epoch(run, o, e);
        if (status == PEL_OK && s->epochs != 1 && st->images == before)
            status = pel_error_set(pel_run_error(run), PEL_EINVAL,
                                   "--epochs: there is no picture in the files");
    }
    return status == PEL_OK && st->unused ? pel_emit(run, &st->held) : status;
}

static pel_status check_usage(pel_run *run, const pel_operands *o)
{
    const settings *s = pel_run_settings(run);
    const char *role;
    if (o->count == 0)
        return pel_error_set(pel_run_error(run), PEL_EUSAGE, "no FILE given (see --help)");
    if (strcmp(s->role, "image") != 0 && !pel_operand_role(s->role, strlen(s->role), &role))
        return pel_error_set(pel_run_error(run), PEL_EUSAGE,
                             "--role '%s': no role that a file can have (see --help)", s->role);
    if (s->shuffle && o->group_count == 0)
        return pel_error_set(pel_run_error(run), PEL_EUSAGE, "--shuffle: there is no picture to shuffle");
    for (size_t i = 0; i < o->count && s->epochs != 1; i++)
        if (strcmp(o->operands[i].file, "-") == 0)
            return pel_error_set(pel_run_error(run), PEL_EUSAGE,
                                 "--epochs: stdin can be read once only");
    return PEL_OK;
}

static pel_status source(pel_run *run)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    char **texts;
    size_t count = pel_run_operands(run, &texts);
    pel_operands operands;
    pel_status status =
        pel_operands_new(texts, count, s->role, &operands, pel_run_error(run));
    if (status != PEL_OK)
        return status;
    status = check_usage(run, &operands);
    if (status == PEL_OK) {
        st->expected = count_images(s, &operands);
        st->one_file = operands.group_count == 1 && s->epochs == 1;
        pel_run_expect(run, st->expected);
        status = read_epochs(run, &operands);
    }
    pel_operands_clear(&operands);
    return status;
}

static void stop(pel_run *run)
{
    state *st = pel_run_state(run);
    pel_bundle_clear(&st->held);
    pel_frame_unref(st->found);
}

static const pel_program program = {
    .name = "pel-read",
    .summary = "read picture files into a stream",
    .operands = "[ROLE:]FILE...",
    .details = "Reads TIFF, PNG, JPEG, PNM/PFM/PAM, FITS, y4m, .pel streams and text matrices; the\n"
               "type is told by content. ROLE is psf, mask, sigma, truth or reference: such a file\n"
               "is a companion of the pictures after it, or of the last one. - reads a picture from stdin.\n"
               "Example: pel-read psf:k.tif night.tif | pel-rl | pel-write sharp.tif\n"
               "Example: pel-read --shuffle --epochs 10 *.jpg | pel-crop --random 96 --repeat 8\n",
    .options = options,
    .settings_size = sizeof(settings),
    .state_size = sizeof(state),
    .flags = PEL_SOURCE | PEL_FILES | PEL_SEEDED,
    .source = source,
    .stop = stop,
};

int main(int argc, char **argv)
{
    return pel_main(&program, argc, argv);
}
