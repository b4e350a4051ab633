# cnn.sh - pel-cnn: inputs by role, colour, sizes, bad samples, what is refused.
# SPDX-License-Identifier: GPL-3.0-or-later
. "${top_srcdir:-.}/tests/lib.sh"
text() { pel-write --role "${1:-image}" -f text -; } # samples, a row a line
stat_of() { pel-info --stats | awk -F '\t' -v r="$1" -v c="$2" '$2 == r { print $c }'; } # role, column
for m in smooth only sevens halves add level residue mean nan window sum; do model $m $m.onnx || exit 99; done

# The picture: 3 x 2 samples, white is 1 when it comes from integers.
printf '0 0 0\n0 9 0\n0 0 0\n0 0 0\n' >spot.txt
pel-read spot.txt >spot.pel

# A network's result replaces the image; the measurement goes on as data; white is guessed and given back.
pipe_is 0 'pel-cnn -m smooth.onnx <spot.pel'
whole
ok [ "$(text <out | tr '\n' ' ')" = '1 1 1 1 1 1 1 1 1 0 0 0 ' ]
ok [ "$(text data <out | head -2 | tail -1)" = '0 9 0' ]
pipe_is 0 'pel-cnn -m smooth.onnx -v <spot.pel >/dev/null'
ok grep -q 'no key white: its greatest sample, 9' err
ok grep -q 'kMAC/px' err

# Colour: by channel, and by luma, which leaves differences of channels as they are.
scene 31x20x1x3 >colour.pel
pipe_is 0 'pel-cnn -m smooth.onnx <colour.pel'
cp out channel.pel
pipe_is 0 'pel-cnn -m smooth.onnx --colour luma <colour.pel'
ok [ "$(pel-info <out | grep -c '	image	31x20x1x3	')" -eq 1 ]
ok [ "$(cksum <out)" != "$(cksum <channel.pel)" ]

# bf16 is near to fp32, and not the same.
pel-net dncnn --depth 4 --width 16 -o small.onnx
scene 31x20x1x1 >grey.pel
for p in fp32 bf16; do pel-cnn -m small.onnx --precision $p <grey.pel | text | tr ' ' '\n' >$p.txt; done
paste fp32.txt bf16.txt >both.txt
ok awk '{ d = $1 - $2; e += d * d; s += $1 * $1; n += $1 != $2 }
  END { exit !(n > NR / 2 && sqrt(e / s) < 0.01) }' both.txt
is 2 pel-cnn -m small.onnx --precision fp8

# The luma of data too, and of a window's frames: 62.1 and 81.5 here, of 255.
printf 'P3 1 1 255 100 50 25\n' >first.ppm
printf 'P3 1 1 255 0 100 200\n' >second.ppm
red() { pel-write red.pfm <out && tail -c 12 red.pfm | od -An -f | awk '{ print 255 * $1 }'; }
pipe_is 0 'pel-read second.ppm first.ppm first.ppm | pel-cnn -m window.onnx --colour luma | pel-cat --images 2'
near "$(red)" 100 1e-3
pipe_is 0 'pel-read second.ppm first.ppm first.ppm | pel-cnn -m window.onnx --colour luma | pel-cat --images 1'
near "$(red)" 106.4667 1e-3
cp out twice.pel
pipe_is 0 'pel-cnn -m residue.onnx --colour luma <twice.pel' # + (62.1 - 68.5667) - 68.5667
near "$(red)" 31.4333 1e-3
# A bad channel of a pixel: its luma is not known, and the other channels stay.
one='\0000\0000\0200\0077' half='\0000\0000\0000\0077' nan='\0000\0000\0300\0177'
{ printf 'PF\n2 1\n-1\n'; for v in $nan $one $half $half $half $half; do printf '%b' "$v"; done; } >bad.pfm
pipe_is 0 'pel-read bad.pfm | pel-cnn -m smooth.onnx --colour luma'
pel-write bad-out.pfm <out
ok [ "$(tail -c 24 bad-out.pfm | head -c 12 | od -An -f | tr -s ' ')" = ' nan 1 0.5' ]
pipe_is 0 'pel-read bad.pfm | pel-cnn -m smooth.onnx --colour luma --inpaint'
ok [ "$(stat_of image 10 <out)" = 0 ]

# Sizes that a model does not take are padded and cut.
pipe_is 0 'pel-cnn -m halves.onnx <colour.pel'
ok [ "$(pel-info <out | grep -c '	image	31x20x1x3	')" -eq 1 ]
# So are those smaller than the only size that a model takes; a larger one fails.
pipe_is 0 'pel-cnn -m only.onnx <spot.pel'
ok [ "$(text <out | tr '\n' ' ')" = '1 1 2 1 1 2 1 1 2 0 0 0 ' ]
is 1 bash -c 'pel-cnn -m only.onnx <colour.pel'
said 'has 20 rows, and the model takes 9'
no_end
# A grey picture for a colour model.
pipe_is 0 'pel-cnn -m halves.onnx <spot.pel'
ok [ "$(text <out | head -1)" = '2.25 2.25 2.25' ]

