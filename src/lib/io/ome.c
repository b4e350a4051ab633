/* ome.c - the sample spacing from an OME-TIFF's description (OME-XML, schema 2016-06: Pixels).
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * No XML parser: attributes of the first <Pixels> element are looked up by name. */
#include "config.h"

#include <string.h>

#include <pellucid/number.h>

#include "tiff-internal.h"

/* The value of an attribute within the element that starts at `element`; false when there is none, or
 * when it does not fit. */
static bool attribute(const char *element, const char *name, char *value, size_t room)
{
    const char *end = strchr(element, '>');
    size_t length = strlen(name);
    for (const char *at = strstr(element, name); at != NULL && (end == NULL || at < end);
         at = strstr(at + 1, name)) {
        bool whole = strchr(" \t\r\n", at[-1]) != NULL && at[length] == '=' &&
                     (at[length + 1] == '"' || at[length + 1] == '\'');
        if (!whole)
            continue;
        const char *from = at + length + 2, *stop = strchr(from, at[length + 1]);
        if (stop == NULL || (size_t)(stop - from) >= room)
            return false;
        memcpy(value, from, (size_t)(stop - from));
        value[stop - from] = '\0';
        return true;
    }
    return false;
}

/* Units of lengths as the key `px` has them; NULL for what is no length in plain letters. */
static const char *plain_unit(const char *unit)
{
    static const struct {
        const char *ome, *plain;
    } units[] = {{"\xc2\xb5m", "um"}, {"\xce\xbcm", "um"}, {"&#181;m", "um"}, {"&#xB5;m", "um"},
                 {"&#xb5;m", "um"},   {"um", "um"},        {"nm", "nm"},      {"mm", "mm"},
                 {"pm", "pm"},        {"cm", "cm"},        {"m", "m"}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(units[i].ome, unit) == 0)
            return units[i].plain;
    return NULL;
}

bool io_ome_spacing(const char *description, char px[120])
{
    static const char *const sizes[3] = {"PhysicalSizeX", "PhysicalSizeY", "PhysicalSizeZ"};
    static const char *const units[3] = {"PhysicalSizeXUnit", "PhysicalSizeYUnit",
                                         "PhysicalSizeZUnit"};
    const char *pixels = strstr(description, "<Pixels");
    size_t n = 0;
    if (pixels == NULL || strstr(description, "<OME") == NULL)
        return false;
    for (int i = 0; i < 3; i++) {
        char value[40], unit[16] = "um", number[32]; /* the schema's default is the micrometre */
        double size;
        if (!attribute(pixels, sizes[i], value, sizeof value) || !pel_number_real(value, &size) ||
            !(size > 0))
            return i == 2; /* a plane needs none in z */
        (void)attribute(pixels, units[i], unit, sizeof unit);
        const char *plain = plain_unit(unit);
        if (plain == NULL)
            return i == 2;
        pel_number_format(size, number);
        n += (size_t)snprintf(px + n, 120 - n, "%s%s%s", i > 0 ? "," : "", number, plain);
    }
    return true;
}
