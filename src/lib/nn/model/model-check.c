/* model-check.c - does a model's graph hold together?
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include "model-internal.h"
#include "names.h"

static pel_status twice(pel_error *error, const char *name)
{
    return pel_error_set(error, PEL_EFORMAT, "the value '%.100s' is made twice", name);
}

static pel_status add(nn_names *names, const char *name, pel_error *error)
{
    size_t number;
    if (nn_names_get(names, name, &number))
        return twice(error, name);
    return nn_names_put(names, name, 0) ? PEL_OK : pel_error_set(error, PEL_ENOMEM, "out of memory");
}

static pel_status check_node(const pel_node *n, size_t i, nn_names *names, pel_error *error)
{
    size_t number;
    pel_status status = PEL_OK;
    for (size_t k = 0; k < n->input_count; k++)
        if (n->inputs[k][0] != '\0' && !nn_names_get(names, n->inputs[k], &number))
            return pel_error_set(error, PEL_EFORMAT, "node %zu (%.40s) uses '%.100s', which nothing before it makes",
                                 i, n->operator, n->inputs[k]);
    for (size_t k = 0; k < n->output_count && status == PEL_OK; k++)
        if (n->outputs[k][0] != '\0')
            status = add(names, n->outputs[k], error);
    return status;
}

static pel_status check(const pel_model *m, nn_names *names, pel_error *error)
{
    size_t number;
    pel_status status = PEL_OK;
    for (size_t i = 0; i < m->tensor_count && status == PEL_OK; i++)
        status = add(names, m->tensors[i].name, error);
    for (size_t i = 0; i < m->input_count && status == PEL_OK; i++)
        status = add(names, m->inputs[i].name, error);
    for (size_t i = 0; i < m->node_count && status == PEL_OK; i++)
        status = check_node(&m->nodes[i], i, names, error);
    for (size_t i = 0; i < m->output_count && status == PEL_OK; i++)
        if (!nn_names_get(names, m->outputs[i].name, &number))
            status = pel_error_set(error, PEL_EFORMAT, "nothing makes the output '%.100s'", m->outputs[i].name);
    return status;
}

pel_status model_check(const pel_model *model, pel_error *error)
{
    if (model->opset < MODEL_LEAST_OPSET || model->opset > MODEL_MOST_OPSET)
        return pel_error_set(error, PEL_EFORMAT, "the model is of opset %lld; %d to %d are known",
                             (long long)model->opset, MODEL_LEAST_OPSET, MODEL_MOST_OPSET);
    if (model->input_count == 0 || model->output_count == 0)
        return pel_error_set(error, PEL_EFORMAT, "the model has no %s", model->input_count == 0 ? "input" : "output");
    nn_names *names = nn_names_new();
    pel_status status = names == NULL ? pel_error_set(error, PEL_ENOMEM, "out of memory")
                                      : check(model, names, error);
    nn_names_free(names);
    return status;
}
