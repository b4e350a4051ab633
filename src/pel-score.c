/* pel-score.c - a table of metrics of the stream's images against their truth.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pellucid/driver.h>
#include <pellucid/metric.h>

typedef struct {
    int shift;
    long border, max_shift;
    double range;
    bool json;
    const char *output;
} settings;

enum { METRICS = 7 };
static const char *const metric_names[METRICS] = {"psnr", "mse", "mae", "ssim", "ms_ssim", "dx", "dy"};

typedef struct {
    FILE *table;      /* stdout, or with -o memory: text, length */
    char *text;
    size_t length;
    char *target;     /* with -o: the file, behind symbolic links */
    char *temporary;  /* its temporary name; NULL when it is none, or has its own name already */
    size_t written;   /* of text, to a file that is not replaced */
    mode_t mode;      /* permissions of the file that is replaced; 0: there is none */
    FILE *file;
    double sums[METRICS];
    uint64_t counts[METRICS], rows;
} state;

#define AT(member) offsetof(settings, member)
static const pel_option options[] = {
    {"output", 'o', PEL_OPT_TEXT, AT(output), 0, 0, NULL, "FILE", NULL,
     "write the table there, and pass the stream on to stdout"},
    {"json", 0, PEL_OPT_FLAG, AT(json), 0, 0, NULL, NULL, NULL,
     "JSON, one object a line, in place of tab-separated values"},
    {"shift", 0, PEL_OPT_CHOICE, AT(shift), 0, 0, "none", NULL, "none|integer|quarter",
     "search the shift of the estimate that fits best, in whole or quarter samples"},
    {"max-shift", 0, PEL_OPT_INTEGER, AT(max_shift), 1, 64, "8", "N", NULL,
     "farthest shift that is tried, in samples"},
    {"border", 0, PEL_OPT_INTEGER, AT(border), 0, 100000, "0", "N", NULL,
     "samples left out along each edge"},
    {"range", 0, PEL_OPT_REAL_AUTO, AT(range), 1e-30, 1e30, "auto", "X", NULL,
     "full scale for PSNR and SSIM; auto: key white minus black, else 1 for a truth within 0..1, "
     "else its maximum minus minimum"},
    {NULL}};

static pel_status cannot_write(pel_run *run)
{
    const settings *s = pel_run_settings(run);
    return pel_error_set(pel_run_error(run), errno == EPIPE ? PEL_ECLOSED : PEL_EIO,
                         "cannot write %s: %s", s->output != NULL ? s->output : "the table",
                         strerror(errno));
}

static pel_status open_temporary(pel_run *run)
{
    state *st = pel_run_state(run);
    size_t room = strlen(st->target) + 16;
    st->temporary = malloc(room);
    if (st->temporary == NULL)
        return pel_error_set(pel_run_error(run), PEL_ENOMEM, "out of memory");
    snprintf(st->temporary, room, "%s.XXXXXX", st->target);
    int fd = mkostemp(st->temporary, O_CLOEXEC);
    st->file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (st->file != NULL)
        return PEL_OK;
    free(st->temporary);
    st->temporary = NULL;
    return cannot_write(run);
}

/* What -o names is replaced when a stream has come to its end; a device or a FIFO is written to, and
 * a symbolic link stays one. */
static pel_status start(pel_run *run)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    st->table = stdout;
    if (s->output == NULL)
        return PEL_OK;
    if (strcmp(s->output, "-") == 0)
        return pel_error_set(pel_run_error(run), PEL_EUSAGE,
                             "-o -: the stream goes to stdout; without -o the table does");
    pel_run_output(run);
    struct stat there;
    bool exists = stat(s->output, &there) == 0;
    st->mode = exists ? there.st_mode & 0777 : 0;
    st->table = open_memstream(&st->text, &st->length);
    st->target = exists ? realpath(s->output, NULL) : strdup(s->output);
    if (st->table == NULL || st->target == NULL)
        return pel_error_set(pel_run_error(run), PEL_ENOMEM, "out of memory");
    if (!exists || S_ISREG(there.st_mode))
        return open_temporary(run);
    st->file = fopen(s->output, "we");
    return st->file != NULL ? PEL_OK : cannot_write(run);
}

