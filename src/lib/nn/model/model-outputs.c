/* model-outputs.c - other outputs for a model: of values in its middle.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "model-internal.h"
#include "names.h"

static bool is_made(const pel_model *m, const char *name)
{
    for (size_t i = 0; i < m->node_count; i++)
        for (size_t k = 0; k < m->nodes[i].output_count; k++)
            if (m->nodes[i].outputs[k][0] != '\0' && strcmp(m->nodes[i].outputs[k], name) == 0)
                return true;
    return false;
}

/* The names of the first values go into the message: what a layer is called differs from exporter to exporter. */
static pel_status unknown(const pel_model *m, const char *name, pel_error *error)
{
    char made[300] = "";
    size_t used = 0;
    for (size_t i = 0; i < m->node_count; i++)
        for (size_t k = 0; k < m->nodes[i].output_count && used < sizeof made; k++)
            used += (size_t)snprintf(made + used, sizeof made - used, "%s%s", used > 0 ? ", " : "",
                                     m->nodes[i].outputs[k]);
    return pel_error_set(error, PEL_EINVAL, "the model has no value '%.100s' (it has %s%s)", name, made,
                         used < sizeof made ? "" : "...");
}

/* The value of an output that is there, or one whose shape is not known. */
static bool make_output(const pel_model *m, const char *name, pel_model_value *v)
{
    bool good = true;
    *v = (pel_model_value){.type = PEL_MODEL_FLOAT};
    for (size_t i = 0; i < m->output_count; i++)
        if (strcmp(m->outputs[i].name, name) == 0)
            *v = m->outputs[i];
    v->name = model_copy(name, strlen(name));
    for (size_t k = 0; k < PEL_MODEL_RANK; k++)
        if (v->symbols[k] != NULL) {
            v->symbols[k] = model_copy(v->symbols[k], strlen(v->symbols[k]));
            good = good && v->symbols[k] != NULL;
        }
    return good && v->name != NULL;
}

/* Gathers the names of what the outputs need, last node first; nodes that are not needed move to the front.  Returns
 * how many these are, or more than there are: out of memory. */
static size_t find_needed(pel_model *m, nn_names *needed)
{
    size_t number, front = m->node_count;
    bool good = true;
    for (size_t i = 0; i < m->output_count; i++)
        good = good && nn_names_put(needed, m->outputs[i].name, 0);
    for (size_t i = m->node_count; i-- > 0 && good;) {
        pel_node n = m->nodes[i];
        bool need = false;
        for (size_t k = 0; k < n.output_count; k++)
            need = need || (n.outputs[k][0] != '\0' && nn_names_get(needed, n.outputs[k], &number));
        if (!need)
            continue;
        for (size_t k = 0; k < n.input_count; k++)
            good = good && nn_names_put(needed, n.inputs[k], 0);
        m->nodes[i] = m->nodes[--front];
        m->nodes[front] = n;
    }
    return good ? front : m->node_count + 1;
}

static void drop_others(pel_model *m, size_t front, const nn_names *needed)
{
    size_t number, left = 0;
    for (size_t i = 0; i < front; i++)
        model_free_node(&m->nodes[i]);
    m->node_count -= front;
    memmove(m->nodes, m->nodes + front, m->node_count * sizeof *m->nodes);
    for (size_t i = 0; i < m->tensor_count; i++)
        if (nn_names_get(needed, m->tensors[i].name, &number))
            m->tensors[left++] = m->tensors[i];
        else
            model_free_tensor(&m->tensors[i]);
    m->tensor_count = left;
}

pel_status pel_model_set_outputs(pel_model *model, size_t count, const char *const *names, pel_error *error)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_made(model, names[i]))
            return unknown(model, names[i], error);
        for (size_t k = 0; k < i; k++)
            if (strcmp(names[i], names[k]) == 0)
                return pel_error_set(error, PEL_EINVAL, "'%.100s' is named twice", names[i]);
    }
    pel_model_value *outputs = pel_alloc((count + 1) * sizeof *outputs);
    nn_names *needed = nn_names_new();
    bool good = outputs != NULL && needed != NULL;
    size_t made = 0;
    while (good && made < count) {
        good = make_output(model, names[made], &outputs[made]);
        made++;
    }
    if (good) {
        model_free_values(model->outputs, model->output_count);
        model->outputs = outputs;
        model->output_count = count;
        size_t front = find_needed(model, needed);
        good = front <= model->node_count;
        if (good)
            drop_others(model, front, needed);
    } else {
        model_free_values(outputs, made);
    }
    nn_names_free(needed);
    return good ? PEL_OK : pel_error_set(error, PEL_ENOMEM, "out of memory");
}
