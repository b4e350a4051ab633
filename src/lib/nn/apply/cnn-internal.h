/* cnn-internal.h - what runs of a model on frames share.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PEL_NN_CNN_INTERNAL_H
#define PEL_NN_CNN_INTERNAL_H

#include <pellucid/cnn.h>

#define MOST_INPUTS PEL_CNN_INPUTS
#define MOST_WINDOW 16

typedef enum { IMAGE, DATA, SIGMA, PSF, REFERENCE, STATE } role;
extern const char *const cnn_role_names[]; /* of all but STATE */

struct pel_cnn {
    const pel_model *model;
    role roles[MOST_INPUTS];
    size_t multiple;           /* of both sides; where the model does not say, the least that was found to do */
    bool multiple_said;
    size_t channels;           /* of the model's image, one frame of it; 0: any */
    size_t window;             /* frames before and after the image */
    size_t source[MOST_INPUTS]; /* of a state: the output that it is */
    float *state[MOST_INPUTS]; /* of the last run, or NULL */
    double range;
    pel_network *network;      /* for `sizes`, or for strips of them */
    pel_size sizes[MOST_INPUTS];
    pel_network_strips reach;  /* of strips */
    size_t width, core;        /* of a strip's picture, and of what is kept of it; the picture's, where there are none */
};

/* One run. */
typedef struct {
    const pel_context *ctx;
    pel_cnn *c;
    const pel_bundle *bundle;
    const pel_frame *const *frames; /* of the window, or NULL */
    const pel_cnn_params *params;
    pel_cnn_report *report;
    pel_size size, padded; /* of a plane: depth 1, the image's channels */
} job;

/* cnn-inputs.c. */
static inline double cnn_scale(const job *j) { return j->c->range / (j->report->white - j->report->black); }
/* The frame that an input takes; an error says what is missing. */
pel_status cnn_find_frame(const job *j, role r, const pel_frame **frame);
/* Channel `channel` of a frame's slice `z`, holes filled, to the model's scale. */
pel_status cnn_give_plane(const job *j, const pel_frame *f, size_t z, size_t channel, float *to);
/* Input k of the model, `channels` planes from `first` on. */
pel_status cnn_give_input(const job *j, size_t k, size_t z, size_t first, size_t channels, float *to);
/* Is it a picture of the image's size?  Not a PSF, nor a noise level that is one number. */
bool cnn_is_picture(const pel_cnn *c, size_t k);
/* Its size, for a picture of `channels` (each frame of a window). */
pel_status cnn_input_size(const job *j, size_t k, size_t channels, pel_size *size);

/* cnn-luma.c.  pel_cnn_run on the luma of an image of three channels, and of what else the model reads of pictures. */
pel_status cnn_run_luma(const pel_context *ctx, pel_cnn *cnn, const pel_bundle *bundle,
                        const pel_frame *const *frames, const pel_cnn_params *params, pel_frame **result,
                        pel_cnn_report *report);

/* cnn-mask.c.  Where the stream has a mask: the bundle (and the window's frames) with those samples of the measurement, data
 * or else the image, as NaN.  Clear with cnn_masked_clear, also after a failure. */
typedef struct {
    bool applies; /* else nothing is flagged */
    pel_bundle bundle;
    pel_frame *flagged;
    const pel_frame *frames[2 * MOST_WINDOW + 1];
} cnn_masked;
pel_status cnn_apply_mask(const pel_bundle *bundle, const pel_frame *const *frames, size_t window, cnn_masked *m,
                          pel_error *error);
void cnn_masked_clear(cnn_masked *m);

/* cnn-strips.c.  Compiles for strips of the picture's columns, the widest that the memory takes: a strip is as much wider
 * than what is kept of it as the model sees.  PEL_ELIMIT with the text that is in the error already: none are narrow
 * enough. */
pel_status cnn_compile_strips(const job *j);
/* The network on the whole picture, or on one strip after the other: of each the core is kept. */
pel_status cnn_run_network(const job *j, float *const *inputs, float *const *outputs);

#endif
