/* stage.h - what the restoration programs share: from a bundle to a problem, and back to frames.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PELLUCID_STAGE_H
#define PELLUCID_STAGE_H

#include <pellucid/deconv.h>
#include <pellucid/driver.h>

PEL_BEGIN_DECLS

/* Gets the PSF that `-k SPEC|FILE` names: a model of psf.h, or a file, read by pel-read (so that the
 * numeric programs need not load the file formats).  A new frame of role psf. */
pel_status pel_stage_psf(pel_run *run, const char *text, pel_frame **psf);

/* Options that every solver has; put PEL_SOLVER_OPTIONS(struct, member) into the table. */
typedef struct {
    const char *psf;   /* -k */
    double sigma;      /* -s; NaN: auto */
    bool inpaint;      /* --inpaint */
} pel_solver_settings;
#define PEL_SOLVER_OPTIONS(type, member)                                                           \
    {"psf", 'k', PEL_OPT_TEXT, offsetof(type, member.psf), 0, 0, NULL, "SPEC|FILE", NULL,          \
     "the PSF, in place of the stream's: a model such as gauss:2.5, or a file"},                   \
    {"sigma", 's', PEL_OPT_REAL_AUTO, offsetof(type, member.sigma), 0, 1e30, "auto", "X", NULL,    \
     "noise standard deviation in sample units; auto: the stream's, else estimated"},              \
    {"inpaint", 0, PEL_OPT_FLAG, offsetof(type, member.inpaint), 0, 0, NULL, NULL, NULL,           \
     "keep the estimate in bad samples instead of NaN"}

/* A problem with the storage that it points into. */
typedef struct {
    pel_problem problem;
    pel_frame *data;      /* the measurement */
    pel_frame *psf;
    bool sigma_estimated;
    pel_frame *uncertainty; /* of the estimate, for pel_solver_emit; NULL unless a program set it; closed with it */
    float *owned[4];      /* private */
} pel_solver;

/* Builds the problem: `data` is the stream's, else the image; the image is the warm start when there
 * was a `data`; NaN and infinite samples get weight 0; mask, PSF and sigma from the companions or
 * the options (an option wins).  No PSF is an error that says how to get one.  `psf_option` is the
 * frame that pel_stage_psf gave, or NULL. */
pel_status pel_solver_open(pel_run *run, const pel_bundle *bundle,
                           const pel_solver_settings *settings, pel_frame *psf_option,
                           pel_solver *solver);
/* What was measured, to check an estimate by: as pel_solver_open with sigma (NaN: auto), but a stream without a PSF is a
 * problem without blur (psf NULL).  Close with pel_solver_close. */
pel_status pel_measurement_open(pel_run *run, const pel_bundle *bundle, double sigma, pel_solver *solver);
void pel_solver_close(pel_solver *solver);

/* Emits the estimate (of the data's size; ownership of `estimate` is taken) as the bundle's image
 * with the keys of the old image, `data` as companion, the PSF and sigma that were used, and
 * solver->uncertainty, if any, in place of one that the stream had for the image before.  Bad
 * samples are NaN again unless settings->inpaint.  `keys` are pairs of name and value, NULL at the
 * end: what the stage chose.  A result with no finite value in a good sample is PEL_ENUMERIC. */
pel_status pel_solver_emit(pel_run *run, const pel_bundle *bundle,
                           const pel_solver_settings *settings, const pel_solver *solver,
                           pel_frame *estimate, const char *const *keys);

/* What a solver's program keeps between images, and the parts of its pel_program that all share. */
typedef struct {
    pel_frame *psf; /* of -k, or NULL */
} pel_solver_state;
pel_status pel_solver_start(pel_run *run, const pel_solver_settings *settings,
                            pel_solver_state *state);
void pel_solver_stop(pel_solver_state *state);
/* Opens the problem of a bundle, hands it to `restore`, which emits, and closes it. */
pel_status pel_solver_image(pel_run *run, const pel_bundle *bundle,
                            const pel_solver_settings *settings, const pel_solver_state *state,
                            pel_status (*restore)(pel_run *run, const pel_bundle *bundle,
                                                  pel_solver *solver));

/* What a PSF is estimated from: the stream's data, else the image, as one channel (Rec. 601 luma of
 * three, else the mean), and the weights of its samples: 0 for those that are masked, not finite, or in
 * any channel at least `saturation` (NaN: 0.999 times the key white).  Close with pel_grey_free, also after a
 * failure. */
typedef struct {
    pel_size size;
    float *samples, *mask;
} pel_grey;
pel_status pel_grey_open(pel_run *run, const pel_bundle *bundle, double saturation, pel_grey *grey);
void pel_grey_free(pel_grey *grey);
/* Cuts a larger picture down to the side x side samples with the most detail (pel_blind_find_window). */
pel_status pel_grey_cut(pel_run *run, size_t side, pel_grey *grey);
/* Brings the samples to 0..1, by the keys black and white, else by their range; returns the range. */
double pel_grey_scale(const pel_bundle *bundle, pel_grey *grey);

PEL_END_DECLS
#endif
