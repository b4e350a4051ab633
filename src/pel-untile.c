/* pel-untile.c - blends the tiles of pel-tile back into images.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include <pellucid/blend.h>
#include <pellucid/driver.h>

typedef struct {
    pel_blend *blend;  /* of the image that is being put together; NULL between images */
    pel_size whole;    /* its size */
    size_t tiles, seen;
} state;

static void forget(state *st)
{
    pel_blend_free(st->blend);
    st->blend = NULL;
    st->tiles = st->seen = 0;
}

static void stop(pel_run *run)
{
    forget(pel_run_state(run));
}

/* tile=i,n,x,y,z,W,H,D with numbers that fit together. */
static pel_status parse(pel_run *run, const pel_frame *image, unsigned long long v[8])
{
    const char *text = pel_frame_key(image, "tile");
    char more;
    if (text == NULL)
        return pel_error_set(pel_run_error(run), PEL_EINVAL,
                             "the image is no tile: pel-tile makes them");
    bool good = strspn(text, "0123456789,") == strlen(text) &&
                sscanf(text, "%llu,%llu,%llu,%llu,%llu,%llu,%llu,%llu%c", &v[0], &v[1], &v[2], &v[3],
                       &v[4], &v[5], &v[6], &v[7], &more) == 8;
    for (int i = 0; i < 8 && good; i++)
        good = v[i] < (1ull << 40);
    good = good && v[1] > 0 && v[0] < v[1];
    const size_t size[3] = {image->size.w, image->size.h, image->size.d};
    for (int i = 0; i < 3 && good; i++)
        good = size[i] <= v[5 + i] && v[2 + i] <= v[5 + i] - size[i];
    return good ? PEL_OK
                : pel_error_set(pel_run_error(run), PEL_EFORMAT, "tile=%.80s does not fit its image",
                                text);
}

static pel_status finish(pel_run *run)
{
    state *st = pel_run_state(run);
    pel_bundle out = {NULL, NULL, 0};
    pel_status status = pel_blend_finish(st->blend, &out, pel_run_error(run));
    if (status == PEL_OK)
        status = pel_emit(run, &out);
    pel_bundle_clear(&out);
    forget(st);
    return status;
}

static pel_status image(pel_run *run, const pel_bundle *bundle)
{
    state *st = pel_run_state(run);
    unsigned long long v[8];
    pel_status status = parse(run, bundle->image, v);
    if (status != PEL_OK)
        return status;
    pel_size whole = {v[5], v[6], v[7], bundle->image->size.c};
    if (v[0] != st->seen || (st->blend != NULL && v[1] != st->tiles))
        return pel_error_set(pel_run_error(run), PEL_EFORMAT,
                             "tile %llu of %llu came where tile %zu was expected", v[0], v[1], st->seen);
    if (st->blend != NULL && !pel_size_equal(whole, st->whole))
        return pel_error_set(pel_run_error(run), PEL_EFORMAT,
                             "tile %llu is of another picture than those before it", v[0]);
    if (st->blend == NULL) {
        st->whole = whole;
        st->tiles = v[1];
        status = pel_blend_new(whole, pel_run_memory(run), &st->blend, pel_run_error(run));
    }
    if (status == PEL_OK)
        status = pel_blend_add(st->blend, bundle, v[2], v[3], v[4], pel_run_error(run));
    st->seen++;
    return status == PEL_OK && st->seen == st->tiles ? finish(run) : status;
}

static pel_status drain(pel_run *run)
{
    const state *st = pel_run_state(run);
    if (st->blend == NULL)
        return PEL_OK;
    return pel_error_set(pel_run_error(run), PEL_EFORMAT, "only %zu of %zu tiles came", st->seen,
                         st->tiles);
}

static const pel_program program = {
    .name = "pel-untile",
    .summary = "blend tiles back",
    .details = "Takes the tiles of pel-tile in their order; overlaps are blended smoothly.\n"
               "Example: pel-read night.tif | pel-tile 64x64 | pel-wiener -k gauss:1 | pel-untile | "
               "pel-write out.tif\n",
    .state_size = sizeof(state),
    .image = image,
    .drain = drain,
    .stop = stop,
};

int main(int argc, char **argv)
{
    return pel_main(&program, argc, argv);
}
