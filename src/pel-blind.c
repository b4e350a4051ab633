/* pel-blind.c - the PSF of each image, from the image alone.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <pellucid/blind.h>
#include <pellucid/driver.h>
#include <pellucid/number.h>

typedef struct {
    long size, iterations, window;
    int method;
    double min_confidence;
    bool track;
} settings;

typedef struct {
    float *last; /* the last image's kernel, for --track */
    size_t last_side;
} state;

#define LOW_CONFIDENCE 0.7 /* below it a warning is given */

#define AT(member) offsetof(settings, member)
static const pel_option options[] = {
    {"size", 0, PEL_OPT_INTEGER_AUTO, AT(size), 3, 999, "auto", "N", NULL,
     "side of the PSF in samples (an even one becomes the next odd one); auto: from the picture"},
    {"method", 0, PEL_OPT_CHOICE, AT(method), 0, 0, "l0", NULL,
     "l0|pmp|dark|edge|sparse|rl", "what tells a sharp picture from a blurred one (see the manual)"},
    {"iterations", 'n', PEL_OPT_INTEGER_AUTO, AT(iterations), 1, 1000, "auto", "N", NULL,
     "iterations a scale; auto: 6"},
    {"window", 0, PEL_OPT_INTEGER, AT(window), 0, 100000, "0", "N", NULL,
     "estimate from the N x N samples with the most detail; 0: 512, or 10 times --size if larger"},
    {"track", 0, PEL_OPT_FLAG, AT(track), 0, 0, NULL, NULL, NULL,
     "start from the last image's PSF: for video, where the blur changes slowly"},
    {"min-confidence", 0, PEL_OPT_REAL, AT(min_confidence), 0, 1, "0", "X", NULL,
     "fail when the confidence of a PSF is lower"},
    {NULL}};

/* The picture as one channel, and the weights of its samples. */
typedef struct {
    pel_size size;
    float *grey, *mask;
} source;

static void free_source(source *from)
{
    pel_free(from->grey);
    pel_free(from->mask);
}

/* Luma of Rec. 601 for three channels, else the mean. */
static void make_grey(const pel_frame *picture, float *grey)
{
    static const float luma[3] = {0.299f, 0.587f, 0.114f};
    size_t plane = pel_size_plane(picture->size), channels = picture->size.c;
    const float *v = pel_frame_floats(picture);
    memset(grey, 0, plane * sizeof *grey);
    for (size_t c = 0; c < channels; c++) {
        float weight = channels == 3 ? luma[c] : 1.0f / (float)channels;
        for (size_t i = 0; i < plane; i++)
            grey[i] += weight * v[c * plane + i];
    }
}

/* Samples that are not finite, masked, or at full scale in any channel tell nothing of the blur. */
static pel_status make_mask(pel_run *run, const pel_frame *picture, const pel_frame *mask, float *to)
{
    size_t plane = pel_size_plane(picture->size), bad = 0;
    double white = pel_frame_real(picture, "white", HUGE_VAL);
    const float *v = pel_frame_floats(picture);
    if (mask != NULL && !pel_size_same_plane(mask->size, picture->size))
        return pel_error_set(pel_run_error(run), PEL_EFORMAT, "a mask of %zux%zu for a picture of %zux%zu",
                             mask->size.w, mask->size.h, picture->size.w, picture->size.h);
    for (size_t i = 0; i < plane; i++)
        to[i] = 1;
    for (size_t c = 0; mask != NULL && c < mask->size.c; c++)
        for (size_t i = 0; i < plane; i++)
            to[i] = fminf(to[i], pel_frame_floats(mask)[c * plane + i]);
    for (size_t c = 0; c < picture->size.c; c++)
        for (size_t i = 0; i < plane; i++)
            if (!isfinite(v[c * plane + i]) || (double)v[c * plane + i] >= 0.999 * white)
                to[i] = 0;
    for (size_t i = 0; i < plane; i++)
        bad += !(to[i] > 0);
    if (bad > 0)
        pel_note(run, "%zu of %zu samples are bad or saturated, and left out", bad, plane);
    return PEL_OK;
}

