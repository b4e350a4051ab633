/* perceptual.c - pictures compared by what a network sees in them.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * J. Johnson, A. Alahi & L. Fei-Fei, "Perceptual losses for real-time style transfer and super-resolution" (ECCV
 * 2016), eq. 2: the mean squared difference of the features phi_j at layer j, summed over the layers.  Its gradient by
 * the features goes back to the picture.
 *
 * A caller's scratch holds the network compiled for one thread; it is run on the truth, which is left once there are
 * features, and on the estimate.  Both times the same code computes them: equal pictures have equal features. */
#include "config.h"

#include <string.h>

#include <pellucid/gradient.h>
#include <pellucid/models.h>

#include "loss-internal.h"

typedef struct {
    pel_gradient *net;
    size_t count;      /* layers */
    size_t *sizes;     /* floats of each */
    float **features;  /* of the truth */
    size_t repeat;     /* how often the net wants each channel */
    size_t n;          /* samples of a picture */
    float *input;      /* repeat > 1: the picture so often */
    float *slope;      /* the gradient by the input */
    double weight, value;
    bool seen; /* the truth's features are here */
} eye;

/* Cuts the file's word into the file and the layers' names. */
static pel_status set_layers(pel_model *model, char *layers, pel_error *error)
{
    size_t most = 1, count = 0;
    for (const char *p = layers; *p != '\0'; p++)
        most += *p == '+';
    const char **names = pel_alloc(most * sizeof *names);
    if (names == NULL)
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    while (layers != NULL)
        names[count++] = strsep(&layers, "+");
    pel_status status = pel_model_set_outputs(model, count, names, error);
    pel_free((void *)(uintptr_t)names);
    return status;
}

static pel_status open_model(loss_term *term, pel_error *error)
{
    char *at = strrchr(term->file, '@');
    pel_model *model = NULL;
    if (at != NULL)
        *at = '\0';
    pel_status status = pel_models_open(term->file, 0, &model, error);
    if (status == PEL_OK && at != NULL)
        status = set_layers(model, at + 1, error);
    if (status == PEL_OK && model->input_count != 1)
        status = pel_error_set(error, PEL_EINVAL, "%s: the model has %zu inputs; 1 is needed", term->file,
                               model->input_count);
    term->data = model;
    return status == PEL_OK ? PEL_OK : pel_error_prefix(error, "loss %s", term->kind->name);
}

static void close_model(loss_term *term)
{
    pel_model_free(term->data);
    term->data = NULL;
}

static pel_status compile(const pel_context *ctx, const loss_term *term, eye *e)
{
    const pel_model *model = term->data;
    const pel_gradient_options options = {PEL_FP32, false, true};
    pel_context alone = *ctx;
    pel_size size = term->size;
    alone.pool = NULL;
    e->n = pel_size_count(size);
    e->repeat = 1;
    if (size.c == 1 && model->inputs[0].has_shape && model->inputs[0].rank == 4 && model->inputs[0].dims[1] == 3)
        e->repeat = size.c = 3;
    return pel_gradient_new(&alone, model, &size, &options, &e->net) == PEL_OK
               ? PEL_OK
               : pel_error_prefix(ctx->error, "loss %s: %s", term->name, term->file);
}

