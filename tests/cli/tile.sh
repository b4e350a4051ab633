#!/bin/bash
# tile.sh - pel-tile and pel-untile: there and back changes nothing; tiles that do not fit are refused.
# SPDX-License-Identifier: GPL-3.0-or-later
. "${top_srcdir:-.}/tests/lib.sh"

mse() { sed -n 2p out | cut -f4; }

# There and back: the score against the picture itself, of every shape of tiles, 2-D and 3-D.
scene 61x47x1x3 roles truth mask psf >flat.pel
scene 31x27x9x1 roles truth sigma >deep.pel
for tiles in '16x16 --overlap 4' '16x16 --overlap 15' '60x9 --overlap 1' '61x47' '200x200 --overlap 8' \
  '7x47 --overlap 0'; do
  pipe_is 0 "pel-tile $tiles <flat.pel | pel-untile | pel-score"
  ok awk -v m="$(mse)" 'BEGIN { exit !(m != "" && m < 1e-13) }'
done
for tiles in '16x12x4 --overlap 2' '8x8 --overlap 3' '31x27x2 --overlap 6'; do
  pipe_is 0 "pel-tile $tiles <deep.pel | pel-untile | pel-score"
  ok awk -v m="$(mse)" 'BEGIN { exit !(m != "" && m < 1e-13) }'
done

# Companions too come back with their sizes; nothing of the tiling is left in the keys.
pipe_is 0 'pel-tile 16x16 --overlap 4 <flat.pel | pel-untile | pel-info --stats'
cp out back
ok [ "$(grep -c '	truth	61x47x1x3' back)" -eq 1 ]
ok [ "$(grep -c '	psf	3x3x1x1' back)" -eq 1 ]
ok [ "$(grep '	mask	61x47x1x1' back | cut -f5,6)" = "$(printf '1\t1')" ]
ok [ "$(grep -c 'tile=' back)" -eq 0 ]
ok [ "$(grep -c 'origin=' back)" -eq 0 ]
pipe_is 0 'pel-crop 40x40+5+3 <flat.pel | pel-tile 16x16 --overlap 4 | pel-untile | pel-info'
ok [ "$(grep -c 'origin=5,3,0' out)" -eq 3 ]
pipe_is 0 'pel-tile 12x12 --overlap 4 <deep.pel | pel-untile | pel-info'
ok [ "$(grep -c '	sigma	31x27x9x1' out)" -eq 1 ]

# Tiles are of one size, cover all, and share what was asked for.
pipe_is 0 'pel-tile 16x16 --overlap 4 <flat.pel | pel-info'
grep '	image	' out >images
ok [ "$(grep -c '	16x16x1x3	' images)" -eq "$(wc -l <images)" ]
grep -o 'tile=[0-9,]*' images | tr '=,' '  ' >numbers
ok awk '{ n = $3; if ($2 != NR - 1) bad = 1; if ($4 > right) right = $4; if ($5 > below) below = $5 }
  END { exit !(!bad && n == NR && right == 45 && below == 31) }' numbers
ok awk '$5 == 0 { if (NR > 1 && $4 - last > 12) bad = 1; last = $4 } END { exit bad }' numbers

# Several pictures in a row, and a stage in between that is local: tiled equals whole.
pipe_is 0 'scene 50x40x1x1 frames 3 | pel-tile 20x20 --overlap 5 | pel-untile | pel-info'
ok [ "$(grep -c '	image	50x40x1x1' out)" -eq 3 ]

# Not enough tiles, the wrong order, tiles twice, two pictures mixed, no tiles.
pel-tile 30x30 --overlap 10 <flat.pel >tiles.pel
n=$(pel-info <tiles.pel | grep -c '	image	')
pipe_is 1 "pel-cat --images 0-$((n - 2)) tiles.pel | pel-untile"
said "only $((n - 1)) of $n tiles came"
no_end
pipe_is 1 'pel-cat --images 1- tiles.pel | pel-untile'
ok grep -q "tile 1 of $n came where tile 0 was expected" err
pipe_is 1 'pel-cat --images 0,2- tiles.pel | pel-untile'
ok grep -q "tile 2 of $n came where tile 1 was expected" err
pel-cat --images 0 tiles.pel >first.pel
pipe_is 1 'pel-cat first.pel first.pel | pel-untile'
no_end
scene 62x47x1x3 roles truth mask psf | pel-tile 30x30 --overlap 10 >others.pel
pel-cat --images 1- others.pel >later.pel
pipe_is 1 'pel-cat first.pel later.pel | pel-untile'
ok grep -q 'tile 1 is of another picture' err
no_end
scene 61x47x1x3 | pel-tile 30x30 --overlap 10 >bare.pel
pel-cat --images 0 bare.pel >one.pel
pel-cat --images 1- bare.pel >rest.pel
pel-cat --images 1- tiles.pel >more.pel
pipe_is 1 'pel-cat one.pel more.pel | pel-untile'
ok grep -q 'a tile has [a-z]*, the first has not' err
no_end
pipe_is 1 'pel-cat first.pel rest.pel | pel-untile'
ok grep -q "only 1 of $n tiles have" err
no_end
pipe_is 1 'pel-untile <flat.pel'
ok grep -q 'pel-tile makes them' err

# Hostile words: the header is written anew with another tile=, of a sound stream otherwise.
if command -v python3 >/dev/null; then
  cat >forge.py <<'PY'
import re, sys, zlib
value, data, out, at = sys.argv[1].encode(), sys.stdin.buffer.read(), b"", 0
while at < len(data):
    end = at
    while True:
        end += 64
        if data[end - 1:end] == b"\n":
            break
    line = data[at:end]
    bytes_ = int(re.search(rb" bytes=(\d+)", line).group(1)) if b" bytes=" in line else 0
    body = data[end:end + (bytes_ + 63) // 64 * 64]
    at = end + len(body)
    if b" tile=" in line:
        words = re.sub(rb" tile=\S*", b" tile=" + value, line).rstrip().rsplit(b" h=", 1)[0]
        words += b" h=%08x" % zlib.crc32(words)
        line = words + b" " * (-(len(words) + 1) % 64) + b"\n"
    out += line + body
sys.stdout.buffer.write(out)
PY
  for word in 0 '0,1' '0,0,0,0,0,61,47,1' '1,1,0,0,0,61,47,1' '0,1,40,0,0,61,47,1' '0,1,0,0,0,20,47,1' \
    '0,1,0,0,0,61,47,0' '0,1,0,0,0,61,47,1,' '0,1,0,0,0,61,47,1,1' '0,1,-1,0,0,61,47,1' \
    '0,1,18446744073709551615,0,0,61,47,1' '0,18446744073709551617,0,0,0,61,47,1' \
    '0,1,0,0,0,1099511627775,1099511627775,1' '0,1,0,0,0,100000,100000,100' \
    '0,1,0,0,0,61,47,1' 'nan,1,0,0,0,61,47,1'; do
    pipe_is 1 "python3 forge.py '$word' <first.pel | pel-untile --memory 256M"
    ok [ "$(wc -l <err)" -eq 1 ]
    no_end
  done
  pipe_is 0 "python3 forge.py 0,1,0,0,0,30,30,1 <first.pel | pel-untile"
fi

for text in '' 5 0x5 16x16+1+1 16xx; do
  is 2 pel-tile "$text"
done
is 2 pel-tile 16x16 --overlap 16
said '--overlap 16'
is 2 pel-tile
is 2 pel-untile 3

done_testing
