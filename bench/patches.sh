#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# bench/patches.sh [ROUNDS]: training patches a second, from JPEG photographs through crop, shuffle, blur and
# noise to a reader that drops them, and of pel-shake alone in one thread; the best of ROUNDS (3).  Run in the
# build folder, or by `make bench`.
set -e
samples=$(dirname "$0")/../data/samples
rounds=${1:-3}
repeat=1000
photos=("$samples"/*.jpg)
patches=$((${#photos[@]} * repeat))
TIMEFORMAT=%R

chain() { # side of a patch
    ./pel-read --shuffle "${photos[@]}" | ./pel-crop --random "$1" --repeat $repeat --augment --seed 1 |
        ./pel-cat --shuffle 500 | ./pel-blur -k shake:size=9..31 --random | ./pel-noise 0..10/255 >/dev/null
}

for side in 64 96; do
    for _ in $(seq "$rounds"); do
        { time chain $side; } 2>&1
    done | sort -n | head -n 1 |
        awk -v n="$patches" -v s="$side" '{ printf "patches of %dx%d in colour, shaken by 9 to 31, noisy: %.0f a second\n", s, s, n / $1 }'
done

# Each picture of 160x160 gives three patches of 96x96.
shaken=$(mktemp)
trap 'rm -f "$shaken"' EXIT
./pel-read "${photos[@]}" | ./pel-crop --random 160 --repeat 100 --seed 1 >"$shaken"
for _ in $(seq "$rounds"); do
    { time ./pel-shake -t 1 <"$shaken" >/dev/null; } 2>&1
done | sort -n | head -n 1 |
    awk -v n=$((${#photos[@]} * 300)) '{ printf "patches of 96x96 in colour from moved pictures of 160x160, one thread: %.0f a second\n", n / $1 }'
