/* header.c - the header line of a frame: written in one spelling, and read in that spelling only.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pellucid/crc.h>
#include <pellucid/stream.h>

#include "frame-internal.h"

static const char magic[] = "PEL1 ";
static const char hex[] = "0123456789ABCDEF";

/* ---- Writing. `at` counts on past the end of the line, so that one check at the end is enough. */

typedef struct {
    char *line;
    size_t at;
} pen;

static void put_char(pen *p, char c)
{
    if (p->at < PEL_HEADER_MAX)
        p->line[p->at] = c;
    p->at++;
}

static void put_text(pen *p, const char *text)
{
    for (; *text != '\0'; text++)
        put_char(p, *text);
}

static bool stands_for_itself(unsigned char c)
{
    return c >= 0x21 && c <= 0x7e && c != '%';
}

static void put_value(pen *p, const char *value)
{
    for (; *value != '\0'; value++) {
        unsigned char c = (unsigned char)*value;
        if (stands_for_itself(c)) {
            put_char(p, *value);
        } else {
            put_char(p, '%');
            put_char(p, hex[c >> 4]);
            put_char(p, hex[c & 15]);
        }
    }
}

/* The word h=, the padding and the newline. */
static pel_status close_line(pen *p, size_t *length, pel_error *error)
{
    if (p->at + 12 > PEL_HEADER_MAX)
        return pel_error_set(error, PEL_ELIMIT, "the keys of a frame are longer than %d bytes",
                             PEL_HEADER_MAX);
    char word[16];
    snprintf(word, sizeof word, " h=%08" PRIx32, pel_crc32(0, p->line, p->at));
    put_text(p, word);
    while (p->at % PEL_BLOCK != PEL_BLOCK - 1)
        put_char(p, ' ');
    put_char(p, '\n');
    *length = p->at;
    return PEL_OK;
}

pel_status pel_header_format(const pel_frame *frame, uint32_t crc, char *line, size_t *length,
                             pel_error *error)
{
    char fixed[200];
    const pel_size s = frame->size;
    snprintf(fixed, sizeof fixed, "PEL1 %s %zux%zux%zux%zu %s bytes=%zu crc=%08" PRIx32,
             frame->role, s.w, s.h, s.d, s.c, frame->type == PEL_U8 ? "u8" : "f32le", frame->bytes,
             crc);
    pen p = {line, 0};
    put_text(&p, fixed);
    for (size_t i = 0; i < frame->key_count; i++) {
        put_char(&p, ' ');
        put_text(&p, frame->keys[i].name);
        put_char(&p, '=');
        put_value(&p, frame->keys[i].value);
    }
    return close_line(&p, length, error);
}

pel_status pel_header_format_end(uint64_t frames, char *line, size_t *length, pel_error *error)
{
    char fixed[64];
    snprintf(fixed, sizeof fixed, "PEL1 end frames=%" PRIu64, frames);
    pen p = {line, 0};
    put_text(&p, fixed);
    return close_line(&p, length, error);
}

/* ---- Reading. `at` moves through the words in front of h=. */

typedef struct {
    const char *at, *end;
} eye;

static bool take_text(eye *e, const char *text)
{
    size_t n = strlen(text);
    if ((size_t)(e->end - e->at) < n || memcmp(e->at, text, n) != 0)
        return false;
    e->at += n;
    return true;
}

/* Digits without sign or leading zero. */
static bool take_number(eye *e, uint64_t *value)
{
    const char *start = e->at;
    uint64_t v = 0;
    for (; e->at < e->end && *e->at >= '0' && *e->at <= '9'; e->at++) {
        if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(*e->at - '0'), &v))
            return false;
    }
    *value = v;
    return e->at > start && (*start != '0' || e->at == start + 1);
}

static bool take_crc(eye *e, uint32_t *crc)
{
    if (e->end - e->at < 8)
        return false;
    uint32_t v = 0;
    for (int i = 0; i < 8; i++) {
        char c = *e->at++;
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v << 4 | (uint32_t)(c - 'a' + 10);
        else
            return false;
    }
    *crc = v;
    return true;
}

/* Length of the word at `at`, up to the next space. */
static size_t word_length(const eye *e)
{
    const char *space = memchr(e->at, ' ', (size_t)(e->end - e->at));
    return space != NULL ? (size_t)(space - e->at) : (size_t)(e->end - e->at);
}

static int hex_digit(char c)
{
    const char *p = c != '\0' ? strchr(hex, c) : NULL;
    return p != NULL ? (int)(p - hex) : -1;
}

/* Undoes put_value into `to` (as long as the word).  False for another spelling. */
static bool decode_value(const char *from, size_t length, char *to)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)from[i];
        if (stands_for_itself(c)) {
            *to++ = from[i];
            continue;
        }
        if (c != '%' || length - i < 3)
            return false;
        int high = hex_digit(from[i + 1]), low = hex_digit(from[i + 2]);
        if (high < 0 || low < 0)
            return false;
        c = (unsigned char)(high << 4 | low);
        if (c == 0 || stands_for_itself(c))
            return false;
        *to++ = (char)c;
        i += 2;
    }
    *to = '\0';
    return true;
}

/* The line is whole, ends as close_line ends it, and its CRC is right; *e is left with the words
 * in front of h=. */
