/* loss.c - weighted sums of terms, evaluated by several callers at once.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#include "loss-internal.h"

const loss_kind *const loss_kinds[] = {&loss_mse, &loss_l1, &loss_charbonnier, &loss_psnr, &loss_ssim, &loss_fft_l1,
                                       &loss_perceptual, &loss_gan, &loss_wgan, NULL};

/* ---- Slots: scratch for an evaluation, taken by whoever comes.  Which one that is changes nothing in the result. */

typedef struct {
    void **scratch; /* one a term */
    float *truth;   /* a picture: for a truth that is not known everywhere */
} slot;

struct loss_slots {
    pthread_mutex_t lock;
    pthread_cond_t one_is_free;
    size_t count, free_count;
    slot *all;
    size_t *free; /* a stack of numbers */
};

static void close_slot(const pel_loss *loss, slot *s)
{
    for (size_t i = 0; s->scratch != NULL && i < loss->count; i++)
        if (loss->terms[i].kind->close_scratch != NULL)
            loss->terms[i].kind->close_scratch(s->scratch[i]);
    pel_free(s->scratch);
    pel_free(s->truth);
}

static pel_status open_slot(const pel_context *ctx, const pel_loss *loss, slot *s)
{
    s->scratch = pel_alloc(loss->count * sizeof *s->scratch);
    s->truth = pel_alloc_floats(pel_size_count(loss->size));
    for (size_t i = 0; s->scratch != NULL && i < loss->count; i++)
        s->scratch[i] = NULL;
    if (s->scratch == NULL || s->truth == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    pel_status status = PEL_OK;
    for (size_t i = 0; i < loss->count && status == PEL_OK; i++)
        if (loss->terms[i].kind->open_scratch != NULL)
            status = loss->terms[i].kind->open_scratch(ctx, &loss->terms[i], &s->scratch[i]);
    return status;
}

static void free_slots(pel_loss *loss)
{
    loss_slots *s = loss->slots;
    if (s == NULL)
        return;
    for (size_t i = 0; s->all != NULL && i < s->count; i++)
        close_slot(loss, &s->all[i]);
    pthread_cond_destroy(&s->one_is_free);
    pthread_mutex_destroy(&s->lock);
    pel_free(s->all);
    pel_free(s->free);
    pel_free(s);
    loss->slots = NULL;
}

static pel_status make_slots(const pel_context *ctx, pel_loss *loss, size_t count)
{
    loss_slots *s = loss->slots = pel_alloc(sizeof *s);
    if (s == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    *s = (loss_slots){.lock = PTHREAD_MUTEX_INITIALIZER, .one_is_free = PTHREAD_COND_INITIALIZER, .count = count};
    s->all = pel_alloc(count * sizeof *s->all);
    s->free = pel_alloc(count * sizeof *s->free);
    for (size_t i = 0; s->all != NULL && i < count; i++)
        s->all[i] = (slot){NULL, NULL};
    if (s->all == NULL || s->free == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    pel_status status = PEL_OK;
    for (size_t i = 0; i < count && status == PEL_OK; i++) {
        status = open_slot(ctx, loss, &s->all[i]);
        s->free[s->free_count++] = i;
    }
    return status;
}

static size_t take_slot(loss_slots *s)
{
    pthread_mutex_lock(&s->lock);
    while (s->free_count == 0)
        pthread_cond_wait(&s->one_is_free, &s->lock);
    size_t number = s->free[--s->free_count];
    pthread_mutex_unlock(&s->lock);
    return number;
}

static void give_back(loss_slots *s, size_t number)
{
    pthread_mutex_lock(&s->lock);
    s->free[s->free_count++] = number;
    pthread_cond_signal(&s->one_is_free);
    pthread_mutex_unlock(&s->lock);
}

/* ---- The loss */

static void retire(pel_loss *loss)
{
    free_slots(loss);
    for (size_t i = 0; i < loss->count; i++)
        if (loss->terms[i].kind->retire != NULL)
            loss->terms[i].kind->retire(&loss->terms[i]);
}

void pel_loss_free(pel_loss *loss)
{
    if (loss == NULL)
        return;
    retire(loss);
    for (size_t i = 0; i < loss->count; i++) {
        if (loss->terms[i].kind->close != NULL)
            loss->terms[i].kind->close(&loss->terms[i]);
        pel_free(loss->terms[i].file);
    }
    pel_free(loss->terms);
    pel_free(loss);
}

size_t pel_loss_count(const pel_loss *loss) { return loss->count; }
const char *pel_loss_name(const pel_loss *loss, size_t term) { return loss->terms[term].name; }
double pel_loss_weight(const pel_loss *loss, size_t term) { return loss->terms[term].weight; }

pel_status pel_loss_prepare(const pel_context *ctx, pel_loss *loss, pel_size size, size_t callers)
{
    size_t bytes;
    if (callers == 0 || !pel_size_bytes(size, sizeof(float), &bytes) || bytes == 0)
        return pel_error_set(ctx->error, PEL_EINVAL, "a loss of %zux%zux%zux%zu samples for %zu threads", size.w,
                             size.h, size.d, size.c, callers);
    pel_status status = PEL_OK;
    retire(loss);
    loss->size = size;
    for (size_t i = 0; i < loss->count && status == PEL_OK; i++) {
        loss->terms[i].size = size;
        if (loss->terms[i].kind->prepare != NULL)
            status = loss->terms[i].kind->prepare(ctx, &loss->terms[i]);
    }
    if (status == PEL_OK)
        status = make_slots(ctx, loss, callers);
    if (status != PEL_OK)
        retire(loss);
    return status;
}

/* 0 times a number that is not finite is none either. */
static bool all_finite(const float *v, size_t n)
{
    float sums[LOSS_LANES] = {0}, sum = 0;
    size_t i = 0;
    for (; i + LOSS_LANES <= n; i += LOSS_LANES)
        for (size_t j = 0; j < LOSS_LANES; j++)
            sums[j] += 0 * v[i + j];
    for (size_t j = 0; i + j < n; j++)
        sums[j] += 0 * v[i + j];
    for (size_t j = 0; j < LOSS_LANES; j++)
        sum += sums[j];
    return sum == 0;
}

static pel_status evaluate(const pel_loss *loss, const slot *s, const loss_sample *sample, double *terms,
                           double *total, pel_error *error)
{
    loss_sample of_term = *sample;
    *total = 0;
    for (size_t i = 0; i < loss->count; i++) {
        const loss_term *t = &loss->terms[i];
        of_term.weight = t->weight;
        pel_status status = t->kind->evaluate(t, s->scratch[i], &of_term, &terms[i], error);
        if (status == PEL_OK && !isfinite(terms[i]))
            status = pel_error_set(error, PEL_ENUMERIC, "loss %s is not finite", t->name);
        if (status != PEL_OK)
            return status;
        *total += t->weight * terms[i];
    }
    return PEL_OK;
}

pel_status pel_loss_evaluate(pel_loss *loss, const float *estimate, const float *truth, float *gradient, double *terms,
                             double *total, pel_error *error)
{
    if (loss->slots == NULL)
        return pel_error_set(error, PEL_EINVAL, "the loss was not prepared for a size");
    size_t n = pel_size_count(loss->size), number = take_slot(loss->slots);
    const slot *s = &loss->slots->all[number];
    bool known = all_finite(truth, n);
    loss_sample sample = {estimate, known ? truth : s->truth, gradient, 0};
    memset(gradient, 0, n * sizeof *gradient);
    for (size_t i = 0; !known && i < n; i++)
        s->truth[i] = isfinite(truth[i]) ? truth[i] : estimate[i];
    pel_status status = evaluate(loss, s, &sample, terms, total, error);
    for (size_t i = 0; !known && i < n; i++)
        if (!isfinite(truth[i]))
            gradient[i] = 0;
    give_back(loss->slots, number);
    return status;
}

/* ---- Critics */

static loss_term *critic_of(const pel_loss *loss)
{
    for (size_t i = 0; i < loss->count; i++)
        if (loss->terms[i].kind->learn != NULL)
            return &loss->terms[i];
    return NULL;
}

bool pel_loss_learns(const pel_loss *loss) { return critic_of(loss) != NULL; }

/* A term's scratch of all callers; free with pel_free.  NULL: out of memory. */
static void **scratch_of(const pel_loss *loss, const loss_term *term)
{
    void **scratch = pel_alloc(loss->slots->count * sizeof *scratch);
    for (size_t i = 0; scratch != NULL && i < loss->slots->count; i++)
        scratch[i] = loss->slots->all[i].scratch[term - loss->terms];
    return scratch;
}

pel_status pel_loss_learn(const pel_context *ctx, pel_loss *loss, size_t count, const float *const *estimates,
                          const float *const *truths, uint64_t seed, pel_loss_lesson *lesson)
{
    loss_term *term = critic_of(loss);
    const loss_batch batch = {count, estimates, truths, seed};
    if (term == NULL || loss->slots == NULL || count == 0)
        return pel_error_set(ctx->error, PEL_EINVAL, "the loss has no critic, no size or no pictures to learn from");
    void **scratch = scratch_of(loss, term);
    pel_status status = scratch == NULL ? pel_error_set(ctx->error, PEL_ENOMEM, "out of memory")
                                        : term->kind->learn(ctx, term, scratch, loss->slots->count, &batch, lesson);
    pel_free(scratch);
    return status;
}

float *pel_loss_state(const pel_loss *loss, size_t *count)
{
    const loss_term *term = critic_of(loss);
    *count = 0;
    return term != NULL ? term->kind->state(term, count) : NULL;
}

pel_status pel_loss_restore(const pel_context *ctx, pel_loss *loss)
{
    loss_term *term = critic_of(loss);
    if (term == NULL || loss->slots == NULL)
        return PEL_OK;
    void **scratch = scratch_of(loss, term);
    pel_status status = scratch == NULL ? pel_error_set(ctx->error, PEL_ENOMEM, "out of memory")
                                        : term->kind->restore(ctx, term, scratch, loss->slots->count);
    pel_free(scratch);
    return status;
}
