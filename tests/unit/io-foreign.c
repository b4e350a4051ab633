/* io-foreign.c - picture files as other programs make them (by hand, or by the codecs' own
 * libraries): byte orders, sample types, tiles, planes, palettes, alpha, orientation.  (Our own:
 * io.c; damage: io-mutate.c.)
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdio.h> /* before jpeglib.h */

#include <jpeglib.h>
#include <png.h>
#include <tiffio.h>
#include <unistd.h>

#include <pellucid/io.h>

#include "check.h"

#define CAP ((size_t)64 << 20)

static char folder[64];

static const char *in_folder(const char *name)
{
    static char path[4][256];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

/* ---- Reading into an array */

typedef struct {
    pel_bundle at[8];
    size_t count, most, said;
} taken;

static pel_status take(void *arg, const pel_bundle *bundle)
{
    taken *t = arg;
    if (t->count == t->most)
        return PEL_ECLOSED;
    return pel_bundle_copy(&t->at[t->count++], bundle, NULL);
}

static void say(void *arg, const char *text)
{
    CHECK(text[0] != '\0');
    ((taken *)arg)->said++;
}

static void drop(taken *t)
{
    for (size_t i = 0; i < t->count; i++)
        pel_bundle_clear(&t->at[i]);
    t->count = 0;
}

static pel_error last;

static pel_status read_as(const char *path, const char *role, bool volume, bool linear, size_t cap,
                          taken *t)
{
    *t = (taken){.most = 8};
    pel_read_params params = {.role = role, .volume = volume, .linear = linear, .memory_cap = cap,
                              .emit = take, .say = say, .arg = t};
    last = (pel_error){PEL_OK, ""};
    return pel_file_read(path, &params, &last);
}

/* The file must hold `count` frames, all of `size`. */
static bool read_good(const char *path, size_t count, pel_size size, taken *t)
{
    pel_status status = read_as(path, "image", false, false, CAP, t);
    CHECK(status == PEL_OK, "%s: %s", path, last.text);
    CHECK(t->count == count, "%s: %zu frames", path, t->count);
    for (size_t i = 0; i < t->count; i++)
        CHECK(pel_size_equal(t->at[i].image->size, size), "%s: %zux%zux%zux%zu", path,
              t->at[i].image->size.w, t->at[i].image->size.h, t->at[i].image->size.d,
              t->at[i].image->size.c);
    return status == PEL_OK && t->count == count && pel_size_equal(t->at[0].image->size, size);
}

static void put_file(const char *path, const void *bytes, size_t count)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, count, file) != count || fclose(file) != 0)
        abort();
}

static void check_samples(const char *what, const pel_frame *frame, const float *expected,
                          double tolerance)
{
    const float *v = pel_frame_floats(frame);
    size_t bad = 0, n = pel_size_count(frame->size);
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)v[i] - (double)expected[i]) <= tolerance) && bad++ == 0)
            printf("%s: sample %zu is %.9g, expected %.9g\n", what, i, (double)v[i],
                   (double)expected[i]);
    CHECK(bad == 0, "%s: %zu of %zu samples", what, bad, n);
}

/* A text that must be refused with this word in its cause, before or after any frame. */
static void refused(const char *path, pel_status expected, const char *word)
{
    taken t;
    pel_status status = read_as(path, "image", false, false, CAP, &t);
    CHECK(status == expected && last.status == expected, "%s: status %d, '%s'", path,
          (int)status, last.text);
    CHECK(strstr(last.text, word) != NULL, "'%s' does not say '%s'", last.text, word);
    CHECK(strstr(last.text, path) != NULL, "'%s' does not name the file", last.text);
    drop(&t);
}

static void refused_bytes(const char *bytes, size_t count, const char *word)
{
    const char *path = in_folder("refused");
    put_file(path, bytes, count);
    refused(path, PEL_EFORMAT, word);
    unlink(path);
}

/* ---- Formats written by hand */

#define BYTES(text) text, sizeof text - 1

