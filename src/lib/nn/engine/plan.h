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
#include "kernels/kernels.h"

typedef struct {
    size_t c, w, h;
    size_t left, right;   /* pixels of zeros beside each row, that convolutions read */
    size_t rows;          /* that are kept */
    size_t first, last;   /* passes that use it */
    bool half;            /* its samples are bf16, not floats */
    /* plan-memory.c: the buffer whose memory it takes, or NONE; is its own taken; the last pass that its memory is
     * used in, by itself or another. */
    size_t shared;
    bool taken;
    size_t until;
    size_t offset;        /* floats, in the arena */
    char *base;           /* pixel 0 of row 0; while the network runs */
    size_t target;        /* rows that are needed, while a band is planned */
} buffer;

/* Samples from row to row, and bytes of a sample. */
static inline size_t buffer_row(const buffer *b) { return (b->left + b->w + b->right) * b->c; }
static inline size_t buffer_sample(const buffer *b) { return b->half ? sizeof(bf16) : sizeof(float); }

/* Where a graph's value is. */
typedef struct {
    size_t parent;   /* the value that this one is a part of, or NONE */
    size_t channel;  /* where it begins in the parent */
    size_t buffer;   /* of one without parent; NONE: not a picture that a step makes */
    size_t rounded;  /* the value that is this one in bf16, or NONE */
} place;

/* Part of the channels of a buffer: a value, as a step sees it. */
typedef struct {
    const buffer *buffer;
    size_t channel, c, ld;
} picture;

/* Its first sample in row y: a float or a bf16. */
static inline void *picture_samples(const picture *p, size_t y)
{
    const buffer *b = p->buffer;
    return b->base + ((y % b->rows) * buffer_row(b) + p->channel) * buffer_sample(b);
}
/* Of one in floats. */
static inline float *picture_row(const picture *p, size_t y) { return picture_samples(p, y); }

typedef struct {
    pel_precision precision;
    bool trains, parameters, inputs; /* which gradients, where it trains */
} plan_options;

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
    /* In training.  Takes the parameters' new values; NULL: it has none.  And adds what the samples of all networks came to
     * to the gradient by the parameters, in the order of networks. */
    pel_status (*reload)(step *s, const plan *p, const float *parameters, pel_error *error);
    void (*collect)(const step *s, const struct pel_network *const *networks, size_t count, float *gradient);
    /* Is each sample of input k read for that of the output only, before it is stored?  NULL: never. */
    bool (*in_place)(const step *s, size_t k);
} step_kind;

struct step {
    const step_kind *kind;
    size_t input_count, inputs[OPERATOR_INPUTS]; /* values that are pictures */
    size_t output;
    size_t height;     /* rows of the output; of the input where it gathers */
    size_t granule;    /* rows are made in multiples of this */
    bool gathers;      /* sees all rows before its output is there: consumers are in a later pass */
    bool waits;        /* until the outputs are there: what comes of it is in a later pass */
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
    size_t sums;         /* doubles that steps keep over a run, or over many */
    size_t held;         /* floats that they keep from run to run; the sums tell how many are in use */
    size_t forward_outputs, last_forward; /* in training: outputs that the loss sees, and the pass that has them all */
    const nn_kernels *kernels;
    pel_precision precision;
    bool local;
    double macs;
    int64_t opset;
};

/* pel_network_compile, for these inner loops: tests run each. */
pel_status network_compile(const pel_context *ctx, const pel_model *model, const pel_size *inputs,
                           const plan_options *options, const nn_kernels *kernels, struct pel_network **network);
/* Another network with the same weights, which must outlive it. */
pel_status network_borrow(const pel_context *ctx, const struct pel_network *from, struct pel_network **network);

struct pel_network {
    plan plan;
    pel_size *outputs;
    size_t input_count, output_count;
    bool borrows;                   /* all but its buffers and steps belong to another network */
    float *arena, *zeros;           /* while it is there: allocated when compiled */
    double *sums;
    float *held;
    /* Training: called when the outputs of a sample are there. */
    pel_status (*outputs_there)(void *arg);
    void *arg;
    float **scratch;                /* one a worker */
    nn_array *arrays;               /* by value: what the reference made that is not a picture */
    pel_status status, *failed;     /* the first failure of a step in this run, and where steps put it */
    const float *const *given;      /* inputs and outputs of this run */
    float *const *wanted;
};

