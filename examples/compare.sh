#!/usr/bin/env bash
# compare.sh FOLDER [PSF [SIGMA]] - degrades all pictures of a folder and compares what restores them.
# Prints one table: mean PSNR and SSIM by method, e.g. compare.sh photos motion:21,30 2.55/255
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
printf '%-28s %8s %8s\n' method psnr ssim
for stage in "pel-cat" "pel-wiener" "pel-rl" "pel-rl -n 60 --tv 0.005" "pel-tv" "pel-tv --prior hyper-laplacian"; do
  # The words of a stage are options without spaces.
  $stage <"$work/blurred.pel" | pel-score |
    awk -F '\t' -v s="$stage" '$1 == "mean" { printf "%-28s %8.2f %8.4f\n", s == "pel-cat" ? "(nothing)" : s, $3, $6 }'
done
