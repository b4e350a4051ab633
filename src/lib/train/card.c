/* card.c - the metadata of a trained model.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "card.h"

void pel_card_add_data(pel_train_numbers *numbers, const pel_bundle *bundle, size_t number)
{
    const pel_frame *history = pel_bundle_find(bundle, "meta", "history");
    size_t used = strlen(numbers->data), room = sizeof numbers->data - used;
    int length = history != NULL ? (int)(history->bytes < room ? history->bytes : room) : 0;
    const char *text = length > 0 ? (const char *)pel_frame_bytes(history) : "(no history)\n";
    snprintf(numbers->data + used, room, "%s%.*s", number > 0 ? "and\n" : "", length > 0 ? length : 13, text);
}

void pel_card_write(pel_model *m, const pel_train_state *s, const pel_card *card)
{
    char steps[160], loss[160], validation[120] = "none", version[64], text[8192], command[2048];
    const pel_cnn_pair *p = &s->pair;
    snprintf(steps, sizeof steps, "%llu steps of %zu pairs of %zux%zu with %zu channel%s",
             (unsigned long long)card->step, card->batch, p->target.w, p->target.h, p->target.c * p->samples,
             p->target.c * p->samples > 1 ? "s" : "");
    snprintf(loss, sizeof loss, "%.100s: %.6g around step %llu", card->loss, s->now.usual_loss,
             (unsigned long long)s->now.step);
    if (!isnan(card->psnr))
        snprintf(validation, sizeof validation, "PSNR %.4f dB, mean of %zu picture%s", card->psnr, card->pictures,
                 card->pictures > 1 ? "s" : "");
    snprintf(version, sizeof version, "Pellucid %s", pel_version());
    snprintf(command, sizeof command, "pel-train%s%s", card->command[0] != '\0' ? " " : "", card->command);
    snprintf(text, sizeof text, "%.60s, trained: %s.\nCommand: %s\nData: %sLoss: %s\nValidation: %s\nVersion: %s\n",
             m->graph_name, steps, command, s->now.data, loss, validation, version);
    pel_model_set_metadata(m, "pellucid.card", text);
    pel_model_set_metadata(m, "pellucid.training.command", command);
    pel_model_set_metadata(m, "pellucid.training.data", s->now.data);
    pel_model_set_metadata(m, "pellucid.training.steps", steps);
    pel_model_set_metadata(m, "pellucid.training.loss", loss);
    pel_model_set_metadata(m, "pellucid.training.validation", validation);
    pel_model_set_metadata(m, "pellucid.training.version", version);
}
