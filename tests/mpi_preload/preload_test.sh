#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: preload_test.sh LIBRARY WHAT PROGRAM...: programs that know MPI only, as they run by
# themselves and with the library preloaded. Exit 77: no mpirun, or no mpi4py.
library=$1 what=$2
shift 2
if ! command -v mpirun >/dev/null; then
  echo "skipped: mpirun is not installed (Debian: openmpi-bin)"
  exit 77
fi
unset RANK WORLD_SIZE
export THINWIRE_MPI_FLOOR=4K THINWIRE_LINK=unknown THINWIRE_DEBUG=INFO

# run RANKS COMMAND...: all ranks print "good". What they said is in $output.
run() {
  ranks=$1
  shift
  output=$(timeout 100 mpirun --allow-run-as-root --oversubscribe --bind-to none -n "$ranks" "$@" 2>&1)
  status=$?
  if [ $status != 0 ] || [ "$(echo "$output" | grep -c '^good$')" != "$ranks" ]; then
    echo "$* with $ranks ranks: exit $status, and not $ranks times 'good':"
    echo "$output"
    exit 1
  fi
}
preloaded() {
  ranks=$1
  shift
  run "$ranks" env "LD_PRELOAD=$library" "$@"
}
# said TIMES TEXT: in $output; TIMES may be `often`.
said() {
  times=$(echo "$output" | grep -c "$2")
  if [ "$times" = "$1" ] || { [ "$1" = often ] && [ "$times" -gt 0 ]; }; then return; fi
  echo "$times times, and not $1 times, '$2':"
  echo "$output"
  exit 1
}

case $what in
  c)
    for ranks in 2 4; do
      preloaded $ranks "$1" carried
      said $((2 * ranks)) "MPI calls carried: 14 of reduce-scatter"  # on MPI_COMM_WORLD, a duplicate
      OMPI_MCA_btl=tcp,self preloaded $ranks "$1" first  # where large sends need the sender
      said $((2 * ranks)) "MPI calls carried: 2 of all-reduce"  # likewise
    done
    THINWIRE_MPI_FLOOR=32K THINWIRE_POLICY=q8 preloaded 2 "$1" compressed
    said 2 "MPI calls carried: 2 of all-reduce; .* codec q8"
    THINWIRE_TRANSPORT=mpi preloaded 3 "$1" carried
    ;;
  failure)
    preloaded 2 "$1" funneled
    THINWIRE_TIMEOUT=1s preloaded 3 "$1" late
    said often "an MPI call that Thinwire carries: all_reduce .* made no progress"
    for order in refused refused_first; do
      THINWIRE_CONNECT_TIMEOUT=1s preloaded 3 "$1" $order
      said 1 "does not go over Thinwire: no transport is named 'pigeons'"
      said 3 "does not go over Thinwire"
    done
    THINWIRE_MPI_FLOOR=much preloaded 2 "$1" nothing
    said 2 "no MPI call goes over Thinwire: THINWIRE_MPI_FLOOR"
    ;;
  fortran)
    for program in "$@"; do
      run 3 "$program"
      said 0 "MPI calls carried"
      preloaded 3 "$program"
      said 3 "MPI calls carried: 2 of all-reduce"
      said 3 "MPI calls carried: [12] of reduce-scatter"
      said 3 "MPI calls carried: [12] of all-gather"
      said 3 "MPI calls carried: [12] of broadcast"
    done
    ;;
  python)
    for python in python3 /usr/bin/python3 none; do
      $python -c 'import mpi4py' 2>/dev/null && break
    done
    if [ $python = none ]; then
      echo "skipped: mpi4py is not installed (Debian: python3-mpi4py)"
      exit 77
    fi
    run 3 $python -B "$1"
    preloaded 3 $python -B "$1"
    said 3 "MPI calls carried: 2 of all-reduce"
    said 3 "MPI calls carried: 1 of reduce-scatter"
    said 3 "MPI calls carried: 1 of all-gather"
    said 3 "MPI calls carried: 1 of broadcast"
    ;;
esac
