# train.sh - pel-train: learns, repeats itself, survives kills, reads what it should and refuses the rest.
# SPDX-License-Identifier: GPL-3.0-or-later
#
#   KILLS=20 tests/cli/train.sh      kills so many runs (5)
. "${top_srcdir:-.}/tests/lib.sh"

is 0 pel-net dncnn --depth 3 --width 4 --channels 1 -o net.onnx
scene 64x48x1x1 | pel-noise 0.1 --seed 9 >val.pel
pairs="scene 64x48x1x1 frames 3 | pel-crop --random 16 --repeat 20 --seed 1 | pel-noise 0.1"
bash -c "$pairs" >pairs.pel
short=(-m net.onnx -t 2 --batch 4 --lr 3e-3 --ema 0.9)

# It learns: the noise gets less; the card says so, and pel-score agrees.
pipe_is 0 "pel-train ${short[*]} -o out.onnx --loss mse --validate val.pel --validate-every 5 --log log.tsv --log-every 4 <pairs.pel"
ok [ -s out-last.onnx ]
ok [ "$(head -n 1 log.tsv)" = 'step	loss	mse	rate	psnr	norm	samples_s	waiting' ]
ok [ "$(cut -f 1 log.tsv | tr '\n' ' ')" = 'step 0 4 5 8 10 12 15 ' ]
before=$(awk -F '\t' '$1 == 0 { print $5 }' log.tsv) after=$(awk -F '\t' '$1 == 15 { print $5 }' log.tsv)
ok awk -v a="$after" -v b="$before" 'BEGIN { exit !(a > b + 0.3) }'
pel-cnn -m out-last.onnx <val.pel | pel-score >score.tsv
near "$(awk '$1 == "mean" { print $3 }' score.tsv)" "$after" 0.0005
is 0 pel-cnn --describe -m out.onnx
ok grep -q 'pellucid.training.command	pel-train --model=net.onnx --batch=4' out
ok grep -q '^Data: pel-crop --random=16 --repeat=20 --seed=1 ' out
ok grep -q 'pellucid.training.steps	15 steps of 4 pairs of 16x16 with 1 channel$' out
ok grep -q 'pellucid.training.validation	PSNR .* mean of 1 picture' out

# The same again, whichever way the pairs come.
pipe_is 0 "pel-train ${short[*]} -o a.onnx --loss charbonnier,ssim:0.1 --steps 12 <pairs.pel"
pipe_is 0 "pel-train ${short[*]} -o b.onnx --loss charbonnier,ssim:0.1 --steps 12 --pairs-from '$pairs' --log log.tsv"
ok cmp -s a.onnx b.onnx
ok [ "$(head -n 1 log.tsv | cut -f 2-4)" = 'loss	charbonnier	ssim' ]
ok [ "$(tail -n 1 log.tsv | cut -f 1)" = 12 ]
pipe_is 0 "pel-train ${short[*]} -o c.onnx --loss charbonnier,ssim:0.1 --steps 12 --lr 2e-3 <pairs.pel"
ok [ "$(cksum <a.onnx)" != "$(cksum <c.onnx)" ]

# The features that come along: their distance from the truth grows with the noise.
export PELLUCID_MODELS=$top_srcdir/data/models
for noise in 0.02 0.1; do
  pipe_is 0 "scene 64x48x1x1 frames 3 | pel-crop --random 16 --repeat 4 --seed 1 | pel-noise $noise |
    pel-train ${short[*]} -o c.onnx --loss perceptual:features@v4+v9 --steps 1 --log $noise.tsv"
done
ok awk -F '\t' '$1 == 1 { v[++n] = $3 } END { exit !(n == 2 && v[1] > 0 && v[2] > 4 * v[1]) }' 0.02.tsv 0.1.tsv

# What options do: each changes the weights.
for option in '--schedule constant' '--schedule step:4' '--warmup 5' '--clip 0.001' '--decay 0.1' '--ema 0' '--batch 5' '--loss l1'; do
  pipe_is 0 "pel-train ${short[*]} -o c.onnx --loss charbonnier,ssim:0.1 --steps 12 $option <pairs.pel"
  pel-cnn -m a.onnx <val.pel | pel-write -q --type f32 a.tif
  pel-cnn -m c.onnx <val.pel | pel-write -q --type f32 c.tif
  ok [ "$(cksum <a.tif)" != "$(cksum <c.tif)" ]
done

is 0 pel-net dncnn --depth 3 --width 16 --channels 1 -o wide.onnx
for precision in fp32 bf16; do
  pipe_is 0 "pel-train ${short[*]} -m wide.onnx -o $precision.onnx --steps 5 --precision $precision <pairs.pel"
  pel-cnn -m $precision.onnx <val.pel | pel-write -q --type f32 $precision.tif
