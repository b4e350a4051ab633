/* course.h - the course of a training run: steps, validation, log, checkpoints, and the files that come of it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PELLUCID_COURSE_H
#define PELLUCID_COURSE_H

#include <pellucid/driver.h>

#include "ranks.h"

/* As pel-train(1) tells of its options; texts that may be NULL: schedule, checkpoint, log, validate. */
typedef struct {
    const char *model, *output, *loss, *schedule, *checkpoint, *log, *validate;
    pel_texts pairs_from;
    long steps, batch, warmup, checkpoint_every, log_every, validate_every;
    double hours, rate, clip, decay, ema;
    int precision; /* pel_precision */
    int optimizer; /* 0: Adam, 1: Muon */
    bool resume, peek;
    pel_ranks *ranks; /* NULL: alone.  All but rank 0 read the model, and serve */
} pel_course_params;

typedef struct pel_course pel_course;

/* Reads the model, opens the source of pairs, and goes to where the checkpoint says.  `params` must outlive it.  Free
 * it also after a failure. */
pel_status pel_course_open(pel_run *run, const pel_course_params *params, pel_course **course);
void pel_course_free(pel_course *course);
/* Trains to the end, and writes the model; with `peek` writes that of the checkpoint at once; on other ranks than 0, serves
 * to the end. */
pel_status pel_course_run(pel_course *course);

#endif
