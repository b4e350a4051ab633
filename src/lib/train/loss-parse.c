/* loss-parse.c - the text that describes a loss: TERM{:WORD}{,TERM{:WORD}}.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include <pellucid/number.h>

#include "loss-internal.h"

const char pel_loss_help[] =
    "Losses: TERM{:WORD} with commas between, as charbonnier,ssim:0.2,fft-l1:0.05\n"
    "  mse, l1                  mean of squares, of magnitudes, of the error\n"
    "  charbonnier:epsilon=1e-3 mean of sqrt(error^2 + epsilon^2)\n"
    "  psnr:floor=1e-3          10 log10 of the mean of error^2, and floor^2: minus the PSNR of samples of 0 to 1\n"
    "  ssim:range=1             1 - structural similarity\n"
    "  fft-l1                   L1 of the error's Fourier transform\n"
    "  perceptual:FILE@LAYER    mean of squares of the error of a network's features; LAYER+LAYER adds them up\n"
    "  gan:CRITIC, wgan:CRITIC:penalty=10   what a critic (an ONNX model) says, which learns besides;\n"
    "                           rate=1e-4, beta1=0.5 of its Adam, steps=1 of it a batch\n"
    "A WORD that is a number is the term's weight; KEY=VALUE sets a parameter (values above: the defaults).\n";

#define MOST_WEIGHT 1e9

/* Names, with commas between, in room for `size` bytes; returns `text`. */
static const char *list_kinds(char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; loss_kinds[i] != NULL && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? ", " : "", loss_kinds[i]->name);
    return text;
}

static const char *list_keys(const loss_kind *kind, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "it has %s", kind->keys[0].name == NULL ? "none" : "");
    for (size_t i = 0; i < LOSS_KEYS && kind->keys[i].name != NULL && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? ", " : "", kind->keys[i].name);
    return text;
}

static char *copy_of(const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = pel_alloc(n);
    if (copy != NULL)
        memcpy(copy, text, n);
    return copy;
}

/* What is given once. */
typedef struct {
    bool weight, keys[LOSS_KEYS];
} given;

static pel_status set_weight(loss_term *t, double value, given *there, pel_error *error)
{
    if (there->weight)
        return pel_error_set(error, PEL_EUSAGE, "loss %s: two weights", t->kind->name);
    if (value < 0 || value > MOST_WEIGHT)
        return pel_error_set(error, PEL_EUSAGE, "loss %s: weight %g is not from 0 to %g", t->kind->name, value,
                             MOST_WEIGHT);
    there->weight = true;
    t->weight = value;
    return PEL_OK;
}

static pel_status set_key(loss_term *t, size_t i, const char *value, given *there, pel_error *error)
{
    const loss_key *k = &t->kind->keys[i];
    if (there->keys[i])
        return pel_error_set(error, PEL_EUSAGE, "loss %s: %s is given twice", t->kind->name, k->name);
    if (!pel_number_real(value, &t->values[i]) || t->values[i] < k->low || t->values[i] > k->high)
        return pel_error_set(error, PEL_EUSAGE, "loss %s: %s '%.60s' is no number from %g to %g", t->kind->name,
                             k->name, value, k->low, k->high);
    there->keys[i] = true;
    return PEL_OK;
}

static pel_status set_file(loss_term *t, const char *word, pel_error *error)
{
    if (t->file != NULL)
        return pel_error_set(error, PEL_EUSAGE, "loss %s: '%.100s' is a second file", t->kind->name, word);
    t->file = copy_of(word);
    return t->file != NULL ? PEL_OK : pel_error_set(error, PEL_ENOMEM, "out of memory");
}

