#!/bin/bash
# calibrate.sh - writes into a model how large errors are, for --uncertainty of pel-cnn or, with PROGRAM=pnp, of pel-pnp.
# SPDX-License-Identifier: GPL-3.0-or-later
#
#   data/models/calibrate.sh MODEL.onnx PICTURE...     the programs in PATH; MODEL.onnx is rewritten
#
# The pictures, grey or colour as the model takes them, should be like those it was trained with.  Patches of them are made
# noisy at each level of LEVELS (of 255), and restored; errors are known, and pel-score --fit finds the curve.  PSF are specs
# with ranges for pel-blur --random, with spaces between: each is combined with each level (none, for pel-cnn, unless given).
# A combination gets every SHARE-th picture, beginning with the next one.  SOLVE is what comes before the program in its pipe
# (pel-tv, for a model that corrects its estimates).  For pel-cnn the curve is the model's metadata pellucid.uncertainty; for
# pel-pnp it tells of its results with the model as denoiser, and is pellucid.uncertainty.pnp.
set -euo pipefail
model=$1
shift
case ${PROGRAM:-cnn} in
  cnn) key=pellucid.uncertainty LEVELS=${LEVELS:-5 10 20 30 40 50} SHARE=${SHARE:-1} ;;
  pnp) key=pellucid.uncertainty.pnp LEVELS=${LEVELS:-0.5 1 2.55 5 10} SHARE=${SHARE:-7}
    PSF=${PSF:-shake:9..31 disc:1..4 gauss:0.8..3 motion:length=5..25,angle=0..180} ;;
  *) echo "calibrate.sh: PROGRAM is cnn or pnp" >&2; exit 2 ;;
esac
SIDE=${SIDE:-192} PATCHES=${PATCHES:-1} SEED=${SEED:-1}
work=$(mktemp -d "${TMPDIR:-/tmp}/calibrate.XXXXXX")
trap 'rm -rf "$work"' EXIT
read -ra psfs <<<"${PSF:-}"
[ ${#psfs[@]} -gt 0 ] || psfs=('')
degrade() { # level, PSF, seed
  if [ -n "$2" ]; then pel-blur -k "$2" --random --border valid --seed "$3"; else pel-cat; fi | pel-noise "$1/255" --seed "$3"
}
turn=0
for level in $LEVELS; do
  seed=$SEED${level/./}
  for psf in "${psfs[@]}"; do
    some=()
    for ((i = 1 + turn % SHARE; i <= $#; i += SHARE)); do some+=("${!i}"); done
    turn=$((turn + 1))
    [ ${#some[@]} -gt 0 ] || continue
    pel-read "${some[@]}" | pel-crop --random "$SIDE" --repeat "$PATCHES" --seed "$seed" | degrade "$level" "$psf" "$seed" |
      ${SOLVE:-pel-cat} | "pel-${PROGRAM:-cnn}" -m "$model" --uncertainty=raw
  done
done | pel-cat | pel-score --fit >"$work/numbers"
pel-net "$model" --set "$key=$(cat "$work/numbers")" -o "$model"
cat "$work/numbers"
