#!/bin/bash
# cat.sh - pel-cat: streams joined, images selected, companions with the image that they are for.
# SPDX-License-Identifier: GPL-3.0-or-later
. "${top_srcdir:-.}/tests/lib.sh"

scene 24x20x1x1 frames 5 roles psf truth thing >five.pel
scene 24x20x1x1 frames 2 >plain.pel
roles() { pel-info | tail -n +2 | cut -f2 | tr '\n' ' '; }
names() { pel-info | grep -o 'name=[^ ]*' | tr '\n' ' '; }

# As a filter it changes nothing but the history.
pipe_is 0 'pel-cat <five.pel'
pel-info <five.pel | cut -f2- >before
pel-info <out | cut -f2- | grep -v slot=history >after
ok cmp before after
ok [ "$(pel-write -f pnm - <five.pel | cksum)" = "$(pel-cat <five.pel | pel-write -f pnm - | cksum)" ]

# Joined: one stream, and the first one's PSF does not hold for the second's images.
is 0 pel-cat five.pel plain.pel
ok [ "$(grep -oa 'PEL1 end frames=' out | wc -l)" -eq 1 ]
ok [ "$(pel-info <out | grep -c '	image	')" -eq 7 ]
ok [ "$(pel-info <out | grep -c '	psf	0x0x0x0	')" -eq 1 ]
ok [ "$(pel-info <out | grep -c '	truth	')" -eq 5 ]
pipe_is 0 'pel-cat plain.pel - <five.pel'
ok [ "$(pel-info <out | grep -c '	image	')" -eq 7 ]
pipe_is 0 'cat five.pel plain.pel | pel-cat'
ok [ "$(grep -oa 'PEL1 end frames=' out | wc -l)" -eq 1 ]

# Selected by number over all inputs, each with its own truth and the PSF that holds.
is 0 pel-cat --images 1,3- five.pel
ok [ "$(names <out)" = 'name=scene1.tif name=scene3.tif name=scene4.tif ' ]
ok [ "$(pel-info <out | grep -c '	truth	')" -eq 3 ]
ok [ "$(pel-info <out | grep -c '	psf	3x3x1x1')" -eq 1 ]
ok [ "$(pel-info <out | grep -c '	thing	')" -eq 1 ]
is 0 pel-cat five.pel plain.pel --images 4-5
ok [ "$(names <out)" = 'name=scene4.tif name=scene0.tif ' ]
is 0 pel-cat five.pel --images 0,0,0
ok [ "$(names <out)" = 'name=scene0.tif ' ]

# Shuffled: each image once with its own truth, in another order for another seed; nobody early by more than the window.
scene 24x20x1x1 frames 60 >many.pel
is 0 pel-cat --shuffle 10 --seed 1 many.pel
whole
order() { pel-info | sed -n 's/.*name=scene\([0-9]*\).*/\1/p'; }
order <out >once
ok cmp <(sort -n once) <(seq 0 59)
ok bash -c '! cmp -s <(seq 0 59) once'
ok awk '{ if ($1 > NR - 1 + 9) bad = 1; late += $1 < NR - 1 - 5 } END { exit bad || late < 5 }' once
is 0 pel-cat --shuffle 10 --seed 1 many.pel
ok cmp <(order <out) once
is 0 pel-cat --shuffle 10 --seed 2 many.pel
ok bash -c '! cmp -s once <(pel-info <out | sed -n "s/.*name=scene\([0-9]*\).*/\1/p")'
is 0 pel-cat --shuffle 100 --images 5-8 many.pel
ok [ "$(order <out | sort -n | tr '\n' ' ')" = '5 6 7 8 ' ]
# Truth and PSF stay with their image.
for v in 1 2 3 4 5 6 7 8; do
  echo "$v $v" >v$v.txt
  echo "$v 1" >k$v.txt
done
pel-read $(for v in 1 2 3 4 5 6 7 8; do echo psf:k$v.txt truth:v$v.txt v$v.txt; done) >each.pel
is 0 pel-cat --shuffle 5 --seed 3 each.pel
whole
for n in 0 1 2 3 4 5 6 7; do
  pel-cat --images $n out >one.pel
  v=$(pel-write -f text - <one.pel | cut -d ' ' -f 1)
  echo "$v"
  ok cmp <(pel-write --role truth -f text - <one.pel) v$v.txt
  ok cmp <(pel-write --role psf -f text - <one.pel) <(pel-psf k$v.txt | pel-write --role psf -f text -)
done >values
ok cmp <(sort values) <(seq 1 8)
is 2 pel-cat --shuffle 1 many.pel
is 1 pel-cat --shuffle 60 --memory 20K many.pel
said 'images are more than the memory cap'
no_end
# An endless stream goes through, until the reader closes.
pipe_is 0 'while cat many.pel; do :; done 2>/dev/null | pel-cat --shuffle 8 2>err2 | head -c 300000 | wc -c'
ok [ "$(cat out)" -eq 300000 ]
ok [ ! -s err2 ]

# Nothing selected is an error; so is no selection at all.
is 1 pel-cat five.pel --images 5-
said 'there are only 5 images'
no_end
for bad in '' x 3-1 1, ,1 1-2-3 -1 1x 99999999999999999999 '1 2'; do
  is 2 pel-cat five.pel "--images=$bad"
done
is 2 pel-cat five.pel --images "$(seq -s, 300)"

# Files that are missing or damaged.
is 1 pel-cat five.pel missing.pel
said 'missing.pel: No such file'
no_end
head -c 4000 five.pel >cut.pel
is 1 pel-cat plain.pel cut.pel
said 'cut.pel: '
no_end
is 1 pel-cat /dev/null
said '/dev/null'

# A stream of a PSF and no image goes through.
pipe_is 0 'pel-psf gauss:1.5 | pel-cat'
ok [ "$(roles <out)" = 'meta psf ' ]

# A processor that is none is an error in a program that does not even compute.
is 1 bash -c 'pel-psf gauss:1.5 | PELLUCID_CPU=abacus pel-cat'
said "PELLUCID_CPU=abacus"
is 0 bash -c 'pel-psf gauss:1.5 | PELLUCID_CPU=portable pel-cat'
done_testing
