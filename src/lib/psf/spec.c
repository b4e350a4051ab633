/* spec.c - the text that describes a PSF: NAME[:[KEY=]VALUE,...].
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pellucid/number.h>

#include "models.h"

const char pel_psf_help[] =
    "PSF models (lengths in pixels, angles in degrees counter-clockwise from +x):\n"
    "  gauss:sigma=2.5      or gauss:fwhm=6; sigma-z=4 makes it 3-D\n"
    "  moffat:fwhm=4,beta=2.5   stars through the atmosphere\n"
    "  airy:fwhm=3          a telescope or lens at its diffraction limit\n"
    "  disc:radius=5        defocus\n"
    "  motion:length=21,angle=30\n"
    "  shake:size=25,seed=7     a random path of a camera shaken by hand\n"
    "  delta                no blur\n"
    "Key names may be left out in this order; values may be like 2.55/3. Anything else is a file.\n";

typedef struct {
    const char *name;
    double low, high, otherwise; /* otherwise: NaN when the key must be given */
} key;

#define MUST ((double)NAN)

static const struct {
    const char *name;
    key keys[PEL_PSF_KEYS];
    pel_status (*make)(const double *values, pel_psf *psf, pel_error *error);
} models[] = {
    {"gauss", {{"sigma", 0.05, 120, 0}, {"sigma-z", 0, 60, 0}, {"fwhm", 0.1, 280, 0}}, pel_make_gauss},
    {"moffat", {{"fwhm", 0.2, 100, MUST}, {"beta", 1.1, 50, 2.5}}, pel_make_moffat},
    {"airy", {{"fwhm", 0.5, 50, MUST}}, pel_make_airy},
    {"disc", {{"radius", 0.1, 500, MUST}}, pel_make_disc},
    {"motion", {{"length", 0, 1000, MUST}, {"angle", -3600, 3600, 0}}, pel_make_motion},
    {"shake", {{"size", 3, 511, MUST}, {"seed", 0, 9007199254740992.0, 0}}, pel_make_shake},
    {"delta", {{NULL, 0, 0, 0}}, pel_make_delta},
};
#define MODELS (sizeof models / sizeof models[0])

static size_t find_model(const char *text)
{
    size_t n = strcspn(text, ":"), i = 0;
    while (i < MODELS && (strlen(models[i].name) != n || memcmp(models[i].name, text, n) != 0))
        i++;
    return i;
}

bool pel_psf_is_spec(const char *text)
{
    return find_model(text) < MODELS;
}

/* One KEY=VALUE or VALUE; `place` is its position. */
static pel_status set_value(size_t model, char *word, size_t place, double *values, bool *given,
                            pel_error *error)
{
    const key *keys = models[model].keys;
    char *equals = strchr(word, '=');
    size_t i = place;
    const char *value = word;
    if (equals != NULL) {
        *equals = '\0';
        value = equals + 1;
        for (i = 0; i < PEL_PSF_KEYS && keys[i].name != NULL; i++)
            if (strcmp(keys[i].name, word) == 0)
                break;
    }
    if (i >= PEL_PSF_KEYS || keys[i].name == NULL)
        return pel_error_set(error, PEL_EUSAGE, "PSF %s: unknown or too many values ('%s')",
                             models[model].name, word);
    if (given[i])
        return pel_error_set(error, PEL_EUSAGE, "PSF %s: %s is given twice", models[model].name,
                             keys[i].name);
    if (!pel_number_real(value, &values[i]) || values[i] < keys[i].low ||
        values[i] > keys[i].high)
        return pel_error_set(error, PEL_EUSAGE, "PSF %s: %s '%s' is no number from %g to %g",
                             models[model].name, keys[i].name, value, keys[i].low, keys[i].high);
    given[i] = true;
    return PEL_OK;
}

pel_status pel_psf_make(const char *spec, pel_psf *psf, pel_error *error)
{
    size_t model = find_model(spec);
    if (model == MODELS)
        return pel_error_set(error, PEL_EUSAGE, "'%.60s' is no PSF model", spec);
    double values[PEL_PSF_KEYS] = {0};
    bool given[PEL_PSF_KEYS] = {false};
    char *copy = strdup(spec);
    if (copy == NULL)
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    char *list = strchr(copy, ':'), *rest = list != NULL ? list + 1 : NULL, *word;
    pel_status status = PEL_OK;
    size_t place = 0;
    while (status == PEL_OK && (word = strsep(&rest, ",")) != NULL)
        status = set_value(model, word, place++, values, given, error);
    free(copy);
    for (size_t i = 0; i < PEL_PSF_KEYS && models[model].keys[i].name != NULL; i++) {
        const key *k = &models[model].keys[i];
        if (given[i] || status != PEL_OK)
            continue;
        if (isnan(k->otherwise))
            status = pel_error_set(error, PEL_EUSAGE, "PSF %s: %s is needed, as in %s:%s=3",
                                   models[model].name, k->name, models[model].name, k->name);
        values[i] = k->otherwise;
    }
    return status == PEL_OK ? models[model].make(values, psf, error) : status;
}
