/* card.h - what a trained model's file says of how it came about.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PELLUCID_CARD_H
#define PELLUCID_CARD_H

#include <pellucid/model.h>

#include "checkpoint.h"

typedef struct {
    const char *command;    /* options of pel-train */
    const char *loss;       /* as it was given */
    size_t batch;
    uint64_t step;          /* whose weights these are */
    double psnr;            /* of the validation then, dB; NaN: there was none */
    size_t pictures;        /* of the validation */
} pel_card;

/* Sets the metadata pellucid.card and, for programs, pellucid.training.*: command, data (the history of the first pair of
 * each source), steps, loss, validation, version. */
void pel_card_write(pel_model *model, const pel_train_state *state, const pel_card *card);

/* Adds a source's history to the description of the data: the first pair's; `number` counts sources from 0. */
void pel_card_add_data(pel_train_numbers *numbers, const pel_bundle *bundle, size_t number);

#endif
