/* log.h - the table that a training run leaves: tab-separated, a line of names, then a row every few steps.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 *     step  loss  TERM...  [critic]  rate  psnr  norm  samples_s  waiting
 *
 * Means since the row before; `-` where there is no number.  psnr is that of the validation, in dB; norm that of the
 * gradient before it was clipped; waiting the share of the time in which data were waited for.
 */
#ifndef PELLUCID_LOG_H
#define PELLUCID_LOG_H

#include <pellucid/loss.h>

typedef struct pel_log pel_log;

typedef struct {
    uint64_t step;
    const double *values; /* the loss and its terms; NULL: none */
    double rate, psnr, norm, samples_s, waiting; /* NaN: none */
} pel_log_row;

/* Begins a table for this loss; or, with `bytes` > 0, goes on with the first so many of the one that is there, what came
 * after them cut off.  PEL_EINVAL: it is shorter. */
pel_status pel_log_open(const char *path, const pel_loss *loss, uint64_t bytes, pel_log **log, pel_error *error);
/* *bytes is the size of the table after the row. */
pel_status pel_log_write(pel_log *log, const pel_log_row *row, uint64_t *bytes, pel_error *error);
void pel_log_close(pel_log *log);

#endif
