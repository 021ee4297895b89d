# SPDX-License-Identifier: Apache-2.0
"""vLLM's wrapper of NCCL (VLLM_NCCL_SO_PATH says whose), two processes on one GPU.

For a machine with a GPU and vLLM (tools/gpu-suites).
"""

import os

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from vllm.distributed.device_communicators.pynccl import PyNcclCommunicator

RANKS = 2


def run(rank, port):
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    dist.init_process_group("gloo", rank=rank, world_size=RANKS)
    communicator = PyNcclCommunicator(dist.group.WORLD, device="cuda:0")
    values = torch.full((1000,), float(rank + 1), device="cuda:0")
    with torch.cuda.device(0):
        result = communicator.all_reduce(values)
        torch.cuda.synchronize()
        assert torch.all(result == 3)
        gathered = torch.empty(2000, device="cuda:0")
        communicator.all_gather(gathered, values)
        torch.cuda.synchronize()
        assert torch.all(gathered[:1000] == 1) and torch.all(gathered[1000:] == 2)
    dist.destroy_process_group()


if __name__ == "__main__":
    mp.spawn(run, args=(29518,), nprocs=RANKS)
    print("vLLM's wrapper is right")
