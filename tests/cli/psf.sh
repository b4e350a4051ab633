# psf.sh - pel-psf, and -k as every solver takes it: models, files, what is used and what is refused.
# SPDX-License-Identifier: GPL-3.0-or-later
. "${top_srcdir:-.}/tests/lib.sh"
text() { pel-write --role "$1" -f text -; } # samples, a row a line
stat_of() { pel-info --stats | awk -F '\t' -v r="$1" -v c="$2" '$2 == r { print $c }'; } # role, column

# One frame of role psf, normalised; the spec stays readable.
is 0 pel-psf gauss:1.5
whole
ok [ "$(pel-info <out | cut -f2-4 | grep -c '^psf	13x13x1x1	f32$')" -eq 1 ]
ok [ "$(pel-info <out | grep -c image)" -eq 0 ]
ok grep -qa ' spec=gauss:1.5 ' out
near "$(stat_of psf 7 <out | awk '{ print $1 * 169 }')" 1 1e-4
is 0 pel-psf delta
ok [ "$(text psf <out)" = 1 ]
is 0 pel-psf motion:4
ok [ "$(text psf <out)" = '0.125 0.25 0.25 0.25 0.125' ]
is 0 pel-psf gauss:1,2
ok [ "$(pel-info <out | grep -c '	psf	9x9x17x1	')" -eq 1 ]
is 0 pel-psf -v disc:3
said 'pel-psf: 7x7x1 samples'

# Up to the right on the screen: the last column's weight lies above the middle row.
pel-psf motion:9,30 | text psf >m.txt
ok awk '{ last[NR] = $NF } END { for (y = 1; y <= NR; y++) s += last[y] * (y - (NR + 1) / 2); exit !(s < 0) }' m.txt

# A seed is a path.
is 0 pel-psf shake:15,7
cp out seven
is 0 pel-psf shake:size=15,seed=7
ok cmp <(text psf <out) <(text psf <seven)
is 0 pel-psf shake:15,8
ok bash -c '! cmp -s out seven'

# A file, divided by its sum; a stream that pel-psf wrote.
printf '1 2 0\n0 5 0\n0 0 0\n' >k.txt
is 0 pel-psf k.txt
ok [ "$(text psf <out)" = "$(printf '0.125 0.25 0\n0 0.625 0\n0 0 0')" ]
pel-psf shake:9,3 >k.pel
is 0 pel-psf k.pel
ok cmp <(text psf <out) <(text psf <k.pel)
cp k.txt ./-k.txt
is 0 pel-psf ./-k.txt
is 0 pel-psf -- -k.txt
cp k.txt 'with space.txt'
is 0 pel-psf 'with space.txt'

# Usage, models and files that are not there.
is 2 pel-psf
said 'one model is needed'
is 2 pel-psf gauss:1 gauss:2
said 'one model is needed'
is 2 pel-psf gauss:0.01
said "sigma '0.01' is no number from 0.05 to 120"
is 2 pel-psf moffat:beta=3
said 'fwhm is needed'
is 2 pel-psf 'gauss:%n%s'
said 'pel-psf: PSF gauss'
is 1 pel-psf /nonexistent.tif
said "'/nonexistent.tif' is no model"
no_end
is 1 pel-psf -- -
said 'is no model'

# A file that is no PSF: pel-read says why, the program that it was for.
printf 'neither a picture nor a PSF\n' >words
printf '1 2\n3 -4\n' >negative.txt
printf '0 0\n0 0\n' >zero.txt
head -c 100 k.pel >cut.pel
for bad in words negative.txt zero.txt cut.pel /; do
  is 1 pel-psf "$bad"
  ok grep -q "^pel-psf: the PSF '$bad' could not be read" err
  ok [ "$(wc -l <err)" -le 2 ]
  no_end
done
scene 12x10x1x1 >scene.pel
is 1 bash -c 'pel-wiener -k words <scene.pel'
ok grep -q "^pel-wiener: the PSF 'words' could not be read" err
no_end

# Solvers: -k wins over the stream, and what was used goes on with the stream.
pel-blur -k gauss:0.7 <scene.pel >blurred.pel
is 0 bash -c 'pel-wiener -k k.txt -s 0.02 <blurred.pel'
ok [ "$(text psf <out)" = "$(printf '0.125 0.25 0\n0 0.625 0\n0 0 0')" ]
ok [ "$(text sigma <out)" = 0.02 ]
ok [ "$(pel-info <out | cut -f2,3 | grep -c '^psf	3x3x1x1$')" -eq 1 ]
is 0 bash -c 'pel-wiener <blurred.pel'
ok grep -qa ' spec=gauss:0.7 ' out
ok grep -qa ' estimated=1 ' out
is 0 bash -c 'pel-noise 0.01 <blurred.pel | pel-wiener -s 0.03'
ok [ "$(text sigma <out)" = 0.03 ]
is 0 bash -c 'pel-noise 0.01 <blurred.pel | pel-wiener'
ok [ "$(text sigma <out)" = 0.01 ]
ok bash -c '! grep -qa " estimated=1 " out'

# Companions that do not fit.
is 1 bash -c 'scene 12x10x1x1 roles psf >s; pel-read mask:k.txt s | pel-wiener'
said 'mask of 3x3x1x1 for a picture of 12x10x1x1'
is 1 bash -c 'pel-read sigma:k.txt s | pel-wiener'
said 'sigma of 3x3x1x1 for a picture of 12x10x1x1'
is 0 bash -c 'scene 12x10x1x3 roles psf | pel-wiener'
whole
done_testing
