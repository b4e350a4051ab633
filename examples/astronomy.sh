#!/usr/bin/env bash
# astronomy.sh FRAME.fits OUT.fits [FWHM] - sharpens a frame by the PSF of its stars, or for a field with
# too few of them by a Moffat profile of FWHM pixels.
# Saturated and flagged pixels are masked and filled by the estimate (without --inpaint: NaN), the sky
# is taken as background, the header is kept.
# SPDX-License-Identifier: GPL-3.0-or-later
set -euo pipefail
[ $# -eq 2 ] || [ $# -eq 3 ] || { sed -n '2,5s/^# //p' "$0" >&2; exit 2; }
if [ $# -eq 3 ]; then
  pel-read "$1" | pel-rl -k "moffat:fwhm=$3,beta=2.5" --background auto --inpaint | pel-write "$2"
else
  pel-read "$1" | pel-blind --model stars --min-confidence 0.7 -v |
    pel-rl --background auto --inpaint | pel-write "$2"
fi
