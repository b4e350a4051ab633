#!/bin/bash
# calibrate.sh - writes into a model how large its errors are (metadata pellucid.uncertainty), for pel-cnn --uncertainty.
# SPDX-License-Identifier: GPL-3.0-or-later
#
#   data/models/calibrate.sh MODEL.onnx PICTURE...     the programs in PATH; MODEL.onnx is rewritten
#
# The pictures, grey or colour as the model takes them, should be like those it was trained with.  A patch of each is made noisy
# (and blurred, where PSF names one) at each level of LEVELS, and restored; errors are known, and pel-score --fit finds the
# curve.  SOLVE is what comes before the model in its pipe (pel-tv, for a model that corrects its estimates).
set -euo pipefail
model=$1
shift
LEVELS=${LEVELS:-5 10 20 30 40 50} SIDE=${SIDE:-192} PATCHES=${PATCHES:-1} SEED=${SEED:-1}
work=$(mktemp -d "${TMPDIR:-/tmp}/calibrate.XXXXXX")
trap 'rm -rf "$work"' EXIT
degrade() { # level
  if [ -n "${PSF:-}" ]; then pel-blur -k "$PSF" --random --seed "$SEED$1"; else pel-cat; fi | pel-noise "$1/255" --seed "$SEED$1"
}
for level in $LEVELS; do
  pel-read "$@" | pel-crop --random "$SIDE" --repeat "$PATCHES" --seed "$SEED$level" | degrade "$level" | ${SOLVE:-pel-cat} |
    pel-cnn -m "$model" --uncertainty=raw
done | pel-cat | pel-score --fit >"$work/numbers"
pel-net "$model" --set "pellucid.uncertainty=$(cat "$work/numbers")" -o "$model"
cat "$work/numbers"
