# blur.sh - pel-blur: the convolution, its borders, and the psf and truth that it leaves.
# SPDX-License-Identifier: GPL-3.0-or-later
. "${top_srcdir:-.}/tests/lib.sh"
text() { pel-write --role "$1" -f text -; } # samples, a row a line
total() { awk '{ for (i = 1; i <= NF; i++) s += $i } END { printf "%.6f\n", s }'; }

printf '0 0 0 0 0 0 0\n0 0 0 0 0 0 0\n0 0 0 0 0 0 0\n0 0 0 8 0 0 0\n0 0 0 0 0 0 0\n0 0 0 0 0 0 0\n' >dot.txt
printf '1 2 0\n0 5 0\n0 0 0\n' >k.txt

# A point becomes the PSF, not turned, its centre on the point; the truth is what it was.
is 0 bash -c 'pel-read dot.txt | pel-blur -k k.txt'
whole
ok [ "$(text image <out | sed -n 3,4p)" = "$(printf '0 0 1 2 0 0 0\n0 0 0 5 0 0 0')" ]
ok [ "$(text image <out | total)" = 8.000000 ]
ok cmp <(text truth <out) dot.txt
ok [ "$(text psf <out)" = "$(printf '0.125 0.25 0\n0 0.625 0\n0 0 0')" ]

# valid: smaller by the PSF less 1, truth and origin with it.
is 0 bash -c 'pel-read dot.txt | pel-blur -k k.txt --border valid'
ok [ "$(text image <out)" = "$(printf '0 0 0 0 0\n0 1 2 0 0\n0 0 5 0 0\n0 0 0 0 0')" ]
ok [ "$(text truth <out)" = "$(printf '0 0 0 0 0\n0 0 0 0 0\n0 0 8 0 0\n0 0 0 0 0')" ]
ok [ "$(pel-info <out | grep -c 'origin=1,1,0')" -eq 2 ]
is 1 bash -c 'pel-read dot.txt | pel-blur -k disc:4 --border valid'
said 'nothing is left of 7x6x1 under a PSF of 9x9x1'
no_end

# Borders: a row that ends in 8 under a box of three.
printf '4 0 0 0 8\n' >row.txt
printf '1 1 1\n' >box.txt
for pair in 'reflect:2.6666667 1.3333334 0 2.6666667 5.3333335' 'zero:1.3333334 1.3333334 0 2.6666667 2.6666667' \
  'periodic:4 1.3333334 0 2.6666667 4'; do
  pel-read row.txt | pel-blur -k box.txt --border "${pair%%:*}" | text image >row.out
  ok awk -v want="${pair#*:}" '{ split(want, w, " "); for (i = 1; i <= 5; i++) { d = $i - w[i]; if (d > 1e-5 || d < -1e-5) exit 1 } }' row.out
done
# Nothing is lost under reflect and periodic, whatever the PSF.
scene 40x30x1x1 >scene.pel
sum=$(text image <scene.pel | total)
near "$(pel-blur -k shake:15,4 --border periodic <scene.pel | text image | total)" "$sum" 0.01
near "$(pel-blur -k gauss:2 --border reflect <scene.pel | text image | total)" "$sum" 0.01

# Twice adds up: the first truth stays, the PSF is that of both.
is 0 bash -c 'pel-read dot.txt | pel-blur -k k.txt | pel-blur -k k.txt'
ok cmp <(text truth <out) dot.txt
ok [ "$(pel-info <out | grep -c '	psf	5x5x1x1	')" -eq 1 ]
text psf <out | awk '{ for (i = 1; i <= NF; i++) printf "%.4f ", 64 * $i } END { print "" }' >joint
ok [ "$(cat joint)" = '1.0000 4.0000 4.0000 0.0000 0.0000 0.0000 10.0000 20.0000 0.0000 0.0000 0.0000 0.0000 25.0000 0.0000 0.0000 0.0000 0.0000 0.0000 0.0000 0.0000 0.0000 0.0000 0.0000 0.0000 0.0000 ' ]
# The same from even sizes, in which the PSF's centre is not the middle.
printf '1 0\n0 0\n' >even.txt
is 0 bash -c 'pel-read dot.txt | pel-blur -k even.txt | pel-blur -k even.txt'
ok [ "$(text image <out | sed -n 2p)" = '0 8 0 0 0 0 0' ]
ok [ "$(text psf <out | head -n 1)" = '1 0 0 0 0' ]
# After a solver it is a new measurement: neither data nor the old PSF.
is 0 bash -c 'pel-blur -k gauss:0.8 <scene.pel | pel-wiener -s 0.01 | pel-blur -k k.txt'
ok [ "$(pel-info <out | cut -f2 | grep -c data)" -eq 0 ]
ok [ "$(pel-info <out | grep -c '	psf	3x3x1x1	')" -eq 1 ]

# A PSF that is told with errors: the picture is blurred by the right one.
pipe_is 0 'pel-blur -k disc:4 <scene.pel >right.pel'
pipe_is 0 'pel-blur -k disc:4 --psf-error 0.3 --seed 2 <scene.pel >wrong.pel'
ok cmp <(text image <right.pel) <(text image <wrong.pel)
ok [ "$(text psf <right.pel)" != "$(text psf <wrong.pel)" ]
near "$(text psf <wrong.pel | total)" 1 1e-4
# Errors do not change which PSFs are drawn, and differ from image to image.
for kind in right wrong; do
  error=0; [ $kind = right ] || error=0.1..0.5
  pipe_is 0 "pel-cat scene.pel scene.pel | pel-blur -k disc:2..4 --random --psf-error $error --seed 2 | pel-write -q $kind%d.pfm"
  ok cmp right0.pfm ${kind}0.pfm
  ok cmp right1.pfm ${kind}1.pfm
