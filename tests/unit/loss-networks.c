/* loss-networks.c - losses that own networks, against a small network written out in double: what it sees, what a
 * critic says, what the critic learns, by central differences.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <unistd.h>

#include <pellucid/loss.h>
#include <pellucid/model.h>
#include <pellucid/pool.h>
#include <pellucid/rng.h>

#include "check.h"

#define W 7
#define H 6
#define N (W * H)
#define MID 3 /* channels in the middle */
#define WEIGHTS(c) (((c) * 9 + 1) * MID + MID * 9 + 1)
#define MOST WEIGHTS(3)
#define PAIRS 3

static pel_error error;
static pel_context context = {.error = &error};
static char file[64];

/* ---- The network: tanh(conv) "mid", then conv "out" of one channel; 3 x 3, zeros around.  Weights in the order of the
 * model's tensors: kernel and bias of one, of the other. */

static void fill_weights(double *w, size_t c)
{
    uint32_t seed = 77;
    for (size_t i = 0; i < WEIGHTS(c); i++)
        w[i] = (double)(float)(1.2 * ((double)check_random(&seed) - 0.5));
}

static void write_model(const double *w, size_t channels)
{
    int64_t c = (int64_t)channels;
    pel_model *m = pel_model_new("small", 17);
    const struct {
        const char *name;
        size_t rank;
        int64_t dims[4];
    } tensors[] = {{"w1", 4, {MID, c, 3, 3}}, {"b1", 1, {MID}}, {"w2", 4, {1, MID, 3, 3}}, {"b2", 1, {1}}};
    pel_model_add_input(m, "x", c);
    for (size_t k = 0, at = 0; k < 4; k++) {
        float *to = pel_model_add_floats(m, tensors[k].name, tensors[k].rank, tensors[k].dims);
        size_t n = pel_model_tensor_count(&m->tensors[k]);
        for (size_t i = 0; i < n; i++)
            to[i] = (float)w[at++];
    }
    pel_node_set_ints(m, pel_model_add_node(m, "Conv", "x w1 b1", "pre"), "pads", 4, (int64_t[]){1, 1, 1, 1});
    pel_model_add_node(m, "Tanh", "pre", "mid");
    pel_node_set_ints(m, pel_model_add_node(m, "Conv", "mid w2 b2", "out"), "pads", 4, (int64_t[]){1, 1, 1, 1});
    pel_model_add_output(m, "out", 1);
    CHECK(pel_model_finish(m, &error) == PEL_OK && pel_model_write(m, file, &error) == PEL_OK, "%s", error.text);
    pel_model_free(m);
}

static double conv(const double *x, size_t c, const double *kernel, double bias, int px, int py)
{
    for (size_t k = 0; k < c; k++)
        for (int j = 0; j < 9; j++) {
            int qx = px + j % 3 - 1, qy = py + j / 3 - 1;
            if (qx >= 0 && qx < W && qy >= 0 && qy < H)
                bias += kernel[k * 9 + (size_t)j] * x[k * N + (size_t)(qy * W + qx)];
        }
    return bias;
}

static void network(const double *x, size_t c, const double *w, double mid[MID * N], double out[N])
{
    const double *b1 = w + MID * c * 9, *w2 = b1 + MID;
    for (size_t k = 0; k < MID; k++)
        for (int i = 0; i < N; i++)
            mid[k * N + (size_t)i] = tanh(conv(x, c, w + k * c * 9, b1[k], i % W, i / W));
    for (int i = 0; i < N; i++)
        out[i] = conv(mid, MID, w2, w2[MID * 9], i % W, i / W);
}

typedef struct {
    float a[PAIRS][3 * N], b[PAIRS][3 * N], gradient[3 * N];
} pictures;

static void fill(pictures *p)
{
    uint32_t seed = 5;
    for (size_t k = 0; k < PAIRS; k++)
        for (size_t i = 0; i < 3 * N; i++) {
            p->b[k][i] = check_random(&seed);
            p->a[k][i] = p->b[k][i] + 0.5f * (check_random(&seed) - 0.4f);
        }
}

/* The file's name for each #. */
static const char *words_of(const char *pattern)
{
    static char words[400];
    size_t used = 0;
    for (const char *p = pattern; *p != '\0'; p++)
        used += (size_t)snprintf(words + used, sizeof words - used, *p == '#' ? "%s" : "%.1s", *p == '#' ? file : p);
    return words;
}

static pel_loss *loss_of(const char *pattern, size_t c, size_t callers)
{
    const char *words = words_of(pattern);
    pel_loss *loss = NULL;
    CHECK(pel_loss_parse(words, &loss, &error) == PEL_OK, "%s: %s", words, error.text);
    CHECK(loss != NULL && pel_loss_prepare(&context, loss, pel_size_make(W, H, 1, c), callers) == PEL_OK, "%s: %s",
          words, error.text);
    return loss;
}

