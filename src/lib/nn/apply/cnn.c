/* cnn.c - models on frames: the network for a picture, runs of it, and back to a frame.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cnn-internal.h"

const char *const cnn_role_names[] = {"image", "data", "sigma", "psf", "reference"};

/* ---- Metadata */

static pel_status read_role(const pel_model *m, size_t k, role *to, size_t *source, pel_error *error)
{
    char key[160];
    const char *name = m->inputs[k].name, *given;
    snprintf(key, sizeof key, "pellucid.input.%.120s", name);
    given = pel_model_metadata(m, key);
    *to = IMAGE;
    if (given == NULL && m->input_count == 1)
        return PEL_OK;
    for (size_t o = 0; given != NULL && strncmp(given, "state:", 6) == 0 && o < m->output_count; o++)
        if (strcmp(m->outputs[o].name, given + 6) == 0) {
            *to = STATE;
            *source = o;
            return PEL_OK;
        }
    for (size_t r = 0; r < sizeof cnn_role_names / sizeof cnn_role_names[0]; r++)
        if (strcmp(given != NULL ? given : name, cnn_role_names[r]) == 0) {
            *to = (role)r;
            return PEL_OK;
        }
    if (given != NULL)
        return pel_error_set(error, PEL_EINVAL, "the model's input '%.60s' is '%.40s', which is not supported", name,
                             given);
    return pel_error_set(error, PEL_EINVAL, "what the model's input '%.60s' is was not said (metadata %.80s)", name,
                         key);
}

static pel_status read_number(const pel_model *m, const char *key, double least, double most, double otherwise,
                              bool whole, double *value, pel_error *error)
{
    const char *text = pel_model_metadata(m, key);
    char *end;
    *value = otherwise;
    if (text == NULL)
        return PEL_OK;
    *value = strtod(text, &end);
    if (end == text || *end != '\0' || !(*value >= least && *value <= most) || (whole && *value != floor(*value)))
        return pel_error_set(error, PEL_EINVAL, "the model's metadata %s is '%.40s'", key, text);
    return PEL_OK;
}

static pel_status read_metadata(pel_cnn *c, pel_error *error)
{
    const pel_model *m = c->model;
    double multiple, window;
    pel_status status = PEL_OK;
    bool image = false;
    if (m->input_count > MOST_INPUTS || m->output_count > MOST_INPUTS)
        return pel_error_set(error, PEL_EINVAL, "the model has %zu inputs and %zu outputs", m->input_count,
                             m->output_count);
    for (size_t k = 0; k < m->input_count && status == PEL_OK; k++) {
        const pel_model_value *in = &m->inputs[k];
        status = read_role(m, k, &c->roles[k], &c->source[k], error);
        if (status == PEL_OK && (in->type != PEL_MODEL_FLOAT || (in->has_shape && in->rank != 4)))
            status = pel_error_set(error, PEL_EINVAL, "the model's input '%.60s' is not a picture", in->name);
        if (status == PEL_OK && c->roles[k] == IMAGE) {
            image = true;
            c->channels = in->has_shape && in->dims[1] > 0 ? (size_t)in->dims[1] : 0;
        }
    }
    if (status == PEL_OK)
        status = read_number(m, "pellucid.window", 0, MOST_WINDOW, 0, true, &window, error);
    if (status == PEL_OK)
        c->window = (size_t)window;
    if (status == PEL_OK && c->channels % (2 * c->window + 1) != 0)
        status = pel_error_set(error, PEL_EINVAL, "the model's %zu channels are not %zu frames", c->channels,
                               2 * c->window + 1);
    c->channels /= 2 * c->window + 1;
    if (status == PEL_OK && !image)
        status = pel_error_set(error, PEL_EINVAL, "none of the model's inputs is the image");
    if (status == PEL_OK)
        status = read_number(m, "pellucid.range", 1e-6, 1e6, 1, false, &c->range, error);
    if (status == PEL_OK)
        status = read_number(m, "pellucid.multiple", 1, 4096, 1, true, &multiple, error);
    if (status == PEL_OK)
        c->multiple = (size_t)multiple;
    c->multiple_said = pel_model_metadata(m, "pellucid.multiple") != NULL;
    return status;
}

