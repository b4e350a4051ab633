/* io.h - picture files to frames and back (libpellucid-io).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Files are hostile: every size is checked before memory is taken, truncation and a decoder's
 * warnings are errors.  The type is told by content when reading, by extension when writing.
 */
#ifndef PELLUCID_IO_H
#define PELLUCID_IO_H

#include <stdio.h>

#include <pellucid/base.h>
#include <pellucid/frame.h>

PEL_BEGIN_DECLS

typedef struct {
    const char *role;   /* of the frames: "image", "psf", ... */
    bool volume;        /* pages or planes become one 3-D frame instead of a sequence */
    bool linear;        /* undo the sRGB curve of integer pictures; sets transfer=linear */
    bool no_checks;     /* FITS: take files whose checksums do not match */
    size_t memory_cap;  /* bytes of samples that one frame may have; never 0 */
    /* Each bundle (an image with its companions: meta, mask, sigma) as it is read; without an
     * image it carries what stands alone.  A status that is not PEL_OK ends the reading. */
    pel_status (*emit)(void *arg, const pel_bundle *bundle);
    /* A thing worth saying that is no error: "float64 samples: 3 digits lost".  May be NULL. */
    void (*say)(void *arg, const char *text);
    void *arg;
} pel_read_params;

/* Reads the file `path` and emits its frames.  Keys set: name, source, white, black, px, and what
 * the format knows. */
pel_status pel_file_read(const char *path, const pel_read_params *params, pel_error *error);

typedef enum { PEL_SAMPLE_AS_SOURCE, PEL_SAMPLE_U8, PEL_SAMPLE_U16, PEL_SAMPLE_F32 } pel_sample;

typedef struct {
    pel_sample sample;  /* AS_SOURCE: the frame's `source` key, else what the format does best */
    int quality;        /* JPEG: 1 to 100 */
    bool compress;      /* where the format can, without loss */
    bool bare;          /* no metadata is written */
    void (*say)(void *arg, const char *text);
    void *arg;
} pel_write_params;

typedef struct {
    size_t clipped;     /* samples that were outside the range of the file's type, or not finite */
    size_t samples;
} pel_write_report;

/* A file that is being written under a temporary name beside its own.  create, append for each
 * frame (more than one only where pel_file_format_sequence says so), finish (closed and synced), then
 * publish (renamed: there it is) - or free at any time before, which leaves nothing behind.  With
 * path "-" and a format the bytes go to stdout when the file is published. */
typedef struct pel_file_writer pel_file_writer;
pel_status pel_file_create(const char *path, const char *format, const pel_write_params *params,
                           pel_file_writer **writer, pel_error *error);
/* Writes bundle->image with its companions as metadata. */
pel_status pel_file_append(pel_file_writer *writer, const pel_bundle *bundle, pel_error *error);
pel_status pel_file_finish(pel_file_writer *writer, pel_write_report *report, pel_error *error);
pel_status pel_file_publish(pel_file_writer *writer, pel_error *error);
void pel_file_writer_free(pel_file_writer *writer);
/* The temporary name, while there is such a file, or NULL: for who must remove it in a signal
 * handler. */
const char *pel_file_writer_temporary(const pel_file_writer *writer);

/* The format's name for a file name's extension ("tiff" for a.TIF), or NULL. */
const char *pel_file_format(const char *path);
/* True when the format holds more than one frame in a file. */
bool pel_file_format_sequence(const char *format);
/* The file name that `pattern` makes: %d or %04d stands for `number`, %n for the base name of the
 * picture that `frame` came from, %% for %.  With `frame` NULL this checks the pattern.  Sets
 * *numbered where names differ from frame to frame; the caller frees *name.  PEL_EUSAGE for another
 * conversion. */
pel_status pel_file_name(const char *pattern, const pel_frame *frame, uint64_t number, char **name,
                         bool *numbered, pel_error *error);
/* The file in `folder` with the base name of `file`, of any picture format, into path[room].
 * PEL_EIO where there is none, or more than one. */
pel_status pel_file_sibling(const char *folder, const char *file, char *path, size_t room,
                            pel_error *error);
/* Copies `from` (called `name` in errors) to a new file in TMPDIR or /tmp, whose name goes into
 * path[room]: for what cannot seek.  The caller removes it; after an error there is none. */
pel_status pel_file_spool(FILE *from, const char *name, char *path, size_t room, pel_error *error);

/* Names of all formats, for help texts: one line. */
extern const char pel_file_formats_help[];

PEL_END_DECLS
#endif