/* ---- A value of an estimate, and its gradient */

typedef double value(const double *a, const double *b, size_t c, const double *w);

static double both_layers(const double *a, const double *b, size_t c, const double *w)
{
    double mid[2][MID * N], out[2][N], sum = 0;
    network(a, c, w, mid[0], out[0]);
    network(b, c, w, mid[1], out[1]);
    for (size_t i = 0; i < MID * N; i++)
        sum += (mid[0][i] - mid[1][i]) * (mid[0][i] - mid[1][i]) / (MID * N);
    for (size_t i = 0; i < N; i++)
        sum += (out[0][i] - out[1][i]) * (out[0][i] - out[1][i]) / N;
    return sum;
}

static double middle_layer(const double *a, const double *b, size_t c, const double *w)
{
    double mid[2][MID * N], out[N], sum = 0;
    network(a, c, w, mid[0], out);
    network(b, c, w, mid[1], out);
    for (size_t i = 0; i < MID * N; i++)
        sum += (mid[0][i] - mid[1][i]) * (mid[0][i] - mid[1][i]) / (MID * N);
    return sum;
}

/* One channel, three times. */
static double grey(const double *a, const double *b, size_t c, const double *w)
{
    double p[3 * N], q[3 * N];
    for (size_t i = 0; i < 3 * N; i++) {
        p[i] = a[i % N];
        q[i] = b[i % N];
    }
    return both_layers(p, q, c + 2, w);
}

static double mean_output(const double *x, size_t c, const double *w)
{
    double mid[MID * N], out[N], sum = 0;
    network(x, c, w, mid, out);
    for (size_t i = 0; i < N; i++)
        sum += out[i] / N;
    return sum;
}

static double mean_log(const double *x, size_t c, const double *w, double sign)
{
    double mid[MID * N], out[N], sum = 0;
    network(x, c, w, mid, out);
    for (size_t i = 0; i < N; i++)
        sum += log(1 + exp(sign * out[i])) / N;
    return sum;
}

static double gan(const double *a, const double *b, size_t c, const double *w)
{
    (void)b;
    return mean_log(a, c, w, -1);
}

static double wgan(const double *a, const double *b, size_t c, const double *w)
{
    (void)b;
    return -mean_output(a, c, w);
}

static void check_term(const char *pattern, value *f, size_t c, size_t net_channels)
{
    static pictures p;
    double w[MOST], a[3 * N], b[3 * N], terms[2], total = 0, largest = 0, worst = 0;
    fill(&p);
    fill_weights(w, net_channels);
    write_model(w, net_channels);
    pel_loss *loss = loss_of(pattern, c, 1);
    CHECK(pel_loss_evaluate(loss, p.a[0], p.b[0], p.gradient, terms, &total, &error) == PEL_OK, "%s", error.text);
    for (size_t i = 0; i < c * N; i++) {
        a[i] = (double)p.a[0][i];
        b[i] = (double)p.b[0][i];
        largest = fmax(largest, fabs((double)p.gradient[i]));
    }
    double weight = pel_loss_weight(loss, 0), expected = weight * f(a, b, c, w);
    CHECK_NEAR(total, expected, 1e-5 * fabs(expected));
    for (size_t i = 0; i < c * N; i++) {
        double at = a[i], h = 1e-5;
        a[i] = at + h;
        double up = f(a, b, c, w);
        a[i] = at - h;
        worst = fmax(worst, fabs(weight * (up - f(a, b, c, w)) / (2 * h) - (double)p.gradient[i]));
        a[i] = at;
    }
    CHECK(worst <= 1e-5 * largest && largest > 0, "%s: %g of %g", pattern, worst, largest);
    pel_loss_free(loss);
}

static void terms(void)
{
    check_term("perceptual:#@mid+out", both_layers, 1, 1);
    check_term("perceptual:#@mid:0.1", middle_layer, 3, 3);
    check_term("perceptual:2:#@out+mid", grey, 1, 3);
    check_term("gan:#:3", gan, 1, 1);
    check_term("wgan:0.5:#", wgan, 3, 3);
}

static void equal_pictures(void)
{
    static pictures p;
    double w[MOST], term, total;
    fill(&p);
    fill_weights(w, 1);
    write_model(w, 1);
    pel_loss *loss = loss_of("perceptual:#", 1, 1);
    CHECK(pel_loss_evaluate(loss, p.a[0], p.a[0], p.gradient, &term, &total, &error) == PEL_OK && total == 0);
    for (size_t i = 0; i < N; i++)
        CHECK(p.gradient[i] == 0);
    pel_loss_free(loss);
}

