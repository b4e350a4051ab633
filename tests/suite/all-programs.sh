# all-programs.sh - what every program must do: help, version, usage errors, broken input, full disk.
# SPDX-License-Identifier: GPL-3.0-or-later
. "${top_srcdir:-.}/tests/lib.sh"
. "$top_srcdir/tests/suite/programs.sh"
make_fixtures

# The list here, the front door and what was built agree.
is 0 pel --help
for p in $programs; do
  ok grep -q "^  $p " out
  ok test -x "$top_builddir/$p"
done
ok test "$(grep -v '|' out | grep -c '^  pel-[a-z]* ')" -eq "$(echo $programs | wc -w)"
is 0 pel rl --version
ok grep -q '^pel-rl (Pellucid)' out
is 2 pel nothing
said "no program 'nothing'"

for p in $programs; do
  is 0 "$p" --help
  ok test "$(head -n 1 out | cut -d ' ' -f 1-2)" = "Usage: $p"
  is 0 "$p" --version
  ok grep -q "^$p (Pellucid)" out
  is 2 "$p" --no-such-option
  said "$p: unknown option"
  is 2 "$p" --threads 5000
  said "$p: --threads '5000'"
  is 2 "$p" --memory
  said "$p: --memory: a value is needed"
  pipe_is 1 "$p --help >/dev/full"
  said "$p: cannot write"
done

random=$work/random.bin
head -c 5000 /dev/urandom >"$random"
printf 'PEL1 image 4000000000x4000000000x1x1 f32le bytes=64 crc=00000000 h=00000000%52s\n' '' >absurd.pel
for p in $readers; do
  arguments_of "$p"
  a="${arguments[*]}" s=$(stream_of "$p")
  size=$(stat -c %s "$s")
  for input in /dev/null "$random" absurd.pel; do
    pipe_is 1 "$p $a <$input"
    said "$p: "
    no_end
  done
  pipe_is 1 "$p $a <&-"
  said "$p: "
  # Cut off at the start, in a header, in samples, before the end line.
  for n in 1 63 64 200 $((size / 2)) $((size - 64)) $((size - 1)); do
    pipe_is 1 "head -c $n $s | $p $a"
    said "cut off"
    no_end
  done
  # One bit, anywhere.
  for at in 3 20 100 $((size / 3)) $((size / 2)) $((size - 70)) $((size - 20)); do
    { head -c "$at" "$s"; printf '%b' "$(printf '\\0%03o' $(($(od -An -tu1 -j "$at" -N 1 "$s") ^ 4)))"; tail -c +$((at + 2)) "$s"; } >flipped.pel
    pipe_is 1 "$p $a <flipped.pel"
    said "$p: "
    no_end
  done
  ok test -z "$(ls written-* .pellucid-* 2>/dev/null)"
  # A stage that was killed fails the pipe, without pipefail.
  pipe_is 1 "{ head -c $((size / 2)) $s; kill -9 \$BASHPID; } | $p $a"
  # The same program with sound input works.
  pipe_is 0 "$p $a <$s"
  rm -f written-*
done

for p in $filters pel-read pel-psf; do
  arguments_of "$p"
  a="${arguments[*]}" s=$(stream_of "$p")
  pipe_is 1 "$p $a <$s >/dev/full"
  said "No space left"
  pipe_is 1 "$p $a <$s >&-"
  said "$p: "
  # A reader that goes away ends it silently.
  checks=$((checks + 1))
  bash -c "set -o pipefail; $p $a <$s | head -c 10 >/dev/null" 2>err
  [ ! -s err ] || fail "$p talks of a closed pipe: $(head -n 1 err)"
done
for p in pel-info pel-score; do
  pipe_is 1 "$p <sound.pel >/dev/full"
  said "cannot write"
done

# Companions and roles that a program does not know pass through, and the history grows by a line.
for p in $filters; do
  arguments_of "$p"
  pipe_is 0 "$p ${arguments[*]} <sound.pel"
  cp out passed.pel
  is 0 bash -c 'pel-info <passed.pel'
  ok grep -q 'weather.3x1x1x1' out
  is 0 bash -c 'pel-info --history <passed.pel'
  ok grep -q "^$p " out
done
done_testing
