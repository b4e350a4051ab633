/* operands.c - files as they are named to pel-read: pictures and the companions that belong to them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <pellucid/operands.h>
#include <pellucid/psf.h>

static const char *const roles[] = {"truth", "psf",         "mask",     "sigma",
                                    "data",  "uncertainty", "reference"};

bool pel_operand_role(const char *text, size_t length, const char **role)
{
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (strlen(roles[i]) == length && strncmp(text, roles[i], length) == 0) {
            *role = roles[i];
            return true;
        }
    return false;
}

/* A file that is really called psf:k.tif is given as ./psf:k.tif. */
static pel_operand split(const char *text, const char *otherwise)
{
    pel_operand o = {otherwise, text};
    const char *colon = strchr(text, ':');
    if (colon != NULL && pel_operand_role(text, (size_t)(colon - text), &o.role))
        o.file = colon + 1;
    return o;
}

static bool is_picture(const pel_operand *o)
{
    return strcmp(o->role, "image") == 0;
}

static void move_last(pel_operand *from, size_t count, size_t i)
{
    pel_operand moved = from[i];
    memmove(from + i, from + i + 1, (count - i - 1) * sizeof *from);
    from[count - 1] = moved;
}

/* What holds for all pictures to the front. */
static size_t take_lead(pel_operand *from, size_t count)
{
    size_t lead = 0;
    for (size_t i = 0; i < count && !is_picture(&from[i]); i++)
        if (pel_role_find(from[i].role)->sticky) {
            pel_operand moved = from[i];
            memmove(from + lead + 1, from + lead, (i - lead) * sizeof *from);
            from[lead++] = moved;
        }
    return lead;
}

pel_status pel_operands_new(char **texts, size_t count, const char *role, pel_operands *out,
                            pel_error *error)
{
    size_t last = count; /* picture */
    *out = (pel_operands){.count = count};
    out->operands = calloc(count + 1, sizeof *out->operands);
    out->groups = calloc(count + 1, sizeof *out->groups);
    if (out->operands == NULL || out->groups == NULL) {
        pel_operands_clear(out);
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        out->operands[i] = split(texts[i], role);
        last = is_picture(&out->operands[i]) ? i : last;
    }
    /* Companions behind the last picture can belong to no other. */
    if (last < count)
        move_last(out->operands, count, last);
    size_t first = out->lead = take_lead(out->operands, count);
    for (size_t i = first; i < count; i++)
        if (is_picture(&out->operands[i])) {
            out->groups[out->group_count++] = (pel_operand_group){first, i + 1 - first};
            first = i + 1;
        }
    if (out->group_count == 0)
        out->lead = count;
    return PEL_OK;
}

void pel_operands_clear(pel_operands *o)
{
    free(o->operands);
    free(o->groups);
    *o = (pel_operands){.count = 0};
}

pel_status pel_operands_shuffle(pel_operands *o, pel_rng *rng, pel_error *error)
{
    for (size_t i = o->lead; i < o->count; i++)
        if (!is_picture(&o->operands[i]) && pel_role_find(o->operands[i].role)->sticky)
            return pel_error_set(error, PEL_EUSAGE,
                                 "%s:%s must stand before all pictures: shuffled, it would hold for "
                                 "others each time", o->operands[i].role, o->operands[i].file);
    for (size_t i = o->group_count; i > 1; i--) { /* Fisher and Yates; Durstenfeld 1964 */
        size_t j = (size_t)pel_rng_below(rng, i);
        pel_operand_group moved = o->groups[i - 1];
        o->groups[i - 1] = o->groups[j];
        o->groups[j] = moved;
    }
    return PEL_OK;
}

/* ---- Companions as they come from files of their own */

/* A kernel or mask saved as a grey RGB picture is one channel. */
static pel_status reduce_channels(pel_frame **frame, pel_error *error)
{
    const pel_size size = (*frame)->size;
    size_t plane = pel_size_plane(size);
    const float *v = pel_frame_floats(*frame);
    for (size_t c = 1; c < size.c; c++)
        if (memcmp(v, v + c * plane, plane * sizeof *v) != 0)
            return PEL_OK;
    if (size.c == 1)
        return PEL_OK;
    pel_frame *one;
    pel_status status = pel_frame_like(*frame, (*frame)->role,
                                       pel_size_make(size.w, size.h, size.d, 1), &one, error);
    if (status != PEL_OK)
        return status;
    memcpy(pel_frame_floats(one), v, plane * sizeof *v);
    pel_frame_unref(*frame);
    *frame = one;
    return PEL_OK;
}

pel_status pel_companion_prepare(pel_frame **frame, pel_error *error)
{
    const char *role = (*frame)->role;
    bool psf = strcmp(role, "psf") == 0;
    if (!psf && strcmp(role, "mask") != 0 && strcmp(role, "sigma") != 0)
        return PEL_OK;
    pel_frame *own;
    pel_status status = pel_frame_like(*frame, role, (*frame)->size, &own, error);
    if (status != PEL_OK)
        return status;
    memcpy(pel_frame_floats(own), pel_frame_floats(*frame), own->bytes);
    pel_frame_unref(*frame);
    *frame = own;
    static const char *const of_light[] = {"white", "black", "transfer"};
    for (size_t i = 0; i < 3 && status == PEL_OK; i++)
        status = pel_frame_set(own, of_light[i], NULL, error);
    if (status == PEL_OK)
        status = reduce_channels(frame, error);
    if (status == PEL_OK && psf)
        status = pel_psf_normalise(pel_frame_floats(*frame), (*frame)->size, error);
    return status;
}
