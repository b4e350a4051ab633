/* pel-crop.c - cuts a region, or random patches, out of images and of what belongs to them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <pellucid/driver.h>
#include <pellucid/geometry.h>

typedef struct {
    const char *random;
    long repeat;
    bool augment;
} settings;

typedef struct {
    pel_region region; /* or the size of the patches */
    bool placed;
    uint64_t patches, too_small; /* of this stream: patches written, pictures without any */
} state;

#define AT(member) offsetof(settings, member)
static const pel_option options[] = {
    {"random", 0, PEL_OPT_TEXT, AT(random), 0, 0, NULL, "N[xM[xD]]", NULL,
     "in place of a region: patches of N x N (or N x M) samples at random places"},
    {"repeat", 0, PEL_OPT_INTEGER, AT(repeat), 1, 1e9, "1", "K", NULL,
     "random patches of each image"},
    {"augment", 0, PEL_OPT_FLAG, AT(augment), 0, 0, NULL, NULL, NULL,
     "turn and mirror each random patch, in one of the eight ways, the PSF with it"},
    {NULL}};

/* N stands for NxN. */
static bool parse_patch(const char *text, pel_region *region)
{
    char square[64];
    bool placed;
    if (strspn(text, "0123456789") == strlen(text)) {
        int n = snprintf(square, sizeof square, "%sx%s", text, text);
        if (n < 0 || (size_t)n >= sizeof square)
            return false;
        text = square;
    }
    return pel_geometry_parse(text, region, &placed) && !placed;
}

static pel_status start(pel_run *run)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    char **operands;
    size_t count = pel_run_operands(run, &operands);
    if (s->random == NULL && (s->augment || s->repeat > 1))
        return pel_error_set(pel_run_error(run), PEL_EUSAGE, "%s is for --random patches",
                             s->augment ? "--augment" : "--repeat");
    if (count != (s->random == NULL ? 1 : 0))
        return pel_error_set(pel_run_error(run), PEL_EUSAGE,
                             s->random == NULL
                                 ? "one region is needed, as in pel-crop 512x512+100+40"
                                 : "either a region or --random, not both");
    if (s->random != NULL && !parse_patch(s->random, &st->region))
        return pel_error_set(pel_run_error(run), PEL_EUSAGE,
                             "--random '%s': a size such as 96 or 96x64 is needed", s->random);
    if (s->random == NULL && !pel_geometry_parse(operands[0], &st->region, &st->placed))
        return pel_error_set(pel_run_error(run), PEL_EUSAGE,
                             "'%s' is no region: WxH[xD][+X+Y[+Z]] is needed", operands[0]);
    return PEL_OK;
}

/* ---- Random patches */

static size_t draw_place(pel_rng *rng, size_t total, size_t part)
{
    return (size_t)pel_rng_below(rng, total - part + 1);
}

/* What is not square can lie in the four ways only that keep its sides. */
static unsigned draw_orientation(pel_rng *rng, pel_size size)
{
    return 1 + (unsigned)pel_rng_below(rng, size.w == size.h ? 8 : 4);
}

/* The patches of a picture are pictures of the stream: they are numbered and counted anew. */
static pel_status number_patch(pel_run *run, pel_frame *image)
{
    const settings *s = pel_run_settings(run);
    const state *st = pel_run_state(run);
    double of = pel_frame_real(image, "of", 0);
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, st->patches);
    pel_status status = pel_frame_set(image, "frame", text, pel_run_error(run));
    if (status != PEL_OK || !(of >= 1) || of * (double)s->repeat > 1e15)
        return status;
    snprintf(text, sizeof text, "%.0f", of * (double)s->repeat);
    return pel_frame_set(image, "of", text, pel_run_error(run));
}

static pel_status emit_patch(pel_run *run, const pel_bundle *bundle, pel_region r, pel_rng *rng)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    pel_bundle cut = {NULL, NULL, 0}, turned = {NULL, NULL, 0};
    const pel_size whole = bundle->image->size;
    r.x = draw_place(rng, whole.w, r.size.w);
    r.y = draw_place(rng, whole.h, r.size.h);
    r.z = draw_place(rng, whole.d, r.size.d);
    unsigned orientation = draw_orientation(rng, r.size); /* the same places, augmented or not */
    pel_status status = pel_geometry_cut_bundle(bundle, r, &cut, pel_run_error(run));
    if (status == PEL_OK)
        status = number_patch(run, cut.image);
    if (status == PEL_OK && s->augment)
        status = pel_geometry_turn_bundle(&cut, orientation, &turned, pel_run_error(run));
    if (status == PEL_OK)
        status = pel_emit(run, s->augment ? &turned : &cut);
    st->patches++;
    pel_bundle_clear(&cut);
    pel_bundle_clear(&turned);
    return status;
}