done
ok [ "$(cksum <fp32.tif)" != "$(cksum <bf16.tif)" ]

# Muon, where a layer is a matrix; stopped and gone on with, it is the same run.
muon="${short[*]} -m wide.onnx --optimizer muon --schedule constant"
pipe_is 0 "pel-train $muon -o muon.onnx --steps 6 --validate val.pel --validate-every 6 --log muon.tsv <pairs.pel"
ok awk -F '\t' 'NR > 1 && $5 != "-" { v[++n] = $5 } END { exit !(n == 2 && v[2] > v[1] + 0.3) }' muon.tsv
pipe_is 0 "pel-train $muon -o half.onnx --steps 3 --checkpoint muon.ck <pairs.pel"
pipe_is 0 "pel-train $muon -o again.onnx --steps 6 --checkpoint muon.ck --resume <pairs.pel"
pipe_is 0 "pel-train $muon -o whole.onnx --steps 6 <pairs.pel"
pel-cnn -m again.onnx <val.pel | pel-write -q --type f32 again.tif
pel-cnn -m whole.onnx <val.pel | pel-write -q --type f32 whole.tif
ok cmp -s again.tif whole.tif
pipe_is 0 "pel-train ${short[*]} -m wide.onnx --schedule constant -o adam.onnx --steps 6 <pairs.pel"
pel-cnn -m adam.onnx <val.pel | pel-write -q --type f32 adam.tif
ok [ "$(cksum <adam.tif)" != "$(cksum <whole.tif)" ]
pipe_is 1 "pel-train ${short[*]} -m wide.onnx --schedule constant -o no.onnx --steps 9 --checkpoint muon.ck --resume <pairs.pel"
said 'optimizer'

# Commands take turns, are started again, and find their number in SEED.
turns=(--pairs-from 'echo "a $SEED" >>seeds; pel-cat <six.pel' --pairs-from 'echo "b $SEED" >>seeds; pel-cat <two.pel')
pel-cat --images 0-5 <pairs.pel >six.pel
pel-cat --images 6-7 <pairs.pel >two.pel
is 0 pel-train "${short[@]}" -o a.onnx --steps 3 --seed 10 "${turns[@]}"
ok [ "$(sort seeds | tr '\n' ' ')" = 'a 10 b 11 b 13 b 15 ' ]
is 1 pel-train "${short[@]}" -o no.onnx --steps 3 --pairs-from false
said "'false' failed with status 1"
is 1 pel-train "${short[@]}" -o no.onnx --steps 3 --pairs-from 'head -c 9000 pairs.pel'
said 'cut off'
is 1 pel-train "${short[@]}" -o no.onnx --steps 3 --pairs-from 'pel-psf gauss:1'
said 'makes no image'

# The stream ends first: what there was counts, but for a batch that is not full.
pipe_is 0 "pel-cat --images 0-9 <pairs.pel | pel-train ${short[*]} -o a.onnx --steps 5"
said 'ends after step 2 of 5'
pipe_is 1 "pel-cat --images 0-2 <pairs.pel | pel-train ${short[*]} -o no.onnx"
said 'before the first batch'
pipe_is 0 "pel-train ${short[*]} -o a.onnx --hours 1e-9 <pairs.pel"

# Channels by themselves for a grey model; other inputs by role.
pipe_is 0 "scene 16x16x1x3 frames 4 | pel-noise 0.1 | pel-train ${short[*]} -o a.onnx --log log.tsv"
is 0 pel-net ffdnet --depth 3 --width 4 --channels 1 -o ffdnet.onnx
pipe_is 0 "pel-train ${short[*]} -m ffdnet.onnx -o a.onnx --steps 2 <pairs.pel"
pipe_is 1 "scene 16x16x1x1 frames 4 roles truth | pel-train ${short[*]} -m ffdnet.onnx -o no.onnx"
said 'noise level'