static void test_pnm(void)
{
    static const struct {
        const char *bytes;
        size_t count;
        size_t frames;
        pel_size size;
        float samples[8]; /* of the first frame */
        const char *source;
    } cases[] = {
        {BYTES("P1 # a comment\n3 2\n0 1 0\n110\n"), 1, {3, 2, 1, 1}, {1, 0, 1, 0, 0, 1}, "u8"},
        {BYTES("P2\n2 2\n# full scale\n200\n0 50\n100 200\n"),
         1, {2, 2, 1, 1}, {0, .25f, .5f, 1}, "u8"},
        {BYTES("P3\n2 1\n10\n1 2 3 4 5 10\n"), 1, {2, 1, 1, 3}, {.1f, .4f, .2f, .5f, .3f, 1}, "u8"},
        {BYTES("P4\n3 2\n\x40\xc0"), 1, {3, 2, 1, 1}, {1, 0, 1, 0, 0, 1}, "u8"},
        {BYTES("P5\n2 1\n255\n\x33\xff" "P5\n2 1\n255\n\x01\x02"), 2, {2, 1, 1, 1}, {.2f, 1}, "u8"},
        {BYTES("P5 2 1 65535\n\x33\x33\xff\xff"), 1, {2, 1, 1, 1}, {.2f, 1}, "u16"},
        {BYTES("P6\n2 1\n255\n\x00\x33\x66\x99\xcc\xff"),
         1, {2, 1, 1, 3}, {0, .6f, .2f, .8f, .4f, 1}, "u8"},
        {BYTES("P7\nWIDTH 2\nHEIGHT 1\nDEPTH 2\nMAXVAL 255\n"
               "TUPLTYPE GRAYSCALE_ALPHA\nENDHDR\n\x33\x66\x99\xcc"),
         1, {2, 1, 1, 1}, {.2f, .6f}, "u8"},
        {BYTES("Pf\n1 2\n-1.0\n\x00\x00\x80\x3f\x00\x00\x20\xc1"),
         1, {1, 2, 1, 1}, {-10, 1}, "f32"},
        {BYTES("PF\n1 1\n1.0\n\x3f\x80\x00\x00\xc1\x20\x00\x00\x40\x00\x00\x00"),
         1, {1, 1, 1, 3}, {1, -10, 2}, "f32"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        taken t;
        const char *path = in_folder("a.pnm");
        put_file(path, cases[i].bytes, cases[i].count);
        if (read_good(path, cases[i].frames, cases[i].size, &t)) {
            const pel_frame *image = t.at[0].image;
            check_samples(cases[i].bytes, image, cases[i].samples, 1e-7);
            CHECK_TEXT(pel_frame_key(image, "source"), cases[i].source);
            CHECK((pel_frame_key(image, "transfer") != NULL) == (cases[i].source[0] == 'u'));
            CHECK_TEXT(pel_frame_key(image, "name"), path);
        }
        drop(&t);
        unlink(path);
    }
    refused_bytes(BYTES("P5\n2 2\n255\nabc"), "cut off");
    refused_bytes(BYTES("P2\n2 1\n9\n3 10\n"), "maximum");
    refused_bytes(BYTES("P5\n90000 90000\n255\nabc"), "too short");
    refused_bytes(BYTES("P5\n2 0\n255\nabc"), "header");
    refused_bytes(BYTES("P7\nWIDTH 2\nHEIGHT 1\nMAXVAL 255\nENDHDR\nab"), "header");
    refused_bytes(BYTES("PF\n1 1\n0\nabcdabcdabcd"), "header");
}

static void test_text(void)
{
    taken t;
    const char *path = in_folder("k.txt");
    static const float expected[6] = {1, 2.5f, -3, 4e-3f, 5, 6};
    put_file(path, BYTES("1 2.5,-3\n\n4e-3;5\t6\r\n"));
    if (read_good(path, 1, pel_size_make(3, 2, 1, 1), &t))
        check_samples("text", t.at[0].image, expected, 1e-9);
    drop(&t);
    CHECK(read_as(path, "psf", false, false, CAP, &t) == PEL_OK && t.count == 1 &&
          t.at[0].image == NULL && pel_bundle_find(&t.at[0], "psf", NULL) != NULL);
    drop(&t);
    unlink(path);
    refused_bytes(BYTES("1 2\n3\n"), "row 1 has 1 numbers");
    refused_bytes(BYTES("1 2-3\n"), "no number");
    refused_bytes(BYTES("what is this?\n"), "not a format");
}

/* ---- TIFF files as others write them */

typedef struct {
    const char *name, *mode;
    unsigned bits, format, samples, photometric, planar;
    bool tiled;
    unsigned extra; /* the last sample is no colour */
} tiff_case;

enum { TW = 37, TH = 21, TILE = 16, MOST_SAMPLES = 5 };

static double tiff_value(const tiff_case *k, unsigned x, unsigned y, unsigned c)
{
    double v = (double)(x * 7 + y * 13 + c * 29);
    if (k->format == SAMPLEFORMAT_IEEEFP)
        return k->bits == 64 ? v / 8 - 30.0 - 1e-12 : v / 8 - 30.0;
    double full = pow(2, k->bits), scaled = fmod(v * floor(full / 311 + 1), full);
    return floor(k->format == SAMPLEFORMAT_INT ? scaled - full / 2 : scaled);
}

static void tiff_put(const tiff_case *k, uint8_t *to, double v)
{
    int64_t i = (int64_t)v;
    float f = (float)v;
    if (k->format == SAMPLEFORMAT_IEEEFP)
        memcpy(to, k->bits == 64 ? (void *)&v : (void *)&f, k->bits / 8);
    else
        memcpy(to, &i, k->bits / 8); /* little-endian machines only, as configure sees to */
}

static void make_tiff(const char *path, const tiff_case *k, unsigned pages)
{
    static uint8_t buffer[TW * TILE * MOST_SAMPLES * 8];
    TIFF *tiff = TIFFOpen(path, k->mode);
    bool split = k->planar == PLANARCONFIG_SEPARATE;
    unsigned inner = split ? 1 : k->samples, size = k->bits / 8, bw = k->tiled ? TILE : TW,
             bh = k->tiled ? TILE : 1;
    uint16_t alpha = EXTRASAMPLE_UNASSALPHA;
    for (unsigned page = 0; page < pages; page++) {
        TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, TW);
        TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, TH);
        TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, k->bits);
        TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, k->samples);
        TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, k->format);
        TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, k->photometric);
        TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, k->planar);
        if (k->extra > 0)
            TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, 1, &alpha);
        if (k->tiled) {
            TIFFSetField(tiff, TIFFTAG_TILEWIDTH, TILE);
            TIFFSetField(tiff, TIFFTAG_TILELENGTH, TILE);
        } else {
            TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, 4);
        }
        if (k->photometric == PHOTOMETRIC_PALETTE) {
            uint16_t map[3][256];
            for (unsigned i = 0; i < 256; i++)
                for (unsigned c = 0; c < 3; c++)
                    map[c][i] = (uint16_t)(i * (c + 3) * 67);
            TIFFSetField(tiff, TIFFTAG_COLORMAP, map[0], map[1], map[2]);
        }
        for (unsigned c = 0; c < (split ? k->samples : 1); c++)
            for (unsigned y = 0; y < TH; y += bh)
                for (unsigned x = 0; x < TW; x += bw) {
                    for (unsigned j = 0; j < bh; j++)
                        for (unsigned i = 0; i < bw; i++)
                            for (unsigned s = 0; s < inner; s++)
                                tiff_put(k, buffer + ((j * bw + i) * inner + s) * size,
                                         tiff_value(k, x + i, y + j + page, c + s));
                    if ((k->tiled ? TIFFWriteTile(tiff, buffer, x, y, 0, (uint16_t)c)
                                  : TIFFWriteScanline(tiff, buffer, y, (uint16_t)c)) < 0)
                        abort();
                }
        TIFFWriteDirectory(tiff);
    }
    TIFFClose(tiff);
}

