/* pel-write.c - the images of a stream, or one kind of companion, to picture files.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Files get their names only when the whole stream has come: what a failed pipe leaves behind must
 * not look like a result. */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pellucid/driver.h>
#include <pellucid/io.h>

typedef struct {
    int type;
    long quality;
    bool compress, bare;
    const char *role, *format;
} settings;

typedef struct {
    char *name;
    pel_file_writer *writer;
} file;

typedef struct {
    const char *pattern, *format;
    bool numbered;      /* the pattern makes a name for each frame */
    file *files;        /* none has its name yet; the last one is open when not numbered */
    size_t count, room;
    uint64_t frames;
    size_t clipped, samples;
    char seen[32];      /* a role that the stream holds, when there was no frame to write */
} state;

enum { TYPES = 4 };
static const pel_sample samples[TYPES] = {PEL_SAMPLE_AS_SOURCE, PEL_SAMPLE_U8, PEL_SAMPLE_U16,
                                          PEL_SAMPLE_F32};

#define AT(member) offsetof(settings, member)
static const pel_option options[] = {
    {"type", 0, PEL_OPT_CHOICE, AT(type), 0, 0, "source", "TYPE", "source|u8|u16|f32",
     "samples in the file; source: as in the file that was read, or the best that the format can"},
    {"quality", 0, PEL_OPT_INTEGER, AT(quality), 1, 100, "95", "N", NULL, "quality of JPEG"},
    {"compress", 0, PEL_OPT_FLAG, AT(compress), 0, 0, NULL, NULL, NULL,
     "compress TIFF without loss (PNG always is)"},
    {"bare", 0, PEL_OPT_FLAG, AT(bare), 0, 0, NULL, NULL, NULL,
     "write no metadata: no colour profile, EXIF, description or header"},
    {"role", 0, PEL_OPT_TEXT, AT(role), 0, 0, "image", "ROLE", NULL,
     "what to write: image, psf, truth, data, uncertainty, mask, sigma, alpha"},
    {"format", 'f', PEL_OPT_TEXT, AT(format), 0, 0, NULL, "FORMAT", NULL,
     "tiff, png, jpeg, pnm, fits, y4m, pel or text, whatever the name says"},
    {NULL}};

/* ---- Signals: Ctrl-C leaves no temporary files behind. */

static const state *volatile interrupted; /* whose files to remove; NULL while they are changing */

static void on_signal(int number)
{
    const state *st = interrupted;
    for (size_t i = 0; st != NULL && i < st->count; i++) {
        const char *name = pel_file_writer_temporary(st->files[i].writer);
        if (name != NULL)
            (void)unlink(name);
    }
    signal(number, SIG_DFL);
    raise(number);
}

static void watch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (signal(numbers[i], on_signal) == SIG_IGN) /* nohup */
            (void)signal(numbers[i], SIG_IGN);
}

static pel_status start(pel_run *run)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    char **operands, *name;
    if (pel_run_operands(run, &operands) != 1)
        return pel_error_set(pel_run_error(run), PEL_EUSAGE, "one file name is needed (see --help)");
    if (isatty(STDIN_FILENO))
        return pel_error_set(pel_run_error(run), PEL_EUSAGE,
                             "no stream on the terminal: pipe one in, as in pel-read FILE | pel-write "
                             "NAME");
    st->pattern = operands[0];
    bool to_stdout = strcmp(st->pattern, "-") == 0;
    pel_status status = pel_file_name(st->pattern, NULL, 0, &name, &st->numbered, pel_run_error(run));
    if (status != PEL_OK)
        return status;
    /* The pattern's extension is the name's, unless that is made by %n. */
    st->format = s->format != NULL ? s->format : pel_file_format(name);
    free(name);
    if (st->format == NULL)
        return pel_error_set(pel_run_error(run), PEL_EUSAGE,
                             to_stdout ? "'%s': say with -f in which format (%s)"
                                       : "'%s': no format is known by its extension (%s); or use -f",
                             st->pattern, pel_file_formats_help);
    if (to_stdout && isatty(STDOUT_FILENO))
        return pel_error_set(pel_run_error(run), PEL_EUSAGE, "will not write a picture to a terminal");
    interrupted = st;
    watch_signals();
    return PEL_OK;
}

/* ---- Files */

static void say(void *arg, const char *text)
{
    const state *st = pel_run_state(arg);
    pel_warn(arg, "%s: %s", st->count > 0 ? st->files[st->count - 1].name : st->pattern, text);
}

static pel_status open_file(pel_run *run, const pel_frame *frame)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    pel_error *error = pel_run_error(run);
    char *name;
    bool numbered;
    pel_status status = pel_file_name(st->pattern, frame, st->frames, &name, &numbered, error);
    if (status != PEL_OK)
        return status;
    for (size_t i = 0; i < st->count && status == PEL_OK; i++)
        if (strcmp(st->files[i].name, name) == 0)
            status = pel_error_set(error, PEL_EUSAGE,
                                   "a second frame would be written to %s: use %%d in the name", name);
    if (status == PEL_OK && st->count == st->room) {
        size_t room = st->room * 2 + 16;
        file *more = realloc(st->files, room * sizeof *more);
        if (more != NULL) {
            st->files = more;
            st->room = room;
        } else {
            status = pel_error_set(error, PEL_ENOMEM, "out of memory");
        }
    }
    pel_write_params params = {.sample = samples[s->type], .quality = (int)s->quality,
                               .compress = s->compress, .bare = s->bare, .say = say, .arg = run};
    file made = {name, NULL};
    if (status == PEL_OK)
        status = pel_file_create(name, st->format, &params, &made.writer, error);
    if (status == PEL_OK)
        st->files[st->count++] = made;
    else
        free(name);
    return status;
}

