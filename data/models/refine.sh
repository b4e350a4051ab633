#!/bin/bash
# refine.sh - trains refine.onnx: on trial, it does not ship yet (see the end).
# SPDX-License-Identifier: GPL-3.0-or-later
#
#   data/models/refine.sh [FOLDER]     works in FOLDER (default ./models-work), the programs in PATH; resumable
#
# A residual U-Net gets an estimate, the measurement and the noise level, and learns what a solver leaves behind: ringing, noise,
# stairs, lost texture.  Estimates are those of pel-wiener, pel-tv, pel-rl and pel-pnp, of photographs blurred by shaken,
# moved and unfocused cameras; solvers that are told another noise level than there is make up for what is never known exactly
# in use.  They take half an hour of a core and 6 GB; the training 40 minutes of two.  STEPS=20 TENTH=1 tries the recipe.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
mkdir -p "${1:-models-work}"
cd "${1:-models-work}"
export PELLUCID_MODELS=$here # the denoiser
[ -d photos ] || { "$here/photos.sh" photos.new && mv photos.new photos; }
mkdir -p refine

part() { # NAME PSF REPEAT SOLVER...: estimates of REPEAT patches of each photograph
  local name=$1 psf=$2 repeat=$3 seed
  shift 3
  seed=$(printf %s "$name" | cksum | cut -c1-6)
  [ -e "refine/$name.pel" ] && return
  pel-read photos/grey/*.pgm | pel-crop --random 176 --repeat "$repeat" --augment --seed "$seed" |
    pel-blur -k "$psf" --random --border valid --seed "$seed" | pel-noise 0.3/255..8/255 --seed "$seed" | "$@" |
    pel-cat --shuffle 4000 --seed "$seed" >refine/new
  mv refine/new "refine/$name.pel"
}
few=${TENTH:+1}
part tv-shake shake:size=5..35 "${few:-10}" pel-tv -t 1
part tv-shake-told shake:size=5..35 "${few:-10}" pel-tv -t 1 -s 4/255
part wiener-shake shake:size=5..35 "${few:-10}" pel-wiener -t 1
part wiener-shake-told shake:size=5..35 "${few:-10}" pel-wiener -t 1 -s 4/255
part rl-shake shake:size=5..35 "${few:-15}" pel-rl -t 1
part pnp-shake shake:size=5..35 "${few:-6}" pel-pnp -t 1
for psf in disc:0.5..6 gauss:0.5..3 motion:length=2..30,angle=0..180; do
  for solver in tv wiener rl; do
    part "$solver-${psf%%:*}" "$psf" "${few:-5}" "pel-$solver" -t 1
  done
  part "pnp-${psf%%:*}" "$psf" "${few:-2}" pel-pnp -t 1
done

if [ ! -e refine.pel ]; then
  for name in brook fig mountain; do djpeg -grayscale "$here/../samples/$name.jpg" >check-$name.pgm; done
  for solver in wiener tv rl pnp; do
    pel-read check-*.pgm | pel-crop --random 280 --repeat 3 --seed 9 | pel-blur -k shake:size=9..31 --random --border valid --seed 9 |
      pel-noise 0.5/255..5/255 --seed 9 | "pel-$solver" | pel-crop 240x240 >refine-$solver.new
  done
  pel-cat refine-*.new >refine.new
  rm refine-*.new
  mv refine.new refine.pel
fi
[ -e refine-0.onnx ] || pel-net drunet --levels 48,80,96 --blocks 1 --fold 2 --inputs image,sigma,data --seed 1 \
  --weights-from "$here/denoise-gray.onnx" -o refine-0.onnx

# A pair of each part in turn, of those of shakes two.
pairs=()
for file in refine/*-shake*.pel refine/*.pel; do
  pairs+=(--pairs-from "pel-cat $file | pel-crop --random 64 --repeat 4 --augment --seed \$SEED | pel-cat --shuffle 600 --seed \$SEED")
done
pel-train -m refine-0.onnx -o refine.onnx --steps "${STEPS:-22000}" --batch 16 --lr 7e-4 --warmup 500 --loss charbonnier --seed 1 \
  --validate refine.pel --validate-every 1000 --log refine.tsv --log-every 200 --checkpoint refine.ckpt --checkpoint-every 1000 \
  --resume "${pairs[@]}"
# As it is, it gains 0.7 dB on Wiener's estimates and 0.5 on RL's of photographs like these, nothing on those of pel-tv and
# pel-pnp, and loses on softer pictures (Levin et al.'s: 0.3 to 0.9 dB): it has learned from sharp ones alone to add detail.
