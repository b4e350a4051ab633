/* y4m.c - uncompressed video as YUV4MPEG2, read to RGB or grey, written as 4:4:4 or mono.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Stream and frame headers as yuv4mpeg(5) of mjpegtools; colours by ITU-R BT.601 with video levels
 * (luma 16 to 235, chroma 16 to 240).  Chroma of 4:2:0 and 4:2:2 is interpolated between samples
 * that sit, as MPEG-2 has it, on the columns and between the rows of luma. */
#include "config.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pellucid/number.h>

#include "format.h"

#define MOST_LINE 1024

static bool sniff(const uint8_t *head, size_t size)
{
    return size >= 10 && memcmp(head, "YUV4MPEG2 ", 10) == 0;
}

typedef struct {
    size_t w, h;
    unsigned rate, per; /* frames a second: rate / per */
    int sx, sy;         /* shifts of chroma: 1,1 for 4:2:0; -1: mono */
} video;

static bool set_layout(video *v, const char *word)
{
    static const struct {
        const char *name;
        int sx, sy;
    } layouts[] = {{"mono", -1, -1}, {"444", 0, 0}, {"422", 1, 0}, {"420jpeg", 1, 1},
                   {"420mpeg2", 1, 1}, {"420paldv", 1, 1}, {"420", 1, 1}};
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++)
        if (strcmp(layouts[i].name, word) == 0) {
            v->sx = layouts[i].sx;
            v->sy = layouts[i].sy;
            return true;
        }
    return false;
}

static pel_status parse_header(io_source *source, char *line, video *v)
{
    char *rest = NULL;
    *v = (video){0, 0, 25, 1, 1, 1};
    for (char *word = strtok_r(line + 10, " \n", &rest); word != NULL;
         word = strtok_r(NULL, " \n", &rest)) {
        long long n;
        switch (word[0]) {
        case 'W':
        case 'H':
            if (!pel_number_integer(word + 1, &n) || n < 1 || n > 65536)
                return io_error(source, PEL_EFORMAT, "the size '%.20s' cannot be", word);
            *(word[0] == 'W' ? &v->w : &v->h) = (size_t)n;
            break;
        case 'F':
            if (sscanf(word + 1, "%9u:%9u", &v->rate, &v->per) != 2 || v->rate == 0 || v->per == 0)
                return io_error(source, PEL_EFORMAT, "the rate '%.20s' cannot be", word);
            break;
        case 'C':
            if (!set_layout(v, word + 1))
                return io_error(source, PEL_EFORMAT, "colour layout '%.20s' is not supported", word);
            break;
        case 'I':
            if (word[1] != 'p' && word[1] != '?')
                return io_error(source, PEL_EFORMAT, "interlaced video is not supported");
            break;
        }
    }
    return v->w > 0 && v->h > 0 ? PEL_OK : io_error(source, PEL_EFORMAT, "the video has no size");
}

/* Chroma at luma sample (x, y): columns coincide, rows are in between. */
static float chroma(const uint8_t *plane, size_t cw, size_t ch, const video *v, size_t x, size_t y)
{
    float fx = v->sx ? (float)x / 2 : (float)x, fy = v->sy ? ((float)y - 0.5f) / 2 : (float)y;
    fy = fminf(fmaxf(fy, 0), (float)(ch - 1));
    fx = fminf(fx, (float)(cw - 1));
    size_t x0 = (size_t)fx, y0 = (size_t)fy;
    size_t x1 = x0 + 1 < cw ? x0 + 1 : x0, y1 = y0 + 1 < ch ? y0 + 1 : y0;
    float ax = fx - (float)x0, ay = fy - (float)y0;
    float top = (1 - ax) * (float)plane[y0 * cw + x0] + ax * (float)plane[y0 * cw + x1];
    float low = (1 - ax) * (float)plane[y1 * cw + x0] + ax * (float)plane[y1 * cw + x1];
    return (1 - ay) * top + ay * low;
}

