/* trainer.c - batches, the loss of each sample, and the step along their gradient.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pellucid/pool.h>

#include "trainer-internal.h"

pel_status pel_trainer_new(pel_model *model, pel_loss *loss, const pel_trainer_params *params, pel_trainer **trainer,
                           pel_error *error)
{
    pel_trainer *t = calloc(1, sizeof *t);
    *trainer = t;
    if (t == NULL)
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    t->model = model;
    t->loss = loss;
    t->params = *params;
    pel_status status = pel_cnn_new(model, &t->cnn, error);
    if (status == PEL_OK && pel_loss_count(loss) + 2 > PEL_TRAIN_SUMS)
        status = pel_error_set(error, PEL_EUSAGE, "the loss has more than %d terms", PEL_TRAIN_SUMS - 2);
    if (status != PEL_OK) {
        pel_trainer_free(t);
        *trainer = NULL;
    }
    return status;
}

void pel_trainer_free(pel_trainer *t)
{
    if (t == NULL)
        return;
    pel_gradient_free(t->gradient);
    pel_cnn_free(t->cnn);
    pel_train_state_free(&t->state);
    pel_free(t->pictures);
    pel_free(t->along);
    free(t->matrices);
    free(t->values);
    free(t->inputs);
    free(t->estimates);
    free(t->truths);
    free(t->samples);
    free(t);
}

pel_train_state *pel_trainer_state(pel_trainer *t) { return &t->state; }
size_t pel_trainer_samples(const pel_trainer *t) { return t->sample_count; }

size_t pel_trainer_memory(const pel_trainer *t)
{
    return pel_gradient_memory(t->gradient) + 6 * t->state.count * sizeof(float);
}

/* ---- Compiling */

/* Where each sample's pictures are: inputs and target of all samples, then the estimates, so that a rank's share of
 * either is in one piece. */
static void place_samples(pel_trainer *t)
{
    const pel_cnn_pair *p = &t->state.pair;
    size_t made = pel_size_count(p->target);
    for (size_t i = 0; i < t->here; i++) {
        sample *s = &t->samples[i];
        float *at = t->pictures + i * t->pair_floats;
        for (size_t k = 0; k < p->input_count; k++) {
            s->inputs[k] = at;
            at += pel_size_count(p->inputs[k]);
        }
        s->target = at;
        s->estimate = t->made != NULL ? t->made + i * made : NULL;
        t->inputs[i] = (const float *const *)s->inputs;
        t->truths[i] = s->target;
        t->estimates[i] = s->estimate;
    }
}

#define MOST_SIDE 65536 /* of pairs, and of channels, in a checkpoint */
#define MOST_CHANNELS 4096

