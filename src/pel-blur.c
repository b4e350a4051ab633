/* pel-blur.c - degrades: convolves images with a PSF, and keeps the truth.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include <pellucid/conv.h>
#include <pellucid/degrade.h>
#include <pellucid/geometry.h>
#include <pellucid/psf.h>
#include <pellucid/stage.h>

typedef struct {
    const char *psf;
    int border;
    bool random;
    pel_range error;
} settings;

typedef struct {
    pel_frame *psf;          /* of -k; with --random the one that was drawn for this image */
    pel_frame *last, *joint; /* the stream's PSF, and it convolved with ours */
} state;

#define AT(member) offsetof(settings, member)
static const pel_option options[] = {
    {"psf", 'k', PEL_OPT_TEXT, AT(psf), 0, 0, NULL, "SPEC|FILE", NULL,
     "the PSF: a model such as gauss:2.5, or a file (default: the stream's)"},
    {"border", 0, PEL_OPT_CHOICE, AT(border), 0, 0, "reflect", NULL, PEL_BORDER_CHOICES,
     "what lies outside the picture; valid: keep only what needs nothing from outside"},
    {"random", 0, PEL_OPT_FLAG, AT(random), 0, 0, NULL, NULL, NULL,
     "draw a PSF for each image: from ranges in SPEC, as in disc:1..4, and a path for each shake"},
    {"psf-error", 0, PEL_OPT_RANGE, AT(error), 0, 0.7, "0", "E[..E]", NULL,
     "the PSF that is put into the stream is wrong by this part of its norm, as one that was measured or estimated is"},
    {NULL}};

/* The PSF of image `number`, in place of the last one. */
static pel_status draw_psf(pel_run *run, uint64_t number)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    char spec[PEL_PSF_SPEC_MAX];
    pel_rng *rng = pel_run_rng(run, number);
    if (rng == NULL)
        return pel_error_set(pel_run_error(run), PEL_ENOMEM, "out of memory");
    pel_status status = pel_psf_draw(s->psf, rng, spec, pel_run_error(run));
    pel_rng_free(rng);
    pel_frame *drawn;
    if (status == PEL_OK)
        status = pel_stage_psf(run, spec, &drawn);
    if (status != PEL_OK)
        return status;
    pel_frame_unref(st->psf);
    pel_frame_unref(st->joint); /* it was joined with the last one */
    st->joint = NULL;
    st->psf = drawn;
    return PEL_OK;
}

static pel_status start(pel_run *run)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    if (!s->random)
        return s->psf == NULL ? PEL_OK : pel_stage_psf(run, s->psf, &st->psf);
    if (s->psf == NULL || !pel_psf_is_spec(s->psf))
        return pel_error_set(pel_run_error(run), PEL_EUSAGE,
                             "--random needs a PSF model to draw from, as in -k shake:size=9..31");
    return draw_psf(run, 0); /* what is wrong with it is told before anything is read */
}

static void stop(pel_run *run)
{
    state *st = pel_run_state(run);
    pel_frame_unref(st->psf);
    pel_frame_unref(st->last);
    pel_frame_unref(st->joint);
}

/* Blurring what was blurred before: the PSFs convolve.  A truth in the stream tells that it was,
 * `data` that a solver has undone it. */
static pel_status join_psf(pel_run *run, pel_frame *before, pel_frame *ours, pel_frame **joint)
{
    state *st = pel_run_state(run);
    if (st->joint != NULL && st->last == before) {
        *joint = st->joint;
        return PEL_OK;
    }
    pel_psf a = {before->size, pel_frame_floats(before)}, b = {ours->size, pel_frame_floats(ours)};
    pel_psf both;
    pel_status status = pel_psf_convolve(pel_run_context(run), &a, &b, &both);
    if (status != PEL_OK)
        return status;
    pel_frame *made;
    status = pel_frame_new("psf", PEL_F32, both.size, &made, pel_run_error(run));
    if (status == PEL_OK) {
        memcpy(pel_frame_floats(made), both.samples, made->bytes);
        pel_frame_unref(st->joint);
        pel_frame_unref(st->last);
        st->joint = *joint = made;
        st->last = pel_frame_ref(before);
    }
    pel_psf_clear(&both);
    return status;
}

/* Everything around the image follows its new geometry; the truth is what the image was. */
static pel_status make_bundle(pel_run *run, const pel_bundle *bundle, pel_frame *blurred,
                              pel_region region, pel_bundle *out)
{
    pel_error *error = pel_run_error(run);
    pel_status status = pel_geometry_cut_bundle(bundle, region, out, error);
    if (status == PEL_OK && pel_bundle_find(out, "truth", NULL) == NULL) {
        pel_frame *truth;
        status = pel_frame_copy(out->image, "truth", &truth, error);
        if (status == PEL_OK) {
            status = pel_bundle_put(out, truth, error);
            pel_frame_unref(truth);
        }
    }
    if (status == PEL_OK)
        status = pel_frame_inherit(blurred, out->image, error);
    if (status == PEL_OK)
        pel_bundle_set_image(out, blurred);
    pel_bundle_remove(out, "data", NULL); /* what was restored before is the measurement now */
    return status;
}