# Sigma: from the stream, from -s, or an error that says so.
scene 20x10x1x1 roles sigma truth >noisy.pel
is 1 bash -c 'pel-cnn -m add.onnx <spot.pel'
said 'no sigma'
no_end
pipe_is 0 'pel-cnn -m add.onnx -s 2 <spot.pel'
ok [ "$(text <out | head -2 | tail -1)" = '2 11 2' ]
pipe_is 0 'pel-noise 0.5 --seed 1 <spot.pel | pel-cnn -m add.onnx | pel-info'
is 1 bash -c 'pel-cnn -m add.onnx -s 25 <spot.pel'
said 'beyond full scale, which is 9'
no_end
# A model that takes one number.
pipe_is 0 'pel-cnn -m level.onnx -s 2 <spot.pel'
ok [ "$(text <out | head -2 | tail -1)" = '2 11 2' ]
pipe_is 0 'pel-noise 0 <spot.pel | pel-cnn -m level.onnx | pel-info'
is 1 bash -c 'pel-cnn -m level.onnx <noisy.pel'
said 'one noise level'
no_end
# Data: the measurement once something has replaced the image, else the image.
pipe_is 0 'pel-cnn -m smooth.onnx <spot.pel | pel-cnn -m residue.onnx'
ok [ "$(text <out | head -2 | tail -1)" = '-1 8 -1' ]
pipe_is 0 'pel-cnn -m residue.onnx <spot.pel'
ok [ "$(text <out | sort -u)" = '0 0 0' ]

# A network that sees the whole picture.
pipe_is 0 'pel-cnn -m mean.onnx <spot.pel'
near "$(text <out | head -1 | cut -d' ' -f2)" 0.75 1e-6

# Slices of a volume are pictures; threads do not matter.
scene 24x18x5x1 >volume.pel
pipe_is 0 'pel-cnn -m smooth.onnx -t 1 <volume.pel'
cp out one.pel
pipe_is 0 'pel-cnn -m smooth.onnx -t 2 <volume.pel'
ok cmp -s out one.pel

# Wider than the memory takes: strips, which make no difference; a model that sees all of the picture fails.
scene 900x32x1x1 >wide.pel
pel-net unet --channels 1 --width 8 --depth 3 -o unet.onnx
pel-net ircnn --width 8 -o ircnn.onnx
for m in unet ircnn; do
  pel-cnn -t 1 -m $m.onnx <wide.pel | text | tr ' ' '\n' >whole.txt
  is 0 bash -c "pel-cnn -t 1 -v -m $m.onnx --memory 1900K <wide.pel"
  ok awk '{ exit !($(NF - 1) < 2) }' err
  ok awk '{ exit !($2 > 1) }' err # kMAC/px, of a strip's pixels
  text <out | tr ' ' '\n' >strips.txt
  ok [ "$(wc -l <strips.txt)" -eq 28800 ]
  ok awk 'NR == FNR { a[NR] = $1; next } { d = a[FNR] - $1; if (d * d > m) m = d * d } END { exit !(m < 1e-10) }' \
    whole.txt strips.txt
done
is 1 bash -c 'pel-cnn -t 1 -m ircnn.onnx --memory 400K <wide.pel'
said 'the cap is'
no_end

# Strips of a multiple that is no power of two; a cap that no strip is narrow enough for, and a picture hardly wider than
# what the model sees.
scene 20000x2x1x1 >flat.pel
pel-cnn -t 1 -m sevens.onnx <flat.pel | text >whole.txt
pipe_is 0 'pel-cnn -t 1 -m sevens.onnx --memory 200K <flat.pel'
text <out >strips.txt
ok cmp -s whole.txt strips.txt
scene 108x400x1x1 >narrow.pel
pel-net unet --channels 1 --width 8 --depth 4 -o unet4.onnx
is 1 bash -c 'timeout 60 pel-cnn -t 1 -m unet4.onnx --memory 1500K <narrow.pel'
said 'the cap is'

# Bad samples are filled for the network and come back as NaN, or as what it made of them.
{ printf 'Pf\n3 3\n-1\n'; for v in $one $one $one $one $nan $one $one $one $one; do printf '%b' "$v"; done; } >hole.pfm
pipe_is 0 'pel-read hole.pfm | pel-cnn -m smooth.onnx'
ok [ "$(stat_of image 10 <out)" = 1 ]
pipe_is 0 'pel-read hole.pfm | pel-cnn -m smooth.onnx --inpaint'
ok [ "$(text <out | head -2 | tail -1)" = '1 1 1' ]