/* ---- What a critic learns: after the first step of Adam, its first moment is 1 - beta1 times the gradient. */

static double norm_at(double *x, size_t c, const double *w)
{
    double sum = 0, h = 1e-5;
    for (size_t i = 0; i < c * N; i++) {
        double at = x[i];
        x[i] = at + h;
        double up = mean_output(x, c, w);
        x[i] = at - h;
        double slope = (up - mean_output(x, c, w)) / (2 * h);
        x[i] = at;
        sum += slope * slope;
    }
    return sqrt(sum);
}

/* The critic's loss, with seed 11 and before its first step. */
static double critic_loss(const pictures *p, size_t c, const double *w, bool wasserstein, double penalty)
{
    pel_rng *rng = pel_rng_new(11, 1);
    double sum = 0;
    for (size_t k = 0; k < PAIRS; k++) {
        double a[3 * N], b[3 * N], x[3 * N], share = pel_rng_uniform(rng);
        for (size_t i = 0; i < c * N; i++) {
            a[i] = (double)p->a[k][i];
            b[i] = (double)p->b[k][i];
            x[i] = a[i] + share * (b[i] - a[i]);
        }
        if (wasserstein)
            sum += mean_output(a, c, w) - mean_output(b, c, w) + penalty * pow(norm_at(x, c, w) - 1, 2);
        else
            sum += mean_log(b, c, w, -1) + mean_log(a, c, w, 1);
    }
    pel_rng_free(rng);
    return sum / PAIRS;
}

static void learn(pel_loss *loss, const pictures *p, const pel_context *ctx, pel_loss_lesson *lesson)
{
    const float *a[PAIRS], *b[PAIRS];
    for (size_t k = 0; k < PAIRS; k++) {
        a[k] = p->a[k];
        b[k] = p->b[k];
    }
    CHECK(pel_loss_learn(ctx, loss, PAIRS, a, b, 11, lesson) == PEL_OK, "%s", error.text);
}

/* Bound: relative to the largest component.  The penalty's scheme is of first order in what it may, see loss.h. */
static void check_lesson(const char *pattern, size_t c, bool wasserstein, double penalty, double bound)
{
    static pictures p;
    double w[MOST], largest = 0, worst = 0;
    pel_loss_lesson lesson;
    size_t count;
    fill(&p);
    fill_weights(w, c);
    write_model(w, c);
    pel_loss *loss = loss_of(pattern, c, 2);
    CHECK(pel_loss_learns(loss));
    learn(loss, &p, &context, &lesson);
    double expected = critic_loss(&p, c, w, wasserstein, penalty);
    CHECK_NEAR(lesson.loss, expected, 1e-5 * fabs(expected));
    const float *state = pel_loss_state(loss, &count);
    CHECK(count == 2 + 3 * WEIGHTS(c));
    for (size_t i = 0; i < WEIGHTS(c); i++) {
        double at = w[i], h = 1e-4, got = 2 * (double)state[2 + WEIGHTS(c) + i];
        w[i] = at + h;
        double up = critic_loss(&p, c, w, wasserstein, penalty);
        w[i] = at - h;
        double slope = (up - critic_loss(&p, c, w, wasserstein, penalty)) / (2 * h);
        w[i] = at;
        worst = fmax(worst, fabs(got - slope));
        largest = fmax(largest, fabs(slope));
        if (fabs(slope) > 1e-3) /* Adam's first step */
            CHECK_NEAR((double)state[2 + i], at - copysign(1e-4, slope), 1e-6);
    }
    CHECK(worst <= bound * largest, "%s: %g of %g", pattern, worst, largest);
    pel_loss_free(loss);
}

static void lessons(void)
{
    check_lesson("gan:#", 1, false, 0, 1e-5);
    check_lesson("l1,gan:#:beta1=0.5", 3, false, 0, 1e-5);
    check_lesson("wgan:#:penalty=0", 1, true, 0, 1e-5);
    check_lesson("wgan:#", 1, true, 10, 1e-3);
    check_lesson("wgan:#:penalty=2", 3, true, 2, 1e-3);
}

