/* io.c - picture files written and read back: samples, metadata, alpha, sequences, refusals.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <sys/stat.h>
#include <unistd.h>

#include <pellucid/io.h>

#include "check.h"

static uint32_t state = 77;
static char folder[] = "/tmp/pellucid-io-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* ---- Reading into a list */

enum { MOST = 8 };
typedef struct {
    pel_bundle at[MOST];
    int count;
    pel_error error;
    char said[200];
} list;

static pel_status keep(void *arg, const pel_bundle *bundle)
{
    list *l = arg;
    return l->count < MOST ? pel_bundle_copy(&l->at[l->count++], bundle, NULL) : PEL_ECLOSED;
}

static void say(void *arg, const char *text)
{
    snprintf(((list *)arg)->said, sizeof ((list *)arg)->said, "%s", text);
}

static pel_status read_path(const char *path, bool volume, bool linear, size_t cap, list *l)
{
    pel_read_params params = {.role = "image", .volume = volume, .linear = linear, .memory_cap = cap,
                              .emit = keep, .say = say, .arg = l};
    memset(l, 0, sizeof *l);
    return pel_file_read(path, &params, &l->error);
}

static void forget(list *l)
{
    for (int i = 0; i < l->count; i++)
        pel_bundle_clear(&l->at[i]);
    l->count = 0;
}

/* ---- Writing */

static pel_frame *make(const char *role, pel_size size, float low, float high)
{
    pel_frame *frame;
    if (pel_frame_new(role, PEL_F32, size, &frame, NULL) != PEL_OK)
        abort();
    for (size_t i = 0; i < pel_size_count(size); i++)
        pel_frame_floats(frame)[i] = low + (high - low) * check_random(&state);
    return frame;
}

static void put(pel_bundle *bundle, pel_frame *companion)
{
    if (pel_bundle_put(bundle, companion, NULL) != PEL_OK)
        abort();
    pel_frame_unref(companion);
}

static pel_status write_path(const char *path, const pel_bundle *bundles, int count,
                             const pel_write_params *params, pel_write_report *report,
                             pel_error *error)
{
    pel_file_writer *writer = NULL;
    *error = (pel_error){PEL_OK, ""};
    pel_status status = pel_file_create(path, pel_file_format(path), params, &writer, error);
    for (int i = 0; i < count && status == PEL_OK; i++)
        status = pel_file_append(writer, &bundles[i], error);
    if (status == PEL_OK)
        status = pel_file_finish(writer, report, error);
    CHECK(status != PEL_OK || access(path, F_OK) != 0 || strstr(path, "old") != NULL,
          "%s is there before it is published", path);
    if (status == PEL_OK)
        status = pel_file_publish(writer, error);
    pel_file_writer_free(writer);
    return status;
}

/* ---- Round trips */

static const struct {
    const char *name;
    pel_size size;
    pel_sample sample;
    double full;      /* 0: floats, exact */
    bool compress, alpha;
    double tolerance; /* beyond rounding */
} trips[] = {
    {"a.tif", {7, 5, 1, 1}, PEL_SAMPLE_U8, 255, false, false, 0},
    {"b.tif", {31, 17, 1, 3}, PEL_SAMPLE_U16, 65535, true, true, 0},
    {"c.tif", {31, 17, 1, 5}, PEL_SAMPLE_F32, 0, true, false, 0},
    {"c2.tif", {8, 9, 1, 4}, PEL_SAMPLE_U16, 65535, false, true, 0},
    {"d.tif", {9, 6, 4, 1}, PEL_SAMPLE_F32, 0, false, false, 0},
    {"d2.tif", {9, 6, 4, 2}, PEL_SAMPLE_F32, 0, true, false, 0},
    {"d3.tif", {9, 6, 4, 3}, PEL_SAMPLE_U16, 65535, false, true, 0},
    {"e.png", {31, 17, 1, 3}, PEL_SAMPLE_U8, 255, false, true, 0},
    {"f.png", {1, 17, 1, 1}, PEL_SAMPLE_U16, 65535, false, true, 0},
    {"g.jpg", {40, 24, 1, 1}, PEL_SAMPLE_U8, 255, false, false, 0.05},
    {"h.pgm", {11, 3, 1, 1}, PEL_SAMPLE_U8, 255, false, false, 0},
    {"i.pam", {11, 3, 1, 3}, PEL_SAMPLE_U16, 65535, false, true, 0},
    {"j.pfm", {11, 3, 1, 3}, PEL_SAMPLE_F32, 0, false, false, 0},
    {"k.fits", {11, 3, 1, 1}, PEL_SAMPLE_F32, 0, false, false, 0},
    {"l.fits", {11, 3, 4, 1}, PEL_SAMPLE_F32, 0, false, false, 0},
    {"m.pel", {11, 3, 2, 2}, PEL_SAMPLE_F32, 0, false, true, 0},
    {"n.txt", {11, 3, 1, 1}, PEL_SAMPLE_F32, 0, false, false, 0},
    {"o.y4m", {11, 3, 1, 1}, PEL_SAMPLE_U8, 219, false, false, 0},
};

