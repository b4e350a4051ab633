#!/usr/bin/env bash
# compare.sh FOLDER [PSF [SIGMA]] - degrades all pictures of a folder and compares what restores them.
# Prints one table: mean PSNR and SSIM by pipe, and seconds a picture; e.g. compare.sh photos motion:21,30 2.55/255
# SPDX-License-Identifier: GPL-3.0-or-later
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
psf=${2:-shake:21,3} sigma=${3:-2.55/255}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
shopt -s nullglob nocaseglob
pictures=("$1"/*.png "$1"/*.jpg "$1"/*.jpeg "$1"/*.tif "$1"/*.tiff)
[ ${#pictures[@]} -gt 0 ] || { echo "compare.sh: no pictures in $1" >&2; exit 1; }
pel-read "${pictures[@]}" | pel-blur -k "$psf" --border valid | pel-noise "$sigma" >"$work/blurred.pel"

# compare PIPE...: the pipes, one a line.  What was not told the PSF may lie a little beside the truth: all are scored where
# they fit best.
compare() {
  local pipe from
  for pipe in "$@"; do
    from=$EPOCHREALTIME
    eval "$pipe" <"$work/blurred.pel" >"$work/restored.pel"
    pel-score --shift quarter --border 8 <"$work/restored.pel" | awk -F '\t' -v p="$pipe" -v n=${#pictures[@]} \
      -v s="$(awk "BEGIN { print $EPOCHREALTIME - $from }")" '
      $1 == "mean" { printf "%-60s %7.2f %7.4f %8.2f\n", p == "cat" ? "(nothing)" : p, $3, $6, s / n }'
  done
}
printf '%-60s %7s %7s %8s\n' 'told the PSF and the noise' psnr ssim s/picture
refine='pel-cnn -m refine | pel-wiener --around'
compare cat pel-wiener "pel-wiener | $refine" pel-rl "pel-rl | $refine" 'pel-rl -n 60 --tv 0.005' pel-tv "pel-tv | $refine" \
  'pel-tv --prior hyper-laplacian' pel-pnp 'pel-pnp | pel-wiener --around'
printf '\n%-60s %7s %7s %8s\n' 'not told the PSF' psnr ssim s/picture
compare 'pel-cnn -m deblur' 'pel-cnn -m deblur-light'
for solver in pel-wiener pel-rl pel-tv; do compare "pel-blind | $solver" "pel-blind | $solver | $refine"; done
compare 'pel-blind | pel-pnp'
