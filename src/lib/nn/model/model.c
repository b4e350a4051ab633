/* model.c - building models, and freeing them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include "model-internal.h"

/* ---- Storage.  Lists grow to the next power of two. */

void *model_grow(void *list, size_t count, size_t size)
{
    if (count != 0 && (count & (count - 1)) != 0)
        return list;
    void *larger = pel_alloc((count == 0 ? 1 : 2 * count) * size);
    if (larger != NULL && count > 0)
        memcpy(larger, list, count * size);
    if (larger != NULL)
        pel_free(list);
    return larger;
}

char *model_copy(const char *text, size_t length)
{
    char *copy = pel_alloc(length + 1);
    if (copy != NULL) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

void model_free_tensor(pel_model_tensor *t)
{
    pel_free(t->name);
    pel_free(t->floats);
    pel_free(t->integers);
}

void model_free_node(pel_node *n)
{
    for (size_t i = 0; i < n->input_count; i++)
        pel_free(n->inputs[i]);
    for (size_t i = 0; i < n->output_count; i++)
        pel_free(n->outputs[i]);
    for (size_t i = 0; i < n->attribute_count; i++) {
        pel_attribute *a = &n->attributes[i];
        for (size_t k = 0; a->strings != NULL && k < a->count; k++)
            pel_free(a->strings[k]);
        pel_free(a->strings);
        pel_free(a->integers);
        pel_free(a->floats);
        pel_free(a->name);
        model_free_tensor(&a->tensor);
    }
    pel_free(n->attributes);
    pel_free(n->inputs);
    pel_free(n->outputs);
    pel_free(n->name);
    pel_free(n->operator);
    pel_free(n->domain);
}

void model_free_values(pel_model_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pel_free(values[i].name);
        for (size_t k = 0; k < PEL_MODEL_RANK; k++)
            pel_free(values[i].symbols[k]);
    }
    pel_free(values);
}

void pel_model_free(pel_model *model)
{
    if (model == NULL)
        return;
    for (size_t i = 0; i < model->tensor_count; i++)
        model_free_tensor(&model->tensors[i]);
    for (size_t i = 0; i < model->node_count; i++)
        model_free_node(&model->nodes[i]);
    for (size_t i = 0; i < model->metadata_count; i++) {
        pel_free(model->metadata[i].key);
        pel_free(model->metadata[i].value);
    }
    model_free_values(model->inputs, model->input_count);
    model_free_values(model->outputs, model->output_count);
    pel_free(model->tensors);
    pel_free(model->nodes);
    pel_free(model->metadata);
    pel_free(model->producer);
    pel_free(model->graph_name);
    pel_free(model->doc);
    pel_free((model_build *)(void *)model);
}

/* ---- Adding: each returns room for a zeroed entry, or NULL */

#define ADD(model, list, count)                                                                    \
    (((model)->list = keep(model, (model)->list,                                                   \
                           model_grow((model)->list, (model)->count, sizeof *(model)->list))) == NULL || \
             failed(model)                                                                         \
         ? NULL                                                                                    \
         : memset(&(model)->list[(model)->count++], 0, sizeof *(model)->list))

static bool failed(const pel_model *model)
{
    return model == NULL || ((const model_build *)(const void *)model)->failed;
}

static void *fail(pel_model *model)
{
    if (model != NULL)
        ((model_build *)(void *)model)->failed = true;
    return NULL;
}

/* A list that could not grow stays as it was. */
static void *keep(pel_model *model, void *old, void *grown)
{
    if (grown == NULL)
        fail(model);
    return grown != NULL ? grown : old;
}

static char *text(pel_model *model, const char *from)
{
    char *copy = model_copy(from, strlen(from));
    if (copy == NULL)
        fail(model);
    return copy;
}

pel_model *pel_model_new(const char *graph_name, int64_t opset)
{
    model_build *b = pel_alloc(sizeof *b);
    if (b == NULL)
        return NULL;
    memset(b, 0, sizeof *b);
    b->model.opset = opset;
    b->model.graph_name = text(&b->model, graph_name);
    b->model.producer = text(&b->model, "pellucid");
    b->model.doc = text(&b->model, "");
    return &b->model;
}

static void add_value(pel_model *model, pel_model_value *v, const char *name, int64_t channels)
{
    static const char *const symbols[] = {NULL, NULL, "h", "w"};
    if (v == NULL)
        return;
    *v = (pel_model_value){.name = text(model, name), .has_shape = true, .rank = 4, .dims = {1, channels, -1, -1}};
    for (size_t k = 2; k < 4; k++)
        v->symbols[k] = text(model, symbols[k]);
}

void pel_model_add_input(pel_model *model, const char *name, int64_t channels)
{
    if (!failed(model))
        add_value(model, ADD(model, inputs, input_count), name, channels);
}

void pel_model_add_output(pel_model *model, const char *name, int64_t channels)
{
    if (!failed(model))
        add_value(model, ADD(model, outputs, output_count), name, channels);
}