static void tiff_expected(const tiff_case *k, unsigned c, unsigned page, float *to)
{
    double full = k->format == SAMPLEFORMAT_UINT ? pow(2, k->bits) - 1 : 1;
    for (unsigned y = 0; y < TH; y++)
        for (unsigned x = 0; x < TW; x++) {
            bool palette = k->photometric == PHOTOMETRIC_PALETTE;
            double v = tiff_value(k, x, y + page, palette ? 0 : c);
            if (palette)
                v = (double)(uint16_t)((unsigned)v * (c + 3) * 67) / 65535;
            else
                v /= full;
            *to++ = (float)(k->photometric == PHOTOMETRIC_MINISWHITE ? 1 - v : v);
        }
}

static const tiff_case tiff_cases[] = {
    {"u8", "w", 8, SAMPLEFORMAT_UINT, 1, PHOTOMETRIC_MINISBLACK, 1, false, 0},
    {"u16 big-endian", "wb", 16, SAMPLEFORMAT_UINT, 1, PHOTOMETRIC_MINISBLACK, 1, false, 0},
    {"u32", "w", 32, SAMPLEFORMAT_UINT, 1, PHOTOMETRIC_MINISBLACK, 1, false, 0},
    {"i8", "w", 8, SAMPLEFORMAT_INT, 1, PHOTOMETRIC_MINISBLACK, 1, false, 0},
    {"i16 tiles", "w", 16, SAMPLEFORMAT_INT, 1, PHOTOMETRIC_MINISBLACK, 1, true, 0},
    {"i32", "w", 32, SAMPLEFORMAT_INT, 1, PHOTOMETRIC_MINISBLACK, 1, false, 0},
    {"f32 big-endian tiles", "wb", 32, SAMPLEFORMAT_IEEEFP, 1, PHOTOMETRIC_MINISBLACK, 1, true, 0},
    {"f64 BigTIFF", "w8", 64, SAMPLEFORMAT_IEEEFP, 1, PHOTOMETRIC_MINISBLACK, 1, false, 0},
    {"MINISWHITE", "w", 8, SAMPLEFORMAT_UINT, 1, PHOTOMETRIC_MINISWHITE, 1, false, 0},
    {"RGB", "w", 8, SAMPLEFORMAT_UINT, 3, PHOTOMETRIC_RGB, PLANARCONFIG_CONTIG, false, 0},
    {"RGB planes", "w", 16, SAMPLEFORMAT_UINT, 3, PHOTOMETRIC_RGB, PLANARCONFIG_SEPARATE, false, 0},
    {"RGB tiles", "w", 8, SAMPLEFORMAT_UINT, 3, PHOTOMETRIC_RGB, PLANARCONFIG_CONTIG, true, 0},
    {"RGB planes of tiles", "w", 32, SAMPLEFORMAT_IEEEFP, 3, PHOTOMETRIC_RGB,
     PLANARCONFIG_SEPARATE, true, 0},
    {"RGBA", "w", 8, SAMPLEFORMAT_UINT, 4, PHOTOMETRIC_RGB, PLANARCONFIG_CONTIG, false, 1},
    {"RGBA planes", "w", 16, SAMPLEFORMAT_UINT, 4, PHOTOMETRIC_RGB, PLANARCONFIG_SEPARATE, true, 1},
    {"grey and alpha", "w", 8, SAMPLEFORMAT_UINT, 2, PHOTOMETRIC_MINISBLACK,
     PLANARCONFIG_CONTIG, false, 1},
    {"palette", "w", 8, SAMPLEFORMAT_UINT, 1, PHOTOMETRIC_PALETTE, 1, false, 0},
};

