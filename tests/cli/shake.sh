# shake.sh - pel-shake: what it draws and tells, truth, borders, curves, companions, errors.
# SPDX-License-Identifier: GPL-3.0-or-later
. "${top_srcdir:-.}/tests/lib.sh"
text() { pel-write -q --role "$1" -f text -; } # samples of grey, a row a line
samples() { pel-write -q --bare --role "$1" --type f32 -f tiff -; }
keys() { pel-info | awk -F '\t' '$2 == "image" { n = split($5, k, " "); for (i = 1; i <= n; i++) if (k[i] ~ /^shake=/) print substr(k[i], 7) }'; }
value() { sed "s/.*$1=\([^,]*\).*/\1/"; } # of keys
sizes() { pel-info | awk -F '\t' -v role="$1" '$2 == role { print $3 }'; }

scene 70x60x1x3 frames 6 >six.pel
scene 70x60x1x1 >scene.pel
still='--length 0 --turn 0 --zoom 0 --layers 0'

# Nothing moves: nothing changes, and the truth is the image to the last bit.
is 0 bash -c "pel-shake $still <scene.pel"
whole
ok cmp <(text truth <out) <(text image <scene.pel)
ok cmp <(text image <out) <(text image <scene.pel)
ok [ "$(keys <out)" = 'length=0,turn=0,zoom=0,layers=0,samples=1' ]

# Every image draws a movement of its own; the same seed, the same bytes, from any number of threads.
pel-shake --seed 4 <six.pel >drawn.pel
ok [ "$(keys <drawn.pel | sort -u | wc -l)" -eq 6 ]
ok cmp drawn.pel <(pel-shake --seed 4 -t 3 <six.pel)
ok bash -c '! cmp -s drawn.pel <(pel-shake --seed 5 <six.pel)'
ok [ "$(sizes truth <drawn.pel | sort -u)" = 70x60x1x3 ]
is 0 bash -c 'pel-score <drawn.pel'
# What one image draws does not depend on those before it, nor on the other ranges.
pel-cat --images 0 six.pel >first.pel
ok [ "$(pel-shake --seed 4 <first.pel | samples image | wc -c)" -gt 50400 ]
ok cmp <(pel-shake --seed 4 <first.pel | samples image) <(pel-cat --images 0 drawn.pel | samples image)
ok [ "$(pel-shake --seed 4 --length 7 --zoom 0.1 <six.pel | keys | value turn)" = "$(keys <drawn.pel | value turn)" ]

# Ranges hold, and one number is that number.
pel-shake --length 2..5 --turn 1..2 --zoom 0.05..0.1 --layers 1..3 <six.pel | keys >ranges
ok [ "$(wc -l <ranges)" -eq 6 ]
ok awk -F '[=,]' '!($2 >= 2 && $2 <= 5 && $4 >= 1 && $4 <= 2 && $6 >= 0.05 && $6 <= 0.1 && $8 >= 1 && $8 <= 3) { exit 1 }' ranges
ok [ "$(pel-shake --length 6.5 --layers 2 <six.pel | keys | value length | sort -u)" = 6.5 ]
ok [ "$(pel-shake --bend 0..0.5 <six.pel | keys | value bend | awk '!($1 >= 0 && $1 <= 0.5)' | wc -l)" = 0 ]
pel-shake <six.pel >drawn0.pel
ok [ "$(keys <drawn0.pel | grep -vc bend=)" = 6 ]
ok cmp <(pel-shake --bend 0.5 <six.pel | keys | value length) <(keys <drawn0.pel | value length)
ok [ "$(pel-shake --bend 0.5 <six.pel | samples image | cksum)" != "$(samples image <drawn0.pel | cksum)" ]
ok [ "$(pel-shake --samples 9 <six.pel | keys | value samples | sort -u)" = 9 ]
ok [ "$(pel-shake --length 20 $(echo "$still" | cut -d ' ' -f 3-) <scene.pel | keys | value samples)" -ge 28 ]
is 0 bash -c 'pel-shake -v --layers 2 <scene.pel >/dev/null'
ok [ "$(grep -c 'layer of [0-9]* samples: length=' err)" -eq 2 ]
ok grep -q 'pel-shake: length=.*,turn=.*,zoom=.*,layers=2,samples=' err

# More movement, more blur.
blurred() { pel-shake --turn 0 --zoom 0 --layers 0 --length "$1" <six.pel | pel-score | awk '$1 == "mean" { print $3 }'; }
ok awk -v a="$(blurred 1)" -v b="$(blurred 5)" -v c="$(blurred 20)" 'BEGIN { exit !(a > b + 3 && b > c + 1) }'

