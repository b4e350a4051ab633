/* driver.c - the loop of every program: parse, start, read and hand over, drain, end line, stop.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <pellucid/cpu.h>

#include "run.h"

#define COMMON(member) offsetof(common_settings, member)

static const pel_option seed_options[] = {
    {"seed", 0, PEL_OPT_INTEGER, COMMON(seed), 0, 9007199254740992.0, "0", "N", NULL,
     "seed of the random numbers"},
    {NULL}};

static const pel_option common_options[] = {
    {"threads", 't', PEL_OPT_INTEGER, COMMON(threads), 0, 1024, "0", "N", NULL,
     "threads to work with; 0: one a processor"},
    {"memory", 0, PEL_OPT_BYTES, COMMON(memory), 0, 0, NULL, "SIZE", NULL,
     "most memory for one frame and for work, as 512M or 4G (default: what the machine has)"},
    {"quiet", 'q', PEL_OPT_FLAG, COMMON(quiet), 0, 0, NULL, NULL, NULL,
     "no warnings and no progress line"},
    {"verbose", 'v', PEL_OPT_FLAG, COMMON(verbose), 0, 0, NULL, NULL, NULL,
     "say what was chosen and done"},
    {"help", 0, PEL_OPT_FLAG, COMMON(help), 0, 0, NULL, NULL, NULL, "print this help and exit"},
    {"version", 0, PEL_OPT_FLAG, COMMON(version), 0, 0, NULL, NULL, NULL,
     "print the version and exit"},
    {NULL}};

/* For the build: how manual and completion get their option lists. */
static const pel_option hidden_options[] = {
    {"print-man-options", 0, PEL_OPT_FLAG, COMMON(print_man), 0, 0, NULL, NULL, NULL, ""},
    {"print-option-words", 0, PEL_OPT_FLAG, COMMON(print_words), 0, 0, NULL, NULL, NULL, ""},
    {NULL}};

enum { BLOCKS = 4, SHOWN_BLOCKS = 3 };

static void option_blocks(pel_run *run, pel_option_block blocks[BLOCKS])
{
    bool seeded = (run->program->flags & PEL_SEEDED) != 0;
    blocks[0] = (pel_option_block){run->program->options, run->settings};
    blocks[1] = (pel_option_block){seeded ? seed_options : NULL, &run->common};
    blocks[2] = (pel_option_block){common_options, &run->common};
    blocks[3] = (pel_option_block){hidden_options, &run->common};
}

/* A descriptor that is closed would be taken by the next file opened, which would then be read or
 * written as the stream.  These stand-ins fail with EBADF. */
static void hold_descriptors(void)
{
    static const int mode[3] = {O_WRONLY, O_RDONLY, O_RDONLY};
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
            int held = open("/dev/null", mode[fd]);
            if (held >= 0 && held != fd)
                close(held);
        }
}

/* A stage takes and returns the same few blocks for each frame.  glibc gives them back to the system at
 * once, unless a large one was freed before; then a stream of small pictures spends a third of its time in page
 * faults.  These are the values that it comes to by itself with large pictures. */
static void keep_memory(void)
{
#ifdef __GLIBC__
    (void)mallopt(M_MMAP_THRESHOLD, 32 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 64 << 20);
#endif
}

static int exit_code(pel_status status)
{
    return status == PEL_OK ? 0 : status == PEL_EUSAGE ? 2 : 1;
}

static void print_help(const pel_run *run, const pel_option_block *blocks)
{
    const pel_program *p = run->program;
    printf("Usage: %s [OPTION...]%s%s\n%c%s.\n", p->name, p->operands != NULL ? " " : "",
           p->operands != NULL ? p->operands : "", p->summary[0] >= 'a' && p->summary[0] <= 'z'
               ? p->summary[0] - 'a' + 'A' : p->summary[0], p->summary + 1);
    if (p->details != NULL)
        printf("\n%s", p->details);
    printf("\nOptions:\n");
    pel_options_print_help(blocks, SHOWN_BLOCKS, stdout);
    printf("\nManual: man %s\n", p->name);
}

