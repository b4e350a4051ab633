/* pel-shake.c - degrades: blurs pictures as a moving camera and moving things do, and keeps the truth.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <pellucid/driver.h>
#include <pellucid/motion.h>
#include <pellucid/number.h>

typedef struct {
    pel_range length, turn, zoom, bend, layers, highlights;
    long samples;
    const char *transfer;
    int border;
} settings;

typedef struct {
    bool by_key;          /* --transfer auto */
    pel_range gamma;      /* else; a number of transfer.h */
    double gamma_now;     /* of `transfer` */
    pel_transfer *transfer;
} state;

#define STEP 0.7 /* samples between neighbouring instants: steps of 1 are still below what the picture can show */
#define MOST_LENGTH 1000

#define AT(member) offsetof(settings, member)
static const pel_option options[] = {
    {"length", 0, PEL_OPT_RANGE, AT(length), 0, MOST_LENGTH, "0..16", "L[..L]", NULL,
     "length of the path over the picture, in samples"},
    {"turn", 0, PEL_OPT_RANGE, AT(turn), 0, 30, "0..1.5", "A[..A]", NULL,
     "turn about a random place, in degrees"},
    {"zoom", 0, PEL_OPT_RANGE, AT(zoom), 0, 0.5, "0..0.02", "Z[..Z]", NULL,
     "growth or shrinkage about that place, relative: a way forward or back"},
    {"bend", 0, PEL_OPT_RANGE, AT(bend), 0, 2, "1", "B[..B]", NULL,
     "how much movements bend, change their speed and tremble: 0 straight and even, as in short exposures, 1 as a hand does"},
    {"layers", 0, PEL_OPT_RANGE, AT(layers), 0, PEL_LAYERS, "0..2", "N[..N]", NULL,
     "things that move by themselves, by movements from the same ranges"},
    {"samples", 0, PEL_OPT_INTEGER_AUTO, AT(samples), 1, 10000, "auto", "S", NULL,
     "instants that are averaged; auto: as many as leave no gaps"},
    {"transfer", 0, PEL_OPT_TEXT, AT(transfer), 0, 0, "auto", "CURVE", NULL,
     "how samples stand for light: linear, srgb, gamma:G or gamma:G..G; auto: the image's key, else linear"},
    {"highlights", 0, PEL_OPT_RANGE, AT(highlights), 1, 10000, "1", "E[..E]", NULL,
     "how many times brighter than white was what is white: makes bright streaks"},
    {"border", 0, PEL_OPT_CHOICE, AT(border), 0, 0, "reflect", NULL, "valid|reflect",
     "what lies outside the picture; valid: keep only what needs nothing from outside"},
    {NULL}};

static pel_status parse_transfer(const char *text, state *st, pel_error *error)
{
    st->by_key = strcmp(text, "auto") == 0;
    st->gamma = (pel_range){PEL_TRANSFER_LINEAR, PEL_TRANSFER_LINEAR};
    if (st->by_key || strcmp(text, "linear") == 0)
        return PEL_OK;
    if (strcmp(text, "srgb") == 0) {
        st->gamma = (pel_range){PEL_TRANSFER_SRGB, PEL_TRANSFER_SRGB};
        return PEL_OK;
    }
    if (strncmp(text, "gamma:", 6) != 0 || !pel_number_range(text + 6, &st->gamma.low, &st->gamma.high) ||
        st->gamma.low < 1 || st->gamma.high > 4)
        return pel_error_set(error, PEL_EUSAGE,
                             "--transfer '%s': auto, linear, srgb or gamma:G is needed, G from 1 to 4 or a range",
                             text);
    return PEL_OK;
}

static pel_status start(pel_run *run)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    if (s->layers.low != floor(s->layers.low) || s->layers.high != floor(s->layers.high))
        return pel_error_set(pel_run_error(run), PEL_EUSAGE, "--layers: whole numbers are needed");
    return parse_transfer(s->transfer, st, pel_run_error(run));
}

static void stop(pel_run *run)
{
    state *st = pel_run_state(run);
    pel_transfer_free(st->transfer);
}

/* ---- What is drawn */

typedef struct {
    double gamma, highlights;
    pel_exposure exposure;
    pel_extent extents[PEL_LAYERS + 1];
    size_t instants;
} draw;