static pel_status set_word(loss_term *t, const char *word, given *there, pel_error *error)
{
    double number;
    char keys[120];
    const char *equals = strchr(word, '=');
    if (pel_number_real(word, &number))
        return set_weight(t, number, there, error);
    for (size_t i = 0; equals != NULL && i < LOSS_KEYS && t->kind->keys[i].name != NULL; i++) {
        size_t n = strlen(t->kind->keys[i].name);
        if ((size_t)(equals - word) == n && memcmp(t->kind->keys[i].name, word, n) == 0)
            return set_key(t, i, equals + 1, there, error);
    }
    if (word[0] == '\0')
        return pel_error_set(error, PEL_EUSAGE, "loss %s: nothing stands behind a colon", t->kind->name);
    if (t->kind->file != NULL)
        return set_file(t, word, error);
    if (equals != NULL)
        return pel_error_set(error, PEL_EUSAGE, "loss %s: '%.60s' is no parameter (%s)", t->kind->name, word,
                             list_keys(t->kind, keys, sizeof keys));
    return pel_error_set(error, PEL_EUSAGE, "loss %s: weight '%.60s' is no number", t->kind->name, word);
}

/* The kind, and the term's name, which differs from those of the terms before it. */
static pel_status set_kind(const pel_loss *loss, loss_term *t, const char *name, pel_error *error)
{
    char kinds[240];
    size_t same = 0, i = 0;
    while (loss_kinds[i] != NULL && strcmp(loss_kinds[i]->name, name) != 0)
        i++;
    if (loss_kinds[i] == NULL)
        return pel_error_set(error, PEL_EUSAGE, "loss: '%.60s' is no term (there are %s)", name,
                             list_kinds(kinds, sizeof kinds));
    t->kind = loss_kinds[i];
    for (size_t k = 0; k < loss->count; k++)
        same += loss->terms[k].kind == t->kind;
    if (same > 0 && !t->kind->several)
        return pel_error_set(error, PEL_EUSAGE, "loss: %s is given twice", name);
    if (t->kind->learn != NULL && pel_loss_learns(loss))
        return pel_error_set(error, PEL_EUSAGE, "loss: %s is a second critic", name);
    if (same > 0)
        snprintf(t->name, sizeof t->name, "%.16s%u", name, (unsigned)same + 1);
    else
        snprintf(t->name, sizeof t->name, "%s", name);
    return PEL_OK;
}

/* `text` is cut into words. */
static pel_status add_term(pel_loss *loss, char *text, pel_error *error)
{
    loss_term t = {.weight = 1};
    given there = {false, {false}};
    pel_status status = set_kind(loss, &t, strsep(&text, ":"), error);
    if (status != PEL_OK)
        return status;
    for (size_t i = 0; i < LOSS_KEYS && t.kind->keys[i].name != NULL; i++)
        t.values[i] = t.kind->keys[i].otherwise;
    while (status == PEL_OK && text != NULL)
        status = set_word(&t, strsep(&text, ":"), &there, error);
    if (status == PEL_OK && t.kind->file != NULL && t.file == NULL)
        status = pel_error_set(error, PEL_EUSAGE, "loss %s: a file is needed, as in %s:%s", t.kind->name, t.kind->name,
                               t.kind->file);
    loss_term *added = &loss->terms[loss->count++];
    *added = t;
    return status == PEL_OK && t.kind->open != NULL ? t.kind->open(added, error) : status;
}

pel_status pel_loss_parse(const char *text, pel_loss **out, pel_error *error)
{
    size_t most = 1;
    for (const char *p = text; *p != '\0'; p++)
        most += *p == ',';
    pel_loss *loss = pel_alloc(sizeof *loss);
    char *copy = copy_of(text), *rest = copy;
    if (loss != NULL)
        *loss = (pel_loss){.terms = pel_alloc(most * sizeof *loss->terms)};
    pel_status status = PEL_OK;
    if (loss == NULL || copy == NULL || loss->terms == NULL)
        status = pel_error_set(error, PEL_ENOMEM, "out of memory");
    while (status == PEL_OK && rest != NULL)
        status = add_term(loss, strsep(&rest, ","), error);
    pel_free(copy);
    if (status != PEL_OK)
        pel_loss_free(loss);
    else
        *out = loss;
    return status;
}
