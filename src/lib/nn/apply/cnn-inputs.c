/* cnn-inputs.c - from frames to a model's inputs: by role, scaled, padded.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/fill.h>

#include "cnn-internal.h"

void pel_cnn_find_scale(const pel_frame *image, pel_cnn_report *report)
{
    report->white_guessed = pel_frame_scale(image, &report->black, &report->white);
}

/* Padded by reflection about the outermost samples. */
static size_t reflect(size_t i, size_t size)
{
    size_t period = size > 1 ? 2 * (size - 1) : 1;
    i %= period;
    return i < size ? i : period - i;
}

static void pad_plane(const float *from, pel_size size, pel_size padded, double scale, double black, float *to)
{
    for (size_t y = 0; y < padded.h; y++)
        for (size_t x = 0; x < padded.w; x++)
            to[y * padded.w + x] =
                (float)(((double)from[reflect(y, size.h) * size.w + reflect(x, size.w)] - black) * scale);
}

pel_status cnn_give_plane(const job *j, const pel_frame *f, size_t z, size_t channel, float *to)
{
    size_t plane = f->size.w * f->size.h;
    const float *from = pel_frame_floats(f) + (channel * f->size.d + z) * plane;
    pel_size one = pel_size_make(f->size.w, f->size.h, 1, 1);
    float *filled = pel_alloc_floats(2 * plane), *mask = filled + plane;
    pel_status status = filled == NULL ? pel_error_set(j->ctx->error, PEL_ENOMEM, "out of memory") : PEL_OK;
    bool all = true;
    for (size_t i = 0; i < plane && status == PEL_OK; i++) {
        mask[i] = isfinite(from[i]);
        all = all && isfinite(from[i]);
    }
    if (status == PEL_OK && !all)
        status = pel_fill_holes(j->ctx, from, mask, one, filled);
    if (status == PEL_OK)
        pad_plane(all ? from : filled, one, j->padded, cnn_scale(j), j->report->black, to);
    pel_free(filled);
    return status;
}

bool cnn_is_picture(const pel_cnn *c, size_t k)
{
    const pel_model_value *in = &c->model->inputs[k];
    return c->roles[k] != PSF && !(c->roles[k] == SIGMA && in->has_shape && in->dims[2] == 1 && in->dims[3] == 1);
}

/* The noise level: one number for all, or a map. */
static pel_status give_sigma(const job *j, bool one, size_t z, size_t channel, float *to)
{
    const pel_frame *f = pel_bundle_find(j->bundle, "sigma", NULL);
    size_t count = one ? 1 : j->padded.w * j->padded.h;
    double s = j->params->sigma;
    if (isnan(s) && f == NULL)
        return pel_error_set(j->ctx->error, PEL_EINVAL, "the model needs the noise level, and the stream has no sigma: "
                             "put pel-noise or a solver before it, or give -s");
    if (isnan(s) && pel_size_count(f->size) > 1 && one)
        return pel_error_set(j->ctx->error, PEL_EINVAL, "the model takes one noise level, and the stream's sigma is a "
                             "map: give -s");
    if (isnan(s) && pel_size_count(f->size) > 1) {
        if (f->size.w != j->size.w || f->size.h != j->size.h || z >= f->size.d)
            return pel_error_set(j->ctx->error, PEL_EINVAL, "the map of sigma does not have the image's size");
        channel = channel < f->size.c ? channel : f->size.c - 1;
        pad_plane(pel_frame_floats(f) + (channel * f->size.d + z) * f->size.w * f->size.h, f->size, j->padded,
                  cnn_scale(j), 0, to);
        return PEL_OK;
    }
    s = isnan(s) ? (double)pel_frame_floats(f)[0] : s;
    const double full = j->report->white - j->report->black;
    if (!(s >= 0 && s <= full)) /* no picture is left in that; most likely 25 was meant for 25/255 */
        return pel_error_set(j->ctx->error, PEL_EINVAL, "noise of %.4g is beyond full scale, which is %.4g: sigma is in "
                             "sample units", s, full);
    for (size_t i = 0; i < count; i++)
        to[i] = (float)(s * cnn_scale(j));
    return PEL_OK;
}

