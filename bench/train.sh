#!/bin/bash
# train.sh MODEL.onnx... - a step of training beside PyTorch (where python3 has torch and onnx): batch 16 of 64x64, with one
# and two threads, in fp32 and bf16: milliseconds, megabytes, and ratios of times.
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
here=$(dirname "$0")
gradient=${GRADIENT:-./bench/gradient}
rounds=${ROUNDS:-4}
python=${PYTHON3:-/usr/bin/python3}
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { if (a + 0 > 0) printf "%.2f", a / b; else print "-" }'; }
printf 'model\tthreads\tprecision\tours ms\tMB\ttorch ms\tMB\tratio\n'
for model; do
  for threads in ${THREADS:-1 2}; do
    for precision in fp32 bf16; do
      read -r ms _ mb < <("$gradient" "$model" 64 16 "$threads" "$rounds" $precision)
      read -r theirs their_mb < <("$python" "$here/torch_train.py" "$model" 64 16 "$threads" "$rounds" $precision || echo - -)
      printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$(basename "$model" .onnx)" "$threads" $precision "$ms" "$mb" "$theirs" \
        "$their_mb" "$(ratio "$theirs" "$ms")"
    done
  done
done
