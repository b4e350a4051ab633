/* models-describe.c - what a model is, in words: inputs, cost, what it sees.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/models.h>
#include <pellucid/network.h>

#include "text.h"

static void describe_value(text *t, const char *what, const pel_model_value *v)
{
    text_add(t, "%s\t%s\t", what, v->name);
    for (size_t k = 0; v->has_shape && k < v->rank; k++) {
        const char *symbol = v->symbols[k] != NULL ? v->symbols[k] : "?";
        if (v->dims[k] >= 0)
            text_add(t, "%s%lld", k > 0 ? " x " : "", (long long)v->dims[k]);
        else
            text_add(t, "%s%s", k > 0 ? " x " : "", symbol);
    }
    text_add(t, "\n");
}

#define MOST_DESCRIBED 64

/* The inputs as they are, or with sides of `side` where the model leaves that open: then *open. */
static void set_sizes(const pel_model *m, size_t side, pel_size *sizes, bool *open)
{
    *open = true;
    for (size_t k = 0; k < m->input_count; k++) {
        const pel_model_value *v = &m->inputs[k];
        bool four = v->has_shape && v->rank == 4;
        sizes[k] = pel_size_make(four && v->dims[3] > 0 ? (size_t)v->dims[3] : side,
                                 four && v->dims[2] > 0 ? (size_t)v->dims[2] : side, 1,
                                 four && v->dims[1] > 0 ? (size_t)v->dims[1] : 1);
        *open = *open && sizes[k].w == side && sizes[k].h == side;
    }
}

/* In pictures as large as it takes, for a model that sees far. */
static void describe_field(text *t, const pel_context *ctx, const pel_model *m, bool local)
{
    pel_size sizes[MOST_DESCRIBED];
    pel_network_field f = {.whole = true};
    bool open = true;
    pel_status status = PEL_OK;
    for (size_t side = 256; local && f.whole && open && side <= 4096 && status == PEL_OK; side *= 2) {
        set_sizes(m, side, sizes, &open);
        status = pel_network_receptive_field(ctx, m, sizes, &f);
    }
    if (f.whole)
        text_add(t, "sees\tthe whole picture\n");
    else
        text_add(t, "sees\t%zux%zu pixels: %zu left, %zu right, %zu up, %zu down\n", f.left + 1 + f.right,
               f.up + 1 + f.down, f.left, f.right, f.up, f.down);
}

static void describe_layers(text *t, const pel_model *m, const pel_network *net, double pixels)
{
    for (size_t i = 0; i < m->node_count; i++) {
        const pel_node *n = &m->nodes[i];
        const pel_model_tensor *w = n->input_count > 1 ? pel_model_find_tensor(m, n->inputs[1]) : NULL;
        double macs = net != NULL ? pel_network_node_macs(net, i) : 0;
        text_add(t, "layer %zu %s\t%s", i, n->output_count > 0 ? n->outputs[0] : "", n->operator);
        for (size_t k = 0; w != NULL && k < w->rank; k++)
            text_add(t, "%s%lld", k > 0 ? "x" : "\t", (long long)w->dims[k]);
        if (macs > 0)
            text_add(t, "%s\t%.7g MAC/px", w == NULL ? "\t" : "", macs / pixels);
        text_add(t, "\n");
    }
}

/* Its cost, compiled for 256 x 256 or what comes next to that, what it sees, and what each layer has of the cost. */
static void describe_network(text *t, const pel_context *given, const pel_model *m)
{
    pel_size sizes[MOST_DESCRIBED];
    bool open;
    pel_network *net = NULL;
    pel_error error = {PEL_OK, ""};
    pel_context ctx = {.error = &error, .memory = given->memory};
    double pixels = 1;
    if (m->input_count <= MOST_DESCRIBED) {
        set_sizes(m, 256, sizes, &open);
        pixels = (double)sizes[0].w * (double)sizes[0].h;
        if (pel_network_compile(&ctx, m, sizes, PEL_FP32, &net) != PEL_OK) {
            text_add(t, "cost\tnot known: %s\n", error.text);
        } else {
            text_add(t, "cost\t%.1f kMAC/px, %.1f MB for %zux%zu\n", pel_network_macs(net) / pixels / 1e3,
                   (double)pel_network_memory(net) / 1e6, sizes[0].w, sizes[0].h);
            describe_field(t, &ctx, m, pel_network_is_local(net));
        }
    }
    describe_layers(t, m, net, pixels);
    pel_network_free(net);
}

pel_status pel_models_describe(const pel_context *ctx, const pel_model *m, char **description)
{
    text t = {NULL, 0, 0, false};
    size_t weights = 0;
    for (size_t i = 0; i < m->tensor_count; i++)
        weights += m->tensors[i].type == PEL_MODEL_FLOAT ? pel_model_tensor_count(&m->tensors[i]) : 0;
    text_add(&t, "model\t%s\nproducer\t%s, opset %lld\n", m->graph_name, m->producer, (long long)m->opset);
    for (size_t i = 0; i < m->input_count; i++)
        describe_value(&t, "input", &m->inputs[i]);
    for (size_t i = 0; i < m->output_count; i++)
        describe_value(&t, "output", &m->outputs[i]);
    text_add(&t, "weights\t%zu\n", weights);
    for (size_t i = 0; i < m->metadata_count; i++)
        text_add(&t, "%s\t%s\n", m->metadata[i].key, m->metadata[i].value);
    describe_network(&t, ctx, m);
    return text_finish(&t, description, ctx->error);
}
