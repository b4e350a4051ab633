/* warp.c - rows of a picture that is moved, turned and zoomed.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * In two passes (E. Catmull & A. Smith, 3-D transformations of images in scanline order, SIGGRAPH 1980), a row of
 * the result at a time: down the columns to the slanted line that the row comes from, then along that line.  Turns
 * are small and zooms are near 1, so that where a sample comes from steps over a whole sample seldom: between such
 * steps lies a run, in which neighbours come from neighbours, and which the compiler makes vectors of. */
#include "config.h"

#include <math.h>

#include <pellucid/cpu.h>

#include "motion-internal.h"

/* Positions at .. at + n - 1.  The four taps of position i begin at sample `first` (down a column) or at first + i
 * (along the line), and its place is f + (i - at) df, counted from the second of them. */
typedef struct {
    size_t at, n;
    ptrdiff_t first;
    float f, df;
} run;

/* One of the two passes. */
typedef struct {
    run *runs;
    size_t count;
    float *weights; /* four of a cubic, then two of a line, for each position: planes of `width` */
} pass;

struct motion_scratch {
    size_t width;
    pass down, along;
    float *line;
};

static bool new_pass(pass *p, size_t width)
{
    p->runs = pel_alloc(width * sizeof *p->runs);
    p->weights = pel_alloc_floats(6 * width);
    return p->runs != NULL && p->weights != NULL;
}

motion_scratch *motion_scratch_new(size_t width)
{
    motion_scratch *s = pel_alloc(sizeof *s);
    if (s == NULL)
        return NULL;
    *s = (motion_scratch){.width = width, .line = pel_alloc_floats(width)};
    bool down = new_pass(&s->down, width), along = new_pass(&s->along, width);
    if (!down || !along || s->line == NULL) {
        motion_scratch_free(s);
        return NULL;
    }
    return s;
}

void motion_scratch_free(motion_scratch *s)
{
    if (s == NULL)
        return;
    pel_free(s->down.runs);
    pel_free(s->down.weights);
    pel_free(s->along.runs);
    pel_free(s->along.weights);
    pel_free(s->line);
    pel_free(s);
}

pel_status motion_stack_new(const pel_context *ctx, pel_size size, ptrdiff_t pad, size_t planes, size_t cubic,
                            motion_stack *stack)
{
    size_t w = size.w + 2 * (size_t)pad, h = size.h + 2 * (size_t)pad, bytes;
    *stack = (motion_stack){w, h, pad, planes, cubic, NULL};
    if (!pel_size_bytes(pel_size_make(w, h, 1, planes), sizeof(float), &bytes))
        return pel_error_set(ctx->error, PEL_ELIMIT, "a picture of %zux%zu is too large", w, h);
    stack->samples = pel_alloc(bytes);
    return stack->samples != NULL ? PEL_OK : pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
}

float *motion_stack_plane(const motion_stack *s, size_t plane)
{
    return s->samples + (plane * s->h + (size_t)s->pad) * s->w + (size_t)s->pad;
}

/* Cuts the positions 0 .. n-1, whose places are v + i slope, into runs.  Taps are samples 0 .. taps-1; along the
 * line (`drift` 1) they go with the position. */
static void find_runs(pass *p, size_t n, double v, double slope, size_t taps, ptrdiff_t drift)
{
    p->count = 0;
    for (size_t at = 0; at < n;) {
        double place = v + slope * (double)at, whole = floor(place), length = (double)(n - at);
        if (slope > 0)
            length = fmin(length, ceil((whole + 1 - place) / slope));
        else if (slope < 0)
            length = fmin(length, floor((place - whole) / -slope) + 1);
        size_t count = length > 1 ? (size_t)length : 1;
        /* Rounding, and the slanted line of a layer, may go a little beyond. */
        double least = (double)(-drift * (ptrdiff_t)at);
        double most = (double)taps - 4 - (double)(drift * (ptrdiff_t)(at + count - 1));
        double first = fmax(fmin(whole - 1, most), least);
        p->runs[p->count++] = (run){at, count, (ptrdiff_t)first, (float)(place - whole), (float)slope};
        at += count;
    }
}

/* Cubics after R. Keys, Cubic convolution interpolation, IEEE TASSP 29 (1981), eq. 15 (a = -1/2). */
static inline void set_cubics(const run *r, float *restrict w0, float *restrict w1, float *restrict w2,
                              float *restrict w3)
{
    float f0 = r->f, df = r->df;
    int n = (int)r->n;
    for (int i = 0; i < n; i++) {
        float f = f0 + (float)i * df;
        w0[i] = f * (f * (1 - 0.5f * f) - 0.5f);
        w1[i] = 1 + f * f * (1.5f * f - 2.5f);
        w2[i] = f * (0.5f + f * (2 - 1.5f * f));
        w3[i] = f * f * (0.5f * f - 0.5f);
    }
}

