#!/bin/bash
# read-write.sh - pel-read and pel-write: companions from files, names of files, nothing half done.
# SPDX-License-Identifier: GPL-3.0-or-later
. "${top_srcdir:-.}/tests/lib.sh"

key() { # name: the values of a key in the lines that pel-info writes
  grep -o "\<$1=[^ 	]*" | sed "s/^$1=//" | tr '\n' ' '
}
roles() {
  pel-info | awk -F '\t' 'NR > 1 && $2 != "meta" { printf "%s ", $2 }'
}
equal() { # what, value, expected
  checks=$((checks + 1))
  [ "$2" = "$3" ] || fail "$1 is '$2', expected '$3'"
}

# Pictures whose samples tell where they belong.
printf 'P2\n4 3\n255\n0 51 102 153\n204 255 17 34\n68 85 119 136\n' >a.pgm
printf 'P2\n4 3\n65535\n1 2 3 4\n5 6 7 8\n9 10 11 65535\n' >b.pgm
printf '0 1 0\n1 4 1\n0 1 2\n' >k.txt
pel-read a.pgm | pel-write a.png
pel-read b.pgm | pel-write b.tif

# --- Values: plain text shows them
equal 'first row of a' "$(pel-read a.png | pel-write -f text - | head -n 1)" '0 0.2 0.4 0.6'
equal 'a PGM again' "$(pel-read a.png | pel-write -f pnm - | od -An -tu1 -j 11 | tr -s ' \n' ' ')" \
  ' 0 51 102 153 204 255 17 34 68 85 119 136 '
equal 'b, of 16 bits' "$(pel-read b.tif | pel-write -f pnm - | od -An -tu1 -j 13 -N 8 | tr -s ' \n' ' ')" \
  ' 0 1 0 2 0 3 0 4 '
equal 'linear light, and back' "$(pel-read --linear a.png | pel-write -f pnm - | cksum)" \
  "$(pel-read a.png | pel-write -f pnm - | cksum)"
ok test "$(pel-read --linear a.png | pel-write -f text - | head -n 1)" != '0 0.2 0.4 0.6'
equal 'keys' "$(pel-read a.png b.tif | pel-info | key source)" 'u8 u16 '
equal 'names' "$(pel-read ./a.png b.tif | pel-info | key name)" './a.png b.tif '
equal 'numbers' "$(pel-read a.png b.tif a.png | pel-info | key frame)" '0 1 2 '

# --- Companions
equal 'psf before both' "$(pel-read psf:k.txt a.png b.tif | roles)" 'psf image image '
equal 'truth for one' "$(pel-read truth:a.pgm a.png b.tif | roles)" 'truth image image '
equal 'behind the last' "$(pel-read a.png b.tif psf:k.txt truth:b.pgm | roles)" 'image psf truth image '
equal 'companions alone' "$(pel-read psf:k.txt | roles)" 'psf '
equal 'by --role' "$(pel-read --role psf k.txt | roles)" 'psf '
equal 'the psf sums to 1' "$(pel-read psf:k.txt | pel-write --role psf -f text - | head -n 1)" '0 0.1 0'
mkdir truths && cp a.pgm truths/a.pgm && cp b.pgm truths/b.pgm
equal 'truth by name' "$(pel-read --truth truths a.png b.tif | pel-info | key name)" \
  'truths/a.pgm a.png truths/b.pgm b.tif '
rm truths/b.pgm
is 1 pel-read --truth truths a.png b.tif
said 'b.tif: no file called b.* in truths'
no_end
printf '1 -5\n0 1\n' >negative.txt
is 1 pel-read psf:negative.txt
said negative.txt
cat a.pgm a.pgm >two.pgm
is 1 pel-read psf:two.pgm
said 'more than one frame'
is 1 pel-read a.png missing.png
said 'missing.png: No such file'
no_end
is 2 pel-read
is 2 pel-read --role nonsense a.png
pel-read - <a.png >out
equal 'from stdin' "$(pel-info <out | key name)" 'stdin '

