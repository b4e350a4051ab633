# net.sh - pel-net: files that pel-cnn runs, the same bytes for the same seed, what is refused.
# SPDX-License-Identifier: GPL-3.0-or-later
. "${top_srcdir:-.}/tests/lib.sh"

is 0 pel-net --list
ok [ "$(wc -l <out)" -eq 17 ]
ok grep -q '^nafnet	32	4	3	levels	' out
is 0 pel-net unet --width 8 --depth 3 --seed 4 -o a.onnx
is 0 pel-net unet --width 8 --depth 3 --seed 4 -o -
ok cmp -s a.onnx out
is 0 pel-net unet --width 8 --depth 3 --seed 5 -o b.onnx
ok [ "$(cksum <a.onnx)" != "$(cksum <b.onnx)" ]
is 0 pel-cnn --describe -m a.onnx
ok grep -q '^pellucid.architecture	unet --width 8 --depth 3 --channels 3 --seed 4$' out
ok grep -q '^pellucid.multiple	4$' out
# At any size.
scene 37x23x1x3 >scene.pel
pipe_is 0 'pel-cnn -m a.onnx <scene.pel'
ok [ "$(pel-info <out | grep -c '	image	37x23x1x3	')" -eq 1 ]
is 0 pel-net ffdnet --width 8 --depth 3 -o f.onnx
pipe_is 0 'scene 30x20x1x1 roles sigma | pel-cnn -m f.onnx -s 0.1'
is 0 pel-net -v srcnn -o s.onnx
said '57281 weights'

# Drunet's own numbers; the weights of another net to begin with; metadata.
is 0 pel-net drunet --levels 8,12 --blocks 1 --fold 2 -o d.onnx
is 0 pel-net -v drunet --levels 8,12 --blocks 1 --fold 2 --channels 3 --inputs image,data,sigma --weights-from d.onnx -o e.onnx
ok grep -q '8 of 10 tensors' err
pipe_is 0 'scene 30x20x1x3 | pel-wiener -k gauss:1 -s 0.1 | pel-cnn -m e.onnx'
# With inputs behind those of the other, it begins as that one.
is 0 pel-net -v drunet --levels 8,12 --blocks 1 --fold 2 --inputs image,sigma,data --weights-from d.onnx -o more.onnx
ok grep -q '10 of 10 tensors' err
scene 30x20x1x1 | pel-wiener -k gauss:1 -s 0.1 >estimate.pel
for m in d more; do pel-cnn -m $m.onnx <estimate.pel | pel-write -q $m.pfm; done
pipe_is 0 'pel-read truth:d.pfm more.pfm | pel-score'
ok awk -F '\t' '$1 == "mean" { exit !($3 > 100) }' out
is 0 pel-net e.onnx --set 'pellucid.card=For a test, of two words.' --set x.y=1=2 -o f.onnx
is 0 pel-cnn --describe -m f.onnx
ok grep -q '^pellucid.card	For a test, of two words.$' out
ok grep -q '^x.y	1=2$' out
ok grep -q '^pellucid.architecture	drunet --levels 8,12 --blocks 1 --fold 2 --inputs image,data,sigma --channels 3 ' out
is 2 pel-net e.onnx --width 8 -o g.onnx
said 'cannot be changed'
is 2 pel-net e.onnx --set nothing -o g.onnx
said 'KEY=VALUE'
is 1 pel-net drunet --blocks 1 --weights-from d.onnx -o g.onnx
said 'do not fit'
is 1 pel-net ./missing.onnx -o g.onnx
is 2 pel-net drunet --levels 8,x -o g.onnx
is 2 pel-net drunet --levels 8,12,14,16,18,20 -o g.onnx
is 2 pel-net unet --fold 2 -o g.onnx
said 'fold'
ok [ ! -e g.onnx ]

is 2 pel-net
is 2 pel-net unet
said '-o FILE'
is 2 pel-net nothing -o x.onnx
said 'no architecture'
is 2 pel-net ircnn --depth 3 -o x.onnx
said 'depth'
is 2 pel-net unet --width 7 -o x.onnx
said 'width'
is 2 pel-net unet --channels 2 -o x.onnx
is 2 pel-net unet --features -o x.onnx
ok [ ! -e x.onnx ]
is 1 pel-net srcnn -o /nonexistent/x.onnx
is 1 bash -c 'pel-net srcnn -o - >/dev/full'
said 'No space left'

# A FIFO is written to; a link stays one, and the file behind it keeps its permissions.
pel-net srcnn -o s.onnx
mkfifo fifo
pel-net srcnn -o fifo &
ok timeout 20 cmp -s fifo s.onnx
wait
ok [ -p fifo ]
echo old >file.onnx
chmod 600 file.onnx
ln -s file.onnx link.onnx
is 0 pel-net srcnn -o link.onnx
ok [ -L link.onnx ]
ok cmp -s file.onnx s.onnx
ok [ "$(stat -c %a file.onnx)" = 600 ]
done_testing