/* The options that print and exit.  Returns true when there was one. */
static bool print_and_exit(pel_run *run, const pel_option_block *blocks, pel_status *status)
{
    const common_settings *c = &run->common;
    *status = PEL_OK;
    run->context.error = &run->error;
    if (c->help)
        print_help(run, blocks);
    else if (c->version)
        printf("%s (Pellucid) %s\n", run->program->name, pel_version());
    else if (c->print_man)
        pel_options_print_man(blocks, SHOWN_BLOCKS, stdout);
    else if (c->print_words)
        pel_options_print_words(blocks, SHOWN_BLOCKS, stdout);
    else if (run->program->print == NULL || !run->program->print(run, status))
        return false;
    if (*status == PEL_OK && (fflush(stdout) != 0 || ferror(stdout)))
        *status = pel_error_set(&run->error, PEL_EIO, "cannot write: %s", strerror(errno));
    return true;
}

/* An operand that no option takes, or a stream to or from a terminal. */
static pel_status check_usage(pel_run *run)
{
    const pel_program *p = run->program;
    if (p->operands == NULL && run->operand_count > 0)
        return pel_error_set(&run->error, PEL_EUSAGE, "'%s': no operand is taken (see --help)",
                             run->operands[0]);
    if (!(p->flags & PEL_SOURCE) && isatty(STDIN_FILENO))
        return pel_error_set(&run->error, PEL_EUSAGE,
                             "no stream on the terminal: pipe one in, as in pel-read FILE | %s",
                             p->name);
    return PEL_OK;
}

static pel_status open_output(pel_run *run)
{
    if (isatty(STDOUT_FILENO))
        return pel_error_set(&run->error, PEL_EUSAGE,
                             "will not write a stream to a terminal: redirect it, or pipe it into "
                             "pel-write or pel-info");
    return pel_writer_new(STDOUT_FILENO, &run->writer, &run->error);
}

static pel_status parse(pel_run *run, int argc, char **argv, bool *done)
{
    pel_option_block blocks[BLOCKS];
    option_blocks(run, blocks);
    for (int i = 0; i < BLOCKS; i++) {
        pel_status status =
            pel_options_defaults(blocks[i].table, blocks[i].settings, &run->error);
        if (status != PEL_OK)
            return status;
    }
    int operands;
    pel_status status = pel_options_parse(blocks, BLOCKS, argc, argv, pel_history_option, run,
                                          &operands, &run->error);
    if (status != PEL_OK)
        return status;
    *done = print_and_exit(run, blocks, &status);
    if (*done)
        return status;
    run->operands = argv + 1;
    run->operand_count = (size_t)operands;
    if (!(run->program->flags & PEL_FILES))
        for (int i = 0; i < operands; i++)
            pel_history_operand(run, argv[1 + i]);
    return check_usage(run);
}

static pel_status prepare(pel_run *run)
{
    pel_status status =
        pel_pool_new((size_t)run->common.threads, &run->context.pool, &run->error);
    if (status != PEL_OK)
        return status;
    if (run->common.memory == 0) {
        long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
        run->common.memory =
            pages > 0 && size > 0 ? (size_t)pages * (size_t)size : (size_t)4 << 30;
    }
    pel_cpu cpu; /* a name that is none fails here, not where it is needed first */
    status = pel_cpu_level(&cpu, &run->error);
    if (status != PEL_OK)
        return status;
    const char *plan = getenv("PELLUCID_PLAN");
    run->context.plan_estimate = plan != NULL && strcmp(plan, "estimate") == 0;
    run->context.memory = run->common.memory;
    run->context.error = &run->error;
    run->context.tick = pel_progress_tick;
    run->context.tick_arg = run;
    pel_progress_open(run);
    return run->program->flags & PEL_SINK ? PEL_OK : open_output(run);
}

/* ---- Reading ---------------------------------------------------------------------------------- */

static bool is_history(const pel_frame *frame)
{
    return strcmp(frame->role, "meta") == 0 && strcmp(pel_frame_slot(frame), "history") == 0;
}

static pel_status name_frame(pel_run *run, pel_status status, const pel_frame *image)
{
    const char *name = pel_frame_key(image, "name");
    if (name != NULL)
        return pel_error_prefix(&run->error, "frame %" PRIu64 " (%s)", run->stream_images, name);
    pel_error_prefix(&run->error, "frame %" PRIu64, run->stream_images);
    return status;
}

