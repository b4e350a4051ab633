#!/bin/bash
# crop.sh - pel-crop: the region that was asked for, of all that shares the image's geometry.
# SPDX-License-Identifier: GPL-3.0-or-later
. "${top_srcdir:-.}/tests/lib.sh"

scene 40x40x1x1 stars | pel-write -q stars.fits
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

# Random patches: where the key origin says, everything cut alike, the same again from the same seed.
pel-read truth:grid.pgm grid.pgm >pair.pel
pipe_is 0 'pel-crop --random 3x2 --repeat 40 --seed 1 <pair.pel'
whole
cp out patches.pel
ok [ "$(pel-info <out | grep -c '	image	3x2x1x1	')" -eq 40 ]
ok [ "$(pel-info <out | grep -c '	truth	3x2x1x1	')" -eq 40 ]
ok cmp <(pel-write -f pnm - <out) <(pel-write --role truth -f pnm - <out)
ok cmp <(pel-crop --random 3x2 --repeat 40 --seed 1 -t 3 <pair.pel) out
ok bash -c '! cmp -s <(pel-crop --random 3x2 --repeat 40 --seed 2 <pair.pel) out'
pel-info <out | grep '	image	' | sed 's/.*origin=\([0-9]*\),\([0-9]*\),0.*/\1 \2/' >corners
sort corners | uniq >distinct
ok [ "$(wc -l <distinct)" -ge 12 ] # of 5 x 4 places, 40 times
for n in 0 7 39; do
  read -r x y <<<"$(sed -n "$((n + 1))p" corners)"
  ok [ "$(pel-cat --images $n patches.pel | values 12)" = "$(pel-crop 3x2+$x+$y <pair.pel | values 12)" ]
done
# Images are numbered and counted anew; a picture draws the same whatever came before it.
scene 7x5x1x1 | pel-write -q one.png
pipe_is 0 'pel-read one.png one.png | pel-crop --random 2 --repeat 3'
ok [ "$(pel-info <out | sed -n 's/.*frame=\([0-9]\).* of=\(6\).*/\1 of \2/p' | tr '\n' ' ')" = '0 of 6 1 of 6 2 of 6 3 of 6 4 of 6 5 of 6 ' ]
ok bash -c '! cmp -s <(pel-cat --images 3- out | pel-write -f pnm -) <(pel-cat --images 0-2 out | pel-write -f pnm -)'
pipe_is 0 'pel-crop --random 4x4x2 --repeat 9 --seed 3 <volume.pel | pel-info'
ok [ "$(grep -c '	4x4x2x1	' out)" -eq 9 ]
ok [ "$(grep -o 'origin=[0-9]*,[0-9]*,[0-9]*' out | cut -d, -f3 | sort -u | wc -l)" -gt 1 ]

# Turned and mirrored: the PSF with the picture.  A point that it blurred is its picture.
printf '1 2 0\n0 4 0\n0 0 1\n' >k3.txt
printf '1 2\n0 5\n' >k2.txt # an even PSF keeps its centre by growing
for k in k3 k2; do
  awk 'BEGIN { for (y = 0; y < 7; y++) print 0, 0, 0, y == 3, 0, 0, 0 }' >dot.txt
  pel-read dot.txt | pel-blur -k $k.txt >dot.pel
  pel-crop --random 7 --repeat 60 --augment --seed 4 <dot.pel >turned.pel
  pel-crop 3x3 <turned.pel | pel-write --type f32 -q 'i%d.txt'
  for n in $(seq 0 59); do
    pel-cat --images $n turned.pel | pel-write --role psf -f text - >p$n.txt
    ok cmp -s i$n.txt p$n.txt
  done
  ok [ "$(cat p*.txt | paste - - - | sort -u | wc -l)" -eq 8 ]
  ok [ "$(pel-cat --images 7 turned.pel | pel-write --role truth -f text - | cksum)" = "$(pel-write --role truth -f text - <dot.pel | cksum)" ]
done
# What is not square keeps its sides: four ways.
pipe_is 0 'pel-read grid.pgm | pel-crop --random 7x5 --repeat 40 --augment | pel-write -f pnm --type u16 -'
ok [ "$(tail -c $((40 * 70 + 39 * 13)) out | wc -c)" -eq $((40 * 70 + 39 * 13)) ]
pipe_is 0 'pel-read grid.pgm | pel-crop --random 7x5 --repeat 40 --augment'
for n in $(seq 0 39); do pel-cat --images $n out | values 70 | cksum; done | sort -u >ways
ok [ "$(wc -l <ways)" -eq 4 ]
# A PSF's spec, an origin and a FITS header would tell of it as it lay.
pel-read stars.fits | pel-blur -k motion:3 >sky.pel
pipe_is 0 'pel-crop --random 20 --repeat 9 --augment <sky.pel | pel-info'
ok [ "$(grep -c '	psf	' out)" -ge 2 ]
ok bash -c '! grep -E "spec=|origin=|slot=fits" out'
pipe_is 0 'pel-crop --random 20 --repeat 9 <sky.pel | pel-info'
ok [ "$(grep -cE 'spec=|origin=|slot=fits' out)" -eq 20 ]

# Pictures that are too small are left out, and told; nothing else is an error.
scene 8x8x1x1 >small.pel
is 0 bash -c 'cat small.pel all.pel | pel-cat | pel-crop --random 20'
said 'scene0.tif of 8x8x1 is smaller than --random 20'
ok [ "$(pel-info <out | grep -c '	image	')" -eq 2 ]
is 1 bash -c 'pel-crop -q --random 20 <small.pel'
said 'no picture is as large as --random 20'
no_end
is 2 pel-crop --random 5 5x5
said 'either a region or --random'
is 2 pel-crop 5x5 --repeat 3
said '--repeat is for --random patches'
is 2 pel-crop 5x5 --augment
said '--augment is for --random patches'
for bad in 0 x 5x 5x0 5x5x0 5x5+1+1 -5 5.5 5,5; do
  is 2 pel-crop "--random=$bad"
  said "--random '$bad'"
done
is 2 pel-crop --random 5 --repeat 0

done_testing
