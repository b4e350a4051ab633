#!/bin/bash
# refine.sh - trains data/models/refine.onnx.
# SPDX-License-Identifier: GPL-3.0-or-later
#
#   data/models/refine.sh [FOLDER]     works in FOLDER (default ./models-work), the programs in PATH; resumable
#
# A residual U-Net gets an estimate, the measurement and the noise level, and learns what a solver leaves behind: ringing, noise,
# stairs, lost texture.  Estimates are those of pel-tv, pel-wiener and pel-rl, of photographs blurred by shaken, moved and
# unfocused cameras.  Most of the photographs are made softer or smaller first, with grain: from sharp ones alone it learns to
# add detail, and loses on pictures that have none; from soft ones without grain, to smooth all that is soft.  Some solvers
# are told a PSF that is somewhat wrong, and more noise than there is, as in use they are: from exact ones alone it learns to
# trust what was divided by the PSF too much, and loses 0.8 dB on Levin et al.'s pictures.
# It began with the denoise-gray.onnx of commit c288aef.
# The estimates take half an hour of two cores and 14 GB, the training ten minutes.  STEPS=20 TENTH=1 tries the recipe.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
mkdir -p "${1:-models-work}"
cd "${1:-models-work}"
[ -d photos ] || { "$here/photos.sh" photos.new && mv photos.new photos; }
mkdir -p refine

degraded() { # FOLDER SCALE SPEC: the photographs reduced, made softer, and grainy
  [ -d "$1" ] && return
  mkdir -p "$1.new"
  local seed=0 photo
  for photo in photos/grey/*.pgm; do
    seed=$((seed + 1))
    pamscale "$2" "$photo" 2>/dev/null | pel-read - | pel-blur -k "$3" --random --seed $seed | pel-noise 0..2.5/255 --seed $seed |
      pel-write -q "$1.new/$(basename "$photo")"
  done
  mv "$1.new" "$1"
}
degraded soft-grey 1 gauss:0.3..1.2
degraded small-grey 0.6 gauss:0.1..0.4

few=${TENTH:+1}
blurred() { # FOLDER PSF REPEAT NOISE [PSF-ERROR]
  pel-read "$1"/*.pgm | pel-crop --random 176 --repeat "${few:-$3}" --augment --seed "$seed" |
    pel-blur -k "$2" --random --border valid --psf-error "${5:-0}" --seed "$seed" | pel-noise "$4" --seed "$seed"
}
right() { # SOLVER SHARE: told the PSF, and mostly the noise; SHARE times 10 of each photograph
  blurred "$folder" shake:size=5..35 $((4 * $2)) 0.3/255..5/255 | "pel-$1" -t 1
  for psf in disc:0.5..6 gauss:0.5..3 motion:length=2..30,angle=0..180; do
    blurred "$folder" "$psf" "$2" 0.3/255..5/255 | "pel-$1" -t 1
  done
  blurred "$folder" shake:size=5..35 $((3 * $2)) 1/255..4/255 | "pel-$1" -t 1 -s 2/255
}
wrong() { # SOLVER SHARE: neither; SHARE times 8 of each photograph
  seed=$((seed + 1)) blurred "$folder" shake:size=5..35 $((3 * $2)) 0.3/255..5/255 0..0.5 | "pel-$1" -t 1
  seed=$((seed + 2)) blurred "$folder" shake:size=5..35 $((2 * $2)) 0.3/255..1.5/255 0..0.5 | "pel-$1" -t 1 -s 1.5/255
  seed=$((seed + 3)) blurred "$folder" shake:size=5..35 "$2" 0.5/255..4/255 0..0.5 | "pel-$1" -t 1 -s 4/255
  for psf in disc:0.5..6 gauss:0.5..3; do
    seed=$((seed + ${#psf})) blurred "$folder" "$psf" "$2" 0.4/255..2/255 0..0.5 | "pel-$1" -t 1 -s 2/255
  done
}
part() { # right|wrong SOLVER SHARE
  local name="refine/$1-$2-$(basename "$folder").pel" seed
  [ -e "$name" ] && return
  seed=$(printf %s "$name" | cksum | cut -c1-6)
  "$1" "$2" "$3" | pel-cat --shuffle 6000 --seed "$seed" >"$name.new"
  mv "$name.new" "$name"
}
for folder in photos/grey soft-grey small-grey; do
  (for kind in right wrong; do part $kind tv 2; part $kind wiener 2; part $kind rl 1; done) &
done
wait -n # each may fail
wait -n
wait -n

if [ ! -e refine.pel ]; then
  for name in brook fig mountain; do
    djpeg -grayscale "$here/../samples/$name.jpg" >check-$name.pgm
    pel-read check-$name.pgm | pel-blur -k gauss:0.8 | pel-noise 1/255 --seed 9 | pel-write check-$name-soft.pgm
  done
  for solver in wiener tv rl; do
    while read -r error noise told; do
      pel-read check-{brook,fig,mountain}{,-soft}.pgm | pel-crop --random 280 --seed 9 |
        pel-blur -k shake:size=9..31 --random --border valid --psf-error "$error" --seed 9 | pel-noise "$noise" --seed 9 |
        "pel-$solver" -s "$told" | pel-crop 240x240 >"refine-$solver-$error.new"
    done <<<$'0 0.5/255..3/255 auto\n0.3 0.3/255..1/255 1.5/255'
  done
  pel-cat refine-*.new >refine.new
  rm refine-*.new
  mv refine.new refine.pel
fi
[ -e refine-0.onnx ] || pel-net drunet --levels 48,80,96 --blocks 1 --fold 2 --inputs image,sigma,data --seed 1 \
  --weights-from "$here/denoise-gray.onnx" -o refine-0.onnx

# The loss in dB: else the many estimates that are hard would rule, and the good ones be made worse.  The rate stays high and
# the run is short: what learned longer, or came to rest, does better on these photographs and worse on pictures of others.
pairs=()
for solver in tv wiener tv wiener rl; do
  for file in refine/*-"$solver"-*.pel; do
    pairs+=(--pairs-from "pel-cat $file | pel-crop --random 64 --repeat 4 --augment --seed \$SEED | pel-cat --shuffle 1000 --seed \$SEED")
  done
done
pel-train -m refine-0.onnx -o refine.onnx --steps "${STEPS:-6000}" --batch 16 --lr 6e-4 --schedule constant --warmup 500 --loss psnr --seed 1 \
  --validate refine.pel --validate-every 500 --log refine.tsv --log-every 200 --checkpoint refine.ckpt --checkpoint-every 1000 \
  --resume "${pairs[@]}"

SOLVE=pel-tv LEVELS='0.5 1 2.55 5' SHARE=7 SIDE=192 PSF='shake:size=9..31 disc:1..4 gauss:0.8..3 motion:length=5..25,angle=0..180' \
  "$here/calibrate.sh" refine.onnx photos/grey/*.pgm
card="Takes ringing, noise and stairs from the estimate of pel-tv, pel-wiener or pel-rl, which it sees beside the measurement, \
and brings back texture; for pel-cnn, with pel-wiener --around behind it. Not behind pel-pnp, nor for pictures that are not \
photographs. Trained on photographs of Debian packages (data/models/photos.tsv) by data/models/refine.sh."
pel-net refine.onnx --set "pellucid.card=$card" -o refine.onnx
