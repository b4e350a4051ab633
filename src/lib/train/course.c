/* course.c - batch after batch, and what is due between them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "course-internal.h"

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The averaged weights on the pictures that are not trained on. */
static pel_status validate(pel_course *c, double *psnr)
{
    const pel_course_params *s = c->params;
    pel_train_state *t = c->state;
    pel_trainer_store(c->trainer, t->average, c->shadow);
    pel_status status = pel_validation_score(pel_run_context(c->run), &c->validation, c->shadow,
                                             (pel_precision)s->precision, psnr);
    if (status != PEL_OK)
        return pel_error_prefix(pel_run_error(c->run), "--validate after step %llu", (unsigned long long)t->now.step);
    pel_note(c->run, "step %llu: %.3f dB", (unsigned long long)t->now.step, *psnr);
    t->now.last_psnr = *psnr;
    t->now.validated = t->now.step;
    if (t->now.step > 0 && (t->now.best_step == 0 || *psnr > t->now.best_psnr)) {
        t->now.best_psnr = *psnr;
        t->now.best_step = t->now.step;
        memcpy(t->best, t->average, t->count * sizeof *t->best);
    }
    return PEL_OK;
}

/* The first pair tells the sizes. */
static pel_status begin(pel_course *c, const pel_bundle *bundle)
{
    double psnr = (double)NAN;
    pel_status status = pel_trainer_begin(pel_run_context(c->run), c->trainer, bundle, pel_feed_sources(c->feed));
    if (status != PEL_OK)
        return status;
    c->state = pel_trainer_state(c->trainer);
    c->state->settings = c->agreed;
    c->state->now.last_psnr = (double)NAN;
    pel_note(c->run, "%zu weights, %zu samples a step, %.1f MB, ranks: %zu", c->state->count,
             pel_trainer_samples(c->trainer), (double)pel_trainer_memory(c->trainer) / 1e6,
             pel_ranks_count(c->params->ranks));
    status = course_open_log(c);
    if (status == PEL_OK && c->validation.count > 0) {
        status = validate(c, &psnr);
        if (status == PEL_OK)
            status = course_write_row(c, (double)NAN, psnr);
    }
    return status;
}

/* Reads a batch; *ended: the stream has, and what was left of it is dropped. */
static pel_status fill(pel_course *c, bool *ended)
{
    const pel_course_params *s = c->params;
    pel_status status = PEL_OK;
    *ended = false;
    for (size_t i = 0; i < (size_t)s->batch && status == PEL_OK; i++) {
        pel_bundle bundle = {NULL, NULL, 0};
        double before = now_s();
        status = pel_feed_next(c->feed, &bundle, ended, pel_run_error(c->run));
        c->wait_s += now_s() - before;
        if (status != PEL_OK || *ended)
            return status;
        if (c->state == NULL)
            status = begin(c, &bundle);
        if (status == PEL_OK && c->described < c->state->feed_count)
            pel_card_add_data(&c->state->now, &bundle, c->described++);
        if (status == PEL_OK)
            status = pel_trainer_put(pel_run_context(c->run), c->trainer, &bundle, i);
        if (status != PEL_OK && bundle.image != NULL && pel_frame_key(bundle.image, "name") != NULL)
            pel_error_prefix(pel_run_error(c->run), "%s", pel_frame_key(bundle.image, "name"));
        pel_bundle_clear(&bundle);
    }
    return status;
}

/* The part of the training that lies behind. */
static double done(pel_course *c)
{
    const pel_course_params *s = c->params;
    if (c->state == NULL)
        return 0;
    double steps = s->steps > 0 ? (double)c->state->now.step / (double)s->steps : 0;
    double hours = s->hours > 0 ? c->state->now.seconds / (3600 * s->hours) : 0;
    return fmin(fmax(steps, hours), 1);
}

/* A loss that grows by leaps is the usual sign that the rate is too great.  It may be below 0, as that in dB is: a leap is
 * one against how the loss goes up and down from step to step. */
static void watch(pel_course *c, double loss)
{
    pel_train_numbers *n = &c->state->now;
    double leap = loss - n->usual_loss;
    if (c->watched > 20 && leap > 20 * c->roughness && leap > fabs(n->usual_loss) / 2 && !c->warned) {
        pel_warn(c->run, "step %llu: the loss is %.4g, and was %.4g: a lower --lr, or --clip, may help",
                 (unsigned long long)n->step, loss, n->usual_loss);
        c->warned = true;
    }
    c->roughness = c->watched == 0 ? 0 : c->watched == 1 ? fabs(leap) : 0.95 * c->roughness + 0.05 * fabs(leap);
    c->watched++;
    n->usual_loss = n->step == 1 ? loss : 0.95 * n->usual_loss + 0.05 * loss;
}

