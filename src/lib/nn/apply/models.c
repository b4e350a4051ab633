/* models.c - models by name.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pellucid/models.h>

#include "text.h"

const char *pel_models_folder(void)
{
    const char *set = getenv("PELLUCID_MODELS");
    return set != NULL && set[0] != '\0' ? set : MODELS_FOLDER;
}

static bool is_file_name(const char *name, size_t length)
{
    return length > 5 && strcmp(name + length - 5, ".onnx") == 0;
}

/* Is there room for it? */
static bool path_of(const char *name, char *path, size_t room)
{
    int n = snprintf(path, room, "%s/%s.onnx", pel_models_folder(), name);
    return n >= 0 && (size_t)n < room;
}

bool pel_models_has(const char *name)
{
    char path[4096];
    return path_of(name, path, sizeof path) && access(path, F_OK) == 0;
}

pel_status pel_models_open(const char *name, size_t memory, pel_model **model, pel_error *error)
{
    char path[4096];
    if (name == NULL)
        return pel_error_set(error, PEL_EUSAGE, "no model is given: -m NAME or -m FILE.onnx (see --list)");
    if (strchr(name, '/') != NULL || is_file_name(name, strlen(name)))
        return pel_model_read(name, memory, model, error);
    if (!path_of(name, path, sizeof path))
        return pel_error_set(error, PEL_EINVAL, "the model's name is too long");
    if (access(path, F_OK) != 0)
        return pel_error_set(error, PEL_EIO, "there is no model '%.60s', %.200s: PELLUCID_MODELS names the folder", name, path);
    return pel_model_read(path, memory, model, error);
}

static int is_model(const struct dirent *entry) { return is_file_name(entry->d_name, strlen(entry->d_name)); }

static void list_one(text *t, const char *file)
{
    char path[4352];
    pel_model *model;
    pel_error error = {PEL_OK, ""};
    int length = (int)strlen(file) - 5;
    snprintf(path, sizeof path, "%.4000s/%.255s", pel_models_folder(), file);
    if (pel_model_read(path, 0, &model, &error) != PEL_OK) {
        text_add(t, "%.*s\t(%s)\n", length, file, error.text);
        return;
    }
    const char *card = pel_model_metadata(model, "pellucid.card");
    card = card != NULL ? card : model->graph_name;
    text_add(t, "%.*s\t%.*s\n", length, file, (int)strcspn(card, "\n"), card);
    pel_model_free(model);
}

pel_status pel_models_list(char **list, pel_error *error)
{
    struct dirent **entries = NULL;
    text t = {NULL, 0, 0, false};
    int count = scandir(pel_models_folder(), &entries, is_model, alphasort);
    const char *set = getenv("PELLUCID_MODELS");
    if (count < 0 && (errno != ENOENT || (set != NULL && set[0] != '\0'))) /* the installed one may be missing */
        return pel_error_set(error, PEL_EIO, "%s: %s", pel_models_folder(), strerror(errno));
    for (int i = 0; i < count; i++) {
        list_one(&t, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return text_finish(&t, list, error);
}