static void to_rgb(const video *v, const uint8_t *bytes, float *to)
{
    size_t n = v->w * v->h;
    if (v->sx < 0) {
        for (size_t i = 0; i < n; i++)
            to[i] = ((float)bytes[i] - 16) / 219;
        return;
    }
    size_t cw = (v->w + (size_t)v->sx) >> v->sx, ch = (v->h + (size_t)v->sy) >> v->sy;
    const uint8_t *cb = bytes + n, *cr = cb + cw * ch;
    for (size_t y = 0; y < v->h; y++)
        for (size_t x = 0; x < v->w; x++) {
            size_t i = y * v->w + x;
            float l = ((float)bytes[i] - 16) / 219;
            float b = (chroma(cb, cw, ch, v, x, y) - 128) / 224;
            float r = (chroma(cr, cw, ch, v, x, y) - 128) / 224;
            to[i] = l + 1.402f * r;
            to[n + i] = l - 0.344136f * b - 0.714136f * r;
            to[2 * n + i] = l + 1.772f * b;
        }
}

static pel_status emit_frame(io_source *source, const video *v, const uint8_t *bytes, size_t number,
                             size_t count)
{
    pel_bundle bundle = {NULL, NULL, 0};
    pel_frame *image;
    char rate[32];
    pel_status status =
        io_image(source, pel_size_make(v->w, v->h, 1, v->sx < 0 ? 1 : 3), "u8", &image);
    if (status != PEL_OK)
        return status;
    to_rgb(v, bytes, pel_frame_floats(image));
    snprintf(rate, sizeof rate, "%u/%u", v->rate, v->per);
    status = pel_frame_set(image, "rate", rate, source->error);
    if (status == PEL_OK)
        status = pel_frame_set_real(image, "time",
                                    (double)number * (double)v->per / (double)v->rate, source->error);
    if (status == PEL_OK)
        status = pel_frame_set_real(image, "of", (double)count, source->error);
    if (status == PEL_OK)
        return io_emit(source, &bundle, image);
    pel_frame_unref(image);
    return status;
}

static pel_status read_frames(io_source *source, FILE *file)
{
    char line[MOST_LINE];
    video v;
    if (fgets(line, sizeof line, file) == NULL || strchr(line, '\n') == NULL)
        return io_error(source, PEL_EFORMAT, "the header is cut off");
    uint64_t header = strlen(line);
    pel_status status = parse_header(source, line, &v);
    if (status != PEL_OK)
        return status;
    size_t size = v.w * v.h;
    if (v.sx >= 0)
        size += 2 * (((v.w + (size_t)v.sx) >> v.sx) * ((v.h + (size_t)v.sy) >> v.sy));
    if (size > source->file_size)
        return io_error(source, PEL_EFORMAT, "the file is too short for a frame of %zux%zu", v.w, v.h);
    uint8_t *bytes = pel_alloc(size);
    if (bytes == NULL)
        return io_error(source, PEL_ENOMEM, "out of memory");
    size_t count = (size_t)((source->file_size - header) / (size + 6));
    for (size_t n = 0; status == PEL_OK; n++) {
        if (fgets(line, sizeof line, file) == NULL) {
            status = n > 0 && feof(file) ? PEL_ECLOSED
                                         : io_error(source, PEL_EFORMAT, "there is no frame");
            break;
        }
        if (strncmp(line, "FRAME", 5) != 0 || strchr(line, '\n') == NULL)
            status = io_error(source, PEL_EFORMAT, "frame %zu has no header", n);
        else if (fread(bytes, 1, size, file) != size)
            status = io_error(source, PEL_EFORMAT, "the file is cut off in frame %zu", n);
        else
            status = emit_frame(source, &v, bytes, n, count);
        if (status == PEL_ECLOSED) { /* the reader of our output has gone: not the end of the file */
            pel_free(bytes);
            return status;
        }
    }
    pel_free(bytes);
    return status == PEL_ECLOSED ? PEL_OK : status;
}

