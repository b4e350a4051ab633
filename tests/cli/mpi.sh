# mpi.sh - pel-train on several ranks: the gradient of one process, the same bytes each time, and no end that hangs.
# SPDX-License-Identifier: GPL-3.0-or-later
. "${top_srcdir:-.}/tests/lib.sh"

is 0 pel-net dncnn --depth 3 --width 4 --channels 1 -o net.onnx
scene 64x48x1x1 | pel-noise 0.1 --seed 9 >val.pel
scene 64x48x1x1 frames 3 | pel-crop --random 16 --repeat 20 --seed 1 | pel-noise 0.1 >pairs.pel
short=(-m net.onnx -t 1 --batch 5 --lr 3e-3 --ema 0.9)

if ! grep -q '^#define PEL_MPI 1' "$top_builddir/config.h"; then
  OMPI_COMM_WORLD_SIZE=2 is 2 pel-train "${short[@]}" -o no.onnx
  said 'built without MPI'
  ok [ ! -e no.onnx ]
  [ "$failures" -eq 0 ] || done_testing
  skip 'this build is without MPI (configure --with-mpi)'
fi

# All ranks on this machine, whatever it has; in containers they may not read each other's memory.
# After a failure mpirun would give each rank two seconds.
export OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_odls_base_sigkill_timeout=0
# What MPI keeps until the end is not ours.  Its plugins are gone by then: whole stacks tell who loaded them.
{ cat "$top_srcdir/tests/lsan.supp"; printf 'leak:%s\n' libmpi libopen-pal libopen-rte libevent; } >lsan.supp
export LSAN_OPTIONS="suppressions=$PWD/lsan.supp:print_suppressions=0"
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}fast_unwind_on_malloc=0"
mpirun="timeout -k 5 90 mpirun -q --oversubscribe --allow-run-as-root"
two="$mpirun -n 2"

# Gradients: even and uneven shares, more ranks than samples, a critic.
is 0 pel-net srcnn --channels 1 --width 4 -o critic.onnx
for ranks in 2 3 6; do
  is 0 $mpirun -n $ranks ranks gradient net.onnx charbonnier 5
  grep step out
done
is 0 $two ranks gradient net.onnx l1,gan:critic.onnx:0.1 4
is 0 $two ranks gradient net.onnx mse,wgan:critic.onnx:0.1 4

# A whole training: nearly that of one process, the same bytes each time; the pairs come on rank 0's stdin.
whole="${short[*]} --loss mse,ssim:0.1 --steps 12 --validate val.pel --validate-every 5"
pipe_is 0 "pel-train $whole -o one.onnx <pairs.pel"
pipe_is 0 "$two pel-train $whole -o two.onnx --log two.tsv --log-every 1 <pairs.pel"
pipe_is 0 "$two pel-train $whole -o again.onnx <pairs.pel"
ok cmp two.onnx again.onnx
ok cmp two-last.onnx again-last.onnx
ok [ "$(tail -n 1 two.tsv | cut -f 1)" = 12 ]
is 0 ranks models one-last.onnx two-last.onnx
echo "after 12 steps the weights differ by $(cat out)"
ok awk '{ exit !($1 < 1e-5) }' out
pipe_is 0 "$mpirun -n 1 pel-train $whole -o again.onnx <pairs.pel"
ok cmp one.onnx again.onnx

# Killed, whichever process of the run it hits, and resumed.
long=(pel-train "${short[@]}" --loss "l1,gan:critic.onnx:0.1" --steps 120 --checkpoint-every 10 --seed 5 --log-every 4
  --pairs-from 'scene 64x48x1x1 frames 2 | pel-crop --random 24 --repeat 9 --seed $SEED | pel-noise 0.1 --seed $SEED')
is 0 $two "${long[@]}" -o whole.onnx --checkpoint whole.ck --log whole.tsv
children() { cat "/proc/$1/task/$1/children"; }
wait_for_end() { # of all these processes, for 20 s
  local i pid
  for pid; do
    for ((i = 0; i < 200; i++)); do
      grep -qs '^State:[^Z]*$' "/proc/$pid/status" || continue 2
      sleep 0.1
    done
    return 1
  done
}
for victim in 1 2 3; do
  rm -f killed.ck
  $two "${long[@]}" -o killed.onnx --checkpoint killed.ck --log killed.tsv --resume >/dev/null 2>&1 </dev/null &
  job=$!
  for ((i = 0; i < 1500; i++)); do
    [ ! -e killed.ck ] || break
    sleep 0.02
  done
  read -r leader < <(children $job) # mpirun, which timeout started
  read -r -a pids < <(echo "$leader $(children "$leader")")
  ok [ ${#pids[@]} -eq 3 ]
  kill -9 "${pids[victim - 1]}"
  ok wait_for_end "${pids[@]}"
  wait $job 2>/dev/null && fail "a killed run ends well"
  ok [ ! -e killed.onnx ]
  is 0 $two "${long[@]}" -o killed.onnx --checkpoint killed.ck --log killed.tsv --resume
  ok cmp whole.onnx killed.onnx
  rm -f killed.onnx
done

# A failure is told once, and ends all: on both ranks, on rank 0, on rank 1 alone.
pipe_is 2 "$two pel-train ${short[*]} -o no.onnx --batch 0 <pairs.pel"
said "pel-train: --batch"
pipe_is 1 "$two pel-train ${short[*]} -o no.onnx --steps 99 --pairs-from 'cat pairs.pel; exit 3'"
said "failed with status 3"
pipe_is 1 "head -c 20000 pairs.pel | $two pel-train ${short[*]} -o no.onnx"
said 'cut off'
pipe_is 1 "$two pel-train ${short[*]} -o /nonexistent/no.onnx <pairs.pel"
said 'cannot write'
other() { # rank 1's own options; what is said
  local all="pel-train ${short[*]} -o no.onnx"
  pipe_is 1 "$mpirun -n 1 $all --checkpoint no.ck : -n 1 $all $1 <pairs.pel"
  said 'rank 1 ('
  said "$2"
  ok [ ! -e no.ck ]
}
other '-m missing.onnx' 'missing.onnx'
other '-m critic.onnx' 'not those of rank 0'
other '--memory 20K' 'the cap is'
other '--steps 7 --schedule cosine' 'not those of rank 0'
{ scene 16x16x1x1 frames 3 | pel-noise 0.1; scene 16x16x1x1 frames 2 | pel-noise 1e38; } >large.pel
pipe_is 1 "$two pel-train ${short[*]} -o no.onnx --checkpoint no.ck --loss mse <large.pel"
said 'not finite'
said 'rank 1 ('
ok [ -z "$(ls -A | grep '^\.*no[.-]')" ]
done_testing
