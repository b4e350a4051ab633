#!/bin/bash
# files.sh - picture files against other people's software: tifffile, Pillow and astropy.
# SPDX-License-Identifier: GPL-3.0-or-later
. "${top_srcdir:-.}/tests/lib.sh"

python=
for candidate in "${PYTHON:-python3}" /usr/bin/python3; do
  "$candidate" -c 'import numpy, tifffile, PIL, astropy' 2>/dev/null && python=$candidate && break
done
[ -n "$python" ] || skip 'needs python3 with numpy, tifffile, Pillow and astropy'
is 0 "$python" "$top_srcdir/tests/peers/files.py"
cat out
done_testing