static double difference(const pel_frame *a, const pel_frame *b)
{
    double most = 0;
    if (a == NULL || b == NULL || !pel_size_equal(a->size, b->size))
        return HUGE_VAL;
    for (size_t i = 0; i < pel_size_count(a->size); i++)
        most = fmax(most, fabs((double)pel_frame_floats(a)[i] - (double)pel_frame_floats(b)[i]));
    return most;
}

static void test_trips(void)
{
    for (size_t i = 0; i < sizeof trips / sizeof trips[0]; i++) {
        const char *path = in_folder(trips[i].name);
        pel_bundle bundle = {NULL, NULL, 0};
        bool floats = trips[i].full == 0;
        bundle.image = make("image", trips[i].size, floats ? -3 : 0, floats ? 1000 : 1);
        pel_size one = trips[i].size;
        one.c = 1;
        if (trips[i].alpha)
            put(&bundle, make("alpha", one, 0, 1));
        pel_write_params params = {.sample = trips[i].sample, .quality = 100,
                                   .compress = trips[i].compress};
        pel_write_report report = {9, 9};
        pel_error error;
        list l;
        CHECK(write_path(path, &bundle, 1, &params, &report, &error) == PEL_OK, "%s", error.text);
        CHECK(report.clipped == 0, "%s: %zu", path, report.clipped);
        CHECK(read_path(path, true, false, 1 << 20, &l) == PEL_OK, "%s", l.error.text);
        CHECK(l.count == 1);
        double rounding = floats ? 0 : 0.5001 / trips[i].full;
        const pel_frame *back = l.count == 1 ? l.at[0].image : NULL;
        CHECK_NEAR(difference(back, bundle.image), 0, rounding + trips[i].tolerance);
        if (trips[i].alpha && l.count == 1)
            CHECK_NEAR(difference(pel_bundle_find(&l.at[0], "alpha", NULL),
                                  pel_bundle_find(&bundle, "alpha", NULL)), 0, rounding);
        /* What was read is on the grid of the type: written again, it comes back exactly. */
        if (back != NULL && trips[i].tolerance == 0) {
            char again[160];
            list m;
            snprintf(again, sizeof again, "%s/again-%s", folder, trips[i].name);
            CHECK(write_path(again, l.at, 1, &params, NULL, &error) == PEL_OK, "%s", error.text);
            CHECK(read_path(again, true, false, 1 << 20, &m) == PEL_OK, "%s", m.error.text);
            CHECK_NEAR(difference(m.count == 1 ? m.at[0].image : NULL, back), 0, 0);
            forget(&m);
            unlink(again);
        }
        forget(&l);
        unlink(path);
        pel_bundle_clear(&bundle);
    }
}

/* ---- Integers: exact ends of the range, rounding, clipping, the sRGB curve */

static void test_integers(void)
{
    static const float given[] = {0, 1, 0.5f, 127.4f / 255, 127.6f / 255, -0.001f, 1.0019f,
                                  -0.1f, 1.5f, (float)NAN, (float)INFINITY};
    static const int expected[] = {0, 255, 128, 127, 128, 0, 255, 0, 255, 0, 255};
    enum { COUNT = sizeof given / sizeof given[0] };
    pel_bundle bundle = {NULL, NULL, 0};
    bundle.image = make("image", pel_size_make(COUNT, 1, 1, 1), 0, 1);
    memcpy(pel_frame_floats(bundle.image), given, sizeof given);
    pel_write_params params = {.sample = PEL_SAMPLE_U8, .quality = 90};
    pel_write_report report;
    pel_error error;
    list l;
    CHECK(write_path(in_folder("x.png"), &bundle, 1, &params, &report, &error) == PEL_OK);
    CHECK(report.clipped == 4 && report.samples == COUNT, "%zu", report.clipped);
    CHECK(read_path(in_folder("x.png"), false, false, 1 << 20, &l) == PEL_OK);
    for (int i = 0; i < COUNT && l.count == 1; i++)
        CHECK(pel_frame_floats(l.at[0].image)[i] == (float)expected[i] / 255.0f, "%d", i);
    CHECK_TEXT(pel_frame_key(l.at[0].image, "source"), "u8");
    CHECK_TEXT(pel_frame_key(l.at[0].image, "white"), "1");
    CHECK_TEXT(pel_frame_key(l.at[0].image, "transfer"), "srgb");
    CHECK_TEXT(pel_frame_key(l.at[0].image, "name"), in_folder("x.png"));
    forget(&l);
    pel_bundle_clear(&bundle);
    unlink(in_folder("x.png"));
}

