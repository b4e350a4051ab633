/* trainer-ranks.c - a step of training on several ranks: what rank 0 orders, and what the others do.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Each order has two sides that send and receive the same data.  Rank 0's are trainer_*_all; that of the others is a
 * row in `jobs`, and what it fails with is told at the next meeting (ranks.h).  Alone, the orders cost nothing. */
#include "config.h"

#include <string.h>

#include "trainer-internal.h"

enum { ORDER_AGREE = PEL_RANKS_END + 1, ORDER_READY, ORDER_BEGIN, ORDER_LOAD, ORDER_RUN, ORDER_SUM, ORDERS };

static pel_status give_order(const pel_context *ctx, const pel_trainer *t, int order, pel_status status)
{
    return pel_ranks_meet(t->params.ranks, &order, status, ctx->error);
}

/* ---- Data that go about: the same on both sides */

static void share_weights(pel_trainer *t)
{
    size_t count;
    float *learned = pel_loss_state(t->loss, &count);
    pel_ranks_tell(t->params.ranks, t->state.weights, t->state.count * sizeof *t->state.weights);
    pel_ranks_tell(t->params.ranks, learned, count * sizeof *learned);
}

static void share_pictures(pel_trainer *t)
{
    pel_ranks_deal(t->params.ranks, t->pictures, t->pair_floats * sizeof *t->pictures, t->sample_count);
}

static void share_results(pel_trainer *t)
{
    size_t made = t->made != NULL ? pel_size_count(t->state.pair.target) * sizeof *t->made : 0;
    pel_ranks_gather(t->params.ranks, t->values, sizeof *t->values, t->sample_count);
    pel_ranks_gather(t->params.ranks, t->made, made, t->sample_count);
    pel_ranks_sum(t->params.ranks, t->along, t->state.count);
}

/* ---- Rank 0 */

pel_status pel_trainer_gather(const pel_context *ctx, pel_trainer *t)
{
    pel_status status = give_order(ctx, t, ORDER_AGREE, PEL_OK);
    if (status == PEL_OK)
        pel_ranks_tell(t->params.ranks, &t->params.checksum, sizeof t->params.checksum);
    return status == PEL_OK ? give_order(ctx, t, ORDER_READY, PEL_OK) : status;
}

pel_status trainer_begin_all(const pel_context *ctx, pel_trainer *t)
{
    pel_status status = give_order(ctx, t, ORDER_BEGIN, PEL_OK);
    if (status == PEL_OK)
        pel_ranks_tell(t->params.ranks, &t->state.pair, sizeof t->state.pair);
    return status;
}

pel_status trainer_load_all(const pel_context *ctx, pel_trainer *t)
{
    pel_status status = give_order(ctx, t, ORDER_LOAD, PEL_OK);
    if (status != PEL_OK)
        return status;
    share_weights(t);
    return pel_gradient_load(ctx, t->gradient, t->state.weights);
}

pel_status trainer_gradient_all(const pel_context *ctx, pel_trainer *t)
{
    pel_status status = give_order(ctx, t, ORDER_RUN, PEL_OK);
    if (status != PEL_OK)
        return status;
    share_pictures(t);
    status = give_order(ctx, t, ORDER_SUM, trainer_run_share(ctx, t));
    if (status == PEL_OK)
        share_results(t);
    return status;
}

/* ---- The others */

static pel_status serve_agree(const pel_context *ctx, pel_trainer *t)
{
    uint32_t checksum = 0;
    pel_ranks_tell(t->params.ranks, &checksum, sizeof checksum);
    if (checksum == t->params.checksum)
        return PEL_OK;
    return pel_error_set(ctx->error, PEL_EINVAL, "the model, the settings or the version are not those of rank 0");
}

static pel_status serve_ready(const pel_context *ctx, pel_trainer *t)
{
    (void)ctx, (void)t;
    return PEL_OK;
}

static pel_status serve_begin(const pel_context *ctx, pel_trainer *t)
{
    pel_ranks_tell(t->params.ranks, &t->state.pair, sizeof t->state.pair);
    pel_status status = trainer_compile(ctx, t);
    if (status != PEL_OK)
        return status;
    t->state.count = pel_gradient_size(t->gradient);
    t->state.weights = pel_alloc_floats(t->state.count);
    return t->state.weights != NULL ? PEL_OK : pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
}

static pel_status serve_load(const pel_context *ctx, pel_trainer *t)
{
    share_weights(t);
    pel_status status = pel_loss_restore(ctx, t->loss);
    return status == PEL_OK ? pel_gradient_load(ctx, t->gradient, t->state.weights) : status;
}

static pel_status serve_run(const pel_context *ctx, pel_trainer *t)
{
    share_pictures(t);
    return trainer_run_share(ctx, t);
}

static pel_status serve_sum(const pel_context *ctx, pel_trainer *t)
{
    (void)ctx;
    share_results(t);
    return PEL_OK;
}

pel_status pel_trainer_serve(const pel_context *ctx, pel_trainer *t)
{
    static pel_status (*const jobs[ORDERS])(const pel_context *, pel_trainer *) = {
        [ORDER_AGREE] = serve_agree, [ORDER_READY] = serve_ready, [ORDER_BEGIN] = serve_begin,
        [ORDER_LOAD] = serve_load,   [ORDER_RUN] = serve_run,     [ORDER_SUM] = serve_sum};
    pel_status status = PEL_OK;
    for (;;) {
        int order = PEL_RANKS_END;
        status = pel_ranks_meet(t->params.ranks, &order, status, ctx->error);
        if (status != PEL_OK || order == PEL_RANKS_END)
            return status;
        status = jobs[order](ctx, t);
    }
}
