#!/bin/bash
# info.sh - pel-info: a line a frame, and nothing that a terminal acts on.
# SPDX-License-Identifier: GPL-3.0-or-later
. "${top_srcdir:-.}/tests/lib.sh"

scene 20x16x1x3 frames 2 roles psf mask >two.pel

pipe_is 0 'pel-info <two.pel'
cp out lines
ok [ "$(head -n 1 lines)" = "$(printf 'number\trole\tsize\ttype\tkeys')" ]
ok [ "$(cut -f2 lines | tail -n +2 | tr '\n' ' ')" = 'psf mask image image ' ]
ok [ "$(sed -n 4p lines)" = "$(printf '2\timage\t20x16x1x3\tf32\tname=scene0.tif white=1')" ]

# Statistics: of the mask they are known, and so is their place.
pipe_is 0 'pel-info --stats <two.pel'
ok [ "$(head -n 1 out)" = "$(printf 'number\trole\tsize\ttype\tmin\tmax\tmean\tsd\tnoise\tbad\tkeys')" ]
ok [ "$(sed -n 3p out | cut -f5-10)" = "$(printf '1\t1\t1\t0\t0\t0')" ]
ok [ "$(sed -n 4p out | cut -f10)" = 0 ]

# Bad samples are counted.
printf 'PF\n4 4\n-1.0\n' >nan.pfm
for i in $(seq 47); do printf '\0\0\200\077'; done >>nan.pfm
printf '\0\0\300\177' >>nan.pfm
pipe_is 0 'pel-read nan.pfm | pel-info --stats'
ok [ "$(grep image out | cut -f10)" = 1 ]
ok [ "$(grep image out | cut -f5-7)" = "$(printf '1\t1\t1')" ]

# History, as text.
pipe_is 0 'pel-crop 8x8 <two.pel | pel-tile 4x4 --overlap 1 | pel-info --history'
ok [ "$(wc -l <out)" -eq 2 ]
ok grep -q '^pel-crop 8x8  # ' out
ok grep -q '^pel-tile --overlap=1 4x4  # ' out

# Names with what terminals act on are shown as %XX; UTF-8 text is not, and no key runs into the next.
name=$(printf 'a b\033[31m%%\302\233x\303\244\377.pfm')
cp nan.pfm "$name"
pipe_is 0 'pel-read *x*.pfm | pel-info'
ok grep -qF "$(printf 'name=a%%20b%%1B[31m%%25%%C2%%9Bx\303\244%%FF.pfm')" out
ok [ "$(LC_ALL=C tr -d '\n\t\040-\176\303\244' <out | wc -c)" -eq 0 ]

# Several streams; a cut one; a full disk.
pipe_is 0 'cat two.pel two.pel | pel-info'
ok [ "$(wc -l <out)" -eq 9 ]
pipe_is 1 'head -c 5000 two.pel | pel-info'
ok grep -q 'cut off' err
pipe_is 1 'pel-info </dev/null'
pipe_is 1 'pel-info <two.pel >/dev/full'
said 'cannot write'

done_testing
