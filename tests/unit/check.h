/* check.h - the few lines that every unit test needs: checks that say where and what, and a count.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A test is a program: main() calls its test functions and ends with `return check_done();`.
 */
#ifndef PELLUCID_CHECK_H
#define PELLUCID_CHECK_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_count, check_failures;

#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        check_count++;                                                                             \
        if (!(condition)) {                                                                        \
            check_failures++;                                                                      \
            printf("%s:%d: not true: %s", __FILE__, __LINE__, #condition);                        \
            printf(" " __VA_ARGS__);                                                               \
            printf("\n");                                                                          \
        }                                                                                          \
    } while (0)

#define CHECK_NEAR(value, expected, tolerance)                                                     \
    do {                                                                                           \
        double v_ = (value), e_ = (expected), t_ = (tolerance);                                    \
        check_count++;                                                                             \
        if (!(fabs(v_ - e_) <= t_)) {                                                              \
            check_failures++;                                                                      \
            printf("%s:%d: %s is %.9g, expected %.9g +- %.3g\n", __FILE__, __LINE__, #value, v_,   \
                   e_, t_);                                                                        \
        }                                                                                          \
    } while (0)

#define CHECK_TEXT(value, expected)                                                                \
    do {                                                                                           \
        const char *v_ = (value), *e_ = (expected);                                                \
        check_count++;                                                                             \
        if (v_ == NULL || strcmp(v_, e_) != 0) {                                                   \
            check_failures++;                                                                      \
            printf("%s:%d: %s is '%s', expected '%s'\n", __FILE__, __LINE__, #value,               \
                   v_ != NULL ? v_ : "(null)", e_);                                                \
        }                                                                                          \
    } while (0)

static inline int check_done(void)
{
    printf("%d checks, %d failures\n", check_count, check_failures);
    return check_failures == 0 && check_count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Numbers without symmetry for test data: a fixed sequence in [0, 1). */
static inline float check_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / 16777216.0f;
}

#endif