/* All 256 values go to linear light and back without loss; 0.5 of 255 values is what IEC 61966-2-1
 * says. */
static void test_linear(void)
{
    pel_bundle bundle = {NULL, NULL, 0};
    bundle.image = make("image", pel_size_make(256, 1, 1, 1), 0, 1);
    for (int i = 0; i < 256; i++)
        pel_frame_floats(bundle.image)[i] = (float)i / 255;
    pel_write_params params = {.sample = PEL_SAMPLE_U8};
    pel_error error;
    list l, m;
    CHECK(write_path(in_folder("l.png"), &bundle, 1, &params, NULL, &error) == PEL_OK);
    CHECK(read_path(in_folder("l.png"), false, true, 1 << 20, &l) == PEL_OK);
    CHECK_TEXT(pel_frame_key(l.at[0].image, "transfer"), "linear");
    CHECK_NEAR(pel_frame_floats(l.at[0].image)[188], 0.5028865, 1e-6);
    CHECK_NEAR(pel_frame_floats(l.at[0].image)[5], 5.0 / 255 / 12.92, 1e-7);
    CHECK(write_path(in_folder("m.png"), l.at, 1, &params, NULL, &error) == PEL_OK);
    CHECK(read_path(in_folder("m.png"), false, false, 1 << 20, &m) == PEL_OK);
    CHECK_NEAR(difference(m.at[0].image, bundle.image), 0, 0);
    forget(&l);
    forget(&m);
    pel_bundle_clear(&bundle);
    unlink(in_folder("l.png"));
    unlink(in_folder("m.png"));
}

/* ---- Metadata, spacing, sequences */

static void put_meta(pel_bundle *bundle, const char *slot, const void *bytes, size_t count)
{
    pel_frame *meta;
    if (pel_frame_meta(slot, bytes, count, &meta, NULL) != PEL_OK)
        abort();
    put(bundle, meta);
}

static void test_metadata(void)
{
    static const uint8_t exif[] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3,
                                   0,   1,   0,  0, 0, 6, 0, 0, 0, 0, 0,    0, 0};
    static uint8_t profile[100000];
    pel_bundle bundle = {NULL, NULL, 0};
    bundle.image = make("image", pel_size_make(12, 7, 1, 1), 0, 1);
    for (size_t i = 0; i < sizeof profile; i++)
        profile[i] = (uint8_t)(check_random(&state) * 256);
    put_meta(&bundle, "exif", exif, sizeof exif);
    put_meta(&bundle, "icc", profile, sizeof profile);
    put_meta(&bundle, "description", "drawn by hand", 13);
    (void)pel_frame_set(bundle.image, "px", "0.065um,0.065um,0.2um", NULL);
    pel_write_params params = {.sample = PEL_SAMPLE_U8, .quality = 90};
    pel_error error;
    list l;

    /* JPEG: a profile of two pieces, and the picture is turned as the EXIF says. */
    CHECK(write_path(in_folder("m.jpg"), &bundle, 1, &params, NULL, &error) == PEL_OK);
    CHECK(read_path(in_folder("m.jpg"), false, false, 1 << 20, &l) == PEL_OK, "%s", l.error.text);
    CHECK(l.at[0].image->size.w == 7 && l.at[0].image->size.h == 12);
    const pel_frame *icc = pel_bundle_find(&l.at[0], "meta", "icc");
    CHECK(icc != NULL && icc->bytes == sizeof profile &&
          memcmp(pel_frame_bytes(icc), profile, sizeof profile) == 0);
    const pel_frame *kept = pel_bundle_find(&l.at[0], "meta", "exif");
    CHECK(kept != NULL && kept->bytes == sizeof exif && pel_frame_bytes(kept)[18] == 1);
    forget(&l);

    CHECK(write_path(in_folder("m.tif"), &bundle, 1, &params, NULL, &error) == PEL_OK);
    CHECK(read_path(in_folder("m.tif"), false, false, 1 << 20, &l) == PEL_OK, "%s", l.error.text);
    icc = pel_bundle_find(&l.at[0], "meta", "icc");
    CHECK(icc != NULL && icc->bytes == sizeof profile);
    const pel_frame *text = pel_bundle_find(&l.at[0], "meta", "description");
    CHECK(text != NULL && text->bytes == 13 && memcmp(pel_frame_bytes(text), "drawn by hand", 13) == 0);
    forget(&l);

    /* ImageJ's spacing, where no other description stands. */
    params.bare = true;
    CHECK(write_path(in_folder("n.tif"), &bundle, 1, &params, NULL, &error) == PEL_OK);
    CHECK(read_path(in_folder("n.tif"), false, false, 1 << 20, &l) == PEL_OK, "%s", l.error.text);
    CHECK(pel_bundle_find(&l.at[0], "meta", "icc") == NULL);
    CHECK_TEXT(pel_frame_key(l.at[0].image, "px"), "0.065um,0.065um,0.2um");
    forget(&l);
    pel_bundle_clear(&bundle);
    unlink(in_folder("m.jpg"));
    unlink(in_folder("m.tif"));
    unlink(in_folder("n.tif"));
}

