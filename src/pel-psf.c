/* pel-psf.c - makes a point-spread function: a stream with one psf frame.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <pellucid/psf.h>
#include <pellucid/stage.h>

static pel_status source(pel_run *run)
{
    char **operands;
    if (pel_run_operands(run, &operands) != 1)
        return pel_error_set(pel_run_error(run), PEL_EUSAGE,
                             "one model is needed, as in pel-psf gauss:2.5 (see --help)");
    pel_frame *psf;
    pel_status status = pel_stage_psf(run, operands[0], &psf);
    if (status != PEL_OK)
        return status;
    pel_bundle bundle = {NULL, NULL, 0};
    status = pel_bundle_put(&bundle, psf, pel_run_error(run));
    if (status == PEL_OK)
        status = pel_emit(run, &bundle);
    pel_note(run, "%zux%zux%zu samples", psf->size.w, psf->size.h, psf->size.d);
    pel_bundle_clear(&bundle);
    pel_frame_unref(psf);
    return status;
}

int main(int argc, char **argv)
{
    const pel_program program = {
        .name = "pel-psf",
        .summary = "make a point-spread function",
        .operands = "SPEC|FILE",
        .details = pel_psf_help,
        .flags = PEL_SOURCE,
        .source = source,
    };
    return pel_main(&program, argc, argv);
}