static pel_model_tensor *add_tensor(pel_model *model, const char *name, size_t rank, const int64_t *dims)
{
    pel_model_tensor *t = failed(model) ? NULL : ADD(model, tensors, tensor_count);
    if (t == NULL)
        return NULL;
    t->name = text(model, name);
    t->rank = rank;
    if (rank > 0)
        memcpy(t->dims, dims, rank * sizeof *dims);
    return t;
}

float *pel_model_add_floats(pel_model *model, const char *name, size_t rank, const int64_t *dims)
{
    pel_model_tensor *t = add_tensor(model, name, rank, dims);
    if (t == NULL)
        return NULL;
    t->floats = pel_calloc_floats(pel_model_tensor_count(t) + 1);
    return t->floats != NULL && !failed(model) ? t->floats : fail(model);
}

void pel_model_add_integers(pel_model *model, const char *name, size_t count, const int64_t *values)
{
    pel_model_tensor *t = add_tensor(model, name, 1, (int64_t[]){(int64_t)count});
    if (t == NULL)
        return;
    t->type = PEL_MODEL_INT64;
    t->integers = pel_alloc((count + 1) * sizeof *t->integers);
    if (t->integers == NULL)
        fail(model);
    else
        memcpy(t->integers, values, count * sizeof *values);
}

/* Words separated by one space; "-" is an empty name. */
static char **split(pel_model *model, const char *words, size_t *count)
{
    size_t most = 1;
    for (const char *p = words; *p != '\0'; p++)
        most += *p == ' ';
    char **list = pel_alloc(most * sizeof *list);
    if (list == NULL)
        return fail(model);
    for (const char *p = words; *p != '\0';) {
        size_t length = strcspn(p, " ");
        bool none = length == 1 && *p == '-';
        list[*count] = model_copy(p, none ? 0 : length);
        if (list[(*count)++] == NULL)
            fail(model);
        p += length + (p[length] == ' ');
    }
    return list;
}

pel_node *pel_model_add_node(pel_model *model, const char *operator, const char *inputs, const char *outputs)
{
    pel_node *n = failed(model) ? NULL : ADD(model, nodes, node_count);
    if (n == NULL)
        return NULL;
    n->operator = text(model, operator);
    n->inputs = split(model, inputs, &n->input_count);
    n->outputs = split(model, outputs, &n->output_count);
    n->name = text(model, n->output_count > 0 && n->outputs[0] != NULL ? n->outputs[0] : "");
    n->domain = text(model, "");
    return failed(model) ? NULL : n;
}

static pel_attribute *add_attribute(pel_model *model, pel_node *node, const char *name, pel_attribute_kind kind,
                                    size_t count)
{
    if (node == NULL || failed(model))
        return NULL;
    pel_attribute *grown = model_grow(node->attributes, node->attribute_count, sizeof *grown);
    if (grown == NULL)
        return fail(model);
    node->attributes = grown;
    pel_attribute *a = &grown[node->attribute_count++];
    *a = (pel_attribute){.name = text(model, name), .kind = kind, .count = count};
    return a;
}

void pel_node_set_ints(pel_model *model, pel_node *node, const char *name, size_t count, const int64_t *values)
{
    pel_attribute *a = add_attribute(model, node, name, PEL_ATTRIBUTE_INTS, count);
    if (a == NULL)
        return;
    a->integers = pel_alloc((count + 1) * sizeof *a->integers);
    if (a->integers == NULL)
        fail(model);
    else
        memcpy(a->integers, values, count * sizeof *values);
}

void pel_node_set_int(pel_model *model, pel_node *node, const char *name, int64_t value)
{
    pel_node_set_ints(model, node, name, 1, &value);
    if (!failed(model) && node != NULL)
        node->attributes[node->attribute_count - 1].kind = PEL_ATTRIBUTE_INT;
}

void pel_node_set_float(pel_model *model, pel_node *node, const char *name, float value)
{
    pel_attribute *a = add_attribute(model, node, name, PEL_ATTRIBUTE_FLOAT, 1);
    if (a == NULL)
        return;
    a->floats = pel_alloc_floats(1);
    if (a->floats == NULL)
        fail(model);
    else
        a->floats[0] = value;
}

void pel_node_set_string(pel_model *model, pel_node *node, const char *name, const char *value)
{
    pel_attribute *a = add_attribute(model, node, name, PEL_ATTRIBUTE_STRING, 1);
    if (a == NULL)
        return;
    a->strings = pel_alloc(sizeof *a->strings);
    if (a->strings == NULL)
        fail(model);
    else
        a->strings[0] = text(model, value);
}

void pel_model_set_metadata(pel_model *model, const char *key, const char *value)
{
    if (failed(model))
        return;
    for (size_t i = 0; i < model->metadata_count; i++)
        if (strcmp(model->metadata[i].key, key) == 0) {
            pel_free(model->metadata[i].value);
            model->metadata[i].value = text(model, value);
            return;
        }
    pel_model_pair *p = ADD(model, metadata, metadata_count);
    if (p != NULL)
        *p = (pel_model_pair){text(model, key), text(model, value)};
}

pel_status pel_model_finish(pel_model *model, pel_error *error)
{
    if (failed(model))
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    return model_check(model, error);
}
