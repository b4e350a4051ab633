#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# bench/run.sh [ROUNDS]: the tables of bench/iterate at one and two threads, then scikit-image's
# Richardson-Lucy (where it is installed) beside ours; last the seconds that pel-blind's methods take.  Run by `make bench`.
set -e
here=$(dirname "$0")
rounds=${1:-7}
for threads in 1 2; do
    "${ITERATE:-./bench/iterate}" "$threads" "$rounds"
done
python=${PYTHON:-/usr/bin/python3}
if "$python" -c 'import skimage' 2>/dev/null; then
    printf 'scikit-image, 2048x2048, 15x15, float32: seconds an iteration: '
    OMP_NUM_THREADS=1 "$python" "$here/skimage_rl.py" 2048 15
else
    echo 'scikit-image is not installed: its row is left out'
fi

# A shaken picture of 255x255 and a kernel of 25x25, one thread; then a photograph with 51x51 and all.
samples=$here/../data/samples
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
./pel-read "$samples/fig.jpg" >"$work/photo.pel"
./pel-crop 279x279+250+150 <"$work/photo.pel" | ./pel-blur -k shake:25,3 --border valid |
    ./pel-noise 0.003 >"$work/small.pel"
TIMEFORMAT=%R
for method in l0 pmp dark edge sparse rl; do
    printf 'pel-blind, 255x255, 25x25, %s: ' "$method"
    time ./pel-blind -t 1 -q --size 25 --method "$method" <"$work/small.pel" >"$work/out.pel"
done
printf 'pel-blind, 768x512 in colour, 51x51: '
time ./pel-blind -q --size 51 <"$work/photo.pel" >"$work/out.pel"
