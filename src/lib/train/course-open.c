/* course-open.c - everything that a training run needs, from its options and its checkpoint.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pellucid/crc.h>
#include <pellucid/models.h>

#include "course-internal.h"

static pel_status model_checksum(const pel_model *model, uint32_t *crc, pel_error *error)
{
    void *bytes;
    size_t count;
    pel_status status = pel_model_serialize(model, &bytes, &count, error);
    if (status == PEL_OK) {
        *crc = pel_crc32(0, bytes, count);
        pel_free(bytes);
    }
    return status;
}

static pel_status agree(pel_course *c, const char *schedule)
{
    const pel_course_params *s = c->params;
    uint32_t crc = 0;
    pel_status status = model_checksum(c->model, &crc, pel_run_error(c->run));
    bool cosine = strcmp(schedule, "cosine") == 0;
    snprintf(c->agreed, sizeof c->agreed,
             "model=%08x\nloss=%.200s\nbatch=%ld\nlr=%.17g\nschedule=%.100s\nsteps=%ld\nhours=%.17g\nwarmup=%ld\n"
             "clip=%.17g\ndecay=%.17g\nema=%.17g\noptimizer=%d\nprecision=%d\nseed=%llu\nvalidate=%d\nvalidate-every=%ld\n",
             (unsigned)crc, s->loss, s->batch, s->rate, schedule, cosine ? s->steps : 0, cosine ? s->hours : 0, s->warmup,
             s->clip, s->decay, s->ema, s->optimizer, s->precision, (unsigned long long)pel_run_seed(c->run), s->validate != NULL,
             s->validate_every);
    return status;
}

static pel_status make_trainer(pel_course *c)
{
    const pel_course_params *s = c->params;
    pel_error *error = pel_run_error(c->run);
    pel_trainer_params params = {.batch = (size_t)s->batch, .schedule = {.rate = s->rate, .warmup = (uint64_t)s->warmup},
                                 .adam = PEL_ADAM_USUAL, .muon = s->optimizer == 1, .clip = s->clip, .average = s->ema,
                                 .precision = (pel_precision)s->precision, .seed = pel_run_seed(c->run),
                                 .ranks = s->ranks};
    const char *schedule = s->schedule != NULL               ? s->schedule
                           : s->steps > 0 || s->hours > 0 ? "cosine" : "constant";
    params.adam.decay = s->decay;
    pel_status status = pel_schedule_parse(schedule, &params.schedule, error);
    if (status == PEL_OK)
        status = pel_loss_parse(s->loss, &c->loss, error);
    if (status == PEL_OK)
        status = pel_models_open(s->model, pel_run_memory(c->run), &c->model, error);
    if (status == PEL_OK)
        status = pel_models_open(s->model, pel_run_memory(c->run), &c->shadow, error);
    if (status == PEL_OK)
        status = agree(c, schedule);
    params.checksum = pel_crc32(pel_crc32(0, c->agreed, strlen(c->agreed)), pel_version(), strlen(pel_version()));
    return status == PEL_OK ? pel_trainer_new(c->model, c->loss, &params, &c->trainer, error) : status;
}

pel_status course_open_log(pel_course *c)
{
    const pel_course_params *s = c->params;
    return s->log != NULL ? pel_log_open(s->log, c->loss, c->state->now.log_bytes, &c->log, pel_run_error(c->run))
                          : PEL_OK;
}

static pel_status resume(pel_course *c)
{
    const pel_course_params *s = c->params;
    pel_train_state kept = {.settings = c->agreed, .feed_count = pel_feed_sources(c->feed)};
    pel_status status = pel_checkpoint_read(s->checkpoint, &kept, pel_run_error(c->run));
    if (status != PEL_OK) {
        pel_train_state_free(&kept);
        return status;
    }
    status = pel_trainer_resume(pel_run_context(c->run), c->trainer, &kept);
    c->state = pel_trainer_state(c->trainer);
    c->described = c->state->feed_count;
    if (s->peek)
        return status;
    pel_note(c->run, "going on after step %llu", (unsigned long long)c->state->now.step);
    if (status == PEL_OK)
        status = pel_feed_seek(c->feed, c->state->feeds, c->state->now.turn, pel_run_error(c->run));
    return status == PEL_OK ? course_open_log(c) : status;
}

static pel_status open_all(pel_course *c)
{
    const pel_course_params *s = c->params;
    pel_error *error = pel_run_error(c->run);
    size_t memory = pel_run_memory(c->run);
    pel_status status = make_trainer(c);
    if (pel_ranks_own(s->ranks) > 0)
        return status;
    if (status == PEL_OK)
        status = pel_trainer_gather(pel_run_context(c->run), c->trainer);
    if (status == PEL_OK && s->validate != NULL)
        status = pel_validation_read(s->validate, memory, &c->validation, error);
    if (status == PEL_OK)
        status = pel_feed_new(STDIN_FILENO, s->pairs_from.at, s->pairs_from.count, pel_run_seed(c->run), memory,
                              &c->feed, error);
    if (status == PEL_OK && (s->peek || (s->resume && access(s->checkpoint, F_OK) == 0)))
        status = resume(c);
    return status;
}

pel_status pel_course_open(pel_run *run, const pel_course_params *params, pel_course **course)
{
    pel_course *c = calloc(1, sizeof *c);
    *course = c;
    if (c == NULL)
        return pel_error_set(pel_run_error(run), PEL_ENOMEM, "out of memory");
    c->run = run;
    c->params = params;
    return open_all(c);
}

void pel_course_free(pel_course *c)
{
    if (c == NULL)
        return;
    pel_feed_free(c->feed);
    pel_trainer_free(c->trainer);
    pel_loss_free(c->loss);
    pel_validation_clear(&c->validation);
    if (c->log != NULL)
        pel_log_close(c->log);
    pel_model_free(c->model);
    pel_model_free(c->shadow);
    free(c);
}