static void test_tiff_reading(void)
{
    static float expected[TW * TH * MOST_SAMPLES * 3];
    for (size_t n = 0; n < sizeof tiff_cases / sizeof tiff_cases[0]; n++) {
        const tiff_case *k = &tiff_cases[n];
        const char *path = in_folder("a.tif");
        taken t;
        size_t channels = k->photometric == PHOTOMETRIC_PALETTE ? 3 : k->samples - k->extra;
        make_tiff(path, k, 2);
        if (read_good(path, 2, pel_size_make(TW, TH, 1, channels), &t))
            for (unsigned page = 0; page < 2; page++) {
                for (unsigned c = 0; c < channels; c++)
                    tiff_expected(k, c, page, expected + c * TW * TH);
                check_samples(k->name, t.at[page].image, expected, 1e-6);
                const pel_frame *alpha = pel_bundle_find(&t.at[page], "alpha", NULL);
                CHECK((alpha != NULL) == (k->extra > 0), "%s", k->name);
                tiff_expected(k, (unsigned)channels, page, expected);
                if (alpha != NULL)
                    check_samples(k->name, alpha, expected, 1e-6);
            }
        CHECK((t.said > 0) == (k->bits == 64), "%s: what is lost is said", k->name);
        drop(&t);
        CHECK(read_as(path, "image", true, false, CAP, &t) == PEL_OK && t.count == 1, "%s",
              last.text);
        if (t.count == 1 &&
            pel_size_equal(t.at[0].image->size, pel_size_make(TW, TH, 2, channels))) {
            for (unsigned c = 0; c < channels; c++)
                for (unsigned page = 0; page < 2; page++)
                    tiff_expected(k, c, page, expected + (c * 2 + page) * TW * TH);
            check_samples(k->name, t.at[0].image, expected, 1e-6);
        } else {
            CHECK(false, "%s: no volume of two planes", k->name);
        }
        drop(&t);
        CHECK(read_as(path, "image", false, false, TW * TH * 4 * channels - 1, &t) != PEL_OK &&
              t.count == 0, "%s: over the memory cap", k->name);
        drop(&t);
        unlink(path);
    }
}

/* ---- PNG and JPEG as others write them */

