#!/bin/bash
# blind.sh - pel-blind: what it puts into the stream, its options, and that restoration gains by it.
# SPDX-License-Identifier: GPL-3.0-or-later
. "${top_srcdir:-.}/tests/lib.sh"

samples=$top_srcdir/data/samples
pel-read "$samples/fig.jpg" | pel-crop 220x200+300+180 | pel-blur -k shake:11,5 --border valid |
  pel-noise 0.002 --seed 2 >shaken.pel

# The PSF comes with a confidence, and with a sigma above that of the stream; the image is not touched.
pipe_is 0 'pel-blind --size 13 <shaken.pel | pel-info'
ok grep -q '	psf	13x13x1x1	.*confidence=0\.[0-9]' out
ok [ "$(grep -c '	image	' out)" -eq 1 ]
pel-blind --size 13 <shaken.pel >known.pel
pel-write -q --role image --type f32 before.tif <shaken.pel
pel-write -q --role image --type f32 after.tif <known.pel
ok cmp <(pel-read before.tif | pel-write -f pnm --type f32 -q -) <(pel-read after.tif | pel-write -f pnm --type f32 -q -)

# Noise counts half as much again beside an estimated PSF; a map of it keeps its proportions.
sigma() { pel-write -q --role sigma -f text -; }
pel-noise 0.02 --seed 5 <shaken.pel | pel-write -q noisy.tif
pel-read noisy.tif | pel-blind -q --size 13 | sigma >sigma
ok awk '{ exit !($1 > 0.028 && $1 < 0.034) }' sigma
size=$(pel-read noisy.tif | pel-info | awk -F '\t' '$2 == "image" { split($3, a, "x"); print a[1], a[2] }')
awk -v size="$size" 'BEGIN { split(size, n, " "); for (y = 0; y < n[2]; y++) for (x = 0; x < n[1]; x++)
  printf "%s%s", x % 2 ? 0.01 : 0.03, x + 1 < n[1] ? " " : "\n" }' >map.txt
pel-read sigma:map.txt noisy.tif | pel-blind -q --size 13 | sigma >sigma
ok [ "$(wc -l <sigma)" -eq "${size#* }" ]
ok awk 'NR == 1 { exit !($1 > 2.9 * $2 && $1 < 3.1 * $2 && $1 > 0.03) }' sigma

# Restoration with the estimated PSF beats the blurred picture by more than 3 dB.
psnr() { pel-score --shift quarter --border 12 | sed -n 2p | cut -f3; }
blurred=$(psnr <shaken.pel)
restored=$(pel-tv <known.pel | psnr)
ok awk -v a="$blurred" -v b="$restored" 'BEGIN { exit !(b > a + 3) }'

# A sharp photograph: no blur, and that is sure.  Under a little blur it is no longer so.
pel-read "$samples/mountain.jpg" | pel-crop 300x300+400+150 >sharp.pel
pipe_is 0 'pel-blind --size 9 --min-confidence 0.8 <sharp.pel | pel-info --stats'
ok [ "$(grep '	psf	' out | cut -f 6)" = 1 ]
pipe_is 0 'pel-blur -k gauss:0.8 <sharp.pel | pel-blind --size 9 | pel-info --stats'
ok awk -F '\t' '$2 == "psf" { found = 1; bad = $6 > 0.5 } END { exit !found || bad }' out

# The same bytes each time, with threads that race.
ok cmp <(pel-blind -t 1 --size 9 -n 2 <shaken.pel | tail -c 20000) <(pel-blind -t 3 --size 9 -n 2 <shaken.pel | tail -c 20000)

# A warning for a picture with nothing in it, or an error.
head -c 10000 /dev/zero | tr '\0' '\200' | { printf 'P5 100 100 255\n'; cat; } >flat.pgm
pel-read flat.pgm >flat.pel
pipe_is 0 'pel-read flat.pgm | pel-blind --size 7 2>err | pel-info'
ok grep -q 'confidence of only 0' err
is 1 bash -c 'pel-read flat.pgm | pel-blind --size 7 --min-confidence 0.5'
pipe_is 0 'pel-read flat.pgm | pel-blind --size 7 -q 2>err | pel-info'
ok [ ! -s err ]

