/* adversarial-learn.c - a critic's steps.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * gan: I. Goodfellow et al., NIPS 2014, algorithm 1.  wgan: I. Gulrajani, F. Ahmed, M. Arjovsky, V. Dumoulin &
 * A. Courville, "Improved training of Wasserstein GANs" (NIPS 2017), algorithm 1, with the penalty
 * p (|grad_x D(x)| - 1)^2 at points x between truth and estimate.  With v = grad_x D / |grad_x D|,
 *
 *     grad_w |grad_x D| = grad_w (v . grad_x D), v held fixed (the change of a unit vector is at right angles to it)
 *                       = d/dh grad_w D(x + h v) at h = 0
 *                      ~= (grad_w D(x + h v) - grad_w D(x - h v)) / 2h,
 *
 * so that first derivatives do: x + h v and x - h v are two more pictures of the batch, whose outputs count
 * +- p (|grad_x D| - 1) / h.  h is such that no sample moves by more than STEP times the largest magnitude in x:
 * single precision sees the difference, and the critic bends little over it. */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/pool.h>
#include <pellucid/rng.h>

#include "adversarial.h"
#include "optimizer.h"

#define STEP 0.01

enum { REAL, FAKE, AHEAD, BEHIND, GROUPS }; /* of the pictures; the last two for wgan */

typedef struct {
    const loss_term *term;
    critic *c;
    const loss_batch *batch;
    void *const *scratch;
    size_t callers, n;       /* samples of a picture */
    float *pictures[GROUPS]; /* one after the other; those of FAKE are the batch's */
    const float **inputs;    /* GROUPS * batch->count */
    const float *const **samples;
    double *norms;           /* |grad_x D|, one a picture */
    double *weights;         /* of the outputs of AHEAD */
    double *values;          /* GROUPS * batch->count verdicts */
    float *gradient;
    pel_status *status;      /* a caller's */
    pel_error *errors;
} lesson_work;

static void free_work(lesson_work *w)
{
    for (size_t g = 0; g < GROUPS; g++)
        pel_free(w->pictures[g]);
    pel_free((void *)(uintptr_t)w->inputs);
    pel_free((void *)(uintptr_t)w->samples);
    pel_free(w->norms);
    pel_free(w->weights);
    pel_free(w->values);
    pel_free(w->gradient);
    pel_free(w->status);
    pel_free(w->errors);
}

static bool alloc_work(lesson_work *w)
{
    size_t count = w->batch->count;
    bool good = true;
    for (size_t g = 0; g < GROUPS; g++)
        if (g == REAL || (g != FAKE && adversarial_is_wasserstein(w->term))) {
            w->pictures[g] = pel_alloc_floats(count * w->n);
            good = good && w->pictures[g] != NULL;
        }
    w->inputs = pel_alloc(GROUPS * count * sizeof *w->inputs);
    w->samples = pel_alloc(GROUPS * count * sizeof *w->samples);
    w->norms = pel_alloc(count * sizeof *w->norms);
    w->weights = pel_alloc(count * sizeof *w->weights);
    w->values = pel_alloc(GROUPS * count * sizeof *w->values);
    w->gradient = pel_alloc_floats(w->c->count + 1);
    w->status = pel_alloc(w->callers * sizeof *w->status);
    w->errors = pel_alloc(w->callers * sizeof *w->errors);
    return good && w->inputs != NULL && w->samples != NULL && w->norms != NULL && w->weights != NULL &&
           w->values != NULL && w->gradient != NULL && w->status != NULL && w->errors != NULL;
}

/* What is not known of a truth is as in the estimate, and tells the critic nothing. */
static void fill_in(lesson_work *w)
{
    for (size_t k = 0; k < w->batch->count; k++) {
        const float *truth = w->batch->truths[k], *estimate = w->batch->estimates[k];
        float *real = w->pictures[REAL] + k * w->n;
        for (size_t i = 0; i < w->n; i++)
            real[i] = isfinite(truth[i]) ? truth[i] : estimate[i];
        for (size_t g = 0; g < GROUPS; g++)
            w->inputs[g * w->batch->count + k] = g == FAKE ? estimate : w->pictures[g] + k * w->n;
    }
    for (size_t i = 0; i < GROUPS * w->batch->count; i++)
        w->samples[i] = &w->inputs[i];
}

/* ---- The penalty */

static double largest(const float *v, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, (double)fabsf(v[i]));
    return most;
}

/* From x in AHEAD to x + h v and x - h v. */
static pel_status spread(lesson_work *w, opinion *o, size_t k, pel_error *error)
{
    float *ahead = w->pictures[AHEAD] + k * w->n, *behind = w->pictures[BEHIND] + k * w->n;
    pel_status status = adversarial_look(o, ahead, VERDICT_LINEAR, 1, error);
    if (status != PEL_OK)
        return status;
    double sums[LOSS_LANES] = {0}, far = largest(o->slope, w->n), size = largest(ahead, w->n);
    for (size_t i = 0; i < w->n; i++)
        sums[i % LOSS_LANES] += (double)o->slope[i] * (double)o->slope[i];
    double norm = sqrt(loss_lanes_sum(sums)), pace = far > 0 ? STEP * (size > 0 ? size : 1) / far : 0;
    for (size_t i = 0; i < w->n; i++) {
        float move = (float)(pace * (double)o->slope[i]), x = ahead[i];
        ahead[i] = x + move;
        behind[i] = x - move;
    }
    w->norms[k] = norm;
    /* h = pace * norm; without a slope there is no direction. */
    w->weights[k] = far > 0 ? w->term->values[KEY_PENALTY] * (norm - 1) / (pace * norm) : 0;
    return PEL_OK;
}

