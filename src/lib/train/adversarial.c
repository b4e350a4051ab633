/* adversarial.c - gan and wgan: what a critic thinks of the estimate.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * I. Goodfellow et al., "Generative adversarial nets" (NIPS 2014), section 3: log D instead of log(1 - D) for the
 * generator, D = 1 / (1 + exp(-o)).  M. Arjovsky, S. Chintala & L. Bottou, "Wasserstein GAN" (ICML 2017), algorithm 1:
 * the output itself.  A critic with many outputs has its say on as many patches (P. Isola, J.-Y. Zhu, T. Zhou &
 * A. Efros, "Image-to-image translation with conditional adversarial networks", CVPR 2017, section 3.2.2). */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/models.h>

#include "adversarial.h"

bool adversarial_is_wasserstein(const loss_term *term)
{
    return term->kind == &loss_wgan;
}

/* log(1 + exp(x)) without overflow. */
static double softplus(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

double adversarial_judge(verdict v, size_t count, const float *output, double factor, float *slope)
{
    double sign = v == VERDICT_TRUE ? -1 : 1, sum = 0, k = factor / (double)count;
    for (size_t i = 0; i < count; i++) {
        double x = sign * (double)output[i];
        sum += v == VERDICT_LINEAR ? x : softplus(x);
        slope[i] = (float)(v == VERDICT_LINEAR ? k : k * sign / (1 + exp(-x)));
    }
    return sum / (double)count;
}

static pel_status judge(void *arg, size_t sample, const float *const *outputs, float *const *slopes, pel_error *error)
{
    opinion *o = arg;
    (void)sample, (void)error;
    o->value = adversarial_judge(o->verdict, o->output, outputs[0], o->factor, slopes[0]);
    return PEL_OK;
}

pel_status adversarial_look(opinion *o, const float *picture, verdict v, double factor, pel_error *error)
{
    pel_context ctx = {.error = error};
    const float *const *sample = &picture;
    float *const *slope = &o->slope;
    o->verdict = v;
    o->factor = factor;
    return pel_gradient_run(&ctx, o->net, 1, &sample, judge, o, NULL, &slope);
}

/* ---- The term */

static pel_status open_critic(loss_term *term, pel_error *error)
{
    critic *c = term->data = pel_alloc(sizeof *c);
    if (c == NULL)
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    *c = (critic){.model = NULL};
    pel_status status = pel_models_open(term->file, 0, &c->model, error);
    if (status == PEL_OK && (c->model->input_count != 1 || c->model->output_count != 1))
        status = pel_error_set(error, PEL_EINVAL, "%s: the model has %zu inputs and %zu outputs; a critic has 1 of "
                               "each", term->file, c->model->input_count, c->model->output_count);
    return status == PEL_OK ? PEL_OK : pel_error_prefix(error, "loss %s", term->kind->name);
}

static void close_critic(loss_term *term)
{
    critic *c = term->data;
    if (c == NULL)
        return;
    pel_model_free(c->model);
    pel_free(c->state);
    pel_free(c);
    term->data = NULL;
}

/* No step done; the weights that the file has. */
static pel_status start_state(const pel_context *ctx, critic *c)
{
    size_t parameters;
    const pel_parameter *p = pel_gradient_parameters(c->batch, &parameters);
    c->count = pel_gradient_size(c->batch);
    c->state = pel_calloc_floats(STATE_NUMBERS(c->count));
    if (c->state == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    for (size_t i = 0; i < parameters; i++)
        memcpy(c->state + STATE_HEAD + p[i].offset, p[i].tensor->floats, p[i].count * sizeof(float));
    return PEL_OK;
}

static pel_status prepare(const pel_context *ctx, loss_term *term)
{
    critic *c = term->data;
    const pel_gradient_options options = {PEL_FP32, true, false};
    pel_status status = pel_gradient_new(ctx, c->model, &term->size, &options, &c->batch);
    if (status == PEL_OK) {
        c->output = pel_size_count(pel_gradient_output(c->batch, 0));
        status = c->state == NULL ? start_state(ctx, c) : PEL_OK;
    }
    if (status == PEL_OK)
        status = pel_gradient_load(ctx, c->batch, c->state + STATE_HEAD);
    return status == PEL_OK ? PEL_OK : pel_error_prefix(ctx->error, "loss %s: %s", term->name, term->file);
}

static void retire(loss_term *term)
{
    critic *c = term->data;
    if (c == NULL)
        return;
    pel_gradient_free(c->batch);
    c->batch = NULL;
}

static pel_status open_scratch(const pel_context *ctx, const loss_term *term, void **scratch)
{
    const critic *c = term->data;
    const pel_gradient_options options = {PEL_FP32, false, true};
    pel_context alone = *ctx;
    alone.pool = NULL;
    opinion *o = *scratch = pel_alloc(sizeof *o);
    if (o == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    *o = (opinion){.output = c->output, .slope = pel_alloc_floats(pel_size_count(term->size))};
    if (o->slope == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    pel_status status = pel_gradient_new(&alone, c->model, &term->size, &options, &o->net);
    if (status == PEL_OK)
        status = pel_gradient_load(&alone, o->net, c->state + STATE_HEAD);
    return status == PEL_OK ? PEL_OK : pel_error_prefix(ctx->error, "loss %s: %s", term->name, term->file);
}

static void close_scratch(void *scratch)
{
    opinion *o = scratch;
    if (o == NULL)
        return;
    pel_gradient_free(o->net);
    pel_free(o->slope);
    pel_free(o);
}

static pel_status evaluate(const loss_term *term, void *scratch, const loss_sample *s, double *value, pel_error *error)
{
    opinion *o = scratch;
    bool linear = adversarial_is_wasserstein(term);
    pel_status status = adversarial_look(o, s->estimate, linear ? VERDICT_LINEAR : VERDICT_TRUE,
                                         linear ? -s->weight : s->weight, error);
    if (status != PEL_OK)
        return pel_error_prefix(error, "loss %s", term->name);
    for (size_t i = 0; i < pel_size_count(term->size); i++)
        s->gradient[i] += o->slope[i];
    *value = linear ? -o->value : o->value;
    return PEL_OK;
}

static float *state(const loss_term *term, size_t *count)
{
    const critic *c = term->data;
    *count = c->state != NULL ? STATE_NUMBERS(c->count) : 0;
    return c->state;
}

#define CRITIC                                                                                                         \
    .file = "CRITIC.onnx", .open = open_critic, .close = close_critic, .prepare = prepare, .retire = retire,           \
    .open_scratch = open_scratch, .close_scratch = close_scratch, .evaluate = evaluate, .learn = adversarial_learn,    \
    .restore = adversarial_restore, .state = state
#define KEYS {"rate", 1e-9, 1, 1e-4}, {"beta1", 0, 0.9999, 0.5}, {"steps", 1, 1000, 1}

const loss_kind loss_gan = {.name = "gan", .keys = {KEYS}, CRITIC};
const loss_kind loss_wgan = {.name = "wgan", .keys = {KEYS, {"penalty", 0, 1e9, 10}}, CRITIC};
