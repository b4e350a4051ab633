/* motion-internal.h - what the files of this folder share: maps of the plane, stacks of planes, layers.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PEL_MOTION_INTERNAL_H
#define PEL_MOTION_INTERNAL_H

#include <pellucid/cpu.h>
#include <pellucid/motion.h>

/* Where sample (x, y) of what is seen comes from: (xx x + xy y + x0, yx x + yy y + y0). */
typedef struct {
    double xx, xy, x0, yx, yy, y0;
} motion_map;

motion_map motion_map_at(const pel_motion *motion, double t);
/* Instant i of n, evenly in time, each in the middle of its part. */
double motion_time(size_t i, size_t n);

/* Planes of one size with a frame of `pad` samples around: (x, y) of the picture is (x + pad, y + pad) here. */
typedef struct {
    size_t w, h; /* with the frame */
    ptrdiff_t pad;
    size_t planes, cubic; /* the first `cubic` of them are interpolated by cubics, the others by lines */
    float *samples;
} motion_stack;

/* Samples not cleared. */
pel_status motion_stack_new(const pel_context *ctx, pel_size size, ptrdiff_t pad, size_t planes, size_t cubic,
                            motion_stack *stack);
/* The part of a plane without its frame; rows are stack->w apart. */
float *motion_stack_plane(const motion_stack *stack, size_t plane);

/* Room for a row of up to `width` samples of a stack of such a width, planes and all. */
typedef struct motion_scratch motion_scratch;
motion_scratch *motion_scratch_new(size_t width); /* NULL: out of memory */
void motion_scratch_free(motion_scratch *scratch);

/* Samples x[0] up to x[1] of row y of what is seen through the map, of each plane: at to[plane * width + x].  The
 * map must turn by less than PEL_MOST_TURN.  x is narrowed to what comes from inside the stack, its frame
 * included; false: nothing does.  Results are the same on every level of CPU. */
bool motion_row(const motion_stack *stack, const motion_map *map, ptrdiff_t y, ptrdiff_t x[2], size_t width,
                motion_scratch *scratch, pel_cpu level, float *to);

/* How solid a layer is, in its square: `side` x `side` samples of 0 to 1. */
void motion_blob(const pel_layer *layer, float *alpha);
/* Sample (x, y) of the square comes from sample (*fx, *fy) of the picture. */
void motion_layer_source(const pel_layer *layer, size_t x, size_t y, size_t *fx, size_t *fy);

/* Light that highlights add to light v: none below MOTION_BRIGHT of white. */
#define MOTION_BRIGHT 0.9f
static inline float motion_excess(float v, double highlights)
{
    float ramp = v < 1 ? (v - MOTION_BRIGHT) / (1 - MOTION_BRIGHT) : 1;
    return v > MOTION_BRIGHT ? v * ramp * (float)(highlights - 1) : 0;
}

#endif
