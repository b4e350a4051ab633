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
