/* spec.c - the text that describes a PSF, or a range of PSFs: NAME[:[KEY=]VALUE[..VALUE],...].
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <stdio.h>
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

/* How a value is drawn from a range.  Sizes of a shake are odd: of all whole numbers the ends would
 * come up less often.  Its seed is drawn where none is given. */
typedef enum { REAL, ODD, SEED } draw_kind;

typedef struct {
    const char *name;
    double low, high, otherwise; /* otherwise: NaN when the key must be given */
    draw_kind kind;
} key;

#define MUST ((double)NAN)

static const struct {
    const char *name;
    key keys[PEL_PSF_KEYS];
    pel_status (*make)(const double *values, pel_psf *psf, pel_error *error);
} models[] = {
    {"gauss",
     {{"sigma", 0.05, 120, 0, REAL}, {"sigma-z", 0, 60, 0, REAL}, {"fwhm", 0.1, 280, 0, REAL}},
     pel_make_gauss},
    {"moffat", {{"fwhm", 0.2, 100, MUST, REAL}, {"beta", 1.1, 50, 2.5, REAL}}, pel_make_moffat},
    {"airy", {{"fwhm", 0.5, 50, MUST, REAL}}, pel_make_airy},
    {"disc", {{"radius", 0.1, 500, MUST, REAL}}, pel_make_disc},
    {"motion", {{"length", 0, 1000, MUST, REAL}, {"angle", -3600, 3600, 0, REAL}}, pel_make_motion},
    {"shake", {{"size", 3, 511, MUST, ODD}, {"seed", 0, 9007199254740992.0, 0, SEED}}, pel_make_shake},
    {"delta", {{NULL, 0, 0, 0, REAL}}, pel_make_delta},
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

/* A spec, taken apart: low is high where no range is given. */
typedef struct {
    size_t model;
    double low[PEL_PSF_KEYS], high[PEL_PSF_KEYS];
    bool given[PEL_PSF_KEYS];
} parsed;

/* One KEY=VALUE or VALUE; `place` is its position. */
static pel_status set_value(parsed *p, char *word, size_t place, pel_error *error)
{
    const char *name = models[p->model].name;
    const key *keys = models[p->model].keys;
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
        return pel_error_set(error, PEL_EUSAGE, "PSF %s: unknown or too many values ('%s')", name,
                             word);
    if (p->given[i])
        return pel_error_set(error, PEL_EUSAGE, "PSF %s: %s is given twice", name, keys[i].name);
    if (!pel_number_range(value, &p->low[i], &p->high[i]) || p->low[i] < keys[i].low ||
        p->high[i] > keys[i].high)
        return pel_error_set(error, PEL_EUSAGE, "PSF %s: %s '%s' is no %s from %g to %g", name,
                             keys[i].name, value, strstr(value, "..") != NULL ? "range" : "number",
                             keys[i].low, keys[i].high);
    p->given[i] = true;
    return PEL_OK;
}

static pel_status set_rest(parsed *p, pel_error *error)
{
    const char *name = models[p->model].name;
    for (size_t i = 0; i < PEL_PSF_KEYS && models[p->model].keys[i].name != NULL; i++) {
        const key *k = &models[p->model].keys[i];
        if (p->given[i])
            continue;
        if (isnan(k->otherwise))
            return pel_error_set(error, PEL_EUSAGE, "PSF %s: %s is needed, as in %s:%s=3", name,
                                 k->name, name, k->name);
        p->low[i] = p->high[i] = k->otherwise;
    }
    return PEL_OK;
}

static pel_status parse(const char *spec, parsed *p, pel_error *error)
{
    *p = (parsed){.model = find_model(spec)};
    if (p->model == MODELS)
        return pel_error_set(error, PEL_EUSAGE, "'%.60s' is no PSF model", spec);
    char *copy = strdup(spec);
    if (copy == NULL)
        return pel_error_set(error, PEL_ENOMEM, "out of memory");
    char *list = strchr(copy, ':'), *rest = list != NULL ? list + 1 : NULL, *word;
    pel_status status = PEL_OK;
    size_t place = 0;
    while (status == PEL_OK && (word = strsep(&rest, ",")) != NULL)
        status = set_value(p, word, place++, error);
    free(copy);
    return status == PEL_OK ? set_rest(p, error) : status;
}

pel_status pel_psf_make(const char *spec, pel_psf *psf, pel_error *error)
{
    parsed p;
    pel_status status = parse(spec, &p, error);
    if (status != PEL_OK)
        return status;
    for (size_t i = 0; i < PEL_PSF_KEYS; i++)
        if (p.low[i] < p.high[i])
            return pel_error_set(error, PEL_EUSAGE,
                                 "PSF %s: %s is a range, %g to %g: only pel-blur --random draws "
                                 "from one", models[p.model].name, models[p.model].keys[i].name,
                                 p.low[i], p.high[i]);
    return models[p.model].make(p.low, psf, error);
}

/* Evenly from the numbers of the kind; those of one value draw too, so that what one key draws does not
 * depend on whether another is a range. */
static double draw_value(pel_rng *rng, const key *k, double low, double high, bool given)
{
    double u = pel_rng_uniform(rng);
    if (k->kind == SEED && !given)
        return floor(u * 4294967296.0);
    if (low == high)
        return low;
    if (k->kind == REAL)
        return low + u * (high - low);
    double step = k->kind == ODD ? 2 : 1;
    double first = k->kind == ODD ? 2 * ceil((low - 1) / 2) + 1 : ceil(low);
    return fmin(first + step * floor(u * (floor((high - first) / step) + 1)), high);
}

pel_status pel_psf_draw(const char *spec, pel_rng *rng, char drawn[PEL_PSF_SPEC_MAX],
                        pel_error *error)
{
    parsed p;
    pel_status status = parse(spec, &p, error);
    if (status != PEL_OK)
        return status;
    bool free = false;
    size_t n = (size_t)snprintf(drawn, PEL_PSF_SPEC_MAX, "%s", models[p.model].name);
    char mark = ':';
    for (size_t i = 0; i < PEL_PSF_KEYS && models[p.model].keys[i].name != NULL; i++) {
        const key *k = &models[p.model].keys[i];
        bool seed = k->kind == SEED && !p.given[i];
        double value = draw_value(rng, k, p.low[i], p.high[i], p.given[i]);
        free = free || seed || p.low[i] < p.high[i];
        if (!p.given[i] && !seed)
            continue;
        char text[32];
        if (k->kind == REAL)
            pel_number_format(value, text);
        else
            snprintf(text, sizeof text, "%.0f", value);
        n += (size_t)snprintf(drawn + n, PEL_PSF_SPEC_MAX - n, "%c%s=%s", mark, k->name, text);
        mark = ',';
    }
    if (!free)
        return pel_error_set(error, PEL_EUSAGE,
                             "nothing is random in '%s': give a range, as in gauss:1..3, or a shake "
                             "without a seed", spec);
    return PEL_OK;
}