static pel_status finish_file(pel_run *run)
{
    state *st = pel_run_state(run);
    pel_write_report report = {0, 0};
    pel_status status =
        pel_file_finish(st->files[st->count - 1].writer, &report, pel_run_error(run));
    st->clipped += report.clipped;
    st->samples += report.samples;
    return status;
}

static pel_status write_frame(pel_run *run, const pel_bundle *bundle)
{
    state *st = pel_run_state(run);
    pel_status status = PEL_OK;
    if (st->numbered || st->count == 0) {
        interrupted = NULL;
        status = open_file(run, bundle->image);
        interrupted = st;
    }
    if (status == PEL_OK)
        status = pel_file_append(st->files[st->count - 1].writer, bundle, pel_run_error(run));
    if (status == PEL_OK && st->numbered)
        status = finish_file(run);
    st->frames++;
    return status;
}

/* ---- The stream */

static pel_status take_image(pel_run *run, const pel_bundle *bundle)
{
    const settings *s = pel_run_settings(run);
    return strcmp(s->role, "image") == 0 ? write_frame(run, bundle) : PEL_OK;
}

/* A PSF has no full scale: in a file of integers its maximum is white. */
static pel_status set_white(pel_run *run, pel_frame *psf)
{
    float most = 0;
    const float *v = pel_frame_floats(psf);
    for (size_t i = 0; i < pel_size_count(psf->size); i++)
        most = v[i] > most ? v[i] : most;
    if (!(most > 0) || pel_frame_key(psf, "white") != NULL)
        return PEL_OK;
    return pel_frame_set_real(psf, "white", (double)most, pel_run_error(run));
}

static pel_status take_frame(pel_run *run, pel_frame *frame)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    if (strcmp(frame->role, "image") == 0 || strcmp(frame->role, "meta") == 0 || frame->bytes == 0)
        return PEL_OK;
    snprintf(st->seen, sizeof st->seen, "%s", frame->role);
    if (strcmp(frame->role, s->role) != 0)
        return PEL_OK;
    pel_bundle bundle = {NULL, NULL, 0};
    pel_status status = pel_frame_copy(frame, NULL, &bundle.image, pel_run_error(run));
    if (status == PEL_OK && strcmp(s->role, "psf") == 0)
        status = set_white(run, bundle.image);
    if (status == PEL_OK)
        status = write_frame(run, &bundle);
    pel_bundle_clear(&bundle);
    return status;
}

static pel_status publish(pel_run *run)
{
    state *st = pel_run_state(run);
    const settings *s = pel_run_settings(run);
    if (st->frames == 0)
        return pel_error_set(pel_run_error(run), PEL_EFORMAT,
                             st->seen[0] != '\0' ? "the stream holds no %s, but a %s: --role %s writes it"
                                                 : "the stream holds no %s",
                             s->role, st->seen, st->seen);
    pel_status status = st->numbered ? PEL_OK : finish_file(run);
    interrupted = NULL;
    for (size_t i = 0; i < st->count && status == PEL_OK; i++)
        status = pel_file_publish(st->files[i].writer, pel_run_error(run));
    if (status == PEL_OK && st->clipped > 0)
        pel_warn(run, "%zu of %zu samples were outside the range of the file, and are clipped (%s "
                 "keeps them)", st->clipped, st->samples, "--type f32, in TIFF or FITS,");
    if (status == PEL_OK)
        pel_note(run, "%llu frames, %zu files", (unsigned long long)st->frames, st->count);
    return status;
}

static pel_status source(pel_run *run)
{
    pel_status status = pel_run_read(run, STDIN_FILENO, false);
    return status == PEL_OK ? publish(run) : status;
}

static void stop(pel_run *run)
{
    state *st = pel_run_state(run);
    interrupted = NULL;
    for (size_t i = 0; i < st->count; i++) {
        pel_file_writer_free(st->files[i].writer);
        free(st->files[i].name);
    }
    free(st->files);
}

static const pel_program program = {
    .name = "pel-write",
    .summary = "write the images of a stream to picture files",
    .operands = "NAME",
    .details = "The extension of NAME decides the format: TIFF, PNG, JPEG, PNM/PFM/PAM, FITS, y4m,\n"
               ".pel or text (.txt). In NAME, %d or %04d stands for the number of the frame from 0,\n"
               "%n for the base name of the file that it came from, %% for %. With - as NAME the\n"
               "file goes to stdout, in the format of -f.\n"
               "Example: pel-read *.tif | pel-rl -k gauss:2 | pel-write sharp-%n.tif\n",
    .options = options,
    .settings_size = sizeof(settings),
    .state_size = sizeof(state),
    .flags = PEL_SOURCE | PEL_SINK | PEL_FILES,
    .start = start,
    .source = source,
    .frame = take_frame,
    .image = take_image,
    .stop = stop,
};

int main(int argc, char **argv)
{
    return pel_main(&program, argc, argv);
}
