/* gradient-plain.c - the plain gradients of a model: which tensors are parameters, central differences, sums.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/pool.h>

#include "check.h"
#include "src/lib/nn/gradient/gradient-plain.h"

enum { W = 6, H = 5, SAMPLES = 5, PLANE = W * H };

static float *floats(pel_model *m, const char *name, size_t rank, const int64_t *dims, uint32_t seed)
{
    float *v = pel_model_add_floats(m, name, rank, dims);
    size_t count = 1;
    for (size_t i = 0; i < rank; i++)
        count *= (size_t)dims[i];
    for (size_t i = 0; v != NULL && i < count; i++)
        v[i] = check_random(&seed) - 0.5f;
    return v;
}

/* Weights that go through folded arithmetic, constants that are none of training's business, two inputs and outputs. */
static pel_model *make(void)
{
    pel_model *m = pel_model_new("test", 17);
    pel_model_add_input(m, "image", 2);
    pel_model_add_input(m, "sigma", 1);
    pel_model_add_output(m, "output", 2);
    pel_model_add_output(m, "other", 3);
    floats(m, "raw", 4, (int64_t[]){3, 3, 3, 3}, 1);
    floats(m, "half", 0, NULL, 2)[0] = 0.5f;
    floats(m, "bias", 1, (int64_t[]){3}, 3);
    floats(m, "slopes", 3, (int64_t[]){3, 1, 1}, 4);
    floats(m, "low", 0, NULL, 5)[0] = -9;
    floats(m, "scales", 1, (int64_t[]){4}, 6);
    floats(m, "last", 4, (int64_t[]){2, 3, 1, 1}, 7);
    floats(m, "one", 1, (int64_t[]){2}, 8);
    floats(m, "unused", 1, (int64_t[]){9}, 9);
    pel_node_set_int(m, pel_model_add_node(m, "Concat", "image sigma", "all"), "axis", 1);
    pel_model_add_node(m, "Mul", "raw half", "w");
    pel_node_set_ints(m, pel_model_add_node(m, "Conv", "all w bias", "x"), "pads", 4, (int64_t[]){1, 1, 1, 1});
    pel_model_add_node(m, "Mul", "x slopes", "y"); /* smooth, for differences */
    pel_model_add_node(m, "Clip", "y low", "other");
    pel_model_add_node(m, "Sigmoid", "other", "z");
    pel_model_add_node(m, "Conv", "z last one", "detail");
    pel_model_add_node(m, "Add", "image detail", "output");
    CHECK(pel_model_finish(m, NULL) == PEL_OK);
    return m;
}

static float pictures[SAMPLES][3 * PLANE], weights[SAMPLES][5 * PLANE];

typedef struct {
    double losses[SAMPLES];
    size_t fail; /* at this sample; SAMPLES: none */
} told;

/* Weighted sums of the outputs, and of the square of one. */
static pel_status loss(void *arg, size_t sample, const float *const *outputs, float *const *gradients, pel_error *error)
{
    told *t = arg;
    double sum = 0;
    if (sample == t->fail)
        return pel_error_set(error, PEL_ENUMERIC, "as the test wants");
    for (size_t i = 0; i < 2 * PLANE; i++) {
        double w = (double)weights[sample][i], v = (double)outputs[0][i];
        sum += w * v * v;
        gradients[0][i] = (float)(2 * w * v);
    }
    for (size_t i = 0; i < 3 * PLANE; i++) {
        double w = (double)weights[sample][2 * PLANE + i];
        sum += w * (double)outputs[1][i];
        gradients[1][i] = (float)w;
    }
    t->losses[sample] = sum;
    return PEL_OK;
}

static const float *const *input_lists[SAMPLES];
static const float *inputs[SAMPLES][2];

static double run(const pel_context *ctx, nn_plain *n, size_t samples, const float *parameters, float *gradient,
                  float *const *const *input_gradients)
{
    told t = {.fail = SAMPLES};
    double sum = 0;
    CHECK(nn_plain_load(ctx, n, parameters) == PEL_OK);
    CHECK(nn_plain_run(ctx, n, samples, input_lists, loss, &t, gradient, input_gradients) == PEL_OK, "%s",
          ctx->error->text);
    for (size_t i = 0; i < samples; i++)
        sum += t.losses[i];
    return sum;
}

static void test_parameters(const nn_plain *n)
{
    static const char *const names[] = {"raw", "bias", "slopes", "last", "one"};
    size_t count, offset = 0;
    const pel_parameter *p = nn_plain_parameters(n, &count);
    CHECK(count == 5);
    for (size_t i = 0; i < 5 && i < count; i++) {
        CHECK_TEXT(p[i].tensor->name, names[i]);
        CHECK(p[i].offset == offset && p[i].count == pel_model_tensor_count(p[i].tensor));
        offset += p[i].count;
    }
    CHECK(nn_plain_size(n) == offset && offset == 81 + 3 + 3 + 6 + 2);
    pel_size s = nn_plain_output(n, 1);
    CHECK(s.w == W && s.h == H && s.d == 1 && s.c == 3);
    CHECK_NEAR(nn_plain_macs(n), 3.0 * PLANE * (81 + 6), 0);
}

