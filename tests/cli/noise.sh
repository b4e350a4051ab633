# noise.sh - pel-noise: how much, of what kind, the same again, and what the stream says of it.
# SPDX-License-Identifier: GPL-3.0-or-later
. "${top_srcdir:-.}/tests/lib.sh"
text() { pel-write --role "$1" -f text -; } # samples, a row a line
column() { pel-info --stats | awk -F '\t' -v r="$1" -v c="$2" '$2 == r { print $c; exit }'; }
flat() { # value: a picture of 300 x 200
  awk -v v="$1" 'BEGIN { for (y = 0; y < 200; y++) { for (x = 0; x < 300; x++) printf "%s ", v; print "" } }'
}
flat 100 >flat.txt

# Gaussian: mean and deviation to four standard errors (60000 samples).
pel-read flat.txt | pel-noise 10/4 --seed 7 >g.pel
near "$(column image 7 <g.pel)" 100 0.041
near "$(column image 8 <g.pel)" 2.5 0.029
ok [ "$(text sigma <g.pel)" = 2.5 ]
ok cmp <(text truth <g.pel | tr -s ' ' '\n') <(tr -s ' ' '\n' <flat.txt | sed '/^$/d')
# White: neighbours know nothing of each other.
text image <g.pel | awk '{ for (i = 1; i < NF; i++) { s += ($i - 100) * ($(i + 1) - 100); n++ } } END { printf "%.4f\n", s / n }' >neighbours
near "$(cat neighbours)" 0 0.11
# Normal: 31.7 % beyond one sigma, 4.55 % beyond two.
text image <g.pel | awk '{ for (i = 1; i <= NF; i++) { d = ($i - 100) / 2.5; if (d < 0) d = -d; one += d > 1; two += d > 2 } } END { print one / 60000, two / 60000 }' >tails
near "$(cut -d ' ' -f 1 tails)" 0.3173 0.008
near "$(cut -d ' ' -f 2 tails)" 0.0455 0.0035

# Photons: variance v / gain, whole counts, and a map that says so.
pel-read flat.txt | pel-noise --poisson --gain 0.25 >p.pel
near "$(column image 7 <p.pel)" 100 0.33
near "$(column image 8 <p.pel)" 20 0.24
ok [ "$(column sigma 5 <p.pel)" = 20 ]
ok [ "$(column sigma 3 <p.pel)" = 300x200x1x1 ]
ok awk '{ for (i = 1; i <= NF; i++) if ($i / 4 != int($i / 4)) exit 1 }' <(text image <p.pel)
# A sensor: photons, read-out and more, in quadrature.
pel-read flat.txt | pel-noise 3 --poisson --gain 25 --readnoise 50 >s.pel
near "$(column sigma 7 <s.pel)" "$(awk 'BEGIN { print sqrt(9 + 4 + 4) }')" 1e-4
near "$(column image 8 <s.pel)" "$(awk 'BEGIN { print sqrt(17) }')" 0.05
pel-read flat.txt | pel-noise --readnoise 50 --gain 25 >r.pel
ok [ "$(text sigma <r.pel)" = 2 ]
near "$(column image 8 <r.pel)" 2 0.024

# Twice: quadrature, and the first truth.
pel-noise 6 --seed 8 <g.pel >gg.pel
ok [ "$(text sigma <gg.pel)" = 6.5 ]
near "$(column image 8 <gg.pel)" 6.5 0.075
ok [ "$(column truth 8 <gg.pel)" = 0 ]
near "$(pel-noise 6 <p.pel | column sigma 7)" "$(awk 'BEGIN { print sqrt(436) }')" 1e-3
near "$(pel-noise --poisson --gain 0.25 <g.pel | column sigma 8)" 0.25 0.05

# The same again, from one run to the next, from any number of threads; another seed, another frame: another noise.
scene 200x150x1x3 frames 2 >two.pel
for t in 1 2 3; do pel-noise 0.1 --poisson --gain 100 --seed 5 -t $t <two.pel | pel-write --type f32 "t$t-%d.tif"; done
pel-noise 0.1 --poisson --gain 100 --seed 6 <two.pel | pel-write --type f32 's-%d.tif'
ok cmp <(pel-noise 0.1 <two.pel) <(pel-noise 0.1 <two.pel)
for i in 0 1; do
  ok cmp t1-$i.tif t2-$i.tif
  ok cmp t1-$i.tif t3-$i.tif
  ok bash -c "! cmp -s t1-$i.tif s-$i.tif"