static void test_sequences(void)
{
    static const char *const names[] = {"s.tif", "s.pfm", "s.pel", "s.fits"};
    pel_bundle bundles[3] = {{NULL, NULL, 0}, {NULL, NULL, 0}, {NULL, NULL, 0}};
    pel_write_params params = {.sample = PEL_SAMPLE_AS_SOURCE};
    pel_error error;
    list l;
    for (int i = 0; i < 3; i++)
        bundles[i].image = make("image", pel_size_make(5, 4, 1, 1), 0, 1);
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
        CHECK(pel_file_format_sequence(pel_file_format(names[n])));
        CHECK(write_path(in_folder(names[n]), bundles, 3, &params, NULL, &error) == PEL_OK, "%s",
              error.text);
        CHECK(read_path(in_folder(names[n]), false, false, 1 << 20, &l) == PEL_OK);
        CHECK(l.count == 3, "%s: %d", names[n], l.count);
        for (int i = 0; i < l.count && i < 3; i++)
            CHECK_NEAR(difference(l.at[i].image, bundles[i].image), 0, 0);
        forget(&l);
        if (n == 0) {
            CHECK(read_path(in_folder(names[n]), true, false, 1 << 20, &l) == PEL_OK);
            CHECK(l.count == 1 && l.at[0].image->size.d == 3);
            forget(&l);
        }
        unlink(in_folder(names[n]));
    }
    CHECK(write_path(in_folder("s.png"), bundles, 2, &params, NULL, &error) == PEL_EUSAGE);
    CHECK(strstr(error.text, "%d") != NULL, "%s", error.text);
    CHECK(access(in_folder("s.png"), F_OK) != 0);
    for (int i = 0; i < 3; i++)
        pel_bundle_clear(&bundles[i]);
}

/* ---- What is refused, and what stays as it was */

static void save(const char *name, const char *text, size_t count)
{
    FILE *file = fopen(in_folder(name), "wb");
    if (file == NULL || fwrite(text, 1, count, file) != count || fclose(file) != 0)
        abort();
}

static void test_refusals(void)
{
    static const struct {
        const char *text, *cause;
        pel_status status;
    } files[] = {
        {"P5\n99999 99999\n255\nxxx", "too short", PEL_EFORMAT},
        {"P5\n2 2\n255\nxxx", "cut off", PEL_EFORMAT},
        {"P5\n2 2\n9\nxxxx", "over its maximum", PEL_EFORMAT},
        {"P5\n2 2\n70000\nxxxx", "header", PEL_EFORMAT},
        {"Pf\n1 1\n0\nxxxx", "header", PEL_EFORMAT},
        {"P7\nWIDTH 2\nHEIGHT 2\nENDHDR\nxxxx", "header", PEL_EFORMAT},
        {"1 2 3\n4 5\n", "row 1 has 2 numbers", PEL_EFORMAT},
        {"1 2e\n", "'2e' is no number", PEL_EFORMAT},
        {"YUV4MPEG2 W4 H4 C420p10\nFRAME\n", "not supported", PEL_EFORMAT},
        {"YUV4MPEG2 W4 H4 It Cmono\nFRAME\n0123456789abcdef", "interlaced", PEL_EFORMAT},
        {"II*\1\1\1\1\1", "", PEL_EFORMAT},
        {"\xff\xd8\xff\xe0 no", "", PEL_EFORMAT},
        {"GIF89a..............", "not a format", PEL_EFORMAT},
        {"PEL1 image 1x1x1x1 f32le", "", PEL_EFORMAT},
    };
    list l;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        save("r", files[i].text, strlen(files[i].text));
        pel_status status = read_path(in_folder("r"), false, false, 1 << 20, &l);
        CHECK(status == files[i].status, "file %zu: %d %s", i, (int)status, l.error.text);
        CHECK(strstr(l.error.text, files[i].cause) != NULL, "file %zu: %s", i, l.error.text);
        forget(&l);
    }
    save("r", "P5\n64 64\n255\n", 13);
    CHECK(read_path(in_folder("r"), false, false, 1 << 20, &l) == PEL_EFORMAT);
    CHECK(read_path(in_folder("r"), false, false, 1000, &l) != PEL_OK);
    save("r", "", 0);
    CHECK(read_path(in_folder("r"), false, false, 1000, &l) == PEL_EFORMAT);
    unlink(in_folder("r"));
    CHECK(read_path(in_folder("r"), false, false, 1000, &l) == PEL_EIO);
    CHECK(read_path(folder, false, false, 1000, &l) == PEL_EIO);
}

