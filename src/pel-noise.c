/* pel-noise.c - degrades: adds Gaussian, photon and read-out noise.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/degrade.h>
#include <pellucid/driver.h>
#include <pellucid/number.h>

typedef struct {
    bool poisson;
    pel_range gain, readnoise;
} settings;

typedef struct {
    pel_range sigma; /* the operand */
} state;

#define AT(member) offsetof(settings, member)
static const pel_option options[] = {
    {"poisson", 0, PEL_OPT_FLAG, AT(poisson), 0, 0, NULL, NULL, NULL,
     "photon noise: Poisson counts of value times gain"},
    {"gain", 0, PEL_OPT_RANGE_AUTO, AT(gain), 1e-30, 1e30, "auto", "E[..E]", NULL,
     "electrons a sample unit; auto: the image's key gain"},
    {"readnoise", 0, PEL_OPT_RANGE, AT(readnoise), 0, 1e30, "0", "E[..E]", NULL,
     "Gaussian noise of the read-out, in electrons"},
    {NULL}};

static pel_status start(pel_run *run)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    char **operands;
    size_t count = pel_run_operands(run, &operands);
    if (count > 1 || (count == 0 && !s->poisson && !(s->readnoise.high > 0)))
        return pel_error_set(pel_run_error(run), PEL_EUSAGE,
                             "one standard deviation is needed, as in pel-noise 2.55/255, or "
                             "--poisson");
    pel_range *sigma = &st->sigma;
    if (count == 1 &&
        (!pel_number_range(operands[0], &sigma->low, &sigma->high) || !(sigma->low >= 0)))
        return pel_error_set(pel_run_error(run), PEL_EUSAGE, "'%s' is no standard deviation%s",
                             operands[0],
                             strstr(operands[0], "..") != NULL
                                 ? ": each end is a number of its own, the low one first, as in "
                                   "10/255..50/255"
                                 : "");
    return PEL_OK;
}

/* The noise that comes on top of what is there: variances add. */
static pel_status put_sigma(pel_run *run, const pel_bundle *in, const pel_frame *map, double sigma,
                            pel_bundle *out)
{
    pel_error *error = pel_run_error(run);
    const pel_frame *before = pel_bundle_find(in, "sigma", NULL);
    pel_size size = map != NULL ? map->size : pel_size_make(1, 1, 1, 1);
    if (before != NULL && pel_size_plane(before->size) > 1)
        size = map != NULL && map->size.c > before->size.c ? map->size : before->size;
    if (before != NULL && pel_size_count(before->size) != 1 &&
        (!pel_size_same_plane(before->size, in->image->size) ||
         (before->size.c != 1 && before->size.c != in->image->size.c)))
        return pel_error_set(error, PEL_EFORMAT, "the stream's sigma does not fit the image");
    pel_frame *made;
    pel_status status = pel_frame_new("sigma", PEL_F32, size, &made, error);
    if (status != PEL_OK)
        return status;
    float *to = pel_frame_floats(made);
    const pel_frame *parts[2] = {before, map};
    for (size_t i = 0; i < pel_size_count(size); i++) {
        double square = sigma * sigma;
        for (int k = 0; k < 2; k++)
            if (parts[k] != NULL) {
                double v = (double)pel_frame_floats(parts[k])[i % pel_size_count(parts[k]->size)];
                square += v * v;
            }
        to[i] = (float)sqrt(square);
    }
    status = pel_bundle_put(out, made, error);
    pel_frame_unref(made);
    return status;
}

static pel_status put_truth(pel_run *run, const pel_bundle *in, pel_bundle *out)
{
    if (pel_bundle_find(in, "truth", NULL) != NULL)
        return PEL_OK;
    pel_frame *truth;
    pel_status status = pel_frame_copy(in->image, "truth", &truth, pel_run_error(run));
    if (status != PEL_OK)
        return status;
    status = pel_bundle_put(out, truth, pel_run_error(run));
    pel_frame_unref(truth);
    return status;
}

