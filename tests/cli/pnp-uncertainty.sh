# pnp-uncertainty.sh - pel-pnp --uncertainty: what is written, what it depends on, and that its calibration holds.
# SPDX-License-Identifier: GPL-3.0-or-later
. "${top_srcdir:-.}/tests/lib.sh"
for m in calm calm3; do model $m $m.onnx || exit 99; done
stats() { pel-info --stats <out | awk -F '\t' -v r="$1" -v c="$2" '$2 == r { print $c }'; } # of out: role, column
column() { sed -n 1p out | tr '\t' '\n' | grep -nx "$1" | cut -d: -f1; }
mean_of() { tail -n 1 out | cut -f"$(column "$1")"; }
pnp() { pel-pnp -n 3 -m calm.onnx --uncertainty=raw "$@"; }
export -f pnp
values() { pel-write -q --role uncertainty -f text - | cksum; }

# Each picture has a PSF of its own, none of them symmetric; three levels of noise.
scene 100x80x1x1 frames 2 | pel-write -q --type u16 truth-%d.tif
blurred() { # seed
  for level in 0.003 0.01 0.03; do
    pel-read truth-?.tif | pel-blur -k motion:length=4..9,angle=20..70 --random --border valid --seed "$1" |
      pel-noise $level --seed "$1"
  done | pel-cat
}
blurred 1 >first.pel
blurred 2 >second.pel
pel-cat --images 0 first.pel >one.pel

# The role is written, of the image's size, the same with any number of threads, and the image is as without.
pipe_is 0 'pnp -v -t 1 <first.pel'
whole
ok [ "$(grep -c ' 3 iterations' err)" -eq 6 ] # the results', not the members'
cp out raw.pel
pel-info <raw.pel >info
ok [ "$(grep -c '	uncertainty	.*kind=raw' info)" -eq 6 ]
ok awk -F '\t' '$2 == "uncertainty" { u = $3 } $2 == "image" && $3 != u { exit 1 }' info
ok [ "$(stats uncertainty 5 | awk '$1 > 0' | wc -l)" -eq 6 ]
ok [ "$(stats uncertainty 10 | sort -u)" = 0 ]
pipe_is 0 'pnp -t 2 <first.pel'
ok cmp -s out raw.pel
pel-cat --images 0 raw.pel | pel-write --role image with.pfm
pel-pnp -n 3 -m calm.onnx <one.pel | pel-write without.pfm
ok cmp -s with.pfm without.pfm

# A model that was not calibrated for this says so before it reads, if it is named, and else when it is needed; a
# calibration for pel-cnn is another.
is 1 bash -c 'pel-pnp -m calm.onnx --uncertainty <one.pel'
said 'was not calibrated (it has no metadata pellucid.uncertainty.pnp)'
no_end
mkdir models && pel-net calm.onnx --set 'pellucid.uncertainty=1:1' -o models/denoise-gray.onnx
is 1 bash -c 'PELLUCID_MODELS=models pel-pnp --uncertainty <one.pel'
said 'no metadata pellucid.uncertainty.pnp'
no_end
pel-net calm.onnx --set 'pellucid.uncertainty.pnp=2:1 1:2' -o wrong.onnx
is 1 bash -c 'pel-pnp -m wrong.onnx --uncertainty <one.pel'
said "pellucid.uncertainty.pnp: '2:1 1:2' is no calibration"
no_end

# Fitted to some, right for others.
pipe_is 0 'pel-score --fit <raw.pel'
cp out numbers
pel-net calm.onnx --set "pellucid.uncertainty.pnp=$(cat numbers)" -o calibrated.onnx
pipe_is 0 'pel-pnp -n 3 -m calibrated.onnx --uncertainty <second.pel'
cp out unsure.pel
ok [ "$(pel-info <unsure.pel | grep -c 'kind=raw')" -eq 0 ]
pipe_is 0 'pel-score --calibration <unsure.pel'
ok [ "$(wc -l <out)" -eq 8 ]
near "$(mean_of within)" 0.683 0.05
pel-net calibrated.onnx --set "pellucid.uncertainty.pnp=1e-6:1e-6" -o sure.onnx
pipe_is 0 'pel-pnp -n 3 -m sure.onnx --uncertainty <second.pel | pel-score --calibration'
ok awk -v w="$(mean_of within)" 'BEGIN { exit !(w < 0.55) }'

# The PSF of -k is turned with the members as the stream's is, and is the one that counts.
pel-write --role psf psf.pfm <one.pel
pnp <one.pel | values >stream.sum
pnp -k psf.pfm <one.pel | values >option.sum
ok cmp -s stream.sum option.sum
pel-read truth-0.tif | pel-blur -k motion:9,30 --border valid | pel-noise 0.003 >other.pel
pipe_is 0 'pnp -k psf.pfm <other.pel'
ok [ "$(pel-info <out | grep -c '	psf	')" -eq 1 ]
# Sigma: of -s, not the stream's; estimated, and then in the stream.
pipe_is 0 'pnp -s 0.005 <one.pel'
near "$(stats sigma 7)" 0.005 1e-6
cp out other.pel
ok [ "$(values <other.pel)" != "$(cat stream.sum)" ]
pipe_is 0 'pel-read truth-0.tif | pel-noise 0.01 | pel-write plain.pfm && pel-read plain.pfm | pnp -k gauss:1'
ok [ "$(pel-info <out | grep -c '	sigma	.*estimated=1')" -eq 1 ]
is 1 bash -c 'pel-noise 0 <one.pel | pnp -s 0'
said 'noise level'
no_end
# Periodic; colour by channels, and all at once; a volume with a 3-D PSF.
pipe_is 0 'scene 48x40x1x1 | pel-blur -k motion:7,30 --border periodic | pel-noise 0.01 | pnp --border periodic'
ok [ "$(stats uncertainty 3)" = 48x40x1x1 ]
for m in calm calm3; do
  pipe_is 0 "scene 48x40x1x3 | pel-blur -k motion:5,30 --border valid | pel-noise 0.01 | pnp -m $m.onnx"
  ok [ "$(stats uncertainty 3)" = "$(stats image 3)" ]
done
pipe_is 0 'scene 24x20x5x1 | pel-blur -k gauss:1 | pel-noise 0.01 | pnp'
ok [ "$(stats uncertainty 3)" = 24x20x5x1 ]

# What was not measured is not known, filled in or not.
{ printf 'P5 100 80 255\n'; head -c 5000 /dev/zero | tr '\0' '\377'; printf '\0\0\0'
  head -c 2997 /dev/zero | tr '\0' '\377'; } >mask.pgm
for inpaint in '' --inpaint; do
  pipe_is 0 "pel-read mask:mask.pgm truth-0.tif | pel-noise 0.01 | pnp -k gauss:1 $inpaint"
  ok [ "$(stats uncertainty 10)" = 3 ]
  ok [ "$(stats image 10)" = $([ -z "$inpaint" ] && echo 3 || echo 0) ]
done

# An uncertainty tells of its own image only: what a solver makes of that loses it.
for solver in 'pel-pnp -n 2 -m calm.onnx' pel-wiener; do
  pipe_is 0 "pel-cat --images 0 unsure.pel | $solver | pel-info"
  ok [ "$(grep -c uncertainty out)" -eq 0 ]
done
is 2 pel-pnp -m calm.onnx --uncertainty=some
said "--uncertainty 'some'"
pipe_is 1 'pel-score --fit <unsure.pel'
said 'these are calibrated'
done_testing