static pel_status read_y4m(io_source *source)
{
    FILE *file = fopen(source->path, "rbe");
    if (file == NULL)
        return io_error(source, PEL_EIO, "%s", strerror(errno));
    pel_status status = read_frames(source, file);
    fclose(file);
    return status;
}

/* ---- Writing */

typedef struct {
    FILE *file;
    pel_size size;
} state;

static uint8_t clip(io_sink *sink, double v)
{
    if (!(v >= -0.5 && v <= 255.5)) {
        sink->report.clipped++;
        v = v > 255 ? 255 : 0;
    }
    v = v < 0 ? 0 : v > 255 ? 255 : v;
    return (uint8_t)floor(v + 0.5);
}

static void write_planes(io_sink *sink, FILE *file, const pel_frame *image)
{
    size_t n = image->size.w * image->size.h;
    const float *p = pel_frame_floats(image);
    double white = pel_frame_real(image, "white", 1);
    for (size_t plane = 0; plane < image->size.c; plane++)
        for (size_t i = 0; i < n; i++) {
            double r = (double)p[i] / white, g = r, b = r;
            if (image->size.c == 3) {
                g = (double)p[n + i] / white;
                b = (double)p[2 * n + i] / white;
            }
            double y = 0.299 * r + 0.587 * g + 0.114 * b;
            double v = plane == 0   ? 16 + 219 * y
                       : plane == 1 ? 128 + 224 * (b - y) / 1.772
                                    : 128 + 224 * (r - y) / 1.402;
            putc(clip(sink, v), file);
        }
    sink->report.samples += image->size.c * n;
}

static pel_status append(io_sink *sink, const pel_bundle *bundle)
{
    const pel_frame *image = bundle->image;
    state *s = sink->state;
    if (image->size.d != 1 || (image->size.c != 1 && image->size.c != 3))
        return pel_error_set(sink->error, PEL_EINVAL, "y4m holds planes of 1 or 3 channels");
    io_no_alpha(sink, bundle, "y4m");
    if (s == NULL) {
        s = sink->state = calloc(1, sizeof *s);
        if (s == NULL)
            return pel_error_set(sink->error, PEL_ENOMEM, "out of memory");
        s->file = fopen(sink->temporary, "wbe");
        if (s->file == NULL)
            return pel_error_set(sink->error, PEL_EIO, "cannot write: %s", strerror(errno));
        s->size = image->size;
        unsigned rate = 25, per = 1;
        const char *text = pel_frame_key(image, "rate");
        if (text != NULL && (sscanf(text, "%9u/%9u", &rate, &per) < 1 || rate == 0 || per == 0)) {
            rate = 25;
            per = 1;
        }
        fprintf(s->file, "YUV4MPEG2 W%zu H%zu F%u:%u Ip A1:1 C%s\n", image->size.w, image->size.h,
                rate, per, image->size.c == 3 ? "444" : "mono");
    }
    if (!pel_size_equal(s->size, image->size))
        return pel_error_set(sink->error, PEL_EINVAL, "the frames of a video have one size");
    fputs("FRAME\n", s->file);
    write_planes(sink, s->file, image);
    return ferror(s->file) ? pel_error_set(sink->error, PEL_EIO, "cannot write: %s", strerror(errno))
                           : PEL_OK;
}

static pel_status finish(io_sink *sink)
{
    state *s = sink->state;
    return fflush(s->file) == 0 && !ferror(s->file)
               ? PEL_OK
               : pel_error_set(sink->error, PEL_EIO, "cannot write: %s", strerror(errno));
}

static void discard(io_sink *sink)
{
    state *s = sink->state;
    if (s != NULL && s->file != NULL)
        fclose(s->file);
    free(s);
}

const pel_format io_y4m = {"y4m", "y4m", true, sniff, read_y4m, append, finish, discard};