/* Steps make the critic's loss small, and its slope 1; a state that is kept is where learning goes on. */
static void training(const char *pattern, bool wasserstein)
{
    static pictures p;
    double w[MOST], terms[1], before, after;
    pel_loss_lesson first, lesson, again;
    size_t count;
    fill(&p);
    fill_weights(w, 1);
    pel_pool *pool = NULL;
    CHECK(pel_pool_new(3, &pool, &error) == PEL_OK);
    pel_context many = {.pool = pool, .error = &error};
    pel_loss *loss = NULL, *other = NULL;
    const char *words = words_of(pattern);
    write_model(w, 1);
    CHECK(pel_loss_parse(words, &loss, &error) == PEL_OK);
    CHECK(pel_loss_prepare(&many, loss, pel_size_make(W, H, 1, 1), 3) == PEL_OK);
    learn(loss, &p, &many, &first);
    for (int k = 0; k < 100; k++)
        learn(loss, &p, &many, &lesson);
    CHECK(lesson.loss < first.loss - 0.1, "%s: %g to %g", words, first.loss, lesson.loss);
    CHECK(!wasserstein || fabs(lesson.slope - 1) < fabs(first.slope - 1), "%g, %g", first.slope, lesson.slope);
    float *state = pel_loss_state(loss, &count), *copy = pel_alloc_floats(count);
    memcpy(copy, state, count * sizeof *copy);
    CHECK(copy[0] == (strstr(words, "steps=2") != NULL ? 202.0f : 101.0f));
    CHECK(pel_loss_evaluate(loss, p.a[0], p.b[0], p.gradient, terms, &before, &error) == PEL_OK);
    learn(loss, &p, &many, &lesson);
    CHECK(pel_loss_parse(words, &other, &error) == PEL_OK);
    CHECK(pel_loss_prepare(&many, other, pel_size_make(W, H, 1, 1), 3) == PEL_OK);
    memcpy(pel_loss_state(other, &count), copy, count * sizeof *copy);
    CHECK(pel_loss_restore(&many, other) == PEL_OK);
    CHECK(pel_loss_evaluate(other, p.a[0], p.b[0], p.gradient, terms, &after, &error) == PEL_OK && before == after);
    learn(other, &p, &many, &again);
    CHECK(memcmp(&lesson, &again, sizeof again) == 0 && memcmp(state, pel_loss_state(other, &count), count * 4) == 0);
    /* Another size knows what was learned. */
    CHECK(pel_loss_prepare(&many, other, pel_size_make(W, H, 1, 1), 2) == PEL_OK);
    CHECK(memcmp(state, pel_loss_state(other, &count), count * 4) == 0);
    pel_free(copy);
    pel_loss_free(loss);
    pel_loss_free(other);
    pel_pool_free(pool);
}

/* ---- What is refused */

static void refuse(const char *pattern, pel_status expected, const char *part)
{
    const char *words = words_of(pattern);
    pel_loss *loss = NULL;
    pel_status status = pel_loss_parse(words, &loss, &error);
    if (status == PEL_OK)
        status = pel_loss_prepare(&context, loss, pel_size_make(W, H, 1, 2), 1);
    CHECK(status == expected && strstr(error.text, part) != NULL, "%s: %d, %s", words, (int)status, error.text);
    pel_loss_free(loss);
}

static void refused(void)
{
    double w[MOST];
    pel_loss_lesson lesson;
    size_t count;
    fill_weights(w, 1);
    write_model(w, 1);
    refuse("perceptual", PEL_EUSAGE, "loss perceptual: a file is needed, as in perceptual:FILE.onnx@LAYER+LAYER");
    refuse("perceptual:1:nowhere.onnx", PEL_EIO, "nowhere.onnx");
    refuse("perceptual:#@mid+relu9", PEL_EINVAL, "no value 'relu9' (it has pre, mid, out)");
    refuse("perceptual:#@mid+mid", PEL_EINVAL, "'mid' is named twice");
    refuse("perceptual:#:#", PEL_EUSAGE, "is a second file");
    refuse("perceptual:#", PEL_EINVAL, "loss perceptual: ");
    refuse("gan:#:penalty=1:#", PEL_EUSAGE, "gan");
    refuse("gan:#,wgan:#", PEL_EUSAGE, "loss: wgan is a second critic");
    refuse("wgan:#:penalty=-1", PEL_EUSAGE, "penalty '-1' is no number from 0");
    pel_loss *loss = loss_of("mse,perceptual:#,perceptual:#@mid", 1, 1);
    CHECK_TEXT(pel_loss_name(loss, 1), "perceptual");
    CHECK_TEXT(pel_loss_name(loss, 2), "perceptual2");
    CHECK(!pel_loss_learns(loss) && pel_loss_state(loss, &count) == NULL && count == 0);
    CHECK(pel_loss_learn(&context, loss, 1, NULL, NULL, 1, &lesson) == PEL_EINVAL);
    CHECK(pel_loss_restore(&context, loss) == PEL_OK);
    pel_loss_free(loss);
}

int main(void)
{
    snprintf(file, sizeof file, "loss-networks-%ld.onnx", (long)getpid());
    terms();
    equal_pictures();
    lessons();
    training("gan:#:rate=0.01", false);
    training("wgan:#:rate=0.01:steps=2", true);
    refused();
    unlink(file);
    return check_done();
}
