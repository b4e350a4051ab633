# pnp.sh - pel-pnp in pipes: models that fit and that do not, colour, volumes, bad samples, borders, levels of noise.
# SPDX-License-Identifier: GPL-3.0-or-later
. "${top_srcdir:-.}/tests/lib.sh"
psnr() { pel-score "$@" | awk -F '\t' '$1 == "mean" { print $3 }'; }
gains() { # restored, blurred, by so many dB
  checks=$((checks + 1))
  awk -v a="$1" -v b="$2" -v d="$3" 'BEGIN { exit !(a != "" && b != "" && a > b + d) }' || fail "$1 dB, and $2 before"
}
bad() { pel-info --stats | awk -F '\t' '$2 == "image" { print $10 }'; }
keys() { pel-info <out | awk -F '\t' '$2 == "image" { print $5 }'; }
for m in calm calm3 smooth add level residue window sum nan; do model $m $m.onnx || exit 99; done

# Restores, tells how, and passes the measurement on.
scene 96x80x1x1 | pel-blur -k gauss:1.5 --border valid | pel-noise 0.005 --seed 2 >blurred.pel
before=$(psnr <blurred.pel)
pipe_is 0 'pel-pnp -v -m calm.onnx <blurred.pel'
whole
gains "$(psnr <out)" "$before" 0.8
ok grep -q 'denoiser calm.onnx' err
ok grep -q '8 iterations, sigma 0.005, denoised from .* to ' err
ok [ "$(keys | grep -c 'strength=0.23 iterations=8')" -eq 1 ]
ok [ "$(pel-info <out | grep -c '	data	')" -eq 1 ]
cp out restored.pel
# With next to no noise, or none at all, it is no worse than with a little.
for noise in 1e-5 0; do
  scene 96x80x1x1 | pel-blur -k gauss:1.5 --border valid | pel-noise $noise --seed 2 >calm.pel
  pipe_is 0 'pel-pnp -m calm.onnx <calm.pel'
  gains "$(psnr <out)" "$(psnr <restored.pel)" 0
done
scene 96x80x1x1 | pel-blur -k gauss:1.5 --border periodic >calm.pel
pipe_is 1 'pel-pnp -m calm.onnx -s 0 --border periodic <calm.pel'
said 'sigma must be above 0'
no_end
# A network without training has a say too: another result, still a picture.
pel-net drunet --levels 16,16 --blocks 1 --fold 2 --channels 1 -o net.onnx
pipe_is 0 'pel-pnp -n 2 -m net.onnx <blurred.pel'
whole
ok [ "$(cksum <out)" != "$(cksum <restored.pel)" ]

# An earlier estimate is the start: with no iterations to speak of it shows, and data are not restored twice.
pipe_is 0 'pel-tv <blurred.pel | pel-pnp -m calm.onnx'
gains "$(psnr <out)" "$before" 0.8
for start in tv wiener none; do
  pipe_is 0 "pel-pnp -n 1 --lambda 100 --start $start -m calm.onnx <blurred.pel"
  psnr <out >$start.psnr
done
gains "$(cat tv.psnr)" "$(cat none.psnr)" 0.5
gains "$(cat wiener.psnr)" "$(cat none.psnr)" 0.5
pipe_is 0 'pel-tv <blurred.pel | pel-pnp -n 1 --lambda 100 --start none -m calm.onnx'
near "$(psnr <out)" "$(cat tv.psnr)" 0.2

# The same bytes for any number of threads.
for t in 1 2 3; do pel-pnp -t $t -m calm.onnx <blurred.pel | tail -c 20000 | cksum; done >sums
ok [ "$(sort -u sums | wc -l)" -eq 1 ]

# Options have effects.
for o in '-n 4' '--lambda 0.5' '--sigma-first 0.1' '--last 3' '-s 0.02'; do
  pipe_is 0 "pel-pnp $o -m calm.onnx <blurred.pel"
  ok [ "$(pel-write -f text - <out | cksum)" != "$(pel-write -f text - <restored.pel | cksum)" ]
done
for p in fp32 bf16; do pel-pnp -n 2 --precision $p -m net.onnx <blurred.pel | pel-write -f text - | cksum; done >sums
ok [ "$(sort -u sums | wc -l)" -eq 2 ]
is 2 pel-pnp --border wrap
is 2 pel-pnp -n 0

# A picture that goes round.
scene 64x48x1x1 | pel-blur -k gauss:1.5 --border periodic | pel-noise 0.005 --seed 2 >round.pel
pipe_is 0 'pel-pnp --border periodic -m calm.onnx <round.pel'
round=$(psnr <out)
gains "$round" "$(psnr <round.pel)" 1.5
pipe_is 0 'pel-pnp -m calm.onnx <round.pel'
gains "$round" "$(psnr <out)" 0
samples() { pel-pnp "$@" -m calm.onnx <round.pel | pel-write -f text - | cksum; }
ok [ "$(samples --border periodic)" = "$(samples --border periodic --start none)" ]
ok [ "$(samples --border periodic)" != "$(samples --border periodic --start tv)" ]
ok [ "$(samples)" = "$(samples --start tv)" ]

