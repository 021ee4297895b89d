// SPDX-License-Identifier: Apache-2.0
//
// Tile: a chunk of 4096 elements in the registers of a thread block, as binary32. A thread holds
// four quads of consecutive elements, and a warp's quads lie side by side in memory: loads and
// stores are 128 bits wide for binary32, 64 for types of 16 bits.

#ifndef THINWIRE_CUDA_CODEC_TILE_CUH_
#define THINWIRE_CUDA_CODEC_TILE_CUH_

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "base/types.h"
#include "codec/float_formats.h"

namespace thinwire::cuda {

inline constexpr int kThreads = 256;  // of a thread block
inline constexpr int kWarps = kThreads / 32;
inline constexpr int kChunk = 4096;
inline constexpr int kQuads = kChunk / 4 / kThreads;  // of a thread
inline constexpr unsigned kAllLanes = 0xffffffffu;

struct Tile {
  float quads[kQuads][4];
};

// The first element of this thread's quad, in the chunk.
__device__ inline int FirstOf(int quad) {
  return 4 * (quad * kThreads + static_cast<int>(threadIdx.x));
}

__host__ __device__ inline size_t ChunksOf(size_t count) { return (count + kChunk - 1) / kChunk; }
// How many of `count` elements chunk number `chunk` has.
__device__ inline int SizeOfChunk(size_t count, size_t chunk) {
  const size_t rest = count - chunk * kChunk;
  return rest < kChunk ? static_cast<int>(rest) : kChunk;
}

template <typename T>
__device__ inline bool IsAligned(const void* memory) {
  return reinterpret_cast<uintptr_t>(memory) % alignof(T) == 0;
}

// ---- Four elements at a time, past the caches: each is read or written once ----

// As 32-bit words, the first element lowest.
template <typename T>
struct alignas(4 * sizeof(T)) Four {
  static constexpr int kWords = sizeof(T);
  uint32_t words[kWords];
};
static_assert(sizeof(Four<float>) == 16 && sizeof(Four<uint16_t>) == 8);

template <typename T>
__device__ inline Four<T> LoadFour(const T* from) {
  if constexpr (sizeof(T) == 4) {
    const uint4 words = __ldcs(reinterpret_cast<const uint4*>(from));
    return {{words.x, words.y, words.z, words.w}};
  } else {
    const uint2 words = __ldcs(reinterpret_cast<const uint2*>(from));
    return {{words.x, words.y}};
  }
}
template <typename T>
__device__ inline void StoreFour(const Four<T>& four, T* to) {
  if constexpr (sizeof(T) == 4) {
    __stcs(reinterpret_cast<uint4*>(to),
           make_uint4(four.words[0], four.words[1], four.words[2], four.words[3]));
  } else {
    __stcs(reinterpret_cast<uint2*>(to), make_uint2(four.words[0], four.words[1]));
  }
}

__device__ inline float ElementOf(const Four<float>& four, int i) {
  return BitCast<float>(four.words[i]);
}
__device__ inline uint32_t ElementOf(const Four<uint32_t>& four, int i) { return four.words[i]; }
__device__ inline uint16_t ElementOf(const Four<uint16_t>& four, int i) {
  return static_cast<uint16_t>(four.words[i / 2] >> (i % 2 * 16));
}
__device__ inline void SetElement(float x, int i, Four<float>& four) {
  four.words[i] = BitCast<uint32_t>(x);
}
__device__ inline void SetElement(uint32_t x, int i, Four<uint32_t>& four) { four.words[i] = x; }
__device__ inline void SetElement(uint16_t x, int i, Four<uint16_t>& four) {
  four.words[i / 2] = i % 2 == 0 ? x : four.words[i / 2] | static_cast<uint32_t>(x) << 16;
}

// ---- Elements of a type in memory, to and from binary32 ----

// What elements of a type are in memory, and what they are worked on as.
template <typename Format>
struct NarrowElements {
  using Raw = typename Format::Bits;
  using Wide = float;
  static __device__ inline float Widened(Raw raw) { return Widen<Format>(raw); }
  static __device__ inline Raw Narrowed(float x) { return Narrow<Format>(x); }
};
template <typename T>
struct OwnElements {
  using Raw = T;
  using Wide = T;
  static __device__ inline T Widened(T raw) { return raw; }
  static __device__ inline T Narrowed(T x) { return x; }
};

// Calls body with what `dtype` stands for, of the types that fit tiles. Others are converted on
// their way (element_kernels.cu).
template <typename Body>
__device__ inline void WithElements(DataType dtype, Body&& body) {
  if (dtype == DataType::kFloat32) return body(OwnElements<float>());
  if (dtype == DataType::kBfloat16) return body(NarrowElements<Bfloat16>());
  body(NarrowElements<Half>());
}

// x as an element of `dtype`.
__device__ inline float Rounded(float x, DataType dtype) {
  WithElements(dtype, [&](auto elements) { x = elements.Widened(elements.Narrowed(x)); });
  return x;
}

// The chunk's `size` elements, which stand from `elements` + `begin` on; zeros after them.
__device__ inline void LoadTile(const void* elements, DataType dtype, size_t begin, int size,
                                Tile& x) {
  WithElements(dtype, [&](auto kind) {
    using Raw = typename decltype(kind)::Raw;
    const Raw* const from = static_cast<const Raw*>(elements) + begin;
    if (size == kChunk && IsAligned<Four<Raw>>(from)) {
      Four<Raw> fours[kQuads];
#pragma unroll
      for (int q = 0; q < kQuads; ++q) fours[q] = LoadFour(from + FirstOf(q));
#pragma unroll
      for (int q = 0; q < kQuads; ++q) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          x.quads[q][i] = kind.Widened(ElementOf(fours[q], i));
        }
      }
      return;
    }
#pragma unroll
    for (int q = 0; q < kQuads; ++q) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int at = FirstOf(q) + i;
        x.quads[q][i] = at < size ? kind.Widened(from[at]) : 0.0f;
      }
    }
  });
}

__device__ inline void StoreTile(const Tile& x, DataType dtype, size_t begin, int size,
                                 void* elements) {
  WithElements(dtype, [&](auto kind) {
    using Raw = typename decltype(kind)::Raw;
    Raw* const to = static_cast<Raw*>(elements) + begin;
    const bool vectors = size == kChunk && IsAligned<Four<Raw>>(to);
#pragma unroll
    for (int q = 0; q < kQuads; ++q) {
      Four<Raw> four;
#pragma unroll
      for (int i = 0; i < 4; ++i) SetElement(kind.Narrowed(x.quads[q][i]), i, four);
      if (vectors) {
        StoreFour(four, to + FirstOf(q));
        continue;
      }
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (FirstOf(q) + i < size) to[FirstOf(q) + i] = ElementOf(four, i);
      }
    }
  });
}

// Zeros from `size` on.
__device__ inline void ClearFrom(int size, Tile& x) {
  if (size == kChunk) return;
#pragma unroll
  for (int q = 0; q < kQuads; ++q) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (FirstOf(q) + i >= size) x.quads[q][i] = 0.0f;
    }
  }
}

}  // namespace thinwire::cuda

#endif  // THINWIRE_CUDA_CODEC_TILE_CUH_
