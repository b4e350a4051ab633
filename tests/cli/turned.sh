#!/bin/bash
# turned.sh - blur that changes over the picture: tiles with PSFs of their own beat one PSF for all, and leave
# no seams.
# SPDX-License-Identifier: GPL-3.0-or-later
. "${top_srcdir:-.}/tests/lib.sh"

pel-read "$top_srcdir/data/samples/mountain.jpg" | pel-crop 440x330+200+100 | turn 0.6 | pel-noise 0.004 --seed 1 >turned.pel
psnr() { pel-score --shift quarter --border "${1:-12}" | sed -n 2p | cut -f3; }
bash "$top_srcdir/examples/turned.sh" turned.pel tiled.pel 13 2>err
blurred=$(psnr <turned.pel)
one=$(pel-blind -q --size 13 <turned.pel | pel-tv -s 0.02 | psnr)
tiled=$(psnr <tiled.pel)
echo "blurred $blurred dB, one PSF $one dB, tiles $tiled dB"
ok awk -v a="$blurred" -v b="$one" -v c="$tiled" 'BEGIN { exit !(c > a + 1 && c > b + 0.3) }'

# Where the tiles meet (they overlap in columns 184 to 255) it is as good as elsewhere.
seam=$(pel-crop 72x330+184+0 <tiled.pel | psnr 8)
before=$(pel-crop 72x330+184+0 <turned.pel | psnr 8)
echo "where tiles meet: blurred $before dB, tiles $seam dB"
ok awk -v a="$before" -v b="$seam" 'BEGIN { exit !(b > a + 1) }'
done_testing
