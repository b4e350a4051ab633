#!/usr/bin/env bash
# microscopy.sh STACK.tif PSF.tif OUT.tif - 3-D Richardson-Lucy of a microscope's stack.
# Both files are multi-page TIFF; the PSF is a measured bead or a computed one of the same sampling.
# SPDX-License-Identifier: GPL-3.0-or-later
set -euo pipefail
[ $# -eq 3 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
pel-read --volume "psf:$2" "$1" | pel-rl -n 40 --accelerate --background auto | pel-write "$3"
