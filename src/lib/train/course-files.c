/* course-files.c - what a training run writes: rows of its log, checkpoints, models.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "course-internal.h"

pel_status course_write_checkpoint(pel_course *c)
{
    const pel_course_params *s = c->params;
    if (s->checkpoint == NULL)
        return PEL_OK;
    pel_trainer_keep(c->trainer);
    pel_feed_tell(c->feed, c->state->feeds, &c->state->now.turn);
    return pel_checkpoint_write(s->checkpoint, c->state, pel_run_error(c->run));
}

static pel_status write_model(pel_course *c, const char *path, const float *weights, uint64_t step, double psnr)
{
    const pel_course_params *s = c->params;
    pel_card card = {.command = pel_run_command(c->run), .loss = s->loss, .batch = (size_t)s->batch, .step = step,
                     .psnr = psnr, .pictures = c->validation.count};
    pel_trainer_store(c->trainer, weights, c->shadow);
    pel_card_write(c->shadow, c->state, &card);
    return pel_model_write(c->shadow, path, pel_run_error(c->run));
}

/* "-last" before the extension. */
static pel_status write_last(pel_course *c)
{
    const pel_course_params *s = c->params;
    char path[4096];
    const char *dot = strrchr(s->output, '.'), *slash = strrchr(s->output, '/');
    int stem = (int)(dot != NULL && (slash == NULL || dot > slash) ? (size_t)(dot - s->output) : strlen(s->output));
    int n = snprintf(path, sizeof path, "%.*s-last%s", stem, s->output, s->output + stem);
    if (n < 0 || (size_t)n >= sizeof path)
        return pel_error_set(pel_run_error(c->run), PEL_EINVAL, "the name of the trained model is too long");
    return write_model(c, path, c->state->average, c->state->now.step, c->state->now.last_psnr);
}

pel_status course_write_row(pel_course *c, double rate, double psnr)
{
    pel_train_numbers *n = &c->state->now;
    double values[PEL_TRAIN_SUMS], count = (double)n->summed;
    for (size_t i = 0; i < PEL_TRAIN_SUMS && n->summed > 0; i++)
        values[i] = n->sums[i] / count;
    pel_log_row row = {.step = n->step, .values = n->summed > 0 ? values : NULL, .rate = rate, .psnr = psnr,
                       .norm = (double)NAN, .samples_s = (double)NAN, .waiting = (double)NAN};
    if (c->stepped > 0)
        row.norm = c->norms / (double)c->stepped;
    if (n->summed > 0 && c->step_s > 0) { /* not after a resumption, of steps before it */
        row.samples_s = count * (double)pel_trainer_samples(c->trainer) / c->step_s;
        row.waiting = c->wait_s / c->step_s;
    }
    memset(n->sums, 0, sizeof n->sums);
    n->summed = 0;
    c->step_s = c->wait_s = c->norms = 0;
    c->stepped = 0;
    return c->log != NULL ? pel_log_write(c->log, &row, &n->log_bytes, pel_run_error(c->run)) : PEL_OK;
}

pel_status course_write_models(pel_course *c)
{
    const pel_train_state *t = c->state;
    if (c->validation.count == 0 || t->now.best_step == 0) /* or at a checkpoint before the first */
        return write_model(c, c->params->output, t->average, t->now.step, (double)NAN);
    pel_status status = write_last(c);
    return status == PEL_OK ? write_model(c, c->params->output, t->best, t->now.best_step, t->now.best_psnr) : status;
}
