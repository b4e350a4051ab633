/* checkpoint.c - a header, the settings, positions and arrays, and a CRC-32 of all before it.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pellucid/crc.h>

#include "checkpoint.h"

/* Little-endian, as the machines that Pellucid runs on; 8 bytes each, so that there is no padding. */
typedef struct {
    char magic[8];
    uint64_t settings_bytes, count, extra_count, feed_count;
    pel_cnn_pair pair;
    pel_train_numbers now;
} header;

static const char magic[8] = "PELCKP1";
#define MOST_SETTINGS 65536

pel_status pel_train_state_new(size_t count, size_t feeds, size_t extra, pel_train_state *s, pel_error *error)
{
    s->count = count;
    s->feed_count = feeds;
    s->weights = pel_calloc_floats(count);
    s->first = pel_calloc_floats(count);
    s->second = pel_calloc_floats(count);
    s->average = pel_calloc_floats(count);
    s->best = pel_calloc_floats(count);
    s->extra_count = extra;
    s->extra = pel_calloc_floats(extra + 1);
    s->feeds = calloc(feeds, sizeof *s->feeds);
    bool good = s->weights != NULL && s->first != NULL && s->second != NULL && s->average != NULL &&
                s->best != NULL && s->extra != NULL && s->feeds != NULL;
    return good ? PEL_OK : pel_error_set(error, PEL_ENOMEM, "out of memory: %zu weights", count);
}

void pel_train_state_free(pel_train_state *s)
{
    pel_free(s->weights);
    pel_free(s->first);
    pel_free(s->second);
    pel_free(s->average);
    pel_free(s->best);
    pel_free(s->extra);
    free(s->feeds);
}

/* The parts behind the header, in order. */
enum { PARTS = 8 };
typedef struct {
    void *bytes;
    size_t count;
} part;

static void parts_of(const pel_train_state *s, char *settings, size_t settings_bytes, part parts[PARTS])
{
    const size_t floats = s->count * sizeof(float);
    parts[0] = (part){settings, settings_bytes};
    parts[1] = (part){s->feeds, s->feed_count * sizeof *s->feeds};
    parts[2] = (part){s->weights, floats};
    parts[3] = (part){s->first, floats};
    parts[4] = (part){s->second, floats};
    parts[5] = (part){s->average, floats};
    parts[6] = (part){s->best, floats};
    parts[7] = (part){s->extra, s->extra_count * sizeof(float)};
}

/* ---- Writing */

static bool put(FILE *to, const void *bytes, size_t count, uint32_t *crc)
{
    *crc = pel_crc32(*crc, bytes, count);
    return count == 0 || fwrite(bytes, 1, count, to) == count;
}

static bool put_all(FILE *to, const pel_train_state *s)
{
    header h = {.settings_bytes = strlen(s->settings), .count = s->count, .extra_count = s->extra_count,
                .feed_count = s->feed_count, .pair = s->pair, .now = s->now};
    uint32_t crc = 0;
    part parts[PARTS];
    char settings[MOST_SETTINGS];
    memcpy(h.magic, magic, sizeof magic);
    snprintf(settings, sizeof settings, "%s", s->settings);
    parts_of(s, settings, h.settings_bytes, parts);
    bool good = h.settings_bytes < sizeof settings && put(to, &h, sizeof h, &crc);
    for (size_t i = 0; i < PARTS && good; i++)
        good = put(to, parts[i].bytes, parts[i].count, &crc);
    return good && fwrite(&crc, 1, sizeof crc, to) == sizeof crc && fflush(to) == 0 && fsync(fileno(to)) == 0;
}

/* The new name is on the disk only when its folder is. */
static void sync_folder(const char *path)
{
    char *copy = strdup(path);
    int fd = copy != NULL ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(copy);
}

pel_status pel_checkpoint_write(const char *path, const pel_train_state *s, pel_error *error)
{
    size_t room = strlen(path) + 8;
    char *temporary = malloc(room); /* one name: what a killed run left is overwritten */
    if (temporary == NULL)
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    snprintf(temporary, room, "%s.new", path);
    FILE *to = fopen(temporary, "wbe");
    bool good = to != NULL && put_all(to, s);
    good = to != NULL && fclose(to) == 0 && good;
    good = good && rename(temporary, path) == 0;
    pel_status status = good ? PEL_OK : pel_error_set(error, PEL_EIO, "cannot write %s: %s", path, strerror(errno));
    if (good)
        sync_folder(path);
    else if (to != NULL)
        (void)unlink(temporary);
    free(temporary);
    return status;
}