pel_status cnn_find_frame(const job *j, role r, const pel_frame **frame)
{
    *frame = r == IMAGE ? j->bundle->image : pel_bundle_find(j->bundle, cnn_role_names[r], NULL);
    if (*frame == NULL && r == DATA) /* nothing has replaced the measurement: it is the image */
        *frame = j->bundle->image;
    if (*frame == NULL)
        return pel_error_set(j->ctx->error, PEL_EINVAL, "the model needs the role %s, and the stream has none",
                             cnn_role_names[r]);
    if (r != PSF && ((*frame)->size.w != j->size.w || (*frame)->size.h != j->size.h))
        return pel_error_set(j->ctx->error, PEL_EINVAL, "%s of %zux%zu, image of %zux%zu", cnn_role_names[r],
                             (*frame)->size.w, (*frame)->size.h, j->size.w, j->size.h);
    return PEL_OK;
}

/* The frames of the window, one after the other. */
static pel_status give_window(const job *j, size_t z, size_t first, size_t channels, float *to)
{
    size_t frames = 2 * j->c->window + 1, each = channels / frames, plane = j->padded.w * j->padded.h;
    pel_status status = PEL_OK;
    for (size_t i = 0; i < frames && status == PEL_OK; i++) {
        const pel_frame *f = j->frames[i];
        if (!pel_size_equal(f->size, j->bundle->image->size))
            return pel_error_set(j->ctx->error, PEL_EINVAL, "a neighbour in the video has another size");
        for (size_t c = 0; c < each && status == PEL_OK; c++)
            status = cnn_give_plane(j, f, z, first + c < f->size.c ? first + c : f->size.c - 1,
                                to + (i * each + c) * plane);
    }
    return status;
}

pel_status cnn_give_input(const job *j, size_t k, size_t z, size_t first, size_t channels, float *to)
{
    const pel_frame *f;
    size_t plane = j->padded.w * j->padded.h;
    if (j->c->roles[k] == SIGMA)
        return give_sigma(j, !cnn_is_picture(j->c, k), z, first, to);
    if (j->c->roles[k] == STATE) {
        if (j->c->state[k] != NULL)
            memcpy(to, j->c->state[k], channels * plane * sizeof *to);
        else
            memset(to, 0, channels * plane * sizeof *to);
        return PEL_OK;
    }
    if (j->c->roles[k] == IMAGE && j->c->window > 0)
        return give_window(j, z, first, channels, to);
    pel_status status = cnn_find_frame(j, j->c->roles[k], &f);
    if (status == PEL_OK && j->c->roles[k] == PSF)
        plane = f->size.w * f->size.h;
    for (size_t c = 0; c < channels && status == PEL_OK; c++) {
        size_t from = first + c < f->size.c ? first + c : f->size.c - 1;
        if (j->c->roles[k] == PSF)
            memcpy(to + c * plane, pel_frame_floats(f) + from * plane, plane * sizeof *to);
        else
            status = cnn_give_plane(j, f, z < f->size.d ? z : f->size.d - 1, from, to + c * plane);
    }
    return status;
}

pel_status cnn_input_size(const job *j, size_t k, size_t channels, pel_size *size)
{
    const pel_model_value *in = &j->c->model->inputs[k];
    int64_t given = in->has_shape ? in->dims[1] : -1;
    *size = j->padded;
    size->c = j->c->roles[k] == SIGMA ? 1 : given > 0 ? (size_t)given : channels;
    if (j->c->roles[k] == IMAGE)
        size->c = channels * (2 * j->c->window + 1);
    if (cnn_is_picture(j->c, k))
        return PEL_OK;
    if (j->c->roles[k] == SIGMA) {
        *size = pel_size_make(1, 1, 1, 1);
        return PEL_OK;
    }
    const pel_frame *f;
    pel_status status = cnn_find_frame(j, PSF, &f);
    if (status == PEL_OK && f->size.d != 1)
        status = pel_error_set(j->ctx->error, PEL_EINVAL, "the model takes PSFs of one plane");
    if (status == PEL_OK) {
        size->w = f->size.w;
        size->h = f->size.h;
    }
    return status;
}
