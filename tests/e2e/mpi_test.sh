#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: mpi_test.sh PROGRAM: ranks started by mpirun, with transport mpi. Exit 77: no mpirun.
if ! command -v mpirun >/dev/null; then
  echo "skipped: mpirun is not installed (Debian: openmpi-bin)"
  exit 77
fi
unset RANK WORLD_SIZE
export THINWIRE_TRANSPORT=mpi THINWIRE_DEBUG=NONE

# run RANKS WHAT TEXT: all ranks end well, and each prints TEXT.
run() {
  output=$(timeout 100 mpirun --allow-run-as-root --oversubscribe -n "$1" "$program" "$2" 2>&1)
  status=$?
  if [ $status != 0 ] || [ "$(echo "$output" | grep -c "$3")" != "$1" ]; then
    echo "$2 with $1 ranks: exit $status, and not $1 times '$3':"
    echo "$output"
    exit 1
  fi
}

program=$1
run 2 plain good
run 4 plain good
run 2 beside good
run 4 beside good
run 2 funneled MPI_THREAD_MULTIPLE
run 2 finalized "destroy communicators before MPI_Finalize"
