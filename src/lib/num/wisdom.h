/* wisdom.h - FFTW's measured plans, kept between runs.  Private to fft.c: call with the planner locked.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_WISDOM_H
#define PELLUCID_WISDOM_H

/* Takes in the wisdom file, once a process.  A file that is missing, damaged, of another version or
 * not FFTW's is ignored. */
void pel_wisdom_load(void);

/* Writes what FFTW knows by now, joined with what another process wrote meanwhile.  A cache that
 * cannot be written costs time only, so failures are silent. */
void pel_wisdom_save(void);

#endif