/* ---- For the steps */

picture plan_picture(const plan *p, size_t value);
static inline buffer *plan_buffer(plan *p, size_t value)
{
    return &p->buffers[plan_picture(p, value).buffer - p->buffers];
}
/* Row y, or a row of zeros above and below the picture; `x` pixels from its first. */
static inline const void *picture_pixel_or_zeros(const picture *p, const struct pel_network *n, ptrdiff_t y,
                                                 ptrdiff_t x)
{
    const buffer *b = p->buffer;
    const char *row = (const char *)n->zeros + (b->left * b->c + p->channel) * buffer_sample(b);
    if (y >= 0 && (size_t)y < b->h)
        row = picture_samples(p, (size_t)y);
    return row + x * (ptrdiff_t)(p->ld * buffer_sample(b));
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
/* round.c.  Is the value wanted in bf16 by all that use it?  Then its maker may store it so (build_halve). */
bool build_is_rounded(const builder *b, size_t value);
void build_halve(builder *b, size_t value);
/* The value in bf16: itself, or one that a step makes of it; NONE: out of memory. */
size_t build_rounded(builder *b, size_t value);
pel_status build_conv(builder *b, size_t i, bool *made);       /* Conv, ConvTranspose */
/* Does node i take its input in bf16? */
bool build_conv_rounds(const builder *b, size_t i);
pel_status build_pointwise(builder *b, size_t i, bool *made);
pel_status build_normalise(builder *b, size_t i, bool *made);  /* norms, means over the picture */
pel_status build_move(builder *b, size_t i, bool *made);       /* Concat, Pad, Slice, DepthToSpace ... */
pel_status build_resample(builder *b, size_t i, bool *made);   /* Resize, pooling */
pel_status build_gradient(builder *b, size_t i, bool *made);   /* nodes that autodiff.c makes */
/* Where Pad or Slice takes index i of an axis of its output from: indices, -1 where it fills in; free with pel_free.
 * NULL: out of memory. */
ptrdiff_t *build_move_axis(const builder *b, const graph_node *n, size_t axis);
pel_status build_weights(builder *b, size_t i, bool *made);    /* sinks of convolutions' weights, and of channels' numbers */
pel_status build_activation_gradient(builder *b, size_t i);
pel_status build_standardise(builder *b, size_t i);
pel_status build_norm_gradient(builder *b, size_t i, bool *made);
pel_status build_evaluate(builder *b, size_t i);               /* anything, by the reference */
pel_status build_load(builder *b, size_t input);
pel_status build_store(builder *b, size_t output);

/* plan.c: everything from model to memory, for these inner loops. */
pel_status plan_make(const pel_context *ctx, const pel_model *model, const pel_size *inputs,
                     const plan_options *options, const nn_kernels *kernels, plan *p);
/* A plan to look at: its buffers may be larger than the memory. */
pel_status plan_make_wide(const pel_context *ctx, const pel_model *model, const pel_size *inputs,
                          pel_precision precision, const nn_kernels *kernels, plan *p);
/* Room among the sums, or among what is held from run to run; where. */
size_t plan_add_sums(plan *p, size_t doubles);
size_t plan_add_held(plan *p, size_t floats);
void plan_free(plan *p);
/* The first row of a buffer that a step of this pass, other than `but`, will still read; its height: none. */
size_t plan_lowest_needed(const plan *p, const buffer *b, size_t pass, const step *but);
/* plan-memory.c: offsets in the arena, and its size. */
pel_status plan_place(const pel_context *ctx, plan *p);
/* One band: sets the steps' targets of a pass so that `part` of `parts` of its results are made. */
void plan_band(plan *p, size_t pass, size_t part, size_t parts);

/* The rows (axis 0) or columns (1) of the inputs that row or column `at` of the outputs depends on: [*from, *to),
 * within the picture.  false: out of memory. */
bool plan_reach(const plan *p, int axis, size_t at, size_t *from, size_t *to);
/* Bands of a pass. */
size_t plan_parts(const plan *p, size_t pass);

#endif
