/* cnn.h - models on frames: what a model expects, from its metadata, and what a stream has.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Metadata of a model (ONNX's metadata_props):
 *   pellucid.input.NAME  what the graph's input NAME is: image, data, sigma, psf, reference, or state:OUTPUT, the
 *                        output of that name of the last run, zeros at first (a model with one input needs none:
 *                        it is the image)
 *   pellucid.window      r: the image input is 2r + 1 frames of a video, one after the other, the image in the middle
 *   pellucid.range       the value of white (1); black is 0
 *   pellucid.multiple    both sides of a picture must be multiples of it (without: the least power of two that does)
 *   pellucid.uncertainty how large its errors are, for what an ensemble says of them (calibration.h): "x:y x:y ..."
 *   pellucid.uncertainty.pnp  the same for results of pel-pnp with the model as its denoiser
 *   pellucid.card        what the model is for, and how it came about
 */
#ifndef PELLUCID_CNN_H
#define PELLUCID_CNN_H

#include <pellucid/frame.h>
#include <pellucid/network.h>

PEL_BEGIN_DECLS

#define PEL_CNN_INPUTS 8 /* most inputs or outputs of a model */

typedef enum {
    PEL_CNN_BY_CHANNEL, /* a grey model restores each channel by itself */
    PEL_CNN_LUMA,       /* it restores the luma; what it changes there is added to all channels */
} pel_cnn_colour;

typedef struct {
    pel_precision precision; /* the same in all runs of a pel_cnn */
    pel_cnn_colour colour;
    double sigma;  /* in samples of the stream; NaN: the companion's */
    bool inpaint;  /* keep the model's samples where the image's are bad (NaN, infinite, flagged by the mask) */
} pel_cnn_params;

typedef struct {
    double white, black; /* samples of the stream that are 1 and 0 to the model, before pellucid.range */
    bool white_guessed;  /* no key white: the greatest sample */
    double macs;         /* of the last run, for one sample of the image's plane */
    size_t memory;       /* bytes */
} pel_cnn_report;

/* Sets white, black and white_guessed: by the image's keys, else the greatest sample and 0. */
void pel_cnn_find_scale(const pel_frame *image, pel_cnn_report *report);

typedef struct pel_cnn pel_cnn;

/* Takes the model (which must outlive it).  PEL_EINVAL: metadata that are wrong or ask for what is not
 * there. */
pel_status pel_cnn_new(const pel_model *model, pel_cnn **cnn, pel_error *error);
void pel_cnn_free(pel_cnn *cnn);

/* Frames that the model takes before and after the image. */
size_t pel_cnn_window(const pel_cnn *cnn);
/* Does the model hand something on from frame to frame? */
bool pel_cnn_has_state(const pel_cnn *cnn);
/* Forgets the state that runs hand on: another video begins. */
void pel_cnn_reset(pel_cnn *cnn);

/* Runs the model on the bundle's image, in strips of columns where ctx->memory asks for that: a new frame of
 * its size and keys.  `frames` are the 2r + 1 images of the window, the bundle's own in the middle; NULL for a
 * window of 0.  Networks are compiled for a size and kept until another one comes.  PEL_EINVAL: the stream
 * lacks a companion (named), or sizes do not suit; PEL_ELIMIT: over ctx->memory; PEL_ENUMERIC: a result that is
 * not finite. */
pel_status pel_cnn_run(const pel_context *ctx, pel_cnn *cnn, const pel_bundle *bundle,
                       const pel_frame *const *frames, const pel_cnn_params *params, pel_frame **result,
                       pel_cnn_report *report);

/* ---- Pairs: what a model learns from is the image with its companions, and the truth. */

typedef struct {
    size_t samples;     /* of one picture: 1, or its channels for a grey model */
    size_t input_count;
    pel_size inputs[PEL_CNN_INPUTS], target; /* of a sample */
} pel_cnn_pair;

/* How many samples a bundle is, and of which sizes.  PEL_EINVAL: no truth or another companion missing, a volume, sides
 * that are no multiple of the model's, or a model that takes a window of frames or has a state. */
pel_status pel_cnn_pair_sizes(const pel_context *ctx, pel_cnn *cnn, const pel_bundle *bundle, pel_cnn_pair *pair);
/* Sets inputs and target of one sample, planar, as pel_cnn_run gives them to the model: in its range, holes filled;
 * those of the truth stay. */
pel_status pel_cnn_pair_take(const pel_context *ctx, pel_cnn *cnn, const pel_bundle *bundle,
                             const pel_cnn_pair *pair, size_t sample, float *const *inputs, float *target);

/* ---- Denoisers of arrays, for methods that take one as their prior. */

/* Does the model take an image and its noise level, and nothing else?  PEL_EINVAL, with the reason, where not. */
pel_status pel_cnn_check_denoiser(const pel_cnn *cnn, pel_error *error);
/* What both sides of a picture are padded to multiples of. */
size_t pel_cnn_multiple(const pel_cnn *cnn);
/* Denoises a picture or volume in place, as pel_cnn_run does (channels, slices, padding, strips): `white` and `black` are
 * its samples that are 1 and 0 to the model, `sigma` the noise in its samples.  A sample that is not finite is PEL_ENUMERIC
 * where the model makes it so, and stays where it was there before. */
pel_status pel_cnn_denoise(const pel_context *ctx, pel_cnn *cnn, pel_size size, double white, double black,
                           pel_precision precision, double sigma, float *picture);

PEL_END_DECLS
#endif
