#!/usr/bin/env bash
# astronomy.sh FRAME.fits FWHM OUT.fits - sharpens a frame that the atmosphere blurred to FWHM pixels.
# Saturated and flagged pixels are masked and filled by the estimate (without --inpaint: NaN), the sky
# is taken as background, the header is kept.
# SPDX-License-Identifier: GPL-3.0-or-later
set -euo pipefail
[ $# -eq 3 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
pel-read "$1" | pel-rl -k "moffat:fwhm=$2,beta=2.5" --background auto --inpaint | pel-write "$3"