# Video: the second frame goes on from the first one's PSF.
cat shaken.pel shaken.pel >video.pel
pipe_is 0 'pel-blind --track --size 13 <video.pel | pel-info'
ok [ "$(grep -c '	psf	13x13' out)" -eq 2 ]

# Stars: what was used is told, the PSF is fitted on request, and the next stage takes it.
pel-read "$samples/cluster.fits" >cluster.pel
pipe_is 0 'pel-blind --model stars -v <cluster.pel 2>err | pel-info'
ok grep -q 'stars found: .* saturated or bad, .* used$' err
ok grep -q '	psf	.*confidence=0\.9' out
pipe_is 0 'pel-blind --model stars --fit moffat <cluster.pel | pel-rl -n 3 -q | pel-info'
ok grep -q '	psf	.*model=moffat%20fwhm%20[12]\..*%20beta%20' out
pipe_is 0 'pel-blind --model stars --fit gauss <cluster.pel | pel-info'
ok grep -q '	psf	.*model=gauss%20fwhm%20[12]\.' out
# A lower level of saturation leaves fewer of the same stars; the example goes from stars to a restored frame.
counts() { pel-blind --model stars -v --saturation "$1" <cluster.pel 2>&1 >/dev/null | sed -n 's/.* \([0-9]*\) saturated or bad.* \([0-9]*\) used$/\1 \2/p'; }
ok awk -v a="$(counts auto)" -v b="$(counts 20000)" 'BEGIN { split(a, x); split(b, y); exit !(x[1] > 0 && y[1] > x[1] && y[2] > 0) }'
is 0 bash "$top_srcdir/examples/astronomy.sh" "$samples/cluster.fits" restored.fits
ok [ "$(pel-read restored.fits | pel-info | grep -c '	image	160x160x1x1	')" -eq 1 ]
pipe_is 0 'pel-blind --model stars <flat.pel 2>err | pel-info'
ok grep -q 'confidence of only 0.000: there is no usable star' err
ok grep -q '	psf	1x1x1x1	' out
scene 20x20x4x1 >volume.pel
pipe_is 0 'pel-blind --model beads -q <volume.pel | pel-info'
is 2 bash -c 'pel-blind --model stars --track <cluster.pel'
is 2 bash -c 'pel-blind --model gauss --size 9 <cluster.pel'
is 2 bash -c 'pel-blind --fit moffat <cluster.pel'

# One number: of a defocused picture, through --model; the key is what pel-psf takes.
pel-read "$samples/fig.jpg" | pel-crop 300x260+280+160 | pel-blur -k disc:4 --border valid | pel-noise 0.003 --seed 2 >soft.pel
pipe_is 0 'pel-blind --model disc <soft.pel | pel-info'
ok grep -q 'model=disc:radius=\(3\.[89]\|4\.[01]\)' out

# The PSFs as a picture: a row of 266 pixels each, of 1 to 100; none is an error, and no file.
pipe_is 0 'pel-info --psf sheet.png <known.pel'
ok [ "$(pel-read sheet.png | pel-info | grep -c '	image	696x266x1x3')" -eq 1 ]
cat known.pel known.pel | pel-info --psf sheet.png >out
ok [ "$(pel-read sheet.png | pel-info | grep -c '	image	696x532x1x3')" -eq 1 ]
is 1 bash -c 'pel-info --psf none.png <flat.pel'
ok [ ! -e none.png ]
is 2 bash -c 'pel-info --psf sheet.odd <known.pel'

# Volumes, kernels that are too large, and options out of range.
is 1 bash -c 'scene 20x20x4x1 | pel-blind --size 5'
is 1 bash -c 'scene 20x20x1x1 | pel-blind --size 21'
is 2 bash -c 'scene 20x20x1x1 | pel-blind --size 2'
is 2 bash -c 'scene 20x20x1x1 | pel-blind --method guess'
done_testing
