/* pel-score.c - a table of metrics of the stream's images: against their truth, and against the measurement.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <pellucid/calibration.h>
#include <pellucid/consistency.h>
#include <pellucid/metric.h>
#include <pellucid/stage.h>

#include "score-fit.h"
#include "score-table.h"

typedef struct {
    int shift;
    long border, max_shift, window;
    double range, sigma;
    bool json, consistency, calibration, fit;
    const char *output;
} settings;

static const score_column truth_columns[] = {
    {"psnr", 4, true},    {"mse", -6, true}, {"mae", -6, true}, {"ssim", 6, true},
    {"ms_ssim", 6, true}, {"dx", 4, true},  {"dy", 4, true}};
static const score_column consistency_columns[] = {
    {"residual", 4, true},  {"worst", 4, true},     {"worst_x", 0, false},
    {"worst_y", 0, false},  {"worst_z", 0, false},  {"worst_c", 0, false}};
static const score_column calibration_columns[] = {
    {"within", 4, true},  {"within1", 4, true}, {"within2", 4, true}, {"within3", 4, true},
    {"within4", 4, true}, {"within5", 4, true}, {"scale", 4, true}};
#define COUNT(columns) (sizeof(columns) / sizeof(columns)[0])

typedef struct {
    score_table table;
    score_fit fit;
} state;

#define AT(member) offsetof(settings, member)
static const pel_option options[] = {
    {"output", 'o', PEL_OPT_TEXT, AT(output), 0, 0, NULL, "FILE", NULL,
     "write the table there, and pass the stream on to stdout"},
    {"json", 0, PEL_OPT_FLAG, AT(json), 0, 0, NULL, NULL, NULL,
     "JSON, one object a line, in place of tab-separated values"},
    {"shift", 0, PEL_OPT_CHOICE, AT(shift), 0, 0, "none", NULL, "none|integer|quarter",
     "search the shift of the estimate that fits best, in whole or quarter samples"},
    {"max-shift", 0, PEL_OPT_INTEGER, AT(max_shift), 1, 64, "8", "N", NULL,
     "farthest shift that is tried, in samples"},
    {"border", 0, PEL_OPT_INTEGER, AT(border), 0, 100000, "0", "N", NULL,
     "samples left out along each edge, of the comparison with the truth"},
    {"range", 0, PEL_OPT_REAL_AUTO, AT(range), 1e-30, 1e30, "auto", "X", NULL,
     "full scale for PSNR and SSIM; auto: key white minus black, else 1 for a truth within 0..1, "
     "else its maximum minus minimum"},
    {"consistency", 0, PEL_OPT_FLAG, AT(consistency), 0, 0, NULL, NULL, NULL,
     "also compare the image, blurred by the stream's PSF, with data, in units of the noise; needs no truth"},
    {"window", 0, PEL_OPT_INTEGER, AT(window), 2, 1024, "16", "N", NULL,
     "side of the windows of which --consistency tells the worst, in samples"},
    {"sigma", 's', PEL_OPT_REAL_AUTO, AT(sigma), 0, 1e30, "auto", "X", NULL,
     "noise standard deviation in sample units, for --consistency and --fit; auto: the stream's, else "
     "estimated"},
    {"calibration", 0, PEL_OPT_FLAG, AT(calibration), 0, 0, NULL, NULL, NULL,
     "also tell the share of errors within the role uncertainty, of all samples and by fifths of it"},
    {"fit", 0, PEL_OPT_FLAG, AT(fit), 0, 0, NULL, NULL, NULL,
     "in place of the table, write the numbers of pellucid.uncertainty that suit all images of the stream, which came from "
     "pel-cnn or pel-pnp --uncertainty=raw"},
    {NULL}};

/* The key white is full scale.  Float pictures without one are most often scaled to 0..1, as those of
 * most test sets are; anything else is measured by what the truth holds. */