static inline void set_weights(const pass *p, size_t width, bool cubic, bool linear)
{
    for (const run *r = p->runs; r < p->runs + p->count; r++) {
        float *w = p->weights + r->at, *restrict w4 = w + 4 * width, *restrict w5 = w + 5 * width;
        if (cubic)
            set_cubics(r, w, w + width, w + 2 * width, w + 3 * width);
        for (int i = 0; i < (int)r->n && linear; i++) {
            w5[i] = r->f + (float)i * r->df;
            w4[i] = 1 - w5[i];
        }
    }
}

/* One run of one plane: the taps of a position are `step` samples apart. */
static inline void interpolate(const run *r, const float *weights, size_t width, bool cubic, const float *from,
                               size_t step, float *restrict to)
{
    const float *restrict w0 = weights + r->at, *restrict p0 = from;
    const float *restrict w1 = w0 + width, *restrict p1 = from + step;
    const float *restrict w2 = w1 + width, *restrict p2 = p1 + step;
    const float *restrict w3 = w2 + width, *restrict p3 = p2 + step;
    const float *restrict w4 = w3 + width, *restrict w5 = w4 + width;
    if (cubic)
        for (size_t i = 0; i < r->n; i++)
            to[i] = (w0[i] * p0[i] + w1[i] * p1[i]) + (w2[i] * p2[i] + w3[i] * p3[i]);
    else
        for (size_t i = 0; i < r->n; i++)
            to[i] = w4[i] * p1[i] + w5[i] * p2[i];
}

/* Positions of the result whose place x0 + xx x along the line lies between 1 and w - 3, where all taps are. */
static bool narrow(double xx, double x0, size_t w, ptrdiff_t x[2])
{
    double low = ceil((1 - x0) / xx), high = floor(((double)w - 3 - x0) / xx) + 1;
    low = fmax(low, (double)x[0]);
    high = fmin(high, (double)x[1]);
    if (!(low < high))
        return false;
    x[0] = (ptrdiff_t)low;
    x[1] = (ptrdiff_t)high;
    return true;
}

static inline __attribute__((always_inline)) void run_passes(const motion_stack *stack, motion_scratch *s,
                                                             size_t column, size_t width, float *to)
{
    bool cubic = stack->cubic > 0, linear = stack->cubic < stack->planes;
    set_weights(&s->down, s->width, cubic, linear);
    set_weights(&s->along, s->width, cubic, linear);
    for (size_t plane = 0; plane < stack->planes; plane++, to += width) {
        const float *from = stack->samples + plane * stack->h * stack->w + column;
        cubic = plane < stack->cubic;
        for (const run *r = s->down.runs; r < s->down.runs + s->down.count; r++)
            interpolate(r, s->down.weights, s->width, cubic, from + (size_t)r->first * stack->w + r->at, stack->w,
                        s->line + r->at);
        for (const run *r = s->along.runs; r < s->along.runs + s->along.count; r++)
            interpolate(r, s->along.weights, s->width, cubic, s->line + (r->first + (ptrdiff_t)r->at), 1,
                        to + r->at);
    }
}

static void run_passes_plain(const motion_stack *stack, motion_scratch *s, size_t column, size_t width, float *to)
{
    run_passes(stack, s, column, width, to);
}

#ifdef PEL_X86
/* The same sums in wider vectors: the same results. */
__attribute__((target("avx2"))) static void run_passes_avx2(const motion_stack *stack, motion_scratch *s,
                                                            size_t column, size_t width, float *to)
{
    run_passes(stack, s, column, width, to);
}
#endif

bool motion_row(const motion_stack *stack, const motion_map *map, ptrdiff_t y, ptrdiff_t x[2], size_t width,
                motion_scratch *s, pel_cpu level, float *to)
{
    double pad = (double)stack->pad;
    double x0 = map->x0 + map->xy * (double)y + pad, y0 = map->y0 + map->yy * (double)y + pad;
    if (!narrow(map->xx, x0, stack->w, x))
        return false;
    double from = x0 + map->xx * (double)x[0], last = x0 + map->xx * (double)(x[1] - 1);
    double first = fmax(floor(from) - 1, 0), end = fmin(floor(last) + 3, (double)stack->w);
    size_t column = (size_t)first, columns = (size_t)(end - first);
    double slope = map->yx / map->xx, row = y0 + slope * (first - x0);
    double other = row + slope * (double)(columns - 1);
    if (fmax(row, other) < 1 || fmin(row, other) > (double)stack->h - 3)
        return false;
    find_runs(&s->down, columns, row, slope, stack->h, 0);
    find_runs(&s->along, (size_t)(x[1] - x[0]), from - first, map->xx - 1, columns, 1);
#ifdef PEL_X86
    if (level >= PEL_CPU_AVX2) {
        run_passes_avx2(stack, s, column, width, to + x[0]);
        return true;
    }
#endif
    (void)level;
    run_passes_plain(stack, s, column, width, to + x[0]);
    return true;
}
