/* loss-internal.h - what a term of a loss is: a kind from a table, its parameters, scratch for each caller.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PEL_TRAIN_LOSS_INTERNAL_H
#define PEL_TRAIN_LOSS_INTERNAL_H

#include <pellucid/loss.h>

#define LOSS_KEYS 4

typedef struct loss_kind loss_kind;

typedef struct {
    const loss_kind *kind;
    char name[24];
    double weight;
    double values[LOSS_KEYS]; /* of the kind's keys */
    char *file;               /* the file's word, or NULL */
    pel_size size;            /* prepared for */
    void *data;               /* the kind's: what all callers share */
} loss_term;

/* One picture of a term's size, and where weight times the gradient is added. */
typedef struct {
    const float *estimate, *truth;
    float *gradient;
    double weight;
} loss_sample;

typedef struct {
    const char *name;
    double low, high, otherwise;
} loss_key;

/* Pictures for a critic, `count` of each. */
typedef struct {
    size_t count;
    const float *const *estimates, *const *truths;
    uint64_t seed;
} loss_batch;

/* Functions that a kind does not need are NULL. */
struct loss_kind {
    const char *name;
    loss_key keys[LOSS_KEYS]; /* up to the first without a name */
    const char *file;         /* how its file's word looks; NULL: it takes none */
    bool several;             /* may be given more than once */
    /* Once, when it was parsed; close also after open failed.  The size comes and goes with prepare and retire. */
    pel_status (*open)(loss_term *term, pel_error *error);
    void (*close)(loss_term *term);
    pel_status (*prepare)(const pel_context *ctx, loss_term *term);
    void (*retire)(loss_term *term);
    /* A caller's scratch; *scratch is NULL before, and whatever is there is freed, after a failure too. */
    pel_status (*open_scratch)(const pel_context *ctx, const loss_term *term, void **scratch);
    void (*close_scratch)(void *scratch);
    /* The term's value, not weighted. */
    pel_status (*evaluate)(const loss_term *term, void *scratch, const loss_sample *sample, double *value,
                           pel_error *error);
    /* Of critics, with the scratch of all callers, none of whom is at work: to learn from a batch, to take over
     * a changed state, and that state. */
    pel_status (*learn)(const pel_context *ctx, loss_term *term, void *const *scratch, size_t callers,
                        const loss_batch *batch, pel_loss_lesson *lesson);
    pel_status (*restore)(const pel_context *ctx, loss_term *term, void *const *scratch, size_t callers);
    float *(*state)(const loss_term *term, size_t *count);
};

extern const loss_kind loss_mse, loss_l1, loss_charbonnier, loss_psnr, loss_ssim, loss_fft_l1, loss_perceptual, loss_gan,
    loss_wgan;

/* NULL-terminated. */
extern const loss_kind *const loss_kinds[];

typedef struct loss_slots loss_slots;

struct pel_loss {
    size_t count;
    loss_term *terms;
    pel_size size;
    loss_slots *slots; /* NULL: not prepared */
};

/* Sums of many numbers go to so many sums in turn: vector code, in an order that does not depend on it. */
#define LOSS_LANES 16

static inline double loss_lanes_sum(const double *lanes)
{
    double sum = 0;
    for (size_t j = 0; j < LOSS_LANES; j++)
        sum += lanes[j];
    return sum;
}

static inline double loss_sum(const float *values, size_t n)
{
    double lanes[LOSS_LANES] = {0};
    size_t i = 0;
    for (; i + LOSS_LANES <= n; i += LOSS_LANES)
        for (size_t j = 0; j < LOSS_LANES; j++)
            lanes[j] += (double)values[i + j];
    for (size_t j = 0; i + j < n; j++)
        lanes[j] += (double)values[i + j];
    return loss_lanes_sum(lanes);
}

#endif