pel_status pel_cnn_new(const pel_model *model, pel_cnn **cnn, pel_error *error)
{
    *cnn = NULL;
    pel_cnn *c = pel_alloc(sizeof *c);
    if (c == NULL)
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    memset(c, 0, sizeof *c);
    c->model = model;
    pel_status status = read_metadata(c, error);
    if (status == PEL_OK)
        *cnn = c;
    else
        pel_cnn_free(c);
    return status;
}

void pel_cnn_free(pel_cnn *cnn)
{
    if (cnn != NULL) {
        pel_cnn_reset(cnn);
        pel_network_free(cnn->network);
    }
    pel_free(cnn);
}

size_t pel_cnn_window(const pel_cnn *cnn) { return cnn->window; }

bool pel_cnn_has_state(const pel_cnn *cnn)
{
    bool state = false;
    for (size_t k = 0; k < cnn->model->input_count; k++)
        state = state || cnn->roles[k] == STATE;
    return state;
}

void pel_cnn_reset(pel_cnn *cnn)
{
    for (size_t k = 0; k < MOST_INPUTS; k++) {
        pel_free(cnn->state[k]);
        cnn->state[k] = NULL;
    }
}

/* ---- The network for these sizes */

static pel_status set_sizes(const job *j, size_t channels)
{
    const pel_model *m = j->c->model;
    bool same = j->c->network != NULL;
    for (size_t k = 0; k < m->input_count; k++) {
        pel_size size;
        pel_status status = cnn_input_size(j, k, channels, &size);
        if (status != PEL_OK)
            return status;
        same = same && pel_size_equal(size, j->c->sizes[k]);
        j->c->sizes[k] = size;
    }
    if (same)
        return PEL_OK;
    pel_network_free(j->c->network);
    j->c->network = NULL;
    pel_cnn_reset(j->c); /* of pictures of another size */
    j->c->width = j->c->core = j->padded.w;
    pel_status status = pel_network_compile(j->ctx, m, j->c->sizes, j->params->precision, &j->c->network);
    if (status == PEL_ELIMIT)
        status = cnn_compile_strips(j);
    if (status != PEL_OK)
        return status;
    pel_size out = pel_network_output(j->c->network, 0);
    if (out.w != j->c->width || out.h != j->padded.h || out.c != channels) {
        pel_network_free(j->c->network);
        j->c->network = NULL;
        return pel_error_set(j->ctx->error, PEL_EINVAL, "the model makes %zux%zu with %zu channels of %zux%zu with "
                             "%zu: not a picture of the same size", out.w, out.h, out.c, j->c->width, j->padded.h, channels);
    }
    return PEL_OK;
}

/* ---- Running */

/* Outputs that the next run gets back. */
static pel_status keep_states(const job *j, float *const *outputs)
{
    const pel_model *m = j->c->model;
    for (size_t k = 0; k < m->input_count; k++) {
        if (j->c->roles[k] != STATE)
            continue;
        size_t from = j->c->source[k], count = pel_size_count(j->c->sizes[k]);
        pel_size made = pel_network_output(j->c->network, from);
        made.w += j->padded.w - j->c->width;
        if (!pel_size_equal(made, j->c->sizes[k]) || from >= MOST_INPUTS)
            return pel_error_set(j->ctx->error, PEL_EINVAL, "the model's output '%.60s' does not have the size of its "
                                 "state", m->outputs[from].name);
        if (j->c->state[k] == NULL)
            j->c->state[k] = pel_alloc_floats(count);
        if (j->c->state[k] == NULL)
            return pel_error_set(j->ctx->error, PEL_ENOMEM, "out of memory");
        memcpy(j->c->state[k], outputs[from], count * sizeof(float));
    }
    return PEL_OK;
}

