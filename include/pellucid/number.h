/* number.h - numbers as a person types them: strict parsing, simple expressions, byte sizes.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PELLUCID_NUMBER_H
#define PELLUCID_NUMBER_H

#include <pellucid/base.h>

PEL_BEGIN_DECLS

/* A finite real number or a product chain of such: `2.55/255`, `3*0.5`, `-1.5e-3`.  The whole text
 * must be used; the decimal sign is a point in every locale.  Returns false and leaves *value alone
 * when the text is not such a number or the result is not finite. */
bool pel_number_real(const char *text, double *value);

/* A range A..B of such numbers, A <= B: `0..50/255`; or one number, which is both ends.  Returns false
 * and leaves the ends alone for other text. */
bool pel_number_range(const char *text, double *low, double *high);

/* A whole number in decimal, an optional sign in front, that fits. */
bool pel_number_integer(const char *text, long long *value);

/* A size in bytes: digits, then nothing or one of K M G T (powers of 1024), "512M". */
bool pel_number_bytes(const char *text, size_t *value);

/* The shortest "%.*g" text that reads back as the same float, locale-independent, into text. */
void pel_number_format(double value, char text[32]);

PEL_END_DECLS
#endif
