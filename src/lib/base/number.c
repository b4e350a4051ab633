/* number.c - strict numbers from text.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pellucid/number.h>

/* The "C" locale, whatever the program has set; made once. */
static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;
static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* One plain decimal number at *text; moves *text behind it.  strtod also takes spaces, hex, "inf"
 * and "nan", which are not numbers that a person types here. */
static bool one_number(const char **text, double *value)
{
    const char *p = *text;
    if (*p == '+' || *p == '-')
        p++;
    if (!((*p >= '0' && *p <= '9') || (*p == '.' && p[1] >= '0' && p[1] <= '9')))
        return false;
    if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X'))
        return false;
    pthread_once(&c_locale_once, make_c_locale);
    char *end;
    double v = c_locale != (locale_t)0 ? strtod_l(*text, &end, c_locale) : strtod(*text, &end);
    if (end == *text || !isfinite(v))
        return false;
    *text = end;
    *value = v;
    return true;
}

bool pel_number_real(const char *text, double *value)
{
    double result;
    if (!one_number(&text, &result))
        return false;
    while (*text == '/' || *text == '*') {
        char operation = *text++;
        double right;
        if (!one_number(&text, &right))
            return false;
        result = operation == '/' ? result / right : result * right;
    }
    if (*text != '\0' || !isfinite(result))
        return false;
    *value = result;
    return true;
}

bool pel_number_range(const char *text, double *low, double *high)
{
    double a, b;
    const char *dots = strstr(text, "..");
    if (dots == NULL) {
        if (!pel_number_real(text, &a))
            return false;
        b = a;
    } else {
        char left[64];
        size_t n = (size_t)(dots - text);
        if (n >= sizeof left)
            return false;
        memcpy(left, text, n);
        left[n] = '\0';
        if (!pel_number_real(left, &a) || !pel_number_real(dots + 2, &b) || a > b)
            return false;
    }
    *low = a;
    *high = b;
    return true;
}

bool pel_number_integer(const char *text, long long *value)
{
    const char *digits = text + (*text == '+' || *text == '-');
    if (*digits < '0' || *digits > '9')
        return false;
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0')
        return false;
    *value = v;
    return true;
}

bool pel_number_bytes(const char *text, size_t *value)
{
    static const char suffixes[] = "KMGT";
    if (*text < '0' || *text > '9')
        return false;
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (errno != 0)
        return false;
    if (*end != '\0') {
        const char *suffix = strchr(suffixes, *end);
        if (suffix == NULL || end[1] != '\0')
            return false;
        unsigned shift = 10 * (unsigned)(suffix - suffixes + 1);
        if (v > (SIZE_MAX >> shift))
            return false;
        v <<= shift;
    }
    *value = (size_t)v;
    return true;
}

void pel_number_format(double value, char text[32])
{
    pthread_once(&c_locale_once, make_c_locale);
    locale_t old = c_locale != (locale_t)0 ? uselocale(c_locale) : (locale_t)0;
    char shortest[32]; /* -1.23456789e-308 is the longest: 16 characters */
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(shortest, sizeof shortest, "%.*g", digits, value);
        if (strtof(shortest, NULL) == (float)value)
            break;
    }
    strcpy(text, shortest);
    if (old != (locale_t)0)
        uselocale(old);
}