static pel_status take_image(pel_run *run, pel_frame *image)
{
    const pel_program *p = run->program;
    double of = pel_frame_real(image, "of", 0);
    if (of >= 1 && of < 1e15)
        run->progress.expected = (uint64_t)of;
    pel_bundle_set_image(&run->input, image);
    pel_status status =
        p->image != NULL ? p->image(run, &run->input) : pel_emit(run, &run->input);
    if (status != PEL_OK && status != PEL_ECLOSED)
        status = name_frame(run, status, image);
    pel_bundle_next(&run->input);
    run->images++;
    run->stream_images++;
    pel_progress_tick(run, 0);
    return status;
}

/* Companions that no image followed are passed on: a stream may hold a PSF and nothing else. */
static pel_status pass_late(pel_run *run)
{
    if (run->writer == NULL || run->late.count == 0)
        return PEL_OK;
    if (!run->emitted)
        return pel_emit(run, &run->input);
    pel_status status = PEL_OK;
    for (size_t i = 0; i < run->late.count && status == PEL_OK; i++)
        if (!is_history(run->late.companions[i]))
            status = pel_writer_frame(run->writer, run->late.companions[i], &run->error);
    return status;
}

static pel_status take_end(pel_run *run, bool relay_end)
{
    pel_status status = PEL_OK;
    if (relay_end && run->program->drain != NULL)
        status = run->program->drain(run);
    if (status == PEL_OK)
        status = pass_late(run);
    if (status == PEL_OK && relay_end)
        status = pel_emit_end(run);
    pel_bundle_clear(&run->input);
    pel_bundle_clear(&run->late);
    run->stream_images = 0;
    return status;
}

static pel_status take_frame(pel_run *run, pel_frame *frame)
{
    if (run->program->frame != NULL) {
        pel_status status = run->program->frame(run, frame);
        if (status != PEL_OK)
            return status;
    }
    if (strcmp(frame->role, "image") == 0) {
        pel_bundle_clear(&run->late);
        return take_image(run, frame);
    }
    pel_status status = pel_bundle_put(&run->input, frame, &run->error);
    return status == PEL_OK ? pel_bundle_put(&run->late, frame, &run->error) : status;
}

pel_status pel_run_read(pel_run *run, int fd, bool relay_ends)
{
    pel_reader *reader;
    pel_status status = pel_reader_new(fd, run->common.memory, &reader, &run->error);
    if (status != PEL_OK)
        return status;
    for (;;) {
        pel_frame *frame;
        bool ended;
        status = pel_reader_next(reader, &frame, &ended, &run->error);
        if (status != PEL_OK || (frame == NULL && !ended))
            break;
        status = ended ? take_end(run, relay_ends) : take_frame(run, frame);
        pel_frame_unref(frame);
        if (status != PEL_OK)
            break;
    }
    pel_reader_free(reader);
    return status;
}

pel_status pel_stream_each(int fd, size_t memory_cap,
                           pel_status (*each)(void *arg, pel_frame *frame), void *arg,
                           pel_error *error)
{
    pel_reader *reader;
    pel_status status = pel_reader_new(fd, memory_cap, &reader, error);
    if (status != PEL_OK)
        return status;
    for (;;) {
        pel_frame *frame;
        bool ended;
        status = pel_reader_next(reader, &frame, &ended, error);
        if (status != PEL_OK || (frame == NULL && !ended))
            break;
        if (frame != NULL)
            status = each(arg, frame);
        pel_frame_unref(frame);
        if (status != PEL_OK)
            break;
    }
    pel_reader_free(reader);
    return status;
}

/* ---- Emitting --------------------------------------------------------------------------------- */

pel_status pel_emit(pel_run *run, const pel_bundle *bundle)
{
    if (run->writer == NULL)
        return PEL_OK;
    pel_frame *history;
    pel_status status =
        pel_history_next(run, pel_bundle_find(bundle, "meta", "history"), &history);
    if (status != PEL_OK)
        return status;
    /* The history comes first; the rest as it is. */
    pel_bundle out = {NULL, NULL, 0};
    status = pel_bundle_put(&out, history, &run->error);
    for (size_t i = 0; i < bundle->count && status == PEL_OK; i++) {
        if (!is_history(bundle->companions[i]))
            status = pel_bundle_put(&out, bundle->companions[i], &run->error);
    }
    if (status == PEL_OK) {
        if (bundle->image != NULL)
            pel_bundle_set_image(&out, bundle->image);
        status = pel_writer_bundle(run->writer, &out, &run->error);
        run->ended = false;
        run->emitted = true;
    }
    pel_bundle_clear(&out);
    return status;
}