/* Sums of light go by its logarithm: highlights are drawn evenly in theirs. */
static pel_status draw_all(pel_run *run, pel_size size, draw *d)
{
    const settings *s = pel_run_settings(run);
    const state *st = pel_run_state(run);
    pel_rng *rng = pel_run_rng(run, pel_run_index(run));
    if (rng == NULL)
        return pel_error_set(pel_run_error(run), PEL_ENOMEM, "out of memory");
    pel_exposure_ranges ranges = {{s->length.low, s->length.high},
                                  {s->turn.low, s->turn.high},
                                  {s->zoom.low, s->zoom.high},
                                  {s->bend.low, s->bend.high},
                                  {(size_t)s->layers.low, (size_t)s->layers.high}};
    d->gamma = st->gamma.low + pel_rng_uniform(rng) * (st->gamma.high - st->gamma.low);
    d->highlights = s->highlights.low * pow(s->highlights.high / s->highlights.low, pel_rng_uniform(rng));
    pel_exposure_draw(&ranges, size, rng, &d->exposure, d->extents);
    pel_rng_free(rng);
    d->instants = s->samples > 0 ? (size_t)s->samples : pel_exposure_instants(&d->exposure, size, STEP);
    return PEL_OK;
}

static void say(char *text, size_t room, const char *name, double value)
{
    char number[32];
    size_t n = strlen(text);
    pel_number_format(round(value * 1e4) / 1e4, number);
    snprintf(text + n, room - n, "%s%s=%s", n > 0 ? "," : "", name, number);
}

/* The key `shake`; with -v also what each layer does. */
static pel_status tell(pel_run *run, const draw *d, pel_frame *image)
{
    char text[200] = "";
    say(text, sizeof text, "length", d->extents[0].length);
    say(text, sizeof text, "turn", d->extents[0].turn);
    say(text, sizeof text, "zoom", d->extents[0].zoom);
    say(text, sizeof text, "layers", (double)d->exposure.layer_count);
    say(text, sizeof text, "samples", (double)d->instants);
    if (d->extents[0].bend != 1)
        say(text, sizeof text, "bend", d->extents[0].bend);
    if (d->gamma > 1)
        say(text, sizeof text, "gamma", d->gamma);
    if (d->highlights > 1)
        say(text, sizeof text, "highlights", d->highlights);
    pel_note(run, "%s", text);
    for (size_t i = 1; i <= d->exposure.layer_count; i++)
        pel_note(run, "layer of %zu samples: length=%.4g,turn=%.4g,zoom=%.4g", d->exposure.layers[i - 1].side,
                 d->extents[i].length, d->extents[i].turn, d->extents[i].zoom);
    return pel_frame_set(image, "shake", text, pel_run_error(run));
}

/* ---- Light */

static pel_status find_light(pel_run *run, const pel_frame *image, draw *d, pel_light *light)
{
    state *st = pel_run_state(run);
    pel_error *error = pel_run_error(run);
    const char *key = pel_frame_key(image, "transfer");
    if (st->by_key && key != NULL && strcmp(key, "srgb") == 0)
        d->gamma = PEL_TRANSFER_SRGB;
    else if (st->by_key && key != NULL && strcmp(key, "linear") != 0)
        return pel_error_set(error, PEL_EINVAL, "transfer=%.40s is not known here: name a curve with --transfer", key);
    if (d->highlights > 1 && pel_frame_key(image, "white") == NULL)
        return pel_error_set(error, PEL_EINVAL, "--highlights: the image has no key white that tells where light is clipped");
    *light = (pel_light){NULL, pel_frame_real(image, "black", 0), pel_frame_real(image, "white", 1), d->highlights};
    if (!(light->white > light->black))
        return pel_error_set(error, PEL_EINVAL, "white=%g is not above black=%g", light->white, light->black);
    if (st->transfer == NULL || st->gamma_now != d->gamma) {
        pel_transfer_free(st->transfer);
        st->transfer = NULL;
        pel_status status = pel_transfer_new(d->gamma, &st->transfer, error);
        if (status != PEL_OK)
            return status;
        st->gamma_now = d->gamma;
    }
    light->transfer = st->transfer;
    return PEL_OK;
}

static pel_status check_picture(pel_run *run, const pel_frame *image, const pel_frame *truth)
{
    const pel_size size = image->size;
    const float *v = pel_frame_floats(image);
    size_t bad = 0;
    if (size.d != 1)
        return pel_error_set(pel_run_error(run), PEL_EINVAL,
                             "a volume of %zux%zux%zu: only pictures and video frames can be shaken", size.w, size.h,
                             size.d);
    if (truth != NULL && !pel_size_equal(truth->size, size))
        return pel_error_set(pel_run_error(run), PEL_EINVAL, "the stream's truth is not of the image's size");
    for (size_t i = 0; i < pel_size_count(size); i++)
        bad += !isfinite(v[i]);
    if (bad > 0)
        return pel_error_set(pel_run_error(run), PEL_EINVAL,
                             "%zu samples are not finite, and would spread over the picture: fill them first", bad);
    return PEL_OK;
}

/* ---- The bundle */

