#!/bin/bash
# features.sh - trains data/models/features.onnx, the network whose layers pel-train's perceptual loss compares.
# SPDX-License-Identifier: GPL-3.0-or-later
#
#   data/models/features.sh [FOLDER]     works in FOLDER (default ./features-work), the programs in PATH; resumable
#
# An encoder and decoder without skips (pel-net vgg) learns to restore photographs that were blurred and made noisy: what its
# encoder keeps of a picture is what tells edges and texture from degradation.  About ten minutes on two cores.
set -eu
here=$(realpath "$(dirname "$0")")
mkdir -p "${1:-features-work}"
cd "${1:-features-work}"
[ -d photos ] || { "$here/photos.sh" photos.new 20 1/2 && mv photos.new photos; }
[ -e net.onnx ] || pel-net vgg --width 32 --depth 3 --seed 1 -o net.onnx
if [ ! -e check.pel ]; then
  pel-read "$here"/../samples/{brook,fig,mountain}.jpg | pel-crop --random 128 --repeat 16 --seed 9 |
    pel-blur -k gauss:0.4..2 --random --seed 9 | pel-noise 0..30/255 --seed 9 >check.new
  mv check.new check.pel
fi
pel-train -m net.onnx -o features.onnx --steps 4000 --batch 16 --lr 1e-3 --warmup 200 --loss charbonnier --seed 1 \
  --validate check.pel --log features.tsv --checkpoint features.ckpt --resume \
  --pairs-from 'pel-read --shuffle --epochs 1 --seed $SEED photos/*.ppm | pel-crop --random 64 --repeat 100 --augment --seed $SEED |
    pel-cat --shuffle 400 --seed $SEED | pel-blur -k gauss:0.4..2 --random --seed $SEED | pel-noise 0..30/255 --seed $SEED'
