/* pel-info.c - what is in a stream: a line a frame.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <pellucid/driver.h>
#include <pellucid/io.h>
#include <pellucid/stats.h>

#include "lib/plot/sheet.h"

typedef struct {
    bool stats, history;
    const char *psf;
} settings;

typedef struct {
    uint64_t number;
    bool titled;
    pel_frame *psfs[PEL_SHEET_MOST]; /* for --psf */
    size_t psf_count;
} state;

#define AT(member) offsetof(settings, member)
static const pel_option options[] = {
    {"stats", 0, PEL_OPT_FLAG, AT(stats), 0, 0, NULL, NULL, NULL,
     "also minimum, maximum, mean, standard deviation, noise estimate and count of bad samples"},
    {"history", 0, PEL_OPT_FLAG, AT(history), 0, 0, NULL, NULL, NULL,
     "print the history of the stream as plain text instead"},
    {"psf", 0, PEL_OPT_TEXT, AT(psf), 0, 0, NULL, "FILE", NULL,
     "also draw the PSFs of the stream, with spectrum and profile, into this picture"},
    {NULL}};

/* Bytes of the character at p if it is printable text in UTF-8 (RFC 3629), else 0. */
static size_t printable(const unsigned char *p, size_t count)
{
    if (*p < 0x80)
        return *p >= 0x20 && *p != 0x7f;
    size_t n = *p >= 0xc2 && *p < 0xe0 ? 2 : *p >= 0xe0 && *p < 0xf0 ? 3 : *p >= 0xf0 && *p < 0xf5 ? 4 : 0;
    if (n == 0 || n > count)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool control = *p == 0xc2 && p[1] < 0xa0; /* C1: a terminal acts on them */
    bool longer = (*p == 0xe0 && p[1] < 0xa0) || (*p == 0xf0 && p[1] < 0x90);
    bool beyond = (*p == 0xed && p[1] > 0x9f) || (*p == 0xf4 && p[1] > 0x8f);
    return control || longer || beyond ? 0 : n;
}

/* Bytes that a terminal might act on, and those in `also`, are shown as %XX, as the stream has
 * them; those in `as_is` are not. */
static void put_text(const uint8_t *text, size_t count, const char *also, const char *as_is)
{
    for (size_t i = 0; i < count;) {
        char c = (char)text[i];
        size_t n = c != '\0' && strchr(also, c) != NULL ? 0 : printable(text + i, count - i);
        if (n == 0 && c != '\0' && strchr(as_is, c) != NULL)
            n = 1;
        if (n == 0)
            printf("%%%02X", text[i]);
        fwrite(text + i, 1, n, stdout);
        i += n > 0 ? n : 1;
    }
}

static void put_number(double v)
{
    if (isnan(v))
        fputs("\t-", stdout);
    else
        printf("\t%.6g", v);
}

static pel_status put_stats(pel_run *run, const pel_frame *frame)
{
    if (frame->type != PEL_F32 || frame->bytes == 0) {
        fputs("\t-\t-\t-\t-\t-\t-", stdout);
        return PEL_OK;
    }
    const float *v = pel_frame_floats(frame);
    pel_stats s = pel_stats_of(v, pel_size_count(frame->size));
    double noise = (double)NAN;
    /* Too few samples for an estimate is nothing to fail for. */
    if (pel_noise_estimate(pel_run_context(run), v, frame->size, NULL, 1, &noise) == PEL_ENOMEM)
        return PEL_ENOMEM;
    pel_run_error(run)->status = PEL_OK;
    put_number(s.min);
    put_number(s.max);
    put_number(s.mean);
    put_number(s.sd);
    put_number(noise);
    printf("\t%zu", s.bad);
    return PEL_OK;
}