/* ---- Reading */

/* The first line in which they differ is named. */
static pel_status compare(const char *theirs, const char *ours, const char *path, pel_error *error)
{
    while (*theirs != '\0' || *ours != '\0') {
        size_t a = strcspn(theirs, "\n"), b = strcspn(ours, "\n");
        if (a != b || memcmp(theirs, ours, a) != 0)
            return pel_error_set(error, PEL_EINVAL, "%s is of a run with '%.*s', not '%.*s'", path,
                                 (int)(a < 100 ? a : 100), theirs, (int)(b < 100 ? b : 100), ours);
        theirs += a + (theirs[a] != '\0');
        ours += b + (ours[b] != '\0');
    }
    return PEL_OK;
}

static pel_status damaged(const char *path, const char *how, pel_error *error)
{
    return pel_error_set(error, PEL_EFORMAT, "%s %s", path, how);
}

/* What the header says must be what the file has: nothing is allocated on its word alone. */
static pel_status check_sizes(const char *path, const header *h, uint64_t bytes, const pel_train_state *s,
                              pel_error *error)
{
    if (h->feed_count != s->feed_count)
        return pel_error_set(error, PEL_EINVAL, "%s is of a run with %llu sources of pairs, not %zu", path,
                             (unsigned long long)h->feed_count, s->feed_count);
    uint64_t expected = sizeof *h + h->settings_bytes + s->feed_count * sizeof *s->feeds + sizeof(uint32_t);
    uint64_t most = bytes / sizeof(float); /* so that the products below do not overflow */
    bool good = h->count <= most && h->extra_count <= most &&
                expected + (5 * h->count + h->extra_count) * sizeof(float) == bytes &&
                h->pair.input_count <= PEL_CNN_INPUTS;
    return good ? PEL_OK : damaged(path, "is damaged: its size is wrong", error);
}

static bool get(FILE *from, void *bytes, size_t count, uint32_t *crc)
{
    if (count > 0 && fread(bytes, 1, count, from) != count)
        return false;
    *crc = pel_crc32(*crc, bytes, count);
    return true;
}

static pel_status read_all(const char *path, FILE *from, pel_train_state *s, pel_error *error)
{
    header h;
    part parts[PARTS];
    char settings[MOST_SETTINGS];
    uint32_t crc = 0, stored;
    struct stat there;
    if (fstat(fileno(from), &there) != 0 || !S_ISREG(there.st_mode) || !get(from, &h, sizeof h, &crc) ||
        memcmp(h.magic, magic, sizeof magic) != 0)
        return damaged(path, "is no checkpoint of pel-train", error);
    if (h.settings_bytes >= sizeof settings || !get(from, settings, (size_t)h.settings_bytes, &crc))
        return damaged(path, "is damaged: its settings are cut off", error);
    settings[h.settings_bytes] = '\0';
    pel_status status = compare(settings, s->settings, path, error);
    if (status == PEL_OK)
        status = check_sizes(path, &h, (uint64_t)there.st_size, s, error);
    if (status == PEL_OK)
        status = pel_train_state_new((size_t)h.count, s->feed_count, (size_t)h.extra_count, s, error);
    parts_of(s, settings, (size_t)h.settings_bytes, parts);
    for (size_t i = 1; i < PARTS && status == PEL_OK; i++)
        if (!get(from, parts[i].bytes, parts[i].count, &crc))
            status = damaged(path, "cannot be read", error);
    if (status == PEL_OK && (fread(&stored, 1, sizeof stored, from) != sizeof stored || stored != crc))
        status = damaged(path, "is damaged: its checksum is wrong", error);
    s->now = h.now;
    s->pair = h.pair;
    s->now.data[sizeof s->now.data - 1] = '\0';
    return status;
}

pel_status pel_checkpoint_read(const char *path, pel_train_state *s, pel_error *error)
{
    FILE *from = fopen(path, "rbe");
    if (from == NULL)
        return pel_error_set(error, PEL_EIO, "cannot read %s: %s", path, strerror(errno));
    pel_status status = read_all(path, from, s, error);
    fclose(from);
    return status;
}