/* One picture that is too small among thousands is no reason to stop: but it is told. */
static pel_status leave_out(pel_run *run, const pel_frame *image)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    const char *name = pel_frame_key(image, "name");
    if (st->too_small++ == 0)
        pel_warn(run, "%s of %zux%zux%zu is smaller than --random %s: left out, as all such are",
                 name != NULL ? name : "a picture", image->size.w, image->size.h, image->size.d,
                 s->random);
    return PEL_OK;
}

static pel_status emit_patches(pel_run *run, const pel_bundle *bundle)
{
    const settings *s = pel_run_settings(run);
    const state *st = pel_run_state(run);
    pel_region r = st->region;
    const pel_size whole = bundle->image->size;
    if (r.size.d == 0) /* not given: all planes */
        r.size.d = whole.d;
    if (r.size.w > whole.w || r.size.h > whole.h || r.size.d > whole.d)
        return leave_out(run, bundle->image);
    pel_rng *rng = pel_run_rng(run, pel_run_index(run));
    if (rng == NULL)
        return pel_error_set(pel_run_error(run), PEL_ENOMEM, "out of memory");
    pel_status status = PEL_OK;
    for (long k = 0; k < s->repeat && status == PEL_OK; k++)
        status = emit_patch(run, bundle, r, rng);
    pel_rng_free(rng);
    return status;
}

static pel_status drain(pel_run *run)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    uint64_t too_small = st->too_small;
    bool none = st->patches == 0;
    st->patches = st->too_small = 0;
    if (too_small > 0 && none)
        return pel_error_set(pel_run_error(run), PEL_EINVAL,
                             "no picture is as large as --random %s", s->random);
    if (too_small > 1)
        pel_warn(run, "%" PRIu64 " pictures were smaller than --random %s", too_small, s->random);
    return PEL_OK;
}

/* ---- One region */

static pel_status emit_region(pel_run *run, const pel_bundle *bundle)
{
    const state *st = pel_run_state(run);
    pel_region r = st->region;
    const pel_size s = bundle->image->size;
    if (r.size.d == 0) /* not given: all planes, or those from Z on */
        r.size.d = r.z < s.d ? s.d - r.z : 1;
    if (!st->placed) {
        r.x = s.w > r.size.w ? (s.w - r.size.w) / 2 : 0;
        r.y = s.h > r.size.h ? (s.h - r.size.h) / 2 : 0;
        r.z = s.d > r.size.d ? (s.d - r.size.d) / 2 : 0;
    }
    pel_bundle cut = {NULL, NULL, 0};
    pel_status status = pel_geometry_cut_bundle(bundle, r, &cut, pel_run_error(run));
    if (status == PEL_OK)
        status = pel_emit(run, &cut);
    pel_bundle_clear(&cut);
    return status;
}

static pel_status image(pel_run *run, const pel_bundle *bundle)
{
    const settings *s = pel_run_settings(run);
    return s->random != NULL ? emit_patches(run, bundle) : emit_region(run, bundle);
}

static const pel_program program = {
    .name = "pel-crop",
    .summary = "cut out a region, or random patches",
    .operands = "[WxH[xD][+X+Y[+Z]]]",
    .details = "Without +X+Y the middle is cut out.  Data, mask, truth and other companions of the\n"
               "image's size are cut too; the key origin keeps where the corner was.\n"
               "Example: pel-read night.tif | pel-crop 64x64+8+8 | pel-write part.tif\n"
               "Example: pel-read *.jpg | pel-crop --random 64 --repeat 9 | pel-blur -k gauss:2\n",
    .options = options,
    .settings_size = sizeof(settings),
    .state_size = sizeof(state),
    .flags = PEL_SEEDED,
    .start = start,
    .image = image,
    .drain = drain,
};

int main(int argc, char **argv)
{
    return pel_main(&program, argc, argv);
}