static pel_status explain(pel_course *c, pel_status status)
{
    const pel_course_params *s = c->params;
    pel_error *error = pel_run_error(c->run);
    pel_error cause = *error;
    if (status == PEL_ENUMERIC)
        pel_error_set(error, status, "%s: a lower --lr, or --clip, may help%s", cause.text,
                      s->checkpoint != NULL ? "; the last checkpoint is good" : "");
    pel_error_prefix(error, "step %llu", (unsigned long long)(c->state->now.step + 1));
    return status;
}

/* What is due after a step. */
static pel_status settle(pel_course *c, const pel_trainer_report *report)
{
    const pel_course_params *s = c->params;
    pel_train_numbers *n = &c->state->now;
    double psnr = (double)NAN;
    pel_status status = PEL_OK;
    bool last = done(c) >= 1, checkpoint = last || n->step % (uint64_t)s->checkpoint_every == 0;
    bool measure = c->validation.count > 0 && (last || n->step % (uint64_t)s->validate_every == 0);
    if (measure)
        status = validate(c, &psnr);
    if (status == PEL_OK && (measure || last || n->step % (uint64_t)s->log_every == 0))
        status = course_write_row(c, report->rate, psnr);
    return status == PEL_OK && checkpoint ? course_write_checkpoint(c) : status;
}

static pel_status step(pel_course *c, double begun_s)
{
    const pel_course_params *s = c->params;
    pel_context ctx = *pel_run_context(c->run);
    pel_train_numbers *n = &c->state->now;
    pel_trainer_report report;
    ctx.tick = NULL;
    pel_status status = pel_trainer_step(&ctx, c->trainer, done(c), &report);
    if (status != PEL_OK)
        return explain(c, status);
    double through_s = now_s();
    c->step_s += through_s - begun_s;
    n->seconds += through_s - c->mark_s; /* validation and files included */
    c->mark_s = through_s;
    for (size_t i = 0; i < PEL_TRAIN_SUMS; i++)
        n->sums[i] += report.values[i];
    n->summed++;
    c->norms += report.norm;
    c->stepped++;
    watch(c, report.values[0]);
    char best[48] = "";
    if (n->validated > 0)
        snprintf(best, sizeof best, ", %.2f dB", n->last_psnr);
    pel_run_progress(c->run, s->steps > 0 || s->hours > 0 ? done(c) : 0, "step %llu, loss %.4g%s",
                     (unsigned long long)n->step, n->usual_loss, best);
    return settle(c, &report);
}

/* ---- The end */

static pel_status finish(pel_course *c)
{
    const pel_course_params *s = c->params;
    double psnr = (double)NAN;
    if (c->state == NULL || c->state->now.step == 0)
        return pel_error_set(pel_run_error(c->run), PEL_EINVAL,
                             "the stream ends before the first batch of %ld pairs is full", s->batch);
    pel_train_numbers *n = &c->state->now;
    if (s->steps > 0 && done(c) < 1)
        pel_warn(c->run, "the stream ends after step %llu of %ld", (unsigned long long)n->step, s->steps);
    pel_status status = PEL_OK;
    if (c->validation.count > 0 && n->validated != n->step)
        status = validate(c, &psnr);
    if (status == PEL_OK && (n->summed > 0 || !isnan(psnr))) {
        status = course_write_row(c, (double)NAN, psnr);
        if (status == PEL_OK)
            status = course_write_checkpoint(c);
    }
    return status == PEL_OK ? course_write_models(c) : status;
}

pel_status pel_course_run(pel_course *c)
{
    bool ended = false;
    pel_status status = PEL_OK;
    if (pel_ranks_own(c->params->ranks) > 0)
        return pel_trainer_serve(pel_run_context(c->run), c->trainer);
    if (c->params->peek)
        return course_write_models(c);
    c->mark_s = now_s();
    while (status == PEL_OK && done(c) < 1) {
        double begun_s = now_s();
        status = fill(c, &ended);
        if (status != PEL_OK || ended)
            break;
        status = step(c, begun_s);
    }
    return status == PEL_OK ? finish(c) : status;
}
