#!/bin/bash
# score.sh - pel-score: its table, as TSV and JSON, and where it goes.
# SPDX-License-Identifier: GPL-3.0-or-later
. "${top_srcdir:-.}/tests/lib.sh"

scene 96x80x1x3 frames 2 roles truth >two.pel
scene 40x30x1x1 >bare.pel

# A header, a row a frame, the mean; frame 0 equals its truth, frame 1 is another picture.
pipe_is 0 'pel-score <two.pel'
ok [ "$(wc -l <out)" -eq 4 ]
ok [ "$(head -n 1 out)" = "$(printf 'frame\tname\tpsnr\tmse\tmae\tssim\tms_ssim\tdx\tdy')" ]
ok [ "$(sed -n 2p out)" = "$(printf '0\tscene0.tif\tinf\t0\t0\t1.000000\t-\t0.0000\t0.0000')" ]
ok [ "$(sed -n 3p out | cut -f1,2)" = "$(printf '1\tscene1.tif')" ]
ok [ "$(sed -n 4p out | cut -f1-3)" = "$(printf 'mean\t-\tinf')" ]
mse=$(sed -n 3p out | cut -f4)
near "$(sed -n 3p out | cut -f3)" "$(awk -v m="$mse" 'BEGIN { print -10 * log(m) / log(10) }')" 0.01
near "$(sed -n 4p out | cut -f4)" "$(awk -v m="$mse" 'BEGIN { print m / 2 }')" 1e-6

# JSON has no infinity: null.
pipe_is 0 'pel-score --json <two.pel'
ok [ "$(wc -l <out)" -eq 3 ]
ok grep -q '^{"frame":"0","name":"scene0.tif","psnr":null,"mse":0,' out
ok grep -q '^{"frame":"mean",' out
if command -v python3 >/dev/null; then
  ok python3 -c 'import json; [json.loads(line) for line in open("out")]'
fi

# The shift is found, and told; frame 1 is the truth one sample on.
pipe_is 0 'pel-score --shift quarter <two.pel'
near "$(sed -n 3p out | cut -f8)" -1 0.25
pipe_is 0 'pel-score --shift integer --max-shift 2 <two.pel'
near "$(sed -n 3p out | cut -f8)" -1 0

# The range changes PSNR by what it must, and comes from white and black.
pipe_is 0 'pel-score --range 255 <two.pel'
near "$(sed -n 3p out | cut -f3)" "$(awk -v m="$mse" 'BEGIN { print 10 * log(255 * 255 / m) / log(10) }')" 0.01
pipe_is 0 'scene 40x30x1x1 frames 2 stars roles truth | pel-score'
ok [ "$(wc -l <out)" -eq 4 ]

# Float pictures of no known scale: 0..1, a maximum of 0.5, and 0.5 down to -2.
floats() { # file, first sample as octal bytes, second
  printf 'Pf\n2 2\n-1\n%b%b\0\0\0\077\0\0\0\077' "$2" "$3" >"$1"
}
floats one.pfm '\0000\0000\0000\0000' '\0000\0000\0200\0077'
floats half.pfm '\0000\0000\0000\0000' '\0000\0000\0200\0076'
floats below.pfm '\0000\0000\0000\0300' '\0000\0000\0200\0076'
for pair in one:1 half:0.5 below:2.5; do
  pipe_is 0 "pel-read truth:${pair%:*}.pfm one.pfm | pel-score -v"
  said "range ${pair#*:}"
done
printf 'Pf\n2 2\n-1\n\0\0\0\077\0\0\0\077\0\0\0\077\0\0\0\077' >flat.pfm
pipe_is 1 'pel-read truth:flat.pfm one.pfm | pel-score'
ok grep -q 'give --range' err

# A border leaves less to compare, or nothing.
pipe_is 0 'pel-score --border 8 <two.pel'
pipe_is 1 'pel-score --border 40 <two.pel'
said 'nothing is left of 96x80 inside a border of 40'

# -o: the table goes there, the stream on, unchanged but for the history.
pipe_is 0 'pel-score -o table.tsv <two.pel'
whole
ok [ "$(wc -l <table.tsv)" -eq 4 ]
pel-info <out | cut -f2-5 | grep -v history >after
pel-info <two.pel | cut -f2-5 >before
ok cmp before after
pipe_is 0 'cat two.pel two.pel | pel-score -o table.tsv'
ok [ "$(wc -l <table.tsv)" -eq 8 ]
ok [ "$(sed -n 5p table.tsv | cut -f1)" = frame ]

# What -o names: a link stays a link, a device a device, permissions stay.
: >real.tsv
chmod 640 real.tsv
ln -s real.tsv link.tsv
pipe_is 0 'pel-score -o link.tsv <two.pel >/dev/null'
ok [ -L link.tsv ]
ok [ "$(stat -c %a real.tsv)" = 640 ]
ok [ "$(wc -l <real.tsv)" -eq 4 ]
pipe_is 0 'pel-score -o /dev/null <two.pel >/dev/null'
ok [ -c /dev/null ]
pipe_is 1 'pel-score -o /dev/full <two.pel >/dev/null'
said 'cannot write /dev/full'
pipe_is 1 'pel-score -o nowhere/t.tsv <two.pel >/dev/null'
said 'cannot write nowhere/t.tsv'
pipe_is 2 'pel-score -o - <two.pel >/dev/null'
said '-o -'

# A failed run leaves the old table as it was, and nothing else.
echo old >old.tsv
head -c 100000 two.pel >cut.pel
pipe_is 1 'pel-score -o old.tsv <cut.pel'
no_end
ok [ "$(cat old.tsv)" = old ]
ok [ "$(echo old.tsv*)" = old.tsv ]

# No truth, another size, full disk, a reader that has gone.
pipe_is 1 'pel-score <bare.pel'
said 'no truth in the stream'
pipe_is 1 'pel-cat two.pel | pel-score >/dev/full'
said 'cannot write'
bash -c 'set -o pipefail; scene 40x30x1x1 frames 300 roles truth | pel-score | head -n 1 >/dev/null' 2>err
ok [ ! -s err ]

done_testing