# --- Sequences, volumes, names
pel-read a.png a.png a.png | pel-write seq.tif
equal 'pages' "$(pel-read seq.tif | roles)" 'image image image '
equal 'a volume' "$(pel-read --volume seq.tif | pel-info | awk -F '\t' '$2 == "image" { print $3 }')" 4x3x3x1
pipe_is 0 'pel-read a.png b.tif | pel-write %n-%02d.png'
equal 'their names' "$(echo ?-0?.png)" 'a-00.png b-01.png'
pipe_is 0 'pel-read a.png | pel-write 100%%.png'
ok test -s 100%.png
pipe_is 2 'pel-read a.png a.png | pel-write two.png'
said '%d'
ok test ! -e two.png
pipe_is 2 'pel-read a.png a.png | pel-write %n.new.png'
said 'a second frame would be written to a.new.png'
ok test ! -e a.new.png
for wrong in 'x%q.png' 'x%4d.png' x.gif x - ''; do
  pipe_is 2 "pel-read a.png | pel-write '$wrong'"
  said 'pel-write: '
done

# --- Roles
pipe_is 1 'pel-read psf:k.txt | pel-write k.png'
said 'no image, but a psf: --role psf'
pipe_is 1 'pel-read a.png | pel-write --role uncertainty u.tif'
said 'no uncertainty'

# --- Nothing half done, nothing silent
echo precious >old.png
for cut in 100 -1 -64 -100; do # bytes that come, or that do not
  pipe_is 1 "pel-read a.png b.tif a.png | head -c $cut | pel-write cut-%d.png"
  pipe_is 1 "pel-read a.png | head -c $cut | pel-write old.png"
done
ok grep -q '^precious$' old.png
equal 'what is left' "$(find . -name '.pellucid*' -o -name 'cut*')" ''
printf '0.5 -0.2\n1.4 1\n' >over.txt
pipe_is 0 'pel-read over.txt | pel-write --type u8 over.png'
said '2 of 4 samples'
pipe_is 0 'pel-read over.txt | pel-write -q --type u8 over.png'
ok test ! -s err
pipe_is 0 'pel-read over.txt | pel-write over.tif'
ok test ! -s err
equal 'floats keep all' "$(pel-read over.tif | pel-write -f text - | tr '\n' ' ')" '0.5 -0.2 1.4 1 '
pipe_is 2 'pel-read a.png | pel-write --type f32 x.png'
said 'no float samples'
pipe_is 0 'pel-read over.txt | pel-write -q over.pgm'
equal 'a name of integers' "$(head -c 2 over.pgm)" P5
pipe_is 0 'pel-read a.png | pel-write a.pfm'
equal 'a name of floats' "$(head -c 2 a.pfm)" Pf
pipe_is 2 'pel-read a.png | pel-write --type u8 b.pfm'
said 'float samples only'
pipe_is 2 'pel-read over.txt | pel-write --type f32 x.pgm'
said 'no float samples'
chmod 640 a-00.png
pipe_is 0 'pel-read b.tif | pel-write a-00.png'
equal 'permissions' "$(stat -c %a a-00.png)" 640
ln -s a-00.png link.png
pipe_is 0 'pel-read a.png | pel-write link.png'
ok test -L link.png
[ ! -w /dev/full ] || {
  pipe_is 1 'pel-read a.png | pel-write -f png /dev/full'
  pipe_is 1 'pel-read a.png | pel-write -f png - >/dev/full'
  ok test -c /dev/full
}

# --- Interrupted, and on a full disk (a limit of 1 KiB stands for it)
(pel-read a.png b.tif; sleep 3) | pel-write int-%d.png 2>err &
writer=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do
  sleep 0.1
  [ -z "$(find . -name '.pellucid*')" ] || break
done
ok test -n "$(find . -name '.pellucid*')"
kill "$writer"
wait "$writer" 2>/dev/null
equal 'after the signal' "$(find . -name '.pellucid*' -o -name 'int-*')" ''
scene 64x64x1x3 >scene.pel
for name in f.tif f.png f.jpg f.ppm f.fits f.y4m f.pel; do
  pipe_is 1 "trap '' XFSZ; ulimit -f 1; pel-write $name <scene.pel"
  ok test ! -e $name
done
equal 'after the full disk' "$(find . -name '.pellucid*')" ''

# --- Several streams on stdin are one
pel-read a.png >one.pel
pel-read b.tif >other.pel
pipe_is 0 'cat one.pel other.pel | pel-write both.tif'
equal 'both' "$(pel-read both.tif | roles)" 'image image '
equal 'a stream in a file' "$(pel-read one.pel other.pel | roles)" 'image image '