done
pel-read flat.txt flat.txt | pel-noise 1 | pel-write --type f32 'f-%d.txt'
ok bash -c '! cmp -s f-0.txt f-1.txt'

# None at all; dark and negative samples have no photons; NaN stays, alone.
is 0 bash -c 'pel-read flat.txt | pel-noise 0'
ok [ "$(column image 8 <out)" = 0 ]
flat -3 >dark.txt
is 0 bash -c 'pel-read dark.txt | pel-noise --poisson --gain 9'
ok [ "$(column image 5 <out)" = -3 ]
ok [ "$(column sigma 6 <out)" = 0 ]
printf 'Pf\n3 1\n-1\n%b' '\0000\0000\0300\0177\0000\0000\0200\0077\0000\0000\0200\0177' >holes.pfm
is 0 bash -c 'pel-read holes.pfm | pel-noise 0.5 --poisson --gain 3'
ok [ "$(column image 10 <out)" = 2 ]
ok [ "$(column sigma 10 <out)" = 0 ]

# After a solver: a new measurement.
is 0 bash -c 'scene 20x16x1x1 | pel-blur -k gauss:0.8 | pel-wiener -s 0.01 | pel-noise 0.02'
ok [ "$(pel-info <out | cut -f2 | grep -c data)" -eq 0 ]

# Ranges: a level for each image, which sigma tells; the noise is of that level.
scene 64x64x1x1 frames 40 >forty.pel
pel-noise 0..10/255 --seed 3 <forty.pel >levels.pel
pel-info --stats <levels.pel | awk -F '\t' '$2 == "sigma" { print $7 }' >levels
ok [ "$(sort -u levels | wc -l)" -eq 40 ]
# Uniform from 0 to 0.0392: mean and deviation to four standard errors.
ok awk '{ s += $1; q += $1 * $1; if ($1 < 0 || $1 > 10 / 255) exit 1 } END { m = s / NR; d = sqrt(q / NR - m * m); h = 10 / 255; exit !(m > 0.32 * h && m < 0.68 * h && d > 0.2 * h && d < 0.38 * h) }' levels
for n in 0 17; do
  pel-cat --images $n levels.pel >one.pel
  pel-crop 64x64 <one.pel >in.pel
  paste -d ' ' <(text image <in.pel) <(text truth <in.pel) |
    awk '{ for (i = 1; i <= 64; i++) { d = $i - $(i + 64); q += d * d } } END { print sqrt(q / 4096) }' >deviation
  near "$(awk -v d="$(cat deviation)" -v s="$(sed -n "$((n + 1))p" levels)" 'BEGIN { print d / s }')" 1 0.045
done
ok cmp levels.pel <(pel-noise 0..10/255 --seed 3 -t 3 <forty.pel)
ok bash -c '! cmp -s levels.pel <(pel-noise 0..10/255 --seed 4 <forty.pel)'
pel-noise --poisson --gain 100..10000 --readnoise 1..5 <forty.pel | pel-info >sensor
sed -n 's/.*	image	.*gain=\([^ ]*\).*/\1/p' sensor >gains
ok [ "$(sort -u gains | wc -l)" -eq 40 ]
ok [ "$(sed -n 's/.*	image	.*readnoise=\([^ ]*\).*/\1/p' sensor | sort -u | wc -l)" -eq 40 ]
# As many below 1000 as above, to four standard errors.
ok awk '$1 < 100 || $1 > 10000 { exit 1 } { low += $1 < 1000 } END { exit !(low > 7 && low < 33) }' gains

# Usage.
is 2 pel-noise 2..1
said "'2..1' is no standard deviation: each end is a number of its own, the low one first"
is 2 pel-noise --poisson --gain 9..3
said 'a range A..B of such, or auto, is needed'
is 2 pel-noise --readnoise 0..-1 --gain 2
is 2 pel-noise
said 'one standard deviation is needed'
is 2 pel-noise 1 2
said 'one standard deviation is needed'
for bad in x 1/0 nan inf 1e999 ''; do
  is 2 pel-noise "$bad"
  said 'is no standard deviation'
done
is 2 pel-noise -- -1
said 'is no standard deviation'
is 2 pel-noise --poisson --gain 0
is 1 bash -c 'pel-read flat.txt | pel-noise --poisson'
said 'need a --gain'
no_end
is 1 bash -c 'pel-read flat.txt | pel-noise --readnoise 3'
said 'need a --gain'
printf '1 2 3\n' >row.txt
is 1 bash -c 'pel-read sigma:row.txt flat.txt | pel-noise 1'
said "the stream's sigma does not fit the image"
no_end
done_testing
