# uncertainty.sh - pel-cnn --uncertainty, its calibration by pel-score --fit, and how well that holds.
# SPDX-License-Identifier: GPL-3.0-or-later
. "${top_srcdir:-.}/tests/lib.sh"
for m in smooth shrink window sum; do model $m $m.onnx || exit 99; done
column() { sed -n 1p out | tr '\t' '\n' | grep -nx "$1" | cut -d: -f1; } # number of a column of out
mean_of() { tail -n 1 out | cut -f"$(column "$1")"; }

# Pictures and noise that no calibration has seen: 0.02 to 0.1, by seed.
scene 320x240x1x1 frames 3 | pel-blur -k gauss:1.5 | pel-write -q --type u16 truth-%d.tif
noisy() { # seed: patches of three pictures at three levels
  for level in 0.02 0.05 0.1; do
    pel-read truth-?.tif | pel-crop --random 120x100 --seed "$1" | pel-noise "$level" --seed "$1"
  done | pel-cat
}
noisy 1 >first.pel
noisy 2 >second.pel

# The role is written, of the image's size, and is the same with any number of threads; the image is as without.
is 1 bash -c 'pel-cnn -m shrink.onnx --uncertainty <first.pel'
said 'was not calibrated'
no_end
pipe_is 0 'pel-cnn -m shrink.onnx --uncertainty=raw -t 1 <first.pel'
whole
cp out raw.pel
pel-info <raw.pel >info
ok [ "$(grep -c '	uncertainty	120x100x1x1	f32	.*kind=raw' info)" -eq 9 ]
ok [ "$(pel-info --stats <raw.pel | awk -F '\t' '$2 == "uncertainty" { n += $5 > 0 && $6 > $5 && $10 == 0 } END { print n }')" -eq 9 ]
pipe_is 0 'pel-cnn -m shrink.onnx --uncertainty=raw -t 2 <first.pel'
ok cmp -s out raw.pel
pel-write --role image -f text plain-%d.txt <raw.pel
pel-cnn -m shrink.onnx <first.pel | pel-write --role image -f text without-%d.txt
ok cmp -s plain-4.txt without-4.txt

# Fitted to some pictures, right for others: 68 % of errors are within.
pipe_is 0 'pel-score --fit <raw.pel'
ok [ "$(wc -l <out)" -eq 1 ]
cp out numbers
is 0 pel-net shrink.onnx --set "pellucid.uncertainty=$(cat numbers)" -o calibrated.onnx
pipe_is 0 'pel-cnn -m calibrated.onnx --uncertainty <second.pel'
cp out unsure.pel
ok [ "$(pel-info <unsure.pel | grep -c 'kind=raw')" -eq 0 ]
pipe_is 0 'pel-score --calibration <unsure.pel'
ok [ "$(sed -n 1p out | cut -f10-16)" = "$(printf 'within\twithin1\twithin2\twithin3\twithin4\twithin5\tscale')" ]
ok [ "$(wc -l <out)" -eq 11 ]
near "$(mean_of within)" 0.683 0.03
near "$(mean_of scale)" 1 0.06
for k in 1 2 3 4 5; do near "$(mean_of within$k)" 0.683 0.1; done
# At each level of noise.
for k in 2 5 8; do near "$(sed -n ${k}p out | cut -f10)" 0.683 0.08; done
# Errors of samples that are unsure are larger.
pel-info --stats <unsure.pel | awk -F '\t' '$2 == "uncertainty" { print $6 / $5 }' >spread
ok [ "$(wc -l <spread)" -eq 9 ]
ok awk '!($1 > 1.5) { exit 1 }' spread
# Uncertainties that are too small show.
pipe_is 0 'pel-net calibrated.onnx --set "pellucid.uncertainty=1e-6:1e-6" -o sure.onnx && pel-cnn -m sure.onnx --uncertainty <second.pel | pel-score --calibration'
ok awk -v w="$(mean_of within)" -v s="$(mean_of scale)" 'BEGIN { exit !(w < 0.5 && s > 1.5) }'
pipe_is 0 'pel-score --calibration --consistency --json <unsure.pel'
ok grep -q '"residual":.*,"within":0\.6.*,"scale":' out

