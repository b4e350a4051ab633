/* denoise.c - a model as the denoiser of arrays, for methods that take one as their prior.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include "cnn-internal.h"

pel_status pel_cnn_check_denoiser(const pel_cnn *cnn, pel_error *error)
{
    bool has[MOST_INPUTS + 1] = {false}; /* role after role */
    for (size_t k = 0; k < cnn->model->input_count; k++)
        has[cnn->roles[k]] = true;
    for (role r = DATA; r <= STATE; r++)
        if (r != SIGMA && has[r])
            return pel_error_set(error, PEL_EINVAL, "the model is no denoiser: besides the image and sigma it takes %s",
                                 r == STATE ? "a state" : cnn_role_names[r]);
    if (!has[SIGMA])
        return pel_error_set(error, PEL_EINVAL, "the model is no denoiser for any noise: it does not take sigma");
    if (cnn->window > 0)
        return pel_error_set(error, PEL_EINVAL, "the model takes a window of frames, not one picture");
    return PEL_OK;
}

size_t pel_cnn_multiple(const pel_cnn *cnn) { return cnn->multiple; }

pel_status pel_cnn_denoise(const pel_context *ctx, pel_cnn *cnn, pel_size size, double white, double black,
                           pel_precision precision, double sigma, float *picture)
{
    size_t bytes = pel_size_count(size) * sizeof *picture;
    pel_frame *image, *clean = NULL;
    pel_cnn_report report;
    const pel_cnn_params params = {.precision = precision, .colour = PEL_CNN_BY_CHANNEL, .sigma = sigma};
    pel_status status = pel_frame_new("image", PEL_F32, size, &image, ctx->error);
    if (status != PEL_OK)
        return status;
    memcpy(pel_frame_floats(image), picture, bytes);
    status = pel_frame_set_real(image, "white", white, ctx->error);
    if (status == PEL_OK)
        status = pel_frame_set_real(image, "black", black, ctx->error);
    const pel_bundle bundle = {image, NULL, 0};
    if (status == PEL_OK)
        status = pel_cnn_run(ctx, cnn, &bundle, NULL, &params, &clean, &report);
    if (status == PEL_OK)
        memcpy(picture, pel_frame_floats(clean), bytes);
    pel_frame_unref(clean);
    pel_frame_unref(image);
    return status;
}