static void cut(float *samples, size_t width, pel_blind_window window)
{
    for (size_t y = 0; y < window.h; y++)
        memmove(samples + y * window.w, samples + (y + window.y) * width + window.x,
                window.w * sizeof *samples);
}

static pel_status open_source(pel_run *run, const pel_bundle *bundle, source *from)
{
    const settings *s = pel_run_settings(run);
    const pel_frame *data = pel_bundle_find(bundle, "data", NULL);
    const pel_frame *picture = data != NULL ? data : bundle->image;
    const pel_size size = picture->size;
    *from = (source){pel_size_make(size.w, size.h, 1, 1), NULL, NULL};
    if (size.d != 1)
        return pel_error_set(pel_run_error(run), PEL_EINVAL,
                             "a volume of %zux%zux%zu: PSFs are estimated of pictures", size.w, size.h,
                             size.d);
    from->grey = pel_alloc_floats(size.w * size.h);
    from->mask = pel_alloc_floats(size.w * size.h);
    if (from->grey == NULL || from->mask == NULL)
        return pel_error_set(pel_run_error(run), PEL_ENOMEM, "out of memory");
    make_grey(picture, from->grey);
    pel_status status = make_mask(run, picture, pel_bundle_find(bundle, "mask", NULL), from->mask);
    /* The methods' weights are for pictures of 0 to 1. */
    pel_blind_window window;
    size_t side = s->window > 0 ? (size_t)s->window : 512;
    if (s->window == 0 && 10 * s->size > (long)side)
        side = 10 * (size_t)s->size;
    if (status == PEL_OK)
        status = pel_blind_find_window(pel_run_context(run), from->grey, from->mask, from->size, side,
                                       &window);
    if (status != PEL_OK)
        return status;
    if (window.w < size.w || window.h < size.h) {
        pel_note(run, "estimated from %zux%zu samples at %zu,%zu", window.w, window.h, window.x,
                 window.y);
        cut(from->grey, size.w, window);
        cut(from->mask, size.w, window);
        from->size = pel_size_make(window.w, window.h, 1, 1);
    }
    return PEL_OK;
}

/* Brings the samples to the range 0 to 1 that the methods' weights are for; returns the scale. */
static double scale_to_unit(const pel_run *run, const pel_frame *picture, source *from)
{
    double low = pel_frame_real(picture, "black", 0), high = pel_frame_real(picture, "white", (double)NAN);
    size_t count = from->size.w * from->size.h;
    (void)run;
    if (!isfinite(high)) {
        low = HUGE_VAL;
        high = -HUGE_VAL;
        for (size_t i = 0; i < count; i++)
            if (from->mask[i] > 0) {
                low = fmin(low, (double)from->grey[i]);
                high = fmax(high, (double)from->grey[i]);
            }
    }
    double scale = high > low ? high - low : 1;
    for (size_t i = 0; i < count; i++)
        from->grey[i] = (float)(((double)from->grey[i] - low) / scale);
    return scale;
}

/* ---- What goes into the stream */

static pel_status put_psf(pel_run *run, const float *psf, const pel_blind_report *report,
                          pel_bundle *out)
{
    pel_frame *frame;
    pel_error *error = pel_run_error(run);
    pel_status status =
        pel_frame_new("psf", PEL_F32, pel_size_make(report->side, report->side, 1, 1), &frame, error);
    if (status != PEL_OK)
        return status;
    memcpy(pel_frame_floats(frame), psf, frame->bytes);
    char text[16];
    snprintf(text, sizeof text, "%.3f", report->confidence);
    status = pel_frame_set(frame, "confidence", text, error);
    if (status == PEL_OK)
        status = pel_bundle_put(out, frame, error);
    pel_frame_unref(frame);
    return status;
}

