#!/bin/bash
# cnn.sh MODEL.onnx... - each model beside ONNX Runtime (where node has onnxruntime-node: NODE_PATH), at 256x256 and
# 1280x720, with one and two threads: milliseconds and megabytes, and the ratio of times.
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
here=$(dirname "$0")
network=${NETWORK:-./bench/network}
rounds=${ROUNDS:-3}
printf 'model\tsize\tthreads\tours ms\tMB\tORT ms\tMB\tratio\n'
for model; do
  for size in ${SIZES:-256x256 1280x720}; do
    for threads in ${THREADS:-1 2}; do
      read -r ms mb _ < <("$network" "$model" "${size%x*}" "${size#*x}" "$threads" "$rounds")
      theirs='- -'
      if command -v node >/dev/null && node -e 'require("onnxruntime-node")' 2>/dev/null; then
        theirs=$(node "$here/onnxruntime.js" "$model" "${size%x*}" "${size#*x}" "$threads" "$rounds")
      fi
      read -r their_ms their_mb <<<"$theirs"
      ratio=$(awk -v a="$their_ms" -v b="$ms" 'BEGIN { if (a + 0 > 0) printf "%.2f", a / b; else print "-" }')
      printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$(basename "$model" .onnx)" "$size" "$threads" "$ms" "$mb" "$their_ms" \
        "$their_mb" "$ratio"
    done
  done
done