/* A caller's share of the pictures, with its scratch. */
static void spread_some(void *arg, size_t index, size_t worker)
{
    lesson_work *w = arg;
    (void)worker;
    w->status[index] = PEL_OK;
    for (size_t k = index; k < w->batch->count && w->status[index] == PEL_OK; k += w->callers)
        w->status[index] = spread(w, w->scratch[index], k, &w->errors[index]);
}

/* Points between truth and estimate: the same for the same seed and step. */
static pel_status mix(const pel_context *ctx, lesson_work *w, uint64_t step)
{
    pel_rng *rng = pel_rng_new(w->batch->seed, step);
    if (rng == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    for (size_t k = 0; k < w->batch->count; k++) {
        const float *real = w->pictures[REAL] + k * w->n, *fake = w->batch->estimates[k];
        float *x = w->pictures[AHEAD] + k * w->n, share = (float)pel_rng_uniform(rng);
        for (size_t i = 0; i < w->n; i++)
            x[i] = fake[i] + share * (real[i] - fake[i]);
    }
    pel_rng_free(rng);
    pel_pool_run(ctx->pool, w->callers, spread_some, w);
    for (size_t i = 0; i < w->callers; i++)
        if (w->status[i] != PEL_OK)
            return pel_error_set(ctx->error, w->status[i], "%s", w->errors[i].text);
    return PEL_OK;
}

/* ---- A step */

static pel_status judge(void *arg, size_t sample, const float *const *outputs, float *const *slopes, pel_error *error)
{
    lesson_work *w = arg;
    size_t group = sample / w->batch->count, k = sample % w->batch->count;
    bool linear = adversarial_is_wasserstein(w->term);
    double factor = 1 / (double)w->batch->count;
    verdict v = linear ? VERDICT_LINEAR : group == REAL ? VERDICT_TRUE : VERDICT_FALSE;
    (void)error;
    if (linear && group == REAL)
        factor = -factor;
    if (group >= AHEAD)
        factor *= group == AHEAD ? w->weights[k] : -w->weights[k];
    w->values[sample] = adversarial_judge(v, w->c->output, outputs[0], factor, slopes[0]);
    return PEL_OK;
}

static double mean(const double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return sum / (double)count;
}

static void tell(const lesson_work *w, pel_loss_lesson *lesson)
{
    size_t count = w->batch->count;
    bool linear = adversarial_is_wasserstein(w->term);
    lesson->real = mean(w->values, count);
    lesson->fake = mean(w->values + FAKE * count, count);
    lesson->slope = linear ? mean(w->norms, count) : 0;
    lesson->loss = (linear ? -lesson->real : lesson->real) + lesson->fake;
    for (size_t k = 0; linear && k < count; k++)
        lesson->loss += w->term->values[KEY_PENALTY] * (w->norms[k] - 1) * (w->norms[k] - 1) / (double)count;
}

#define DIGIT 65536 /* of the count of steps, in two floats */

static uint64_t steps_done(const critic *c)
{
    return (uint64_t)c->state[0] + DIGIT * (uint64_t)c->state[1];
}

static pel_status step(const pel_context *ctx, lesson_work *w, pel_loss_lesson *lesson)
{
    critic *c = w->c;
    bool linear = adversarial_is_wasserstein(w->term);
    uint64_t number = steps_done(c) + 1;
    float *weights = c->state + STATE_HEAD;
    /* The second moments of the papers' Adam: Gulrajani et al. remember a tenth as long. */
    pel_adam adam = {w->term->values[KEY_BETA1], linear ? 0.9 : 0.999, 1e-8, 0};
    pel_status status = linear ? mix(ctx, w, number) : PEL_OK;
    if (status == PEL_OK)
        status = pel_gradient_run(ctx, c->batch, (linear ? GROUPS : AHEAD) * w->batch->count, w->samples, judge, w,
                                  w->gradient, NULL);
    if (status != PEL_OK)
        return status;
    if (!isfinite(pel_norm(ctx, c->count, w->gradient)))
        return pel_error_set(ctx->error, PEL_ENUMERIC, "the critic's gradient is not finite");
    tell(w, lesson);
    pel_adam_step(ctx, &adam, number, w->term->values[KEY_RATE], c->count, w->gradient, 1, weights, weights + c->count,
                  weights + 2 * c->count);
    c->state[0] = (float)(number % DIGIT);
    c->state[1] = (float)(number / DIGIT);
    return adversarial_restore(ctx, (loss_term *)(uintptr_t)w->term, w->scratch, w->callers);
}

pel_status adversarial_restore(const pel_context *ctx, loss_term *term, void *const *scratch, size_t callers)
{
    const critic *c = term->data;
    pel_status status = pel_gradient_load(ctx, c->batch, c->state + STATE_HEAD);
    for (size_t i = 0; i < callers && status == PEL_OK; i++)
        status = pel_gradient_load(ctx, ((opinion *)scratch[i])->net, c->state + STATE_HEAD);
    return status;
}

pel_status adversarial_learn(const pel_context *ctx, loss_term *term, void *const *scratch, size_t callers,
                             const loss_batch *batch, pel_loss_lesson *lesson)
{
    lesson_work w = {.term = term, .c = term->data, .batch = batch, .scratch = scratch, .callers = callers,
                     .n = pel_size_count(term->size)};
    pel_status status = PEL_OK;
    if (!alloc_work(&w))
        status = pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    else
        fill_in(&w);
    for (double k = 0; k < floor(term->values[KEY_STEPS]) && status == PEL_OK; k++)
        status = step(ctx, &w, lesson);
    free_work(&w);
    return status == PEL_OK ? PEL_OK : pel_error_prefix(ctx->error, "loss %s", term->name);
}