static pel_status set_samples(const pel_context *ctx, pel_trainer *t)
{
    const pel_cnn_pair *p = &t->state.pair;
    size_t made = pel_loss_learns(t->loss) ? pel_size_count(p->target) : 0, first;
    t->pair_floats = pel_size_count(p->target);
    for (size_t k = 0; k < p->input_count; k++)
        t->pair_floats += pel_size_count(p->inputs[k]);
    t->sample_count = t->params.batch * p->samples;
    t->share = pel_ranks_share(t->params.ranks, t->sample_count, &first);
    t->here = pel_ranks_own(t->params.ranks) == 0 ? t->sample_count : t->share;
    size_t floats = t->pair_floats + made, most = SIZE_MAX / sizeof(float) / t->sample_count;
    if (floats > most || (ctx->memory != 0 && t->here * floats > ctx->memory / sizeof(float)))
        return pel_error_set(ctx->error, PEL_ELIMIT, "a batch of %zu samples is over the memory cap", t->sample_count);
    t->samples = calloc(t->here + 1, sizeof *t->samples);
    t->inputs = calloc(t->here + 1, sizeof *t->inputs);
    t->estimates = calloc(t->here + 1, sizeof *t->estimates);
    t->truths = calloc(t->here + 1, sizeof *t->truths);
    t->values = calloc(t->here + 1, sizeof *t->values);
    t->pictures = pel_alloc_floats(t->here * floats + 1);
    t->along = pel_alloc_floats(pel_gradient_size(t->gradient));
    if (t->samples == NULL || t->inputs == NULL || t->estimates == NULL || t->truths == NULL || t->values == NULL ||
        t->pictures == NULL || t->along == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory for %zu samples", t->here);
    t->made = made > 0 ? t->pictures + t->here * t->pair_floats : NULL;
    place_samples(t);
    return PEL_OK;
}

static pel_status find_matrices(const pel_context *ctx, pel_trainer *t)
{
    size_t count;
    const pel_parameter *p = pel_gradient_parameters(t->gradient, &count);
    t->matrices = calloc(count + 1, sizeof *t->matrices);
    if (t->matrices == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    for (size_t i = 0; i < count; i++) {
        pel_muon_matrix matrix = {.offset = p[i].offset};
        if (pel_muon_takes(p[i].tensor, &matrix))
            t->matrices[t->matrix_count++] = matrix;
    }
    return PEL_OK;
}

pel_status trainer_compile(const pel_context *ctx, pel_trainer *t)
{
    const pel_cnn_pair *p = &t->state.pair;
    pel_gradient_options options = {.precision = t->params.precision, .parameters = true};
    pel_status status = pel_gradient_new(ctx, t->model, p->inputs, &options, &t->gradient);
    if (status != PEL_OK)
        return status;
    pel_size made = pel_gradient_output(t->gradient, 0);
    if (!pel_size_equal(made, p->target))
        return pel_error_set(ctx->error, PEL_EINVAL, "the model makes %zux%zu with %zu channels, the truth is %zux%zu "
                             "with %zu", made.w, made.h, made.c, p->target.w, p->target.h, p->target.c);
    if (pel_gradient_size(t->gradient) == 0)
        return pel_error_set(ctx->error, PEL_EINVAL, "the model has no weights to train");
    status = pel_loss_prepare(ctx, t->loss, p->target, pel_pool_threads(ctx->pool));
    if (status == PEL_OK && t->params.muon)
        status = find_matrices(ctx, t);
    return status == PEL_OK ? set_samples(ctx, t) : status;
}

/* The model's own weights are where everything starts. */
static void load_weights(pel_trainer *t)
{
    size_t count;
    const pel_parameter *p = pel_gradient_parameters(t->gradient, &count);
    for (size_t i = 0; i < count; i++)
        memcpy(t->state.weights + p[i].offset, p[i].tensor->floats, p[i].count * sizeof(float));
    memcpy(t->state.average, t->state.weights, t->state.count * sizeof(float));
}

pel_status pel_trainer_begin(const pel_context *ctx, pel_trainer *t, const pel_bundle *bundle, size_t sources)
{
    pel_status status = pel_cnn_pair_sizes(ctx, t->cnn, bundle, &t->state.pair);
    if (status == PEL_OK)
        status = trainer_begin_all(ctx, t);
    if (status == PEL_OK)
        status = trainer_compile(ctx, t);
    size_t extra = 0;
    if (status == PEL_OK)
        (void)pel_loss_state(t->loss, &extra);
    if (status == PEL_OK)
        status = pel_train_state_new(pel_gradient_size(t->gradient), sources, extra, &t->state, ctx->error);
    if (status == PEL_OK)
        load_weights(t);
    return status == PEL_OK ? trainer_load_all(ctx, t) : status;
}

static pel_status restore_loss(const pel_context *ctx, pel_trainer *t)
{
    size_t count;
    float *learned = pel_loss_state(t->loss, &count);
    if (count != t->state.extra_count)
        return pel_error_set(ctx->error, PEL_EINVAL, "the checkpoint is of another critic");
    if (count == 0)
        return PEL_OK;
    memcpy(learned, t->state.extra, count * sizeof *learned);
    return pel_loss_restore(ctx, t->loss);
}

/* A checkpoint may come from a stranger: its sizes are those of pictures, and all of them together can be allocated. */
static pel_status check_pair(const pel_context *ctx, const pel_trainer *t)
{
    const pel_cnn_pair *p = &t->state.pair;
    bool good = p->input_count == t->model->input_count && p->samples >= 1 && p->samples <= MOST_CHANNELS;
    for (size_t k = 0; k <= p->input_count && good; k++) {
        pel_size s = k < p->input_count ? p->inputs[k] : p->target;
        good = s.d == 1 && s.w >= 1 && s.w <= MOST_SIDE && s.h >= 1 && s.h <= MOST_SIDE && s.c >= 1 &&
               s.c <= MOST_CHANNELS;
    }
    return good ? PEL_OK : pel_error_set(ctx->error, PEL_EINVAL, "the checkpoint is of another model");
}

pel_status pel_trainer_resume(const pel_context *ctx, pel_trainer *t, pel_train_state *state)
{
    t->state = *state;
    pel_status status = check_pair(ctx, t);
    if (status == PEL_OK)
        status = trainer_begin_all(ctx, t);
    if (status == PEL_OK)
        status = trainer_compile(ctx, t);
    if (status == PEL_OK && pel_gradient_size(t->gradient) != t->state.count)
        status = pel_error_set(ctx->error, PEL_EINVAL, "the checkpoint is of another model: %zu weights, not %zu",
                               t->state.count, pel_gradient_size(t->gradient));
    if (status == PEL_OK)
        status = restore_loss(ctx, t);
    return status == PEL_OK ? trainer_load_all(ctx, t) : status;
}

void pel_trainer_keep(pel_trainer *t)
{
    size_t count;
    const float *learned = pel_loss_state(t->loss, &count);
    if (count > 0)
        memcpy(t->state.extra, learned, count * sizeof *learned);
}

/* ---- Batches */

static pel_status compare(const pel_context *ctx, const pel_cnn_pair *pair, const pel_cnn_pair *first)
{
    bool same = pair->samples == first->samples && pel_size_equal(pair->target, first->target);
    for (size_t k = 0; k < pair->input_count && same; k++)
        same = pel_size_equal(pair->inputs[k], first->inputs[k]);
    return same ? PEL_OK
                : pel_error_set(ctx->error, PEL_EINVAL, "a pair of %zux%zu with %zu channels, the first was of %zux%zu "
                                "with %zu: all must have one size (pel-crop --random)", pair->target.w, pair->target.h,
                                pair->target.c * pair->samples, first->target.w, first->target.h,
                                first->target.c * first->samples);
}

pel_status pel_trainer_put(const pel_context *ctx, pel_trainer *t, const pel_bundle *bundle, size_t place)
{
    pel_cnn_pair pair;
    pel_status status = pel_cnn_pair_sizes(ctx, t->cnn, bundle, &pair);
    if (status == PEL_OK)
        status = compare(ctx, &pair, &t->state.pair);
    for (size_t k = 0; k < pair.samples && status == PEL_OK; k++) {
        sample *s = &t->samples[place * pair.samples + k];
        status = pel_cnn_pair_take(ctx, t->cnn, bundle, &pair, k, s->inputs, s->target);
    }
    return status;
}

/* ---- Steps */

/* The first output is what is compared; others have no part in the loss. */
static pel_status sample_loss(void *arg, size_t index, const float *const *outputs, float *const *gradients,
                              pel_error *error)
{
    pel_trainer *t = arg;
    sample *s = &t->samples[index];
    for (size_t k = 1; k < t->model->output_count; k++)
        memset(gradients[k], 0, pel_size_count(pel_gradient_output(t->gradient, k)) * sizeof(float));
    if (s->estimate != NULL)
        memcpy(s->estimate, outputs[0], pel_size_count(t->state.pair.target) * sizeof(float));
    return pel_loss_evaluate(t->loss, outputs[0], s->target, gradients[0], t->values[index] + 1, t->values[index], error);
}

pel_status trainer_run_share(const pel_context *ctx, pel_trainer *t)
{
    return pel_gradient_run(ctx, t->gradient, t->share, t->inputs, sample_loss, t, t->along, NULL);
}

/* Means over the samples, in their order. */
static void average_values(const pel_trainer *t, double *values)
{
    memset(values, 0, PEL_TRAIN_SUMS * sizeof *values);
    for (size_t i = 0; i < t->sample_count; i++)
        for (size_t k = 0; k <= pel_loss_count(t->loss); k++)
            values[k] += t->values[i][k] / (double)t->sample_count;
}

/* The critic's turn, on the estimates of the step. */
static pel_status learn(const pel_context *ctx, pel_trainer *t, pel_trainer_report *report)
{
    pel_loss_lesson lesson;
    pel_status status = pel_loss_learn(ctx, t->loss, t->sample_count, t->estimates, t->truths, t->params.seed, &lesson);
    if (status == PEL_OK)
        report->values[pel_loss_count(t->loss) + 1] = lesson.loss;
    return status;
}

pel_status pel_trainer_step(const pel_context *ctx, pel_trainer *t, double done, pel_trainer_report *report)
{
    pel_train_state *s = &t->state;
    pel_status status = trainer_gradient_all(ctx, t);
    if (status != PEL_OK)
        return status;
    double scale = 1 / (double)t->sample_count;
    average_values(t, report->values);
    report->norm = pel_norm(ctx, s->count, t->along) * scale;
    report->rate = pel_schedule_rate(&t->params.schedule, s->now.step + 1, done);
    if (!isfinite(report->values[0]) || !isfinite(report->norm))
        return pel_error_set(ctx->error, PEL_ENUMERIC, "%s is not finite",
                             isfinite(report->values[0]) ? "the gradient" : "the loss");
    if (t->params.clip > 0 && report->norm > t->params.clip)
        scale *= t->params.clip / report->norm;
    s->now.step++;
    if (t->params.muon)
        status = pel_muon_step(ctx, &t->params.adam, s->now.step, report->rate, s->count, t->matrices, t->matrix_count,
                               t->along, scale, s->weights, s->first, s->second);
    else
        pel_adam_step(ctx, &t->params.adam, s->now.step, report->rate, s->count, t->along, scale, s->weights, s->first,
                      s->second);
    if (status != PEL_OK)
        return status;
    pel_average_step(ctx, t->params.average, s->now.step, s->count, s->weights, s->average);
    status = pel_loss_learns(t->loss) ? learn(ctx, t, report) : PEL_OK;
    return status == PEL_OK ? trainer_load_all(ctx, t) : status;
}

const float *pel_trainer_gradient(const pel_trainer *t) { return t->along; }

/* ---- Out of it */

void pel_trainer_store(const pel_trainer *t, const float *weights, pel_model *model)
{
    size_t count;
    const pel_parameter *p = pel_gradient_parameters(t->gradient, &count);
    for (size_t i = 0; i < count; i++) {
        size_t number = (size_t)(p[i].tensor - t->model->tensors);
        memcpy(model->tensors[number].floats, weights + p[i].offset, p[i].count * sizeof(float));
    }
}