static double find_range(const settings *s, const pel_frame *image, const pel_frame *truth)
{
    if (!isnan(s->range))
        return s->range;
    const pel_frame *of = pel_frame_key(image, "white") != NULL ? image : truth;
    double range = pel_frame_real(of, "white", 0) - pel_frame_real(of, "black", 0);
    if (range > 0)
        return range;
    const float *t = pel_frame_floats(truth);
    double low = HUGE_VAL, high = -HUGE_VAL;
    for (size_t i = 0; i < pel_size_count(truth->size); i++)
        if (isfinite(t[i])) {
            low = fmin(low, (double)t[i]);
            high = fmax(high, (double)t[i]);
        }
    return low >= 0 && high > 0.5 && high <= 1.5 ? 1 : high - low;
}

static pel_status start(pel_run *run)
{
    const settings *s = pel_run_settings(run);
    score_table *table = &((state *)pel_run_state(run))->table;
    if (s->fit && (s->json || s->consistency || s->calibration))
        return pel_error_set(pel_run_error(run), PEL_EUSAGE,
                             "--fit writes numbers in place of a table: not with --json, --consistency or --calibration");
    table->json = s->json;
    table->output = s->output;
    score_table_add(table, truth_columns, COUNT(truth_columns));
    if (s->consistency)
        score_table_add(table, consistency_columns, COUNT(consistency_columns));
    if (s->calibration)
        score_table_add(table, calibration_columns, COUNT(calibration_columns));
    return score_table_start(run, table);
}

static void stop(pel_run *run)
{
    state *st = pel_run_state(run);
    score_table_stop(&st->table);
    score_fit_clear(&st->fit);
}

static pel_status check_size(pel_run *run, const pel_frame *companion, const pel_frame *estimate)
{
    if (pel_size_equal(companion->size, estimate->size))
        return PEL_OK;
    return pel_error_set(pel_run_error(run), PEL_EINVAL, "%s of %zux%zux%zux%zu for an image of %zux%zux%zux%zu",
                         strcmp(companion->role, "truth") == 0 ? "a truth" : companion->role, companion->size.w,
                         companion->size.h, companion->size.d, companion->size.c, estimate->size.w, estimate->size.h,
                         estimate->size.d, estimate->size.c);
}

static pel_status by_truth(pel_run *run, const pel_bundle *bundle, const pel_frame *truth, double *values)
{
    const settings *s = pel_run_settings(run);
    const pel_frame *estimate = bundle->image;
    pel_status status = check_size(run, truth, estimate);
    if (status != PEL_OK)
        return status;
    double range = find_range(s, estimate, truth);
    if (!(range > 0))
        return pel_error_set(pel_run_error(run), PEL_EINVAL,
                             "the truth is constant, and the key white missing: give --range");
    if (isnan(s->range))
        pel_note(run, "range %g", range);
    pel_score_params params = {range, (size_t)s->border, (pel_shift)s->shift, (size_t)s->max_shift};
    pel_score score;
    status = pel_score_pair(pel_run_context(run), pel_frame_floats(estimate), pel_frame_floats(truth), estimate->size,
                            &params, &score);
    const double found[] = {score.psnr, score.mse, score.mae, score.ssim, score.ms_ssim, score.dx, score.dy};
    memcpy(values, found, sizeof found);
    return status;
}

static pel_status by_measurement(pel_run *run, const pel_bundle *bundle, double *values)
{
    const settings *s = pel_run_settings(run);
    pel_solver measured;
    pel_consistency found;
    pel_status status = pel_measurement_open(run, bundle, s->sigma, &measured);
    if (status != PEL_OK)
        return status;
    if (measured.problem.psf == NULL)
        pel_note(run, "no PSF in the stream: compared without blur");
    status = pel_consistency_measure(pel_run_context(run), &measured.problem, pel_frame_floats(bundle->image),
                                     (size_t)s->window, &found);
    pel_solver_close(&measured);
    values[0] = found.rms;
    values[1] = found.worst;
    for (size_t k = 0; k < 4; k++)
        values[2 + k] = isnan(found.worst) ? (double)NAN : (double)found.at[k];
    return status;
}