static pel_status open_scratch(const pel_context *ctx, const loss_term *term, void **scratch)
{
    const pel_model *model = term->data;
    eye *e = *scratch = pel_alloc(sizeof *e);
    if (e == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    *e = (eye){.count = 0};
    pel_status status = compile(ctx, term, e);
    if (status != PEL_OK)
        return status;
    e->sizes = pel_alloc(model->output_count * sizeof *e->sizes);
    e->features = pel_alloc(model->output_count * sizeof *e->features);
    bool good = e->sizes != NULL && e->features != NULL;
    while (good && e->count < model->output_count) {
        size_t k = e->count++;
        e->sizes[k] = pel_size_count(pel_gradient_output(e->net, k));
        e->features[k] = pel_alloc_floats(e->sizes[k]);
        good = e->features[k] != NULL;
    }
    e->input = pel_alloc_floats(e->repeat * e->n);
    e->slope = pel_alloc_floats(e->repeat * e->n);
    return good && e->input != NULL && e->slope != NULL ? PEL_OK
                                                        : pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
}

static void close_scratch(void *scratch)
{
    eye *e = scratch;
    if (e == NULL)
        return;
    pel_gradient_free(e->net);
    for (size_t k = 0; k < e->count; k++)
        pel_free(e->features[k]);
    pel_free(e->features);
    pel_free(e->sizes);
    pel_free(e->input);
    pel_free(e->slope);
    pel_free(e);
}

/* The mean squared difference of a layer's features; its gradient, times weight, in `slope`. */
static double layer(const float *of_estimate, const float *of_truth, size_t n, double weight, float *slope)
{
    double sums[LOSS_LANES] = {0};
    float k = (float)(2 * weight / (double)n);
    for (size_t i = 0; i < n; i += LOSS_LANES)
        for (size_t j = 0; j < LOSS_LANES && i + j < n; j++) {
            float d = of_estimate[i + j] - of_truth[i + j];
            sums[j] += (double)d * (double)d;
            slope[i + j] = k * d;
        }
    return loss_lanes_sum(sums) / (double)n;
}

/* Of the truth only the features are wanted: the run ends there, as by a failure. */
static pel_status keep_features(void *arg, size_t sample, const float *const *features, float *const *slopes,
                                pel_error *error)
{
    eye *e = arg;
    (void)sample, (void)slopes;
    for (size_t k = 0; k < e->count; k++)
        memcpy(e->features[k], features[k], e->sizes[k] * sizeof(float));
    e->seen = true;
    return pel_error_set(error, PEL_ECLOSED, "the way back is not wanted");
}

static pel_status compare(void *arg, size_t sample, const float *const *features, float *const *slopes,
                          pel_error *error)
{
    eye *e = arg;
    (void)sample, (void)error;
    e->value = 0;
    for (size_t k = 0; k < e->count; k++)
        e->value += layer(features[k], e->features[k], e->sizes[k], e->weight, slopes[k]);
    return PEL_OK;
}

static pel_status look(eye *e, const float *picture, pel_gradient_loss what, pel_error *error)
{
    pel_context ctx = {.error = error};
    const float *input = picture;
    for (size_t k = 0; k < e->repeat && e->repeat > 1; k++)
        memcpy(e->input + k * e->n, picture, e->n * sizeof *picture);
    if (e->repeat > 1)
        input = e->input;
    const float *const *sample = &input;
    float *const *slope = &e->slope;
    return pel_gradient_run(&ctx, e->net, 1, &sample, what, e, NULL, &slope);
}

static pel_status evaluate(const loss_term *term, void *scratch, const loss_sample *s, double *value, pel_error *error)
{
    eye *e = scratch;
    pel_error left;
    e->seen = false;
    e->weight = s->weight;
    pel_status status = look(e, s->truth, keep_features, &left);
    if (!e->seen)
        return pel_error_set(error, status, "loss %s: %s", term->name, left.text);
    if (look(e, s->estimate, compare, error) != PEL_OK)
        return pel_error_prefix(error, "loss %s", term->name);
    for (size_t k = 0; k < e->repeat; k++)
        for (size_t i = 0; i < e->n; i++)
            s->gradient[i] += e->slope[k * e->n + i];
    *value = e->value;
    return PEL_OK;
}

const loss_kind loss_perceptual = {.name = "perceptual",
                                   .file = "FILE.onnx@LAYER+LAYER",
                                   .several = true,
                                   .open = open_model,
                                   .close = close_model,
                                   .open_scratch = open_scratch,
                                   .close_scratch = close_scratch,
                                   .evaluate = evaluate};
