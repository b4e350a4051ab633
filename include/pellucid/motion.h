/* motion.h - pictures blurred as a moving camera and moving things blur them: the mean of what the sensor saw
 * during the exposure, in linear light, with the picture at the middle of it as the truth (as the pairs of S.
 * Nah et al., Deep Multi-scale CNN for Dynamic Scene Deblurring, CVPR 2017, were made from fast video).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Time runs from -1/2 to 1/2 over the exposure.  Lengths are in samples, x to the right, y down.
 */
#ifndef PELLUCID_MOTION_H
#define PELLUCID_MOTION_H

#include <pellucid/base.h>
#include <pellucid/border.h>
#include <pellucid/geometry.h>
#include <pellucid/rng.h>
#include <pellucid/transfer.h>

PEL_BEGIN_DECLS

/* One coordinate of a movement.  It is 0 in the middle of the exposure:
 *     rate[0] t + rate[1] t^2 + rate[2] t^3 + sum_k tremor[k] (sin(2 pi (k+1) t + phase[k]) - sin phase[k]). */
#define PEL_TREMORS 3
typedef struct {
    double rate[3], tremor[PEL_TREMORS], phase[PEL_TREMORS];
} pel_track;
double pel_track_at(const pel_track *track, double t);

/* A movement in the plane of the picture. */
typedef struct {
    double cx, cy;  /* what the turn and the zoom leave in its place */
    pel_track x, y; /* samples */
    pel_track turn; /* radians, counter-clockwise on the screen; within +-PEL_MOST_TURN */
    pel_track zoom; /* logarithm of the magnification; within +-1 */
} pel_motion;
#define PEL_MOST_TURN 0.8

/* A thing that moves by itself: a blob with a soft edge, filled with another place of the picture. */
#define PEL_BLOB_WAVES 5
typedef struct {
    pel_motion motion;
    size_t side;              /* of the square that holds it */
    ptrdiff_t x, y;           /* corner of the square in the middle of the exposure; it may reach outside */
    size_t from_x, from_y;    /* corner of the square, inside the picture, that it is filled with */
    unsigned lie;             /* how that lies: 1 mirrored left to right, 2 top to bottom, 4 columns as rows; or sums */
    double edge;              /* samples over which it fades, above 0 */
    double wave[PEL_BLOB_WAVES], phase[PEL_BLOB_WAVES]; /* of its radius: 1 + sum_k wave[k] cos((k+2) phi + phase[k]) */
} pel_layer;

#define PEL_LAYERS 8
typedef struct {
    pel_motion camera;          /* of all but the layers */
    size_t layer_count;
    pel_layer layers[PEL_LAYERS]; /* later ones hide earlier ones */
} pel_exposure;

/* What movements are drawn from, evenly: two ends each. */
typedef struct {
    double length[2]; /* of the path, samples */
    double turn[2];   /* between its extremes, degrees, at most 30 */
    double zoom[2];   /* between its extremes, relative to the picture's size, at most 0.5 */
    double bend[2];   /* how far it departs from going straight and evenly, relative to a hand in a long exposure */
    size_t layers[2];
} pel_exposure_ranges;

/* What was drawn for one movement. */
typedef struct {
    double length, turn, zoom, bend;
} pel_extent;

/* Draws an exposure of a picture of this size: a path of random direction that bends, changes its speed and
 * trembles (bend 0: none of it, as in the short exposures of video); a turn and a zoom, either way, about a random place; and layers, each with such a movement of its
 * own.  extents[0] is the camera's, the others are those of the layers. */
void pel_exposure_draw(const pel_exposure_ranges *ranges, pel_size size, pel_rng *rng, pel_exposure *exposure,
                       pel_extent extents[PEL_LAYERS + 1]);

/* Instants, evenly in time, of which no two neighbours lie further apart than `step` samples anywhere in the
 * picture: 1 when nothing moves, else at least 3. */
size_t pel_exposure_instants(const pel_exposure *exposure, pel_size size, double step);

/* What can be blurred without a look outside the picture (VALID), or all of it (REFLECT).  PEL_EINVAL when
 * nothing is left. */
pel_status pel_exposure_region(const pel_exposure *exposure, pel_size size, size_t instants, pel_border border,
                               pel_region *region, pel_error *error);

/* How samples are light. */
typedef struct {
    const pel_transfer *transfer;
    double black, white; /* codes of them; white > black */
    double highlights;   /* >= 1: how many times brighter than white what is white was.  Light above 0.9 of white is
                            raised, at white in full; sums above white are clipped, as in a sensor that is full */
} pel_light;

/* Blurs a picture (d = 1), of which all samples are finite, in `region` of the above: `to` is of the region's
 * size and the picture's channels.  Bicubic (R. Keys 1981), in two passes (E. Catmull & A. Smith 1980); linear for
 * what highlights add, so that nothing dark surrounds them.  Means stay within the range of the picture.
 * `mask` (NULL, or mask_channels planes of the picture's size) becomes mask_to of the region's size: the least
 * that each sample saw.  The result does not depend on the threads.  PEL_EINVAL, PEL_ENOMEM. */
typedef struct {
    const float *samples;
    pel_size size;
    const float *mask;
    size_t mask_channels;
} pel_still;
pel_status pel_exposure_blur(const pel_context *ctx, const pel_exposure *exposure, size_t instants,
                             const pel_still *still, const pel_light *light, pel_region region, float *to,
                             float *mask_to);

/* The middle of the exposure, in place of `samples` of `size` (the whole picture): layers lie on it, and
 * highlights are clipped; other samples stay as they are.  PEL_ENOMEM. */
pel_status pel_exposure_middle(const pel_context *ctx, const pel_exposure *exposure, const pel_light *light,
                               float *samples, pel_size size);

PEL_END_DECLS
#endif
