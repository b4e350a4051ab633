/* io-mutate.c - damaged picture files: each reader takes thousands, and must neither crash, hang nor
 * leak (run it with the sanitizers), and must tell of what it refuses in one line.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 *   tests/unit/io-mutate [COUNT [FILE...]]   COUNT damaged copies of each; FILEs in place of our own
 */
#include "config.h"

#include <sys/mman.h>
#include <unistd.h>

#include <pellucid/crc.h>
#include <pellucid/io.h>

#include "check.h"

#define CAP ((size_t)16 << 20)
#define MOST_EMITTED 64

static uint32_t state = 12345;
static size_t below(size_t n)
{
    uint32_t high = (uint32_t)(check_random(&state) * 65536), low = (uint32_t)(check_random(&state) * 65536);
    return n > 0 ? ((size_t)high << 16 | low) % n : 0;
}

/* ---- A file in memory that has a path. */

static int memory_file(const void *bytes, size_t count, char path[64])
{
    int fd = memfd_create("picture", 0);
    if (fd < 0 || (count > 0 && write(fd, bytes, count) != (ssize_t)count))
        abort();
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

typedef struct {
    int frames;
    double sum; /* so that every sample is looked at: a sanitizer sees those that were never set */
} taken;

static pel_status take(void *arg, const pel_bundle *bundle)
{
    taken *t = arg;
    if (bundle->image != NULL) {
        const float *v = pel_frame_floats(bundle->image);
        for (size_t i = 0; i < pel_size_count(bundle->image->size); i++)
            t->sum += isfinite(v[i]) ? (double)v[i] : 0;
    }
    return ++t->frames < MOST_EMITTED ? PEL_OK : PEL_ECLOSED;
}

static pel_status read_bytes(const uint8_t *bytes, size_t count, bool volume, bool no_checks,
                             int *frames, pel_error *error)
{
    char path[64];
    int fd = memory_file(bytes, count, path);
    taken t = {0, 0};
    pel_read_params params = {.role = "image", .volume = volume, .no_checks = no_checks,
                              .memory_cap = CAP, .emit = take, .arg = &t};
    *error = (pel_error){PEL_OK, ""};
    pel_status status = pel_file_read(path, &params, error);
    close(fd);
    *frames = t.frames;
    return status;
}

/* ---- Damage */

static const uint8_t telling[] = {0x00, 0x01, 0x02, 0x7f, 0x80, 0xff, 0x20, 0x30, 0x39, 0x0a};

/* Damages *count bytes in place (there is room for 64 more).  Half of it hits the first 256 bytes,
 * where the sizes are. */
static void damage(uint8_t *bytes, size_t *count)
{
    size_t hits = 1 + below(6);
    for (size_t i = 0; i < hits && *count > 8; i++) {
        size_t reach = below(2) == 0 && *count > 256 ? 256 : *count, at = below(reach);
        switch (below(6)) {
        case 0:
            bytes[at] ^= (uint8_t)(1u << below(8));
            break;
        case 1:
            bytes[at] = telling[below(sizeof telling)];
            break;
        case 2:
            bytes[at] = (uint8_t)below(256);
            break;
        case 3: { /* a number of four bytes */
            uint32_t v = below(2) == 0 ? 0xffffffffu >> below(20) : (uint32_t)below(1u << 16);
            if (at + 4 <= *count)
                memcpy(bytes + at, &v, 4);
            break;
        }
        case 4: /* cut off, or a piece taken out */
            if (below(3) == 0) {
                *count = at + 8 < *count ? at + 8 : *count;
            } else {
                size_t n = below(16) + 1;
                if (at + n < *count) {
                    memmove(bytes + at, bytes + at + n, *count - at - n);
                    *count -= n;
                }
            }
            break;
        default: { /* a piece from elsewhere */
            size_t n = below(24) + 1, from = below(*count);
            if (at + n <= *count && from + n <= *count)
                memmove(bytes + at, bytes + from, n);
        }
        }
    }
}

/* Puts the CRCs of a damaged PNG right, so that the damage gets behind them. */
static void mend_png(uint8_t *bytes, size_t count)
{
    if (count < 8 || memcmp(bytes, "\x89PNG", 4) != 0)
        return;
    for (size_t at = 8; at + 12 <= count;) {
        size_t n = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 | (size_t)bytes[at + 2] << 8 |
                   bytes[at + 3];
        if (n > count - at - 12)
            return;
        uint32_t crc = pel_crc32(0, bytes + at + 4, n + 4);
        for (int i = 0; i < 4; i++)
            bytes[at + 8 + n + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
        at += 12 + n;
    }
}

static void check_damaged(const char *name, const uint8_t *bytes, size_t count, int times)
{
    int frames, good = 0;
    pel_error error;
    for (int whole = 0; whole < 2; whole++)
        CHECK(read_bytes(bytes, count, whole == 1, false, &frames, &error) == PEL_OK && frames > 0, "%s: %s",
              name, error.text);
    uint8_t *copy = malloc(count + 64);
    if (copy == NULL)
        abort();
    for (int i = 0; i < times; i++) {
        size_t n = count;
        memcpy(copy, bytes, count);
        damage(copy, &n);
        if (i % 3 != 0)
            mend_png(copy, n);
        pel_status status = read_bytes(copy, n, i % 4 == 0, i % 2 == 0, &frames, &error);
        good += status == PEL_OK;
        if (status != PEL_OK && status != PEL_ECLOSED)
            CHECK(error.text[0] != '\0' && strchr(error.text, '\n') == NULL, "%s, copy %d: '%s'", name,
                  i, error.text);
    }
    printf("%s: %zu bytes, %d of %d damaged copies were still read\n", name, count, good, times);
    free(copy);
}

/* Cut off anywhere, a file must not be read as whole: the last bytes may be padding or a trailer. */
static void check_cuts(const char *name, const uint8_t *bytes, size_t count, size_t slack)
{
    int frames;
    pel_error error;
    for (size_t n = 1; n + slack < count; n += 1 + count / 97)
        CHECK(read_bytes(bytes, n, true, true, &frames, &error) != PEL_OK, "%s: %zu of %zu bytes", name, n,
              count);
}

/* ---- Files of our own */

static const struct {
    const char *name, *format;
    pel_size size;
    pel_sample sample;
    bool compress, alpha, meta;
    int frames;
    size_t slack; /* bytes at the end that a reader may miss */
} files[] = {
    {"tiff u8", "tiff", {13, 11, 1, 3}, PEL_SAMPLE_U8, false, true, true, 1, 0},
    {"tiff u16 deflate", "tiff", {23, 17, 1, 1}, PEL_SAMPLE_U16, true, false, true, 3, 0},
    {"tiff f32 volume", "tiff", {9, 7, 4, 1}, PEL_SAMPLE_F32, true, false, false, 1, 0},
    {"tiff stack", "tiff", {9, 7, 4, 2}, PEL_SAMPLE_U8, false, false, false, 1, 0},
    {"png u8", "png", {21, 13, 1, 3}, PEL_SAMPLE_U8, false, true, true, 1, 0},
    {"png u16", "png", {21, 13, 1, 1}, PEL_SAMPLE_U16, false, false, false, 1, 0},
    {"jpeg rgb", "jpeg", {37, 29, 1, 3}, PEL_SAMPLE_U8, false, false, true, 1, 0},
    {"jpeg grey", "jpeg", {37, 29, 1, 1}, PEL_SAMPLE_U8, false, false, false, 1, 0},
    {"pgm", "pnm", {15, 12, 1, 1}, PEL_SAMPLE_U16, false, false, false, 1, 0},
    {"pam", "pnm", {15, 12, 1, 3}, PEL_SAMPLE_U8, false, true, false, 1, 0},
    {"pfm", "pnm", {15, 12, 1, 3}, PEL_SAMPLE_F32, false, false, false, 1, 0},
    {"y4m", "y4m", {16, 12, 1, 3}, PEL_SAMPLE_U8, false, false, false, 1, 0},
    {"fits", "fits", {17, 11, 1, 1}, PEL_SAMPLE_F32, false, false, true, 1, 2880},
    {"fits cube", "fits", {17, 11, 3, 1}, PEL_SAMPLE_F32, true, false, false, 1, 2880},
    {"pel", "pel", {15, 12, 1, 3}, PEL_SAMPLE_F32, false, true, true, 2, 0},
    {"text", "text", {5, 4, 1, 1}, PEL_SAMPLE_F32, false, false, false, 1, 1 << 20},
};

static void put_meta(pel_bundle *bundle, const char *slot, const void *bytes, size_t count)
{
    pel_frame *meta;
    if (pel_frame_meta(slot, bytes, count, &meta, NULL) != PEL_OK ||
        pel_bundle_put(bundle, meta, NULL) != PEL_OK)
        abort();
    pel_frame_unref(meta);
}

static pel_frame *make_frame(const char *role, pel_size size)
{
    pel_frame *frame;
    if (pel_frame_new(role, PEL_F32, size, &frame, NULL) != PEL_OK)
        abort();
    for (size_t i = 0; i < pel_size_count(size); i++)
        pel_frame_floats(frame)[i] = 0.3f + 0.4f * check_random(&state);
    return frame;
}

/* An EXIF block of one entry: the picture is to be turned. */
static const uint8_t exif[] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3,
                               0,   1,   0,  0, 0, 6, 0, 0, 0, 0, 0,    0, 0};

static uint8_t *make_file(size_t which, size_t *count)
{
    char path[] = "/tmp/pellucid-mutate-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0)
        abort();
    close(fd);
    pel_write_params params = {.sample = files[which].sample, .quality = 90,
                               .compress = files[which].compress};
    pel_file_writer *writer;
    pel_error error = {PEL_OK, ""};
    pel_status status = pel_file_create(path, files[which].format, &params, &writer, &error);
    pel_bundle bundle = {NULL, NULL, 0};
    bundle.image = make_frame("image", files[which].size);
    if (files[which].alpha) {
        pel_size one = files[which].size;
        one.c = 1;
        pel_frame *alpha = make_frame("alpha", one);
        if (pel_bundle_put(&bundle, alpha, NULL) != PEL_OK)
            abort();
        pel_frame_unref(alpha);
    }
    if (files[which].meta) {
        put_meta(&bundle, "description", "a picture", 9);
        put_meta(&bundle, "exif", exif, sizeof exif);
        (void)pel_frame_set(bundle.image, "px", "0.1um,0.1um,0.25um", NULL);
    }
    for (int i = 0; i < files[which].frames && status == PEL_OK; i++)
        status = pel_file_append(writer, &bundle, &error);
    if (status == PEL_OK)
        status = pel_file_finish(writer, NULL, &error);
    if (status == PEL_OK)
        status = pel_file_publish(writer, &error);
    CHECK(status == PEL_OK, "%s: %s", files[which].name, error.text);
    pel_file_writer_free(writer);
    pel_bundle_clear(&bundle);
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(1 << 20);
    if (file == NULL || bytes == NULL)
        abort();
    *count = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    unlink(path);
    return bytes;
}

static void check_given(const char *path, int times)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(8 << 20);
    if (file == NULL || bytes == NULL)
        abort();
    size_t count = fread(bytes, 1, 8 << 20, file);
    fclose(file);
    check_damaged(path, bytes, count, times);
    free(bytes);
}

int main(int argc, char **argv)
{
    int times = argc > 1 ? atoi(argv[1]) : 200;
    for (int i = 2; i < argc; i++)
        check_given(argv[i], times);
    for (size_t i = 0; argc <= 2 && i < sizeof files / sizeof files[0]; i++) {
        size_t count;
        uint8_t *bytes = make_file(i, &count);
        check_damaged(files[i].name, bytes, count, times);
        check_cuts(files[i].name, bytes, count, files[i].slack);
        free(bytes);
    }
    return check_done();
}
