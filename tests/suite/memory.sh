# memory.sh - a long stream runs in constant memory; a program starts with little.
# SPDX-License-Identifier: GPL-3.0-or-later
. "${top_srcdir:-.}/tests/lib.sh"
# 10000 frames are 160 MB; the limit is on the address space, which holds libraries and stacks too.
# Sanitizers reserve terabytes: there the limit means nothing.
if "$top_builddir/pel" --version >/dev/null && grep -q 'fsanitize=address' "$top_builddir/config.status"; then
  skip "the address sanitizer is in use"
fi
pipe_is 0 "scene 64x64x1x1 frames 10000 | (ulimit -v 120000; pel-cat -t 1) | (ulimit -v 120000; pel-crop -t 1 16x16) | (ulimit -v 120000; pel-noise -t 1 0.1) | (ulimit -v 120000; pel-info) | tail -n 1"
ok grep -q 'scene9999' out
# So do epochs without an end, their patches and the window that shuffles them.
scene 300x200x1x3 | pel-write -q photo.png
pipe_is 0 "(ulimit -v 160000; pel-read -t 1 --shuffle --epochs 0 photo.png photo.png) | (ulimit -v 120000; pel-crop -t 1 --random 64 --repeat 50 --augment) | (ulimit -v 120000; pel-cat -t 1 --shuffle 200) | (ulimit -v 120000; pel-blur -t 1 -k shake:5..15 --random) | (ulimit -v 120000; pel-noise -t 1 0..0.1) 2>said | head -c 200000000 | wc -c"
ok [ "$(cat out)" -eq 200000000 ]
ok [ ! -s said ]
pipe_is 1 "scene 2048x2048x1x1 | pel-cat --memory 1M"
said "memory cap"
done_testing
