/* bundle.c - an image together with the companions that hold for it.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <pellucid/frame.h>

void pel_bundle_clear(pel_bundle *bundle)
{
    pel_frame_unref(bundle->image);
    for (size_t i = 0; i < bundle->count; i++)
        pel_frame_unref(bundle->companions[i]);
    free(bundle->companions);
    *bundle = (pel_bundle){NULL, NULL, 0};
}

pel_status pel_bundle_copy(pel_bundle *to, const pel_bundle *from, pel_error *error)
{
    *to = (pel_bundle){NULL, NULL, 0};
    if (from->count > 0) {
        to->companions = malloc(from->count * sizeof *to->companions);
        if (to->companions == NULL)
            return pel_error_set(error, PEL_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < from->count; i++)
        to->companions[i] = pel_frame_ref(from->companions[i]);
    to->count = from->count;
    to->image = from->image != NULL ? pel_frame_ref(from->image) : NULL;
    return PEL_OK;
}

static size_t find(const pel_bundle *bundle, const char *role, const char *slot)
{
    size_t i = 0;
    for (; i < bundle->count; i++) {
        const pel_frame *f = bundle->companions[i];
        if (strcmp(f->role, role) == 0 && (slot == NULL || strcmp(pel_frame_slot(f), slot) == 0))
            break;
    }
    return i;
}

pel_frame *pel_bundle_find(const pel_bundle *bundle, const char *role, const char *slot)
{
    size_t i = find(bundle, role, slot);
    return i < bundle->count ? bundle->companions[i] : NULL;
}

static void remove_at(pel_bundle *bundle, size_t i)
{
    pel_frame_unref(bundle->companions[i]);
    bundle->count--;
    memmove(bundle->companions + i, bundle->companions + i + 1,
            (bundle->count - i) * sizeof *bundle->companions);
}

pel_status pel_bundle_put(pel_bundle *bundle, pel_frame *companion, pel_error *error)
{
    size_t i = find(bundle, companion->role, pel_frame_slot(companion));
    if (companion->bytes == 0) {
        if (i < bundle->count)
            remove_at(bundle, i);
        return PEL_OK;
    }
    if (i == bundle->count) {
        pel_frame **more = realloc(bundle->companions, (i + 1) * sizeof *more);
        if (more == NULL)
            return pel_error_set(error, PEL_ENOMEM, "out of memory");
        bundle->companions = more;
        bundle->companions[bundle->count++] = pel_frame_ref(companion);
        return PEL_OK;
    }
    pel_frame *old = bundle->companions[i];
    bundle->companions[i] = pel_frame_ref(companion);
    pel_frame_unref(old);
    return PEL_OK;
}

void pel_bundle_remove(pel_bundle *bundle, const char *role, const char *slot)
{
    size_t i = find(bundle, role, slot);
    if (i < bundle->count)
        remove_at(bundle, i);
}

void pel_bundle_set_image(pel_bundle *bundle, pel_frame *image)
{
    pel_frame *old = bundle->image;
    bundle->image = pel_frame_ref(image);
    pel_frame_unref(old);
}

void pel_bundle_next(pel_bundle *bundle)
{
    pel_frame_unref(bundle->image);
    bundle->image = NULL;
    for (size_t i = bundle->count; i-- > 0;)
        if (!pel_role_find(bundle->companions[i]->role)->sticky)
            remove_at(bundle, i);
}