static void test_png_palette(void)
{
    const char *path = in_folder("p.png");
    FILE *file = fopen(path, "wb");
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    static const png_color colours[3] = {{51, 102, 153}, {255, 0, 204}, {0, 255, 51}};
    static const png_byte opaque[2] = {255, 102}, rows[2][5] = {{0, 1, 2, 1, 0}, {2, 2, 0, 1, 1}};
    png_init_io(png, file);
    png_set_IHDR(png, info, 5, 2, 2, PNG_COLOR_TYPE_PALETTE, PNG_INTERLACE_NONE, 0, 0);
    png_set_PLTE(png, info, colours, 3);
    png_set_tRNS(png, info, opaque, 2, NULL);
    png_write_info(png, info);
    png_set_packing(png);
    for (int y = 0; y < 2; y++)
        png_write_row(png, rows[y]);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    fclose(file);
    float image[30], alpha[10];
    for (int i = 0; i < 10; i++) {
        png_byte index = rows[i / 5][i % 5];
        image[i] = (float)colours[index].red / 255;
        image[10 + i] = (float)colours[index].green / 255;
        image[20 + i] = (float)colours[index].blue / 255;
        alpha[i] = index < 2 ? (float)opaque[index] / 255 : 1;
    }
    taken t;
    if (read_good(path, 1, pel_size_make(5, 2, 1, 3), &t)) {
        check_samples("palette", t.at[0].image, image, 1e-7);
        const pel_frame *found = pel_bundle_find(&t.at[0], "alpha", NULL);
        CHECK(found != NULL);
        if (found != NULL)
            check_samples("tRNS", found, alpha, 1e-7);
    }
    drop(&t);
    unlink(path);
}

/* ---- Orientation: a picture of 24x16 in blocks of 8x8 of one value each. */

static uint8_t block(size_t x, size_t y)
{
    return (uint8_t)(20 + 40 * (x / 8) + 15 * (y / 8));
}

/* For odd orientations little-endian, as the rest are not. */
static void make_exif(uint8_t exif[32], unsigned orientation)
{
    static const uint8_t big[32] = "Exif\0\0MM\0*\0\0\0\10\0\1\1\22\0\3\0\0\0\1\0\0\0\0\0\0\0";
    static const uint8_t little[26] = "II*\0\10\0\0\0\1\0\22\1\3\0\1\0\0\0\0\0\0\0\0\0\0";
    memcpy(exif, big, sizeof big);
    if (orientation % 2 == 1)
        memcpy(exif + 6, little, sizeof little);
    exif[6 + (orientation % 2 == 0 ? 19 : 18)] = (uint8_t)orientation;
}

static void make_turned_png(const char *path, unsigned orientation)
{
    uint8_t exif[32], row[24];
    FILE *file = fopen(path, "wb");
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    make_exif(exif, orientation);
    png_init_io(png, file);
    png_set_IHDR(png, info, 24, 16, 8, PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE, 0, 0);
    png_set_eXIf_1(png, info, 26, exif + 6);
    png_write_info(png, info);
    for (size_t y = 0; y < 16; y++) {
        for (size_t x = 0; x < 24; x++)
            row[x] = block(x, y);
        png_write_row(png, row);
    }
    png_set_invalid(png, info, PNG_INFO_eXIf); /* else png_write_end writes it again */
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    fclose(file);
}

static void make_turned_tiff(const char *path, unsigned orientation)
{
    TIFF *tiff = TIFFOpen(path, "w");
    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, 24);
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, 16);
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 8);
    TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
    TIFFSetField(tiff, TIFFTAG_ORIENTATION, orientation);
    for (unsigned y = 0; y < 16; y++) {
        uint8_t row[24];
        for (size_t x = 0; x < 24; x++)
            row[x] = block(x, y);
        if (TIFFWriteScanline(tiff, row, y, 0) < 0)
            abort();
    }
    TIFFClose(tiff);
}

static void make_turned_jpeg(const char *path, unsigned orientation)
{
    uint8_t exif[32];
    make_exif(exif, orientation);
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr manager;
    FILE *file = fopen(path, "wb");
    info.err = jpeg_std_error(&manager);
    jpeg_create_compress(&info);
    jpeg_stdio_dest(&info, file);
    info.image_width = 24;
    info.image_height = 16;
    info.input_components = 1;
    info.in_color_space = JCS_GRAYSCALE;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, 100, TRUE);
    jpeg_start_compress(&info, TRUE);
    jpeg_write_marker(&info, JPEG_APP0 + 1, exif, 6 + 26);
    for (size_t y = 0; y < 16; y++) {
        uint8_t line[24], *row = line;
        for (size_t x = 0; x < 24; x++)
            line[x] = block(x, y);
        (void)jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    fclose(file);
}