static pel_status blur(pel_run *run, const pel_bundle *bundle, pel_frame *psf, pel_frame *told)
{
    const settings *s = pel_run_settings(run);
    const pel_frame *image = bundle->image;
    pel_error *error = pel_run_error(run);
    pel_size size;
    if (!pel_convolved_size(image->size, psf->size, (pel_border)s->border, &size))
        return pel_error_set(error, PEL_EINVAL,
                             "nothing is left of %zux%zux%zu under a PSF of %zux%zux%zu",
                             image->size.w, image->size.h, image->size.d, psf->size.w, psf->size.h,
                             psf->size.d);
    pel_region region = {0, 0, 0, size};
    if (s->border == PEL_BORDER_VALID) {
        region.x = psf->size.w - 1 - psf->size.w / 2;
        region.y = psf->size.h - 1 - psf->size.h / 2;
        region.z = psf->size.d - 1 - psf->size.d / 2;
    }
    pel_frame *blurred;
    pel_bundle out = {NULL, NULL, 0};
    pel_status status = pel_frame_new("image", PEL_F32, size, &blurred, error);
    if (status != PEL_OK)
        return status;
    status = pel_blur_picture(pel_run_context(run), pel_frame_floats(image), image->size,
                              pel_frame_floats(psf), psf->size, (pel_border)s->border,
                              pel_frame_floats(blurred));
    if (status == PEL_OK)
        status = make_bundle(run, bundle, blurred, region, &out);
    if (status == PEL_OK)
        status = pel_bundle_put(&out, told, error);
    if (status == PEL_OK)
        status = pel_emit(run, &out);
    pel_bundle_clear(&out);
    pel_frame_unref(blurred);
    return status;
}

/* What solvers are told of the PSF of image `number`. */
static pel_status disturb_psf(pel_run *run, uint64_t number, const pel_frame *psf, pel_frame **told)
{
    const settings *s = pel_run_settings(run);
    const pel_psf right = {psf->size, pel_frame_floats(psf)};
    pel_rng *rng = pel_run_rng(run, number | UINT64_C(1) << 63); /* other numbers than those that drew the PSF */
    if (rng == NULL)
        return pel_error_set(pel_run_error(run), PEL_ENOMEM, "out of memory");
    double error = s->error.low + (s->error.high - s->error.low) * pel_rng_uniform(rng);
    pel_status status = pel_frame_new("psf", PEL_F32, psf->size, told, pel_run_error(run));
    if (status == PEL_OK)
        status = pel_psf_disturb(&right, error, rng, pel_frame_floats(*told), pel_run_error(run));
    pel_rng_free(rng);
    return status;
}

static pel_status image(pel_run *run, const pel_bundle *bundle)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    pel_frame *before = pel_bundle_find(bundle, "psf", NULL);
    pel_status status = s->random ? draw_psf(run, pel_run_index(run)) : PEL_OK;
    if (status != PEL_OK)
        return status;
    pel_frame *psf = st->psf != NULL ? st->psf : before;
    if (psf == NULL)
        return pel_error_set(pel_run_error(run), PEL_EINVAL,
                             "no PSF in the stream and none given: name one with -k gauss:2 or "
                             "-k FILE");
    if (psf->size.c != 1 && psf->size.c != bundle->image->size.c)
        return pel_error_set(pel_run_error(run), PEL_EINVAL,
                             "a PSF of %zu channels for a picture of %zu", psf->size.c,
                             bundle->image->size.c);
    pel_frame *joint = psf;
    if (st->psf != NULL && before != NULL && pel_bundle_find(bundle, "truth", NULL) != NULL &&
        pel_bundle_find(bundle, "data", NULL) == NULL)
        status = join_psf(run, before, psf, &joint);
    pel_frame *told = NULL;
    if (status == PEL_OK && s->error.high > 0)
        status = disturb_psf(run, pel_run_index(run), joint, &told);
    if (status == PEL_OK)
        status = blur(run, bundle, psf, told != NULL ? told : joint);
    pel_frame_unref(told);
    return status;
}

static const pel_program program = {
    .name = "pel-blur",
    .summary = "convolve images with a PSF",
    .details = "Puts the PSF and the truth into the stream, so that restoration needs no -k and "
               "pel-score\nno file.  PSF models are listed by pel-psf --help.\n"
               "Example: pel-read photo.png | pel-blur -k motion:21,30 | pel-noise 2.55/255 | "
               "pel-tv | pel-score\n"
               "Example: pel-crop --random 64 <photos.pel | pel-blur -k shake:9..25 --random\n",
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
