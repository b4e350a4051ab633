/* path.c - movements as functions of time: where things are, how far they go, what of a picture stays inside.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>

#include "motion-internal.h"

double pel_track_at(const pel_track *track, double t)
{
    double v = t * (track->rate[0] + t * (track->rate[1] + t * track->rate[2]));
    for (int k = 0; k < PEL_TREMORS; k++)
        if (track->tremor[k] != 0)
            v += track->tremor[k] * (sin(2 * M_PI * (k + 1) * t + track->phase[k]) - sin(track->phase[k]));
    return v;
}

double motion_time(size_t i, size_t n)
{
    return ((double)i + 0.5) / (double)n - 0.5;
}

motion_map motion_map_at(const pel_motion *motion, double t)
{
    /* Back from what is seen: the movement undone, then the turn about the centre, then the zoom. */
    double turn = pel_track_at(&motion->turn, t), shrink = exp(-pel_track_at(&motion->zoom, t));
    double c = shrink * cos(turn), s = shrink * sin(turn);
    double dx = motion->cx + pel_track_at(&motion->x, t), dy = motion->cy + pel_track_at(&motion->y, t);
    return (motion_map){c, -s, motion->cx - c * dx + s * dy, s, c, motion->cy - s * dx - c * dy};
}

/* Where the corners of a rectangle come from, relative to themselves. */
static void corner_shifts(const motion_map *map, double x, double y, double w, double h, double shift[4][2])
{
    for (int i = 0; i < 4; i++) {
        double qx = x + (i % 2) * (w - 1), qy = y + (double)(i / 2) * (h - 1);
        shift[i][0] = map->xx * qx + map->xy * qy + map->x0 - qx;
        shift[i][1] = map->yx * qx + map->yy * qy + map->y0 - qy;
    }
}

/* The fastest that a corner goes, in samples an exposure.  Maps are affine: nothing between the corners is faster. */
static double fastest(const pel_motion *motion, double x, double y, double w, double h)
{
    enum { PARTS = 128 };
    double most = 0, last[4][2], next[4][2];
    motion_map map = motion_map_at(motion, -0.5);
    corner_shifts(&map, x, y, w, h, last);
    for (int i = 1; i <= PARTS; i++) {
        map = motion_map_at(motion, (double)i / PARTS - 0.5);
        corner_shifts(&map, x, y, w, h, next);
        for (int k = 0; k < 4; k++) {
            most = fmax(most, hypot(next[k][0] - last[k][0], next[k][1] - last[k][1]));
            last[k][0] = next[k][0];
            last[k][1] = next[k][1];
        }
    }
    return most * PARTS;
}

size_t pel_exposure_instants(const pel_exposure *e, pel_size size, double step)
{
    double most = fastest(&e->camera, 0, 0, (double)size.w, (double)size.h);
    for (size_t i = 0; i < e->layer_count; i++) {
        const pel_layer *l = &e->layers[i];
        most = fmax(most, fastest(&l->motion, (double)l->x, (double)l->y, (double)l->side, (double)l->side));
    }
    if (!(most > 1e-6))
        return 1;
    size_t n = (size_t)ceil(most / step);
    return n < 3 ? 3 : n;
}

pel_status pel_exposure_region(const pel_exposure *e, pel_size size, size_t instants, pel_border border,
                               pel_region *region, pel_error *error)
{
    *region = (pel_region){0, 0, 0, size};
    if (border != PEL_BORDER_VALID)
        return PEL_OK;
    double low[2] = {0, 0}, high[2] = {0, 0}, shift[4][2];
    for (size_t i = 0; i < instants; i++) {
        motion_map map = motion_map_at(&e->camera, motion_time(i, instants));
        corner_shifts(&map, 0, 0, (double)size.w, (double)size.h, shift);
        for (int k = 0; k < 8; k++) {
            low[k % 2] = fmin(low[k % 2], shift[k / 2][k % 2]);
            high[k % 2] = fmax(high[k % 2], shift[k / 2][k % 2]);
        }
    }
    const double rounding = 1e-6;
    double left = ceil(-low[0] - rounding), right = ceil(high[0] - rounding);
    double top = ceil(-low[1] - rounding), bottom = ceil(high[1] - rounding);
    if (left + right >= (double)size.w || top + bottom >= (double)size.h)
        return pel_error_set(error, PEL_EINVAL,
                             "nothing is left of %zux%zu inside of a movement over %.0fx%.0f samples", size.w, size.h,
                             left + right, top + bottom);
    region->x = (size_t)left;
    region->y = (size_t)top;
    region->size.w = size.w - (size_t)(left + right);
    region->size.h = size.h - (size_t)(top + bottom);
    return PEL_OK;
}
