/* optimizer.c - learning rates, the norm of gradients, Adam and averages of weights.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/number.h>
#include <pellucid/pool.h>

#include "optimizer.h"

/* ---- The learning rate */

static bool parse_steps(const char *text, pel_schedule *s)
{
    char every[32];
    size_t length = strcspn(text, ",");
    long long steps;
    if (length >= sizeof every)
        return false;
    memcpy(every, text, length);
    every[length] = '\0';
    if (!pel_number_integer(every, &steps) || steps < 1)
        return false;
    s->every = (uint64_t)steps;
    s->factor = 0.5;
    return text[length] == '\0' ||
           (pel_number_real(text + length + 1, &s->factor) && s->factor > 0 && s->factor <= 1);
}

pel_status pel_schedule_parse(const char *text, pel_schedule *s, pel_error *error)
{
    if (strcmp(text, "constant") == 0)
        s->kind = PEL_RATE_CONSTANT;
    else if (strcmp(text, "cosine") == 0)
        s->kind = PEL_RATE_COSINE;
    else if (strncmp(text, "step:", 5) == 0 && parse_steps(text + 5, s))
        s->kind = PEL_RATE_STEP;
    else
        return pel_error_set(error, PEL_EUSAGE, "--schedule '%.40s': not one of constant, cosine, step:EVERY[,FACTOR]",
                             text);
    return PEL_OK;
}

double pel_schedule_rate(const pel_schedule *s, uint64_t step, double done)
{
    double rate = s->rate, pi = acos(-1.0);
    if (s->kind == PEL_RATE_COSINE)
        rate *= 0.5 * (1 + cos(pi * fmin(done, 1)));
    if (s->kind == PEL_RATE_STEP)
        rate *= pow(s->factor, (double)((step - 1) / s->every));
    return step < s->warmup ? rate * (double)step / (double)s->warmup : rate;
}

/* ---- Pieces of the array: as many floats as fit a level 2 cache with what goes along, and no more than MOST_PIECES */

enum { PIECE = 1 << 14, MOST_PIECES = 1024, LANES = 16 };

static size_t piece_of(size_t count)
{
    size_t piece = (count + MOST_PIECES - 1) / MOST_PIECES;
    piece = (piece + LANES - 1) / LANES * LANES;
    return piece > PIECE ? piece : PIECE;
}

typedef struct {
    size_t from, count;
} part;

static part part_of(size_t count, size_t index)
{
    size_t piece = piece_of(count), from = index * piece;
    return (part){from, count - from < piece ? count - from : piece};
}

static void run_pieces(const pel_context *ctx, size_t count, pel_job job, void *arg)
{
    size_t pieces = (count + piece_of(count) - 1) / piece_of(count);
    pel_pool_run(pieces > 1 ? ctx->pool : NULL, pieces, job, arg);
}

/* ---- The norm */

typedef struct {
    size_t count;
    const float *values;
    double sums[MOST_PIECES];
} norm;

/* Each lane has a sum of its own, which vectors do at once. */
static void norm_piece(void *arg, size_t index, size_t worker)
{
    norm *n = arg;
    part p = part_of(n->count, index);
    const float *v = n->values + p.from;
    double lanes[LANES] = {0}, sum = 0;
    size_t whole = p.count / LANES * LANES;
    (void)worker;
    for (size_t i = 0; i < whole; i += LANES)
        for (size_t k = 0; k < LANES; k++)
            lanes[k] += (double)v[i + k] * (double)v[i + k];
    for (size_t i = whole; i < p.count; i++)
        lanes[i - whole] += (double)v[i] * (double)v[i];
    for (size_t k = 0; k < LANES; k++)
        sum += lanes[k];
    n->sums[index] = sum;
}

double pel_norm(const pel_context *ctx, size_t count, const float *values)
{
    norm n = {.count = count, .values = values};
    double sum = 0;
    run_pieces(ctx, count, norm_piece, &n);
    for (size_t i = 0; i < MOST_PIECES; i++)
        sum += n.sums[i];
    return sqrt(sum);
}

/* ---- Adam */

typedef struct {
    size_t count;
    const float *gradient;
    float *weights, *first, *second;
    float scale, beta1, beta2, rest1, rest2; /* the rests rounded from 1 - beta in double */
    float pace, correction, epsilon, keep;
} adam;

static void adam_piece(void *arg, size_t index, size_t worker)
{
    const adam *a = arg;
    part p = part_of(a->count, index);
    const float *restrict g = a->gradient + p.from;
    float *restrict w = a->weights + p.from, *restrict m = a->first + p.from, *restrict v = a->second + p.from;
    const float scale = a->scale, beta1 = a->beta1, beta2 = a->beta2, rest1 = a->rest1, rest2 = a->rest2;
    (void)worker;
    for (size_t i = 0; i < p.count; i++) {
        float along = g[i] * scale;
        m[i] = beta1 * m[i] + rest1 * along;
        v[i] = beta2 * v[i] + rest2 * along * along;
        w[i] = w[i] * a->keep - a->pace * m[i] / (sqrtf(v[i]) * a->correction + a->epsilon);
    }
}

void pel_adam_step(const pel_context *ctx, const pel_adam *o, uint64_t step, double rate, size_t count,
                   const float *gradient, double scale, float *weights, float *first, float *second)
{
    double t = (double)step;
    adam a = {.count = count, .gradient = gradient, .weights = weights, .first = first, .second = second,
              .scale = (float)scale, .beta1 = (float)o->beta1, .beta2 = (float)o->beta2,
              .rest1 = (float)(1 - o->beta1), .rest2 = (float)(1 - o->beta2),
              .pace = (float)(rate / (1 - pow(o->beta1, t))), .correction = (float)(1 / sqrt(1 - pow(o->beta2, t))),
              .epsilon = (float)o->epsilon, .keep = (float)(1 - rate * o->decay)};
    run_pieces(ctx, count, adam_piece, &a);
}

/* ---- The average */

typedef struct {
    size_t count;
    const float *weights;
    float *average, share;
} average;

static void average_piece(void *arg, size_t index, size_t worker)
{
    const average *a = arg;
    part p = part_of(a->count, index);
    const float *restrict w = a->weights + p.from;
    float *restrict e = a->average + p.from;
    (void)worker;
    for (size_t i = 0; i < p.count; i++)
        e[i] = a->share < 1 ? e[i] + a->share * (w[i] - e[i]) : w[i];
}

void pel_average_step(const pel_context *ctx, double decay, uint64_t step, size_t count, const float *weights,
                      float *mean)
{
    double d = fmin(decay, (1 + (double)step) / (10 + (double)step));
    average a = {count, weights, mean, (float)(1 - d)};
    run_pieces(ctx, count, average_piece, &a);
}
