#!/bin/bash
# cnn.sh MODEL.onnx... - each model beside ONNX Runtime (where node has onnxruntime-node: NODE_PATH) and PyTorch (where
# python3 has torch and onnx; TORCH= leaves it out), at 256x256 and 1280x720, with one and two threads, in fp32 and
# bf16: milliseconds, megabytes, and ratios of times (ORT has fp32 only).
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
here=$(dirname "$0")
network=${NETWORK:-./bench/network}
rounds=${ROUNDS:-3}
python=${PYTHON3:-/usr/bin/python3}
torch=${TORCH-$here/torch_model.py}
"$python" -c 'import onnx, torch' 2>/dev/null || torch=
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { if (a + 0 > 0) printf "%.2f", a / b; else print "-" }'; }
printf 'model\tsize\tthreads\tfp32 ms\tMB\tbf16 ms\tMB\tORT ms\tMB\tORT/fp32\tORT/bf16\ttorch fp32, bf16 ms\ttorch/fp32\ttorch/bf16\n'
for model; do
  for size in ${SIZES:-256x256 1280x720}; do
    for threads in ${THREADS:-1 2}; do
      run="$model ${size%x*} ${size#*x} $threads $rounds"
      # shellcheck disable=SC2086
      {
        read -r ms mb _ < <("$network" $run)
        read -r half half_mb _ < <("$network" $run bf16)
        theirs='- -' full=- low=-
        if command -v node >/dev/null && node -e 'require("onnxruntime-node")' 2>/dev/null; then
          theirs=$(node "$here/onnxruntime.js" $run)
        fi
        if [ -n "$torch" ]; then
          read -r full _ < <("$python" "$torch" $run || echo -)
          read -r low _ < <("$python" "$torch" $run bf16 || echo -)
        fi
      }
      read -r their_ms their_mb <<<"$theirs"
      printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s, %s\t%s\t%s\n' "$(basename "$model" .onnx)" "$size" "$threads" "$ms" \
        "$mb" "$half" "$half_mb" "$their_ms" "$their_mb" "$(ratio "$their_ms" "$ms")" "$(ratio "$their_ms" "$half")" \
        "$full" "$low" "$(ratio "$full" "$ms")" "$(ratio "$low" "$half")"
    done
  done
done