/* The truth: what it was before, or the image; in the middle of the exposure, cut to the region. */
static pel_status put_truth(pel_run *run, const pel_bundle *in, const draw *d, const pel_light *light,
                            pel_region region, pel_bundle *out)
{
    pel_error *error = pel_run_error(run);
    pel_frame *before = pel_bundle_find(in, "truth", NULL), *whole, *cut;
    before = before != NULL ? before : in->image;
    bool same = d->exposure.layer_count == 0 && !(light->highlights > 1);
    pel_status status = same ? pel_frame_copy(before, "truth", &whole, error)
                             : pel_frame_like(before, "truth", before->size, &whole, error);
    if (status != PEL_OK)
        return status;
    if (!same) {
        memcpy(pel_frame_floats(whole), pel_frame_floats(before), whole->bytes);
        status = pel_exposure_middle(pel_run_context(run), &d->exposure, light, pel_frame_floats(whole), whole->size);
    }
    if (status == PEL_OK)
        status = pel_geometry_cut(whole, region, &cut, error);
    if (status == PEL_OK) {
        status = pel_bundle_put(out, cut, error);
        pel_frame_unref(cut);
    }
    pel_frame_unref(whole);
    return status;
}

/* Blurs the image, and the mask if it is the image's. */
static pel_status expose(pel_run *run, const pel_bundle *in, const draw *d, const pel_light *light, pel_region region,
                         pel_bundle *out)
{
    pel_error *error = pel_run_error(run);
    const pel_frame *image = in->image, *mask = pel_bundle_find(in, "mask", NULL);
    pel_frame *blurred = NULL, *seen = NULL;
    pel_still still = {pel_frame_floats(image), image->size, NULL, 0};
    pel_size size = region.size;
    size.c = image->size.c;
    pel_status status = pel_frame_new("image", PEL_F32, size, &blurred, error);
    if (status == PEL_OK && mask != NULL && pel_geometry_follows(mask, image)) {
        still.mask = pel_frame_floats(mask);
        still.mask_channels = size.c = mask->size.c;
        status = pel_frame_like(pel_bundle_find(out, "mask", NULL), "mask", size, &seen, error);
    }
    if (status == PEL_OK)
        status = pel_exposure_blur(pel_run_context(run), &d->exposure, d->instants, &still, light, region,
                                   pel_frame_floats(blurred), seen != NULL ? pel_frame_floats(seen) : NULL);
    if (status == PEL_OK && seen != NULL)
        status = pel_bundle_put(out, seen, error);
    if (status == PEL_OK)
        status = pel_frame_inherit(blurred, out->image, error);
    if (status == PEL_OK)
        status = tell(run, d, blurred);
    if (status == PEL_OK)
        pel_bundle_set_image(out, blurred);
    pel_frame_unref(blurred);
    pel_frame_unref(seen);
    return status;
}

static pel_status image(pel_run *run, const pel_bundle *bundle)
{
    const settings *s = pel_run_settings(run);
    draw d = {.instants = 0};
    pel_light light;
    pel_region region;
    pel_bundle out = {NULL, NULL, 0};
    pel_status status = check_picture(run, bundle->image, pel_bundle_find(bundle, "truth", NULL));
    if (status == PEL_OK)
        status = draw_all(run, bundle->image->size, &d);
    if (status == PEL_OK)
        status = find_light(run, bundle->image, &d, &light);
    if (status == PEL_OK)
        status = pel_exposure_region(&d.exposure, bundle->image->size, d.instants, (pel_border)s->border, &region,
                                     pel_run_error(run));
    if (status == PEL_OK)
        status = pel_geometry_cut_bundle(bundle, region, &out, pel_run_error(run));
    if (status == PEL_OK)
        status = put_truth(run, bundle, &d, &light, region, &out);
    if (status == PEL_OK)
        status = expose(run, bundle, &d, &light, region, &out);
    pel_bundle_remove(&out, "data", NULL); /* what was restored before is the measurement now */
    pel_bundle_remove(&out, "psf", NULL);  /* no one PSF is this blur */
    if (status == PEL_OK)
        status = pel_emit(run, &out);
    pel_bundle_clear(&out);
    return status;
}

static const pel_program program = {
    .name = "pel-shake",
    .summary = "blur by a moving camera and moving things",
    .details = "Every image draws a movement of its own: the mean of what was seen, in linear light, with the picture\n"
               "at the middle of it as the truth.  The blur is not the same everywhere and has no PSF.\n"
               "Example: pel-read photo.png | pel-shake --length 12 --seed 3 | pel-write shaken.png\n"
               "Example: pel-crop --random 160 <photos.pel | pel-shake | pel-crop --random 96 | pel-noise 0..5/255\n",
    .flags = PEL_SEEDED,
    .options = options,
    .settings_size = sizeof(settings),
    .state_size = sizeof(state),
    .start = start,
    .image = image,
    .stop = stop,
};

int main(int argc, char **argv)
{
    return pel_main(&program, argc, argv);
}
