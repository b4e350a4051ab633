# restore.sh - the solvers in pipes: data and warm start, keys, masks, errors that help.
# SPDX-License-Identifier: GPL-3.0-or-later
. "${top_srcdir:-.}/tests/lib.sh"
psnr() { pel-score | awk -F '\t' '$1 == "mean" { print $3 }'; }
scene 96x80x1x1 | pel-blur -k gauss:1.5 --border valid | pel-noise 0.005 --seed 2 >blurred.pel
before=$(psnr <blurred.pel)
for solver in pel-wiener pel-rl pel-tv "pel-tv --prior hyper-laplacian"; do
  $solver <blurred.pel >restored.pel
  after=$(psnr <restored.pel)
  ok awk -v a="$after" -v b="$before" 'BEGIN { exit !(a > b + 0.5) }'
  is 0 bash -c 'pel-info <restored.pel'
  ok test "$(grep -c '	data	' out)" -eq 1
  # A second solver solves for the data again: it does not deconvolve twice.
  again=$($solver <restored.pel | psnr)
  ok awk -v a="$after" -v b="$again" 'BEGIN { exit !(b > a - 1.5) }'
done
# With next to no noise and a PSF that takes fine detail away altogether: better than with more.
more=$(pel-wiener <blurred.pel | psnr)
scene 96x80x1x1 | pel-blur -k gauss:1.5 --border valid | pel-noise 1e-4 --seed 2 >calm.pel
ok awk -v a="$(pel-wiener <calm.pel | psnr)" -v b="$more" 'BEGIN { exit !(a > b) }'
# The prior's weight is small then, and all the same as good as settled after its iterations.
pel-read "$top_srcdir/data/samples/brook.jpg" | pel-crop 128x96 | pel-blur -k shake:15,3 --border valid | pel-noise 1e-5 --seed 2 >calm.pel
for prior in tv hyper-laplacian; do
  ok awk -v a="$(pel-tv --prior $prior <calm.pel | psnr)" -v b="$(pel-tv --prior $prior -n 2000 <calm.pel | psnr)" 'BEGIN { exit !(a > b - 1) }'
done
# Samples in other units, without a key that tells their full scale: as good a picture.
for role in image truth; do pel-write -q --role $role -f text $role.txt <blurred.pel; done
scaled() { awk -v f="$1" '{ for (i = 1; i <= NF; i++) $i *= f } 1' "$2.txt" >"$2-$1.txt"; }
for factor in 1 1e-4 4095 1e6; do scaled $factor image; scaled $factor truth; done
in_units() { # FACTOR PROGRAM...
  pel-read truth:truth-$1.txt image-$1.txt | "${@:2}" -k gauss:1.5 -s "$(awk -v f="$1" 'BEGIN { print 0.005 * f }')" |
    pel-score --range "$(awk -v f="$1" 'BEGIN { printf "%f", f }')" | awk -F '\t' '$1 == "mean" { print $3 }'
}
for solver in pel-wiener pel-rl pel-tv "pel-tv --prior hyper-laplacian"; do
  one=$(in_units 1 $solver)
  for factor in 1e-4 4095 1e6; do
    ok awk -v a="$one" -v b="$(in_units $factor $solver)" 'BEGIN { exit !(a > 20 && b > a - 0.05 && b < a + 0.05) }'
  done
done
# Around an estimate that lost detail it brings back what the measurement has of it.
pel-tv --strength 0.02 <blurred.pel >smooth.pel
ok awk -v a="$(pel-wiener --around <smooth.pel | psnr)" -v b="$(psnr <smooth.pel)" 'BEGIN { exit !(a > b + 0.5) }'
pipe_is 1 'pel-wiener --around <blurred.pel'
said 'holds no data beside'
image() { pel-write -q --role image --type f32 -f pnm -; }
pel-wiener --around <smooth.pel | image >around.pfm
ok cmp around.pfm <(pel-wiener --around --prior tikhonov <smooth.pel | image)
for option in '--prior laplace' '--rule likelihood' '--strength 0.01'; do
  # shellcheck disable=SC2086
  is 1 cmp -s around.pfm <(pel-wiener --around $option <smooth.pel | image)
