#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: launch_mpirun_test.sh PROGRAM: three ranks started by mpirun meet, at rank 0's server and
# by MPI. Exit 77: no mpirun.
if ! command -v mpirun >/dev/null; then
  echo "skipped: mpirun is not installed (Debian: openmpi-bin)"
  exit 77
fi
unset RANK WORLD_SIZE
for transport in auto mpi; do
  # No server could start there: nothing but MPI is used.
  if [ $transport = mpi ]; then export THINWIRE_INTERFACE=nowhere0; fi
  output=$(THINWIRE_TRANSPORT=$transport mpirun --allow-run-as-root --oversubscribe -n 3 "$1" 2) ||
    { echo "$output"; exit 1; }
  for rank in 0 1 2; do
    met=$(echo "$output" | grep -c "^rank $rank of 3 by mpirun met 0 1 2$")
    if [ "$met" != 2 ]; then
      echo "$transport: rank $rank met the others $met times instead of 2:"
      echo "$output"
      exit 1
    fi
  done
done
