/* pel-train.c - trains a model on the pairs of a stream.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pellucid/driver.h>
#include <pellucid/loss.h>

#include "lib/plot/curve.h"
#include "lib/train/course.h"

typedef struct {
    pel_course_params course;
    const char *plot;
} settings;

typedef struct {
    pel_course *course;
} state;

static pel_ranks *ranks; /* of main: one a process, as MPI is */

#define COURSE(member) offsetof(settings, course.member)
static const pel_option options[] = {
    {"model", 'm', PEL_OPT_TEXT, COURSE(model), 0, 0, NULL, "NAME|FILE", NULL,
     "the model to start from: an ONNX file (pel-net writes untrained ones), or the name of one in the models' folder"},
    {"output", 'o', PEL_OPT_TEXT, COURSE(output), 0, 0, NULL, "FILE", NULL,
     "the trained model: with --validate the best that was met, and beside NAME.onnx the last as NAME-last.onnx; with --plot the drawing"},
    {"steps", 0, PEL_OPT_INTEGER, COURSE(steps), 0, 1e9, "0", "N", NULL, "steps to train for; 0: until the stream ends"},
    {"hours", 0, PEL_OPT_REAL, COURSE(hours), 0, 10000, "0", "X", NULL, "stop after that time; 0: no limit"},
    {"batch", 0, PEL_OPT_INTEGER, COURSE(batch), 1, 65536, "16", "N", NULL, "pairs of a step"},
    {"loss", 0, PEL_OPT_TEXT, COURSE(loss), 0, 0, "charbonnier", "TERM[:WEIGHT],...", NULL,
     "what is made small: the weighted sum of these"},
    {"optimizer", 0, PEL_OPT_CHOICE, COURSE(optimizer), 0, 0, "adam", NULL, "adam|muon",
     "what makes steps of gradients; muon makes those of a layer's matrix orthogonal"},
    {"lr", 0, PEL_OPT_REAL, COURSE(rate), 0, 100, "1e-3", "X", NULL, "learning rate"},
    {"schedule", 0, PEL_OPT_TEXT, COURSE(schedule), 0, 0, NULL, "KIND", NULL,
     "how it falls: constant, cosine, or step:EVERY[,FACTOR] (default: cosine where --steps or --hours are given)"},
    {"warmup", 0, PEL_OPT_INTEGER, COURSE(warmup), 0, 1e9, "0", "N", NULL, "steps over which it rises at first"},
    {"clip", 0, PEL_OPT_REAL, COURSE(clip), 0, 1e30, "0", "X", NULL, "greatest norm of the gradient; 0: any"},
    {"decay", 0, PEL_OPT_REAL, COURSE(decay), 0, 100, "0", "X", NULL,
     "weights shrink by this times the learning rate each step (AdamW)"},
    {"ema", 0, PEL_OPT_REAL, COURSE(ema), 0, 0.999999, "0.999", "X", NULL,
     "decay of the running average of weights, which is what is written; 0: the weights themselves"},
    {"precision", 0, PEL_OPT_CHOICE, COURSE(precision), 0, 0, "fp32", NULL, "fp32|bf16",
     "of products: float; or bfloat16 summed in float"},
    {"pairs-from", 0, PEL_OPT_TEXTS, COURSE(pairs_from), 0, 0, NULL, "COMMAND", NULL,
     "read pairs from this shell command, not stdin, and start it again when it ends; several take turns"},
    {"validate", 0, PEL_OPT_TEXT, COURSE(validate), 0, 0, NULL, "FILE", NULL,
     "a stream with truth, on which the model is measured"},
    {"validate-every", 0, PEL_OPT_INTEGER, COURSE(validate_every), 1, 1e9, "500", "N", NULL, "steps between"},
    {"checkpoint", 0, PEL_OPT_TEXT, COURSE(checkpoint), 0, 0, NULL, "FILE", NULL, "keep the state of the run there"},
    {"checkpoint-every", 0, PEL_OPT_INTEGER, COURSE(checkpoint_every), 1, 1e9, "200", "N", NULL, "steps between"},
    {"resume", 0, PEL_OPT_FLAG, COURSE(resume), 0, 0, NULL, NULL, NULL,
     "go on from the checkpoint, if there is one, to the result of a run that was never stopped"},
    {"peek", 0, PEL_OPT_FLAG, COURSE(peek), 0, 0, NULL, NULL, NULL,
     "write the models as they were at the checkpoint, and stop: a run that goes on is not disturbed"},
    {"log", 0, PEL_OPT_TEXT, COURSE(log), 0, 0, NULL, "FILE", NULL, "write a table of the course there"},
    {"log-every", 0, PEL_OPT_INTEGER, COURSE(log_every), 1, 1e9, "10", "N", NULL, "steps of a row"},
    {"plot", 0, PEL_OPT_TEXT, offsetof(settings, plot), 0, 0, NULL, "FILE", NULL,
     "draw the curves of such a table to -o FILE.svg, and exit"},
    {NULL}};

