// SPDX-License-Identifier: Apache-2.0
//
// Pieces: how runs of elements of any type and alignment are worked on, kPiece at a time, through
// aligned arrays on the stack.

#ifndef THINWIRE_CODEC_PIECES_H_
#define THINWIRE_CODEC_PIECES_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

#include "base/types.h"
#include "codec/simd.h"

namespace thinwire {

// What this thread stored past the caches comes before what it stores next, for all threads.
inline void StreamFence() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

// Room for one piece, not initialised.
template <typename T>
struct alignas(64) Scratch {
  T data[kPiece];
};

inline const std::byte* At(const void* elements, DataType dtype, size_t index) {
  return static_cast<const std::byte*>(elements) + index * SizeOf(dtype);
}
inline std::byte* At(void* elements, DataType dtype, size_t index) {
  return static_cast<std::byte*>(elements) + index * SizeOf(dtype);
}

inline bool IsAligned(const void* elements, DataType dtype) {
  return reinterpret_cast<uintptr_t>(elements) % SizeOf(dtype) == 0;
}

// `elements` as they are where aligned, else a copy in `scratch`.
template <typename T>
const void* Aligned(const void* elements, DataType dtype, size_t count, T* scratch) {
  if (IsAligned(elements, dtype)) return elements;
  return std::memcpy(scratch, elements, count * SizeOf(dtype));
}

// One piece of a floating type in binary32: in place where it is, else converted into `wide`.
inline const float* LoadFloats(const void* elements, DataType dtype, size_t count, float* wide) {
  Scratch<double> copy;
  const void* aligned = Aligned(elements, dtype, count, copy.data);
  if (dtype == DataType::kFloat32 && aligned == elements) return static_cast<const float*>(aligned);
  Simd().widen(dtype, aligned, count, wide);
  return wide;
}

// Its inverse: rounds one piece to `dtype` and stores it.
inline void StoreFloats(const float* wide, DataType dtype, size_t count, void* elements) {
  if (IsAligned(elements, dtype)) return Simd().narrow(dtype, wide, count, elements);
  Scratch<double> copy;
  Simd().narrow(dtype, wide, count, copy.data);
  std::memcpy(elements, copy.data, count * SizeOf(dtype));
}

}  // namespace thinwire

#endif  // THINWIRE_CODEC_PIECES_H_
