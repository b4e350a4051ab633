/* tiff-internal.h - what reading and writing TIFF share.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PELLUCID_TIFF_INTERNAL_H
#define PELLUCID_TIFF_INTERNAL_H

#include <tiffio.h>

#include "format.h"

bool io_tiff_sniff(const uint8_t *head, size_t size);
pel_status io_tiff_read(io_source *source);

/* Opens with libtiff's messages going to *cause, whose status tells that there was one.  `most`: the
 * largest piece of memory that libtiff may take, 0 for any. */
TIFF *io_tiff_open(const char *path, const char *mode, pel_error *cause, size_t most);

/* The sample spacing that an OME description tells, as the key px has it; false when it tells none. */
bool io_ome_spacing(const char *description, char px[120]);

#endif