static pel_status check_line(const char *line, size_t length, eye *e, pel_error *error)
{
    if (length < PEL_BLOCK || length % PEL_BLOCK != 0 || line[length - 1] != '\n' ||
        memcmp(line, magic, sizeof magic - 1) != 0)
        return pel_error_set(error, PEL_EFORMAT, "no frame header (this is no pel stream, or it is damaged)");
    size_t n = length - 1;
    while (n > 0 && line[n - 1] == ' ')
        n--;
    if (length - 1 - n >= PEL_BLOCK || n < 16)
        return pel_error_set(error, PEL_EFORMAT, "the header is not padded as it must be");
    eye h = {line + n - 11, line + n};
    uint32_t crc;
    if (!take_text(&h, " h=") || !take_crc(&h, &crc))
        return pel_error_set(error, PEL_EFORMAT, "the header has no h= at its end");
    if (crc != pel_crc32(0, line, n - 11))
        return pel_error_set(error, PEL_EFORMAT, "the header is damaged (its CRC does not fit)");
    *e = (eye){line + sizeof magic - 1, line + n - 11};
    return PEL_OK;
}

static pel_status bad(pel_error *error, const char *what)
{
    return pel_error_set(error, PEL_EFORMAT, "the header's %s is not as pel(5) says", what);
}

static pel_status parse_end(eye *e, pel_header *header, pel_error *error)
{
    if (!take_number(e, &header->frames) || e->at != e->end)
        return bad(error, "frame count");
    return PEL_OK;
}

static pel_status parse_keys(eye *e, pel_frame *frame, pel_error *error)
{
    while (e->at < e->end) {
        if (!take_text(e, " "))
            return bad(error, "spacing");
        size_t length = word_length(e);
        const char *word = e->at, *equals = memchr(word, '=', length);
        if (equals == NULL || !pel_key_name_valid(word, (size_t)(equals - word)))
            return bad(error, "list of keys");
        size_t value_length = length - (size_t)(equals + 1 - word);
        char *name = strndup(word, (size_t)(equals - word)), *value = malloc(value_length + 1);
        pel_status status = PEL_OK;
        if (name == NULL || value == NULL)
            status = pel_error_set(error, PEL_ENOMEM, "out of memory");
        else if (pel_frame_key(frame, name) != NULL)
            status = pel_error_set(error, PEL_EFORMAT, "the header has the key %s twice", name);
        else if (!decode_value(equals + 1, value_length, value))
            status = pel_error_set(error, PEL_EFORMAT, "the header's key %s is badly spelt", name);
        else
            status = pel_frame_set(frame, name, value, error);
        free(name);
        free(value);
        if (status != PEL_OK)
            return status;
        e->at += length;
    }
    return PEL_OK;
}

/* Role, size, type and bytes=, checked against each other; a frame without memory. */
static pel_status parse_fixed(eye *e, size_t memory_cap, pel_header *header, pel_error *error)
{
    pel_frame *frame = header->frame;
    size_t length = word_length(e);
    if (!pel_role_name_valid(e->at, length))
        return bad(error, "role");
    memcpy(frame->role, e->at, length);
    e->at += length;
    uint64_t n[4], bytes;
    if (!take_text(e, " ") || !take_number(e, &n[0]) || !take_text(e, "x") ||
        !take_number(e, &n[1]) || !take_text(e, "x") || !take_number(e, &n[2]) ||
        !take_text(e, "x") || !take_number(e, &n[3]) || !take_text(e, " "))
        return bad(error, "size");
    frame->size = pel_size_make(n[0], n[1], n[2], n[3]);
    bool meta = strcmp(frame->role, "meta") == 0;
    frame->type = meta ? PEL_U8 : PEL_F32;
    if (!take_text(e, meta ? "u8 " : "f32le "))
        return bad(error, "sample type");
    if (!take_text(e, "bytes=") || !take_number(e, &bytes) || !take_text(e, " crc=") ||
        !take_crc(e, &header->crc))
        return bad(error, "byte count or CRC");
    size_t expected;
    if (!pel_size_bytes(frame->size, meta ? 1 : sizeof(float), &expected))
        return pel_error_set(error, PEL_ELIMIT, "a frame of more bytes than memory has");
    if (bytes != expected || (meta && bytes > 0 && (n[1] != 1 || n[2] != 1 || n[3] != 1)))
        return bad(error, "byte count");
    bool empty = n[0] == 0 && n[1] == 0 && n[2] == 0 && n[3] == 0;
    if (bytes == 0 && (!empty || header->crc != 0 || strcmp(frame->role, "image") == 0))
        return bad(error, "size");
    if (bytes > memory_cap)
        return pel_error_set(error, PEL_ELIMIT,
                             "a frame of %" PRIu64 " bytes is over the memory cap of %zu "
                             "(see --memory)", bytes, memory_cap);
    frame->bytes = expected;
    return PEL_OK;
}

pel_status pel_header_parse(const char *line, size_t length, size_t memory_cap, pel_header *header,
                            pel_error *error)
{
    *header = (pel_header){NULL, 0, 0};
    eye e = {line, line};
    pel_status status = check_line(line, length, &e, error);
    if (status != PEL_OK)
        return status;
    if (take_text(&e, "end frames="))
        return parse_end(&e, header, error);
    header->frame = calloc(1, sizeof *header->frame);
    if (header->frame == NULL)
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    header->frame->refs = 1;
    status = parse_fixed(&e, memory_cap, header, error);
    if (status == PEL_OK)
        status = parse_keys(&e, header->frame, error);
    if (status != PEL_OK) {
        pel_frame_unref(header->frame);
        header->frame = NULL;
    }
    return status;
}
