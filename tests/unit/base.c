/* base.c - errors, sizes, numbers, options, threads, random numbers.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdatomic.h>

#include <pellucid/number.h>
#include <pellucid/options.h>
#include <pellucid/pool.h>
#include <pellucid/rng.h>

#include "check.h"

static void test_error(void)
{
    pel_error error;
    CHECK(pel_error_set(&error, PEL_EIO, "a\nb %d", 7) == PEL_EIO);
    CHECK_TEXT(error.text, "a?b 7");
    CHECK(pel_error_prefix(&error, "file %s", "x.tif") == PEL_EIO);
    CHECK_TEXT(error.text, "file x.tif: a?b 7");
    char name[600];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    pel_error_prefix(&error, "%s", name);
    CHECK(strlen(error.text) == sizeof error.text - 1);
    CHECK(strstr(error.text, "n: file x.tif: a?b 7") != NULL, "the cause is kept whole");
    CHECK(pel_error_set(NULL, PEL_EIO, "x") == PEL_EIO);
}

static void test_sizes(void)
{
    size_t bytes = 17;
    CHECK(pel_size_bytes(pel_size_make(3, 5, 7, 2), 4, &bytes) && bytes == 840);
    CHECK(!pel_size_bytes(pel_size_make(SIZE_MAX, 2, 1, 1), 4, &bytes) && bytes == 840);
    CHECK(!pel_size_bytes(pel_size_make((size_t)1 << 31, (size_t)1 << 31, 1, 1), 1, &bytes));
    CHECK(pel_alloc(SIZE_MAX - 3) == NULL);
    CHECK(pel_alloc_floats(SIZE_MAX / 4) == NULL);
    float *floats = pel_calloc_floats(5 << 20);
    CHECK(floats != NULL && (uintptr_t)floats % 64 == 0 && floats[(5 << 20) - 1] == 0);
    pel_free(floats);
    pel_free(NULL);
}

static void test_numbers(void)
{
    double v = -1;
    CHECK(pel_number_real("2.55/255", &v));
    CHECK_NEAR(v, 0.01, 1e-15);
    CHECK(pel_number_real("-1.5e-3*2/3", &v));
    CHECK_NEAR(v, -1e-3, 1e-15);
    CHECK(pel_number_real(".5", &v) && v == 0.5);
    v = 3;
    static const char *const refused[] = {"", " 1", "1 ", "nan", "inf", "0x10", "1/0", "1//2", "1*",
                                          "a", "1e999", "--1", "1,5", ".", "-", "/2", "1+1"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        CHECK(!pel_number_real(refused[i], &v) && v == 3, "'%s'", refused[i]);
    double low = -1, high = -1;
    CHECK(pel_number_range("0..50/255", &low, &high) && low == 0);
    CHECK_NEAR(high, 50.0 / 255, 1e-15);
    CHECK(pel_number_range("-45..-2.5e1", &low, &high) && low == -45 && high == -25);
    CHECK(pel_number_range("3/2", &low, &high) && low == 1.5 && high == 1.5);
    CHECK(pel_number_range("2..2", &low, &high) && low == 2 && high == 2);
    low = high = 3;
    static const char *const no_range[] = {"", "..", "1..", "..1", "2..1", "1..2..3", "1...", "1.. 2",
                                           "1-2", "a..b", "1..nan"};
    for (size_t i = 0; i < sizeof no_range / sizeof no_range[0]; i++)
        CHECK(!pel_number_range(no_range[i], &low, &high) && low == 3 && high == 3, "'%s'", no_range[i]);
    long long n = 0;
    CHECK(pel_number_integer("-42", &n) && n == -42);
    CHECK(!pel_number_integer("4.2", &n) && !pel_number_integer("", &n) &&
          !pel_number_integer("99999999999999999999", &n) && !pel_number_integer(" 1", &n));
    size_t b = 0;
    CHECK(pel_number_bytes("512M", &b) && b == (size_t)512 << 20);
    CHECK(pel_number_bytes("7", &b) && b == 7);
    CHECK(!pel_number_bytes("-1", &b) && !pel_number_bytes("1Q", &b) && !pel_number_bytes("1MB", &b) &&
          !pel_number_bytes("99999999999T", &b));
    char text[32];
    pel_number_format(0.1, text);
    CHECK_TEXT(text, "0.1");
    uint32_t seed = 5;
    for (int i = 0; i < 1000; i++) {
        float x = (check_random(&seed) - 0.5f) * powf(10, 20 * check_random(&seed) - 10);
        pel_number_format((double)x, text);
        CHECK(strtof(text, NULL) == x, "%s", text);
    }
}

typedef struct {
    bool fast;
    long n;
    double s;
    const char *k;
    int prior;
    pel_texts lists;
    double keep;
    int show;
} settings;
static const pel_option table[] = {
    {"fast", 'f', PEL_OPT_FLAG, offsetof(settings, fast), 0, 0, NULL, NULL, NULL, "be fast"},
    {"count", 'n', PEL_OPT_INTEGER_AUTO, offsetof(settings, n), 1, 99, "auto", "N", NULL, "how many"},
    {"sigma", 's', PEL_OPT_REAL_AUTO, offsetof(settings, s), 0, 10, "0.5", "X", NULL, "noise"},
    {"psf", 'k', PEL_OPT_TEXT, offsetof(settings, k), 0, 0, NULL, "SPEC", NULL, "the PSF"},
    {"prior", 0, PEL_OPT_CHOICE, offsetof(settings, prior), 0, 0, "tv", NULL, "tv|hyper", "prior"},
    {"list", 0, PEL_OPT_TEXTS, offsetof(settings, lists), 0, 0, NULL, "X", NULL, "more"},
    {"keep", 0, PEL_OPT_REAL, offsetof(settings, keep), 1, 9, NULL, "[=X]", "4", "a value that may be left out"},
    {"show", 0, PEL_OPT_CHOICE, offsetof(settings, show), 0, 0, "none", "[=all]", "none|some|all", "so may this"},
    {NULL}};

static pel_status parse(settings *s, int argc, const char **words, int *operands, pel_error *error)
{
    char *argv[16];
    static char copies[16][64];
    for (int i = 0; i < argc; i++) {
        snprintf(copies[i], sizeof copies[i], "%s", words[i]);
        argv[i] = copies[i];
    }
    argv[argc] = NULL;
    memset(s, 0, sizeof *s);
    pel_option_block block = {table, s};
    if (pel_options_defaults(table, s, error) != PEL_OK)
        return PEL_EINVAL;
    pel_status status = pel_options_parse(&block, 1, argc, argv, NULL, NULL, operands, error);
    for (int i = 0; status == PEL_OK && i < *operands; i++)
        words[i] = argv[1 + i];
    return status;
}

static void test_options(void)
{
    settings s;
    pel_error error;
    int operands;
    const char *good[] = {"x", "one", "-f", "-n", "7", "--sigma=2.5/5", "two", "--list", "a",
                          "--list=b", "--prior", "hyper", "--", "-3"};
    CHECK(parse(&s, 14, good, &operands, &error) == PEL_OK, "%s", error.text);
    CHECK(s.fast && s.n == 7 && s.s == 0.5 && s.prior == 1 && s.lists.count == 2 && s.k == NULL);
    CHECK(operands == 3);
    CHECK_TEXT(good[0], "one");
    CHECK_TEXT(good[2], "-3");
    const char *none[] = {"x"};
    CHECK(parse(&s, 1, none, &operands, &error) == PEL_OK && operands == 0);
    CHECK(!s.fast && s.n == -1 && s.s == 0.5 && s.prior == 0);
    const char *automatic[] = {"x", "-s", "auto"};
    CHECK(parse(&s, 3, automatic, &operands, &error) == PEL_OK && isnan(s.s));
    const char *alone[] = {"x", "--keep", "5", "--show"}, *valued[] = {"x", "--keep=5", "--show=all"};
    CHECK(parse(&s, 4, alone, &operands, &error) == PEL_OK && s.keep == 4 && s.show == 1 && operands == 1);
    CHECK(parse(&s, 3, valued, &operands, &error) == PEL_OK && s.keep == 5 && s.show == 2 && operands == 0);
    CHECK(parse(&s, 1, none, &operands, &error) == PEL_OK && s.keep == 0 && s.show == 0);
    static const char *const bad[][2] = {
        {"--keep=10", "x"}, {"--keep=", "x"}, {"--show=few", "x"}, {"-n", "0"}, {"-n", "100"}, {"-n", "1.5"}, {"-n", "x"}, {"-s", "11"}, {"-s", "-1"},
        {"-s", ""}, {"-k", ""}, {"--prior", "l2"}, {"--nothing", "x"}, {"-z", "x"}, {"--fast=1", "x"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *words[] = {"x", bad[i][0], bad[i][1]};
        CHECK(parse(&s, 3, words, &operands, &error) == PEL_EUSAGE, "%s %s", bad[i][0], bad[i][1]);
        CHECK(strlen(error.text) > 8);
    }
    const char *missing[] = {"x", "--sigma"};
    CHECK(parse(&s, 2, missing, &operands, &error) == PEL_EUSAGE);
    CHECK(strstr(error.text, "--sigma") != NULL, "%s", error.text);
}

typedef struct {
    pel_pool *pool;
    atomic_int hits[1000];
    atomic_int bad, nested;
} pieces;

static void nested_piece(void *arg, size_t index, size_t worker)
{
    pieces *p = arg;
    (void)index;
    (void)worker;
    atomic_fetch_add(&p->nested, 1);
}

static void piece(void *arg, size_t index, size_t worker)
{
    pieces *p = arg;
    atomic_fetch_add(&p->hits[index], 1);
    if (worker >= pel_pool_threads(p->pool))
        atomic_fetch_add(&p->bad, 1);
    if (index % 100 == 0)
        pel_pool_run(p->pool, 3, nested_piece, p);
}

static void test_pool(void)
{
    pel_error error;
    static pieces p;
    for (size_t threads = 1; threads <= 5; threads += 2) {
        memset(&p, 0, sizeof p);
        CHECK(pel_pool_new(threads, &p.pool, &error) == PEL_OK);
        CHECK(pel_pool_threads(p.pool) == threads);
        for (int round = 0; round < 50; round++)
            pel_pool_run(p.pool, 1000, piece, &p);
        int wrong = 0;
        for (int i = 0; i < 1000; i++)
            wrong += p.hits[i] != 50;
        CHECK(wrong == 0 && p.bad == 0);
        CHECK(p.nested == 50 * 10 * 3);
        pel_pool_free(p.pool);
    }
    memset(&p, 0, sizeof p);
    pel_pool_run(NULL, 7, nested_piece, &p);
    CHECK(p.nested == 7);
    pel_pool *none;
    CHECK(pel_pool_new(5000, &none, &error) == PEL_EINVAL);
}

static void test_rng(void)
{
    pel_rng *a = pel_rng_new(1, 0), *b = pel_rng_new(1, 0), *c = pel_rng_new(1, 1);
    int differ = 0;
    double sum = 0, square = 0, poisson = 0;
    for (int i = 0; i < 20000; i++) {
        double x = pel_rng_gaussian(a, 2);
        CHECK(x == pel_rng_gaussian(b, 2));
        differ += x != pel_rng_gaussian(c, 2);
        sum += x;
        square += x * x;
    }
    CHECK(differ > 19990);
    CHECK_NEAR(sum / 20000, 0, 5 * 2 / sqrt(20000.0));
    CHECK_NEAR(square / 20000, 4, 5 * 4 * sqrt(2 / 20000.0));
    for (int i = 0; i < 20000; i++)
        poisson += pel_rng_poisson(a, 3.5);
    CHECK_NEAR(poisson / 20000, 3.5, 5 * sqrt(3.5 / 20000));
    CHECK(pel_rng_poisson(a, 0) == 0);
    CHECK_NEAR(pel_rng_poisson(a, 1e12), 1e12, 6e6);
    for (int i = 0; i < 1000; i++) {
        double u = pel_rng_uniform(a);
        CHECK(u >= 0 && u < 1 && pel_rng_below(a, 3) < 3);
    }
    pel_rng_free(a);
    pel_rng_free(b);
    pel_rng_free(c);
    pel_rng_free(NULL);
}

int main(void)
{
    test_error();
    test_sizes();
    test_numbers();
    test_options();
    test_pool();
    test_rng();
    return check_done();
}