# Video: a window of frames, continued by the first and the last; a state, which ends with the stream.
for v in 9 3 6 0; do printf '%s %s\n' "$v" 9 >"$v.txt"; done
pel-read 9.txt 3.txt 6.txt 0.txt >video.pel
first() { pel-write -f text "$1-%d.txt" <out; for i in 0 1 2 3; do cut -d' ' -f1 "$1-$i.txt"; done | awk '{ printf "%.4g ", $1 }'; }
pipe_is 0 'pel-cnn -m window.onnx <video.pel'
ok [ "$(first w)" = '7 6 3 2 ' ]
pipe_is 0 'pel-cnn -m sum.onnx <video.pel'
ok [ "$(first s)" = '9 12 18 18 ' ]
pipe_is 0 'cat video.pel video.pel | pel-cnn -m sum.onnx | pel-write -f text t-%d.txt'
ok [ "$(cut -d' ' -f1 t-4.txt)" = 9 ]
pipe_is 1 'pel-cnn -m sum.onnx <colour.pel'
# The report: frames and their rate, of each stream that has several.
pipe_is 0 'cat video.pel spot.pel video.pel | pel-cnn -v -m smooth.onnx >/dev/null'
ok [ "$(grep -c '^pel-cnn: 4 frames, [0-9.e+]* frames/s$' err)" -eq 2 ]
ok [ "$(grep -c 'frames/s' err)" -eq 2 ]
ok awk '/frames\/s/ { if (!($(NF - 1) > 0)) exit 1 }' err
pipe_is 0 'pel-cnn -v -m window.onnx <video.pel >/dev/null'
ok grep -q ': 4 frames, ' err

# What is refused.
is 2 bash -c 'pel-cnn <spot.pel'
said 'no model is given'
is 1 bash -c 'pel-cnn -m absent <spot.pel'
said 'absent.onnx'
no_end
is 1 bash -c 'pel-cnn -m ./spot.txt <spot.pel'
said 'not an ONNX model'
head -c 100 smooth.onnx >cut.onnx
is 1 bash -c 'pel-cnn -m cut.onnx <spot.pel'
no_end
is 1 bash -c 'pel-cnn -m nan.onnx <spot.pel'
said 'not finite'
no_end
is 1 bash -c 'pel-cnn -m smooth.onnx --memory 1K <spot.pel'
no_end

# The mask's bad samples are filled before, and NaN after; of an estimate, those of the measurement.
pel-read "$top_srcdir/data/samples/cluster.fits" >cluster.pel
pipe_is 0 'pel-cnn -m small.onnx -q <cluster.pel'
bad=$(stat_of image 10 <out)
pipe_is 0 'pel-wiener -q -k gauss:1 <cluster.pel'
ok [ "$bad" -gt 0 ]
ok [ "$bad" = "$(stat_of image 10 <out)" ]
pipe_is 0 'pel-cnn -m small.onnx -q --inpaint <cluster.pel'
ok [ "$(stat_of image 10 <out)" = 0 ]

# Looking at models.
is 0 pel-cnn -m smooth.onnx --describe
ok grep -q '^input	image	1 x 1 x h x w$' out
ok grep -q '^cost	9.* *kMAC/px\|^cost	0.0 kMAC/px' out
ok grep -q '^pellucid.card	For tests only.$' out
ok grep -q '^sees	3x3 pixels: 1 left, 1 right, 1 up, 1 down$' out
ok grep -q '^layer 1 output	Conv	1x1x3x3	9 MAC/px$' out
is 0 pel-cnn -m mean.onnx --describe
ok grep -q '^sees	the whole picture$' out
pel-net ircnn --width 8 -o ircnn.onnx # dilations 1 2 3 4 3 2 1
is 0 pel-cnn -m ircnn.onnx --describe
ok grep -q '^sees	33x33 pixels: 16 left, 16 right, 16 up, 16 down$' out
pel-net vdsr --width 2 --depth 150 -o deep.onnx # further than 256 x 256 samples
is 0 pel-cnn -m deep.onnx --describe
ok grep -q '^sees	301x301 pixels' out
mkdir models
is 0 env PELLUCID_MODELS="$work/models" pel-cnn --list
said "no model in $work/models"
cp smooth.onnx models/soft.onnx
export PELLUCID_MODELS=$work/models
is 0 pel-cnn --list
ok [ "$(cat out)" = 'soft	For tests only.' ]
pipe_is 0 'pel-cnn -m soft <spot.pel'
whole
# The manual names all operators.
grep -oh '\({\|[A-Z](\)"[A-Z][A-Za-z0-9]*"[,)]' "$top_srcdir"/src/lib/nn/operator/operators-*.c | cut -d'"' -f2 | sort -u >names
ok [ "$(wc -l <names)" -gt 80 ]
while read -r name; do grep -qw "$name" "$top_srcdir/man/pel-cnn.1.in" || fail "$name is not in the manual"; done <names
# What strangers write does not reach the terminal as commands.
LC_ALL=C sed 's/Untrained/Un\x1b[31med/' small.onnx >escape.onnx
ok grep -q "$(printf '\033')" escape.onnx
is 0 pel-cnn --describe -m escape.onnx
ok grep -q 'Un?\[31med' out
PELLUCID_MODELS=$work/absent
is 1 pel-cnn --list
said 'absent'
done_testing
