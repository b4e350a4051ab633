/* cnn-pairs.c - samples to train with, from images with companions and their truth.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "cnn-internal.h"

/* A run of the model that only gathers inputs. */
typedef struct {
    pel_cnn_params params;
    pel_cnn_report report;
    job j;
} gathering;

static size_t channels_of(const pel_cnn *c, const pel_bundle *bundle)
{
    return c->channels != 0 ? c->channels : bundle->image->size.c;
}

static void begin(const pel_context *ctx, pel_cnn *cnn, const pel_bundle *bundle, gathering *g)
{
    g->params = (pel_cnn_params){.sigma = (double)NAN};
    g->report = (pel_cnn_report){0};
    g->j = (job){ctx, cnn, bundle, NULL, &g->params, &g->report, bundle->image->size, bundle->image->size};
    pel_cnn_find_scale(bundle->image, &g->report);
}

static pel_status check_model(const pel_context *ctx, const pel_cnn *cnn)
{
    if (cnn->window > 0)
        return pel_error_set(ctx->error, PEL_EINVAL, "the model takes a window of frames: pairs are single pictures");
    for (size_t k = 0; k < cnn->model->input_count; k++)
        if (cnn->roles[k] == STATE)
            return pel_error_set(ctx->error, PEL_EINVAL, "the model has a state: pairs are single pictures");
    return PEL_OK;
}

static pel_status check_pictures(const pel_context *ctx, const pel_cnn *cnn, const pel_bundle *bundle)
{
    const pel_frame *truth = pel_bundle_find(bundle, "truth", NULL);
    pel_size size = bundle->image->size;
    if (truth == NULL)
        return pel_error_set(ctx->error, PEL_EINVAL, "no truth in the stream: pel-blur and pel-noise keep it");
    if (!pel_size_equal(truth->size, size))
        return pel_error_set(ctx->error, PEL_EINVAL, "a truth of %zux%zux%zux%zu for an image of %zux%zux%zux%zu",
                             truth->size.w, truth->size.h, truth->size.d, truth->size.c, size.w, size.h, size.d, size.c);
    if (size.d > 1)
        return pel_error_set(ctx->error, PEL_EINVAL, "a volume of %zu planes: models take pictures", size.d);
    if (cnn->multiple_said && (size.w % cnn->multiple != 0 || size.h % cnn->multiple != 0))
        return pel_error_set(ctx->error, PEL_EINVAL, "an image of %zux%zu: the model takes multiples of %zu", size.w,
                             size.h, cnn->multiple);
    return PEL_OK;
}

pel_status pel_cnn_pair_sizes(const pel_context *ctx, pel_cnn *cnn, const pel_bundle *bundle, pel_cnn_pair *pair)
{
    gathering g;
    size_t channels = channels_of(cnn, bundle), all = bundle->image->size.c;
    *pair = (pel_cnn_pair){.samples = channels == 1 ? all : 1, .input_count = cnn->model->input_count};
    pel_status status = check_model(ctx, cnn);
    if (status == PEL_OK)
        status = check_pictures(ctx, cnn, bundle);
    if (status == PEL_OK && channels != 1 && channels != all)
        status = pel_error_set(ctx->error, PEL_EINVAL, "the model takes %zu channels, the image has %zu", channels, all);
    if (status != PEL_OK)
        return status;
    begin(ctx, cnn, bundle, &g);
    for (size_t k = 0; k < pair->input_count && status == PEL_OK; k++)
        status = cnn_input_size(&g.j, k, channels, &pair->inputs[k]);
    pair->target = pel_size_make(bundle->image->size.w, bundle->image->size.h, 1, channels);
    return status;
}

pel_status pel_cnn_pair_take(const pel_context *ctx, pel_cnn *cnn, const pel_bundle *bundle,
                             const pel_cnn_pair *pair, size_t sample, float *const *inputs, float *target)
{
    gathering g;
    const pel_frame *truth = pel_bundle_find(bundle, "truth", NULL);
    size_t plane = pel_size_plane(pair->target), first = sample * pair->target.c;
    pel_status status = PEL_OK;
    begin(ctx, cnn, bundle, &g);
    for (size_t k = 0; k < pair->input_count && status == PEL_OK; k++)
        status = cnn_give_input(&g.j, k, 0, first, pair->inputs[k].c, inputs[k]);
    const float *from = pel_frame_floats(truth) + first * plane;
    for (size_t i = 0; i < pel_size_count(pair->target) && status == PEL_OK; i++)
        target[i] = (float)(((double)from[i] - g.report.black) * cnn_scale(&g.j));
    return status;
}
