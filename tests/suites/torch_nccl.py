# SPDX-License-Identifier: Apache-2.0
"""torch.distributed's backend nccl, two processes on one GPU, against what the results must be.

For a machine with a GPU and PyTorch (tools/gpu-suites); LD_PRELOAD says whose NCCL it is.
"""

import os
import sys

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

RANKS = 2


def check(rank):
    mine = torch.full((1000,), float(rank + 1), device="cuda:0")
    total = float(sum(range(1, RANKS + 1)))

    reduced = mine.clone()
    dist.all_reduce(reduced)
    assert torch.all(reduced == total)

    averaged = mine.clone()
    dist.all_reduce(averaged, op=dist.ReduceOp.AVG)
    assert torch.all(averaged == total / RANKS)

    gathered = [torch.empty_like(mine) for _ in range(RANKS)]
    dist.all_gather(gathered, mine)
    assert all(torch.all(part == i + 1) for i, part in enumerate(gathered))

    scattered = torch.empty(500, device="cuda:0")
    dist.reduce_scatter_tensor(scattered, mine)
    assert torch.all(scattered == total)

    sent = mine.clone()
    dist.broadcast(sent, src=1)
    assert torch.all(sent == 2)

    exchanged = torch.empty_like(mine)
    dist.all_to_all_single(exchanged, mine)
    assert torch.all(exchanged[:500] == 1) and torch.all(exchanged[500:] == 2)

    peer = 1 - rank
    received = torch.empty_like(mine)
    works = dist.batch_isend_irecv([dist.P2POp(dist.isend, mine, peer),
                                    dist.P2POp(dist.irecv, received, peer)])
    for work in works:
        work.wait()
    assert torch.all(received == peer + 1)

    graph = torch.cuda.CUDAGraph()
    replayed = mine.clone()
    with torch.cuda.graph(graph):
        dist.all_reduce(replayed)
    replayed.copy_(mine)
    graph.replay()
    torch.cuda.synchronize()
    assert torch.all(replayed == total)

    group = dist.new_group([0, 1])
    dist.all_reduce(mine, group=group)
    assert torch.all(mine == total)


def run(rank, port):
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.cuda.set_device(0)
    dist.init_process_group("nccl", rank=rank, world_size=RANKS)
    check(rank)
    dist.destroy_process_group()


if __name__ == "__main__":
    mp.spawn(run, args=(29517,), nprocs=RANKS)
    print("torch.distributed over", ".".join(map(str, torch.cuda.nccl.version())), "is right")
    sys.exit(0)