static pel_status frame(pel_run *run, pel_frame *f)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    if (s->psf != NULL && strcmp(f->role, "psf") == 0) {
        if (st->psf_count < PEL_SHEET_MOST)
            st->psfs[st->psf_count] = pel_frame_ref(f);
        else if (st->psf_count == PEL_SHEET_MOST)
            pel_warn(run, "only the first %d PSFs are drawn", PEL_SHEET_MOST);
        st->psf_count++;
    }
    if (s->history) {
        if (strcmp(f->role, "meta") == 0 && strcmp(pel_frame_slot(f), "history") == 0)
            put_text(pel_frame_bytes(f), f->bytes, "", "\n\t");
        return PEL_OK;
    }
    if (!st->titled)
        printf("number\trole\tsize\ttype%s\tkeys\n",
               s->stats ? "\tmin\tmax\tmean\tsd\tnoise\tbad" : "");
    st->titled = true;
    printf("%llu\t%s\t%zux%zux%zux%zu\t%s", (unsigned long long)st->number++, f->role, f->size.w,
           f->size.h, f->size.d, f->size.c, f->type == PEL_U8 ? "u8" : "f32");
    if (s->stats) {
        pel_status status = put_stats(run, f);
        if (status != PEL_OK)
            return status;
    }
    putchar('\t');
    for (size_t i = 0; i < f->key_count; i++) {
        printf("%s%s=", i > 0 ? " " : "", f->keys[i].name);
        const char *value = f->keys[i].value;
        put_text((const uint8_t *)value, strlen(value), " %", "");
    }
    putchar('\n');
    return PEL_OK;
}

static pel_status start(pel_run *run)
{
    const settings *s = pel_run_settings(run);
    return s->psf == NULL || pel_file_format(s->psf) != NULL
               ? PEL_OK
               : pel_error_set(pel_run_error(run), PEL_EUSAGE,
                               "--psf %s: no picture format has this extension", s->psf);
}

static void forget_psfs(state *st)
{
    for (size_t i = 0; i < st->psf_count && i < PEL_SHEET_MOST; i++)
        pel_frame_unref(st->psfs[i]);
    st->psf_count = 0;
}

/* Of all PSFs so far: after a further stream the sheet is written anew. */
static pel_status write_sheet(pel_run *run, const char *path)
{
    state *st = pel_run_state(run);
    pel_error *error = pel_run_error(run);
    pel_frame *sheet;
    pel_file_writer *writer = NULL;
    const pel_write_params params = {.sample = PEL_SAMPLE_U8, .quality = 95, .compress = true};
    pel_write_report report;
    size_t count = st->psf_count < PEL_SHEET_MOST ? st->psf_count : PEL_SHEET_MOST;
    if (count == 0)
        return pel_error_set(error, PEL_EINVAL, "--psf: the stream has no PSF");
    pel_status status = pel_draw_sheet(pel_run_context(run), st->psfs, count, &sheet);
    if (status != PEL_OK)
        return status;
    pel_bundle bundle = {NULL, NULL, 0};
    pel_bundle_set_image(&bundle, sheet);
    status = pel_file_create(path, pel_file_format(path), &params, &writer, error);
    if (status == PEL_OK)
        status = pel_file_append(writer, &bundle, error);
    if (status == PEL_OK)
        status = pel_file_finish(writer, &report, error);
    if (status == PEL_OK)
        status = pel_file_publish(writer, error);
    pel_file_writer_free(writer);
    pel_bundle_clear(&bundle);
    pel_frame_unref(sheet);
    return status;
}

static void stop(pel_run *run)
{
    forget_psfs(pel_run_state(run));
}

static pel_status drain(pel_run *run)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    st->number = 0;
    if (s->psf != NULL) {
        pel_status status = write_sheet(run, s->psf);
        if (status != PEL_OK)
            return status;
    }
    if (fflush(stdout) != 0 || ferror(stdout))
        return pel_error_set(pel_run_error(run), errno == EPIPE ? PEL_ECLOSED : PEL_EIO,
                             "cannot write: %s", strerror(errno));
    return PEL_OK;
}

static const pel_program program = {
    .name = "pel-info",
    .summary = "what is in a stream",
    .details = "Prints a line a frame: number, role, size, type, keys; columns are separated by "
               "tabs.\nExample: pel-read night.tif | pel-info --stats\n",
    .options = options,
    .settings_size = sizeof(settings),
    .state_size = sizeof(state),
    .flags = PEL_SINK,
    .start = start,
    .frame = frame,
    .drain = drain,
    .stop = stop,
};

int main(int argc, char **argv)
{
    return pel_main(&program, argc, argv);
}
