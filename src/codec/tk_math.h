// SPDX-License-Identifier: Apache-2.0
//
// The formulas of codec `tk` (layout and error: docs/codecs.md): of each chunk of 4096 elements the
// k of largest magnitude, as 12-bit indices in ascending order and one value each.
//
// Which k: by key descending, then index ascending. Keys are magnitudes as integers; all NaNs have
// the same, above that of Inf, so what a machine puts into a NaN's payload decides nothing.

#ifndef THINWIRE_CODEC_TK_MATH_H_
#define THINWIRE_CODEC_TK_MATH_H_

#include <cstddef>
#include <cstdint>

#include "codec/host_device.h"
#include "codec/q_math.h"

namespace thinwire::tk {

using q::kGuardBits;
using q::kInfBits;
using q::MagnitudeBits;

inline constexpr size_t kChunk = 4096;
inline constexpr uint32_t kNanKey = kInfBits + 1;

// How values are kept: integers of 4 or 8 bits on one scale a chunk, bfloat16, or binary32.
enum class Value : uint8_t { kQ4, kQ8, kBf16, kRaw };

TW_HOST_DEVICE constexpr bool HasStep(Value value) { return value <= Value::kQ8; }
TW_HOST_DEVICE constexpr size_t BitsOf(Value value) { return size_t{4} << static_cast<int>(value); }

// Of a chunk of n elements, 1 <= n <= kChunk, that is sent at k of kChunk: how many are kept.
TW_HOST_DEVICE constexpr size_t Kept(size_t k, size_t n) { return (k * n + kChunk - 1) / kChunk; }

// A chunk that keeps k elements: head, indices (two in 3 bytes), values, zeros to a multiple of 16.
TW_HOST_DEVICE constexpr size_t HeadBytes(Value value) { return HasStep(value) ? 2 : 0; }
TW_HOST_DEVICE constexpr size_t IndexBytes(size_t k) { return (3 * k + 1) / 2; }
TW_HOST_DEVICE constexpr size_t ValueBytes(size_t k, Value value) {
  return (k * BitsOf(value) + 7) / 8;
}
TW_HOST_DEVICE constexpr size_t ChunkBytes(size_t k, Value value) {
  return (HeadBytes(value) + IndexBytes(k) + ValueBytes(k, value) + 15) / 16 * 16;
}

// What all elements of a chunk take with the codec that a kind of value is named after; and the
// most that are kept, which take less.
TW_HOST_DEVICE constexpr size_t DenseBytes(Value value) {
  if (value == Value::kQ4) return q::ChunkBytes<q::Q4>(kChunk);
  if (value == Value::kQ8) return q::ChunkBytes<q::Q8>(kChunk);
  return kChunk * BitsOf(value) / 8;
}
TW_HOST_DEVICE constexpr size_t MostKept(Value value) {
  size_t k = kChunk;
  while (ChunkBytes(k, value) >= DenseBytes(value)) --k;
  return k;
}

TW_HOST_DEVICE constexpr uint32_t KeyOfBits(uint32_t bits) {
  const uint32_t magnitude = bits & 0x7fffffffu;
  return magnitude > kNanKey ? kNanKey : magnitude;
}

// ---- Values as integers ----

// The *step*, the value of one code, is a bfloat16. It and its inverse are normal numbers.
inline constexpr uint32_t kMinStep = 0x0080;
inline constexpr uint32_t kMaxStep = 0x7f7f;
// Stands beside the step of a chunk with a magnitude of 2^127 or more: its finite codes leave out
// the largest, so that there are codes for Inf and NaN and finite values stay finite.
inline constexpr uint32_t kGuarded = 0x8000;

// The largest code, which is +Inf in a guarded chunk: minus it is -Inf, and one below that NaN.
TW_HOST_DEVICE constexpr int32_t LargestCode(Value value) { return value == Value::kQ4 ? 7 : 127; }

// The smallest step that keeps a magnitude within the finite codes, or hardly more: magnitude /
// levels, rounded up.
TW_HOST_DEVICE constexpr uint32_t StepOf(uint32_t magnitude_bits, int32_t levels) {
  const float step = BitCast<float>(magnitude_bits) * (1.0f / static_cast<float>(levels));
  const uint32_t rounded = (BitCast<uint32_t>(step) + 0xffffu) >> 16;
  return rounded < kMinStep ? kMinStep : rounded;
}
// The step as stored, given the largest magnitude that is kept and the largest finite one.
TW_HOST_DEVICE constexpr uint32_t StoredStep(uint32_t largest, uint32_t finite, Value value) {
  const int32_t levels = LargestCode(value);
  if (largest < kGuardBits) return StepOf(largest, levels);
  return StepOf(finite, levels - 1) | kGuarded;
}
TW_HOST_DEVICE constexpr bool IsStored(uint32_t step) {
  return (step & ~kGuarded) >= kMinStep && (step & ~kGuarded) <= kMaxStep;
}
TW_HOST_DEVICE constexpr float Step(uint32_t stored) {
  return BitCast<float>((stored & ~kGuarded) << 16);
}

// round(x / step), ties to even; within +-levels, since the step was rounded up.
TW_HOST_DEVICE constexpr int32_t Code(float x, float inverse_step) {
  const uint32_t shifted = BitCast<uint32_t>(q::ShiftedCode(x, inverse_step));
  return static_cast<int32_t>(shifted) - 0x4b400000;
}
TW_HOST_DEVICE constexpr int32_t GuardedCode(float x, float inverse_step, int32_t largest) {
  const uint32_t magnitude = MagnitudeBits(x);
  if (magnitude < kInfBits) return Code(x, inverse_step);
  if (magnitude > kInfBits) return -largest - 1;
  return x > 0 ? largest : -largest;
}
TW_HOST_DEVICE constexpr float ValueOf(int32_t code, float step) {
  return static_cast<float>(code) * step;  // exact
}
TW_HOST_DEVICE constexpr float GuardedValue(int32_t code, float step, int32_t largest) {
  if (code < -largest) return BitCast<float>(0x7fc00000u);
  if (code == largest) return BitCast<float>(kInfBits);
  if (code == -largest) return BitCast<float>(kInfBits | 0x80000000u);
  const float value = ValueOf(code, step);
  const bool overflow = MagnitudeBits(value) == kInfBits;
  return overflow ? BitCast<float>(BitCast<uint32_t>(value) - 1) : value;  // +-FLT_MAX
}

}  // namespace thinwire::tk

#endif  // THINWIRE_CODEC_TK_MATH_H_