/* What the kernel leaves unexplained acts as noise does: solvers need to know.  The latent picture of the
 * estimate takes up part of it; with this factor pel-tv is, on 32 pictures, within 0.3 dB of what the
 * best of all factors gives.  A larger sigma that the stream already has stays. */
#define SIGMAS 2
static pel_status put_sigma(pel_run *run, double sigma, pel_bundle *out)
{
    const pel_frame *old = pel_bundle_find(out, "sigma", NULL);
    pel_frame *frame;
    double square = 0;
    for (size_t i = 0; old != NULL && i < pel_size_count(old->size); i++)
        square += (double)pel_frame_floats(old)[i] * (double)pel_frame_floats(old)[i];
    if (old != NULL && square >= sigma * sigma * (double)pel_size_count(old->size))
        return PEL_OK;
    pel_status status = pel_frame_new("sigma", PEL_F32, pel_size_make(1, 1, 1, 1), &frame,
                                      pel_run_error(run));
    if (status != PEL_OK)
        return status;
    pel_frame_floats(frame)[0] = (float)sigma;
    status = pel_bundle_put(out, frame, pel_run_error(run));
    pel_frame_unref(frame);
    return status;
}

static pel_status emit(pel_run *run, const pel_bundle *bundle, const float *psf,
                       const pel_blind_report *report)
{
    const settings *s = pel_run_settings(run);
    if (report->confidence < s->min_confidence)
        return pel_error_set(pel_run_error(run), PEL_ENUMERIC,
                             "the PSF has a confidence of %.3f, below --min-confidence %g",
                             report->confidence, s->min_confidence);
    if (report->confidence < LOW_CONFIDENCE)
        pel_warn(run, "the PSF has a confidence of only %.3f: is there too little detail, or is the "
                 "blur not the same everywhere?", report->confidence);
    pel_note(run, "PSF of %zux%zu, confidence %.3f, unexplained %.4g", report->side, report->side,
             report->confidence, report->residual);
    pel_bundle out;
    pel_status status = pel_bundle_copy(&out, bundle, pel_run_error(run));
    if (status == PEL_OK)
        status = put_psf(run, psf, report, &out);
    if (status == PEL_OK)
        status = put_sigma(run, SIGMAS * report->residual, &out);
    if (status == PEL_OK)
        status = pel_emit(run, &out);
    pel_bundle_clear(&out);
    return status;
}

static pel_status image(pel_run *run, const pel_bundle *bundle)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    source from;
    pel_blind_params params = {.method = (pel_blind_method)s->method,
                               .side = s->size > 0 ? (size_t)s->size | 1 : 0,
                               .iterations = s->iterations,
                               .start = s->track ? st->last : NULL,
                               .start_side = st->last_side};
    pel_blind_report report;
    float *psf;
    pel_status status = open_source(run, bundle, &from);
    if (status == PEL_OK) {
        double scale = scale_to_unit(run, bundle->image, &from);
        status = pel_blind(pel_run_context(run), from.grey, from.mask, from.size, &params, &psf,
                           &report);
        report.residual *= scale;
    }
    free_source(&from);
    if (status != PEL_OK)
        return status;
    status = emit(run, bundle, psf, &report);
    pel_free(st->last);
    st->last = psf;
    st->last_side = report.side;
    return status;
}

static void stop(pel_run *run)
{
    pel_free(((state *)pel_run_state(run))->last);
}

static const pel_program program = {
    .name = "pel-blind",
    .summary = "estimate the PSF from the picture alone",
    .details = "Puts the PSF, and a sigma that includes what the PSF leaves unexplained, into the\n"
               "stream in front of each image, for the solver that follows.\n"
               "Example: pel-read shake.jpg | pel-blind | pel-tv | pel-write sharp.png\n",
    .options = options,
    .settings_size = sizeof(settings),
    .state_size = sizeof(state),
    .image = image,
    .stop = stop,
};

int main(int argc, char **argv)
{
    return pel_main(&program, argc, argv);
}
