# SPDX-License-Identifier: Apache-2.0
"""One rank of a program on mpi4py that knows nothing of Thinwire. Prints "good"."""

import array

from mpi4py import MPI

COUNT = 5000
world = MPI.COMM_WORLD
rank, ranks = world.rank, world.size


def floats(value, count=COUNT):
    return array.array("f", [value] * count)


def check(good, what):
    if not good:
        print(f"rank {rank}: wrong: {what}", flush=True)
        world.Abort(1)


sums = floats(ranks * (ranks + 1) / 2)
values = floats(rank + 1)
result = floats(0)
world.Allreduce([values, MPI.FLOAT], [result, MPI.FLOAT])
check(result == sums, "Allreduce")
world.Iallreduce(MPI.IN_PLACE, [values, MPI.FLOAT]).Wait()
check(values == sums, "Iallreduce")

parts = floats(0, COUNT * ranks)
world.Allgather([floats(rank), MPI.FLOAT], [parts, MPI.FLOAT])
check(all(parts[r * COUNT:(r + 1) * COUNT] == floats(r) for r in range(ranks)), "Allgather")
world.Reduce_scatter_block([parts, MPI.FLOAT], [result, MPI.FLOAT])
check(result == floats(rank * ranks), "Reduce_scatter_block")

copy = world.Dup()
values = floats(rank)
copy.Ibcast([values, MPI.FLOAT], root=1).Wait()
check(values == floats(1), "Ibcast")
copy.Free()
check(world.allreduce(rank) == ranks * (ranks - 1) // 2, "allreduce of objects")
print("good")