static void stop(pel_run *run)
{
    state *st = pel_run_state(run);
    if (st->file != NULL)
        fclose(st->file);
    if (st->temporary != NULL)
        (void)unlink(st->temporary);
    if (st->table != NULL && st->table != stdout)
        fclose(st->table);
    free(st->temporary);
    free(st->target);
    free(st->text);
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

static void put_row(pel_run *run, const char *frame, const char *name, const double values[METRICS])
{
    const settings *s = pel_run_settings(run);
    const state *st = pel_run_state(run);
    FILE *to = st->table;
    if (s->json) {
        fprintf(to, "{\"frame\":\"%s\",\"name\":\"", frame);
        put_text(to, name, true);
        putc('"', to);
    } else {
        fprintf(to, "%s\t", frame);
        put_text(to, name, false);
    }
    for (int i = 0; i < METRICS; i++) {
        bool rounded = i == 0 || i >= 5;
        if (s->json)
            fprintf(to, ",\"%s\":", metric_names[i]);
        else
            putc('\t', to);
        if (s->json && !isfinite(values[i]))
            fputs("null", to);
        else if (isnan(values[i]))
            fputs("-", to);
        else
            fprintf(to, rounded ? "%.4f" : i == 3 || i == 4 ? "%.6f" : "%.6g", values[i]);
    }
    fputs(s->json ? "}\n" : "\n", to);
}

/* The key white is full scale.  Float pictures without one are most often scaled to 0..1, as those of
 * most test sets are; anything else is measured by what the truth holds. */
static double find_range(const settings *s, const pel_frame *image, const pel_frame *truth)
{
    if (!isnan(s->range))
        return s->range;
    const pel_frame *of = pel_frame_key(image, "white") != NULL ? image : truth;
    double range = pel_frame_real(of, "white", 0) - pel_frame_real(of, "black", 0);
    if (range > 0)
        return range;
    const float *t = pel_frame_floats(truth);
    double low = HUGE_VAL, high = -HUGE_VAL;
    for (size_t i = 0; i < pel_size_count(truth->size); i++)
        if (isfinite(t[i])) {
            low = fmin(low, (double)t[i]);
            high = fmax(high, (double)t[i]);
        }
    return low >= 0 && high > 0.5 && high <= 1.5 ? 1 : high - low;
}

static pel_status image(pel_run *run, const pel_bundle *bundle)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    const pel_frame *truth = pel_bundle_find(bundle, "truth", NULL), *estimate = bundle->image;
    if (truth == NULL)
        return pel_error_set(pel_run_error(run), PEL_EINVAL,
                             "no truth in the stream: pel-blur or pel-noise keeps it, and pel-read "
                             "truth:FILE or --truth DIR reads it");
    if (!pel_size_equal(truth->size, estimate->size))
        return pel_error_set(pel_run_error(run), PEL_EINVAL,
                             "a truth of %zux%zux%zux%zu for an image of %zux%zux%zux%zu",
                             truth->size.w, truth->size.h, truth->size.d, truth->size.c,
                             estimate->size.w, estimate->size.h, estimate->size.d, estimate->size.c);
    double range = find_range(s, estimate, truth);
    if (!(range > 0))
        return pel_error_set(pel_run_error(run), PEL_EINVAL,
                             "the truth is constant, and the key white missing: give --range");
    if (isnan(s->range))
        pel_note(run, "range %g", range);
    pel_score_params params = {range, (size_t)s->border, (pel_shift)s->shift, (size_t)s->max_shift};
    pel_score score;
    pel_status status = pel_score_pair(pel_run_context(run), pel_frame_floats(estimate),
                                       pel_frame_floats(truth), estimate->size, &params, &score);
    if (status != PEL_OK)
        return status;
    const double values[METRICS] = {score.psnr,    score.mse, score.mae, score.ssim,
                                    score.ms_ssim, score.dx,  score.dy};
    if (st->rows++ == 0 && !s->json)
        fputs("frame\tname\tpsnr\tmse\tmae\tssim\tms_ssim\tdx\tdy\n", st->table);
    char number[24];
    snprintf(number, sizeof number, "%llu", (unsigned long long)pel_run_index(run));
    const char *name = pel_frame_key(estimate, "name");
    put_row(run, number, name != NULL ? name : "-", values);
    for (int i = 0; i < METRICS; i++)
        if (!isnan(values[i])) {
            st->sums[i] += values[i];
            st->counts[i]++;
        }
    return pel_emit(run, bundle);
}

/* The table so far goes to its file: streams that follow one another share a table. */
static pel_status publish(pel_run *run)
{
    state *st = pel_run_state(run);
    pel_status status = st->file == NULL ? open_temporary(run) : PEL_OK;
    if (status != PEL_OK)
        return status;
    size_t from = st->temporary != NULL ? 0 : st->written; /* a FIFO has the rest already */
    bool good = fwrite(st->text + from, 1, st->length - from, st->file) == st->length - from &&
                fflush(st->file) == 0;
    st->written = st->length;
    if (!good)
        return cannot_write(run);
    if (st->temporary == NULL)
        return PEL_OK;
    mode_t mask = umask(0);
    (void)umask(mask);
    (void)fchmod(fileno(st->file), st->mode != 0 ? st->mode : 0666 & ~mask);
    good = fclose(st->file) == 0;
    st->file = NULL;
    if (!good || rename(st->temporary, st->target) != 0)
        return cannot_write(run);
    free(st->temporary);
    st->temporary = NULL;
    return PEL_OK;
}

static pel_status drain(pel_run *run)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    if (st->rows == 0)
        return pel_error_set(pel_run_error(run), PEL_EINVAL, "no image in the stream: nothing to score");
    double means[METRICS];
    for (int i = 0; i < METRICS; i++)
        means[i] = st->counts[i] > 0 ? st->sums[i] / (double)st->counts[i] : (double)NAN;
    put_row(run, "mean", "-", means);
    if (fflush(st->table) != 0 || ferror(st->table))
        return cannot_write(run);
    memset(st->sums, 0, sizeof st->sums);
    memset(st->counts, 0, sizeof st->counts);
    st->rows = 0;
    return s->output != NULL ? publish(run) : PEL_OK;
}

static const pel_program program = {
    .name = "pel-score",
    .summary = "metrics of images against their truth",
    .details = "Writes a table: PSNR, MSE, MAE, SSIM and MS-SSIM of each image, then the mean.\n"
               "Example: pel-read truth:sharp.png restored.png | pel-score\n",
    .options = options,
    .settings_size = sizeof(settings),
    .state_size = sizeof(state),
    .flags = PEL_SINK,
    .start = start,
    .image = image,
    .drain = drain,
    .stop = stop,
};

int main(int argc, char **argv)
{
    return pel_main(&program, argc, argv);
}
