#!/usr/bin/env bash
# demo.sh - shakes three photographs, then restores them from the blurred files alone: the PSF is estimated, a network and the
# measurement do the rest.  Compares with what knows the PSF; then restores an astronomical frame and keeps its header.
# Pictures and a table go to a folder (default: demo-out).
# SPDX-License-Identifier: GPL-3.0-or-later
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
samples=$here/../data/samples
[ -n "${PELLUCID_MODELS:-}" ] || [ ! -e "$here/../data/models/denoise-gray.onnx" ] || export PELLUCID_MODELS=$here/../data/models
out=${1:-demo-out}
mkdir -p "$out"
cd "$out"

restore() { # PHOTO NAME PIPE: a picture, and a row of the table
  local photo=$1 name=$2 pipe=$3
  # A PSF that was estimated may have moved the picture by parts of a sample.
  pel-read "${told[@]}" "truth:$photo-sharp.png" "$photo-blurred.png" | eval "$pipe" | pel-score --shift quarter --border 8 -o score.tsv |
    pel-write -q --type u8 "$photo-$name.png"
  awk -F '\t' -v p="$photo" -v m="$pipe" '$1 == "0" { printf "%s\t%s\t%.2f\t%.4f\n", p, m, $3, $6 }' score.tsv >>table.tsv
}

printf 'picture\tmethod\tpsnr\tssim\n' >table.tsv
for photo in mountain fig brook; do
  # The path of a shaken camera, and noise; what the PSF pushed over the border is lost.
  pel-read "$samples/$photo.jpg" | pel-blur -k shake:size=21,seed=3 --border valid | pel-noise 2.55/255 --seed 1 >shaken.pel
  pel-write -q --type u8 "$photo-blurred.png" <shaken.pel
  pel-write -q --type u8 --role truth "$photo-sharp.png" <shaken.pel
  pel-write -q --role psf "$photo-psf.tif" <shaken.pel
  told=()
  restore "$photo" unchanged pel-cat
  restore "$photo" blind-tv 'pel-blind | pel-tv'
  restore "$photo" blind-pnp 'pel-blind | pel-pnp'
  told=("psf:$photo-psf.tif")
  for method in wiener rl tv pnp; do restore "$photo" "told-$method" "pel-$method"; done
  rm -f "$photo-unchanged.png"
done
rm -f shaken.pel score.tsv

# What README.md shows.
for picture in blurred blind-pnp sharp; do
  pel-read "brook-$picture.png" | pel-crop 240x240 | pel-write -q "detail-$picture.jpg"
done

# A Hubble frame with its own PSF: counts stay counts, bad pixels stay masked, the header is kept.
pel-read "psf:$samples/cluster-psf.fits" "$samples/cluster.fits" |
  pel-rl -n 30 --background auto | pel-write cluster-restored.fits

column -t -s "$(printf '\t')" table.tsv 2>/dev/null || cat table.tsv
echo "cluster-restored.fits keeps the header of cluster.fits, with HISTORY of what was done"
echo "pictures and table.tsv are in $PWD"
