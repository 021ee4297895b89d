// SPDX-License-Identifier: Apache-2.0
//
// The formulas of the codecs `iq8` and `iq4` (layout and error: docs/codecs.md): integers on a step
// that everybody who is summed agrees on, so that sums of decoded elements are exact.
//
// A step has 4 significant bits (q_math.h) and a code of n contributions is at most n * levels, so
// their product and the sums of such products fit the 24 bits of a binary32 for n <= kMaxRanks.

#ifndef THINWIRE_CODEC_IQ_MATH_H_
#define THINWIRE_CODEC_IQ_MATH_H_

#include <cstddef>
#include <cstdint>

#include "codec/host_device.h"
#include "codec/q_math.h"

namespace thinwire::iq {

inline constexpr size_t kBlock = 256;
inline constexpr size_t kChunk = 4096;
inline constexpr int kMaxRanks = 8192;
// The step, as a bfloat16, of a block that holds NaN or Inf.
inline constexpr uint16_t kSpecialStep = 0x7fc0;

// Codes of `ranks` contributions lie in +-offset and are sent as code + offset in `width` bits.
TW_HOST_DEVICE constexpr uint32_t Offset(int bits, int ranks) {
  return static_cast<uint32_t>(ranks) * ((1u << (bits - 1)) - 1);
}
// The width is the exponent of the largest code, which a binary32 holds exactly.
TW_HOST_DEVICE constexpr int Width(uint32_t offset) {
  return static_cast<int>(BitCast<uint32_t>(static_cast<float>(2 * offset)) >> 23) - 126;
}

// Bytes of a chunk of n elements: the steps, then planes of codes.
TW_HOST_DEVICE constexpr size_t StepBytes(size_t n) {
  return ((n + kBlock - 1) / kBlock * 2 + 15) / 16 * 16;
}
TW_HOST_DEVICE constexpr size_t PaddedElements(size_t n) { return (n + 127) / 128 * 128; }
TW_HOST_DEVICE constexpr size_t ChunkBytes(size_t n, int width) {
  return StepBytes(n) + PaddedElements(n) / 8 * static_cast<size_t>(width);
}

// Of the largest magnitude of a block, the step as a bfloat16. Steps order as these numbers do.
template <typename F>
TW_HOST_DEVICE constexpr uint16_t StepOf(uint32_t magnitude_bits) {
  if (magnitude_bits >= q::kInfBits) return kSpecialStep;
  return static_cast<uint16_t>(q::ScaleOf<F>(magnitude_bits, false) << 4);
}
TW_HOST_DEVICE constexpr float Step(uint16_t step) {
  return BitCast<float>(static_cast<uint32_t>(step) << 16);
}
// Of a block that holds NaN or Inf, whose elements are NaN.
TW_HOST_DEVICE constexpr bool IsSpecial(uint16_t step) { return (step & 0x7fffu) >= 0x7f80u; }
// What is sent of an agreed step.
TW_HOST_DEVICE constexpr uint16_t SentStep(uint16_t step) {
  return step < 0x7f80u ? step : kSpecialStep;
}
// 0 where there is no step to divide by: all codes are then 0.
TW_HOST_DEVICE constexpr float Inverse(uint16_t step) {
  const bool ordinary = step != 0 && step < 0x7f80u;
  return ordinary ? 1.0f / Step(step) : 0.0f;
}

// The code of x, kept within +-offset whatever the step, plus the offset.
TW_HOST_DEVICE constexpr uint32_t Code(float x, float inverse, int32_t offset) {
  const float product = x * inverse;
  // Where there is no step, x may be NaN or Inf, and so is 0 * x.
  const float finite = product - product == 0.0f ? product : 0.0f;
  const float bound = static_cast<float>(offset);
  const float low = finite < -bound ? -bound : finite;
  const float within = low > bound ? bound : low;
  const auto code = static_cast<int32_t>(BitCast<uint32_t>(within + 12582912.0f) - q::kShift);
  return static_cast<uint32_t>(code + offset);
}
TW_HOST_DEVICE constexpr float Value(uint32_t code, int32_t offset, float step) {
  return static_cast<float>(static_cast<int32_t>(code) - offset) * step;
}

}  // namespace thinwire::iq

#endif  // THINWIRE_CODEC_IQ_MATH_H_