# The level of noise: the stream's, -s, or an estimate that is passed on.
scene 96x80x1x1 | pel-write plain.pfm
pipe_is 0 'pel-read plain.pfm | pel-pnp -v -k gauss:1 -m calm.onnx'
ok grep -q 'noise estimated: sigma' err
ok grep -q 'no key white' err
ok [ "$(pel-info <out | grep '	sigma	' | grep -c 'estimated=1')" -eq 1 ]

# White and black: the same picture in other units has the same result in these.
scene 40x32x1x1 | pel-blur -k gauss:1 | pel-write -q one.pfm
pel-read one.pfm | pel-write -f text - | awk '{ for (i = 1; i <= NF; i++) printf "%.9g%s", 1000 * $i, i < NF ? " " : "\n" }' >thousand.txt
pel-read one.pfm | pel-pnp -k gauss:1 -s 0.01 -m calm.onnx | pel-write -f text - | tr ' ' '\n' >one.txt
pel-read thousand.txt | pel-pnp -k gauss:1 -s 10 -m calm.onnx | pel-write -f text - | tr ' ' '\n' >other.txt
paste one.txt other.txt >both.txt
ok awk '{ d = 1000 * $1 - $2; if (d > m) m = d; if (-d > m) m = -d } END { exit !(NR == 1280 && m < 0.05) }' both.txt

# Colour: by channel, or together by a model of three channels.
scene 96x80x1x3 | pel-blur -k gauss:1.5 --border valid | pel-noise 0.005 --seed 3 >colour.pel
pipe_is 0 'pel-pnp -m calm.onnx <colour.pel'
gains "$(psnr <out)" "$(psnr <colour.pel)" 0.5
cp out channel.pel
pipe_is 0 'pel-pnp -m calm3.onnx <colour.pel'
gains "$(psnr <out)" "$(psnr <colour.pel)" 0.5
ok [ "$(cksum <out)" != "$(cksum <channel.pel)" ]
mkdir models && cp calm.onnx models/denoise-gray.onnx
export PELLUCID_MODELS=$work/models
pipe_is 0 'pel-pnp -v <colour.pel'
ok grep -q 'denoiser denoise-gray' err
pel-write gray.pfm <out
pel-write channel.pfm <channel.pel
ok cmp gray.pfm channel.pfm
cp calm3.onnx models/denoise-color.onnx
pipe_is 0 'cat colour.pel blurred.pel | pel-pnp -v | pel-info'
ok [ "$(grep -c 'denoiser denoise-color$' err)" -eq 1 ]
ok [ "$(grep -c 'denoiser denoise-gray$' err)" -eq 1 ]
rm -r models && mkdir models
is 1 bash -c 'pel-pnp <blurred.pel'
said 'denoise-gray.onnx'
no_end

# Volumes: slices for the denoiser; with a PSF of one plane the same as pictures.
scene 32x28x5x1 | pel-blur -k gauss:1 >volume.pel
pipe_is 0 'pel-pnp -s 0.01 -m calm.onnx <volume.pel'
ok [ "$(pel-info <out | grep -c '	image	32x28x5x1	')" -eq 1 ]
gains "$(psnr <out)" "$(psnr <volume.pel)" 0.3
scene 40x36x20x1 | pel-blur -k gauss:1,1 --border valid | pel-noise 0.005 --seed 1 >deep.pel
pipe_is 0 'pel-pnp -m calm.onnx <deep.pel'
gains "$(psnr <out)" "$(psnr <deep.pel)" 0.5

# Bad samples: NaN and masked ones weigh nothing, come back as NaN, or with --inpaint as the estimate.
scene 20x20x1x1 | pel-write plain20.pfm
at=$(($(stat -c %s plain20.pfm) - 600)) # a sample of its own, not one of the three
{ head -c $at plain20.pfm; printf '\0\0\300\177'; tail -c +$((at + 5)) plain20.pfm; } >hole.pfm
{ printf 'P5 20 20 255\n'; head -c 200 /dev/zero | tr '\0' '\377'; printf '\0\0\0'
  head -c 197 /dev/zero | tr '\0' '\377'; } >mask.pgm
for border in unobserved periodic; do
  for option in "" --inpaint; do
    pipe_is 0 "pel-read mask:mask.pgm hole.pfm | pel-pnp --border $border -k gauss:1 -s 0.01 -m calm.onnx $option"
    ok [ "$(bad <out)" = $([ -z "$option" ] && echo 4 || echo 0) ]
  done
done

# What does not fit.
for m in smooth:'does not take sigma' residue:'takes data' sum:'a state' window:'does not take sigma'; do
  is 1 bash -c "pel-pnp -m ${m%%:*}.onnx <blurred.pel"
  said "${m#*:}"
  no_end
done
is 1 bash -c 'pel-pnp -m ./plain.pfm <blurred.pel'
said 'not an ONNX model'
is 1 bash -c 'scene 32x32x1x1 | pel-pnp -m calm.onnx'
said 'no PSF in the stream'
is 1 bash -c 'scene 8x8x1x1 | pel-pnp -s 1 -k gauss:5 -m calm.onnx'
said 'too large for a picture'
is 1 bash -c 'scene 8x8x1x1 | pel-pnp -s 1 -k gauss:2 --border periodic -m calm.onnx'
said 'does not fit'
is 1 bash -c 'scene 20x20x1x2 | pel-pnp -s 1 -k gauss:1 -m calm3.onnx'
said '3 channels'
no_end
done_testing