/* The model on slice z's channels from `first` on: its output is in `out`, padded. */
static pel_status run_model(const job *j, size_t z, size_t first, float *out)
{
    float *inputs[MOST_INPUTS] = {NULL}, *outputs[MOST_INPUTS] = {out};
    const pel_model *m = j->c->model;
    pel_status status = PEL_OK;
    for (size_t k = 0; k < m->input_count && status == PEL_OK; k++) {
        inputs[k] = pel_alloc_floats(pel_size_count(j->c->sizes[k]));
        status = inputs[k] == NULL ? pel_error_set(j->ctx->error, PEL_ENOMEM, "out of memory")
                                   : cnn_give_input(j, k, z, first, j->c->sizes[k].c, inputs[k]);
    }
    for (size_t k = 1; k < m->output_count && k < MOST_INPUTS && status == PEL_OK; k++) {
        pel_size size = pel_network_output(j->c->network, k);
        size.w += j->padded.w - j->c->width;
        outputs[k] = pel_alloc_floats(pel_size_count(size));
        if (outputs[k] == NULL)
            status = pel_error_set(j->ctx->error, PEL_ENOMEM, "out of memory");
    }
    if (status == PEL_OK)
        status = cnn_run_network(j, inputs, outputs);
    if (status == PEL_OK)
        status = keep_states(j, outputs);
    for (size_t k = 0; k < MOST_INPUTS; k++) {
        pel_free(inputs[k]);
        if (k > 0)
            pel_free(outputs[k]);
    }
    return status;
}

/* A plane of the model's output to one of the result. */
static void take_plane(const job *j, const float *from, float *to)
{
    for (size_t y = 0; y < j->size.h; y++)
        for (size_t x = 0; x < j->size.w; x++)
            to[y * j->size.w + x] =
                (float)((double)from[y * j->padded.w + x] / cnn_scale(j) + j->report->black);
}

static void average_planes(float *v, size_t plane, size_t channels)
{
    for (size_t i = 0; i < plane; i++) {
        double sum = 0;
        for (size_t c = 0; c < channels; c++)
            sum += (double)v[c * plane + i];
        v[i] = (float)(sum / (double)channels);
    }
}

static pel_status run_slice(const job *j, size_t z, size_t channels, float *out, pel_frame *result)
{
    size_t plane = j->size.w * j->size.h, padded = j->padded.w * j->padded.h, all = result->size.c;
    float *to = pel_frame_floats(result);
    pel_status status = PEL_OK;
    for (size_t first = 0; first < all && status == PEL_OK; first += channels) {
        status = run_model(j, z, first, out);
        if (all == 1 && channels > 1) /* a grey image for a colour model: the mean of what it makes */
            average_planes(out, padded, channels);
        for (size_t c = 0; c < channels && first + c < all && status == PEL_OK; c++)
            take_plane(j, out + c * padded, to + ((first + c) * result->size.d + z) * plane);
    }
    return status;
}

/* ---- Bad samples, scale, all of it */

/* Bad samples come back as NaN; one that is not finite though the image's is fails. */
static pel_status settle_bad(const job *j, pel_frame *result)
{
    const float *image = pel_frame_floats(j->bundle->image);
    float *v = pel_frame_floats(result);
    for (size_t i = 0, n = pel_size_count(result->size); i < n; i++) {
        if (!isfinite(image[i]) && !j->params->inpaint)
            v[i] = NAN;
        else if (!isfinite(v[i]))
            return pel_error_set(j->ctx->error, PEL_ENUMERIC, "the model's result is not finite");
    }
    return PEL_OK;
}

static size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

#define MOST_MULTIPLE 128

/* The side of all pictures that the model takes (dimension 2 or 3 of its image), or 0: any. */
static size_t only_side(const pel_cnn *c, size_t dimension)
{
    for (size_t k = 0; k < c->model->input_count; k++)
        if (c->roles[k] == IMAGE && c->model->inputs[k].has_shape && c->model->inputs[k].dims[dimension] > 0)
            return (size_t)c->model->inputs[k].dims[dimension];
    return 0;
}

static size_t padded_side(size_t side, size_t only, size_t multiple)
{
    return side <= only ? only : round_up(side, multiple);
}

