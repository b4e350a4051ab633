/* validate.c - the PSNR of a model on pictures that are kept.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "feed.h"
#include "validate.h"

#define MOST_PSNR 200.0 /* of pictures that are equal to their truth */

static pel_status keep(pel_validation *v, const pel_bundle *bundle, pel_error *error)
{
    pel_bundle *more = realloc(v->bundles, (v->count + 1) * sizeof *more);
    if (more == NULL)
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    v->bundles = more;
    v->bundles[v->count++] = *bundle;
    return PEL_OK;
}

static pel_status check(const pel_bundle *bundle, size_t number, pel_error *error)
{
    const pel_frame *truth = pel_bundle_find(bundle, "truth", NULL);
    if (truth == NULL || !pel_size_equal(truth->size, bundle->image->size))
        return pel_error_set(error, PEL_EINVAL, "picture %zu has no truth of its size", number);
    return PEL_OK;
}

static pel_status read_all(pel_feed *feed, pel_validation *v, pel_error *error)
{
    for (;;) {
        pel_bundle bundle = {NULL, NULL, 0};
        bool ended;
        pel_status status = pel_feed_next(feed, &bundle, &ended, error);
        if (status == PEL_OK && !ended)
            status = check(&bundle, v->count, error);
        if (status == PEL_OK && !ended)
            status = keep(v, &bundle, error);
        if (status != PEL_OK || ended)
            pel_bundle_clear(&bundle);
        if (status == PEL_OK && ended && v->count == 0)
            status = pel_error_set(error, PEL_EINVAL, "there is no picture");
        if (status != PEL_OK || ended)
            return status;
    }
}

pel_status pel_validation_read(const char *path, size_t memory, pel_validation *v, pel_error *error)
{
    pel_feed *feed;
    *v = (pel_validation){NULL, 0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return pel_error_set(error, PEL_EIO, "cannot read %s: %s", path, strerror(errno));
    pel_status status = pel_feed_new(fd, NULL, 0, 0, memory, &feed, error);
    if (status == PEL_OK)
        status = read_all(feed, v, error);
    pel_feed_free(feed);
    close(fd);
    if (status != PEL_OK)
        pel_error_prefix(error, "%s", path);
    return status;
}

void pel_validation_clear(pel_validation *v)
{
    for (size_t i = 0; i < v->count; i++)
        pel_bundle_clear(&v->bundles[i]);
    free(v->bundles);
    *v = (pel_validation){NULL, 0};
}

/* Samples that are bad in either have no part in it. */
static double psnr_of(const pel_frame *result, const pel_frame *truth, double range)
{
    const float *a = pel_frame_floats(result), *b = pel_frame_floats(truth);
    double sum = 0;
    size_t count = 0;
    for (size_t i = 0; i < pel_size_count(truth->size); i++) {
        double d = (double)a[i] - (double)b[i];
        if (isfinite(d)) {
            sum += d * d;
            count++;
        }
    }
    double mse = count > 0 ? sum / (double)count : 0;
    return mse > 0 ? fmin(10 * log10(range * range / mse), MOST_PSNR) : MOST_PSNR;
}

pel_status pel_validation_score(const pel_context *ctx, const pel_validation *v, const pel_model *model,
                                pel_precision precision, double *psnr)
{
    pel_context quiet = *ctx; /* the progress is that of the training */
    pel_cnn *cnn;
    pel_cnn_params params = {.precision = precision, .sigma = (double)NAN};
    double sum = 0;
    quiet.tick = NULL;
    pel_status status = pel_cnn_new(model, &cnn, ctx->error);
    for (size_t i = 0; i < v->count && status == PEL_OK; i++) {
        pel_cnn_report report;
        pel_frame *result;
        status = pel_cnn_run(&quiet, cnn, &v->bundles[i], NULL, &params, &result, &report);
        if (status != PEL_OK)
            break;
        sum += psnr_of(result, pel_bundle_find(&v->bundles[i], "truth", NULL), report.white - report.black);
        pel_frame_unref(result);
    }
    pel_cnn_free(cnn);
    *psnr = v->count > 0 ? sum / (double)v->count : 0;
    return status;
}
