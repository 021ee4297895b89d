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

// maxima[q] = the largest magnitude, as bits, or the largest finite one, of the quads q of kLanes
// lanes in a row; gives the largest of this thread's.
template <int kLanes, bool kFinite>
__device__ inline unsigned GroupMaxima(const Tile& x, unsigned (&maxima)[kQuads]) {
  constexpr unsigned kMagnitude = 0x7fffffffu;
  constexpr unsigned kInf = 0x7f800000u;
  unsigned most = 0;
#pragma unroll
  for (int quad = 0; quad < kQuads; ++quad) {
    unsigned largest = 0;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const unsigned magnitude = BitCast<uint32_t>(x.quads[quad][i]) & kMagnitude;
      if (!kFinite || magnitude < kInf) largest = max(largest, magnitude);
    }
#pragma unroll
    for (int lanes = 1; lanes < kLanes; lanes *= 2) {
      largest = max(largest, __shfl_xor_sync(kAllLanes, largest, lanes));
    }
    maxima[quad] = largest;
    most = max(most, largest);
  }
  return most;
}

// The sum of `value` over the lanes up to this one.
template <typename T>
__device__ inline T WarpPrefix(T value) {
  const unsigned lane = threadIdx.x % 32;
#pragma unroll
  for (unsigned step = 1; step < 32; step *= 2) {
    const T lower = __shfl_up_sync(kAllLanes, value, step);
    if (lane >= step) value += lower;
  }
  return value;
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
  const unsigned warp = threadIdx.x / 32;
  const uint64_t inclusive = WarpPrefix(value);
  if (threadIdx.x % 32 == 31) room.of_warp[warp] = inclusive;
  __syncthreads();
  Prefix prefix = {inclusive - value, 0};
#pragma unroll
  for (unsigned w = 0; w < kWarps; ++w) {
    if (w < warp) prefix.before += room.of_warp[w];
    prefix.all += room.of_warp[w];
  }
  return prefix;
}

// ---- Bytes, 4 or 16 a thread at a time ----

// 4 bytes from number `first` on, a multiple of 4, of which those under `available` are there; the
// others are zeros. One address for all: more of them take registers that few kernels have to
// spare.
__device__ inline uint32_t LoadSome(const uint8_t* from, int first, int available) {
  uint32_t word = 0;
  for (int i = first; i < first + 4 && i < available; ++i) {
    word |= static_cast<uint32_t>(from[i]) << (i % 4 * 8);
  }
  return word;
}
__device__ inline void StoreSome(uint32_t word, int first, int available, uint8_t* to) {
  for (int i = first; i < first + 4 && i < available; ++i) {
    to[i] = static_cast<uint8_t>(word >> (i % 4 * 8));
  }
}

// 4 bytes, of which `available` are there.
__device__ inline uint32_t LoadWord(const uint8_t* from, int available) {
  if (available >= 4 && IsAligned<uint32_t>(from)) return *reinterpret_cast<const uint32_t*>(from);
  return LoadSome(from, 0, available);
}
__device__ inline void StoreWord(uint32_t word, int available, uint8_t* to) {
  if (available < 4 || !IsAligned<uint32_t>(to)) return StoreSome(word, 0, available, to);
  *reinterpret_cast<uint32_t*>(to) = word;
}

// 16 bytes, likewise.
__device__ inline uint4 LoadBytes(const uint8_t* from, int available) {
  if (available >= 16 && IsAligned<uint4>(from))
    return __ldcs(reinterpret_cast<const uint4*>(from));
  return make_uint4(LoadSome(from, 0, available), LoadSome(from, 4, available),
                    LoadSome(from, 8, available), LoadSome(from, 12, available));
}
__device__ inline void StoreBytes(uint4 bytes, int available, uint8_t* to) {
  if (available >= 16 && IsAligned<uint4>(to)) return __stcs(reinterpret_cast<uint4*>(to), bytes);
  StoreSome(bytes.x, 0, available, to), StoreSome(bytes.y, 4, available, to);
  StoreSome(bytes.z, 8, available, to), StoreSome(bytes.w, 12, available, to);
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
