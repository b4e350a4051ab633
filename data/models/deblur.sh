#!/bin/bash
# deblur.sh - trains data/models/deblur.onnx or deblur-light.onnx.
# SPDX-License-Identifier: GPL-3.0-or-later
#
#   data/models/deblur.sh deblur|deblur-light [FOLDER]   works in FOLDER (default ./models-work), the programs in PATH; resumable
#
# A residual U-Net learns to make sharp what moved, shook or was out of focus, without being told how.  Pairs are photographs
# by turns: seen by a camera that moves among things that move, as they are and softer, as frames of video are; convolved with
# the path of a hand's shake; and out of focus; then some noise.  Most movements are straight and even, as in short exposures:
# from those that bend and tremble it learned little more than to sharpen in an hour.  deblur took 25 minutes of two cores.
# STEPS=20 tries the recipe.
#
# The deblur-light.onnx that ships is of this recipe's earlier form (commit 21efb98): it waits for its training.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
case ${1:-} in
  deblur) layers="--levels 40,64,96,96 --blocks 1 --fold 2" steps=9000 ;;
  deblur-light) layers="--levels 32,48,64,64 --blocks 1 --fold 4" steps=9000 ;;
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
move='pel-shake --bend 0..0.3 --turn 0..0.7 --zoom 0..0.01 --layers 0..1 --transfer gamma:1.8..2.4 --border valid -t 1 --seed $SEED --length'
blur='pel-blur --random --border valid -t 1 --seed $SEED -k'
cut='pel-crop --random 256 --repeat 8 --seed $SEED'
patches="pel-crop --random 128 --repeat 4 --augment --seed \$SEED | pel-cat --shuffle 2000 --seed \$SEED | pel-noise 0..3/255 --seed \$SEED"
pairs() { # FILES | DEGRADE, a command for each epoch
  echo "pel-read --shuffle --epochs 1 --seed \$SEED $1 | $cut | $2 | $patches"
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
pel-train -m "$net-0.onnx" -o "$net.onnx" --steps "${STEPS:-$steps}" --batch 8 --optimizer muon --lr 2e-3 --warmup 300 --clip 10 \
  --loss psnr:floor=1e-2 --seed 1 --validate deblur.pel --validate-every 1000 --log "$net.tsv" --log-every 100 \
  --checkpoint "$net.ckpt" --checkpoint-every 500 --resume \
  --pairs-from "$(pairs 'soft/*.ppm' "$move 0..20")" --pairs-from "$(pairs 'photos/*.ppm' "$move 0..16")" \
  --pairs-from "$(pairs 'soft/*.ppm' "$move 2..20")" --pairs-from "$(pairs 'photos/*.ppm' "$blur shake:size=3..11")" \
  --pairs-from "$(pairs 'soft/*.ppm' "$move 0..32")" --pairs-from "$(pairs 'photos/*.ppm' "$blur disc:0.5..2.5")"

# No calibration: how wrong it is depends on how strong the blur was, which it cannot tell.  On frames of video 22 to 68 % of
# errors were within what the curve of its own pairs says, in place of 68.
card="Makes photographs and frames of video sharper that are slightly shaken, moved or out of focus, without being told how; \
for pel-cnn. Strong blur it leaves as it is: pel-blind and pel-pnp are for that. Trained on photographs of Debian packages \
(data/models/photos.tsv) by data/models/deblur.sh."
pel-net "$net.onnx" --set "pellucid.card=$card" -o "$net.onnx"
