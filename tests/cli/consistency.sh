# consistency.sh - a network that invents: pel-score --consistency shows it, pel-cnn --keep-consistent takes it back.
# SPDX-License-Identifier: GPL-3.0-or-later
. "${top_srcdir:-.}/tests/lib.sh"
model invent invent.onnx || exit 99

# What the network adds is the reference less 1/2: nothing, a small square, stripes.
draw() { # value of a sample in thousandths, in awk
  awk "BEGIN { printf \"P2\n160 128\n1000\n\"; for (y = 0; y < 128; y++) for (x = 0; x < 160; x++) { v = 500; $1; print v } }"
}
draw '' >nothing.pgm
draw 'if (x >= 70 && x < 75 && y >= 60 && y < 65) v = 700' >square.pgm
draw 'v += (x + y) % 4 < 2 ? 40 : -40' >stripes.pgm
scene 160x128x1x1 | pel-blur -k gauss:2 | pel-write -q --type u16 smooth.tif
noisy() { pel-read reference:"$1".pgm smooth.tif | pel-noise 0.02 --seed 1; }
restored() { pel-read reference:"$1".pgm smooth.tif | pel-blur -k gauss:1.2 | pel-noise 0.01 --seed 1 | pel-tv; }
for r in nothing square stripes; do
  noisy $r >noisy-$r.pel
  restored $r >restored-$r.pel
done
# psnr, residual, worst, worst_x, worst_y: into variables of those names.
score() { # file
  pipe_is 0 "pel-score --consistency <$1"
  read -r psnr residual worst worst_x worst_y < <(sed -n 2p out | cut -f3,10-13)
}
above() { ok awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && a > b) }'; }
kept() { pel-info <out | grep -o 'kept=[^ 	]*' | cut -d= -f2; }

for k in noisy restored; do
  # A harmless network is kept, as it is.
  pipe_is 0 "pel-cnn -m invent.onnx --keep-consistent <$k-nothing.pel"
  above "$(kept)" 0.95
  cp out kept.pel
  score kept.pel
  above 1.2 "$worst"
  harmless=$psnr
  # A square is invented: little in all, much where it is; then it is gone, and most of the rest stays.
  pel-cnn -m invent.onnx <$k-square.pel >invented.pel
  score invented.pel
  before=$psnr
  above 1.1 "$residual"
  above "$worst" 2.5
  near "$worst_x" 72 8
  near "$worst_y" 62 8
  pipe_is 0 "pel-cnn -v -m invent.onnx --keep-consistent <$k-square.pel"
  ok grep -q 'kept 0\.[89].* of the model' err
  above "$(kept)" 0.85
  cp out kept.pel
  score kept.pel
  above 1.2 "$worst"
  above "$psnr" "$(awk -v p="$before" 'BEGIN { print p + 0.5 }')"
  above "$psnr" "$(awk -v p="$harmless" 'BEGIN { print p - 0.8 }')"
done

# Texture over all of a picture.
pel-cnn -m invent.onnx <noisy-stripes.pel >invented.pel
score invented.pel
before=$psnr
above "$residual" 1.8
pipe_is 0 'pel-cnn -m invent.onnx --keep-consistent <noisy-stripes.pel'
above 0.6 "$(kept)"
cp out kept.pel
score kept.pel
above 1.2 "$worst"
above "$psnr" "$(awk -v p="$before" 'BEGIN { print p + 3 }')"
# A stricter limit keeps less.
pipe_is 0 'pel-cnn -m invent.onnx --keep-consistent=0.1 <noisy-stripes.pel'
cp out strict.pel
score strict.pel
above 1.05 "$worst"
# The blur takes these stripes away: nothing in the measurement speaks against them.
pipe_is 0 'pel-cnn -m invent.onnx --keep-consistent <restored-stripes.pel'
near "$(kept)" 1 1e-6

# Colour, by channel; a volume; sigma as a map; without truth; JSON.
pipe_is 0 'scene 80x60x1x3 | pel-blur -k gauss:1 | pel-noise 0.01 --seed 1 | pel-tv | pel-score --consistency'
ok [ "$(sed -n 1p out | cut -f10-15)" = "$(printf 'residual\tworst\tworst_x\tworst_y\tworst_z\tworst_c')" ]
near "$(sed -n 2p out | cut -f10)" 1 0.2
ok [ "$(sed -n 3p out | cut -f12-15)" = "$(printf -- '-\t-\t-\t-')" ]
pipe_is 0 'scene 40x36x12x1 | pel-blur -k gauss:0.8 | pel-noise 0.01 --seed 1 | pel-tv | pel-score --consistency --window 8'
near "$(sed -n 2p out | cut -f10)" 0.6 0.1 # the estimate fits some of the noise
pipe_is 0 'scene 80x60x1x1 | pel-blur -k gauss:1 | pel-noise 0.01 --poisson --gain 1000 --seed 1 | pel-tv | pel-score --consistency'
near "$(sed -n 2p out | cut -f10)" 1 0.2
pipe_is 0 'scene 80x60x1x1 | pel-score --consistency -s 0.01 --json'
ok grep -q '"psnr":null,.*"residual":0.0000,"worst":0.0000,"worst_x":' out

# What is refused.
pipe_is 1 'scene 80x60x1x1 | pel-noise 0 | pel-score --consistency'
said 'the noise level is 0'
pipe_is 1 'scene 20x20x1x1 | pel-blur -k gauss:1 | pel-crop 5x5 | pel-score --consistency -s 1'
said 'a PSF of '
is 2 pel-cnn -m invent.onnx --keep-consistent=none
said "--keep-consistent 'none'"
pipe_is 1 'pel-read reference:nothing.pgm smooth.tif | pel-cnn -m invent.onnx --keep-consistent -s 0'
said 'the noise level is 0'
no_end
done_testing
