# manual-examples.sh - runs each example of the manual pages, as it is printed.
# SPDX-License-Identifier: GPL-3.0-or-later
. "${top_srcdir:-.}/tests/lib.sh"
. "$top_srcdir/tests/suite/programs.sh"
export PELLUCID_MODELS=$top_srcdir/data/models
make_fixtures
mkdir fixtures
cp ./*.tif ./*.png ./*.fits ./*.pel ./*.onnx fixtures

found=0
for page in "$top_srcdir"/man/*.1.in; do
  while IFS= read -r line; do
    found=$((found + 1))
    rm -rf run && cp -r fixtures run
    checks=$((checks + 1))
    (cd run && bash -c "set -o pipefail; $line") >out 2>err </dev/null ||
      { fail "$(basename "$page"): $line"; head -n 3 err; }
  done < <(awk '/^\.SH/ { examples = /EXAMPLES/ } /^\.EE/ { inside = 0 } inside && examples { gsub(/\\-/, "-"); gsub(/\\e/, "\\"); gsub(/\\&/, ""); print } /^\.EX/ { inside = 1 }' "$page")
done
ok test "$found" -ge 20

# The reader in pel(5).
if command -v python3 >/dev/null && python3 -c 'import numpy' 2>/dev/null; then
  awk '/^\.EE/ { inside = 0 } inside && reader { gsub(/\\-/, "-"); gsub(/\\e/, "\\"); print } /^\.EX/ { inside = 1 } /^\.SH/ { reader = /PYTHON/ }' \
    "$top_srcdir/man/pel.5.in" >reader.py
  echo 'for role, a in frames(sys.stdin.buffer): print(role, len(a))' >>reader.py
  pipe_is 0 "python3 reader.py <sound.pel"
  ok test "$(grep -c '^image 1$' out)" -eq 2
fi
done_testing
