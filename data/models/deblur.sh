#!/bin/bash
# deblur.sh - trains data/models/deblur.onnx or deblur-light.onnx.
# SPDX-License-Identifier: GPL-3.0-or-later
#
#   data/models/deblur.sh deblur|deblur-light [FOLDER]   works in FOLDER (default ./models-work), the programs in PATH; resumable
#
# A residual U-Net learns to make sharp what moved, shook or was out of focus, without being told how.  It begins with what is
# easy, two directions of straight movement, goes on to any direction and more lengths, and ends with photographs seen by a camera
# that moves among things that move, as they are and softer, as frames of video are; straight movements; defocus; and sharp ones.
# deblur took 165 minutes of one core, deblur-light 50.  STEPS=20 tries the recipe.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
case ${1:-} in
  deblur) layers="--levels 40,64,96,96 --blocks 1 --fold 2" ;;
  deblur-light) layers="--levels 32,48,64,64 --blocks 1 --fold 4" ;;
  *) echo "usage: deblur.sh deblur|deblur-light [FOLDER]" >&2; exit 2 ;;
esac
mkdir -p "${2:-models-work}"
cd "${2:-models-work}"
net=$1
[ -d photos ] || { "$here/photos.sh" photos.new && mv photos.new photos; }
if [ ! -d soft ]; then
  mkdir -p soft.new
  seed=0
  for photo in photos/*.ppm; do
    pel-read "$photo" | pel-blur -k gauss:0.5..1.1 --random --seed $((++seed)) | pel-write "soft.new/$(basename "$photo")"
  done
  mv soft.new soft
fi
[ -e "$net-0.onnx" ] || pel-net drunet $layers --inputs image --channels 3 --seed 1 -o "$net-0.onnx"

# Pairs are cut from larger ones: nothing comes from beyond a picture's border, and four patches share a movement.  Few of each
# photograph in a row, and many to draw from, so that each step sees many photographs.
shake='pel-shake --border valid -t 1 --seed $SEED --transfer gamma:1.8..2.4'
straight="$shake --bend 0 --turn 0 --zoom 0 --layers 0 --length"
move="$shake --turn 0..0.7 --zoom 0..0.01 --length"
blur='pel-blur --random --border valid -t 1 --seed $SEED -k'
pairs() { # FILES, DEGRADE, patches that are shuffled, NOISE: a command for each epoch
  echo "pel-read --shuffle --epochs 1 --seed \$SEED $1 | pel-crop --random 256 --repeat 8 --seed \$SEED | $2 |
    pel-crop --random 128 --repeat 4 --augment --seed \$SEED | pel-cat --shuffle $3 --seed \$SEED | pel-noise $4 --seed \$SEED"
}
train() { # MODEL, RESULT, STEPS, OPTION...
  pel-train -m "$1.onnx" -o "$2.onnx" --steps "${STEPS:-$3}" --batch 8 --optimizer muon --clip 10 --loss psnr:floor=$floor \
    --log "$2.tsv" --log-every 100 --checkpoint "$2.ckpt" --checkpoint-every 500 --resume "${@:4}"
}
if [ ! -e deblur.pel ]; then
  for name in brook fig mountain; do
    djpeg "$here/../samples/$name.jpg" >check-$name.ppm
    pel-read check-$name.ppm | pel-blur -k gauss:0.8 | pel-write check-$name-soft.ppm
  done
  pel-read check-{brook,fig,mountain}{,-soft}.ppm | pel-crop --random 320 --repeat 4 --seed 9 |
    pel-shake --length 0..20 --bend 0..0.3 --turn 0..0.7 --zoom 0..0.01 --layers 0..1 --transfer gamma:2.2 --border valid --seed 9 |
    pel-crop 192x192 | pel-noise 0..3/255 --seed 9 >deblur.new
  mv deblur.new deblur.pel
fi
# From easy to hard: which of two directions a movement had can be learned in a few minutes; with many directions and lengths at
# once a net learned to sharpen all alike, and was still there after an hour.
floor=1e-2
train "$net-0" "$net-1" 600 --lr 2e-3 --warmup 100 --ema 0.99 --seed 2 \
  --pairs-from "$(pairs 'photos/*.ppm' "$blur motion:length=6..8,angle=0" 1000 0..1/255)" \
  --pairs-from "$(pairs 'soft/*.ppm' "$blur motion:length=6..8,angle=90" 1000 0..1/255)"
train "$net-1" "$net-2" 500 --lr 1e-3 --warmup 100 --ema 0.99 --seed 2 \
  --pairs-from "$(pairs 'photos/*.ppm' "$blur motion:length=5..9,angle=0..180" 1000 0..1/255)"
train "$net-2" "$net-3" 1800 --lr 2e-3 --warmup 100 --ema 0.99 --seed 2 \
  --pairs-from "$(pairs 'photos/*.ppm' "$blur motion:length=3..13,angle=0..180" 1000 0..1/255)" \
  --pairs-from "$(pairs 'soft/*.ppm' "$straight 3..13" 1000 0..1/255)"
train "$net-3" "$net-4" 4500 --lr 2e-3 --warmup 100 --seed 3 \
  --pairs-from "$(pairs 'photos/*.ppm' "$blur motion:length=3..15,angle=0..180" 2000 0..1/255)" \
  --pairs-from "$(pairs 'soft/*.ppm' "$straight 3..15" 2000 0..1/255)"
train "$net-4" "$net-5" 5000 --lr 1e-3 --warmup 100 --seed 4 --validate deblur.pel --validate-every 500 \
  --pairs-from "$(pairs 'photos/*.ppm' "$move 0..16 --bend 0..0.6 --layers 0..1" 2000 0..3/255)" \
  --pairs-from "$(pairs 'soft/*.ppm' "$move 0..28 --bend 0..0.2 --layers 0..2" 2000 0..3/255)" \
  --pairs-from "$(pairs 'soft/*.ppm' "$straight 3..15" 2000 0..3/255)" \
  --pairs-from "$(pairs 'photos/*.ppm' "$blur disc:0.5..2.5" 2000 0..3/255)"
train "$net-5" "$net-6" 5000 --lr 2e-3 --warmup 100 --seed 5 --validate deblur.pel --validate-every 500 \
  --pairs-from "$(pairs 'photos/*.ppm' "$blur motion:length=3..30,angle=0..180" 2000 0..1/255)" \
  --pairs-from "$(pairs 'soft/*.ppm' "$straight 3..30" 2000 0..1/255)"
# Sharp patches too, which it is to leave alone.  Their errors are small, and the logarithm makes small ones count: with the floor
# of before and a rate of 1.5e-3 a try forgot in 5500 steps how to find a blur (GoPro from +0.61 to +0.25 dB).
floor=3e-2
mixed() { # MODEL RESULT STEPS SEED, the longest straight, even and short movements, those of a camera, soft and not
  train "$1" "$2" "$3" --lr 1e-3 --warmup 100 --seed "$4" --validate deblur.pel --validate-every 500 \
    --pairs-from "$(pairs 'soft/*.ppm' "$straight 3..$5" 2000 0..2/255)" \
    --pairs-from "$(pairs 'photos/*.ppm' "$blur motion:length=3..$6,angle=0..180" 2000 0..2/255)" \
    --pairs-from "$(pairs 'soft/*.ppm' "$straight 3..$7" 2000 0..2/255)" \
    --pairs-from "$(pairs 'soft/*.ppm' "$move 0..$8 --bend 0..0.1 --layers 0..1" 2000 0..2/255)" \
    --pairs-from "$(pairs 'photos/*.ppm' "$move 0..$9 --bend 0..0.2 --layers 0..1" 2000 0..2/255)" \
    --pairs-from "$(pairs 'photos/*.ppm' "$blur disc:0.5..2.5" 2000 0..2/255)" \
    --pairs-from "$(pairs 'photos/*.ppm soft/*.ppm' cat 2000 0..2/255)"
}
mixed "$net-6" "$net-7" 8000 6 36 30 20 36 24
mixed "$net-7" "$net" 6000 7 48 40 24 44 28

# No calibration: how wrong it is depends on how strong the blur was, which it cannot tell.  On frames of video 22 to 68 % of
# the errors of an earlier model were within what the curve of its own pairs said, in place of 68.
card="Makes photographs and frames of video sharper that are slightly shaken, moved or out of focus, without being told how; \
for pel-cnn. Strong blur it leaves as it is: pel-blind and pel-pnp are for that. Trained on photographs of Debian packages \
(data/models/photos.tsv) by data/models/deblur.sh."
pel-net "$net.onnx" --set "pellucid.card=$card" -o "$net.onnx"
