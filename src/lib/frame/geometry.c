/* geometry.c - regions of frames and bundles.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pellucid/geometry.h>

bool pel_geometry_follows(const pel_frame *companion, const pel_frame *image)
{
    return pel_role_find(companion->role)->geometric &&
           pel_size_same_plane(companion->size, image->size);
}

static bool inside(size_t from, size_t count, size_t total)
{
    return count > 0 && from <= total && count <= total - from;
}

static bool take_number(const char **text, size_t *value)
{
    if (**text < '0' || **text > '9')
        return false;
    char *end;
    unsigned long long v = strtoull(*text, &end, 10);
    *text = end;
    *value = (size_t)v;
    return v < (1ull << 40);
}

/* origin=x,y,z of the cut: the frame's own plus the corner. */
static pel_status move_origin(pel_frame *cut, pel_region r, pel_error *error)
{
    size_t v[3] = {0, 0, 0};
    const char *origin = pel_frame_key(cut, "origin");
    for (int i = 0; i < 3 && origin != NULL; i++)
        if (!take_number(&origin, &v[i]) || *origin++ != (i < 2 ? ',' : '\0'))
            return pel_error_set(error, PEL_EFORMAT, "origin=%.80s is not three numbers",
                                 pel_frame_key(cut, "origin"));
    char text[80];
    snprintf(text, sizeof text, "%zu,%zu,%zu", v[0] + r.x, v[1] + r.y, v[2] + r.z);
    return pel_frame_set(cut, "origin", text, error);
}

pel_status pel_geometry_cut(const pel_frame *frame, pel_region r, pel_frame **out, pel_error *error)
{
    const pel_size s = frame->size;
    if (!inside(r.x, r.size.w, s.w) || !inside(r.y, r.size.h, s.h) || !inside(r.z, r.size.d, s.d))
        return pel_error_set(error, PEL_EINVAL,
                             "the region %zux%zux%zu+%zu+%zu+%zu is not inside the picture of "
                             "%zux%zux%zu", r.size.w, r.size.h, r.size.d, r.x, r.y, r.z, s.w, s.h,
                             s.d);
    pel_size size = r.size;
    size.c = s.c;
    pel_frame *cut;
    pel_status status = pel_frame_like(frame, NULL, size, &cut, error);
    if (status != PEL_OK)
        return status;
    float *to = pel_frame_floats(cut);
    for (size_t c = 0; c < s.c; c++)
        for (size_t z = 0; z < size.d; z++)
            for (size_t y = 0; y < size.h; y++, to += size.w)
                memcpy(to,
                       pel_frame_floats(frame) +
                           ((c * s.d + z + r.z) * s.h + y + r.y) * s.w + r.x,
                       size.w * sizeof *to);
    status = move_origin(cut, r, error);
    if (status != PEL_OK) {
        pel_frame_unref(cut);
        return status;
    }
    *out = cut;
    return PEL_OK;
}

pel_status pel_geometry_cut_bundle(const pel_bundle *bundle, pel_region region, pel_bundle *cut,
                                   pel_error *error)
{
    pel_frame *part;
    pel_status status = pel_geometry_cut(bundle->image, region, &part, error);
    if (status != PEL_OK)
        return status;
    pel_bundle_set_image(cut, part);
    pel_frame_unref(part);
    for (size_t i = 0; i < bundle->count && status == PEL_OK; i++) {
        pel_frame *companion = bundle->companions[i];
        if (!pel_geometry_follows(companion, bundle->image)) {
            status = pel_bundle_put(cut, companion, error);
            continue;
        }
        status = pel_geometry_cut(companion, region, &part, error);
        if (status == PEL_OK) {
            status = pel_bundle_put(cut, part, error);
            pel_frame_unref(part);
        }
    }
    return status;
}

bool pel_geometry_parse(const char *text, pel_region *r, bool *placed)
{
    *r = (pel_region){0, 0, 0, {0, 0, 0, 1}};
    *placed = false;
    if (!take_number(&text, &r->size.w) || *text++ != 'x' || !take_number(&text, &r->size.h))
        return false;
    if (*text == 'x') {
        text++;
        if (!take_number(&text, &r->size.d) || r->size.d == 0)
            return false;
    }
    if (r->size.w == 0 || r->size.h == 0)
        return false;
    if (*text == '\0')
        return true;
    *placed = true;
    if (*text++ != '+' || !take_number(&text, &r->x) || *text++ != '+' ||
        !take_number(&text, &r->y))
        return false;
    if (*text == '+') {
        text++;
        if (!take_number(&text, &r->z))
            return false;
    }
    return *text == '\0';
}
