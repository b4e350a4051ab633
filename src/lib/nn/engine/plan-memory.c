/* plan-memory.c - where the buffers of a plan lie in the arena.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdlib.h>

#include "plan.h"

static size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

/* ---- Whole pictures one in the other's place: rows of the second are stored when those of the first have been read for
 * the last time (a residual block's sum, where its input was) */

/* Is the buffer read or written outside the pass, later, or written in it? */
static bool is_used_after(const plan *p, const buffer *b, size_t pass)
{
    for (size_t i = 0; i < p->step_count; i++) {
        const step *s = &p->steps[i];
        if (s->output != NONE && s->pass >= pass && plan_picture(p, s->output).buffer == b)
            return true;
        for (size_t k = 0; k < s->input_count; k++)
            if (s->pass > pass && plan_picture(p, s->inputs[k]).buffer == b)
                return true;
    }
    return false;
}

/* Does step s read the buffer, and only so that each sample is read before that of the output is stored? */
static bool is_in_place(const plan *p, const step *s, const buffer *b)
{
    bool reads = false, good = s->kind->in_place != NULL;
    for (size_t k = 0; k < s->input_count && good; k++)
        if (plan_picture(p, s->inputs[k]).buffer == b) {
            reads = true;
            good = s->kind->in_place(s, k);
        }
    return reads && good;
}

/* Plays the pass through: is each row of `b` read for the last time before step s stores that row? */
static bool is_left_behind(plan *p, const buffer *b, const step *s)
{
    size_t parts = plan_parts(p, s->pass);
    const step *but = is_in_place(p, s, b) ? s : NULL;
    bool good = true;
    for (size_t part = 0; part < parts && good; part++) {
        plan_band(p, s->pass, part, parts);
        for (size_t i = 0; i < p->step_count && good; i++) {
            step *t = &p->steps[i];
            if (t->pass != s->pass || t->whole || t->target <= t->done)
                continue;
            good = t != s || plan_lowest_needed(p, b, s->pass, but) >= t->target;
            t->done = t->target;
        }
    }
    for (size_t i = 0; i < p->step_count; i++)
        p->steps[i].done = 0;
    return good;
}

static bool is_alone(const picture *p) { return p->c == p->buffer->c && p->buffer->rows == p->buffer->h; }

static bool may_share(plan *p, const buffer *x, const step *s)
{
    picture out = plan_picture(p, s->output);
    const buffer *y = out.buffer;
    return x != y && !x->taken && is_alone(&out) && x->rows == x->h && x->c == y->c && x->w == y->w && x->h == y->h &&
           x->half == y->half && x->first < s->pass && x->last == s->pass && y->first == s->pass && y->shared == NONE &&
           !is_used_after(p, x, s->pass) && is_left_behind(p, x, s);
}

/* Both get the same geometry; the memory's owner lives as long as the sum. */
static void share(plan *p, buffer *x, buffer *y)
{
    size_t owner = x->shared != NONE ? x->shared : (size_t)(x - p->buffers);
    size_t left = x->left > y->left ? x->left : y->left, right = x->right > y->right ? x->right : y->right;
    y->shared = owner;
    p->buffers[owner].until = y->last > p->buffers[owner].until ? y->last : p->buffers[owner].until;
    x->taken = true;
    for (size_t i = 0; i < p->buffer_count; i++)
        if (i == owner || p->buffers[i].shared == owner) {
            p->buffers[i].left = left;
            p->buffers[i].right = right;
        }
}

#define LEAST_SHARED 4096 /* samples: less is not worth the search */

static void share_buffers(plan *p)
{
    for (size_t i = 0; i < p->step_count; i++) {
        const step *s = &p->steps[i];
        bool found = s->output == NONE || s->gathers || s->whole;
        for (size_t k = 0; k < p->buffer_count && !found; k++) {
            buffer *x = &p->buffers[k];
            found = x->w * x->h * x->c >= LEAST_SHARED && x->first != NONE && may_share(p, x, s);
            if (found)
                share(p, x, plan_buffer(p, s->output));
        }
    }
}

/* ---- Places */

static size_t buffer_floats(const buffer *b)
{
    return round_up(b->rows * buffer_row(b) * buffer_sample(b) / sizeof(float) + KERNEL_SLACK + 1, 16);
}

static int larger_first(const void *a, const void *b)
{
    const buffer *x = *(const buffer *const *)a, *y = *(const buffer *const *)b;
    size_t m = buffer_floats(x), n = buffer_floats(y);
    return m != n ? (m < n ? 1 : -1) : (x > y) - (x < y);
}

/* The lowest offset at which nothing lies that is used in the same passes: the large ones first. */
pel_status plan_place(const pel_context *ctx, plan *p)
{
    buffer **order = pel_alloc((p->buffer_count + 1) * sizeof *order);
    if (order == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    size_t count = 0;
    for (size_t i = 0; i < p->buffer_count; i++)
        p->buffers[i].until = p->buffers[i].last;
    share_buffers(p);
    for (size_t i = 0; i < p->buffer_count; i++)
        if (p->buffers[i].first != NONE && p->buffers[i].shared == NONE)
            order[count++] = &p->buffers[i];
    qsort(order, count, sizeof *order, larger_first);
    for (size_t i = 0; i < count; i++) {
        buffer *b = order[i];
        for (bool moved = true; moved;) {
            moved = false;
            for (size_t k = 0; k < i; k++) {
                const buffer *o = order[k];
                if (o->first <= b->until && b->first <= o->until &&
                    o->offset < b->offset + buffer_floats(b) &&
                    b->offset < o->offset + buffer_floats(o)) {
                    b->offset = o->offset + buffer_floats(o);
                    moved = true;
                }
            }
        }
        size_t end = b->offset + buffer_floats(b);
        p->arena = end > p->arena ? end : p->arena;
        p->zero = buffer_row(b) > p->zero ? buffer_row(b) : p->zero;
    }
    pel_free(order);
    for (size_t i = 0; i < p->buffer_count; i++)
        if (p->buffers[i].shared != NONE)
            p->buffers[i].offset = p->buffers[p->buffers[i].shared].offset;
    return PEL_OK;
}
