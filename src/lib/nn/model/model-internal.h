/* model-internal.h - what building, reading and writing of models share.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PEL_NN_MODEL_INTERNAL_H
#define PEL_NN_MODEL_INTERNAL_H

#include <pellucid/model.h>

/* What pel_model_new gives: the model, and whether building it failed. */
typedef struct {
    pel_model model; /* first */
    bool failed;
} model_build;

/* A list of `count` entries with room for one more, or NULL: out of memory, the list is as it was. */
void *model_grow(void *list, size_t count, size_t size);
char *model_copy(const char *text, size_t length);

/* What they hold; of a list of values the list too. */
void model_free_tensor(pel_model_tensor *t);
void model_free_node(pel_node *n);
void model_free_values(pel_model_value *values, size_t count);

#define MODEL_LEAST_OPSET 13
#define MODEL_MOST_OPSET 18

/* Is every value made once, and before it is used; are the outputs made; is the opset one we know? */
pel_status model_check(const pel_model *model, pel_error *error);

#endif
