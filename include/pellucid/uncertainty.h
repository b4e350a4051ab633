/* uncertainty.h - how wrong a program's result may be at each sample: what the restoration programs with --uncertainty
 * share.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The members of an ensemble (ensemble.h) go through the program's own restoration, as a callback; of what they say a
 * calibration (calibration.h) makes a standard deviation.
 */
#ifndef PELLUCID_UNCERTAINTY_H
#define PELLUCID_UNCERTAINTY_H

#include <pellucid/calibration.h>
#include <pellucid/ensemble.h>
#include <pellucid/stage.h>

PEL_BEGIN_DECLS

/* The words of --uncertainty; put PEL_UNCERTAINTY_OPTION(struct, member) of an int into the table. */
typedef enum { PEL_UNCERTAINTY_NONE, PEL_UNCERTAINTY_CALIBRATED, PEL_UNCERTAINTY_RAW } pel_uncertainty_kind;
#define PEL_UNCERTAINTY_OPTION(type, member)                                                                           \
    {"uncertainty", 0, PEL_OPT_CHOICE, offsetof(type, member), 0, 0, "none", "[=raw]", "none|calibrated|raw",          \
     "also write the role uncertainty: the standard deviation of the result's error, from eight more restorations, "   \
     "which take nine times as long in all; raw: before calibration"}

/* Reads the calibration that a model's metadata hold under `key`; `text` NULL: they do not, which is PEL_EINVAL, as is
 * a text that is none. */
pel_status pel_uncertainty_parse(const char *key, const char *text, pel_calibration *calibration, pel_error *error);

/* Progress of a restoration as one of many: run 0 is the result's own, the next are the members'.  `whole` must outlive
 * it. */
typedef struct {
    pel_context ctx; /* to restore with */
    const pel_context *whole;
    size_t run;
} pel_uncertainty_part;
void pel_uncertainty_part_open(const pel_context *whole, size_t run, pel_uncertainty_part *part);

/* Restores a member that lies in `orientation` (pel_geometry_turn): a new frame of its image's size.  The noise level
 * is the bundle's companion sigma, whatever -s said. */
typedef pel_status (*pel_uncertainty_restore)(void *arg, const pel_context *ctx, const pel_bundle *member,
                                              unsigned orientation, pel_frame **restored);

/* One restoration, and what was made of it. */
typedef struct {
    const pel_bundle *bundle;   /* with all companions that it depends on */
    const pel_frame *result;    /* of the image's size */
    const pel_solver *measured; /* the problem that the bundle is */
    double sigma;               /* of -s; NaN: the stream's, or the one that `measured` estimated */
    double surroundings;        /* of pel_ensemble_params */
    const pel_calibration *calibration; /* NULL: the uncertainty is written raw */
    pel_uncertainty_restore restore;
    void *arg;
} pel_uncertainty_case;

/* New frames: the role uncertainty of the result, with the key kind=raw where nothing calibrates it, in the stream's
 * units and NaN where nothing was measured; and the sigma that was used (NULL: not wanted).  PEL_EINVAL: the noise
 * level is not above 0; else as `restore` fails.  Frames that there are then are to be dropped, too. */
pel_status pel_uncertainty_find(pel_run *run, const pel_uncertainty_case *of, pel_frame **uncertainty,
                                pel_frame **sigma);

PEL_END_DECLS
#endif
