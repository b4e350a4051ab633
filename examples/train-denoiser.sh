#!/usr/bin/env bash
# train-denoiser.sh [OUT] - trains a small denoiser in a minute or so, and shows what it gains: PSNR of noisy
# photographs that it has not seen, as they are, smoothed, and through the net.  Model, log and curves go to OUT
# (default: denoiser-out).
# SPDX-License-Identifier: GPL-3.0-or-later
set -euo pipefail
out=${1:-denoiser-out}
samples=$(cd "$(dirname "$0")/../data/samples" && pwd)
mkdir -p "$out"
cd "$out"
noise=25/255

# Two photographs to learn from, one to be measured by.
pel-read "$samples/fig.jpg" | pel-noise "$noise" --seed 7 >unseen.pel
pel-net dncnn --depth 6 --width 24 --channels 1 --seed 1 -o untrained.onnx
pel-train -m untrained.onnx -o denoise.onnx --steps "${STEPS:-600}" --batch 8 --lr 2e-3 --ema 0.99 --warmup 20 \
  --validate unseen.pel --validate-every 150 --log log.tsv --seed 1 --pairs-from "
    pel-read '$samples/mountain.jpg' '$samples/brook.jpg' | pel-crop --random 40 --repeat 400 --augment --seed \$SEED |
    pel-cat --shuffle 200 --seed \$SEED | pel-noise $noise --seed \$SEED"
pel-train --plot log.tsv -o curve.svg

score() { pel-score | awk -F '\t' '$1 == "mean" { printf "%.2f", $3 }'; }
noisy=$(score <unseen.pel)
smooth=$(pel-wiener -k gauss:0.6 <unseen.pel | score)
net=$(pel-cnn -m denoise.onnx <unseen.pel | score)
printf 'PSNR of a photograph that was not trained on: noisy %s dB, Wiener %s dB, trained net %s dB\n' \
  "$noisy" "$smooth" "$net"
awk -v a="$noisy" -v b="$net" 'BEGIN { printf "gain: %.2f dB\n", b - a; exit !(b > a + 3) }'
