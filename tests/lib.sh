# lib.sh - sourced by the shell tests: the built programs first in PATH, a folder of its own, checks.
# SPDX-License-Identifier: GPL-3.0-or-later
#
#   . "${top_srcdir:-.}/tests/lib.sh"
#   is 0 pel-read a.tif            # runs, checks the exit status; stdout in out, stderr in err
#   said 'no PSF in the stream'    # err is one line that holds this
#   done_testing
set -u
export LC_ALL=C
top_srcdir=$(cd "${top_srcdir:-.}" && pwd)
top_builddir=$(cd "${top_builddir:-.}" && pwd)
PATH=$top_builddir:$top_builddir/tests:$PATH
export XDG_CACHE_HOME PELLUCID_PLAN=estimate
work=$(mktemp -d "${TMPDIR:-/tmp}/pellucid-test.XXXXXX") || exit 99
XDG_CACHE_HOME=$work/cache
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 99

checks=0
failures=0
fail() {
  failures=$((failures + 1))
  printf 'FAILED: %s\n' "$*"
}
ok() { # condition given as a command
  checks=$((checks + 1))
  "$@" || fail "$*"
}
is() { # expected status, command
  local expected=$1 status
  shift
  checks=$((checks + 1))
  "$@" >out 2>err </dev/null
  status=$?
  [ "$status" -eq "$expected" ] || { fail "exit $status, expected $expected: $*"; sed 's/^/    /' err | head -n 5; }
}
pipe_is() { # expected status of the last stage, pipeline as one text
  local expected=$1 status
  checks=$((checks + 1))
  bash -c "$2" >out 2>err </dev/null
  status=$?
  [ "$status" -eq "$expected" ] || { fail "exit $status, expected $expected: $2"; sed 's/^/    /' err | head -n 5; }
}
said() { # err is one line with this text
  checks=$((checks + 1))
  grep -qF -- "$1" err || { fail "stderr does not say '$1'"; sed 's/^/    /' err | head -n 5; }
  [ "$(wc -l <err)" -eq 1 ] || fail "stderr is not one line: $(head -n 3 err)"
}
no_end() { # out holds no end line: no plausible output of a failed run
  checks=$((checks + 1))
  ! grep -qa 'PEL1 end frames=' out || fail "a failed program wrote an end line"
}
whole() { # out is a whole stream
  checks=$((checks + 1))
  pel-info <out >/dev/null 2>info.err || fail "no whole stream: $(cat info.err)"
}
near() { # value, expected, tolerance
  checks=$((checks + 1))
  awk -v a="$1" -v b="$2" -v t="$3" 'BEGIN { d = a - b; if (d < 0) d = -d; exit !(a != "" && d <= t) }' ||
    fail "$1 is not $2 +- $3"
}
skip() {
  echo "skipped: $*"
  exit 77
}
done_testing() {
  echo "$checks checks, $failures failures"
  [ "$checks" -gt 0 ] && [ "$failures" -eq 0 ]
  exit
}
