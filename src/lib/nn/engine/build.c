/* build.c - what the makers of steps share.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include "plan.h"

pel_status build_fail(const builder *b)
{
    return pel_error_set(b->ctx->error, PEL_ENOMEM, "out of memory");
}

bool build_is_picture(const builder *b, size_t value)
{
    if (value == NONE)
        return false;
    const nn_array *a = &b->p->g.values[value].array;
    bool some = true;
    for (size_t k = 0; k < a->rank; k++)
        some = some && a->dims[k] > 0;
    return a->values == NULL && a->type == PEL_MODEL_FLOAT && a->rank == 4 && a->dims[0] == 1 && some;
}

picture plan_picture(const plan *p, size_t value)
{
    picture pic = {.c = (size_t)p->g.values[value].array.dims[1]};
    while (p->places[value].parent != NONE) {
        pic.channel += p->places[value].channel;
        value = p->places[value].parent;
    }
    pic.buffer = &p->buffers[p->places[value].buffer];
    pic.ld = pic.buffer->c;
    return pic;
}

/* The buffer of a value, made when it is first asked for. */
static size_t buffer_of(builder *b, size_t value)
{
    plan *p = b->p;
    while (p->places[value].parent != NONE)
        value = p->places[value].parent;
    if (p->places[value].buffer == NONE) {
        const int64_t *dims = p->g.values[value].array.dims;
        p->places[value].buffer = p->buffer_count;
        p->buffers[p->buffer_count++] = (buffer){.c = (size_t)dims[1], .h = (size_t)dims[2],
                                                 .w = (size_t)dims[3], .first = NONE, .shared = NONE};
    }
    return p->places[value].buffer;
}

step *build_step(builder *b, const step_kind *kind, size_t data_size, size_t input_count,
                 const size_t *inputs, size_t output)
{
    plan *p = b->p;
    if ((p->step_count & (p->step_count - 1)) == 0) {
        step *steps = pel_alloc((p->step_count == 0 ? 1 : 2 * p->step_count) * sizeof *steps);
        if (steps == NULL)
            return NULL;
        if (p->step_count > 0)
            memcpy(steps, p->steps, p->step_count * sizeof *steps);
        pel_free(p->steps);
        p->steps = steps;
    }
    step *s = &p->steps[p->step_count];
    *s = (step){.kind = kind, .input_count = input_count, .output = output, .granule = 1};
    s->data = pel_alloc(data_size + 1);
    if (s->data == NULL)
        return NULL;
    memset(s->data, 0, data_size + 1);
    p->step_count++;
    for (size_t k = 0; k < input_count; k++) {
        s->inputs[k] = inputs[k];
        buffer_of(b, inputs[k]);
    }
    if (output != NONE)
        s->height = p->buffers[buffer_of(b, output)].h;
    return s;
}

void build_margins(builder *b, size_t value, size_t left, size_t right)
{
    buffer *buf = &b->p->buffers[buffer_of(b, value)];
    buf->left = left > buf->left ? left : buf->left;
    buf->right = right > buf->right ? right : buf->right;
}

float *build_floats(const builder *b, const nn_array *a, size_t count, size_t room)
{
    size_t there = nn_array_count(a);
    float *v = pel_calloc_floats(room + KERNEL_SLACK);
    (void)b;
    for (size_t i = 0; v != NULL && i < count; i++)
        v[i] = (float)a->values[there == 1 ? 0 : i];
    return v;
}