/* EXIF 2.3, 4.6.4: which side of the picture as seen the stored row 0 and column 0 are. */
static const struct {
    char row, column;
} sides[9] = {{0, 0},     {'t', 'l'}, {'t', 'r'}, {'b', 'r'}, {'b', 'l'},
              {'l', 't'}, {'r', 't'}, {'r', 'b'}, {'l', 'b'}};

static const struct {
    const char *name;
    void (*make)(const char *path, unsigned orientation);
    bool has_exif;
    double tolerance;
} turned[] = {{"o.jpg", make_turned_jpeg, true, 1.01 / 255},
              {"o.png", make_turned_png, true, 1e-7},
              {"o.tif", make_turned_tiff, false, 1e-7}};

static void check_orientation(size_t n, unsigned o)
{
    size_t w = o >= 5 ? 16 : 24, h = o >= 5 ? 24 : 16;
    float expected[24 * 16];
    for (size_t j = 0; j < 16; j++)
        for (size_t i = 0; i < 24; i++) {
            size_t x = sides[o].row == 'l'      ? j : sides[o].row == 'r' ? 15 - j
                       : sides[o].column == 'l' ? i : 23 - i;
            size_t y = sides[o].row == 't'      ? j : sides[o].row == 'b' ? 15 - j
                       : sides[o].column == 't' ? i : 23 - i;
            expected[y * w + x] = (float)block(i, j) / 255;
        }
    const char *path = in_folder(turned[n].name);
    turned[n].make(path, o);
    taken t;
    if (read_good(path, 1, pel_size_make(w, h, 1, 1), &t)) {
        check_samples(turned[n].name, t.at[0].image, expected, turned[n].tolerance);
        const pel_frame *exif = pel_bundle_find(&t.at[0], "meta", "exif");
        CHECK(!turned[n].has_exif || (exif != NULL && exif->bytes == 26 &&
              pel_frame_bytes(exif)[o % 2 == 0 ? 19 : 18] == 1), "the EXIF that is kept says 1");
    }
    drop(&t);
    unlink(path);
}

static void test_orientation(void)
{
    for (size_t n = 0; n < sizeof turned / sizeof turned[0]; n++)
        for (unsigned o = 1; o <= 8; o++)
            check_orientation(n, o);
}

/* ImageJ describes a file once, on its first page. */
static void test_imagej(void)
{
    const char *path = in_folder("j.tif");
    TIFF *tiff = TIFFOpen(path, "w");
    for (unsigned page = 0; page < 3; page++) {
        uint8_t row[5] = {1, 2, 3, 4, (uint8_t)page};
        TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, 5);
        TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, 1);
        TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 8);
        TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
        TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
        if (page == 0) {
            TIFFSetField(tiff, TIFFTAG_IMAGEDESCRIPTION,
                         "ImageJ=1.53t\nimages=3\nslices=3\nunit=micron\nspacing=0.25\n");
            TIFFSetField(tiff, TIFFTAG_XRESOLUTION, 8.0);
            TIFFSetField(tiff, TIFFTAG_YRESOLUTION, 4.0);
        }
        if (TIFFWriteScanline(tiff, row, 0, 0) < 0)
            abort();
        TIFFWriteDirectory(tiff);
    }
    TIFFClose(tiff);
    taken t;
    if (read_good(path, 3, pel_size_make(5, 1, 1, 1), &t))
        for (size_t i = 0; i < 3; i++) {
            CHECK_TEXT(pel_frame_key(t.at[i].image, "px"), "0.125um,0.25um,0.25um");
            CHECK(pel_bundle_find(&t.at[i], "meta", "description") != NULL, "page %zu", i);
            CHECK_NEAR(pel_frame_floats(t.at[i].image)[4], (double)i / 255, 1e-7);
        }
    drop(&t);
    unlink(path);
}

int main(void)
{
    snprintf(folder, sizeof folder, "/tmp/pellucid-io-XXXXXX");
    if (mkdtemp(folder) == NULL)
        abort();
    test_pnm();
    test_text();
    test_tiff_reading();
    test_png_palette();
    test_orientation();
    test_imagej();
    CHECK(rmdir(folder) == 0, "something is left in %s", folder);
    return check_done();
}
