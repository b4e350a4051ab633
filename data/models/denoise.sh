#!/bin/bash
# denoise.sh - trains data/models/denoise-gray.onnx or denoise-color.onnx.
# SPDX-License-Identifier: GPL-3.0-or-later
#
#   data/models/denoise.sh gray|color [FOLDER]   works in FOLDER (default ./models-work), the programs in PATH; resumable
#
# A residual U-Net at half the resolution that is told the noise level (FFDNet's inputs, DRUNet's layers) learns to remove
# white Gaussian noise of sigma 0 to 50/255 from photographs, and from smaller copies of them.
# Grey takes two hours of two cores, and then some minutes for --uncertainty.  Colour begins with the weights of the grey one:
# train that first; another hour.  STEPS=20 tries the recipe in some minutes.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
case ${1:-} in
  gray) channels=1 steps=(24000 11000 2500) rate=2e-3 folder=photos/grey small=reduced-grey decode='djpeg -grayscale' kind=pgm share=28 ;;
  color) channels=3 steps=(8000 5000 1000) rate=1e-3 folder=photos small=reduced decode=djpeg kind=ppm share=60 ;;
  *) echo "usage: denoise.sh gray|color [FOLDER]" >&2; exit 2 ;;
esac
mkdir -p "${2:-models-work}"
cd "${2:-models-work}"
[ -d photos ] || { "$here/photos.sh" photos.new && mv photos.new photos; }
if [ ! -d $small ]; then
  mkdir -p $small.new
  for photo in $folder/*.$kind; do
    pamscale 0.6 "$photo" >"$small.new/$(basename "$photo")" 2>/dev/null
  done
  mv $small.new $small
fi
# Colours of photographs that were reduced hardly have grain, and the net takes what grain other ones have for noise, however
# little noise it is told of.  So there is a source with grain that is to be kept, fine and, where it was reduced, less fine.
if [ $channels = 3 ] && [ ! -d grainy ]; then
  mkdir -p grainy.new
  seed=0
  for photo in photos/*.ppm; do
    pel-read "$photo" | pel-noise 2/255..16/255 --seed $((++seed)) | pel-write -q --role image grainy.new/new.ppm
    if [ $((seed % 2)) = 0 ]; then pamscale 0.7 grainy.new/new.ppm 2>/dev/null; else cat grainy.new/new.ppm; fi >"grainy.new/$(basename "$photo")"
  done
  rm grainy.new/new.ppm
  mv grainy.new grainy
fi
net=denoise-$1
if [ ! -e $net-0.onnx ]; then
  [ "$1" = gray ] || from="--weights-from denoise-gray.onnx"
  pel-net drunet --levels 40,64,96 --blocks 2 --fold 2 --channels $channels --seed 1 ${from:-} -o $net-0.onnx
fi
if [ ! -e $net.pel ]; then
  for name in brook fig mountain; do
    $decode "$here/../samples/$name.jpg" >check-$name-$channels.pnm
  done
  for sigma in 15 25 50; do
    pel-read check-*-$channels.pnm | pel-crop --random 192 --repeat 2 --seed 9 | pel-noise $sigma/255 --seed 9 >$net-$sigma.pel
  done
  pel-cat $net-15.pel $net-25.pel $net-50.pel >$net.new
  mv $net.new $net.pel
fi
pairs() { # FILES, side of patches, patches that are shuffled, NOISE
  echo "pel-read --shuffle --epochs 1 --seed \$SEED $1 | pel-crop --random $2 --repeat 20 --augment --seed \$SEED |
    pel-cat --shuffle $3 --seed \$SEED | pel-noise $4 --seed \$SEED"
}
train() { # MODEL, RESULT, STEPS, OPTION...
  pel-train -m "$1.onnx" -o "$2.onnx" --steps "${STEPS:-$3}" --optimizer muon --clip 20 --loss psnr --validate $net.pel \
    --validate-every 500 --log "$2.tsv" --log-every 200 --checkpoint "$2.ckpt" --checkpoint-every 500 --resume "${@:4}"
}
little() { # side of patches, patches that are shuffled: colour's sources of little noise, as options of train
  low=()
  [ $channels = 1 ] || low=(--pairs-from "$(pairs "photos/*.ppm" "$1" "$2" 0..8/255)" --pairs-from "$(pairs "grainy/*.ppm" "$1" "$2" 0..8/255)")
}
# First much from small patches, at a high rate; then larger ones and more noise: the more of it, the farther what tells of a
# sample lies from it.
train $net-0 $net-1 ${steps[0]} --batch 12 --lr $rate --warmup 300 --seed 1 \
  --pairs-from "$(pairs "$folder/*.$kind" 96 3000 0..50/255)" --pairs-from "$(pairs "$small/*.$kind" 96 3000 0..50/255)"
little 128 2000
train $net-1 $net-2 ${steps[1]} --batch 8 --lr 8e-4 --warmup 300 --seed 2 \
  --pairs-from "$(pairs "$folder/*.$kind" 128 2000 0..50/255)" --pairs-from "$(pairs "$small/*.$kind" 128 2000 0..50/255)" \
  --pairs-from "$(pairs "$folder/*.$kind" 128 2000 20/255..55/255)" --pairs-from "$(pairs "$small/*.$kind" 128 2000 20/255..55/255)" "${low[@]}"
little 176 1500
train $net-2 $net ${steps[2]} --batch 6 --lr 6e-4 --warmup 100 --seed 3 \
  --pairs-from "$(pairs "$folder/*.$kind" 176 1500 0..50/255)" --pairs-from "$(pairs "$small/*.$kind" 176 1500 0..50/255)" \
  --pairs-from "$(pairs "$folder/*.$kind" 176 1500 25/255..55/255)" --pairs-from "$(pairs "$small/*.$kind" 176 1500 25/255..55/255)" "${low[@]}"

# How large its errors are, and those of pel-pnp with it, and what it is for.
SIDE=192 SHARE=4 "$here/calibrate.sh" $net.onnx $folder/*.$kind
PROGRAM=pnp SIDE=160 SHARE=$share "$here/calibrate.sh" $net.onnx $folder/*.$kind
card="Removes white Gaussian noise of a level that is told (sigma 1 to 50/255) from photographs; for pel-cnn, and the \
denoiser of pel-pnp. Not for noise that is correlated (JPEG, demosaicing) or grows with the signal: tell a level, or see to \
it that it is white first. Trained on photographs of Debian packages (data/models/photos.tsv) by data/models/denoise.sh."
pel-net $net.onnx --set "pellucid.card=$card" -o $net.onnx
