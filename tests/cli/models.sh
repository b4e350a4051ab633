# models.sh - the models that ship: they do what their cards say, on pictures that they were not trained on.
# SPDX-License-Identifier: GPL-3.0-or-later
. "${top_srcdir:-.}/tests/lib.sh"
samples=$top_srcdir/data/samples
export PELLUCID_MODELS=$top_srcdir/data/models

# better A B LEAST: the mean PSNR of score table B is above that of A by that.
better() {
  checks=$((checks + 1))
  awk -F'\t' -v least="$3" '/^mean/ { mean[FILENAME] = $3 } END { exit !(mean[ARGV[2]] - mean[ARGV[1]] >= least) }' "$1" "$2" ||
    { fail "$2 is not $3 dB above $1"; grep -h '^mean' "$1" "$2"; }
}

pel-read "$samples"/*.jpg | pel-crop --random 192 --repeat 2 --seed 3 >colour.pel
is 0 pel-cnn --list
ok grep -q '^denoise-gray	' out
ok grep -q '^denoise-color	' out
for sigma in 10 25 50; do
  pel-noise $sigma/255 --seed 4 <colour.pel >noisy.pel
  pel-score <noisy.pel >noisy.tsv
  pel-cnn -m denoise-gray <noisy.pel | pel-score >grey.tsv
  pel-cnn -m denoise-color <noisy.pel | pel-score >colour.tsv
  better noisy.tsv grey.tsv "$(awk -v s=$sigma 'BEGIN { print s < 20 ? 2.5 : s < 40 ? 5.5 : 9 }')"
  better grey.tsv colour.tsv 0.2
done
# With little noise too nothing is lost, and grain that is the picture's own stays; without, next to nothing changes.
pel-noise 8/255 --seed 5 <colour.pel | pel-write -q --role image --type f32 grain%d.tif
pel-read grain*.tif | pel-noise 1/255 --seed 4 >grain.pel
pel-noise 1/255 --seed 4 <colour.pel >slight.pel
for model in denoise-gray denoise-color; do
  for picture in slight grain; do
    pel-score <$picture.pel >$picture.tsv
    pel-cnn -m $model <$picture.pel | pel-score >$picture-$model.tsv
  done
  better slight.tsv slight-$model.tsv 0.2
  better grain.tsv grain-$model.tsv -0.5
  pel-noise 0.2/255 --seed 4 <colour.pel | pel-cnn -m $model | pel-score >clean.tsv
  ok awk -F'\t' '/^mean/ { exit !($3 > 58) }' clean.tsv
done

# Beside total variation, as the denoiser of plug-and-play.
pel-crop 128x128+20+20 <colour.pel | pel-blur -k shake:21,7 --border valid | pel-noise 2.55/255 --seed 5 >blurred.pel
pel-tv <blurred.pel | pel-score >tv.tsv
pel-pnp <blurred.pel | pel-score >pnp.tsv
better tv.tsv pnp.tsv 0.3

# What corrects estimates gains on each solver's, and what stays near to it and goes by the measurement again some more.
for solver in wiener rl tv; do
  pel-$solver <blurred.pel >$solver.pel
  pel-score <$solver.pel >$solver.tsv
  pel-cnn -m refine <$solver.pel >refined.pel
  pel-score <refined.pel >$solver-refined.tsv
  pel-wiener --around <refined.pel | pel-score >$solver-around.tsv
  better $solver.tsv $solver-refined.tsv 0.1
  better $solver-refined.tsv $solver-around.tsv 0
done

# What makes sharp without being told anything: movements of a camera, a little noise.
pel-crop 128x128+20+20 <colour.pel | pel-shake --length 0..10 --border valid --seed 3 | pel-noise 1/255 --seed 4 >shaken.pel
pel-score <shaken.pel >shaken.tsv
for model in deblur deblur-light; do
  pel-cnn -m $model <shaken.pel | pel-score >$model.tsv
  better shaken.tsv $model.tsv 0.05
done

# The example that compares all pipes on a folder: those that know the PSF restore (the picture is too small to find it).
mkdir pictures
pel-read "$samples/fig.jpg" | pel-crop 160x160 | pel-write -q pictures/fig.png
is 0 bash "$top_srcdir/examples/compare.sh" pictures shake:11,5 0.005
ok [ "$(grep -c '^pel-blind | pel-' out)" -eq 7 ]
ok awk '/^\(nothing\)/ { before = $2 } /^not told/ { exit } /^pel-/ { n += $(NF - 2) > before + 3 } END { exit !(n == 10) }' out
is 1 bash "$top_srcdir/examples/compare.sh" "$top_srcdir/src"
said 'no pictures'
done_testing
