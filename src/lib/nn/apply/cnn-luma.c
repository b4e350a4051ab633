/* cnn-luma.c - grey models on colour pictures by their luma.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "cnn-internal.h"

static pel_status luma_of(const pel_frame *f, pel_frame **luma, pel_error *error)
{
    pel_size one = f->size;
    one.c = 1;
    pel_status status = pel_frame_like(f, NULL, one, luma, error);
    size_t count = pel_size_plane(one);
    const float *v = pel_frame_floats(f);
    for (size_t i = 0; i < count && status == PEL_OK; i++) /* Rec. 601 */
        pel_frame_floats(*luma)[i] = 0.299f * v[i] + 0.587f * v[count + i] + 0.114f * v[2 * count + i];
    return status;
}

/* The bundle with the luma of what the model reads of pictures, and that of the window's frames. */
typedef struct {
    pel_bundle bundle;
    pel_frame *luma, *window[2 * MOST_WINDOW + 1];
} grey_inputs;

/* A grey companion is its own luma. */
static pel_status make_grey(grey_inputs *g, role r, pel_error *error)
{
    pel_frame *f = pel_bundle_find(&g->bundle, cnn_role_names[r], NULL), *luma = NULL;
    if (f == NULL || f->size.c == 1)
        return PEL_OK;
    if (f->size.c != 3)
        return pel_error_set(error, PEL_EINVAL, "%s of %zu channels has no luma", cnn_role_names[r], f->size.c);
    pel_status status = luma_of(f, &luma, error);
    if (status == PEL_OK)
        status = pel_bundle_put(&g->bundle, luma, error);
    pel_frame_unref(luma);
    return status;
}

static pel_status make_grey_inputs(const pel_cnn *cnn, const pel_bundle *bundle, const pel_frame *const *frames,
                                   grey_inputs *g, pel_error *error)
{
    memset(g, 0, sizeof *g);
    pel_status status = pel_bundle_copy(&g->bundle, bundle, error);
    if (status == PEL_OK)
        status = luma_of(bundle->image, &g->luma, error);
    if (status == PEL_OK)
        pel_bundle_set_image(&g->bundle, g->luma);
    for (size_t k = 0; k < cnn->model->input_count && status == PEL_OK; k++)
        if (cnn->roles[k] == DATA || cnn->roles[k] == REFERENCE)
            status = make_grey(g, cnn->roles[k], error);
    for (size_t k = 0; cnn->window > 0 && frames != NULL && k <= 2 * cnn->window && status == PEL_OK; k++)
        if (!pel_size_equal(frames[k]->size, bundle->image->size))
            status = pel_error_set(error, PEL_EINVAL, "a neighbour in the video has another size");
        else
            status = luma_of(frames[k], &g->window[k], error);
    return status;
}

static void free_grey_inputs(grey_inputs *g)
{
    for (size_t k = 0; k < 2 * MOST_WINDOW + 1; k++)
        pel_frame_unref(g->window[k]);
    pel_frame_unref(g->luma);
    pel_bundle_clear(&g->bundle);
}

/* What changed in the luma is added to all channels.  A pixel with a bad channel has no luma: its good channels stay as
 * they are. */
static void add_change(const pel_frame *image, const pel_frame *luma, const pel_frame *restored, bool inpaint,
                       pel_frame *result)
{
    const float *before = pel_frame_floats(luma), *after = pel_frame_floats(restored);
    size_t plane = pel_size_plane(luma->size);
    for (size_t i = 0; i < 3 * plane; i++) {
        float v = pel_frame_floats(image)[i];
        if (isfinite(before[i % plane]))
            v += after[i % plane] - before[i % plane];
        else if (!isfinite(v))
            v = inpaint ? after[i % plane] : NAN;
        pel_frame_floats(result)[i] = v;
    }
}

pel_status cnn_run_luma(const pel_context *ctx, pel_cnn *cnn, const pel_bundle *bundle,
                        const pel_frame *const *frames, const pel_cnn_params *params, pel_frame **result,
                        pel_cnn_report *report)
{
    grey_inputs grey;
    const pel_frame *window[2 * MOST_WINDOW + 1];
    pel_frame *restored = NULL;
    pel_status status = make_grey_inputs(cnn, bundle, frames, &grey, ctx->error);
    for (size_t k = 0; k < 2 * MOST_WINDOW + 1; k++)
        window[k] = grey.window[k];
    if (status == PEL_OK)
        status = pel_cnn_run(ctx, cnn, &grey.bundle, frames != NULL ? window : NULL, params, &restored, report);
    if (status == PEL_OK)
        status = pel_frame_like(bundle->image, NULL, bundle->image->size, result, ctx->error);
    if (status == PEL_OK)
        add_change(bundle->image, grey.luma, restored, params->inpaint, *result);
    pel_frame_unref(restored);
    free_grey_inputs(&grey);
    return status;
}
