// SPDX-License-Identifier: Apache-2.0
//
// Runs the threads of a CUDA grid on a CPU, block after block, so that kernels can be tested where
// no GPU is. Every thread is a fiber: it runs until it waits for others (a barrier of its block, an
// exchange within its warp), then another one does. Threads of a block that wait for each other at
// different places end the program with a message, where a GPU would hang or guess.
//
// Which thread goes first is a choice: a kernel that lacks a barrier gives other results under
// another order. THINWIRE_EMULATED_ORDER, when the program starts, chooses: forward (the default),
// backward or shuffled.

#ifndef THINWIRE_CUDA_EMULATION_BLOCK_EMULATOR_H_
#define THINWIRE_CUDA_EMULATION_BLOCK_EMULATOR_H_

#include <cstdint>
#include <functional>

namespace thinwire::emulation {

struct Index {
  unsigned x = 0, y = 0, z = 0;
};

inline constexpr unsigned kWarpSize = 32;
inline constexpr unsigned kMaxBlockThreads = 1024;

// Calls body() for every thread of the grid. One-dimensional.
void RunGrid(unsigned blocks, unsigned threads, const std::function<void()>& body);

// ---- For a thread of a grid ----

// Waits until all threads of the block that have not returned are here; what each gives is summed.
unsigned SyncBlock(unsigned value = 0);

// Waits until all 32 threads of the warp have given a value; gives that of each lane.
const uint64_t* ShareInWarp(unsigned mask, uint64_t value);

}  // namespace thinwire::emulation

// As CUDA names them.
extern thread_local thinwire::emulation::Index threadIdx, blockIdx, blockDim, gridDim;

#endif  // THINWIRE_CUDA_EMULATION_BLOCK_EMULATOR_H_