# What does not suit.
pipe_is 1 "scene 16x16x1x1 frames 4 | pel-train ${short[*]} -o no.onnx"
said 'no truth'
pipe_is 1 "{ scene 16x16x1x1 | pel-noise 0.1; scene 24x16x1x1 frames 5 | pel-noise 0.1; } | pel-train ${short[*]} -o no.onnx"
said 'the first was of 16x16'
pipe_is 1 "scene 17x16x1x1 frames 4 | pel-noise 0.1 | pel-train ${short[*]} -m ffdnet.onnx -o no.onnx"
said 'multiples of 2'
model smooth smooth.onnx
model mean mean.onnx
model window window.onnx
pipe_is 1 "scene 16x16x1x1 frames 4 | pel-noise 0.1 | pel-train ${short[*]} -m window.onnx -o no.onnx"
said 'window'
pipe_is 1 "scene 16x16x1x1 frames 4 | pel-noise 0.1 | pel-train ${short[*]} -m mean.onnx -o no.onnx"
said 'no weights to train'
pipe_is 1 "scene 16x16x1x1 frames 4 | pel-train ${short[*]} -o no.onnx --validate nothing.pel"
said 'nothing.pel'
pipe_is 1 "pel-train ${short[*]} -o /nonexistent/no.onnx <pairs.pel"
said 'cannot write'
pipe_is 2 "pel-train -o no.onnx <pairs.pel"
said '-m FILE'
pipe_is 2 "pel-train -m net.onnx <pairs.pel"
said '-o FILE'
for wrong in '--schedule cosine' '--schedule step:0' '--loss nothing' '--loss mse:-1' '--resume' '--batch 0' "--pairs-from 'cat pairs.pel'"; do
  pipe_is 2 "pel-train ${short[*]} -o no.onnx $wrong <pairs.pel"
done

# A critic learns along, and is in the checkpoint; a run with a constant rate may be made longer.
is 0 pel-net srcnn --channels 1 --width 4 -o critic.onnx
critic=("${short[@]}" --loss l1,gan:critic.onnx:0.1 --schedule constant --seed 3)
pipe_is 0 "pel-train ${critic[*]} -o a.onnx --steps 9 --log log.tsv --log-every 1 <pairs.pel"
ok [ "$(head -n 1 log.tsv | cut -f 2-5)" = 'loss	l1	gan	critic' ]
ok awk -F '\t' 'NR == 2 { first = $5 } END { exit !($5 < first && $5 > 0) }' log.tsv
pipe_is 0 "pel-train ${critic[*]} -o b.onnx --steps 4 --checkpoint gan.ck <pairs.pel"
pipe_is 0 "pel-train ${critic[*]} -o b.onnx --steps 9 --checkpoint gan.ck --resume <pairs.pel"
ok cmp a.onnx b.onnx
pipe_is 0 "pel-train ${critic[*]} -o b.onnx --steps 9 --seed 4 --loss wgan:critic.onnx <pairs.pel"

# A loss that leaps is told of; a batch that is too large is refused.
pipe_is 0 "{ scene 16x16x1x1 frames 30 | pel-noise 0.01; scene 16x16x1x1 frames 3 | pel-noise 9; } | pel-train ${short[*]} -o b.onnx --batch 1"
ok grep -q 'the loss is .*a lower --lr, or --clip, may help' err
for loss in psnr:floor=1e-2 l1; do
  pipe_is 0 "{ scene 16x16x1x1 frames 30 | pel-noise 0.01..0.03 --seed 1; scene 16x16x1x1 frames 3 | pel-noise 9; } |
    pel-train ${short[*]} -o b.onnx --batch 1 --loss $loss --log log.tsv --log-every 1"
  ok grep -q 'step 31: the loss is .*a lower --lr, or --clip, may help' err
done
ok awk -F '\t' 'NR > 1 { norm[$1] = $6 } END { exit !(norm[30] > 0 && norm[31] > 2 * norm[30]) }' log.tsv
pipe_is 1 "pel-train ${short[*]} -o no.onnx --batch 60000 --memory 10M <pairs.pel"
said 'memory'

# A loss that explodes stops it, and leaves the last good checkpoint.
pipe_is 1 "pel-train ${short[*]} -q -o no.onnx --lr 100 --schedule constant --decay 100 --checkpoint bad.ck --checkpoint-every 1 <pairs.pel"
said 'not finite'
said 'the last checkpoint is good'
ok [ -s bad.ck ]
ok [ ! -e no.onnx ]

# A run that is killed, wherever, ends as one that was not.
long=("${short[@]}" --loss mse,l1:0.5 --steps $((${KILLS:-5} * 40)) --validate val.pel --validate-every 7 --log-every 4 --checkpoint-every 3
  --seed 5 --pairs-from 'scene 64x48x1x1 frames 2 | pel-crop --random 24 --repeat 9 --seed $SEED | pel-noise 0.1 --seed $SEED'
  --pairs-from 'scene 40x40x1x1 frames 5 | pel-crop --random 24 --repeat 20 --seed $SEED | pel-noise 0.05')
begun=$(date +%s%N)
is 0 pel-train "${long[@]}" -o whole.onnx --checkpoint whole.ck --log whole.tsv
longest=$((($(date +%s%N) - begun) * 2 / ${KILLS:-5} / 1000000)) # ms: on the average, all of the run is killed
kills=0
while [ "$kills" -lt "${KILLS:-5}" ]; do
  pel-train "${long[@]}" -o killed.onnx --checkpoint killed.ck --log killed.tsv --resume 2>>killed.err </dev/null &
  ms=$((RANDOM * longest / 32768))
  sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))"
  kill -9 $! 2>/dev/null || break
  wait $! 2>/dev/null
  kills=$((kills + 1))
