// SPDX-License-Identifier: Apache-2.0
//
// Where chunks whose sizes are found on the way begin, in one pass over them: a scan that thread
// blocks carry on among themselves (Merrill and Garland, "Single-pass Parallel Prefix Scan with
// Decoupled Look-back", 2016). A block takes the next chunk, announces its bytes as soon as it
// knows them, and adds up what those before it announced, back to one whose end is known.
//
// Chunks are taken in order, so those before a block's are in the hands of blocks that run and wait
// for none behind them: nobody waits forever, however few blocks a device runs at a time.

#ifndef THINWIRE_CUDA_CODEC_CHAINED_ENDS_CUH_
#define THINWIRE_CUDA_CODEC_CHAINED_ENDS_CUH_

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "cuda/codec/tile.cuh"

namespace thinwire::cuda {

// All threads of the block call together, but where it says otherwise.
class ChainedEnds {
 public:
  struct Room {
    unsigned long long chunk;
    uint64_t begin;
  };

  // Of device memory, all zeros before the first block begins: one word to take chunks from and one
  // for each chunk.
  static size_t ScratchBytes(size_t chunks) { return (1 + chunks) * sizeof(uint64_t); }

  __device__ inline ChainedEnds(void* scratch, Room& room)
      : taken_(static_cast<unsigned long long*>(scratch)), words_(taken_ + 1), room_(room) {}

  // The next chunk that no block has taken. A barrier.
  __device__ inline size_t Take() {
    if (threadIdx.x == 0) room_.chunk = atomicAdd(taken_, 1ull);
    __syncthreads();
    return room_.chunk;
  }

  // One thread calls.
  __device__ inline void Announce(size_t chunk, int bytes) {
    words_[chunk] = kBytes | static_cast<unsigned long long>(bytes);
  }

  // The bytes of all chunks before this one, which was announced. A barrier.
  __device__ inline uint64_t Begin(size_t chunk, int bytes) {
    if (threadIdx.x < 32) {
      const uint64_t begin = LookBack(chunk);
      if (threadIdx.x == 0) {
        words_[chunk] = kEnd | (begin + static_cast<uint64_t>(bytes));
        room_.begin = begin;
      }
    }
    __syncthreads();
    return room_.begin;
  }

 private:
  // A chunk's word is 0, or its bytes, or the end of it. It says all in one go, so nothing needs to
  // be ordered by fences.
  static constexpr unsigned long long kBytes = 1ull << 62;
  static constexpr unsigned long long kEnd = 2ull << 62;
  static constexpr unsigned long long kValue = kBytes - 1;

  // By one warp, 32 chunks at a time.
  __device__ inline uint64_t LookBack(size_t chunk) const {
    const unsigned lane = threadIdx.x;
    uint64_t sum = 0;
    for (size_t behind = chunk;; behind -= 32) {
      unsigned long long word = kEnd;  // of what would be before the first one
      do {
        if (lane < behind) word = words_[behind - 1 - lane];
      } while (__any_sync(kAllLanes, word == 0));
      const unsigned ends = __ballot_sync(kAllLanes, (word & kEnd) != 0);
      const unsigned nearest =
          ends == 0 ? 32 : static_cast<unsigned>(__ffs(static_cast<int>(ends))) - 1;
      const auto bytes = static_cast<unsigned>(word & kValue);
      sum += __reduce_add_sync(kAllLanes, lane < nearest ? bytes : 0u);
      const uint64_t end = __shfl_sync(kAllLanes, static_cast<uint64_t>(word & kValue),
                                       static_cast<int>(nearest % 32));
      if (ends != 0) return sum + end;
    }
  }

  unsigned long long* const taken_;
  volatile unsigned long long* const words_;
  Room& room_;
};

}  // namespace thinwire::cuda

#endif  // THINWIRE_CUDA_CODEC_CHAINED_ENDS_CUH_
