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
#include "codec/philox.h"
#include "codec/q_math.h"
#include "codec/rq_math.h"
#include "codec/simd.h"
#include "codec/state_math.h"
#include "codec/tk_math.h"
#include "codec/x3_math.h"

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

template <float (*kFormula)(float, float)>
void StateLoop(const float* a, const float* b, size_t count, float* result) {
  for (size_t i = 0; i < count; ++i) result[i] = kFormula(a[i], b[i]);
}

void ResidualLoop(const float* __restrict y, size_t count, float* __restrict t) {
  for (size_t i = 0; i < count; ++i) t[i] = state::Residual(t[i], y[i]);
}

// ---- Stores past the caches ----

inline bool IsStreamable(const void* target) {
  return reinterpret_cast<uintptr_t>(target) % 16 == 0;
}

// Copies `bytes` from an array in the first cache past the caches to `target`, which is aligned to
// 16 bytes. At one go and by whole lines where it can: lines stored in parts, with work in between,
// reach memory in parts. `bytes` of the last 16 may be fewer. The caller fences (pieces.h).
inline void StreamOut(const void* source, size_t bytes, void* target) {
#if defined(__SSE2__)
  const auto* from = static_cast<const char*>(source);
  auto* to = static_cast<char*>(target);
  const char* const end = to + bytes;
  const auto part = [&] {
    _mm_stream_si128(reinterpret_cast<__m128i*>(to),
                     _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
    to += 16;
    from += 16;
  };
  while (end - to >= 16 && reinterpret_cast<uintptr_t>(to) % 64 != 0) part();
#if defined(__AVX512F__)
  for (; end - to >= 64; to += 64, from += 64) {
    _mm512_stream_si512(reinterpret_cast<__m512i*>(to), _mm512_loadu_si512(from));
  }
#elif defined(__AVX2__)
  for (; end - to >= 32; to += 32, from += 32) {
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to),
                        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  }
#endif
  while (end - to >= 16) part();
  memcpy(to, from, static_cast<size_t>(end - to));
#else
  memcpy(target, source, bytes);
#endif
}

// ---- bf16 and fp16 ----

void Bf16Encode(const float* source, size_t count, void* target) {
  NarrowLoop<Bfloat16>(source, count, target);
}

template <typename Format>
void CastDecodeAdd(const void* source, size_t count, float* __restrict accumulator) {
  const auto* narrow = static_cast<const typename Format::Bits*>(source);
  for (size_t i = 0; i < count; ++i) accumulator[i] += Widen<Format>(narrow[i]);
}

#include "codec/block_float_loops.h"
#include "codec/iq_loops.h"
#include "codec/philox_loops.h"
#include "codec/q_loops.h"
#include "codec/rq_loops.h"
#include "codec/tk_loops.h"
#include "codec/x3_loops.h"

}  // namespace

extern const SimdLoops TW_SIMD_LOOPS;
const SimdLoops TW_SIMD_LOOPS = {
    .name = TW_SIMD_NAME,
    .widen = WidenAny,
    .narrow = NarrowAny,
    .add = Add,
    .stream_out = StreamOut,
    .with_residual = StateLoop<state::WithResidual>,
    .residual = ResidualLoop,
    .from_reference = StateLoop<state::Difference>,
    .advance_reference = StateLoop<state::Advanced>,
    .bf16_encode = Bf16Encode,
    .bf16_decode_add = CastDecodeAdd<Bfloat16>,
    .fp16_decode_add = CastDecodeAdd<Half>,
    .q8 = kQLoops<q::Q8>,
    .q4 = kQLoops<q::Q4>,
    .rq_encode = RqEncode,
    .rq_decode = RqDecode,
    .rq_decode_add = RqDecodeAdd,
    .tk_encode = TkEncode,
    .tk_decode = TkDecode,
    .tk_decode_add = TkDecodeAdd,
    .iq8_steps = IqSteps<q::Q8>,
    .iq4_steps = IqSteps<q::Q4>,
    .iq_encode = IqEncode,
    .iq_decode = IqDecode,
    .fp8_e4m3 = kBlockFloatLoops<block_float::Fp8<Float8e4m3>>,
    .fp8_e5m2 = kBlockFloatLoops<block_float::Fp8<Float8e5m2>>,
    .mxfp8_e4m3 = kBlockFloatLoops<block_float::Mx<Float8e4m3>>,
    .mxfp8_e5m2 = kBlockFloatLoops<block_float::Mx<Float8e5m2>>,
    .mxfp6_e2m3 = kBlockFloatLoops<block_float::Mx<Float6e2m3>>,
    .mxfp6_e3m2 = kBlockFloatLoops<block_float::Mx<Float6e3m2>>,
    .mxfp4 = kBlockFloatLoops<block_float::Mx<Float4e2m1>>,
    .nvfp4 = kBlockFloatLoops<block_float::Nvfp4>,
    .x3_encode = X3Encode,
    .x3_decode = X3Decode,
};

}  // namespace thinwire
