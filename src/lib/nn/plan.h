/* plan.h - a graph as steps on rows of pictures, and the memory for them.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A picture flows through the network in bands of rows: each step computes the rows that the steps after
 * it need next, and a buffer keeps only the rows that are still needed (a ring).  So memory grows with the
 * picture's width and not with its height, what a step reads is still in the cache, and nothing is computed
 * twice.  Where a step needs its whole input (a mean over the picture), a pass ends: what the next pass
 * reads of this one is kept whole.
 *
 * Pictures lie in memory channels last (kernels.h).  A value may be a part of the channels of another's
 * buffer: Split is a view, and parts of a Concat are written where they are to be.
 */
#ifndef PEL_NN_PLAN_H
#define PEL_NN_PLAN_H

#include <pellucid/network.h>

#include "graph.h"
#include "kernels.h"

typedef struct {
    size_t c, w, h;
    size_t left, right;   /* pixels of zeros beside each row, that convolutions read */
    size_t rows;          /* that are kept */
    size_t first, last;   /* passes that use it */
    size_t offset;        /* floats, in the arena */
    float *base;          /* pixel 0 of row 0; while the network runs */
    size_t target;        /* rows that are needed, while a band is planned */
} buffer;

/* Floats from row to row. */
static inline size_t buffer_row(const buffer *b) { return (b->left + b->w + b->right) * b->c; }

/* Where a graph's value is. */
typedef struct {
    size_t parent;   /* the value that this one is a part of, or NONE */
    size_t channel;  /* where it begins in the parent */
    size_t buffer;   /* of one without parent; NONE: not a picture that a step makes */
} place;

/* Part of the channels of a buffer: a value, as a step sees it. */
typedef struct {
    const buffer *buffer;
    size_t channel, c, ld;
} picture;

static inline float *picture_row(const picture *p, size_t y)
{
    return p->buffer->base + (y % p->buffer->rows) * buffer_row(p->buffer) + p->channel;
}

typedef struct plan plan;
typedef struct step step;

typedef struct {
    const char *name;
    /* The rows (axis 0) or columns (1) [*from, *to) of picture input k that those from first to end of the
     * output need; they may reach beyond the input.  NULL: the same. */
    void (*needs)(const step *s, const plan *p, size_t k, int axis, size_t first, size_t end,
                  ptrdiff_t *from, ptrdiff_t *to);
    void (*run)(const step *s, const struct pel_network *n, const pel_context *ctx, size_t y0, size_t y1);
    void (*end)(const step *s, const struct pel_network *n); /* after the last row; may be NULL */
    void (*free)(step *s);                                  /* what `data` points to; may be NULL */
} step_kind;

struct step {
    const step_kind *kind;
    size_t input_count, inputs[OPERATOR_INPUTS]; /* values that are pictures */
    size_t output;
    size_t height;     /* rows of the output; of the input where it gathers */
    size_t granule;    /* rows are made in multiples of this */
    bool gathers;      /* sees all rows before its output is there: consumers are in a later pass */
    bool whole;        /* runs at once, before the rows of its pass, on whole inputs of earlier ones */
    size_t node;       /* of one that is whole */
    size_t pass;
    size_t done, target; /* rows, while it runs or is planned */
    size_t scratch;    /* floats that each worker needs */
    void *data;
};

struct plan {
    graph g;
    size_t buffer_count, step_count, pass_count, input_count, output_count;
    place *places;       /* of the graph's values; grows with them */
    buffer *buffers;
    step *steps;
    size_t threads, arena, scratch, zero; /* floats: of the arena, a worker's scratch, the row of zeros */
    const nn_kernels *kernels;
    bool local;
    double macs;
    int64_t opset;
};

struct pel_network {
    plan plan;
    pel_size *outputs;
    size_t input_count, output_count;
    float *arena, *zeros;           /* while it is there: allocated when compiled */
    float **scratch;                /* one a worker */
    nn_array *arrays;               /* by value: what the reference made that is not a picture */
    pel_status status, *failed;     /* the first failure of a step in this run, and where steps put it */
    const float *const *given;      /* inputs and outputs of this run */
    float *const *wanted;
};

/* ---- For the steps */

picture plan_picture(const plan *p, size_t value);
static inline const float *picture_row_or_zeros(const picture *p, const struct pel_network *n, ptrdiff_t y)
{
    return y >= 0 && (size_t)y < p->buffer->h ? picture_row(p, (size_t)y)
                                              : n->zeros + p->buffer->left * p->buffer->c + p->channel;
}

/* ---- For building */

typedef struct {
    const pel_context *ctx;
    plan *p;
} builder;

pel_status build_fail(const builder *b); /* out of memory */
/* Is the value a picture (float, 1 x C x H x W, not constant)? */
bool build_is_picture(const builder *b, size_t value);
/* A new step at the end, with `data_size` bytes of zeroed data, or NULL: out of memory.  Reads
 * `inputs` (pictures), makes `output` (a picture, or NONE). */
step *build_step(builder *b, const step_kind *kind, size_t data_size, size_t input_count,
                 const size_t *inputs, size_t output);
/* The picture's rows must have so many zeros beside them. */
void build_margins(builder *b, size_t value, size_t left, size_t right);
/* A float constant's values as floats, `count` of them (fewer are repeated if there is one), padded with zeros to
 * `room`; NULL: out of memory. */
float *build_floats(const builder *b, const nn_array *a, size_t count, size_t room);

/* Makes steps of node i (and of those that it takes with it, which are then `gone`); *made tells whether there
 * is a fast path for it. */
typedef pel_status (*build_node)(builder *b, size_t i, bool *made);
pel_status build_conv(builder *b, size_t i, bool *made);       /* Conv, ConvTranspose */
pel_status build_pointwise(builder *b, size_t i, bool *made);
pel_status build_normalise(builder *b, size_t i, bool *made);  /* norms, means over the picture */
pel_status build_move(builder *b, size_t i, bool *made);       /* Concat, Pad, Slice, DepthToSpace ... */
pel_status build_resample(builder *b, size_t i, bool *made);   /* Resize, pooling */
pel_status build_evaluate(builder *b, size_t i);               /* anything, by the reference */
pel_status build_load(builder *b, size_t input);
pel_status build_store(builder *b, size_t output);

/* plan.c: everything from model to memory. */
pel_status plan_make(const pel_context *ctx, const pel_model *model, const pel_size *inputs, plan *p);
void plan_free(plan *p);
/* One band: sets the steps' targets of a pass so that `part` of `parts` of its results are made. */
void plan_band(plan *p, size_t pass, size_t part, size_t parts);

/* The rows (axis 0) or columns (1) of the inputs that row or column `at` of the outputs depends on: [*from, *to),
 * within the picture.  false: out of memory. */
bool plan_reach(const plan *p, int axis, size_t at, size_t *from, size_t *to);
/* Bands of a pass. */
size_t plan_parts(const plan *p, size_t pass);

#endif