done
pipe_is 0 'pel-cat scene.pel scene.pel | pel-blur -k disc:3 --psf-error 0.3 --seed 2 | pel-write -q --role psf psf%d.pfm'
is 1 cmp -s psf0.pfm psf1.pfm
is 2 pel-blur -k disc:4 --psf-error 0.8

# The stream's PSF serves when there is no -k; nothing serves when there is neither.
is 0 bash -c 'scene 20x16x1x1 roles psf | pel-blur'
is 1 bash -c 'pel-blur <scene.pel'
said 'no PSF in the stream and none given'
no_end
is 2 bash -c 'pel-blur --border mirror -k delta <scene.pel'
is 2 bash -c 'pel-blur -k gauss:x <scene.pel'
said 'gauss'

# --random: another PSF for each image, drawn from ranges; each is the blur of its image, and its spec makes it
# again.  The same seed, the same bytes, from any number of threads.
scene 40x30x1x1 frames 6 >six.pel
pel-blur -k shake:size=5..15 --random --seed 2 <six.pel >drawn.pel
specs() { pel-info | sed -n 's/.*	psf	.* *spec=\([^ ]*\).*/\1/p'; }
specs <drawn.pel | sed 's/%2C/,/g' >drawn
ok [ "$(sort -u drawn | wc -l)" -eq 6 ]
for n in 0 3 5; do
  spec=$(sed -n "$((n + 1))p" drawn)
  pel-cat --images $n drawn.pel >one.pel
  ok cmp <(text psf <one.pel) <(pel-psf "$spec" | text psf)
  ok cmp <(text image <one.pel) <(pel-cat --images $n six.pel | pel-blur -k "$spec" | text image)
done
ok cmp drawn.pel <(pel-blur -k shake:size=5..15 --random --seed 2 -t 3 <six.pel)
ok bash -c '! cmp -s drawn.pel <(pel-blur -k shake:size=5..15 --random --seed 3 <six.pel)'
pel-blur -k shake:15 --random <six.pel | specs | sort -u >paths
ok [ "$(wc -l <paths)" -eq 6 ]
# Drawn twice: the PSF of both, of this image.
pel-blur -k disc:1..3 --random <drawn.pel >both.pel
ok [ "$(pel-info <both.pel | grep -c '	psf	')" -eq 6 ]
is 0 bash -c "pel-score <both.pel"
pel-cat --images 4 drawn.pel | text psf >a.txt
pel-cat --images 4 both.pel | text psf >b.txt
ok awk -v n="$(awk 'END { print NR }' a.txt)" 'END { exit !(NR > n) }' b.txt
is 2 pel-blur --random
said '--random needs a PSF model'
is 2 pel-blur --random -k k.txt
said '--random needs a PSF model'
is 2 pel-blur --random -k gauss:2
said 'nothing is random'
is 2 pel-blur -k gauss:1..2
said 'sigma is a range, 1 to 2'
is 2 pel-blur --random -k gauss:2..1
said "sigma '2..1' is no range from 0.05 to 120"

# NaN and infinity do not spread: the middle of a flat picture, and a picture of nothing else.
pfm() { # w, h, samples as octal bytes
  printf 'Pf\n%d %d\n-1\n' "$1" "$2"
  shift 2
  for v; do printf '%b' "$v"; done
}
one='\0000\0000\0200\0077' nan='\0000\0000\0300\0177' inf='\0000\0000\0200\0177'
pfm 5 3 $one $one $one $one $one $one $one $nan $inf $one $one $one $one $one $one >holes.pfm
for border in reflect periodic valid zero; do
  pel-read holes.pfm | pel-blur -k box.txt --border $border >holes.pel
  ok [ "$(pel-info --stats <holes.pel | awk -F '\t' '$2 == "image" { print $10 }')" = 0 ]
done
near "$(pel-read holes.pfm | pel-blur -k box.txt --border valid | pel-info --stats | awk -F '\t' '$2 == "image" { print $6 - $5 }')" 0 1e-6
pfm 3 1 $nan $nan $nan >nothing.pfm
is 0 bash -c 'pel-read nothing.pfm | pel-blur -k box.txt'
ok [ "$(pel-info --stats <out | awk -F '\t' '$2 == "image" { print $10 }')" = 3 ]

# Channels, a PSF for each, volumes, frames.
is 0 bash -c 'scene 20x16x1x3 frames 2 | pel-blur -k motion:5,20'
ok [ "$(pel-info <out | cut -f2,3 | grep -c '^image	20x16x1x3$')" -eq 2 ]
ok [ "$(pel-info <out | cut -f2,3 | grep -c '^truth	20x16x1x3$')" -eq 2 ]
is 0 bash -c 'scene 12x10x7x1 | pel-blur -k gauss:0.5,0.7 --border valid'
ok [ "$(pel-info <out | cut -f2,3 | grep -c '^image	8x6x1x1$')" -eq 1 ]
scene 20x16x1x3 | pel-crop 5x5 | pel-write rgb.tif
pel-read psf:rgb.tif scene.pel >three.pel
is 1 bash -c 'pel-blur <three.pel'
said 'a PSF of 3 channels for a picture of 1'
# The same samples from one thread and from three.
scene 300x200x1x3 >wide.pel
pel-blur -t 1 -k shake:31,2 <wide.pel | pel-write --type f32 one.tif
pel-blur -t 3 -k shake:31,2 <wide.pel | pel-write --type f32 three.tif
ok cmp one.tif three.tif
done_testing
