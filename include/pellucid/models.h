/* models.h - models by name, from the folder of those that are installed, and what a model is, in words.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PELLUCID_MODELS_H
#define PELLUCID_MODELS_H

#include <pellucid/base.h>
#include <pellucid/model.h>

PEL_BEGIN_DECLS

/* PELLUCID_MODELS in the environment, or where models are installed. */
const char *pel_models_folder(void);

/* Reads the model of a file, or, where the name has no slash and no extension .onnx, the one of that name in the folder.
 * At most `memory` bytes (0: no cap) of constants.  PEL_EUSAGE: the name is NULL. */
pel_status pel_models_open(const char *name, size_t memory, pel_model **model, pel_error *error);

/* Is there a model of that name in the folder? */
bool pel_models_has(const char *name);

/* A line for each model of the folder: name, tab, the first line of its card (or what is wrong with it).  Free the text
 * with pel_free. */
pel_status pel_models_list(char **text, pel_error *error);

/* Lines of a key, a tab and what there is to say: names, inputs, weights, metadata, cost and receptive field of a picture
 * of 256 x 256 (or what the model says), and of each layer the name of what it makes, its weights' shape and cost.  Free with
 * pel_free. */
pel_status pel_models_describe(const pel_context *ctx, const pel_model *model, char **text);

PEL_END_DECLS
#endif
