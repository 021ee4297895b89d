// SPDX-License-Identifier: Apache-2.0
//
// The loops of SimdLoops, plain C++ for the compiler to vectorise. Included once by each
// simd_<set>.cc, which is compiled for that instruction set and defines TW_SIMD_LOOPS and
// TW_SIMD_NAME. Everything has internal linkage or is always inlined, and the standard library is
// left out, so no function built for one set can be linked into code that runs on a lesser one.

#if !defined(TW_SIMD_LOOPS) || !defined(TW_SIMD_NAME)
#error "simd_loops.h is for the simd_<set>.cc files"
#endif

#include <string.h>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "codec/float_formats.h"
#include "codec/q8_math.h"
#include "codec/simd.h"
#include "codec/tk_math.h"

namespace thinwire {
namespace {

// ---- Conversions ----

template <typename Format>
void WidenLoop(const void* source, size_t count, float* __restrict target) {
  const auto* narrow = static_cast<const typename Format::Bits*>(source);
  for (size_t i = 0; i < count; ++i) target[i] = Widen<Format>(narrow[i]);
}

void WidenAny(DataType dtype, const void* source, size_t count, float* __restrict target) {
  switch (dtype) {
    case DataType::kFloat16:
      return WidenLoop<Half>(source, count, target);
    case DataType::kBfloat16:
      return WidenLoop<Bfloat16>(source, count, target);
    case DataType::kFloat8e4m3:
      return WidenLoop<Float8e4m3>(source, count, target);
    case DataType::kFloat8e5m2:
      return WidenLoop<Float8e5m2>(source, count, target);
    case DataType::kFloat64: {
      const auto* wide = static_cast<const double*>(source);
      for (size_t i = 0; i < count; ++i) target[i] = static_cast<float>(wide[i]);
      return;
    }
    default:
      memcpy(target, source, count * sizeof(float));
  }
}

template <typename Format>
void NarrowLoop(const float* source, size_t count, void* target) {
  auto* __restrict narrow = static_cast<typename Format::Bits*>(target);
  for (size_t i = 0; i < count; ++i) narrow[i] = Narrow<Format>(source[i]);
}

void NarrowAny(DataType dtype, const float* source, size_t count, void* target) {
  switch (dtype) {
    case DataType::kFloat16:
      return NarrowLoop<Half>(source, count, target);
    case DataType::kBfloat16:
      return NarrowLoop<Bfloat16>(source, count, target);
    case DataType::kFloat8e4m3:
      return NarrowLoop<Float8e4m3>(source, count, target);
    case DataType::kFloat8e5m2:
      return NarrowLoop<Float8e5m2>(source, count, target);
    case DataType::kFloat64: {
      auto* __restrict wide = static_cast<double*>(target);
      for (size_t i = 0; i < count; ++i) wide[i] = static_cast<double>(source[i]);
      return;
    }
    default:
      memcpy(target, source, count * sizeof(float));
  }
}

void Add(const float* __restrict source, size_t count, float* __restrict accumulator) {
  for (size_t i = 0; i < count; ++i) accumulator[i] += source[i];
}

// ---- Stores past the caches ----

// Streaming stores take 16 aligned bytes, and stay unordered until a fence.
inline bool IsStreamable(const void* target) {
  return reinterpret_cast<uintptr_t>(target) % 16 == 0;
}
inline void StreamFence() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

// ---- bf16 ----

void Bf16Encode(const float* source, size_t count, void* target) {
  NarrowLoop<Bfloat16>(source, count, target);
}

void Bf16DecodeAdd(const void* source, size_t count, float* __restrict accumulator) {
  const auto* narrow = static_cast<const uint16_t*>(source);
  for (size_t i = 0; i < count; ++i) accumulator[i] += Widen<Bfloat16>(narrow[i]);
}

#include "codec/q8_loops.h"
#include "codec/tk_loops.h"

}  // namespace

extern const SimdLoops TW_SIMD_LOOPS;
const SimdLoops TW_SIMD_LOOPS = {
    .name = TW_SIMD_NAME,
    .widen = WidenAny,
    .narrow = NarrowAny,
    .add = Add,
    .bf16_encode = Bf16Encode,
    .bf16_decode_add = Bf16DecodeAdd,
    .q8_encode = Q8Encode,
    .q8_decode = Q8Decode,
    .q8_decode_add = Q8DecodeAdd,
    .tk_encode = TkEncode,
    .tk_decode = TkDecode,
    .tk_decode_add = TkDecodeAdd,
};

}  // namespace thinwire