# The cards that a FITS extension inherits from the primary header are kept with its own.
pipe_is 0 "pel-read '$top_srcdir/data/samples/cluster.fits' | pel-write -q inherited.fits"
for card in "TELESCOP= 'HST'" "CRPIX1  =" "HISTORY pel-read"; do
  ok grep -qaF -- "$card" inherited.fits
done

# --- Epochs, in a random order
mkdir set
for i in 0 1 2 3 4 5 6 7; do
  scene $((8 + i))x4x1x1 | pel-write -q set/$i.png
done
is 0 pel-read --shuffle --epochs 3 --seed 5 set/?.png
whole
pel-info <out >epochs
ok [ "$(grep -c 'PEL1 end' <(tr '\0' '\n' <out | grep -ao 'PEL1 end'))" -eq 1 ]
equal 'frames' "$(key frame <epochs)" "$(seq 0 23 | tr '\n' ' ')"
equal 'of' "$(key of <epochs | tr ' ' '\n' | sort -u | tr -d '\n')" 24
key name <epochs | tr ' ' '\n' | sed '/^$/d' >names
for e in 0 1 2; do
  sed -n "$((8 * e + 1)),$((8 * e + 8))p" names >epoch$e
  ok cmp <(sort epoch$e) <(ls set/?.png)
done
ok bash -c '! cmp -s epoch0 epoch1 && ! cmp -s epoch1 epoch2'
ok cmp out <(pel-read --shuffle --epochs 3 --seed 5 set/?.png)
ok bash -c '! cmp -s out <(pel-read --shuffle --epochs 3 --seed 6 set/?.png)'
equal 'in their order' "$(pel-read --epochs 2 a.png b.tif | pel-info | key name)" 'a.png b.tif a.png b.tif '
# Without an end, until the reader closes; nothing is said, and no number is expected.
pipe_is 0 'pel-read --shuffle --epochs 0 set/?.png 2>said | head -c 200000 >some'
ok [ "$(stat -c %s some)" -eq 200000 ]
ok [ ! -s said ]
ok bash -c '! grep -qa " of=" some'
# The number of a video's frames is that of the stream only where the video is all of it.
pel-read a.png a.png | pel-write -q two.y4m
equal 'of a video' "$(pel-read two.y4m | pel-info | key of)" '2 2 '
equal 'of two' "$(pel-read two.y4m two.y4m | pel-info | key of)" ''
equal 'of epochs' "$(pel-read --epochs 2 two.y4m | pel-info | key of)" ''
# Companions: a truth goes with its picture, a PSF from the front holds for all; one that would hold from a picture on
# cannot be shuffled, but begins anew with each epoch.
echo psf:k.txt >list
for i in 0 1 2 3 4 5 6 7; do echo "truth:set/$i.png set/$i.png"; done >>list
# shellcheck disable=SC2046
is 0 pel-read --shuffle --epochs 2 $(cat list)
ok [ "$(pel-info <out | grep -c '	psf	')" -eq 1 ]
ok cmp <(pel-info <out | awk -F '\t' '$2 == "image" { print $3 }') <(pel-info <out | awk -F '\t' '$2 == "truth" { print $3 }')
is 2 pel-read --shuffle a.png psf:k.txt b.tif a.png
said 'psf:k.txt must stand before all pictures'
no_end
equal 'anew' "$(pel-read --epochs 2 a.png psf:k.txt b.tif | pel-info | awk -F '\t' 'NR > 1 && $2 != "meta" { printf "%s:%s ", $2, $3 }')" \
  'image:4x3x1x1 psf:3x3x1x1 image:4x3x1x1 psf:0x0x0x0 image:4x3x1x1 psf:3x3x1x1 image:4x3x1x1 '
is 2 pel-read --epochs 2 -
said 'stdin can be read once only'
is 2 pel-read --shuffle psf:k.txt
said 'no picture to shuffle'
is 1 pel-read --epochs 0 psf:k.txt
said 'there is no picture in the files'
is 1 pel-read --shuffle --epochs 0 set/0.png missing.png
ok grep -q 'missing.png' err
no_end
done_testing