# Sigma: given, estimated (and then in the stream), a map; what was not measured is not known.
pipe_is 0 'pel-noise 0.05 --seed 1 <first.pel | pel-cat --images 0 | pel-cnn -m calibrated.onnx --uncertainty -s 0.06 | pel-info --stats'
ok awk -F '\t' '$2 == "sigma" { exit !($7 > 0.059 && $7 < 0.061) }' out
scene 60x50x1x1 >bare.pel
pel-net smooth.onnx --set "pellucid.uncertainty=$(cat numbers)" -o even.onnx # takes no sigma itself
pipe_is 0 'pel-cnn -m even.onnx --uncertainty <bare.pel | pel-info'
ok grep -q '	sigma	.*estimated=1' out
pipe_is 0 'scene 60x50x1x3 | pel-noise 0.02 --poisson --gain 500 | pel-cnn -m calibrated.onnx --uncertainty --colour luma | pel-info --stats'
ok awk -F '\t' '$2 == "uncertainty" { exit !($3 == "60x50x1x3" && $5 > 0) }' out
said 'unless it was fitted that way'
pel-read "$top_srcdir/data/samples/cluster.fits" | pel-crop 100x80+20+20 >cluster.pel
pipe_is 0 'pel-cnn -q -m calibrated.onnx --uncertainty --inpaint <cluster.pel | pel-info --stats'
bad=$(pel-wiener -q -k gauss:1 <cluster.pel | pel-info --stats | awk -F '\t' '$2 == "image" { print $10 }')
ok [ "$bad" -gt 0 ]
ok [ "$(awk -F '\t' '$2 == "uncertainty" { print $10 }' out)" = "$bad" ]
ok [ "$(awk -F '\t' '$2 == "image" { print $10 }' out)" = 0 ]

# A window of frames, which lie as the image does; a volume.
pipe_is 0 'scene 40x30x1x1 frames 3 | pel-noise 0.05 | pel-cnn -m window.onnx --uncertainty=raw | pel-info'
ok [ "$(grep -c '	uncertainty	40x30x1x1' out)" -eq 3 ]
pipe_is 0 'scene 20x18x4x1 | pel-noise 0.05 | pel-cnn -m calibrated.onnx --uncertainty | pel-info'
ok grep -q '	uncertainty	20x18x4x1' out
# It tells of this image only.
pipe_is 0 'pel-cat --images 0 unsure.pel | pel-cnn -m shrink.onnx | pel-info'
ok [ "$(grep -c uncertainty out)" -eq 0 ]

# What is refused.
is 2 pel-cnn -m shrink.onnx --uncertainty=raw --keep-consistent
said 'exclude each other'
is 2 pel-cnn -m shrink.onnx --uncertainty=some
said "--uncertainty 'some'"
is 1 pel-cnn -m sum.onnx --uncertainty=raw
said 'a model with a state'
pel-net shrink.onnx --set 'pellucid.uncertainty=2:1 1:2' -o wrong.onnx
is 1 pel-cnn -m wrong.onnx --uncertainty
said "pellucid.uncertainty: '2:1 1:2' is no calibration"
is 1 bash -c 'pel-cnn -m smooth.onnx --uncertainty=raw -s 0 <bare.pel'
said 'the noise level is not above 0'
no_end
is 2 pel-score --fit --json
said '--fit writes numbers'
pipe_is 1 'pel-score --fit <unsure.pel'
said 'these are calibrated'
pipe_is 1 'pel-score --fit <first.pel'
said 'no uncertainty in the stream'
pipe_is 1 'pel-score --calibration <bare.pel'
said 'no truth in the stream'
pipe_is 1 'pel-score --calibration <first.pel'
said 'no uncertainty in the stream'
pipe_is 1 'scene 9x9x1x1 | pel-noise 0.1 | pel-cnn -m shrink.onnx --uncertainty=raw | pel-score --fit'
said '81 samples are too few'
done_testing