static bool print(pel_run *run, pel_status *status)
{
    const settings *s = pel_run_settings(run);
    if (s->plot == NULL)
        return false;
    *status = s->course.output == NULL
                  ? pel_error_set(pel_run_error(run), PEL_EUSAGE, "no file is named for the drawing: -o FILE.svg")
                  : pel_draw_curves(s->plot, s->course.output, pel_run_error(run));
    return true;
}

static pel_status check_usage(const pel_course_params *s, pel_error *error)
{
    if (s->model == NULL)
        return pel_error_set(error, PEL_EUSAGE, "no model is given: -m FILE.onnx (pel-net writes one)");
    if (s->output == NULL)
        return pel_error_set(error, PEL_EUSAGE, "no file is named for the trained model: -o FILE.onnx");
    if (s->resume && s->checkpoint == NULL)
        return pel_error_set(error, PEL_EUSAGE, "--resume: from which --checkpoint FILE?");
    if (s->peek && s->checkpoint == NULL)
        return pel_error_set(error, PEL_EUSAGE, "--peek: at which --checkpoint FILE?");
    bool ends = s->steps > 0 || s->hours > 0;
    if (s->pairs_from.count > 0 && !ends)
        return pel_error_set(error, PEL_EUSAGE, "--pairs-from goes on for ever: give --steps or --hours");
    if (!ends && s->schedule != NULL && strcmp(s->schedule, "cosine") == 0)
        return pel_error_set(error, PEL_EUSAGE, "--schedule cosine: give --steps or --hours, when it ends");
    return PEL_OK;
}

/* Of the process that reads and writes them. */
static pel_status check_files(const pel_course_params *s, pel_error *error)
{
    if (s->pairs_from.count == 0 && !s->peek && isatty(STDIN_FILENO))
        return pel_error_set(error, PEL_EUSAGE, "no stream on the terminal: pipe one in, or give --pairs-from");
    if (s->checkpoint != NULL && !s->resume && !s->peek && access(s->checkpoint, F_OK) == 0)
        return pel_error_set(error, PEL_EINVAL, "%s is there: --resume goes on with it; or remove it", s->checkpoint);
    char *copy = strdup(s->output); /* hours later would be late */
    bool writable = copy != NULL && access(dirname(copy), W_OK | X_OK) == 0;
    free(copy);
    return writable ? PEL_OK : pel_error_set(error, PEL_EIO, "cannot write %s: %s", s->output, strerror(errno));
}

static pel_status start(pel_run *run)
{
    pel_course_params *s = &((settings *)pel_run_settings(run))->course;
    state *st = pel_run_state(run);
    s->ranks = ranks;
    pel_status status = check_usage(s, pel_run_error(run));
    if (status == PEL_OK && pel_ranks_own(ranks) == 0)
        status = check_files(s, pel_run_error(run));
    return status == PEL_OK ? pel_course_open(run, s, &st->course) : status;
}

static pel_status source(pel_run *run)
{
    return pel_course_run(((const state *)pel_run_state(run))->course);
}

static void stop(pel_run *run)
{
    pel_course_free(((const state *)pel_run_state(run))->course);
}

static const char description[] =
    "Reads images with their truth and companions, and writes a model that makes one of the other.\n"
    "Example: pel-read *.jpg | pel-crop --random 64 --repeat 4000 | pel-noise 25/255 |\n"
    "           pel-train -m net.onnx -o denoise.onnx\n\n";
static char details[2048]; /* filled in by main */

static const pel_program program = {
    .name = "pel-train",
    .summary = "trains a neural network on the pairs of a stream",
    .details = details,
    .options = options,
    .settings_size = sizeof(settings),
    .state_size = sizeof(state),
    .flags = PEL_SOURCE | PEL_SINK | PEL_SEEDED,
    .print = print,
    .start = start,
    .source = source,
    .stop = stop,
};

static char last_words[600]; /* of a rank for which rank 0 speaks */

static void keep_message(const char *text)
{
    snprintf(last_words, sizeof last_words, "%s", text);
}

int main(int argc, char **argv)
{
    pel_program here = program;
    pel_error error;
    snprintf(details, sizeof details, "%s%s", description, pel_loss_help);
    if (pel_ranks_open(&ranks, &error) != PEL_OK) {
        fprintf(stderr, "%s: %s\n", program.name, error.text);
        return error.status == PEL_EUSAGE ? 2 : 1;
    }
    if (pel_ranks_own(ranks) > 0)
        here.message = keep_message;
    int code = pel_main(&here, argc, argv);
    bool serves = pel_ranks_own(ranks) > 0;
    pel_ranks_close(ranks, code == 0 ? PEL_OK : code == 2 ? PEL_EUSAGE : PEL_EIO, last_words);
    return serves ? 0 : code; /* rank 0's is that of all */
}
