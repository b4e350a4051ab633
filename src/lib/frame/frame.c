/* frame.c - frames: roles, samples that are shared by counting, keys.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pellucid/number.h>

#include "frame-internal.h"

static const pel_role roles[] = {
    {"image", false, true},       {"data", false, true},   {"psf", true, false},
    {"mask", true, true},         {"sigma", true, true},   {"truth", false, true},
    {"uncertainty", false, true}, {"reference", true, true}, {"meta", true, false},
};

static const pel_role unknown_role = {"", true, false};

const pel_role *pel_role_find(const char *name)
{
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (strcmp(roles[i].name, name) == 0)
            return &roles[i];
    return &unknown_role;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool pel_role_name_valid(const char *name, size_t length)
{
    if (length == 0 || length > 31 || !is_letter(name[0]))
        return false;
    for (size_t i = 1; i < length; i++)
        if (!is_letter(name[i]) && !is_digit(name[i]) && name[i] != '-' && name[i] != '_')
            return false;
    return !(length == 3 && memcmp(name, "end", 3) == 0);
}

bool pel_key_name_valid(const char *name, size_t length)
{
    if (length == 0 || !(is_letter(name[0]) || name[0] == '_'))
        return false;
    for (size_t i = 1; i < length; i++)
        if (!is_letter(name[i]) && !is_digit(name[i]) && strchr("_.-", name[i]) == NULL)
            return false;
    static const char *const fixed[] = {"h", "bytes", "crc"};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        if (strlen(fixed[i]) == length && memcmp(fixed[i], name, length) == 0)
            return false;
    return true;
}

static pel_buffer *buffer_new(size_t bytes)
{
    pel_buffer *buffer = calloc(1, sizeof *buffer);
    if (buffer == NULL)
        return NULL;
    buffer->refs = 1;
    buffer->memory = pel_alloc(bytes);
    if (buffer->memory == NULL) {
        free(buffer);
        return NULL;
    }
    return buffer;
}

static void buffer_unref(pel_buffer *buffer)
{
    if (buffer == NULL || __atomic_sub_fetch(&buffer->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    pel_free(buffer->memory);
    free(buffer);
}

static pel_status check_size(const char *role, pel_type type, pel_size size, size_t *bytes,
                             pel_error *error)
{
    if (!pel_size_bytes(size, type == PEL_U8 ? 1 : sizeof(float), bytes))
        return pel_error_set(error, PEL_ELIMIT, "%zux%zux%zux%zu samples are more than memory has",
                             size.w, size.h, size.d, size.c);
    bool empty = size.w == 0 && size.h == 0 && size.d == 0 && size.c == 0;
    if (*bytes == 0 && !empty)
        return pel_error_set(error, PEL_EINVAL, "a size of %zux%zux%zux%zu holds no sample",
                             size.w, size.h, size.d, size.c);
    if (empty && strcmp(role, "image") == 0)
        return pel_error_set(error, PEL_EINVAL, "an image of no samples");
    bool meta = strcmp(role, "meta") == 0;
    if (meta != (type == PEL_U8))
        return pel_error_set(error, PEL_EINVAL, "role %s has no %s samples", role,
                             type == PEL_U8 ? "u8" : "f32le");
    if (meta && !empty && (size.h != 1 || size.d != 1 || size.c != 1))
        return pel_error_set(error, PEL_EINVAL, "meta of size %zux%zux%zux%zu: Nx1x1x1 is needed",
                             size.w, size.h, size.d, size.c);
    return PEL_OK;
}

pel_status pel_frame_new(const char *role, pel_type type, pel_size size, pel_frame **out,
                         pel_error *error)
{
    size_t bytes;
    if (!pel_role_name_valid(role, strlen(role)))
        return pel_error_set(error, PEL_EINVAL, "'%s' is no name of a role", role);
    pel_status status = check_size(role, type, size, &bytes, error);
    if (status != PEL_OK)
        return status;
    pel_frame *frame = calloc(1, sizeof *frame);
    pel_buffer *buffer = bytes > 0 ? buffer_new(bytes) : NULL;
    if (frame == NULL || (bytes > 0 && buffer == NULL)) {
        free(frame);
        buffer_unref(buffer);
        return pel_error_set(error, PEL_ENOMEM, "no memory for a frame of %zu bytes", bytes);
    }
    memcpy(frame->role, role, strlen(role));
    frame->type = type;
    frame->size = size;
    frame->bytes = bytes;
    frame->buffer = buffer;
    frame->refs = 1;
    *out = frame;
    return PEL_OK;
}

pel_status pel_frame_copy(const pel_frame *from, const char *role, pel_frame **out,
                          pel_error *error)
{
    if (role == NULL)
        role = from->role;
    size_t bytes;
    if (!pel_role_name_valid(role, strlen(role)))
        return pel_error_set(error, PEL_EINVAL, "'%s' is no name of a role", role);
    pel_status status = check_size(role, from->type, from->size, &bytes, error);
    if (status != PEL_OK)
        return status;
    pel_frame *frame = calloc(1, sizeof *frame);
    if (frame == NULL)
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    *frame = *from;
    memset(frame->role, 0, sizeof frame->role);
    memcpy(frame->role, role, strlen(role));
    frame->keys = NULL;
    frame->key_count = 0;
    frame->refs = 1;
    if (frame->buffer != NULL)
        __atomic_add_fetch(&frame->buffer->refs, 1, __ATOMIC_RELAXED);
    status = pel_frame_inherit(frame, from, error);
    if (status != PEL_OK) {
        pel_frame_unref(frame);
        return status;
    }
    *out = frame;
    return PEL_OK;
}

pel_status pel_frame_like(const pel_frame *from, const char *role, pel_size size, pel_frame **out,
                          pel_error *error)
{
    pel_frame *frame;
    pel_status status =
        pel_frame_new(role != NULL ? role : from->role, PEL_F32, size, &frame, error);
    if (status != PEL_OK)
        return status;
    status = pel_frame_inherit(frame, from, error);
    if (status != PEL_OK) {
        pel_frame_unref(frame);
        return status;
    }
    *out = frame;
    return PEL_OK;
}

pel_status pel_frame_meta(const char *slot, const void *bytes, size_t count, pel_frame **out,
                          pel_error *error)
{
    pel_frame *frame;
    pel_size size = count > 0 ? pel_size_make(count, 1, 1, 1) : pel_size_make(0, 0, 0, 0);
    pel_status status = pel_frame_new("meta", PEL_U8, size, &frame, error);
    if (status != PEL_OK)
        return status;
    if (count > 0)
        memcpy(frame->buffer->memory, bytes, count);
    if (slot != NULL)
        status = pel_frame_set(frame, "slot", slot, error);
    if (status != PEL_OK) {
        pel_frame_unref(frame);
        return status;
    }
    *out = frame;
    return PEL_OK;
}

pel_frame *pel_frame_ref(pel_frame *frame)
{
    __atomic_add_fetch(&frame->refs, 1, __ATOMIC_RELAXED);
    return frame;
}

void pel_frame_unref(pel_frame *frame)
{
    if (frame == NULL || __atomic_sub_fetch(&frame->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    buffer_unref(frame->buffer);
    for (size_t i = 0; i < frame->key_count; i++) {
        free(frame->keys[i].name);
        free(frame->keys[i].value);
    }
    free(frame->keys);
    free(frame);
}

float *pel_frame_floats(const pel_frame *frame)
{
    return frame->buffer != NULL && frame->type == PEL_F32 ? frame->buffer->memory : NULL;
}

uint8_t *pel_frame_bytes(const pel_frame *frame)
{
    return frame->buffer != NULL ? frame->buffer->memory : NULL;
}

static size_t find_key(const pel_frame *frame, const char *name)
{
    size_t i = 0;
    while (i < frame->key_count && strcmp(frame->keys[i].name, name) != 0)
        i++;
    return i;
}

const char *pel_frame_key(const pel_frame *frame, const char *name)
{
    size_t i = find_key(frame, name);
    return i < frame->key_count ? frame->keys[i].value : NULL;
}

double pel_frame_real(const pel_frame *frame, const char *name, double otherwise)
{
    const char *value = pel_frame_key(frame, name);
    double number;
    return value != NULL && pel_number_real(value, &number) ? number : otherwise;
}

bool pel_frame_scale(const pel_frame *frame, double *black, double *white)
{
    *black = pel_frame_real(frame, "black", 0);
    *white = pel_frame_real(frame, "white", (double)NAN);
    if (isfinite(*white) && *white > *black)
        return false;
    *white = *black;
    for (size_t i = 0; i < pel_size_count(frame->size); i++)
        if (isfinite(pel_frame_floats(frame)[i]))
            *white = fmax(*white, (double)pel_frame_floats(frame)[i]);
    if (!(*white > *black))
        *white = *black + 1;
    return true;
}

const char *pel_frame_slot(const pel_frame *frame)
{
    const char *slot = pel_frame_key(frame, "slot");
    return slot != NULL ? slot : "";
}

static void remove_key(pel_frame *frame, size_t i)
{
    free(frame->keys[i].name);
    free(frame->keys[i].value);
    frame->key_count--;
    memmove(frame->keys + i, frame->keys + i + 1, (frame->key_count - i) * sizeof *frame->keys);
}

pel_status pel_frame_set(pel_frame *frame, const char *name, const char *value, pel_error *error)
{
    if (!pel_key_name_valid(name, strlen(name)))
        return pel_error_set(error, PEL_EINVAL, "'%s' is no name of a key", name);
    size_t i = find_key(frame, name);
    if (value == NULL) {
        if (i < frame->key_count)
            remove_key(frame, i);
        return PEL_OK;
    }
    char *copy = strdup(value);
    if (copy == NULL)
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    if (i < frame->key_count) {
        free(frame->keys[i].value);
        frame->keys[i].value = copy;
        return PEL_OK;
    }
    pel_key *keys = realloc(frame->keys, (frame->key_count + 1) * sizeof *keys);
    if (keys != NULL)
        frame->keys = keys;
    char *name_copy = keys != NULL ? strdup(name) : NULL;
    if (name_copy == NULL) {
        free(copy);
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    }
    frame->keys[frame->key_count++] = (pel_key){name_copy, copy};
    return PEL_OK;
}

pel_status pel_frame_set_real(pel_frame *frame, const char *name, double value, pel_error *error)
{
    char text[32];
    if (!isfinite(value))
        return pel_error_set(error, PEL_EINVAL, "key %s: the value is not finite", name);
    pel_number_format(value, text);
    return pel_frame_set(frame, name, text, error);
}

pel_status pel_frame_inherit(pel_frame *to, const pel_frame *from, pel_error *error)
{
    for (size_t i = 0; i < from->key_count; i++) {
        if (pel_frame_key(to, from->keys[i].name) != NULL)
            continue;
        pel_status status =
            pel_frame_set(to, from->keys[i].name, from->keys[i].value, error);
        if (status != PEL_OK)
            return status;
    }
    return PEL_OK;
}

pel_status pel_frame_take_memory(pel_frame *frame, pel_error *error)
{
    if (frame->bytes == 0)
        return PEL_OK;
    frame->buffer = buffer_new(frame->bytes);
    if (frame->buffer == NULL)
        return pel_error_set(error, PEL_ENOMEM, "no memory for a frame of %zu bytes", frame->bytes);
    return PEL_OK;
}

bool pel_frame_same(const pel_frame *a, const pel_frame *b)
{
    if (a == b)
        return true;
    if (strcmp(a->role, b->role) != 0 || !pel_size_equal(a->size, b->size) ||
        a->key_count != b->key_count)
        return false;
    for (size_t i = 0; i < a->key_count; i++)
        if (strcmp(a->keys[i].name, b->keys[i].name) != 0 ||
            strcmp(a->keys[i].value, b->keys[i].value) != 0)
            return false;
    return a->buffer == b->buffer ||
           memcmp(a->buffer->memory, b->buffer->memory, a->bytes) == 0;
}
