/* pel-crop.c - cuts a region out of images and of what belongs to them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/driver.h>
#include <pellucid/geometry.h>

typedef struct {
    pel_region region;
    bool placed;
} state;

static pel_status start(pel_run *run)
{
    state *st = pel_run_state(run);
    char **operands;
    if (pel_run_operands(run, &operands) != 1)
        return pel_error_set(pel_run_error(run), PEL_EUSAGE,
                             "one region is needed, as in pel-crop 512x512+100+40");
    if (!pel_geometry_parse(operands[0], &st->region, &st->placed))
        return pel_error_set(pel_run_error(run), PEL_EUSAGE,
                             "'%s' is no region: WxH[xD][+X+Y[+Z]] is needed", operands[0]);
    return PEL_OK;
}

static pel_status image(pel_run *run, const pel_bundle *bundle)
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

static const pel_program program = {
    .name = "pel-crop",
    .summary = "cut out a region",
    .operands = "WxH[xD][+X+Y[+Z]]",
    .details = "Without +X+Y the middle is cut out.  Data, mask, truth and other companions of the\n"
               "image's size are cut too; the key origin keeps where the corner was.\n"
               "Example: pel-read night.tif | pel-crop 64x64+8+8 | pel-write part.tif\n",
    .state_size = sizeof(state),
    .start = start,
    .image = image,
};

int main(int argc, char **argv)
{
    return pel_main(&program, argc, argv);
}
