/* pel-tile.c - cuts images into overlapping tiles, each an image of its own.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdio.h>

#include <pellucid/driver.h>
#include <pellucid/geometry.h>

typedef struct {
    long overlap;
} settings;

typedef struct {
    pel_region tile;
} state;

static const pel_option options[] = {
    {"overlap", 0, PEL_OPT_INTEGER, offsetof(settings, overlap), 0, 65536, "32", "N", NULL,
     "samples that neighbouring tiles share at least; twice the PSF's radius or more hides seams"},
    {NULL}};

static pel_status start(pel_run *run)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    bool placed;
    char **operands;
    if (pel_run_operands(run, &operands) != 1 ||
        !pel_geometry_parse(operands[0], &st->tile, &placed) || placed)
        return pel_error_set(pel_run_error(run), PEL_EUSAGE,
                             "the size of a tile is needed, as in pel-tile 256x256");
    size_t least = st->tile.size.w < st->tile.size.h ? st->tile.size.w : st->tile.size.h;
    if ((size_t)s->overlap >= least)
        return pel_error_set(pel_run_error(run), PEL_EUSAGE,
                             "--overlap %ld: tiles of %zux%zu cannot share so much", s->overlap,
                             st->tile.size.w, st->tile.size.h);
    return PEL_OK;
}

/* How many tiles of `size` cover `total` with that overlap, and where number i begins: they are
 * spread evenly, so that all have one size. */
static size_t tile_count(size_t total, size_t size, size_t overlap)
{
    return total <= size ? 1 : (total - overlap + (size - overlap) - 1) / (size - overlap);
}

static size_t tile_start(size_t total, size_t size, size_t count, size_t i)
{
    return count == 1 ? 0 : (total - size) * i / (count - 1);
}

static pel_status emit_tile(pel_run *run, const pel_bundle *bundle, pel_region r, size_t i, size_t n)
{
    pel_bundle cut = {NULL, NULL, 0};
    const pel_size s = bundle->image->size;
    char text[160];
    pel_status status = pel_geometry_cut_bundle(bundle, r, &cut, pel_run_error(run));
    snprintf(text, sizeof text, "%zu,%zu,%zu,%zu,%zu,%zu,%zu,%zu", i, n, r.x, r.y, r.z, s.w, s.h, s.d);
    if (status == PEL_OK)
        status = pel_frame_set(cut.image, "tile", text, pel_run_error(run));
    if (status == PEL_OK)
        status = pel_emit(run, &cut);
    pel_bundle_clear(&cut);
    return status;
}

static pel_status image(pel_run *run, const pel_bundle *bundle)
{
    const settings *s = pel_run_settings(run);
    const state *st = pel_run_state(run);
    const pel_size total = bundle->image->size;
    size_t overlap = (size_t)s->overlap, overlap_z = 0;
    pel_region r = st->tile;
    if (r.size.d == 0 || r.size.d >= total.d)
        r.size.d = total.d;
    else
        overlap_z = overlap < r.size.d ? overlap : r.size.d - 1;
    r.size.w = r.size.w < total.w ? r.size.w : total.w;
    r.size.h = r.size.h < total.h ? r.size.h : total.h;
    size_t nx = tile_count(total.w, r.size.w, overlap), ny = tile_count(total.h, r.size.h, overlap);
    size_t nz = tile_count(total.d, r.size.d, overlap_z), n = nx * ny * nz;
    pel_status status = PEL_OK;
    for (size_t i = 0; i < n && status == PEL_OK; i++) {
        r.x = tile_start(total.w, r.size.w, nx, i % nx);
        r.y = tile_start(total.h, r.size.h, ny, i / nx % ny);
        r.z = tile_start(total.d, r.size.d, nz, i / nx / ny);
        status = emit_tile(run, bundle, r, i, n);
    }
    return status;
}

static const pel_program program = {
    .name = "pel-tile",
    .summary = "cut into overlapping tiles",
    .operands = "WxH[xD]",
    .details = "Each tile is an image with its companions; pel-untile blends them back.\n"
               "Example: pel-read night.tif | pel-tile 64x64 | pel-wiener -k gauss:1 | pel-untile | "
               "pel-write out.tif\n",
    .options = options,
    .settings_size = sizeof(settings),
    .state_size = sizeof(state),
    .start = start,
    .image = image,
};

int main(int argc, char **argv)
{
    return pel_main(&program, argc, argv);
}