done
is 1 bash -c 'scene 32x32x1x1 | pel-wiener'
said "no PSF in the stream"
is 2 bash -c 'scene 32x32x1x1 | pel-wiener -k gauss:sigma=x'
said "gauss"
is 1 bash -c 'scene 32x32x1x1 | pel-rl -k /nonexistent.tif'
said "is no model"
is 1 bash -c 'scene 8x8x1x1 | pel-rl -k gauss:5 -n 2'
said "too large for a picture"
# Eight bits and a smooth part larger than the rest: the estimate is 0, and rounding's own noise, 1/255/sqrt(12), counts.
awk 'BEGIN { print "P2 60 50 255"; for (i = 0; i < 3000; i++) print i < 1800 ? 180 : i * i % 97 }' >flat.pgm
for solver in pel-wiener pel-rl pel-tv; do
  pipe_is 0 "pel-read flat.pgm | $solver -v -k gauss:1 | pel-write -q --role sigma -f text -"
  near "$(cat out)" 0.00113205 1e-7
  ok grep -q 'less than that of rounding' err
done
# Not where the samples have been worked on since: the noise that is left is what it is.
pipe_is 0 'pel-read flat.pgm | pel-blur -k gauss:3 | pel-wiener --rule gcv -v'
ok grep -q 'noise estimated' err
ok [ "$(grep -c rounding err)" -eq 0 ]
# 25 meant as 25/255.
for solver in pel-wiener pel-rl pel-tv; do
  pipe_is 1 "pel-read flat.pgm | $solver -k gauss:1 -s 25"
  said 'beyond full scale, which is 1'
done
# The same bytes each time, with threads that race.
for solver in pel-wiener "pel-rl -n 5" "pel-tv -n 8"; do
  $solver -t 3 <blurred.pel | tail -c 20000 | cksum >one
  $solver -t 3 <blurred.pel | tail -c 20000 | cksum >two
  ok cmp one two
done
# Flux, said by -v, is kept to 1e-4.
pel-rl -v -n 20 <blurred.pel 2>err >/dev/null
flux=$(sed -n 's/.*flux \([0-9.e+]*\) of \([0-9.e+]*\).*/\1 \2/p' err)
ok awk -v f="$flux" 'BEGIN { split(f, v, " "); d = v[1] / v[2] - 1; exit !(v[2] > 0 && d < 1e-4 && d > -1e-4) }'
# With a strong prior the residual stays above the noise: then -n auto ends where it falls no longer.
pipe_is 0 "pel-rl -s 0.001 --tv 0.02 <blurred.pel | pel-info"
ok awk '/iterations=/ { sub(/.*iterations=/, ""); n = $1 + 0 } END { exit !(n >= 20 && n < 400) }' out
# --every writes estimates on the way.
pipe_is 0 "pel-rl -n 6 --every 2 <blurred.pel | pel-info"
ok test "$(grep -c '	image	' out)" -eq 3
# What the mask flags comes back as NaN, or with --inpaint as the estimate: every solver, 3 of 400.
scene 20x20x1x1 | pel-write plain.pfm
{ printf 'P5 20 20 255\n'; head -c 200 /dev/zero | tr '\0' '\377'; printf '\0\0\0'
  head -c 197 /dev/zero | tr '\0' '\377'; } >mask.pgm
bad() { awk -F '\t' '$2 == "image" { print $10 }' out; }
for solver in pel-wiener "pel-rl -n 5" "pel-tv -n 8"; do
  for option in "" --inpaint; do
    pipe_is 0 "pel-read mask:mask.pgm plain.pfm | $solver -k gauss:1 -s 0.01 $option | pel-info --stats"
    ok test "$(bad)" = $([ -z "$option" ] && echo 3 || echo 0)
  done
done
done_testing
