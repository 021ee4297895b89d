// SPDX-License-Identifier: Apache-2.0
//
// The formulas of codec `q8` (layout and error: docs/codecs.md): 8-bit codes, one scale byte a
// block of 32, chunks of 4096.
//
// A *scale* k is the top 11 bits of a positive binary32, (exponent << 3) | 3 mantissa bits; its
// *step*, (8 + m) * 2^(e - 3), is the value of one code. A chunk's head holds its largest scale
// `top`, a block's byte holds k - top + 255. Code times step has 11 significant bits at most, so
// decoding is exact, and fusing it with an addition can't change a bit.

#ifndef THINWIRE_CODEC_Q8_MATH_H_
#define THINWIRE_CODEC_Q8_MATH_H_

#include <cstddef>
#include <cstdint>

#include "codec/host_device.h"

namespace thinwire::q8 {

inline constexpr size_t kBlock = 32;
inline constexpr size_t kChunk = 4096;
inline constexpr size_t kHeadBytes = 16;

// Steps stay in [2^-126, FLT_MAX / 126 rounded up]: step and inverse are normal numbers.
inline constexpr uint32_t kMinScale = 1 << 3;
inline constexpr uint32_t kMaxScale = ((121 + 127) << 3) | 1;

// A chunk with a magnitude of 2^127 or more, Inf and NaN among them, is coded *guarded*: its finite
// codes span +-126, so +-127 can stand for +-Inf and -128 for NaN, and finite values stay finite.
inline constexpr uint32_t kGuardBits = 0x7f000000u;
inline constexpr uint32_t kInfBits = 0x7f800000u;
inline constexpr int8_t kNanCode = -128;
inline constexpr int8_t kInfCode = 127;

// Bytes of the scale plane and of a whole chunk of n elements, 1 <= n <= kChunk.
TW_HOST_DEVICE constexpr size_t ScaleBytes(size_t n) {
  return ((n + kBlock - 1) / kBlock + 15) / 16 * 16;
}
TW_HOST_DEVICE constexpr size_t CodeBytes(size_t n) { return (n + 15) / 16 * 16; }
TW_HOST_DEVICE constexpr size_t ChunkBytes(size_t n) {
  return kHeadBytes + ScaleBytes(n) + CodeBytes(n);
}

// Magnitudes order as their bits do, so the largest of a block is an integer maximum.
TW_HOST_DEVICE constexpr uint32_t MagnitudeBits(float x) {
  return BitCast<uint32_t>(x) & 0x7fffffffu;
}

// The smallest scale whose step times `levels` (127, guarded 126) reaches the block's largest
// finite magnitude: magnitude / levels with its mantissa rounded up to 3 bits.
TW_HOST_DEVICE constexpr uint32_t ScaleOf(uint32_t magnitude_bits, bool guarded) {
  const float step = BitCast<float>(magnitude_bits) * (guarded ? 1.0f / 126.0f : 1.0f / 127.0f);
  const uint32_t scale = (BitCast<uint32_t>(step) + 0xfffffu) >> 20;
  return scale < kMinScale ? kMinScale : scale;
}

// The byte of a scale. Blocks more than 255/8 octaves below the top take the step 255/8 below it.
TW_HOST_DEVICE constexpr uint32_t ScaleByte(uint32_t scale, uint32_t top) {
  return scale + 255 < top ? 0 : scale + 255 - top;
}
// Its inverse, total: any byte gives a scale in [kMinScale, top].
TW_HOST_DEVICE constexpr uint32_t ScaleFromByte(uint32_t byte, uint32_t top) {
  return byte + top < kMinScale + 255 ? kMinScale : byte + top - 255;
}

TW_HOST_DEVICE constexpr float Step(uint32_t scale) { return BitCast<float>(scale << 20); }

// One correctly rounded division a block: 2^-e times one of the 8 constants 8 / (8 + m), which a
// kernel may look up instead.
TW_HOST_DEVICE constexpr float InverseStep(uint32_t scale) { return 1.0f / Step(scale); }

// x / step to the nearest integer, ties to even, in the low bits of the result, in two's
// complement: the sum's last bit counts ones. `F` is float or a vector of floats.
template <typename F>
TW_HOST_DEVICE constexpr F ShiftedCode(F x, F inverse_step) {
  return x * inverse_step + 12582912.0f;  // 1.5 * 2^23
}
TW_HOST_DEVICE constexpr int8_t Code(float x, float inverse_step) {
  return static_cast<int8_t>(BitCast<uint32_t>(ShiftedCode(x, inverse_step)));
}

template <typename F>
TW_HOST_DEVICE constexpr F Value(F code, F step) {
  return code * step;
}

TW_HOST_DEVICE constexpr int8_t GuardedCode(float x, float inverse_step) {
  const uint32_t magnitude = MagnitudeBits(x);
  if (magnitude < kInfBits) return Code(x, inverse_step);
  if (magnitude > kInfBits) return kNanCode;
  return x > 0 ? kInfCode : static_cast<int8_t>(-kInfCode);
}
TW_HOST_DEVICE constexpr float GuardedValue(int8_t code, float step) {
  if (code == kNanCode) return BitCast<float>(0x7fc00000u);
  if (code == kInfCode) return BitCast<float>(kInfBits);
  if (code == -kInfCode) return BitCast<float>(kInfBits | 0x80000000u);
  const float value = Value(static_cast<float>(code), step);
  const bool overflow = MagnitudeBits(value) == kInfBits;
  return overflow ? BitCast<float>(BitCast<uint32_t>(value) - 1) : value;  // +-FLT_MAX
}

}  // namespace thinwire::q8

#endif  // THINWIRE_CODEC_Q8_MATH_H_
