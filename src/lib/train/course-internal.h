/* course-internal.h - a training run on its way.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PEL_TRAIN_COURSE_INTERNAL_H
#define PEL_TRAIN_COURSE_INTERNAL_H

#include "card.h"
#include "course.h"
#include "feed.h"
#include "log.h"
#include "trainer.h"
#include "validate.h"

struct pel_course {
    pel_run *run;
    const pel_course_params *params;
    pel_model *model;       /* that learns */
    pel_model *shadow;      /* its copy, for validation and files */
    pel_loss *loss;
    pel_trainer *trainer;
    pel_train_state *state; /* the trainer's; NULL: it has not begun */
    pel_feed *feed;
    pel_validation validation;
    pel_log *log;
    char agreed[2048];      /* settings that a run which goes on must have as well */
    double mark_s;          /* until when the time is counted */
    double step_s, wait_s;  /* since the last row of the log: for steps, and of that waiting for pairs */
    double norms;           /* of the gradients of these `stepped` steps, their sum */
    uint64_t stepped;
    double roughness;       /* running mean of how far the loss is from its own, over `watched` steps */
    uint64_t watched;
    size_t described;       /* sources whose history the card has */
    bool warned;
};

/* course-open.c */
pel_status course_open_log(pel_course *c);

/* course-files.c.  A row of the log (if there is one) with the means since the last; NaN: no number. */
pel_status course_write_row(pel_course *c, double rate, double psnr);
pel_status course_write_checkpoint(pel_course *c);
/* The models: the best and the last, or where nothing was measured the last alone. */
pel_status course_write_models(pel_course *c);

#endif
