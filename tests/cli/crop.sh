#!/bin/bash
# crop.sh - pel-crop: the region that was asked for, of all that shares the image's geometry.
# SPDX-License-Identifier: GPL-3.0-or-later
. "${top_srcdir:-.}/tests/lib.sh"

scene 30x22x1x3 frames 2 roles psf truth mask thing >all.pel
# A plane whose samples tell where they are: 10 x + y, and a volume of 100 z + 10 x + y.
grid() { # depth
  printf 'P5\n7 %d\n65535\n' $((5 * $1))
  for z in $(seq 0 $(($1 - 1))); do for y in 0 1 2 3 4; do for x in 0 1 2 3 4 5 6; do
    n=$((100 * z + 10 * x + y))
    printf "\\$(printf %o $((n / 256)))\\$(printf %o $((n % 256)))"
  done; done; done
}
grid 1 >grid.pgm
values() { pel-write -f pnm --type u16 - | tail -c "$1" | od -An -v -t u1 -w2 | awk '{ printf "%d ", 256 * $1 + $2 }'; }

pipe_is 0 'pel-read grid.pgm | pel-crop 3x2+2+1'
ok [ "$(values 12 <out)" = '21 31 41 22 32 42 ' ]
ok grep -qa ' origin=2,1,0 ' out
pipe_is 0 'pel-read grid.pgm | pel-crop 3x1'
ok [ "$(values 6 <out)" = '22 32 42 ' ]
pipe_is 0 'pel-read grid.pgm | pel-crop 7x5+0+0'
ok [ "$(values 70 <out)" = "$(tail -c 70 grid.pgm | od -An -v -t u1 -w2 | awk '{ printf "%d ", 256 * $1 + $2 }')" ]

# Corners add up.
pipe_is 0 'pel-read grid.pgm | pel-crop 5x4+1+1 | pel-crop 2x2+2+1'
ok grep -qa ' origin=3,2,0 ' out
ok [ "$(values 8 <out)" = '32 42 33 43 ' ]

# Companions of the image's size are cut, others are not.
pipe_is 0 'pel-crop 10x8+3+4 <all.pel'
ok [ "$(pel-info <out | grep -c '10x8x1x3')" -eq 4 ]
ok [ "$(pel-info <out | grep -c '	mask	10x8x1x1')" -eq 1 ]
ok [ "$(pel-info <out | grep -c '	psf	3x3x1x1')" -eq 1 ]
ok [ "$(pel-info <out | grep -c '	thing	3x1x1x1')" -eq 1 ]
pipe_is 0 'pel-crop 10x8+3+4 <all.pel | pel-score'
ok [ "$(sed -n 2p out | cut -f4)" = 0 ]

# Volumes: all planes, some of them, the middle.
scene 12x10x6x1 >volume.pel
pipe_is 0 'pel-crop 4x4 <volume.pel | pel-info'
ok grep -q '	4x4x6x1	.*origin=4,3,0' out
pipe_is 0 'pel-crop 4x4x2+1+2+3 <volume.pel | pel-info'
ok grep -q '	4x4x2x1	.*origin=1,2,3' out
pipe_is 0 'pel-crop 4x4+1+2+3 <volume.pel | pel-info'
ok grep -q '	4x4x3x1	.*origin=1,2,3' out
pipe_is 0 'pel-crop 4x4x2 <volume.pel | pel-info'
ok grep -q '	4x4x2x1	.*origin=4,3,2' out

# Outside is an error, with nothing that looks like a result.
for region in 31x5 5x23 5x5+26+0 5x5+0+18 5x5x2 5x5+0+0+1 1x1+1099511627775+0; do
  pipe_is 1 "pel-crop $region <all.pel"
  ok grep -q 'is not inside the picture of 30x22x1' err
  no_end
done
for text in '' 5 5x 0x5 5x0 5x5x0 5x5+1 5x5+1+ 5x5+1+2+ 5x5-1-1 x5 5x5+1+2+3+4 5.5x5 ' 5x5' \
  99999999999999999999x5 5x5+99999999999999999999+0; do
  is 2 pel-crop "$text"
done
is 2 pel-crop
is 2 pel-crop 5x5 6x6

done_testing