/* Pads to the only size that the model takes, or to its multiple.  Models of others do not say theirs: the least power of
 * two that they take, but the error for the picture as it is, where none helps. */
static pel_status fit(job *j, size_t channels)
{
    pel_cnn *c = j->c;
    pel_error first = {PEL_OK, ""};
    for (size_t m = c->multiple;; m *= 2) {
        j->padded.w = padded_side(j->size.w, only_side(c, 3), m);
        j->padded.h = padded_side(j->size.h, only_side(c, 2), m);
        pel_status status = set_sizes(j, channels);
        if (status == PEL_OK)
            c->multiple = m;
        if (status != PEL_EINVAL || c->multiple_said)
            return status;
        if (m == c->multiple)
            first = *j->ctx->error;
        if (m >= MOST_MULTIPLE) {
            *j->ctx->error = first;
            return status;
        }
    }
}

/* On a bundle whose bad samples are NaN. */
static pel_status run_bundle(const pel_context *ctx, pel_cnn *cnn, const pel_bundle *bundle,
                             const pel_frame *const *frames, const pel_cnn_params *params, pel_frame **result,
                             pel_cnn_report *report)
{
    const pel_frame *image = bundle->image;
    job j = {ctx, cnn, bundle, frames, params, report, image->size, image->size};
    size_t channels = cnn->channels != 0 ? cnn->channels : image->size.c;
    *result = NULL;
    if (channels == 1 && image->size.c == 3 && params->colour == PEL_CNN_LUMA)
        return cnn_run_luma(ctx, cnn, bundle, frames, params, result, report);
    if (channels != image->size.c && channels != 1 && image->size.c != 1)
        return pel_error_set(ctx->error, PEL_EINVAL, "the model takes %zu channels, the image has %zu", channels,
                             image->size.c);
    /* A state belongs to one picture: not to channel after channel, or slice after slice. */
    if (pel_cnn_has_state(cnn) && (image->size.d > 1 || image->size.c > channels))
        return pel_error_set(ctx->error, PEL_EINVAL, "a model with a state takes pictures of its own %zu channels",
                             channels);
    if (cnn->window > 0 && frames == NULL)
        return pel_error_set(ctx->error, PEL_EINVAL, "the model takes a window of frames");
    memset(report, 0, sizeof *report);
    pel_cnn_find_scale(image, report);
    j.size.d = j.padded.d = 1;
    pel_status status = fit(&j, channels);
    float *out = status == PEL_OK ? pel_alloc_floats(j.padded.w * j.padded.h * channels) : NULL;
    if (status == PEL_OK && out == NULL)
        status = pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    if (status == PEL_OK)
        status = pel_frame_like(image, NULL, image->size, result, ctx->error);
    for (size_t z = 0; z < image->size.d && status == PEL_OK; z++)
        status = run_slice(&j, z, channels, out, *result);
    pel_free(out);
    if (status == PEL_OK)
        status = settle_bad(&j, *result);
    if (status == PEL_OK) {
        report->macs = pel_network_macs(cnn->network) / ((double)cnn->width * (double)j.padded.h);
        report->memory = pel_network_memory(cnn->network);
    } else {
        pel_frame_unref(*result);
        *result = NULL;
    }
    return status;
}

pel_status pel_cnn_run(const pel_context *ctx, pel_cnn *cnn, const pel_bundle *bundle,
                       const pel_frame *const *frames, const pel_cnn_params *params, pel_frame **result,
                       pel_cnn_report *report)
{
    cnn_masked masked;
    *result = NULL;
    pel_status status = cnn_apply_mask(bundle, frames, cnn->window, &masked, ctx->error);
    if (status == PEL_OK && masked.applies)
        status = run_bundle(ctx, cnn, &masked.bundle, frames != NULL ? masked.frames : NULL, params, result, report);
    else if (status == PEL_OK)
        status = run_bundle(ctx, cnn, bundle, frames, params, result, report);
    cnn_masked_clear(&masked);
    return status;
}
