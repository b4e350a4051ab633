/* cnn-strips.c - pictures too wide for the memory: strips of columns.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include "cnn-internal.h"

static size_t least_common_multiple(size_t a, size_t b)
{
    size_t divisor = a, rest = b;
    while (rest != 0) {
        size_t next = divisor % rest;
        divisor = rest;
        rest = next;
    }
    return a / divisor * b;
}

pel_status cnn_compile_strips(const job *j)
{
    pel_cnn *c = j->c;
    pel_error over = *j->ctx->error;
    pel_size sizes[MOST_INPUTS];
    pel_status status = pel_network_reach(j->ctx, c->model, c->sizes, j->params->precision, &c->reach);
    c->reach.align = least_common_multiple(c->reach.align, c->multiple);
    size_t align = c->reach.align, width = j->padded.w;
    size_t around = (c->reach.left + align - 1) / align * align + c->reach.right;
    for (size_t count = 2; status == PEL_OK; count++) {
        c->core = ((width + count - 1) / count + align - 1) / align * align;
        if (c->core + around >= width && c->core > align)
            continue;
        if (c->core + around >= width) /* the narrowest strip is no narrower than the picture */
            break;
        c->width = width - (width - c->core - around) / align * align; /* so that strips begin at multiples */
        for (size_t k = 0; k < c->model->input_count; k++) {
            sizes[k] = c->sizes[k];
            sizes[k].w = cnn_is_picture(c, k) ? c->width : sizes[k].w;
        }
        status = pel_network_compile(j->ctx, c->model, sizes, j->params->precision, &c->network);
        if (status != PEL_ELIMIT)
            return status;
        if (c->core <= 4 * align || 4 * c->core < around) /* the rest would be mostly margins */
            break;
        status = PEL_OK;
    }
    *j->ctx->error = over;
    return PEL_ELIMIT;
}

/* `width` columns of all rows and channels. */
static void copy_columns(const float *from, size_t from_width, float *to, size_t to_width, size_t width, size_t rows)
{
    for (size_t y = 0; y < rows; y++)
        memcpy(to + y * to_width, from + y * from_width, width * sizeof *to);
}

pel_status cnn_run_network(const job *j, float *const *inputs, float *const *outputs)
{
    pel_cnn *c = j->c;
    const pel_model *m = c->model;
    float *in[MOST_INPUTS] = {NULL}, *out[MOST_INPUTS] = {NULL};
    size_t whole = j->padded.w, align = c->reach.align;
    pel_status status = PEL_OK;
    if (c->width == whole)
        return pel_network_run(j->ctx, c->network, (const float *const *)inputs, outputs);
    for (size_t k = 0; k < MOST_INPUTS && status == PEL_OK; k++) {
        pel_size size = c->sizes[k];
        size.w = k < m->input_count && cnn_is_picture(c, k) ? c->width : size.w;
        in[k] = k < m->input_count ? pel_alloc_floats(pel_size_count(size)) : NULL;
        out[k] = k < m->output_count ? pel_alloc_floats(pel_size_count(pel_network_output(c->network, k))) : NULL;
        if ((k < m->input_count && in[k] == NULL) || (k < m->output_count && out[k] == NULL))
            status = pel_error_set(j->ctx->error, PEL_ENOMEM, "out of memory");
        if (k < m->output_count && pel_network_output(c->network, k).w != c->width)
            status = pel_error_set(j->ctx->error, PEL_ELIMIT, "the model has outputs of other sizes: not in strips");
    }
    for (size_t x = 0; x < whole && status == PEL_OK; x += c->core) {
        size_t before = (c->reach.left + align - 1) / align * align, begin = x > before ? x - before : 0;
        begin = begin < whole - c->width ? begin : whole - c->width;
        for (size_t k = 0; k < m->input_count; k++) {
            bool picture = cnn_is_picture(c, k);
            size_t width = picture ? c->width : c->sizes[k].w;
            copy_columns(inputs[k] + (picture ? begin : 0), c->sizes[k].w, in[k], width, width,
                         c->sizes[k].h * c->sizes[k].c);
        }
        status = pel_network_run(j->ctx, c->network, (const float *const *)in, out);
        size_t keep = whole - x < c->core ? whole - x : c->core;
        for (size_t k = 0; k < m->output_count && k < MOST_INPUTS && status == PEL_OK; k++) {
            pel_size size = pel_network_output(c->network, k);
            copy_columns(out[k] + (x - begin), c->width, outputs[k] + x, whole, keep, size.h * size.c);
        }
    }
    for (size_t k = 0; k < MOST_INPUTS; k++) {
        pel_free(in[k]);
        pel_free(out[k]);
    }
    return status;
}