static void test_differences(const pel_context *ctx, nn_plain *n, float *parameters)
{
    float gradient[95], spare[2 * PLANE], spare_sigma[PLANE], *lists[1][2] = {{spare, spare_sigma}};
    float *const *const input_gradients[1] = {lists[0]};
    double worst = 0;
    run(ctx, n, 1, parameters, gradient, input_gradients);
    for (size_t i = 0; i < 95; i++) {
        float before = parameters[i];
        parameters[i] = before + 0.01f;
        double up = run(ctx, n, 1, parameters, NULL, NULL);
        parameters[i] = before - 0.01f;
        double slope = (up - run(ctx, n, 1, parameters, NULL, NULL)) / 0.02;
        parameters[i] = before;
        worst = fmax(worst, fabs(slope - (double)gradient[i]) / (1 + fabs(slope)));
    }
    CHECK(worst < 2e-3, "%g", worst);
    for (size_t i = 0; i < 3 * PLANE; i += 7) {
        float *at = &pictures[0][i], before = *at;
        *at = before + 0.01f;
        double up = run(ctx, n, 1, parameters, NULL, NULL);
        *at = before - 0.01f;
        double slope = (up - run(ctx, n, 1, parameters, NULL, NULL)) / 0.02;
        *at = before;
        CHECK_NEAR((double)(i < 2 * PLANE ? spare[i] : spare_sigma[i - 2 * PLANE]), slope, 2e-3 * (1 + fabs(slope)));
    }
}

/* The gradient of all samples is the sum of theirs, and the same bits each time. */
static void test_sums(const pel_context *ctx, const pel_model *m, nn_plain *n, const float *parameters)
{
    float all[95], again[95], one[95];
    double sum[95] = {0};
    run(ctx, n, SAMPLES, parameters, all, NULL);
    run(ctx, n, SAMPLES, parameters, again, NULL);
    CHECK(memcmp(all, again, sizeof all) == 0);
    for (size_t s = 0; s < SAMPLES; s++) {
        const float *const *first = input_lists[0];
        float keep[5 * PLANE];
        memcpy(keep, weights[0], sizeof keep);
        input_lists[0] = input_lists[s];
        memcpy(weights[0], s > 0 ? weights[s] : keep, sizeof keep);
        run(ctx, n, 1, parameters, one, NULL);
        input_lists[0] = first;
        memcpy(weights[0], keep, sizeof keep);
        for (size_t i = 0; i < 95; i++)
            sum[i] += (double)one[i];
    }
    for (size_t i = 0; i < 95; i++)
        CHECK_NEAR((double)all[i], sum[i], 1e-5 * (1 + fabs(sum[i])));
    told t = {.fail = 3};
    ctx->error->text[0] = '\0';
    CHECK(nn_plain_run(ctx, n, SAMPLES, input_lists, loss, &t, all, NULL) == PEL_ENUMERIC);
    CHECK_TEXT(ctx->error->text, "as the test wants");
    (void)m;
}

static void test_refused(const pel_context *ctx)
{
    pel_model *m = pel_model_new("test", 17);
    nn_plain *n;
    pel_size size = pel_size_make(W, H, 1, 1);
    pel_gradient_options options = {.parameters = true};
    pel_context little = *ctx;
    pel_model_add_input(m, "image", 1);
    pel_model_add_output(m, "output", 1);
    floats(m, "w", 4, (int64_t[]){1, 1, 1, 1}, 1);
    pel_model_add_node(m, "Conv", "image w", "output");
    CHECK(pel_model_finish(m, NULL) == PEL_OK);
    little.memory = 1000;
    CHECK(nn_plain_new(&little, m, &size, &options, &n) == PEL_ELIMIT && n == NULL);
    options.precision = PEL_BF16;
    CHECK(nn_plain_new(ctx, m, &size, &options, &n) == PEL_EINVAL);
    options.precision = PEL_FP32;
    size.c = 2;
    CHECK(nn_plain_new(ctx, m, &size, &options, &n) == PEL_EINVAL);
    pel_model_free(m);
}

int main(void)
{
    pel_error error = {PEL_OK, ""};
    pel_context ctx = {.error = &error};
    pel_size sizes[2] = {pel_size_make(W, H, 1, 2), pel_size_make(W, H, 1, 1)};
    pel_gradient_options options = {.parameters = true, .inputs = true};
    pel_model *m = make();
    nn_plain *n;
    float parameters[95];
    uint32_t seed = 11;
    for (size_t s = 0; s < SAMPLES; s++) {
        for (size_t i = 0; i < 3 * PLANE; i++)
            pictures[s][i] = check_random(&seed);
        for (size_t i = 0; i < 5 * PLANE; i++)
            weights[s][i] = check_random(&seed) - 0.4f;
        inputs[s][0] = pictures[s];
        inputs[s][1] = pictures[s] + 2 * PLANE;
        input_lists[s] = inputs[s];
    }
    CHECK(pel_pool_new(2, &ctx.pool, NULL) == PEL_OK);
    CHECK(nn_plain_new(&ctx, m, sizes, &options, &n) == PEL_OK, "%s", error.text);
    if (n != NULL) {
        size_t count;
        const pel_parameter *p = nn_plain_parameters(n, &count);
        test_parameters(n);
        for (size_t i = 0; i < count; i++)
            memcpy(parameters + p[i].offset, p[i].tensor->floats, p[i].count * sizeof(float));
        test_differences(&ctx, n, parameters);
        test_sums(&ctx, m, n, parameters);
    }
    test_refused(&ctx);
    nn_plain_free(n);
    pel_model_free(m);
    pel_pool_free(ctx.pool);
    return check_done();
}
