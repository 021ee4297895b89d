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

#include "codec/block_float_math.h"
#include "codec/float_formats.h"
#include "codec/iq_math.h"
#include "codec/q8_math.h"
#include "codec/rq_math.h"
#include "codec/simd.h"
#include "codec/state_math.h"
#include "codec/x3_math.h"
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

// ---- State: formulas in state_math.h ----

void WithResidual(const float* x, const float* residual, size_t count, float* t) {
  for (size_t i = 0; i < count; ++i) t[i] = x[i] + residual[i];
}
void Residual(const float* t, const float* y, size_t count, float* residual) {
  for (size_t i = 0; i < count; ++i) residual[i] = state::Residual(t[i], y[i]);
}
void FromReference(const float* x, const float* reference, size_t count, float* t) {
  for (size_t i = 0; i < count; ++i) t[i] = state::Difference(x[i], reference[i]);
}
void AdvanceReference(const float* reference, const float* y, size_t count, float* next) {
  for (size_t i = 0; i < count; ++i) next[i] = state::Advanced(reference[i], y[i]);
}

#include "codec/iq_loops.h"

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

void CopyPastCaches(const float* source, size_t count, float* target) {
  size_t i = 0;
#if defined(__SSE2__)
  for (; i + 4 <= count; i += 4) _mm_stream_ps(target + i, _mm_loadu_ps(source + i));
  StreamFence();
#endif
  memcpy(target + i, source + i, (count - i) * sizeof(float));
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
#include "codec/x3_loops.h"

// ---- fp16, and narrow floats under a shared scale ----

void Fp16DecodeAdd(const void* source, size_t count, float* __restrict accumulator) {
  const auto* narrow = static_cast<const uint16_t*>(source);
  for (size_t i = 0; i < count; ++i) accumulator[i] += Widen<Half>(narrow[i]);
}

// Copies a multiple of 16 bytes past the caches; both ends are aligned to 16.
inline void StreamBytes(const void* source, size_t bytes, void* target) {
#if defined(__SSE2__)
  const auto* const from = static_cast<const __m128i*>(source);
  auto* const to = static_cast<__m128i*>(target);
  for (size_t i = 0; i < bytes / 16; ++i) _mm_stream_si128(to + i, _mm_load_si128(from + i));
#else
  memcpy(target, source, bytes);
#endif
}

#include "codec/block_float_loops.h"
#include "codec/rq_loops.h"
#include "codec/tk_loops.h"

}  // namespace

extern const SimdLoops TW_SIMD_LOOPS;
const SimdLoops TW_SIMD_LOOPS = {
    .name = TW_SIMD_NAME,
    .widen = WidenAny,
    .narrow = NarrowAny,
    .add = Add,
    .copy_past_caches = CopyPastCaches,
    .iq8_steps = Iq8Steps,
    .iq4_steps = Iq4Steps,
    .iq_encode = IqEncode,
    .iq_decode = IqDecode,
    .with_residual = WithResidual,
    .residual = Residual,
    .from_reference = FromReference,
    .advance_reference = AdvanceReference,
    .bf16_encode = Bf16Encode,
    .bf16_decode_add = Bf16DecodeAdd,
    .q8_encode = Q8Encode,
    .q8_decode = Q8Decode,
    .q8_decode_add = Q8DecodeAdd,
    .x3_encode = X3Encode,
    .x3_decode = X3Decode,
    .fp16_decode_add = Fp16DecodeAdd,
    .fp8_e4m3 = kBlockFloatLoops<block_float::Fp8<Float8e4m3>>,
    .fp8_e5m2 = kBlockFloatLoops<block_float::Fp8<Float8e5m2>>,
    .mxfp8_e4m3 = kBlockFloatLoops<block_float::Mx<Float8e4m3>>,
    .mxfp8_e5m2 = kBlockFloatLoops<block_float::Mx<Float8e5m2>>,
    .mxfp6_e2m3 = kBlockFloatLoops<block_float::Mx<Float6e2m3>>,
    .mxfp6_e3m2 = kBlockFloatLoops<block_float::Mx<Float6e3m2>>,
    .mxfp4 = kBlockFloatLoops<block_float::Mx<Float4e2m1>>,
    .nvfp4 = kBlockFloatLoops<block_float::Nvfp4>,
    .rq_encode = RqEncode,
    .rq_decode = RqDecode,
    .rq_decode_add = RqDecodeAdd,
    .tk_encode = TkEncode,
    .tk_decode = TkDecode,
    .tk_decode_add = TkDecodeAdd,
};

}  // namespace thinwire
