/* lookup.c - finding things in a model by name.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include <pellucid/model.h>

size_t pel_model_tensor_count(const pel_model_tensor *tensor)
{
    size_t count = 1;
    for (size_t k = 0; k < tensor->rank; k++)
        count *= (size_t)tensor->dims[k];
    return count;
}

const char *pel_model_metadata(const pel_model *model, const char *key)
{
    for (size_t i = 0; i < model->metadata_count; i++)
        if (strcmp(model->metadata[i].key, key) == 0)
            return model->metadata[i].value;
    return NULL;
}

const pel_model_tensor *pel_model_find_tensor(const pel_model *model, const char *name)
{
    for (size_t i = 0; i < model->tensor_count; i++)
        if (strcmp(model->tensors[i].name, name) == 0)
            return &model->tensors[i];
    return NULL;
}

const pel_attribute *pel_node_attribute(const pel_node *node, const char *name)
{
    for (size_t i = 0; i < node->attribute_count; i++)
        if (strcmp(node->attributes[i].name, name) == 0)
            return &node->attributes[i];
    return NULL;
}

int64_t pel_node_int(const pel_node *node, const char *name, int64_t fallback)
{
    const pel_attribute *a = pel_node_attribute(node, name);
    return a != NULL && a->kind == PEL_ATTRIBUTE_INT ? a->integers[0] : fallback;
}

double pel_node_float(const pel_node *node, const char *name, double fallback)
{
    const pel_attribute *a = pel_node_attribute(node, name);
    return a != NULL && a->kind == PEL_ATTRIBUTE_FLOAT ? (double)a->floats[0] : fallback;
}

const char *pel_node_string(const pel_node *node, const char *name, const char *fallback)
{
    const pel_attribute *a = pel_node_attribute(node, name);
    return a != NULL && a->kind == PEL_ATTRIBUTE_STRING ? a->strings[0] : fallback;
}
