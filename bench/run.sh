#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# bench/run.sh [ROUNDS]: the tables of bench/iterate at one and two threads, then scikit-image's
# Richardson-Lucy (where it is installed) beside ours.  Run by `make bench`.
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
