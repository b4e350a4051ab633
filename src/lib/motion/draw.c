/* draw.c - random exposures: paths that bend and tremble, turns, zooms, blobs.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Every movement draws all of its numbers, so that what one range draws does not depend on the others. */
#include "config.h"

#include <math.h>

#include "motion-internal.h"

/* A hand goes mostly straight; over an exposure its path bends and changes speed, and trembles (at some 10 Hz: one to
 * three times within 1/10 to 1/3 s).  These are relative to a straight way of 1, as found by eye from real pictures. */
#define BEND 0.7
#define JERK 1.0
#define TREMOR 0.15

static double between(pel_rng *rng, const double range[2])
{
    return range[0] + pel_rng_uniform(rng) * (range[1] - range[0]);
}

/* A track that goes about `straight` from end to end. */
static pel_track draw_track(pel_rng *rng, double straight, double tremor)
{
    pel_track track = {.rate = {straight, pel_rng_gaussian(rng, BEND), pel_rng_gaussian(rng, JERK)}};
    for (int k = 0; k < PEL_TREMORS; k++) {
        track.tremor[k] = pel_rng_gaussian(rng, tremor / (k + 1));
        track.phase[k] = 2 * M_PI * pel_rng_uniform(rng);
    }
    return track;
}

/* From that power of time on: 0, all of it; 1, what is not straight and even. */
static void scale_track(pel_track *track, int power, double factor)
{
    for (int k = power; k < 3; k++)
        track->rate[k] *= factor;
    for (int k = 0; k < PEL_TREMORS; k++)
        track->tremor[k] *= factor;
}

enum { PARTS = 128 };

static double path_length(const pel_track *x, const pel_track *y)
{
    double length = 0, lx = pel_track_at(x, -0.5), ly = pel_track_at(y, -0.5);
    for (int i = 1; i <= PARTS; i++) {
        double t = (double)i / PARTS - 0.5, nx = pel_track_at(x, t), ny = pel_track_at(y, t);
        length += hypot(nx - lx, ny - ly);
        lx = nx;
        ly = ny;
    }
    return length;
}

static double track_range(const pel_track *track)
{
    double low = 0, high = 0;
    for (int i = 0; i <= PARTS; i++) {
        double v = pel_track_at(track, (double)i / PARTS - 0.5);
        low = fmin(low, v);
        high = fmax(high, v);
    }
    return high - low;
}

/* A turn or zoom, one way or the other, of no extent yet. */
static pel_track draw_scalar(pel_rng *rng)
{
    double sign = pel_rng_uniform(rng) < 0.5 ? -1 : 1;
    return draw_track(rng, sign, TREMOR * pel_rng_uniform(rng));
}

static pel_extent draw_motion(const pel_exposure_ranges *r, pel_rng *rng, pel_motion *motion)
{
    pel_extent extent = {.bend = 1};
    extent.length = between(rng, r->length);
    extent.turn = between(rng, r->turn);
    extent.zoom = between(rng, r->zoom);
    double angle = 2 * M_PI * pel_rng_uniform(rng), tremor = TREMOR * pel_rng_uniform(rng);
    motion->x = draw_track(rng, cos(angle), tremor);
    motion->y = draw_track(rng, sin(angle), tremor);
    motion->turn = draw_scalar(rng);
    motion->zoom = draw_scalar(rng);
    return extent;
}

/* How far it departs from going straight, evenly; then how far it goes in all. */
static void settle_motion(const pel_extent *extent, pel_motion *motion)
{
    pel_track *const tracks[] = {&motion->x, &motion->y, &motion->turn, &motion->zoom};
    for (size_t i = 0; i < 4; i++)
        scale_track(tracks[i], 1, extent->bend);
    double scale = extent->length / path_length(&motion->x, &motion->y);
    scale_track(&motion->x, 0, scale);
    scale_track(&motion->y, 0, scale);
    scale_track(&motion->turn, 0, extent->turn * M_PI / 180 / track_range(&motion->turn));
    scale_track(&motion->zoom, 0, log1p(extent->zoom) / track_range(&motion->zoom));
}

/* 20 to 70 % of the shorter side wide, anywhere, of the picture's own stuff from anywhere, turned in any of the eight ways. */
static void draw_blob(pel_size size, pel_rng *rng, pel_layer *layer)
{
    size_t shorter = size.w < size.h ? size.w : size.h;
    double side = (0.2 + 0.5 * pel_rng_uniform(rng)) * (double)shorter;
    layer->side = side < 1 ? 1 : (size_t)side;
    double half = ((double)layer->side - 1) / 2;
    layer->x = (ptrdiff_t)floor(pel_rng_uniform(rng) * (double)size.w - half);
    layer->y = (ptrdiff_t)floor(pel_rng_uniform(rng) * (double)size.h - half);
    layer->from_x = (size_t)(pel_rng_uniform(rng) * (double)(size.w - layer->side + 1));
    layer->from_y = (size_t)(pel_rng_uniform(rng) * (double)(size.h - layer->side + 1));
    layer->lie = (unsigned)pel_rng_below(rng, 8);
    layer->edge = 1.5 + 2.5 * pel_rng_uniform(rng);
    for (int k = 0; k < PEL_BLOB_WAVES; k++) {
        layer->wave[k] = pel_rng_gaussian(rng, 0.3 / (k + 2));
        layer->phase[k] = 2 * M_PI * pel_rng_uniform(rng);
    }
    layer->motion.cx = (double)layer->x + half;
    layer->motion.cy = (double)layer->y + half;
}

void pel_exposure_draw(const pel_exposure_ranges *r, pel_size size, pel_rng *rng, pel_exposure *e,
                       pel_extent extents[PEL_LAYERS + 1])
{
    e->layer_count = r->layers[0] + (size_t)pel_rng_below(rng, r->layers[1] - r->layers[0] + 1);
    e->camera.cx = pel_rng_uniform(rng) * (double)(size.w - 1);
    e->camera.cy = pel_rng_uniform(rng) * (double)(size.h - 1);
    extents[0] = draw_motion(r, rng, &e->camera);
    for (size_t i = 0; i < e->layer_count; i++) {
        draw_blob(size, rng, &e->layers[i]);
        extents[i + 1] = draw_motion(r, rng, &e->layers[i].motion);
    }
    for (size_t i = 0; i <= e->layer_count; i++) {
        extents[i].bend = between(rng, r->bend);
        settle_motion(&extents[i], i == 0 ? &e->camera : &e->layers[i - 1].motion);
    }
}