# valid: smaller, image and truth alike, and where it was cut is told; nothing is looked up outside.
pel-shake --border valid --length 16 --seed 3 <six.pel >valid.pel
ok [ "$(sizes image <valid.pel | sort -u | wc -l)" -gt 1 ]
ok [ "$(sizes image <valid.pel)" = "$(sizes truth <valid.pel)" ]
pel-cat --images 0 valid.pel >v.pel
samples image <v.pel >v.tif
corner=$(pel-info <v.pel | sed -n 's/.*	image	.*origin=\([0-9]*\),\([0-9]*\).*/\1+\2/p')
pel-shake --length 16 --seed 3 <first.pel | pel-crop "$(sizes image <v.pel | cut -d x -f 1,2)+$corner" | samples image >cropped.tif
ok awk -v psnr="$(pel-read truth:v.tif cropped.tif | pel-score | awk '$1 == "mean" { print $3 }')" 'BEGIN { exit !(psnr > 100) }'
is 1 bash -c 'pel-shake --border valid --length 400 <scene.pel'
said 'nothing is left of 70x60'
no_end

# In linear light: a bright half that moves over a dark one is brighter than in code values, by the picture's key,
# by name, and by a gamma.
{ printf 'P5\n40 1\n255\n'; head -c 20 /dev/zero; head -c 20 /dev/zero | tr '\0' '\377'; } >edge.pgm
middle() { pel-shake --turn 0 --zoom 0 --layers 0 --length 16 --seed 2 "$@" | text image | awk '{ for (i = 1; i <= NF; i++) s += $i } END { print s / NF }'; }
code=$(pel-read edge.pgm | middle --transfer linear)
light=$(pel-read edge.pgm | middle)
ok awk -v a="$code" -v b="$light" 'BEGIN { exit !(b > a + 0.01) }'
ok [ "$light" = "$(pel-read edge.pgm | middle --transfer srgb)" ]
near "$(pel-read edge.pgm | middle --transfer gamma:2.2)" "$light" 0.01
ok [ "$(pel-read --linear edge.pgm | middle)" = "$code" ]
ok [ "$(pel-shake --transfer gamma:1.8..2.4 <six.pel | keys | value gamma | sort -u | wc -l)" -eq 6 ]
# Highlights: what was white is brighter, and the result still is not above white.
bright=$(pel-read edge.pgm | middle --highlights 20)
ok awk -v a="$light" -v b="$bright" 'BEGIN { exit !(b > a + 0.01) }'
pel-read edge.pgm | pel-shake --highlights 2..50 >high.pel
ok awk '{ for (i = 1; i <= NF; i++) if ($i > 1.000001) exit 1 }' <(text image <high.pel)
ok awk -v h="$(keys <high.pel | value highlights)" 'BEGIN { exit !(h >= 2 && h <= 50) }'

# A truth that is there stays, with the layers on it; data and PSF go; other companions follow.
pel-blur -k gauss:1 <first.pel | pel-wiener -s 0.01 >solved.pel
pel-shake --layers 0 <solved.pel >again.pel
ok [ "$(samples truth <again.pel | wc -c)" -gt 50400 ]
ok cmp <(samples truth <again.pel) <(samples truth <solved.pel)
ok [ "$(pel-info <again.pel | cut -f 2 | grep -c 'psf\|data')" -eq 0 ]
pel-shake --layers 1 --length 0 --turn 0 --zoom 0 <scene.pel | text truth >layered.txt
pel-noise 0.2 <scene.pel | pel-shake --layers 1 --length 0 --turn 0 --zoom 0 | text truth >other.txt
ok cmp layered.txt other.txt
ok [ "$(wc -l <layered.txt)" -eq 60 ]
ok bash -c '! cmp -s layered.txt <(pel-write -f text - <scene.pel)'
is 0 bash -c 'scene 40x30x1x3 roles mask sigma weather | pel-shake --border valid --length 6'
ok [ "$(sizes mask <out)" = "$(sizes image <out | sed 's/3$/1/')" ]
ok [ "$(sizes sigma <out)" = "$(sizes mask <out)" ]
ok [ "$(sizes weather <out)" = 3x1x1x1 ]

# Patches as they are trained with.
is 0 bash -c 'pel-crop --random 48 --repeat 3 <six.pel | pel-shake --border valid --length 0..8 | pel-crop --random 24 | pel-noise 0..0.02'
ok [ "$(sizes image <out | uniq -c | awk '{ print $1, $2 }')" = '18 24x24x1x3' ]

# What is refused.
is 1 bash -c 'scene 20x16x4x1 | pel-shake'
said 'a volume of 20x16x4'
no_end
printf 'Pf\n2 2\n-1\n\0\0\300\177\0\0\200\77\0\0\200\77\0\0\200\77' >nan.pfm
is 1 bash -c 'pel-read nan.pfm | pel-shake'
said '1 samples are not finite'
no_end
is 1 bash -c 'scene 20x16x1x1 stars | pel-shake --highlights 3'
said 'no key white'
is 2 pel-shake --length 5..2
said "--length '5..2'"
is 2 pel-shake --layers 0.5
said 'whole numbers'
is 2 pel-shake --layers 9
said "--layers '9'"
is 2 pel-shake --transfer pq
said "--transfer 'pq': auto, linear, srgb or gamma:G"
is 2 pel-shake --transfer gamma:9
said "--transfer 'gamma:9'"
is 2 pel-shake --border zero
said 'valid|reflect'
is 2 pel-shake --samples 0
said "--samples '0'"
# A picture of one sample.
is 0 bash -c 'scene 1x1x1x1 | pel-shake --layers 2 --length 9'
done_testing