static pel_status degrade(pel_run *run, const pel_bundle *bundle, pel_frame *noisy, pel_frame *map,
                          const pel_noise_params *p)
{
    pel_bundle out = {NULL, NULL, 0};
    memcpy(pel_frame_floats(noisy), pel_frame_floats(bundle->image), noisy->bytes);
    pel_status status = pel_noise_add(pel_run_context(run), p, pel_frame_floats(noisy),
                                      pel_size_count(noisy->size),
                                      map != NULL ? pel_frame_floats(map) : NULL);
    if (status == PEL_OK)
        status = pel_bundle_copy(&out, bundle, pel_run_error(run));
    if (status != PEL_OK)
        return status;
    double electronic = p->readnoise > 0 ? p->readnoise / p->gain : 0;
    double scalar = map != NULL ? 0 : sqrt(p->sigma * p->sigma + electronic * electronic);
    pel_bundle_set_image(&out, noisy);
    pel_bundle_remove(&out, "data", NULL); /* what was restored before is the measurement now */
    status = put_truth(run, bundle, &out);
    if (status == PEL_OK)
        status = put_sigma(run, bundle, map, scalar, &out);
    if (status == PEL_OK)
        status = pel_emit(run, &out);
    pel_bundle_clear(&out);
    return status;
}

/* Levels of this image, rounded to what the stream can say of them.  Gains span decades, and noise goes
 * as their root: they are drawn evenly in their logarithm. */
static pel_status draw_levels(pel_run *run, double gain, pel_noise_params *p)
{
    const settings *s = pel_run_settings(run);
    const state *st = pel_run_state(run);
    pel_rng *rng = pel_run_rng(run, pel_run_index(run));
    if (rng == NULL)
        return pel_error_set(pel_run_error(run), PEL_ENOMEM, "out of memory");
    double u[3];
    for (int i = 0; i < 3; i++) /* all, so that no level depends on which others are ranges */
        u[i] = pel_rng_uniform(rng);
    pel_rng_free(rng);
    p->sigma = st->sigma.low;
    p->readnoise = s->readnoise.low;
    p->gain = gain;
    if (st->sigma.low < st->sigma.high)
        p->sigma = (double)(float)(st->sigma.low + u[0] * (st->sigma.high - st->sigma.low));
    if (s->gain.low < s->gain.high)
        p->gain = (double)(float)(s->gain.low * pow(s->gain.high / s->gain.low, u[1]));
    if (s->readnoise.low < s->readnoise.high)
        p->readnoise =
            (double)(float)(s->readnoise.low + u[2] * (s->readnoise.high - s->readnoise.low));
    return PEL_OK;
}

/* What the sensor was like, for who needs more than sigma. */
static pel_status set_sensor(pel_run *run, const pel_noise_params *p, pel_frame *noisy)
{
    pel_status status = PEL_OK;
    if (p->poisson || p->readnoise > 0)
        status = pel_frame_set_real(noisy, "gain", p->gain, pel_run_error(run));
    if (status == PEL_OK && p->readnoise > 0)
        status = pel_frame_set_real(noisy, "readnoise", p->readnoise, pel_run_error(run));
    return status;
}

static pel_status image(pel_run *run, const pel_bundle *bundle)
{
    const settings *s = pel_run_settings(run);
    const pel_frame *from = bundle->image;
    double gain = isnan(s->gain.low) ? pel_frame_real(from, "gain", 0) : s->gain.low;
    if ((s->poisson || s->readnoise.high > 0) && !(gain > 0))
        return pel_error_set(pel_run_error(run), PEL_EINVAL,
                             "--poisson and --readnoise need a --gain: the image has no key gain");
    pel_noise_params p = {.poisson = s->poisson,
                          .seed = pel_run_seed(run),
                          .stream = pel_run_index(run)};
    pel_status status = draw_levels(run, gain, &p);
    if (status != PEL_OK)
        return status;
    pel_frame *noisy = NULL, *map = NULL;
    status = pel_frame_like(from, "image", from->size, &noisy, pel_run_error(run));
    if (status == PEL_OK)
        status = set_sensor(run, &p, noisy);
    if (status == PEL_OK && s->poisson)
        status = pel_frame_new("sigma", PEL_F32, from->size, &map, pel_run_error(run));
    if (status == PEL_OK)
        status = degrade(run, bundle, noisy, map, &p);
    pel_frame_unref(noisy);
    pel_frame_unref(map);
    return status;
}

static const pel_program program = {
    .name = "pel-noise",
    .summary = "add noise",
    .operands = "[SIGMA[..SIGMA]]",
    .details = "Adds Gaussian noise of standard deviation SIGMA (2.55/255 is fine), and on demand "
               "photon noise.\nSIGMA and the levels may be ranges, A..B: one is drawn for each image.\n"
               "Puts sigma and the truth into the stream.\n"
               "Example: pel-read photo.png | pel-noise 10/255 --seed 7 | pel-write noisy.png\n",
    .options = options,
    .settings_size = sizeof(settings),
    .state_size = sizeof(state),
    .flags = PEL_SEEDED,
    .start = start,
    .image = image,
};

int main(int argc, char **argv)
{
    return pel_main(&program, argc, argv);
}
