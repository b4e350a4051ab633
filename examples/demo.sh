#!/usr/bin/env bash
# demo.sh - degrades three photographs, restores them by three methods and compares; then restores an
# astronomical frame and keeps its header.  Pictures and a table go to a folder (default: demo-out).
# SPDX-License-Identifier: GPL-3.0-or-later
set -euo pipefail
out=${1:-demo-out}
samples=$(cd "$(dirname "$0")/../data/samples" && pwd)
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$out"

sigma=2.55/255
printf 'picture\tmethod\tpsnr\tssim\n' >table.tsv
for photo in mountain fig brook; do
  # A path of a shaken camera, and noise: the stream keeps PSF, noise level and truth.
  pel-read "$samples/$photo.jpg" | pel-blur -k shake:size=21,seed=3 | pel-noise "$sigma" --seed 1 >blurred.pel
  pel-write -q "$photo-blurred.png" <blurred.pel
  for method in none wiener rl tv; do
    case $method in none) stage=(pel-cat) ;; *) stage=("pel-$method") ;; esac
    "${stage[@]}" <blurred.pel | pel-score -o score.tsv | pel-write -q --type u8 "$photo-$method.png"
    awk -F '\t' -v p="$photo" -v m="$method" '$1 == "0" { printf "%s\t%s\t%.2f\t%.4f\n", p, m, $3, $6 }' score.tsv >>table.tsv
  done
  rm -f "$photo-none.png"
done
rm -f blurred.pel score.tsv

# A Hubble frame with its own PSF: counts stay counts, bad pixels stay masked, the header is kept.
pel-read "psf:$samples/cluster-psf.fits" "$samples/cluster.fits" |
  pel-rl -n 30 --background auto | pel-write cluster-restored.fits

column -t -s "$(printf '\t')" table.tsv 2>/dev/null || cat table.tsv
echo "cluster-restored.fits keeps the header of cluster.fits, with HISTORY of what was done"
echo "pictures and table.tsv are in $out"
