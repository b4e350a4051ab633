#!/usr/bin/env bash
# turned.sh PHOTO OUT [SIZE [SIGMA]] - restores a photograph whose blur changes over the picture, as that of a
# camera that turned does: each tile gets a PSF of its own, of SIZE pixels (default 15).
# SIGMA (default 0.02 of full scale) covers noise and how the blur changes inside a tile.
# SPDX-License-Identifier: GPL-3.0-or-later
set -euo pipefail
[ $# -ge 2 ] && [ $# -le 4 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
pel-read "$1" | pel-tile 256x256 --overlap 80 | pel-blind --size "${3:-15}" |
  pel-tv -s "${4:-0.02}" | pel-untile | pel-write "$2"
