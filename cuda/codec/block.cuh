// SPDX-License-Identifier: Apache-2.0
//
// What all threads of a block do together: the largest of what each has, running sums, and bytes
// between memory and shared memory. Every thread of the block calls, from the same place.

#ifndef THINWIRE_CUDA_CODEC_BLOCK_CUH_
#define THINWIRE_CUDA_CODEC_BLOCK_CUH_

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/codec/tile.cuh"

namespace thinwire::cuda {

// Room that a reduction over the block takes; after it, the room is free at the next barrier.
struct BlockRoom {
  unsigned of_warp[kWarps];
};

__device__ inline unsigned BlockMax(unsigned value, BlockRoom& room) {
  const unsigned warp_max = __reduce_max_sync(kAllLanes, value);
  if (threadIdx.x % 32 == 0) room.of_warp[threadIdx.x / 32] = warp_max;
  __syncthreads();
  unsigned most = room.of_warp[0];
#pragma unroll
  for (int warp = 1; warp < kWarps; ++warp) most = max(most, room.of_warp[warp]);
  return most;
}

__device__ inline unsigned BlockSum(unsigned value, BlockRoom& room) {
  const unsigned warp_sum = __reduce_add_sync(kAllLanes, value);
  if (threadIdx.x % 32 == 0) room.of_warp[threadIdx.x / 32] = warp_sum;
  __syncthreads();
  unsigned sum = 0;
#pragma unroll
  for (int warp = 0; warp < kWarps; ++warp) sum += room.of_warp[warp];
  return sum;
}

// The sum of `value` over the threads before this one, and over all of them. Values are packed as
// the caller likes, as long as no field overflows.
struct Prefix {
  uint64_t before;
  uint64_t all;
};
struct PrefixRoom {
  uint64_t of_warp[kWarps];
};
__device__ inline Prefix BlockPrefix(uint64_t value, PrefixRoom& room) {
  const unsigned lane = threadIdx.x % 32;
  const unsigned warp = threadIdx.x / 32;
  uint64_t inclusive = value;
#pragma unroll
  for (unsigned step = 1; step < 32; step *= 2) {
    const uint64_t lower = __shfl_up_sync(kAllLanes, inclusive, step);
    if (lane >= step) inclusive += lower;
  }
  if (lane == 31) room.of_warp[warp] = inclusive;
  __syncthreads();
  Prefix prefix = {inclusive - value, 0};
#pragma unroll
  for (unsigned w = 0; w < kWarps; ++w) {
    if (w < warp) prefix.before += room.of_warp[w];
    prefix.all += room.of_warp[w];
  }
  return prefix;
}

// ---- Bytes, 16 a thread at a time ----

// 16 bytes, of which `available` are there; the others are zeros.
__device__ inline uint4 LoadBytes(const uint8_t* from, int available) {
  if (available >= 16 && IsAligned<uint4>(from)) return __ldcs(reinterpret_cast<const uint4*>(from));
  const auto word = [=](int first) {
    uint32_t bits = 0;
    for (int i = first; i < first + 4 && i < available; ++i) {
      bits |= static_cast<uint32_t>(from[i]) << (i % 4 * 8);
    }
    return bits;
  };
  return make_uint4(word(0), word(4), word(8), word(12));
}
__device__ inline void StoreBytes(uint4 bytes, int available, uint8_t* to) {
  if (available >= 16 && IsAligned<uint4>(to)) return __stcs(reinterpret_cast<uint4*>(to), bytes);
  const auto put = [=](uint32_t word, int first) {
    for (int i = first; i < first + 4 && i < available; ++i) {
      to[i] = static_cast<uint8_t>(word >> (i % 4 * 8));
    }
  };
  put(bytes.x, 0), put(bytes.y, 4), put(bytes.z, 8), put(bytes.w, 12);
}

// Up to kMost bytes on their way from memory to shared memory, in the registers of the block.
template <int kMost>
struct BytesInFlight {
  static constexpr int kParts = (kMost + 16 * kThreads - 1) / (16 * kThreads);
  uint4 parts[kParts];

  __device__ inline void Fetch(const uint8_t* from, int bytes) {
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
      const int at = 16 * (part * kThreads + static_cast<int>(threadIdx.x));
      if (at < bytes) parts[part] = LoadBytes(from + at, bytes - at);
    }
  }
  // `shared` has room for whole parts of 16 bytes.
  __device__ inline void Deposit(int bytes, uint8_t* shared) const {
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
      const int at = 16 * (part * kThreads + static_cast<int>(threadIdx.x));
      if (at < bytes) *reinterpret_cast<uint4*>(shared + at) = parts[part];
    }
  }
};

// The same, in place of registers that a kernel does not have: bytes stay in memory until they are
// deposited.
struct BytesLeftInMemory {
  const uint8_t* from = nullptr;

  __device__ inline void Fetch(const uint8_t* memory, int /*bytes*/) { from = memory; }
  __device__ inline void Deposit(int bytes, uint8_t* shared) const {
    for (int at = 16 * static_cast<int>(threadIdx.x); at < bytes; at += 16 * kThreads) {
      *reinterpret_cast<uint4*>(shared + at) = LoadBytes(from + at, bytes - at);
    }
  }
};

// Shared memory to memory.
__device__ inline void CopyOut(const uint8_t* shared, int bytes, uint8_t* to) {
  for (int at = 16 * static_cast<int>(threadIdx.x); at < bytes; at += 16 * kThreads) {
    StoreBytes(*reinterpret_cast<const uint4*>(shared + at), bytes - at, to + at);
  }
}

// Zeros into shared memory, where `shared` and `bytes` are multiples of 16.
__device__ inline void ClearShared(int bytes, uint8_t* shared) {
  for (int at = 16 * static_cast<int>(threadIdx.x); at < bytes; at += 16 * kThreads) {
    *reinterpret_cast<uint4*>(shared + at) = make_uint4(0, 0, 0, 0);
  }
}

}  // namespace thinwire::cuda

#endif  // THINWIRE_CUDA_CODEC_BLOCK_CUH_
