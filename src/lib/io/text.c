/* text.c - a matrix of numbers as text, a row a line: how small kernels are passed around.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <pellucid/number.h>

#include "format.h"

#define MOST_BYTES ((uint64_t)64 << 20)

static bool sniff(const uint8_t *head, size_t size)
{
    bool digit = false;
    for (size_t i = 0; i < size; i++) {
        digit = digit || (head[i] >= '0' && head[i] <= '9');
        if (strchr("0123456789+-.eE,; \t\r\n", head[i]) == NULL || head[i] == '\0')
            return false;
    }
    return digit;
}

/* Numbers of `text` into values (as many as there are), and the shape; false for ragged rows. */
static pel_status parse(io_source *source, char *text, float *values, size_t most, size_t *w,
                        size_t *h)
{
    size_t n = 0;
    char *lines = NULL;
    *w = *h = 0;
    for (char *line = strtok_r(text, "\n", &lines); line != NULL; line = strtok_r(NULL, "\n", &lines)) {
        char *words = NULL;
        size_t in_row = 0;
        for (char *word = strtok_r(line, " \t,;\r", &words); word != NULL;
             word = strtok_r(NULL, " \t,;\r", &words)) {
            double v;
            if (!pel_number_real(word, &v) || n == most)
                return io_error(source, PEL_EFORMAT, "'%.30s' is no number", word);
            values[n++] = (float)v;
            in_row++;
        }
        if (in_row == 0)
            continue;
        if (*w != 0 && in_row != *w)
            return io_error(source, PEL_EFORMAT, "row %zu has %zu numbers, the first has %zu", *h,
                            in_row, *w);
        *w = in_row;
        (*h)++;
    }
    return PEL_OK;
}

static pel_status read_text(io_source *source)
{
    if (source->file_size > MOST_BYTES)
        return io_error(source, PEL_ELIMIT, "a matrix of more than 64 MB of text");
    size_t size = (size_t)source->file_size;
    char *text = malloc(size + 1);
    float *values = pel_alloc_floats(size / 2 + 1);
    FILE *file = fopen(source->path, "rbe");
    pel_status status = PEL_OK;
    if (text == NULL || values == NULL)
        status = io_error(source, PEL_ENOMEM, "out of memory");
    else if (file == NULL || fread(text, 1, size, file) != size)
        status = io_error(source, PEL_EIO, "cannot be read: %s", strerror(errno));
    if (file != NULL)
        fclose(file);
    size_t w = 0, h = 0;
    if (status == PEL_OK) {
        text[size] = '\0';
        status = parse(source, text, values, size / 2 + 1, &w, &h);
    }
    pel_frame *image = NULL;
    if (status == PEL_OK)
        status = io_image(source, pel_size_make(w, h, 1, 1), "f32", &image);
    if (status == PEL_OK) {
        memcpy(pel_frame_floats(image), values, w * h * sizeof *values);
        pel_bundle bundle = {NULL, NULL, 0};
        status = io_emit(source, &bundle, image);
    }
    free(text);
    pel_free(values);
    return status;
}

static pel_status append(io_sink *sink, const pel_bundle *bundle)
{
    const pel_frame *image = bundle->image;
    if (image->size.d != 1 || image->size.c != 1)
        return pel_error_set(sink->error, PEL_EINVAL, "a text matrix holds one plane of one channel");
    io_no_alpha(sink, bundle, "a text matrix");
    FILE *file = fopen(sink->temporary, "wbe");
    if (file == NULL)
        return pel_error_set(sink->error, PEL_EIO, "cannot write: %s", strerror(errno));
    sink->state = file;
    const float *from = pel_frame_floats(image);
    for (size_t y = 0; y < image->size.h; y++)
        for (size_t x = 0; x < image->size.w; x++) {
            char number[32];
            pel_number_format((double)*from++, number);
            fprintf(file, "%s%c", number, x + 1 < image->size.w ? ' ' : '\n');
        }
    return PEL_OK;
}

static pel_status finish(io_sink *sink)
{
    FILE *file = sink->state;
    bool good = fflush(file) == 0 && !ferror(file);
    return good ? PEL_OK : pel_error_set(sink->error, PEL_EIO, "cannot write: %s", strerror(errno));
}

static void discard(io_sink *sink)
{
    if (sink->state != NULL)
        fclose(sink->state);
}

const pel_format io_text = {"text", "txt dat", false, sniff, read_text, append, finish, discard};