/* A picture over the cap is refused before its samples are read, in every format. */
static void test_cap(void)
{
    pel_error error;
    for (size_t i = 0; i < sizeof trips / sizeof trips[0]; i++) {
        pel_bundle bundle = {NULL, NULL, 0};
        bundle.image = make("image", trips[i].size, 0, 1);
        pel_write_params params = {.sample = trips[i].sample, .quality = 90};
        list l;
        CHECK(write_path(in_folder(trips[i].name), &bundle, 1, &params, NULL, &error) == PEL_OK);
        size_t bytes = bundle.image->bytes;
        pel_status status = read_path(in_folder(trips[i].name), true, false, bytes - 1, &l);
        CHECK(status == PEL_ELIMIT, "%s: %d %s", trips[i].name, (int)status, l.error.text);
        CHECK(l.count == 0);
        forget(&l);
        unlink(in_folder(trips[i].name));
        pel_bundle_clear(&bundle);
    }
}

static void test_replacing(void)
{
    pel_bundle bundle = {NULL, NULL, 0};
    bundle.image = make("image", pel_size_make(4, 3, 1, 1), 0, 1);
    pel_write_params params = {.sample = PEL_SAMPLE_U8};
    pel_error error;
    struct stat st;
    pel_file_writer *writer;
    char path[128];
    snprintf(path, sizeof path, "%s", in_folder("old.png"));
    save("old.png", "precious", 8);
    chmod(path, 0640);
    /* Abandoned at any point, the old file is whole and nothing else is there. */
    for (int stop = 0; stop < 3; stop++) {
        CHECK(pel_file_create(path, "png", &params, &writer, &error) == PEL_OK);
        if (stop > 0)
            CHECK(pel_file_append(writer, &bundle, &error) == PEL_OK);
        if (stop > 1)
            CHECK(pel_file_finish(writer, NULL, &error) == PEL_OK);
        pel_file_writer_free(writer);
        CHECK(stat(path, &st) == 0 && st.st_size == 8);
    }
    CHECK(write_path(path, &bundle, 1, &params, NULL, &error) == PEL_OK);
    CHECK(stat(path, &st) == 0 && st.st_size > 8 && (st.st_mode & 0777) == 0640);
    CHECK(write_path("/dev/null", &bundle, 1, &params, NULL, &error) == PEL_EUSAGE);
    CHECK(pel_file_create("/dev/null", "png", &params, &writer, &error) == PEL_OK);
    CHECK(pel_file_append(writer, &bundle, &error) == PEL_OK);
    CHECK(pel_file_finish(writer, NULL, &error) == PEL_OK);
    CHECK(pel_file_publish(writer, &error) == PEL_OK);
    pel_file_writer_free(writer);
    CHECK(stat("/dev/null", &st) == 0 && S_ISCHR(st.st_mode));
    CHECK(pel_file_create("/nowhere/a.png", "png", &params, &writer, &error) == PEL_EIO);
    unlink(path);
    pel_bundle_clear(&bundle);
}

int main(void)
{
    if (mkdtemp(folder) == NULL)
        abort();
    test_trips();
    test_integers();
    test_linear();
    test_metadata();
    test_sequences();
    test_refusals();
    test_cap();
    test_replacing();
    CHECK(rmdir(folder) == 0, "something was left behind in %s", folder);
    return check_done();
}