done
echo "$kills runs killed"
ok [ "$kills" -gt 0 ]
is 0 pel-train "${long[@]}" -o killed.onnx --checkpoint killed.ck --log killed.tsv --resume
ok [ ! -s killed.err ]
ok cmp whole.onnx killed.onnx
ok cmp whole-last.onnx killed-last.onnx
ok [ "$(cut -f 1-6 whole.tsv)" = "$(cut -f 1-6 killed.tsv)" ]
rm killed.onnx
is 0 pel-train "${long[@]}" -o killed.onnx --checkpoint killed.ck --log killed.tsv --resume # is through
ok cmp whole.onnx killed.onnx
cp killed.ck before.ck; cp killed.tsv before.tsv
is 0 pel-train "${long[@]}" -o peek.onnx --checkpoint killed.ck --log killed.tsv --peek
ok cmp before.ck killed.ck
ok cmp before.tsv killed.tsv
for model in '' -last; do
  pipe_is 0 "pel-cnn -m whole$model.onnx <val.pel | pel-score >whole.txt"
  pipe_is 0 "pel-cnn -m peek$model.onnx <val.pel | pel-score >peek.txt"
  ok cmp whole.txt peek.txt
done
# Before the first validation there is no best: the weights so far (here of a run whose pairs end in an error).
early=("${short[@]}" --steps 99 --validate val.pel --validate-every 50 --checkpoint early.ck --checkpoint-every 1)
pipe_is 1 "head -c $(($(wc -c <pairs.pel) - 200)) pairs.pel | pel-train ${early[*]} -o no.onnx"
is 0 pel-train "${early[@]}" -o early.onnx --peek
ok [ ! -e early-last.onnx ]
pipe_is 0 "pel-cnn -m early.onnx <val.pel | pel-score"
is 2 pel-train "${long[@]}" -o no.onnx --peek
said 'at which --checkpoint'
is 1 pel-train "${long[@]}" -o no.onnx --checkpoint nothing.ck --peek
said 'nothing.ck'
is 1 pel-train "${long[@]}" -o no.onnx --checkpoint killed.ck
said '--resume goes on'
is 1 pel-train "${long[@]}" -o no.onnx --checkpoint killed.ck --resume --lr 1e-3
said "not 'lr="
is 1 pel-train "${long[@]}" -o no.onnx --checkpoint pairs.pel --resume
said 'no checkpoint'
printf x | dd of=killed.ck bs=1 seek=3000 conv=notrunc 2>/dev/null
is 1 pel-train "${long[@]}" -o no.onnx --checkpoint killed.ck --resume
said 'damaged'

# Curves.
pipe_is 0 "pel-train ${short[*]} --loss psnr --validate val.pel --log psnr.tsv -o b.onnx <pairs.pel"
ok [ "$(head -n 1 psnr.tsv | cut -f 2-5)" = "$(printf 'loss\t-psnr\trate\tpsnr')" ]
is 0 pel-train --plot psnr.tsv -o curve.svg
cut -f 1,4- psnr.tsv | awk -F '\t' -v OFS='\t' '{ $1 = $1 OFS (NR == 1 ? "loss" : "-") } 1' >bare.tsv # as if no loss could be drawn
is 0 pel-train --plot bare.tsv -o bare.svg
ok [ "$(wc -c <curve.svg)" -gt $(($(wc -c <bare.svg) + 500)) ]
is 0 pel-train --plot whole.tsv -o curve.svg
ok grep -q '<svg' curve.svg
ok [ "$(wc -c <curve.svg)" -gt 4000 ]
is 2 pel-train --plot whole.tsv
is 1 pel-train --plot nothing.tsv -o no.svg
is 1 pel-train --plot score.tsv -o no.svg
said 'field is no number'
printf 'step\tloss\n1\t2\n' >other.tsv
is 1 pel-train --plot other.tsv -o no.svg
said 'no log of pel-train'
printf 'step\tloss\trate\tpsnr\n1e17\t2\t-\t-\n1.00000000000000001e17\t1e300\t1\t-\n' >wide.tsv
is 0 pel-train --plot wide.tsv -o wide.svg
printf 'step\tloss\trate\tpsnr\n-\t2\t-\t-\n' >wide.tsv
is 1 pel-train --plot wide.tsv -o no.svg
said 'line 2: no step'
is 1 pel-train --plot whole.tsv -o /nonexistent/no.svg
ok [ ! -e no.svg ]
done_testing
