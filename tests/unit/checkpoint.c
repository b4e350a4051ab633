/* checkpoint.c - what is written comes back; every damaged byte and every other length is refused.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <unistd.h>

#include "check.h"
#include "src/lib/train/checkpoint.h"

enum { COUNT = 7, FEEDS = 2, EXTRA = 3 };
static char path[64];

static void fill(pel_train_state *s, uint32_t seed, const char *settings)
{
    *s = (pel_train_state){.settings = settings};
    CHECK(pel_train_state_new(COUNT, FEEDS, EXTRA, s, NULL) == PEL_OK);
    float *const arrays[] = {s->weights, s->first, s->second, s->average, s->best};
    for (size_t k = 0; k < 5; k++)
        for (size_t i = 0; i < COUNT; i++)
            arrays[k][i] = check_random(&seed);
    for (size_t i = 0; i < EXTRA; i++)
        s->extra[i] = check_random(&seed);
    s->feeds[1] = (pel_feed_position){3, seed};
    s->now = (pel_train_numbers){.step = seed, .best_step = 5, .turn = 1, .seconds = 2.5, .best_psnr = 31.25};
    s->now.sums[2] = 0.75;
    s->pair.samples = seed;
    s->pair.input_count = 2;
}

static bool same(const pel_train_state *a, const pel_train_state *b)
{
    size_t n = COUNT * sizeof(float);
    return memcmp(a->weights, b->weights, n) == 0 && memcmp(a->first, b->first, n) == 0 &&
           memcmp(a->second, b->second, n) == 0 && memcmp(a->average, b->average, n) == 0 &&
           memcmp(a->best, b->best, n) == 0 && memcmp(a->extra, b->extra, EXTRA * sizeof(float)) == 0 &&
           memcmp(a->feeds, b->feeds, FEEDS * sizeof *a->feeds) == 0 && memcmp(&a->now, &b->now, sizeof a->now) == 0 &&
           memcmp(&a->pair, &b->pair, sizeof a->pair) == 0;
}

static size_t slurp(char *bytes, size_t room)
{
    FILE *f = fopen(path, "rb");
    size_t n = f != NULL ? fread(bytes, 1, room, f) : 0;
    if (f != NULL)
        fclose(f);
    return n;
}

static void spill(const char *bytes, size_t count)
{
    FILE *f = fopen(path, "wb");
    CHECK(f != NULL && fwrite(bytes, 1, count, f) == count && fclose(f) == 0);
}

/* Reads it, and compares with `like`. */
static pel_status read_back(const pel_train_state *like, const char *settings, size_t feeds, pel_error *error)
{
    pel_train_state s = {.settings = settings, .feed_count = feeds};
    pel_status status = pel_checkpoint_read(path, &s, error);
    CHECK(status != PEL_OK || (s.count == COUNT && s.extra_count == EXTRA && same(like, &s)));
    pel_train_state_free(&s);
    return status;
}

static void test_damage(const pel_train_state *like)
{
    static char bytes[8192];
    size_t count = slurp(bytes, sizeof bytes);
    pel_error error;
    CHECK(count > 400 && count < sizeof bytes);
    for (size_t i = 0; i < count; i++)
        for (int bit = 0; bit < 8; bit += 5) {
            bytes[i] ^= (char)(1 << bit);
            spill(bytes, count);
            CHECK(read_back(like, like->settings, FEEDS, &error) != PEL_OK, "byte %zu", i);
            bytes[i] ^= (char)(1 << bit);
        }
    for (size_t n = 0; n < count; n++) {
        spill(bytes, n);
        CHECK(read_back(like, like->settings, FEEDS, &error) != PEL_OK, "%zu bytes", n);
    }
    spill(bytes, count + 1);
    CHECK(read_back(like, like->settings, FEEDS, &error) == PEL_EFORMAT);
    spill(bytes, count);
    CHECK(read_back(like, like->settings, FEEDS, &error) == PEL_OK);
}

int main(void)
{
    pel_train_state a, b;
    pel_error error;
    snprintf(path, sizeof path, "checkpoint-%ld", (long)getpid());
    fill(&a, 1, "batch=4\nrate=0.5\n");
    fill(&b, 2, "batch=4\nrate=0.5\n");
    CHECK(read_back(&a, a.settings, FEEDS, &error) == PEL_EIO);
    CHECK(pel_checkpoint_write("/nonexistent/checkpoint", &a, &error) == PEL_EIO);
    CHECK(pel_checkpoint_write(path, &b, &error) == PEL_OK); /* replaced by the next */
    CHECK(pel_checkpoint_write(path, &a, &error) == PEL_OK);
    CHECK(!same(&a, &b));
    CHECK(read_back(&a, a.settings, FEEDS, &error) == PEL_OK);
    test_damage(&a);
    CHECK(read_back(&a, "batch=4\nrate=0.25\n", FEEDS, &error) == PEL_EINVAL);
    CHECK(strstr(error.text, "'rate=0.5', not 'rate=0.25'") != NULL, "%s", error.text);
    CHECK(read_back(&a, "batch=4\n", FEEDS, &error) == PEL_EINVAL);
    CHECK(read_back(&a, a.settings, FEEDS - 1, &error) == PEL_EINVAL);
    pel_train_state_free(&a);
    pel_train_state_free(&b);
    unlink(path);
    return check_done();
}
