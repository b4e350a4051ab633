/* fits-internal.h - what reading and writing FITS share.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_FITS_INTERNAL_H
#define PELLUCID_FITS_INTERNAL_H

#include <fitsio.h>

#include "format.h"

/* "what: cfitsio's text for the code". */
pel_status io_fits_error(pel_error *error, int code, const char *what);

/* Samples of the compressed picture in that HDU (from 1) as floats; `first` counts from 1. */
pel_status io_fits_unpack(const io_source *source, int hdu, LONGLONG first, LONGLONG count, float *to);

pel_status io_fits_append(io_sink *sink, const pel_bundle *bundle);
pel_status io_fits_finish(io_sink *sink);
void io_fits_discard(io_sink *sink);

#endif
