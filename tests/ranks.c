/* ranks.c - training on several processes against training in one: for tests/cli/mpi.sh.
 *
 *     mpirun -n N ranks gradient MODEL.onnx LOSS BATCH    of the gradients of N ranks and of one process
 *     ranks models A.onnx B.onnx                          of two models' weights
 *
 * Tells relative differences: the norm of the difference over the norm.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/lib/train/trainer.h"
#include "unit/check.h"

enum { SIDE = 24, STEPS = 3 };

static pel_error error;
static const pel_context ctx = {.error = &error};

static void must(pel_status status)
{
    CHECK(status == PEL_OK, "(%s)", error.text);
    if (status != PEL_OK)
        exit(EXIT_FAILURE);
}

/* ---- Two trainers of one model */

typedef struct {
    pel_model *model;
    pel_loss *loss;
    pel_trainer *trainer;
} learner;

static void open_learner(learner *l, char **arguments, pel_ranks *ranks)
{
    pel_trainer_params params = {.batch = (size_t)atoi(arguments[2]), .adam = PEL_ADAM_USUAL, .average = 0.9,
                                 .schedule = {.kind = PEL_RATE_CONSTANT, .rate = 1e-3}, .ranks = ranks};
    must(pel_model_read(arguments[0], 0, &l->model, &error));
    must(pel_loss_parse(arguments[1], &l->loss, &error));
    must(pel_trainer_new(l->model, l->loss, &params, &l->trainer, &error));
}

static void close_learner(learner *l)
{
    pel_trainer_free(l->trainer);
    pel_loss_free(l->loss);
    pel_model_free(l->model);
}

static pel_frame *random_frame(const char *role, size_t channels, uint32_t *seed)
{
    pel_frame *f;
    must(pel_frame_new(role, PEL_F32, pel_size_make(SIDE, SIDE, 1, channels), &f, &error));
    for (size_t i = 0; i < pel_size_count(f->size); i++)
        pel_frame_floats(f)[i] = check_random(seed);
    return f;
}

static void random_pair(pel_bundle *b, const pel_model *model, uint32_t *seed)
{
    size_t channels = (size_t)model->inputs[0].dims[1];
    pel_frame *image = random_frame("image", channels, seed), *truth = random_frame("truth", channels, seed);
    *b = (pel_bundle){NULL, NULL, 0};
    must(pel_bundle_put(b, truth, &error));
    pel_bundle_set_image(b, image);
    pel_frame_unref(image);
    pel_frame_unref(truth);
}

/* A step of both on the same pairs. */
static void step_both(const learner *both, size_t batch, uint32_t *seed, bool first, pel_trainer_report *reports)
{
    for (size_t i = 0; i < batch; i++) {
        pel_bundle pair;
        random_pair(&pair, both[0].model, seed);
        for (int k = 0; k < 2; k++) {
            if (first && i == 0)
                must(pel_trainer_begin(&ctx, both[k].trainer, &pair, 1));
            must(pel_trainer_put(&ctx, both[k].trainer, &pair, i));
        }
        pel_bundle_clear(&pair);
    }
    for (int k = 0; k < 2; k++)
        must(pel_trainer_step(&ctx, both[k].trainer, 0, &reports[k]));
}

static double difference(const float *a, const float *b, size_t count)
{
    double sum = 0, all = 0;
    for (size_t i = 0; i < count; i++) {
        double d = (double)a[i] - (double)b[i];
        sum += d * d;
        all += (double)b[i] * (double)b[i];
    }
    return sqrt(sum / all);
}

/* At the first step the weights are the same; then they differ by what rounding and Adam make of it. */
static void lead(pel_ranks *ranks, char **arguments)
{
    learner both[2];
    uint32_t seed = 1;
    open_learner(&both[0], arguments, ranks);
    open_learner(&both[1], arguments, NULL);
    must(pel_trainer_gather(&ctx, both[0].trainer));
    for (int step = 0; step < STEPS; step++) {
        pel_trainer_report reports[2];
        step_both(both, (size_t)atoi(arguments[2]), &seed, step == 0, reports);
        double apart = difference(pel_trainer_gradient(both[0].trainer), pel_trainer_gradient(both[1].trainer),
                                  pel_trainer_state(both[1].trainer)->count);
        printf("%zu ranks, %s, step %d: gradients differ by %.2g\n", pel_ranks_count(ranks), arguments[1], step + 1,
               apart);
        CHECK(apart < (step == 0 ? 1e-6 : 1e-4), "(%g)", apart);
        for (size_t k = 0; k <= pel_loss_count(both[0].loss); k++)
            CHECK_NEAR(reports[0].values[k], reports[1].values[k], step == 0 ? 0 : 1e-4 * fabs(reports[1].values[k]));
    }
    for (int k = 0; k < 2; k++)
        close_learner(&both[k]);
}

static int compare_gradients(char **arguments)
{
    pel_ranks *ranks;
    must(pel_ranks_open(&ranks, &error));
    bool serves = pel_ranks_own(ranks) > 0;
    if (serves) {
        learner l;
        open_learner(&l, arguments, ranks);
        must(pel_trainer_serve(&ctx, l.trainer));
        close_learner(&l);
    } else {
        lead(ranks, arguments);
    }
    pel_ranks_close(ranks, PEL_OK, "");
    return serves ? 0 : check_done();
}

/* ---- Models */

static int compare_models(char **names)
{
    pel_model *m[2];
    double most = 0;
    for (int k = 0; k < 2; k++)
        must(pel_model_read(names[k], 0, &m[k], &error));
    CHECK(m[0]->tensor_count == m[1]->tensor_count);
    for (size_t i = 0; i < m[0]->tensor_count; i++)
        if (m[0]->tensors[i].floats != NULL && pel_model_tensor_count(&m[0]->tensors[i]) > 1)
            most = fmax(most, difference(m[0]->tensors[i].floats, m[1]->tensors[i].floats,
                                         pel_model_tensor_count(&m[0]->tensors[i])));
    printf("%.3g\n", most);
    for (int k = 0; k < 2; k++)
        pel_model_free(m[k]);
    return check_failures > 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "gradient") == 0)
        return compare_gradients(argv + 2);
    if (argc == 4 && strcmp(argv[1], "models") == 0)
        return compare_models(argv + 2);
    fprintf(stderr, "usage: ranks gradient MODEL LOSS BATCH | ranks models A B\n");
    return 2;
}