pel_status pel_emit_end(pel_run *run)
{
    if (run->writer == NULL)
        return PEL_OK;
    pel_status status = pel_writer_end(run->writer, &run->error);
    run->ended = true;
    run->emitted = false;
    return status;
}

void pel_run_output(pel_run *run)
{
    if (run->writer == NULL)
        (void)open_output(run); /* its error is found by run_stages */
}

/* ---- The run ---------------------------------------------------------------------------------- */

static pel_status run_stages(pel_run *run)
{
    const pel_program *p = run->program;
    pel_status status = p->start != NULL ? p->start(run) : PEL_OK;
    if (status == PEL_OK && run->error.status != PEL_OK)
        status = run->error.status;
    if (status == PEL_OK) {
        if (p->source != NULL) {
            status = p->source(run);
            if (status == PEL_OK && p->drain != NULL)
                status = p->drain(run);
            if (status == PEL_OK && !run->ended)
                status = pel_emit_end(run);
        } else {
            status = pel_run_read(run, STDIN_FILENO, true);
        }
    }
    pel_progress_close(run);
    if (p->stop != NULL)
        p->stop(run);
    return status;
}

static void release(pel_run *run)
{
    pel_bundle_clear(&run->input);
    pel_bundle_clear(&run->late);
    pel_frame_unref(run->history_in);
    pel_frame_unref(run->history_out);
    pel_writer_free(run->writer);
    pel_pool_free(run->context.pool);
    free(run->command);
    free(run->settings);
    free(run->state);
}

static int finish(pel_run *run, pel_status status)
{
    if (status != PEL_OK && status != PEL_ECLOSED)
        pel_message(run, run->error.text);
    /* stdout may be a file that tells of a full disk only now (NFS, quotas). */
    if (status == PEL_OK && run->writer != NULL && close(STDOUT_FILENO) != 0 && errno != EBADF) {
        status = PEL_EIO;
        pel_error_set(&run->error, status, "cannot write the stream: %s", strerror(errno));
        pel_message(run, run->error.text);
    }
    release(run);
    if (status == PEL_ECLOSED) {
        signal(SIGPIPE, SIG_DFL);
        raise(SIGPIPE);
    }
    return exit_code(status);
}

int pel_main(const pel_program *program, int argc, char **argv)
{
    pel_run run = {.program = program};
    hold_descriptors();
    keep_memory();
    /* EPIPE in place of the signal: stages get to remove their temporary files. */
    signal(SIGPIPE, SIG_IGN);
    run.settings = calloc(1, program->settings_size + 1);
    run.state = calloc(1, program->state_size + 1);
    pel_status status = PEL_OK;
    bool done = false;
    if (run.settings == NULL || run.state == NULL)
        status = pel_error_set(&run.error, PEL_ENOMEM, "out of memory");
    if (status == PEL_OK)
        status = parse(&run, argc, argv, &done);
    if (status == PEL_OK && !done)
        status = prepare(&run);
    if (status == PEL_OK && !done)
        status = run_stages(&run);
    return finish(&run, status);
}

/* ---- What programs ask ------------------------------------------------------------------------ */

void *pel_run_settings(const pel_run *run) { return run->settings; }
void *pel_run_state(const pel_run *run) { return run->state; }
const pel_context *pel_run_context(const pel_run *run) { return &run->context; }
pel_error *pel_run_error(const pel_run *run) { return run->context.error; }
uint64_t pel_run_seed(const pel_run *run) { return (uint64_t)run->common.seed; }

/* Names are told apart by FNV-1a, a hash of 64 bits. */
pel_rng *pel_run_rng(const pel_run *run, uint64_t stream)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (const char *p = run->program->name; *p != '\0'; p++)
        hash = (hash ^ (unsigned char)*p) * 0x100000001b3u;
    return pel_rng_new(pel_run_seed(run), hash ^ stream);
}

const char *pel_run_command(const pel_run *run) { return run->command != NULL ? run->command : ""; }
uint64_t pel_run_index(const pel_run *run) { return run->images; }
bool pel_run_verbose(const pel_run *run) { return run->common.verbose; }
bool pel_run_quiet(const pel_run *run) { return run->common.quiet; }
size_t pel_run_memory(const pel_run *run) { return run->common.memory; }
void pel_run_expect(pel_run *run, uint64_t images) { run->progress.expected = images; }

size_t pel_run_operands(const pel_run *run, char ***operands)
{
    *operands = run->operands;
    return run->operand_count;
}