static pel_status find_uncertainty(pel_run *run, const pel_bundle *bundle, const pel_frame **uncertainty)
{
    *uncertainty = pel_bundle_find(bundle, "uncertainty", NULL);
    if (*uncertainty != NULL)
        return check_size(run, *uncertainty, bundle->image);
    return pel_error_set(pel_run_error(run), PEL_EINVAL, "no uncertainty in the stream: --uncertainty of pel-cnn or pel-pnp writes it");
}

static pel_status by_uncertainty(pel_run *run, const pel_bundle *bundle, const pel_frame *truth, double *values)
{
    const pel_frame *uncertainty;
    pel_coverage c;
    pel_status status = find_uncertainty(run, bundle, &uncertainty);
    if (status == PEL_OK)
        status = pel_coverage_measure(pel_run_context(run), pel_frame_floats(bundle->image), pel_frame_floats(truth),
                                      pel_frame_floats(uncertainty), pel_size_count(truth->size), &c);
    if (status != PEL_OK)
        return status;
    values[0] = c.within;
    for (size_t k = 0; k < PEL_COVERAGE_PARTS; k++)
        values[1 + k] = c.parts[k];
    values[1 + PEL_COVERAGE_PARTS] = c.scale;
    return PEL_OK;
}

static pel_status add_to_fit(pel_run *run, const pel_bundle *bundle, const pel_frame *truth)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    const pel_frame *uncertainty;
    pel_status status = find_uncertainty(run, bundle, &uncertainty);
    if (status == PEL_OK)
        status = check_size(run, truth, bundle->image);
    if (status == PEL_OK)
        status = score_fit_add(run, &st->fit, bundle, truth, uncertainty, s->sigma);
    return status == PEL_OK ? pel_emit(run, bundle) : status;
}

static pel_status image(pel_run *run, const pel_bundle *bundle)
{
    const settings *s = pel_run_settings(run);
    score_table *table = &((state *)pel_run_state(run))->table;
    const pel_frame *truth = pel_bundle_find(bundle, "truth", NULL);
    double values[SCORE_COLUMNS];
    for (size_t i = 0; i < SCORE_COLUMNS; i++)
        values[i] = (double)NAN;
    if (truth == NULL && (!s->consistency || s->calibration))
        return pel_error_set(pel_run_error(run), PEL_EINVAL,
                             "no truth in the stream: pel-blur or pel-noise keeps it, and pel-read "
                             "truth:FILE or --truth DIR reads it");
    if (s->fit)
        return add_to_fit(run, bundle, truth);
    pel_status status = truth != NULL ? by_truth(run, bundle, truth, values) : PEL_OK;
    double *to = values + COUNT(truth_columns);
    if (status == PEL_OK && s->consistency)
        status = by_measurement(run, bundle, to);
    if (status == PEL_OK && s->calibration)
        status = by_uncertainty(run, bundle, truth, to + (s->consistency ? COUNT(consistency_columns) : 0));
    if (status != PEL_OK)
        return status;
    score_table_row(run, table, bundle->image, values);
    return pel_emit(run, bundle);
}

static pel_status drain(pel_run *run)
{
    const settings *s = pel_run_settings(run);
    state *st = pel_run_state(run);
    char text[PEL_CALIBRATION_TEXT];
    if (s->fit) {
        pel_status status = score_fit_end(run, &st->fit, text);
        if (status != PEL_OK)
            return status;
        score_table_line(&st->table, text);
    }
    return score_table_end(run, &st->table);
}

static const pel_program program = {
    .name = "pel-score",
    .summary = "metrics of images against their truth, and against the measurement",
    .details = "Writes a table: PSNR, MSE, MAE, SSIM and MS-SSIM of each image, then the mean.\n"
               "Example: pel-read truth:sharp.png restored.png | pel-score\n",
    .options = options,
    .settings_size = sizeof(settings),
    .state_size = sizeof(state),
    .flags = PEL_SINK,
    .start = start,
    .image = image,
    .drain = drain,
    .stop = stop,
};

int main(int argc, char **argv)
{
    return pel_main(&program, argc, argv);
}
